package bench

import (
	_ "embed"
	htmltemplate "html/template"
	"io"
	"strings"
)

//go:embed report.html
var pageText string

var page = htmltemplate.Must(htmltemplate.New("report").Parse(pageText))

// WriteHTML writes the report as a page with charts that needs nothing else: no script, no font, no style sheet.
func (r *Report) WriteHTML(w io.Writer) error {
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		return err
	}
	view := struct {
		*Report
		Date    string
		Wrong   string // "" is nothing
		Tiles   []tile
		Charts  []*chart
		Plot    plot
		Details string
	}{Report: r, Date: r.Load.Date.Format("2006-01-02 15:04:05 MST"), Tiles: r.tiles(), Charts: r.charts(), Plot: thePlot, Details: text.String()}
	if err := r.Failure(); err != nil {
		view.Wrong = err.Error()
	}
	return page.Execute(w, view)
}

// tile is one figure that matters.
type tile struct{ Name, Value, Note string }

func (r *Report) tiles() (all []tile) {
	d := &r.Delivery
	if r.Load.By != ByNothing {
		all = append(all,
			tile{"Delivered", share(d.Delivered, d.Expected), number(d.Delivered) + " of " + number(d.Expected)},
			tile{"Throughput", short(d.PerSecond) + "/s", short(r.Emit.PerSecond) + " emits/s"},
			tile{"Latency p99", micros(d.Latency.P99), "p50 " + micros(d.Latency.P50) + ", max " + micros(d.Latency.Max)},
			tile{"Emit p99", micros(r.Emit.Latency.P99), "p50 " + micros(r.Emit.Latency.P50)},
		)
	}
	all = append(all, tile{"Connects", short(r.Connect.PerSecond) + "/s", "p99 " + micros(r.Connect.Latency.P99)})
	s := r.Server
	if s == nil {
		return all
	}
	if d.Delivered > 0 {
		all = append(all, tile{"CPU a delivery", measured(s.CPUPerDelivery) + " us", "the bench itself " + measured(r.Bench.CPUPerDelivery) + " us"})
	}
	if s.RSSPerConnected <= 0 {
		return all
	}
	return append(all, tile{"Memory a connection", size(s.RSSPerConnected), size(float64(s.RSSConnected)) + " when all had joined"})
}
