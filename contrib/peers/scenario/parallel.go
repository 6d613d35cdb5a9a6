package scenario

import (
	"context"

	"github.com/ws-emit/ws-emit/contrib/peers/peer"
)

// parallel is several emitters at once: who joins writes is ahead here, and who loses messages loses them here.
func parallel() Scenario {
	return Scenario{
		Name:    "parallel",
		About:   "1,000 clients in one room, 16 emitters as fast as they can, events of about 130 bytes (python: 500 clients)",
		Metrics: []Metric{CPUPerDelivery, Delivered, PostP99, Acknowledged},
		Run: func(ctx context.Context, s *peer.Server) (Result, error) {
			return broadcast(ctx, s, parallelEmitters, parallelCount)
		},
	}
}
