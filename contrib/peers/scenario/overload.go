package scenario

import (
	"context"
	"time"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
	"github.com/ws-emit/ws-emit/contrib/peers/peer"
)

// Metrics of overload.
var (
	SmallP99        = Metric{"delivery p99, 100 B", "ms"}
	MediumP99       = Metric{"delivery p99, 4 KiB", "ms"}
	MediumDelivered = Metric{"delivered, 4 KiB", "%"}
	Busy            = Metric{"emits told to come again", ""}
	Recovery        = Metric{"CPU per delivery after : before", ""}
)

const (
	overloadFor      = 6 * time.Second
	overloadEmitters = 64
	mediumSize       = 4 << 10
	// recoveryCount is how many messages are sent before and after, and calmRate how many of them a second: so few that none waits for another,
	// and each is written by itself.
	recoveryCount = 300
	calmRate      = 75
)

// Overload is more than the machine can deliver, and then as little as before.
//
// Each of 64 emitters sends the next message as soon as the one before was accepted: together they want more than any rate, and what they
// get is what the server lets them have. Latency is counted from when a message was sent, so a wait in POST /emit is in it. What is not in it is
// how long a message waited for its emitter: with a rate that cannot be kept that grows for as long as it is tried, whatever the server does.
//
// What is asked for is about events of 100 bytes. With 4 KiB the machine may be too slow for all clients at once, and a client that has no
// processor for too long is a slow consumer: that is told, and decides nothing.
func Overload() Scenario {
	return Scenario{
		Name: "overload",
		About: "1,000 clients in one room, 64 emitters as fast as they can for 6 s with events of 100 bytes, and of 4 KiB: the wait in POST /emit is " +
			"part of the latency; before and after, 300 events at 75 a second",
		Peers:   []string{Ours, Node, Centrifuge},
		Metrics: []Metric{SmallP99, Delivered, MemoryGrowth, Recovery, MediumP99, MediumDelivered, Reached, PostP99, Busy},
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
	before, busiest, larger, after := reports[0], reports[1], reports[2], reports[3]
	most := max(busiest.Server.RSSMost, larger.Server.RSSMost)
	values := values{
		Busy.Name:         float64(busiest.Emit.Busy + larger.Emit.Busy),
		MemoryGrowth.Name: kb(float64(most - before.Server.RSSMost)),
		Reached.Name:      busiest.Delivery.PerSecond / manyClients,
	}
	values.p99(SmallP99, busiest.Delivery.Latency)
	values.p99(MediumP99, larger.Delivery.Latency)
	values.p99(PostP99, busiest.Emit.Latency)
	values.share(Delivered, busiest.Delivery.Delivered, busiest.Delivery.Expected)
	values.share(MediumDelivered, larger.Delivery.Delivered, larger.Delivery.Expected)
	values.ratio(Recovery, after.Server.CPUPerDelivery, before.Server.CPUPerDelivery)
	result := Result{Values: values, Failure: failure(before, busiest, after), Reports: reports}
	if lost := failure(larger); lost != "" {
		result.Note = "with 4 KiB: " + lost
	}
	return result, nil
}
