package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
	"github.com/ws-emit/ws-emit/contrib/peers/peer"
)

const (
	// firstIdle and allIdle are the ends of the slope: what a server needs without clients is not counted.
	firstIdle = 100
	allIdle   = 10_000
	// Memory has settled when it has been within settledShare of one value for settledFor.
	settledFor    = 2 * time.Second
	settledShare  = 0.005
	settledWithin = 15 * time.Second
)

// thousands are peers that can have 10,000 clients. Python stalls at 1,024 open files.
var thousands = []string{Ours, Floor, Node, Centrifuge, "zishang2", "zishang3", "socketioxide"}

// idle is clients in one room that get nothing.
func idle() Scenario {
	return Scenario{
		Name:    "idle",
		About:   "10,000 WebSocket clients in one room that get nothing; memory is the slope from 100 to 10,000 (python stalls at 1,024)",
		Peers:   thousands,
		Metrics: []Metric{Memory, Acknowledged},
		Run: func(ctx context.Context, s *peer.Server) (Result, error) {
			return crowd(ctx, s.Load(), func(int) int { return 1 }, Memory)
		},
	}
}

// crowd lets a few clients come and go, and then many. It measures how many get in, and the memory that each client more takes.
func crowd(ctx context.Context, cfg bench.Config, rooms func(clients int) int, memory Metric) (Result, error) {
	var result Result
	for _, clients := range []int{firstIdle, allIdle} {
		cfg.Clients, cfg.Rooms = clients, rooms(clients)
		r, settled, err := settle(ctx, cfg)
		if err != nil {
			return Result{}, err
		}
		if !settled {
			result.Note = fmt.Sprintf("memory had not settled after %v, and is what it was then", settledWithin)
		}
		result.Reports = append(result.Reports, r)
	}
	few, many := result.Reports[0], result.Reports[1]
	values := make(values)
	values.share(Acknowledged, int64(many.Connect.Connected), int64(many.Load.Clients))
	if more := many.Connect.Connected - few.Connect.Connected; more > 0 {
		values[memory.Name] = kb(float64(many.Server.RSSAfter-few.Server.RSSAfter)) / float64(more)
	}
	result.Values, result.Failure = values, failure(result.Reports...)
	return result, nil
}

// settle lets clients do nothing until the memory of the server has settled, for a bounded time, and reports whether it has.
func settle(ctx context.Context, cfg bench.Config) (_ *bench.Report, settled bool, _ error) {
	idle, enough := context.WithCancel(ctx)
	defer enough()
	var w window
	cfg.By, cfg.Duration = bench.ByNothing, settledWithin
	cfg.Timeout = joinWithin
	cfg.Progress = func(p bench.Progress) {
		if p.Phase == bench.Emitting && w.settled(p.Elapsed, p.Sample.RSS) {
			settled = true
			enough()
		}
	}
	r, err := bench.Run(idle, cfg)
	if err != nil {
		return nil, false, err
	}
	return r, settled, ctx.Err()
}

// window is the time in which memory has stayed within bounds.
type window struct {
	began       time.Duration
	least, most int64
}

// settled reports whether memory has settled, given what it is at a time.
func (w *window) settled(at time.Duration, rss int64) bool {
	least, most := min(w.least, rss), max(w.most, rss)
	if w.most == 0 || float64(most-least) > float64(most)*settledShare {
		w.began, least, most = at, rss, rss
	}
	w.least, w.most = least, most
	return at-w.began >= settledFor
}
