package bench

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-13s %s\n", name, fmt.Sprintf(format, args...))
	}
	b.WriteString(r.Load.String() + "\n\n")
	r.writeOutcome(line)
	b.WriteString("\n")
	r.writeLatencies(&b)
	b.WriteString("\n")
	r.writeCosts(line)
	_, err := io.WriteString(w, b.String())
	return err
}

// writeLine writes a line with a name in front.
type writeLine func(name, format string, args ...any)

// writeOutcome writes what became of clients and messages.
func (r *Report) writeOutcome(line writeLine) {
	c, e, d := &r.Connect, &r.Emit, &r.Delivery
	line("connected", "%s of %s in %.2f s, %s/s", number(c.Connected), number(r.Load.Clients), c.Seconds, whole(c.PerSecond))
	lines(line, "not connected", c.Errors)
	if r.Load.By != ByNothing {
		line("emitted", "%s in %.2f s, %s/s%s", number(e.Accepted), e.Seconds, whole(e.PerSecond), r.troubles())
		line("delivered", "%s of %s (%s), %s/s, %s/s", number(d.Delivered), number(d.Expected), share(d.Delivered, d.Expected), whole(d.PerSecond), size(d.BytesPerSecond))
		line("lost", "%s", number(d.Lost))
		line("doubled", "%s", number(d.Doubled))
		line("out of order", "%s", number(d.OutOfOrder))
		if d.Strays > 0 {
			line("strays", "%s that had been refused, or for rooms that the client is not in", number(d.Strays))
		}
	}
	lines(line, "disconnected", d.Ended)
	if r.Load.Slow > 0 {
		line("slow", "%s of %s ended by the server", number(d.SlowEnded), number(r.Load.Slow))
	}
	if r.Stopped || e.Error != "" {
		line("stopped", "before its time%s", printable(strings.TrimSuffix(": "+e.Error, ": ")))
	}
}

// troubles is what kept emitters from emitting.
func (r *Report) troubles() (text string) {
	e := &r.Emit
	if r.Load.Rate > 0 && e.PerSecond < 0.95*r.Load.Rate && e.Seconds > 1 {
		text += fmt.Sprintf(", which is %s of the rate asked for", share(int64(e.PerSecond*1000), int64(r.Load.Rate*1000)))
	}
	if e.Busy > 0 {
		text += fmt.Sprintf(", told %s times to wait, for %.2f s in all", number(e.Busy), e.BusySeconds)
	}
	if e.Failed > 0 {
		text += fmt.Sprintf(", %s failed", number(e.Failed))
	}
	return text
}

// writeLatencies writes a table.
func (r *Report) writeLatencies(b *strings.Builder) {
	row := func(name string, columns ...string) {
		fmt.Fprintf(b, "%-13s", name)
		for _, c := range columns {
			fmt.Fprintf(b, " %8s", c)
		}
		b.WriteString("\n")
	}
	row("latency", "p50", "p90", "p99", "p99.9", "max")
	for _, l := range []struct {
		name string
		Quantiles
	}{{"connect", r.Connect.Latency}, {"emit", r.Emit.Latency}, {"delivery", r.Delivery.Latency}, {"bench timer", r.Bench.Late}} {
		if l.Count > 0 {
			row(l.name, micros(l.P50), micros(l.P90), micros(l.P99), micros(l.P999), micros(l.Max))
		}
	}
}

// writeCosts writes what it has taken.
func (r *Report) writeCosts(line writeLine) {
	delivered := r.Delivery.Delivered
	if s := r.Server; s != nil {
		line("server CPU", "%s", cpu(s.CPUPerConnect, s.CPUPerDelivery, s.CPU, delivered))
		line("server memory", "%s: %s before, %s when all had joined, %s at the end, %s at most", s.perConnection(),
			size(float64(s.RSSBefore)), size(float64(s.RSSConnected)), size(float64(s.RSSAfter)), size(float64(s.RSSMost)))
		if s.Gone {
			line("server", "the process has ended")
		}
	}
	if own := r.Bench; own.CPU >= 0 {
		line("bench CPU", "%s", cpu(own.CPUPerConnect, own.CPUPerDelivery, own.CPU, delivered))
	}
}

