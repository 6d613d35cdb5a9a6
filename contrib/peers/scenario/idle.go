package scenario

import (
	"context"
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
		About:   "10,000 WebSocket clients in one room that get nothing; memory is the slope from 100 to 10,000, once settled (python stalls at 1,024)",
		Peers:   thousands,
		Metrics: []Metric{Memory, Acknowledged},
		Run: func(ctx context.Context, s *peer.Server) (Result, error) {
			r, slope, err := crowd(ctx, s.Load(), func(int) int { return 1 })
			if err != nil {
				return Result{}, err
			}
			return Result{Values: map[string]float64{Memory.Name: slope, Acknowledged.Name: acknowledged(r[1])}, Failure: failure(r...), Reports: r}, nil
		},
	}
}

// crowd lets a few clients come and go, and then many, and returns both reports and the memory that each client more takes, in KB.
func crowd(ctx context.Context, cfg bench.Config, rooms func(clients int) int) (reports []*bench.Report, slope float64, err error) {
	for _, clients := range []int{firstIdle, allIdle} {
		cfg.Clients, cfg.Rooms = clients, rooms(clients)
		r, err := settle(ctx, cfg)
		if err != nil {
			return nil, 0, err
		}
		reports = append(reports, r)
	}
	few, many := reports[0], reports[1]
	more := many.Connect.Connected - few.Connect.Connected
	if more <= 0 {
		return reports, 0, nil
	}
	return reports, kb(float64(many.Server.RSSAfter-few.Server.RSSAfter)) / float64(more), nil
}

// settle lets clients do nothing until the memory of the server has settled.
func settle(ctx context.Context, cfg bench.Config) (*bench.Report, error) {
	idle, enough := context.WithCancel(ctx)
	defer enough()
	var w window
	cfg.By, cfg.Duration = bench.ByNothing, settledWithin
	cfg.Timeout = joinWithin
	cfg.Progress = func(p bench.Progress) {
		if p.Phase == bench.Emitting && w.settled(p.Elapsed, p.Sample.RSS) {
			enough()
		}
	}
	r, err := bench.Run(idle, cfg)
	if err != nil {
		return nil, err
	}
	return r, ctx.Err()
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

// acknowledged is how many clients have connected and joined, in percent.
func acknowledged(r *bench.Report) float64 {
	return share(int64(r.Connect.Connected), int64(r.Load.Clients))
}
