package hub_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/ws-emit/ws-emit/server/frame"
	"github.com/ws-emit/ws-emit/server/internal/hub"
)

const payload = `42["progress",{"job":"0f3a","done":17,"of":230,"text":"resizing images, this may take a little while","at":1763654400123}]`

// crowd connects members to "/" and puts them into rooms.
func (n *node) crowd(members int, out hub.Outlet, rooms ...string) {
	for i := range members {
		m := n.NewMember(out, "/", sid(i), uint32(i))
		m.Connect(nil)
		for _, room := range rooms {
			m.Join(room, nil, nil)
		}
	}
	n.emit("barrier")
}

func roomName(i int) string { return fmt.Sprint("room ", i) }

// fill makes rooms with one member each.
func (n *node) fill(rooms int, out hub.Outlet) {
	for i := range rooms {
		m := n.NewMember(out, "/", sid(i), uint32(i))
		m.Connect(nil)
		m.Join(roomName(i), nil, nil)
	}
	n.emit("barrier")
}

// One emit after the other: each waits until the members have the one before.
func BenchmarkSend(b *testing.B) {
	for _, members := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint("members=", members), func(b *testing.B) {
			n := start(b, hub.Config{})
			n.crowd(members, null{}, "x")
			msg := event(payload, "x")
			b.ReportAllocs()
			for b.Loop() {
				batch := hub.NewBatch(msg)
				if err := n.Send(context.Background(), batch); err != nil {
					b.Fatal(err)
				}
				if _, err := batch.Receivers(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*members), "ns/receiver")
		})
	}
}

// Parallel emits share rounds: an outlet is called less often than once a frame, and joined bytes are shared.
func BenchmarkSendParallel(b *testing.B) {
	for _, members := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint("members=", members), func(b *testing.B) {
			n := start(b, hub.Config{})
			var runs, frames atomic.Int64
			count := outletFunc(func(r *frame.Run) bool {
				runs.Add(1)
				frames.Add(int64(r.Count()))
				return len(r.WebSocket()) > 0
			})
			n.crowd(members, count, "x")
			runs.Store(0)
			frames.Store(0)
			b.ReportAllocs()
			b.SetParallelism(16 / min(16, runtime.GOMAXPROCS(0)))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					batch := hub.NewBatch(hub.Message{Namespace: "/", Rooms: []string{"x"}, Frame: frame.Text(payload)})
					if err := n.Send(context.Background(), batch); err != nil {
						b.Error(err)
						return
					}
				}
			})
			n.emit("barrier", "x")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*members), "ns/receiver")
			b.ReportMetric(float64(frames.Load())/float64(runs.Load()), "frames/write")
		})
	}
}

// Nobody is in the room: what a source costs when nobody listens.
func BenchmarkSendToNobody(b *testing.B) {
	for _, members := range []int{0, 1000} {
		b.Run(fmt.Sprint("members=", members), func(b *testing.B) {
			n := start(b, hub.Config{})
			n.crowd(members, null{})
			msg := event(payload, "x")
			b.ReportAllocs()
			for b.Loop() {
				if err := n.Send(context.Background(), hub.NewBatch(msg)); err != nil {
					b.Fatal(err)
				}
			}
			n.emit("barrier")
		})
	}
}

