package bench

import (
	"fmt"
	"math"
	"strings"
)

// Places in a chart, in the units of its picture.
const (
	chartWidth, chartHeight = 520, 250
	plotLeft, plotRight     = 58, chartWidth - 12
	plotTop, plotBottom     = 22, chartHeight - 42
)

// plot is where things are in a picture, for the page.
type plot struct{ Width, Height, Left, Right, Middle, Top, Bottom, Inside int }

var thePlot = plot{
	Width: chartWidth, Height: chartHeight, Left: plotLeft, Right: plotRight, Middle: (plotLeft + plotRight) / 2,
	Top: plotTop, Bottom: plotBottom, Inside: plotBottom - plotTop,
}

// chart is a picture of lines over an axis. Its fields are what the page shows.
type chart struct {
	Title  string
	Note   string
	XLabel string
	X, Y   axis
	Lines  []*line
	Band   *band // nil is none
}

// line is one line, which begins anew wherever nothing is known.
type line struct {
	Name   string
	Class  string // of the style sheet
	Fill   bool   // the space below
	points []point
	Paths  []string
	Areas  []string
}

type point struct{ x, y float64 }

// band marks a part of the horizontal axis.
type band struct {
	Name     string
	from, to float64
	X, Width string
}

// axis maps values to places.
type axis struct {
	from, to float64
	log      bool
	low      float64 // place of from
	high     float64 // place of to
	Ticks    []tickMark
}

type tickMark struct{ At, Label string }

func place(x float64) string { return fmt.Sprintf("%.1f", x) }

func (a *axis) at(v float64) float64 {
	from, to := a.from, a.to
	if a.log {
		from, to, v = math.Log10(from), math.Log10(to), math.Log10(max(v, a.from))
	}
	return a.low + (v-from)/(to-from)*(a.high-a.low)
}

func (a *axis) tick(v float64, label string) {
	a.Ticks = append(a.Ticks, tickMark{place(a.at(v)), label})
}

// round makes an axis from 0 that ends at a round number, with a few ticks.
func (a *axis) round(most float64, label func(float64) string) {
	const about = 5
	if most <= 0 {
		most = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(most/about)))
	for _, by := range []float64{2, 2.5, 2} { // 2, 5 and 10 times the power of ten
		if most/step > about {
			step *= by
		}
	}
	a.to = math.Ceil(most/step) * step
	for i := 0; float64(i)*step <= a.to*1.0001; i++ {
		a.tick(float64(i)*step, label(float64(i)*step))
	}
}

// decades makes an axis of powers of ten around some values.
func (a *axis) decades(least, most float64, label func(float64) string) {
	a.log = true
	a.from = math.Pow(10, math.Floor(math.Log10(max(least, 1))))
	a.to = max(math.Pow(10, math.Ceil(math.Log10(max(most, 1)))), a.from*10)
	for v := a.from; v <= a.to*1.0001; v *= 10 {
		a.tick(v, label(v))
	}
}

// newChart makes the places of a chart; what is drawn comes later.
func newChart(title, note, xLabel string) *chart {
	return &chart{Title: title, Note: note, XLabel: xLabel, X: axis{low: plotLeft, high: plotRight}, Y: axis{low: plotBottom, high: plotTop}}
}

// draw turns points into paths.
func (c *chart) draw() *chart {
	for _, l := range c.Lines {
		for _, part := range parts(l.points) {
			var path strings.Builder
			for i, p := range part {
				path.WriteString(map[bool]string{true: "M", false: "L"}[i == 0])
				fmt.Fprintf(&path, "%s %s", place(c.X.at(p.x)), place(c.Y.at(p.y)))
			}
			l.Paths = append(l.Paths, path.String())
			if l.Fill {
				fmt.Fprintf(&path, "L%s %dL%s %dZ", place(c.X.at(part[len(part)-1].x)), plotBottom, place(c.X.at(part[0].x)), plotBottom)
				l.Areas = append(l.Areas, path.String())
			}
		}
	}
	if b := c.Band; b != nil {
		x := c.X.at(b.from)
		b.X, b.Width = place(x), place(max(c.X.at(b.to)-x, 0))
	}
	return c
}

// parts divides points where nothing is known.
func parts(points []point) (all [][]point) {
	var part []point
	for _, p := range append(points, point{y: math.NaN()}) {
		if !math.IsNaN(p.y) {
			part = append(part, p)
			continue
		}
		if len(part) > 0 {
			all = append(all, part)
		}
		part = nil
	}
	return all
}
