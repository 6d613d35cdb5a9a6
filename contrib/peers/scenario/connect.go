package scenario

import (
	"context"

	"github.com/ws-emit/ws-emit/contrib/peers/peer"
)

// MemoryInRoom is what a connection takes that is in a room of its own.
var MemoryInRoom = Metric{"memory, each in its room", "KB"}

// connect is a crowd that comes at once.
func connect() Scenario {
	return Scenario{
		Name:    "connect",
		About:   "10,000 WebSocket clients, 32 at a time: connect, join a room of their own (floor: the only one), and wait for the acknowledgement",
		Peers:   thousands,
		Metrics: []Metric{CPUPerConnect, Acknowledged, MemoryInRoom},
		Run: func(ctx context.Context, s *peer.Server) (Result, error) {
			cfg := s.Load()
			cfg.Parallel = 32
			r, slope, err := crowd(ctx, cfg, func(clients int) int { return clients })
			if err != nil {
				return Result{}, err
			}
			values := map[string]float64{CPUPerConnect.Name: r[1].Server.CPUPerConnect, Acknowledged.Name: acknowledged(r[1])}
			if s.Peer.Name != Floor {
				values[MemoryInRoom.Name] = slope
			}
			return Result{Values: values, Failure: failure(r...), Reports: r}, nil
		},
	}
}
