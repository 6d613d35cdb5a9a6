package bench

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	c, e, d := &r.Connect, &r.Emit, &r.Delivery
	b.WriteString(r.Load.String() + "\n\n")
	line("connected", "%s of %s in %.2f s, %s/s", number(c.Connected), number(r.Load.Clients), c.Seconds, whole(c.PerSecond))
	line("", "%s", c.Latency)
	if r.Load.By != ByNothing {
		line("emitted", "%s in %.1f s, %s/s%s", number(e.Accepted), e.Seconds, whole(e.PerSecond), e.troubles())
		line("", "%s", e.Latency)
		line("delivered", "%s of %s (%s), %s/s, %s/s", number(d.Delivered), number(d.Expected), share(d.Delivered, d.Expected), whole(d.PerSecond), size(d.BytesPerSecond))
		line("", "%s", d.Latency)
		line("lost", "%s", number(d.Lost))
		line("doubled", "%s", number(d.Doubled))
		line("out of order", "%s", number(d.OutOfOrder))
		if d.Strays > 0 {
			line("strays", "%s that had been refused, or for rooms that the client is not in", number(d.Strays))
		}
	}
	lines(line, "not connected", c.Errors)
	lines(line, "disconnected", d.Ended)
	if r.Load.Slow > 0 {
		line("slow", "%s of %s ended by the server", number(d.SlowEnded), number(r.Load.Slow))
	}
	if s := r.Server; s != nil {
		line("server CPU", "%s, %s a connect", perDelivery(s.CPUPerDelivery, s.CPU, d.Delivered), micros(s.CPUPerConnect))
		line("memory", "%s a connection: %s before, %s when all had joined, %s at the end, %s at most", size(s.RSSPerConnected),
			size(float64(s.RSSBefore)), size(float64(s.RSSConnected)), size(float64(s.RSSAfter)), size(float64(s.RSSMost)))
	}
	if own := r.Bench; own.CPU >= 0 {
		line("bench CPU", "%s, %s a connect", perDelivery(own.CPUPerDelivery, own.CPU, d.Delivered), micros(own.CPUPerConnect))
	}
	if r.Stopped {
		line("stopped", "before its time")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// lines writes what went wrong, the most frequent first.
func lines(line func(name, format string, args ...any), name string, errors map[string]int) {
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

func (e *Emit) troubles() (text string) {
	if e.Busy > 0 {
		text += fmt.Sprintf(", %s times told to wait", number(e.Busy))
	}
	if e.Failed > 0 {
		text += fmt.Sprintf(", %s failed", number(e.Failed))
	}
	return text
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
		until += fmt.Sprintf(", %s", seconds(l.Duration))
	}
	return fmt.Sprintf("%s; %s %s by %s, %s%s, %s bytes each", text, number(l.Emitters), emitters, l.By, pace, until, number(l.Size))
}

func seconds(s float64) string { return time.Duration(s * float64(time.Second)).String() }

func (q Quantiles) String() string {
	if q.Count == 0 {
		return "latency unknown"
	}
	return fmt.Sprintf("latency p50 %s  p90 %s  p99 %s  p99.9 %s  max %s", micros(float64(q.P50)), micros(float64(q.P90)), micros(float64(q.P99)),
		micros(float64(q.P999)), micros(float64(q.Max)))
}

// perDelivery is CPU time for one message to one client, and how many processors that took.
func perDelivery(us, processors float64, delivered int64) string {
	text := fmt.Sprintf("%.0f %% of a processor", processors*100)
	if delivered == 0 {
		return text
	}
	return fmt.Sprintf("%.2f us a delivery, %s", us, text)
}

// share never rounds up to all.
func share(part, of int64) string {
	if of == 0 || part == of {
		return "100 %"
	}
	return fmt.Sprintf("%.4g %%", min(float64(part)/float64(of)*100, 99.99))
}

// micros writes a time with three digits.
func micros(us float64) string {
	switch {
	case us < 1000:
		return fmt.Sprintf("%.3g us", us)
	case us < 1e6:
		return fmt.Sprintf("%.3g ms", us/1e3)
	default:
		return fmt.Sprintf("%.3g s", us/1e6)
	}
}

// size writes a number of bytes.
func size(bytes float64) string {
	for _, u := range []struct {
		name string
		of   float64
	}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if bytes >= u.of || bytes <= -u.of {
			return fmt.Sprintf("%.3g %s", bytes/u.of, u.name)
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
