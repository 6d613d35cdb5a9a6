package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
	"github.com/ws-emit/ws-emit/contrib/peers/peer"
)

// Metrics of clients that come and go.
var (
	MoreGoroutines = Metric{"goroutines more", ""}
	MoreFiles      = Metric{"open files more", ""}
	MoreHeap       = Metric{"live heap more", "KB"}
	ConnectRate    = Metric{"connects", "/s"}
	MemoryBack     = Metric{"memory given back", "%"}
	HeapBack       = Metric{"heap given back", "%"}
	BackAfter      = Metric{"time until 90 % are given back", "s"}
)

const (
	churnWarmUp  = 10_000
	churnClients = 100_000
	churnAtOnce  = 48
	// backWithin bounds the wait for memory to come back.
	backWithin = 60 * time.Second
	backEvery  = 250 * time.Millisecond
	backEnough = 90 // percent
)

// Churn is clients that come and go as fast as they can, each in a way that clients have of going.
func Churn() Scenario {
	return Scenario{
		Name: "churn",
		About: "100,000 clients, 48 at a time: connect, join a room of their own, and go with a close frame, by closing TCP, by a reset, or in the middle " +
			"of the handshake; compared with after 10,000 of them",
		Peers:   []string{Ours},
		Args:    []string{"--metrics"},
		Metrics: []Metric{MoreHeap, MoreGoroutines, MoreFiles, MemoryGrowth, ConnectRate},
		Run:     runChurn,
	}
}

func runChurn(ctx context.Context, s *peer.Server) (Result, error) {
	if err := comeAndGo(ctx, s.URL, churnWarmUp); err != nil {
		return Result{}, fmt.Errorf("warm-up: %w", err)
	}
	before, err := atRest(ctx, s)
	if err != nil {
		return Result{}, err
	}
	began := time.Now()
	if err := comeAndGo(ctx, s.URL, churnClients); err != nil {
		return Result{}, err
	}
	took := time.Since(began)
	after, err := atRest(ctx, s)
	if err != nil {
		return Result{}, err
	}
	result := Result{Values: map[string]float64{
		MoreGoroutines.Name: after.goroutines - before.goroutines,
		MoreFiles.Name:      after.files - before.files,
		MoreHeap.Name:       kb(after.heap - before.heap),
		MemoryGrowth.Name:   kb(after.rss - before.rss),
		ConnectRate.Name:    churnClients / took.Seconds(),
	}}
	if after.sessions != 0 {
		result.Failure = fmt.Sprintf("%.0f sessions are left though all clients have gone", after.sessions)
	}
	return result, nil
}

// Leave is how much memory comes back when all clients go.
func Leave() Scenario {
	return Scenario{
		Name:    "leave",
		About:   "10,000 idle clients, then 10,000 in 10,000 rooms; when all have gone, memory comes back, for which there is a minute",
		Peers:   []string{Ours},
		Args:    []string{"--metrics"},
		Metrics: []Metric{MemoryBack, HeapBack, BackAfter},
		Run:     runLeave,
	}
}

func runLeave(ctx context.Context, s *peer.Server) (Result, error) {
	empty, err := atRest(ctx, s)
	if err != nil {
		return Result{}, err
	}
	full := usage{} // at the fullest
	var reports []*bench.Report
	for _, rooms := range []int{1, allIdle} {
		cfg := s.Load()
		cfg.Clients, cfg.Rooms, cfg.By, cfg.Duration = allIdle, rooms, bench.ByNothing, settledFor
		r, err := loadWatched(ctx, s, cfg, &full)
		if err != nil {
			return Result{}, err
		}
		reports = append(reports, r)
	}
	left := time.Now()
	values := make(map[string]float64)
	for {
		now, err := usageOf(ctx, s)
		if err != nil {
			return Result{}, err
		}
		values[MemoryBack.Name] = back(empty.rss, full.rss, now.rss)
		values[BackAfter.Name] = time.Since(left).Seconds()
		if values[MemoryBack.Name] >= backEnough || time.Since(left) > backWithin {
			break
		}
		if err := pause(ctx, backEvery); err != nil {
			return Result{}, err
		}
	}
	rest, err := atRest(ctx, s)
	if err != nil {
		return Result{}, err
	}
	values[HeapBack.Name] = back(empty.heap, full.heap, rest.heap)
	return Result{Values: values, Failure: failure(reports...), Reports: reports}, nil
}

// loadWatched is load, and notes the most that the server has used.
func loadWatched(ctx context.Context, s *peer.Server, cfg bench.Config, most *usage) (*bench.Report, error) {
	var failed error
	cfg.Progress = func(p bench.Progress) {
		if p.Phase != bench.Emitting || failed != nil {
			return
		}
		now, err := usageOf(ctx, s)
		failed = err
		most.rss, most.heap = max(most.rss, now.rss), max(most.heap, now.heap)
	}
	r, err := load(ctx, cfg)
	if err == nil {
		err = failed
	}
	return r, err
}

// back is how much of what has been taken was given back, in percent.
func back(empty, full, now float64) float64 {
	if full <= empty {
		return 100
	}
	return max(0, min(100, (full-now)/(full-empty)*100))
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
