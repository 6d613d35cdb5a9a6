package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Report is what came of a run. Its JSON form has times of latencies in microseconds, other times in seconds, and sizes in bytes.
type Report struct {
	Load     Load     `json:"load"`
	Limits   Limits   `json:"limits"`
	Connect  Connect  `json:"connect"`
	Emit     Emit     `json:"emit"`
	Delivery Delivery `json:"delivery"`
	Server   *Server  `json:"server,omitempty"` // nil unless a process was measured
	Bench    Bench    `json:"bench"`
	// Stopped says that the run was ended from outside, before its time.
	Stopped bool `json:"stopped"`

	Samples []Sample `json:"samples"`
	// Curve is the latency of deliveries by percentile.
	Curve []Percentile `json:"curve"`
}

// Load is what was asked for.
type Load struct {
	URL            string    `json:"url"`
	Date           time.Time `json:"date"`
	Transport      Transport `json:"transport"`
	Clients        int       `json:"clients"`
	Slow           int       `json:"slow"`
	Rooms          int       `json:"rooms"`
	RoomsPerClient int       `json:"rooms_per_client"`
	By             Way       `json:"by"`
	Emitters       int       `json:"emitters"`
	Rate           float64   `json:"rate"` // messages/s; 0 is as fast as they can
	Size           int       `json:"size"` // of the data of a message
	Duration       float64   `json:"duration_s"`
	Count          int64     `json:"count"`
}

// Connect is what became of connecting and joining.
type Connect struct {
	Connected int            `json:"connected"`
	Failed    int            `json:"failed"`
	Errors    map[string]int `json:"errors,omitempty"`
	Seconds   float64        `json:"seconds"`
	PerSecond float64        `json:"per_second"`
	Latency   Quantiles      `json:"latency_us"` // from when a client should have begun to the answer to its last join
}

// Emit is what became of emits.
type Emit struct {
	Accepted    int64     `json:"accepted"`
	Busy        int64     `json:"busy"`            // times that the server said that it was behind; such a message is sent again
	BusySeconds float64   `json:"busy_s"`          // that all emitters together waited for that
	Failed      int64     `json:"failed"`          // messages of which nobody knows whether they were accepted
	Error       string    `json:"error,omitempty"` // what ended the emitters before their time
	Seconds     float64   `json:"seconds"`
	PerSecond   float64   `json:"per_second"`
	Latency     Quantiles `json:"latency_us"` // from when a message should have been sent until the server has answered
}

// Delivery is what became of messages.
type Delivery struct {
	Expected       int64          `json:"expected"`
	Delivered      int64          `json:"delivered"` // of those expected
	Lost           int64          `json:"lost"`
	Doubled        int64          `json:"doubled"`
	OutOfOrder     int64          `json:"out_of_order"`
	Strays         int64          `json:"strays"` // for rooms that the client is not in, or that had been refused
	Seconds        float64        `json:"seconds"`
	PerSecond      float64        `json:"per_second"`
	BytesPerSecond float64        `json:"bytes_per_second"`
	Latency        Quantiles      `json:"latency_us"` // from when a message should have been sent
	Ended          map[string]int `json:"ended,omitempty"`
	SlowEnded      int            `json:"slow_ended"` // slow clients that the server has ended
}

// Server is what the process of the server has used.
type Server struct {
	PID             int     `json:"pid"`
	Gone            bool    `json:"gone,omitempty"` // it has ended during the run
	CPUPerConnect   float64 `json:"cpu_us_per_connect"`
	CPUPerDelivery  float64 `json:"cpu_us_per_delivery"`
	CPU             float64 `json:"cpu"` // processors that it kept busy while messages went out
	RSSBefore       int64   `json:"rss_before"`
	RSSConnected    int64   `json:"rss_connected"`
	RSSMost         int64   `json:"rss_most"`
	RSSAfter        int64   `json:"rss_after"` // while the clients are still connected
	RSSPerConnected float64 `json:"rss_per_connection"`
}

// Bench is what this process has used.
type Bench struct {
	CPUPerConnect  float64 `json:"cpu_us_per_connect"`
	CPUPerDelivery float64 `json:"cpu_us_per_delivery"`
	CPU            float64 `json:"cpu"`
	// Late is how late a timer of this process was, measured every 10 ms while messages went out. Latencies are too large by as much.
	Late Quantiles `json:"late_us"`
}

// Quantiles are of a distribution of latencies, in microseconds.
type Quantiles struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean"`
	P50   int64   `json:"p50"`
	P90   int64   `json:"p90"`
	P99   int64   `json:"p99"`
	P999  int64   `json:"p99_9"`
	Max   int64   `json:"max"`
}

func quantiles(h *hdrhistogram.Histogram) Quantiles {
	if h.TotalCount() == 0 {
		return Quantiles{}
	}
	at := h.ValueAtPercentile
	return Quantiles{h.TotalCount(), h.Mean(), at(50), at(90), at(99), at(99.9), h.Max()}
}

// Percentile is one point of a distribution.
type Percentile struct {
	Percent float64 `json:"percent"`
	Micros  int64   `json:"us"`
}

// curve is a distribution, with more points the closer they are to the end.
func curve(h *hdrhistogram.Histogram) (points []Percentile) {
	const perHalf = 5
	for _, b := range h.CumulativeDistributionWithTicks(perHalf) {
		points = append(points, Percentile{b.Quantile, b.ValueAt})
	}
	return points
}

// Failure says what went wrong, or is nil.
func (r *Report) Failure() error {
	var wrong []string
	add := func(n int64, what string) {
		if n > 0 {
			wrong = append(wrong, fmt.Sprintf("%s %s", number(n), what))
		}
	}
	ended := 0
	for _, n := range r.Delivery.Ended {
		ended += n
	}
	add(int64(r.Connect.Failed), "not connected")
	add(r.Delivery.Lost, "lost")
	add(r.Delivery.Doubled, "doubled")
	add(r.Delivery.OutOfOrder, "out of order")
	add(r.Delivery.Strays, "where they should not be")
	add(int64(ended), "disconnected")
	add(r.Emit.Failed, "emits failed")
	switch {
	case r.Load.By == ByNothing:
	case r.Emit.Accepted == 0:
		wrong = append(wrong, "no message was accepted")
	case r.Delivery.Expected == 0: // no such message says anything about the server
		wrong = append(wrong, "no client was to get a message")
	}
	if r.Emit.Error != "" {
		wrong = append(wrong, r.Emit.Error)
	}
	if r.Server != nil && r.Server.Gone {
		wrong = append(wrong, "the process of the server has ended")
	}
	if len(wrong) == 0 {
		return nil
	}
	return errors.New(strings.Join(wrong, ", "))
}

// WriteJSON writes the report as JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
