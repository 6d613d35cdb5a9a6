package scenario

import (
	"context"

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

	sequentialCount  = 600
	parallelCount    = 2400
	parallelEmitters = 16
)

// sequential is one emitter that waits for each answer: nothing can be joined.
func sequential() Scenario {
	return Scenario{
		Name:    "sequential",
		About:   "1,000 clients in one room, 1 emitter as fast as it can, events of about 130 bytes (python: 500 clients)",
		Metrics: []Metric{CPUPerDelivery, Delivered, PostP99, Acknowledged},
		Run: func(ctx context.Context, s *peer.Server) (Result, error) {
			return broadcast(ctx, s, 1, sequentialCount)
		},
	}
}

// broadcast sends count messages to everybody.
func broadcast(ctx context.Context, s *peer.Server, emitters int, count int64) (Result, error) {
	cfg := s.Load()
	cfg.Clients, cfg.Emitters, cfg.Count, cfg.Size = manyClients, emitters, enough(s, count), eventSize
	if s.Peer.Name == Python {
		cfg.Clients = fewClients
	}
	r, err := load(ctx, cfg)
	if err != nil {
		return Result{}, err
	}
	d := &r.Delivery
	values := map[string]float64{
		Delivered.Name:    share(d.Delivered, d.Expected),
		PostP99.Name:      ms(r.Emit.Latency.P99),
		Acknowledged.Name: acknowledged(r),
	}
	if d.Delivered > 0 {
		values[CPUPerDelivery.Name] = r.Server.CPUPerDelivery
	}
	return Result{Values: values, Failure: failure(r), Reports: []*bench.Report{r}}, nil
}
