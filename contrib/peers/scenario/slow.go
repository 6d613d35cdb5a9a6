package scenario

import (
	"context"
	"fmt"
	"math"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
	"github.com/ws-emit/ws-emit/contrib/peers/peer"
)

// Metrics of clients that stop reading.
var (
	SlowP99      = Metric{"p99 with slow clients : without", ""}
	P99          = Metric{"delivery p99", "ms"}
	SlowEnded    = Metric{"slow clients ended", ""}
	SlowReason   = Metric{"ended as slow consumers", ""}
	MemoryGrowth = Metric{"memory growth", "KB"}
)

const (
	readingClients = 200
	slowClients    = 20
	largeSize      = 16 << 10
	slowRate       = 100 // messages a second
	slowCount      = 600
	// slowPairs is how often the load is made without and with slow clients. The least p99 of each counts: whatever else the machine does can
	// only make it longer.
	slowPairs = 3
)

// Slow is clients that stop reading, among others who are to notice nothing.
func Slow() Scenario {
	return Scenario{
		Name: "slow",
		About: "600 messages of 16 KiB at 100 a second to 200 clients, and to 200 that read and 20 with SO_RCVBUF of 4 KiB that do not; " +
			"each three times in turns on one server, of which the least p99 counts",
		Peers:   []string{Ours, Node, Centrifuge},
		Args:    []string{"--metrics"},
		Metrics: []Metric{SlowP99, Delivered, SlowEnded, SlowReason, MemoryGrowth, P99},
		Run:     runSlow,
	}
}

// runSlow makes the same load without and with slow clients, in turns.
func runSlow(ctx context.Context, s *peer.Server) (Result, error) {
	var reports []*bench.Report
	without, with, growth := math.Inf(1), math.Inf(1), 0.0
	ended, expected, delivered := 0, int64(0), int64(0)
	for range slowPairs {
		calm, err := load(ctx, slowLoad(s, 0))
		if err != nil {
			return Result{}, err
		}
		r, err := load(ctx, slowLoad(s, slowClients))
		if err != nil {
			return Result{}, err
		}
		reports = append(reports, calm, r)
		without = min(without, ms(calm.Delivery.Latency.P99))
		with = min(with, ms(r.Delivery.Latency.P99))
		ended += r.Delivery.SlowEnded
		expected += r.Delivery.Expected
		delivered += r.Delivery.Delivered
		growth = max(growth, kb(float64(r.Server.RSSMost-calm.Server.RSSMost)))
	}
	values := map[string]float64{
		Delivered.Name: share(delivered, expected), SlowEnded.Name: float64(ended) / slowPairs, MemoryGrowth.Name: growth, P99.Name: with,
	}
	if without > 0 {
		values[SlowP99.Name] = with / without
	}
	if s.Peer.Name == Ours {
		all, err := metricsOf(ctx, s.URL)
		if err != nil {
			return Result{}, fmt.Errorf("metrics: %w", err)
		}
		values[SlowReason.Name] = all[`wsemit_sessions_ended_total{reason="slow consumer"}`] / slowPairs
	}
	return Result{Values: values, Failure: failure(reports...), Reports: reports}, nil
}

// slowLoad is the load with some slow clients beside the others.
func slowLoad(s *peer.Server, slow int) bench.Config {
	cfg := s.Load()
	cfg.Clients, cfg.Slow = readingClients+slow, slow
	cfg.Size, cfg.Rate, cfg.Count = largeSize, slowRate, slowCount
	return cfg
}
