package scenario

import (
	"context"
	"fmt"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
	"github.com/ws-emit/ws-emit/contrib/peers/peer"
)

// Metrics of rooms.
var (
	EmitToOne      = Metric{"CPU per emit, 10,000 rooms", "us"}
	EmitToOneOfFew = Metric{"CPU per emit, 100 rooms", "us"}
	RoomsCost      = Metric{"10,000 rooms : 100 rooms", ""}
)

const (
	fewRooms, manyRooms = 100, 10_000
	// roomsCount is several for each client, so that the first write to a connection, which is dearer, is not what is measured.
	roomsCount    = 60_000
	roomsEmitters = 4
)

// rooms is emits that are for one client each, among few and among many.
func rooms() Scenario {
	return Scenario{
		Name:    "rooms",
		About:   "an emit to a room with one client, among 100 rooms with 100 clients and among 10,000 with 10,000; 4 emitters",
		Peers:   []string{Ours},
		Metrics: []Metric{RoomsCost, EmitToOne, EmitToOneOfFew},
		Run: func(ctx context.Context, s *peer.Server) (Result, error) {
			var reports []*bench.Report
			for _, n := range []int{fewRooms, manyRooms} {
				cfg := s.Load()
				cfg.Clients, cfg.Rooms, cfg.Emitters, cfg.Count = n, n, roomsEmitters, roomsCount
				r, err := load(ctx, cfg)
				if err != nil {
					return Result{}, fmt.Errorf("%d rooms: %w", n, err)
				}
				reports = append(reports, r)
			}
			values := make(values)
			values.cpuPerDelivery(EmitToOneOfFew, reports[0])
			values.cpuPerDelivery(EmitToOne, reports[1])
			values.ratio(RoomsCost, values[EmitToOne.Name], values[EmitToOneOfFew.Name])
			return Result{Values: values, Failure: failure(reports...), Reports: reports}, nil
		},
	}
}
