package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
	"github.com/ws-emit/ws-emit/contrib/peers/peer"
)

// Metrics of latency.
var (
	P50     = Metric{"delivery p50", "ms"}
	P999    = Metric{"delivery p99.9", "ms"}
	Asked   = Metric{"messages asked for", "/s"}
	Kept    = Metric{"delivered in time", "%"}
	Reached = Metric{"messages delivered", "/s"}
)

const (
	saturateFor = 5 * time.Second
	latencyFor  = 8 * time.Second
	// keptEnough is how much of a rate a server has to keep, in percent, so that its latency means anything: one that cannot is not compared.
	keptEnough = 95
)

// inRate are the peers that latency is compared with: those for which 1,000 clients are not too many.
var inRate = []string{Ours, Node, Centrifuge, "zishang3", "socketioxide"}

// Latency is how long messages are under way at half of what ws-emit can do, and at half of what the best of the others can do. The scenarios belong together, in
// this order: the first one finds what each peer can do in a round, and the others use that.
func Latency() []Scenario {
	reached := make(map[string]float64) // messages a second, by peer, in the latest round
	at := func(name, about string, rate func() float64) Scenario {
		return Scenario{
			Name:    name,
			About:   "1,000 clients in one room, 16 emitters, events of about 130 bytes at " + about,
			Needs:   "saturation",
			Peers:   inRate,
			Metrics: []Metric{P99, P50, P999, Kept, Asked},
			Run:     func(ctx context.Context, s *peer.Server) (Result, error) { return runLatency(ctx, s, rate()) },
		}
	}
	return []Scenario{
		{
			Name:    "saturation",
			About:   "1,000 clients in one room, 16 emitters as fast as they can for 5 s, events of about 130 bytes",
			Peers:   inRate,
			Metrics: []Metric{Reached, Delivered},
			Run: func(ctx context.Context, s *peer.Server) (Result, error) {
				result, err := runSaturation(ctx, s)
				delete(reached, s.Peer.Name)
				if err == nil && result.Failure == "" {
					reached[s.Peer.Name] = result.Values[Reached.Name]
				}
				return result, err
			},
		},
		at("half", "half of the rate at which ws-emit saturates", func() float64 { return reached[Ours] / 2 }),
		at("halfbest", "half of the rate at which the best of the others saturates", func() float64 {
			best := 0.0
			for name, rate := range reached {
				if name != Ours {
					best = max(best, rate)
				}
			}
			return best / 2
		}),
	}
}

func runSaturation(ctx context.Context, s *peer.Server) (Result, error) {
	cfg := s.Load()
	cfg.Clients, cfg.Emitters, cfg.Duration, cfg.Size = manyClients, parallelEmitters, saturateFor, eventSize
	r, err := load(ctx, cfg)
	if err != nil {
		return Result{}, err
	}
	values := values{Reached.Name: r.Delivery.PerSecond / manyClients}
	values.share(Delivered, r.Delivery.Delivered, r.Delivery.Expected)
	return Result{Values: values, Failure: failure(r), Reports: []*bench.Report{r}}, nil
}

// runLatency loads a server at a rate. The latencies of one that does not keep it are left out: they say how long it was tried.
func runLatency(ctx context.Context, s *peer.Server, rate float64) (Result, error) {
	if rate == 0 {
		return Result{}, errors.New("what the servers can do is not known: ask for saturation too")
	}
	cfg := s.Load()
	cfg.Clients, cfg.Emitters, cfg.Duration, cfg.Size, cfg.Rate = manyClients, parallelEmitters, latencyFor, eventSize, rate
	r, err := load(ctx, cfg)
	if err != nil {
		return Result{}, err
	}
	kept := min(100, r.Delivery.PerSecond/manyClients/rate*100)
	result := Result{Values: map[string]float64{Asked.Name: rate, Kept.Name: kept}, Failure: failure(r), Reports: []*bench.Report{r}}
	if kept < keptEnough {
		result.TooSlow = true
		if result.Failure == "" {
			result.Failure = fmt.Sprintf("it cannot deliver %.0f messages a second", rate)
		}
		return result, nil
	}
	l := r.Delivery.Latency
	result.Values[P50.Name], result.Values[P99.Name], result.Values[P999.Name] = ms(l.P50), ms(l.P99), ms(l.P999)
	return result, nil
}
