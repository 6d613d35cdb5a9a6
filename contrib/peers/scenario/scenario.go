package scenario

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
	"github.com/ws-emit/ws-emit/contrib/peers/peer"
)

// Scenario is one load, or a few that belong together. A server is started anew for it.
type Scenario struct {
	// Name is one short word, as typed and in the table.
	Name string
	// About says in one line what is done.
	About string
	// Needs is the name of a scenario that has to run before in each round, or "".
	Needs string
	// Peers are the names of those that it makes sense for; nil is all.
	Peers []string
	// Extra is what takes long: it is run when it is asked for.
	Extra bool
	// Rounds is how many rounds are enough; 0 is all that there are.
	Rounds int
	// Args are arguments and Env variables to add to the command of our own server, ws-emit.
	Args, Env []string
	// Before makes ready what the server needs to be there, such as Redis, with a folder for files. It returns arguments to add to the
	// command of ws-emit, and what ends it after the server has ended. Nil is nothing.
	Before func(ctx context.Context, dir string) (args []string, after func(), err error)
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
	// TooSlow says that the server could not keep the rate that was asked for, so that its latencies mean nothing; Failure says so, too.
	TooSlow bool
	// Note is what else there is to say, and nothing that the server did wrong by what is asked of it; "" is nothing.
	Note string
	// Reports are the raw reports behind the values.
	Reports []*bench.Report
}

// Names of peers that scenarios and targets tell apart.
const (
	Ours       = "ws-emit"
	Floor      = "floor"
	Node       = "node"
	Python     = "python"
	Centrifuge = "centrifuge"
)

// Metrics of more than one scenario, or that package report picks.
var (
	CPUPerDelivery = Metric{"CPU per delivery", "us"}
	CPUPerConnect  = Metric{"CPU per connect", "us"}
	Delivered      = Metric{"delivered", "%"}
	Memory         = Metric{"memory per connection", "KB"}
	P99            = Metric{"delivery p99", "ms"}
	PostP99        = Metric{"POST p99", "ms"}
	Acknowledged   = Metric{"acknowledged", "%"}
)

// All are all scenarios, in the order in which they run.
func All() []Scenario {
	slow := Slow()
	slow.Rounds = 1 // it compares within itself, and takes long
	all := []Scenario{sequential(), parallel(), idle(), connect(), rooms(), redis(), redisOrder(), slow}
	for _, s := range append([]Scenario{Overload(), Churn(), Leave()}, Latency()...) {
		s.Extra = true
		all = append(all, s)
	}
	return all
}

// For reports whether a scenario makes sense for a peer.
func (s *Scenario) For(name string) bool {
	for _, p := range s.Peers {
		if p == name {
			return true
		}
	}
	return s.Peers == nil
}

// slowness is by how much fewer messages are enough for the slowest peers, so that nobody waits for minutes. All others get the same number.
var slowness = map[string]int64{Python: 4, "zishang2": 10, "zishang3": 10}

// enough is how many messages are enough for a peer where a fast one gets n.
func enough(s *peer.Server, n int64) int64 {
	return n / max(slowness[s.Peer.Name], 1)
}

const (
	// joinWithin bounds connecting with all joins, for one client. Some peers leave a few clients without an answer for ever.
	joinWithin = 5 * time.Second
	// patience bounds the wait for messages that are under way: a server that answers an emit at once may have all of them before it.
	patience = 10 * time.Second
)

// load puts a server under load. Where clients could not connect or messages were lost there is a report, and no error.
func load(ctx context.Context, cfg bench.Config) (*bench.Report, error) {
	cfg.Timeout, cfg.Patience = joinWithin, cmp.Or(cfg.Patience, patience)
	r, err := bench.Run(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return r, ctx.Err() // half a load is none
}

// failure says in a few words what a server did wrong, or "".
func failure(reports ...*bench.Report) string {
	for _, r := range reports {
		err := r.Failure()
		switch d := &r.Delivery; {
		case err == nil:
		case d.Lost > 0:
			return fmt.Sprintf("%.3g %% delivered: %v", share(d.Delivered, d.Expected), err)
		default:
			return err.Error()
		}
	}
	return ""
}

// share is a part in percent, and never rounded up to all.
func share(part, of int64) float64 {
	if part >= of {
		return 100
	}
	return min(float64(part)/float64(of)*100, 99.9)
}

// ms is microseconds in milliseconds.
func ms(us int64) float64 { return float64(us) / 1000 }

// kb is bytes in KB.
func kb(bytes float64) float64 { return bytes / 1000 }
