package scenario

import (
	"context"
	"time"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
	"github.com/ws-emit/ws-emit/contrib/peers/peer"
)

// Metrics of overload.
var (
	SmallP99  = Metric{"delivery p99, 100 B", "ms"}
	MediumP99 = Metric{"delivery p99, 4 KiB", "ms"}
	Busy      = Metric{"emits told to come again", ""}
	Recovery  = Metric{"CPU per delivery after : before", ""}
)

const (
	overloadFor      = 6 * time.Second
	overloadEmitters = 64
	mediumSize       = 4 << 10
	// recoveryCount is how many messages are sent before and after, and calmRate how many of them a second: so few that none waits for another,
	// and each is written by itself.
	recoveryCount = 300
	calmRate      = 75
	// overloadQueue is how much may wait for one client of ws-emit: at 2 MB a second it may have no processor for 2 s, where all have to share
	// the few there are. By default, 1 MiB, it is a slow consumer after half a second.
	overloadQueue = "4MiB"
)

// Overload is more than the machine can deliver, and then as little as before.
//
// Each of 64 emitters sends the next message as soon as the one before was accepted: together they want more than any rate, and what they
// get is what the server lets them have. Latency is counted from when a message was sent, so a wait in POST /emit is in it. What is not in it is
// how long a message waited for its emitter: with a rate that cannot be kept that grows for as long as it is tried, whatever the server does.
func Overload() Scenario {
	return Scenario{
		Name: "overload",
		About: "1,000 clients in one room, 64 emitters as fast as they can for 6 s with events of 100 bytes, and of 4 KiB: the wait in POST /emit is " +
			"part of the latency; before and after, 300 events at 75 a second. ws-emit with --max-queue " + overloadQueue,
		Peers:   []string{Ours, Node, Centrifuge},
		Args:    []string{"--max-queue", overloadQueue},
		Metrics: []Metric{SmallP99, MediumP99, Delivered, MemoryGrowth, Recovery, Reached, PostP99, Busy},
		Run:     runOverload,
	}
}

func runOverload(ctx context.Context, s *peer.Server) (Result, error) {
	calm := s.Load()
	calm.Clients, calm.Count, calm.Rate, calm.Size = manyClients, recoveryCount, calmRate, eventSize
	small := s.Load()
	small.Clients, small.Emitters, small.Duration, small.Size = manyClients, overloadEmitters, overloadFor, eventSize
	medium := small
	medium.Size = mediumSize
	var reports []*bench.Report
	for _, cfg := range []bench.Config{calm, small, medium, calm} {
		r, err := load(ctx, cfg)
		if err != nil {
			return Result{}, err
		}
		reports = append(reports, r)
	}
	before, after := reports[0], reports[3]
	values := make(map[string]float64)
	expected, delivered, busy, most := int64(0), int64(0), int64(0), int64(0)
	for _, r := range reports[1:3] {
		expected += r.Delivery.Expected
		delivered += r.Delivery.Delivered
		busy += r.Emit.Busy
		most = max(most, r.Server.RSSMost)
		values[PostP99.Name] = max(values[PostP99.Name], ms(r.Emit.Latency.P99))
	}
	values[SmallP99.Name] = ms(reports[1].Delivery.Latency.P99)
	values[MediumP99.Name] = ms(reports[2].Delivery.Latency.P99)
	values[Delivered.Name] = share(delivered, expected)
	values[Busy.Name] = float64(busy)
	values[MemoryGrowth.Name] = kb(float64(most - before.Server.RSSMost))
	values[Reached.Name] = reports[1].Delivery.PerSecond / manyClients
	if b := before.Server.CPUPerDelivery; b > 0 {
		values[Recovery.Name] = after.Server.CPUPerDelivery / b
	}
	return Result{Values: values, Failure: failure(reports...), Reports: reports}, nil
}