// A room of one costs the same however many other rooms there are.
func BenchmarkSendToOneOfManyRooms(b *testing.B) {
	for _, rooms := range []int{100, 10_000} {
		b.Run(fmt.Sprint("rooms=", rooms), func(b *testing.B) {
			n := start(b, hub.Config{})
			n.fill(rooms, null{})
			messages := make([]hub.Message, 100)
			for i := range messages {
				messages[i] = event(payload, roomName(i*(rooms/100)))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				batch := hub.NewBatch(messages[i%100])
				if err := n.Send(context.Background(), batch); err != nil {
					b.Fatal(err)
				}
				if _, err := batch.Receivers(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkJoinLeave(b *testing.B) {
	n := start(b, hub.Config{})
	n.crowd(1000, null{}, "x")
	m := n.NewMember(null{}, "/", sid(1000), 0)
	m.Connect(nil)
	ok := frame.Text(`430[{"ok":true,"room":"x"}]`)
	b.ReportAllocs()
	for b.Loop() {
		m.Join("x", ok, ok)
		m.Leave("x", ok)
	}
}

// What an idle member of a room of its own keeps, without its outlet, its sid and the name of the room.
func BenchmarkMemory(b *testing.B) {
	const members = 20_000
	for _, rooms := range []string{"own", "shared"} {
		b.Run("room="+rooms, func(b *testing.B) {
			names := make([]string, members)
			sids := make([]string, members)
			for i := range members {
				names[i], sids[i] = "room", sid(i)
				if rooms == "own" {
					names[i] = fmt.Sprint("room ", i)
				}
			}
			for b.Loop() {
				n := start(b, hub.Config{})
				before := heap()
				kept := make([]*hub.Member, members)
				for i := range members {
					kept[i] = n.NewMember(null{}, "/", sids[i], uint32(i))
					kept[i].Connect(nil)
					kept[i].Join(names[i], nil, nil)
				}
				n.emit("barrier")
				b.ReportMetric(float64(heap()-before)/members-8, "B/member")
				runtime.KeepAlive(kept)
				n.stop()
			}
		})
	}
}

func heap() uint64 {
	var ms runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&ms)
	return ms.HeapAlloc
}

// Every member is in another set of rooms, so that hardly two get the same.
func BenchmarkSendDiverse(b *testing.B) {
	n := start(b, hub.Config{})
	diverse(n, 10_000, null{})
	b.ReportAllocs()
	receivers := 0
	for b.Loop() {
		batch := hub.NewBatch(diverseMessages(500)...)
		if err := n.Send(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
		got, _ := batch.Receivers(context.Background())
		receivers += got
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(receivers), "ns/receiver")
}

const diverseRooms = 20

// diverse puts each member into about half of the rooms.
func diverse(n *node, members int, out hub.Outlet) {
	rng := rand.New(rand.NewPCG(4, 0))
	for i := range members {
		m := n.NewMember(out, "/", sid(i), uint32(i))
		m.Connect(nil)
		for room := range diverseRooms {
			if rng.IntN(2) == 0 {
				m.Join(fmt.Sprint("room ", room), nil, nil)
			}
		}
	}
	n.emit("barrier")
}

func diverseMessages(count int) []hub.Message {
	messages := make([]hub.Message, count)
	for i := range messages {
		messages[i] = event(payload, fmt.Sprint("room ", i%diverseRooms))
	}
	return messages
}

// Members enter rooms because a backend says so, are told to again, and leave: at most what an emit to each of the rooms costs, and a step for
// each member and room.
func BenchmarkEnterLeave(b *testing.B) {
	for _, size := range []struct{ members, rooms int }{{1, 1}, {10_000, 1}, {10_000, 100}} {
		b.Run(fmt.Sprintf("members=%d/rooms=%d", size.members, size.rooms), func(b *testing.B) {
			n := start(b, hub.Config{})
			n.crowd(size.members, null{})
			enter := hub.Message{Namespace: "/", Action: hub.ActionEnter}
			for i := range size.rooms {
				enter.Change = append(enter.Change, fmt.Sprint("room ", i))
			}
			leave := enter
			leave.Action = hub.ActionLeave
			b.ReportAllocs()
			for b.Loop() {
				for _, msg := range []hub.Message{enter, enter, leave} {
					n.send(msg)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size.members*size.rooms), "ns/membership")
		})
	}
}

// One member enters and leaves a room that many others are in, as does each client of a large chat.
func BenchmarkEnterLeaveOne(b *testing.B) {
	n := start(b, hub.Config{})
	n.crowd(10_000, null{}, "x")
	n.NewMember(null{}, "/", "~one", 0).Connect(nil)
	enter := hub.Message{Rooms: []string{"~one"}, Action: hub.ActionEnter, Change: []string{"x"}}
	leave := enter
	leave.Action = hub.ActionLeave
	b.ReportAllocs()
	for b.Loop() {
		n.send(enter, leave)
	}
}
