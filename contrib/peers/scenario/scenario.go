// Package scenario is the loads under which servers are compared.
package scenario

import (
	"context"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
	"github.com/ws-emit/ws-emit/contrib/peers/peer"
)

// Scenario is one load, or a few that belong together. A server is started anew for it.
type Scenario struct {
	// Name is one short word, as typed and in the table.
	Name string
	// About says in one line what is done.
	About string
	// Peers are the names of those that it makes sense for; nil is all.
	Peers []string
	// Args are arguments and Env variables to add to the command of our own server, ws-emit.
	Args, Env []string
	// Metrics are what Run measures, the most important one first.
	Metrics []Metric
	// Run puts a server under load. An error means that there is nothing to report; what the server did wrong is in the result.
	Run func(ctx context.Context, s *peer.Server) (Result, error)
}

// Metric is something measured.
type Metric struct {
	Name string // as in the table: "CPU per delivery"
	Unit string // us, KB, ms, %, /s, or "" for a number
}

// Result is what came of one run of a scenario on one server.
type Result struct {
	// Values are by the name of the metric. One that could not be measured is absent.
	Values map[string]float64
	// Failure says what the server did wrong, such as losing messages; "" is nothing.
	Failure string
	// Reports are the raw reports behind the values.
	Reports []*bench.Report
}

// Target is what is asked of ws-emit, of the medians of all rounds of one run. One of Ratio and Most is set.
type Target struct {
	Scenario, Metric string
	// Against is the peer that Ratio is to: the value is to be at most Ratio times that of the peer.
	Against string
	Ratio   float64
	// Most is the largest value in the unit of the metric.
	Most float64
}
