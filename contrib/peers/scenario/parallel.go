package scenario

import (
	"context"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
	"github.com/ws-emit/ws-emit/contrib/peers/peer"
)

// parallel is several emitters at once: who joins writes is ahead here, and who loses messages loses them here.
func parallel() Scenario {
	return Scenario{
		Name: "parallel",
		About: "1,000 clients in one room, 16 emitters as fast as they can, " +
			"2,400 events of about 130 bytes (zishang2 and 3: 240; python: 600 to 500 clients), after a warm-up",
		Metrics: []Metric{CPUPerDelivery, Delivered, P99, PostP99, Acknowledged},
		Run: func(ctx context.Context, s *peer.Server) (Result, error) {
			return broadcast(ctx, s, bench.Config{Emitters: parallelEmitters, Count: enough(s, parallelCount)})
		},
	}
}
