package bench

import (
	"fmt"
	"math"
	"strconv"
)

// tickRoom is for the right half of the last label.
const tickRoom = 24

// maxPoints is how many samples a chart shows; more are taken together.
const maxPoints = 300

// charts are those that there is something for.
func (r *Report) charts() (all []*chart) {
	samples := condense(r.Samples)
	if r.Delivery.Latency.Count > 0 {
		all = append(all, r.percentileChart(), r.throughputChart(samples), r.latencyChart(samples))
	} else {
		all = append(all, r.clientChart(samples))
	}
	if r.Server != nil {
		all = append(all, r.memoryChart(samples))
		if r.Delivery.Latency.Count > 0 {
			all = append(all, r.clientChart(samples))
		}
		all = append(all, r.cpuChart(samples))
	}
	return all
}

// condense takes samples together: the mean of rates, and the highest of everything else.
func condense(samples []Sample) (few []Sample) {
	group := (len(samples) + maxPoints - 1) / maxPoints
	for i := 0; i < len(samples); i += group {
		s := samples[i]
		part := samples[i:min(i+group, len(samples))]
		s.PerSecond, s.CPU = 0, 0
		for _, p := range part {
			s.At = p.At
			s.Connected, s.P50, s.P99 = max(s.Connected, p.Connected), max(s.P50, p.P50), max(s.P99, p.P99)
			s.Max, s.RSS = max(s.Max, p.Max), max(s.RSS, p.RSS)
			s.PerSecond += p.PerSecond / float64(len(part))
			s.CPU += p.CPU / float64(len(part))
		}
		few = append(few, s)
	}
	return few
}

// overTime makes a chart of samples, with a line for each of what is asked of them, and the time of emits marked.
func (r *Report) overTime(title, note string, samples []Sample, lines ...timeLine) *chart {
	c := newChart(title, note, "seconds since the beginning")
	end := 1.0
	if len(samples) > 0 {
		end = samples[len(samples)-1].At
	}
	c.X.round(end, plain)
	if c.X.to > end*1.02 { // no empty space: the ticks need not end with the axis
		ticks := c.X.Ticks
		c.X.to, c.X.Ticks = end, nil
		for _, t := range ticks {
			if at, _ := strconv.ParseFloat(t.Label, 64); at <= end {
				c.X.tick(at, t.Label)
			}
		}
	}
	from, to := -1.0, 0.0
	for i, s := range samples {
		if s.Phase == Emitting {
			to = s.At
			if from < 0 {
				from = 0
				if i > 0 {
					from = samples[i-1].At
				}
			}
		}
	}
	if from >= 0 {
		c.Band = &band{Name: "emitting", from: from, to: to}
		if r.Load.By == ByNothing {
			c.Band.Name = "idle"
		}
	}
	for _, l := range lines {
		drawn := &line{Name: l.name, Class: l.class, Fill: l.fill}
		for _, s := range samples {
			drawn.points = append(drawn.points, point{s.At, l.of(s)})
		}
		c.Lines = append(c.Lines, drawn)
	}
	return c
}

// timeLine is a line over time. What is not known is no number.
type timeLine struct {
	name, class string
	fill        bool
	of          func(Sample) float64
}

// most is the highest point of all lines.
func (c *chart) most() (most float64) {
	for _, l := range c.Lines {
		for _, p := range l.points {
			if !math.IsNaN(p.y) {
				most = max(most, p.y)
			}
		}
	}
	return most
}

// least is the lowest point of all lines.
func (c *chart) least() float64 {
	least := math.Inf(1)
	for _, l := range c.Lines {
		for _, p := range l.points {
			if !math.IsNaN(p.y) {
				least = min(least, p.y)
			}
		}
	}
	return least
}

func known(n int64) float64 {
	if n == 0 {
		return math.NaN()
	}
	return float64(n)
}

func (r *Report) throughputChart(samples []Sample) *chart {
	c := r.overTime("Throughput", "deliveries a second", samples, timeLine{"deliveries/s", "a", true, func(s Sample) float64 { return s.PerSecond }})
	c.Y.round(c.most(), short)
	return c.draw()
}

func (r *Report) latencyChart(samples []Sample) *chart {
	c := r.overTime("Latency over time", "of the deliveries in each interval", samples,
		timeLine{"max", "c", false, func(s Sample) float64 { return known(s.Max) }},
		timeLine{"p99", "b", false, func(s Sample) float64 { return known(s.P99) }},
		timeLine{"p50", "a", false, func(s Sample) float64 { return known(s.P50) }})
	c.Y.decades(c.least(), c.most(), decade)
	return c.draw()
}

func (r *Report) memoryChart(samples []Sample) *chart {
	c := r.overTime("Memory of the server", "resident", samples, timeLine{"memory", "a", true, func(s Sample) float64 { return known(s.RSS) }})
	c.Y.round(c.most(), megabytes)
	return c.draw()
}

func (r *Report) cpuChart(samples []Sample) *chart {
	c := r.overTime("Processors that the server keeps busy", "1 is one of them", samples, timeLine{"processors", "b", true, func(s Sample) float64 { return s.CPU }})
	c.Y.round(max(c.most(), 1), plain)
	return c.draw()
}

func (r *Report) clientChart(samples []Sample) *chart {
	c := r.overTime("Clients", "that have joined and are connected", samples, timeLine{"clients", "c", true, func(s Sample) float64 { return float64(s.Connected) }})
	c.Y.round(c.most(), short)
	return c.draw()
}

// percentileChart shows a distribution with as much space for 90 to 99 % as for 99 to 99.9 %.
func (r *Report) percentileChart() *chart {
	c := newChart("Latency by percentile", "since a message should have been sent", "percent of the deliveries that took no longer")
	c.X.log = true
	c.X.from, c.X.to = 1, 10
	l := &line{Name: "latency", Class: "a", Fill: true}
	last := float64(r.Delivery.Latency.Count) // 1 in so many is the longest
	for _, p := range r.Curve {
		x := last
		if p.Percent < 100 {
			x = min(1/(1-p.Percent/100), last)
		}
		c.X.to = max(c.X.to, x)
		l.points = append(l.points, point{x, float64(p.Micros)})
	}
	c.Lines = []*line{l}
	c.X.tick(2, "50")
	for x, label := 10.0, "90"; c.X.at(x) <= plotRight-tickRoom; x *= 10 {
		c.X.tick(x, label)
		switch label {
		case "90":
			label = "99"
		case "99":
			label = "99.9"
		default:
			label += "9"
		}
	}
	c.Y.decades(c.least(), c.most(), decade)
	return c.draw()
}

// decade writes a time that is a power of ten.
func decade(us float64) string {
	switch {
	case us < 1e3:
		return plain(us) + " us"
	case us < 1e6:
		return plain(us/1e3) + " ms"
	default:
		return plain(us/1e6) + " s"
	}
}

// megabytes writes a size on an axis.
func megabytes(bytes float64) string { return plain(bytes/1e6) + " MB" }

// plain writes a number without zeros at its end.
func plain(n float64) string { return strconv.FormatFloat(math.Round(n*1e6)/1e6, 'f', -1, 64) }

// short writes a large number with k or M.
func short(n float64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.3gM", n/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.3gk", n/1e3)
	default:
		return fmt.Sprintf("%.3g", n)
	}
}