// perConnection is the memory for a connection. A server that has had more of them before may have it still.
func (s *Server) perConnection() string {
	if s.RSSPerConnected <= 0 {
		return "it has had more before"
	}
	return size(s.RSSPerConnected) + " a connection"
}

// lines writes what went wrong, the most frequent first.
func lines(line writeLine, name string, errors map[string]int) {
	for _, text := range slices.SortedFunc(maps.Keys(errors), func(a, b string) int {
		return cmp.Or(errors[b]-errors[a], strings.Compare(a, b))
	}) {
		line(name, "%s: %s", number(errors[text]), printable(text))
		name = ""
	}
}

// printable is a text without control characters.
func printable(text string) string {
	quoted := strconv.Quote(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// String says what the load is, in one line.
func (l Load) String() string {
	transport := map[Transport]string{WebSocket: "WebSocket", Polling: "long-polling"}[l.Transport]
	text := fmt.Sprintf("%s %s clients", number(l.Clients), transport)
	if l.Slow > 0 {
		text += fmt.Sprintf(" (%s of them stop reading)", number(l.Slow))
	}
	if l.Rooms == 1 {
		text += " in 1 room"
	} else {
		text += fmt.Sprintf(" in %s rooms, each in %s", number(l.Rooms), number(l.RoomsPerClient))
	}
	if l.By == ByNothing {
		return fmt.Sprintf("%s; idle for %s", text, seconds(l.Duration))
	}
	emitters, pace, until := "emitters", "as fast as they can", ""
	if l.Emitters == 1 {
		emitters, pace = "emitter", "as fast as it can"
	}
	if l.Rate > 0 {
		pace = fmt.Sprintf("%s messages/s", strconv.FormatFloat(l.Rate, 'g', 6, 64))
	}
	if l.Count > 0 {
		until += fmt.Sprintf(", %s messages", number(l.Count))
	}
	if l.Duration > 0 {
		until += fmt.Sprintf(", for %s", seconds(l.Duration))
	}
	return fmt.Sprintf("%s; %s %s by %s, %s%s, %s bytes each", text, number(l.Emitters), emitters, l.By, pace, until, number(l.Size))
}

func seconds(s float64) string { return time.Duration(s * float64(time.Second)).String() }

// cpu is processor time for one client and for one message to one client, and how many processors that took. What was too little to measure, or
// not seen of a process that has ended, is told as -.
func cpu(connect, delivery, processors float64, delivered int64) string {
	text := fmt.Sprintf("%s us a connect", measured(connect))
	if delivered == 0 {
		return fmt.Sprintf("%s, %.0f %% of a processor", text, processors*100)
	}
	return fmt.Sprintf("%s us a delivery, %s, %s %% of a processor", measured(delivery), text, measuredWhole(processors*100))
}

func measured(n float64) string {
	if n <= 0 {
		return "-"
	}
	return digits(n)
}

func measuredWhole(n float64) string {
	if n <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", n)
}

// share never rounds up to all. Of nothing there is none.
func share(part, of int64) string {
	switch {
	case of == 0:
		return "-"
	case part == of:
		return "100 %"
	}
	return fmt.Sprintf("%.4g %%", min(float64(part)/float64(of)*100, 99.99))
}

// digits writes a number with three digits that mean something.
func digits(n float64) string {
	switch abs := math.Abs(n); {
	case abs < 9.995:
		return fmt.Sprintf("%.2f", n)
	case abs < 99.95:
		return fmt.Sprintf("%.1f", n)
	default:
		return fmt.Sprintf("%.0f", n)
	}
}

// micros writes a time.
func micros(us int64) string {
	switch {
	case us < 1000:
		return fmt.Sprintf("%d us", us)
	case us < 1e6:
		return digits(float64(us)/1e3) + " ms"
	default:
		return digits(float64(us)/1e6) + " s"
	}
}

// size writes a number of bytes.
func size(bytes float64) string {
	for _, u := range []struct {
		name string
		of   float64
	}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if math.Abs(bytes) >= u.of {
			return digits(bytes/u.of) + " " + u.name
		}
	}
	return fmt.Sprintf("%.0f B", bytes)
}

func whole(n float64) string { return number(int64(n + 0.5)) }

// number writes a whole number with commas.
func number[N int | int64](n N) string {
	text := strconv.FormatInt(int64(n), 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
