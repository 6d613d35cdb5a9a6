package report

import (
	_ "embed"
	"fmt"
	"io"
	"strings"
	"text/template"

	"github.com/ws-emit/ws-emit/contrib/peers/scenario"
)

// Places in the picture, in its units.
const (
	pictureWidth = 860
	panelGap     = 40
	panelWidth   = (pictureWidth - panelGap) / 2
	panelTop     = 48 // from the title of a panel to its first bar
	barStep      = 24
	barLeft      = 96
	barWidth     = 140 // of the longest
	panelBelow   = 20
)

//go:embed chart.svg
var chartText string

var chartTemplate = template.Must(template.New("chart").Parse(chartText))

// picture is what the template shows.
type picture struct {
	Width, Height int
	About         string
	Panels        []panel
}

type panel struct {
	X, Y        int
	Title, Note string
	Bars        []bar
}

// bar is a server in a panel. One without a figure has no width.
type bar struct {
	Y     int
	Class string // of the style sheet
	Name  string
	Width string
	End   string // place of Text
	Text  string
	Bad   string // what went wrong
}

// WriteSVG writes a picture: a panel for each of the figures that count, a bar for each server. It is dark where the reader prefers that.
func (c *Comparison) WriteSVG(w io.Writer) error {
	p := picture{Width: pictureWidth, About: escape(fmt.Sprintf("%s, %d x %s", c.summary(), c.Machine.Cores, c.Machine.CPU))}
	var peers []string
	for _, one := range c.Peers {
		if one.Missing == "" {
			peers = append(peers, one.Name)
		}
	}
	height := panelTop + len(peers)*barStep + panelBelow
	for _, col := range c.measured() {
		if col.panel == "" {
			continue
		}
		n := len(p.Panels)
		p.Panels = append(p.Panels, c.panel(col, peers, n%2*(panelWidth+panelGap), n/2*height))
	}
	p.Height = (len(p.Panels)+1)/2*height + panelBelow
	return chartTemplate.Execute(w, p)
}

func (c *Comparison) panel(col column, peers []string, x, y int) panel {
	p := panel{X: x, Y: y, Title: escape(col.panel), Note: escape(col.note)}
	most := 0.0
	for _, name := range peers {
		v, _ := c.figure(col.scenario, col.metric, name)
		most = max(most, v)
	}
	for i, name := range peers {
		b := bar{Y: panelTop + i*barStep, Name: escape(name), Class: class(name), Text: "-", End: fmt.Sprint(barLeft + 6)}
		if v, ok := c.figure(col.scenario, col.metric, name); ok {
			width := 0.0
			if most > 0 {
				width = max(v/most*barWidth, 1)
			}
			b.Width, b.End, b.Text = fmt.Sprintf("%.1f", width), fmt.Sprintf("%.1f", barLeft+width+6), escape(Amount(v, col.metric.Unit))
		}
		b.Bad = escape(c.bad(col.scenario, name))
		p.Bars = append(p.Bars, b)
	}
	return p
}

// bad says in very few words what went wrong, or "".
func (c *Comparison) bad(of, peer string) string {
	if c.wrong(of, peer) == "" {
		return ""
	}
	for _, share := range []struct {
		of   scenario.Metric
		text string
	}{{scenario.Delivered, " delivered"}, {scenario.Acknowledged, " joined"}} {
		if v, ok := c.figure(of, share.of, peer); ok && v < 100 {
			return Amount(v, share.of.Unit) + share.text
		}
	}
	return "failed"
}

func class(peer string) string {
	switch peer {
	case scenario.Ours:
		return "ours"
	case scenario.Floor:
		return "floor"
	default:
		return "peer"
	}
}

// escape keeps a text from being taken for markup.
func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(text)
}
