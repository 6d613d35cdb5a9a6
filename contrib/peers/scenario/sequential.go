package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
	"github.com/ws-emit/ws-emit/contrib/peers/peer"
)

const (
	// manyClients are in the one room that messages go to.
	manyClients = 1000
	// fewClients are enough for Python, which stalls at 1,024 open files.
	fewClients = 500
	// eventSize makes an event of about 130 bytes with what is around the data.
	eventSize = 100

	sequentialCount  = 300
	sequentialRate   = 50 // messages a second
	parallelCount    = 2400
	parallelEmitters = 16

	// warmUpCount is how many messages go before those that are measured, and warmUpPatience bounds the wait for those that are lost.
	warmUpCount    = 200
	warmUpPatience = 2 * time.Second
)

// sequential is one message after the other. An emit may be answered before its message has been written to all, as that of ws-emit is, so an
// emitter that waits for nothing but the answer would let messages be joined: at a rate each has been written long before the next one is due.
// A server that cannot keep the rate goes slower. After a stall the emitter catches up, and a server may join these few: the latency tells.
func sequential() Scenario {
	return Scenario{
		Name:    "sequential",
		About:   "1,000 clients in one room, 300 events of about 130 bytes by 1 emitter at 50 a second, after a warm-up (python: 500 clients)",
		Metrics: []Metric{CPUPerDelivery, Delivered, P99, PostP99, Acknowledged},
		Run: func(ctx context.Context, s *peer.Server) (Result, error) {
			return broadcast(ctx, s, bench.Config{Emitters: 1, Count: sequentialCount, Rate: sequentialRate})
		},
	}
}

// broadcast sends messages to everybody, to warm up and then as the emitters, the count and the rate of a load say.
func broadcast(ctx context.Context, s *peer.Server, as bench.Config) (Result, error) {
	cfg := s.Load()
	cfg.Clients, cfg.Size, cfg.Emitters = manyClients, eventSize, as.Emitters
	if s.Peer.Name == Python {
		cfg.Clients = fewClients
	}
	cfg.Count, cfg.Patience = enough(s, warmUpCount), warmUpPatience
	if _, err := load(ctx, cfg); err != nil {
		return Result{}, fmt.Errorf("warm-up: %w", err)
	}
	cfg.Count, cfg.Rate, cfg.Patience = as.Count, as.Rate, patience
	r, err := load(ctx, cfg)
	if err != nil {
		return Result{}, err
	}
	values := make(values)
	values.share(Delivered, r.Delivery.Delivered, r.Delivery.Expected)
	values.share(Acknowledged, int64(r.Connect.Connected), int64(r.Load.Clients))
	values.p99(P99, r.Delivery.Latency)
	values.p99(PostP99, r.Emit.Latency)
	values.cpuPerDelivery(CPUPerDelivery, r)
	return Result{Values: values, Failure: failure(r), Reports: []*bench.Report{r}}, nil
}
