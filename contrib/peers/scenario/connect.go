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
			result, err := crowd(ctx, cfg, func(clients int) int { return clients }, MemoryInRoom)
			if err != nil {
				return Result{}, err
			}
			if many := result.Reports[1]; many.Connect.Connected > 0 {
				result.Values[CPUPerConnect.Name] = many.Server.CPUPerConnect
			}
			if s.Peer.Name == Floor { // it has one room
				delete(result.Values, MemoryInRoom.Name)
			}
			return result, nil
		},
	}
}
