package scenario

import (
	"context"
	"fmt"
	"slices"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
	"github.com/ws-emit/ws-emit/contrib/peers/peer"
)

// Metrics of clients that stop reading.
var (
	SlowP99      = Metric{"p99 with slow clients : without", ""}
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
	// slowPairs is how often the load is made without and with slow clients, in turns. The median of the ratios within each pair counts: what
	// else the machine does is much the same for both of a pair.
	slowPairs = 3
)

// Slow is clients that stop reading, among others who are to notice nothing.
func Slow() Scenario {
	return Scenario{
		Name: "slow",
		About: "600 messages of 16 KiB at 100 a second to 200 clients, and to 200 that read and 20 with SO_RCVBUF of 4 KiB that do not; " +
			"three pairs of these in turns on one server, and the median of the three ratios counts",
		Peers:   []string{Ours, Node, Centrifuge},
		Args:    []string{"--metrics"},
		Metrics: []Metric{SlowP99, Delivered, SlowEnded, SlowReason, MemoryGrowth, P99},
		Run:     runSlow,
	}
}

// runSlow makes the same load without and with slow clients, in turns.
func runSlow(ctx context.Context, s *peer.Server) (Result, error) {
	var reports []*bench.Report
	var with, ratios []float64
	ended, expected, delivered, growth := 0, int64(0), int64(0), 0.0
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
		if calm.Delivery.Latency.P99 > 0 && r.Delivery.Latency.P99 > 0 {
			with = append(with, ms(r.Delivery.Latency.P99))
			ratios = append(ratios, float64(r.Delivery.Latency.P99)/float64(calm.Delivery.Latency.P99))
		}
		ended += r.Delivery.SlowEnded
		expected += calm.Delivery.Expected + r.Delivery.Expected
		delivered += calm.Delivery.Delivered + r.Delivery.Delivered
		growth = max(growth, kb(float64(r.Server.RSSMost-calm.Server.RSSMost)))
	}
	values := values{SlowEnded.Name: float64(ended) / slowPairs, MemoryGrowth.Name: growth}
	values.share(Delivered, delivered, expected)
	if len(ratios) == slowPairs {
		values[SlowP99.Name], values[P99.Name] = middle(ratios), middle(with)
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

// middle is the median of an odd number of values.
func middle(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// slowLoad is the load with some slow clients beside the others.
func slowLoad(s *peer.Server, slow int) bench.Config {
	cfg := s.Load()
	cfg.Clients, cfg.Slow = readingClients+slow, slow
	cfg.Size, cfg.Rate, cfg.Count = largeSize, slowRate, slowCount
	return cfg
}
