package hub

import (
	"sync"
	"sync/atomic"

	"github.com/ws-emit/ws-emit/server/frame"
)

// Member is one socket: one connection in one namespace. Its methods are the control entries of a client: they queue what is to be done
// and do not wait until it has been, except that a member has one entry in the queue at a time: the next one waits until the shard has
// come to the one before. They never wait for credit, may be called concurrently, and do nothing once the member or the hub has ended, or
// (Connect and Gone apart) before Connect. A nil frame is no frame.
type Member struct {
	// Owned by the shard.
	run   *frame.Run // what it gets at the end of the round
	stamp uint64     // of the last message that met it

	// Immutable after NewMember.
	out       Outlet
	shard     *shard
	namespace string
	sid       string

	// Owned by the shard.
	seats []seat // where it is: its namespace, then its rooms in no order
	state state

	turn sync.Mutex  // locked by an entry's caller, unlocked by the shard that has handled it
	left atomic.Bool // it has ended, or will when the shard comes to its opGone
}

type state uint8

const (
	stateNew state = iota
	stateConnected
	stateEnded
)

// NewMember returns a member that is not in the hub before Connect. Its sid must be its own; key chooses its shard: all members of one
// outlet must have the same.
func (h *Hub) NewMember(out Outlet, namespace, sid string, key uint32) *Member {
	return &Member{out: out, shard: h.shards[key%uint32(len(h.shards))], namespace: namespace, sid: sid}
}

// Connect puts the member into its namespace, where it is reachable by its sid, and gives it reply in the same step.
func (m *Member) Connect(reply *frame.Frame) {
	m.push(entry{op: opConnect, frame: reply})
}

// Join puts the member into a room and gives it ok in the same step, so that no event of the room comes before ok. Where it is in
// Config.MaxRooms rooms already and not in this one, it gets full instead.
func (m *Member) Join(room string, ok, full *frame.Frame) {
	m.push(entry{op: opJoin, room: room, frame: ok, full: full})
}

// Leave takes the member out of a room, where it is in it, and gives it reply in the same step: no event of the room comes after it.
func (m *Member) Leave(room string, reply *frame.Frame) {
	m.push(entry{op: opLeave, room: room, frame: reply})
}

// Reply gives the member a frame, in order with everything else that it gets.
func (m *Member) Reply(f *frame.Frame) {
	m.push(entry{op: opReply, frame: f})
}

// Gone ends the member: it gets what was accepted before, and nothing after. It never waits, and may be called again and from Outlet.Send.
func (m *Member) Gone() {
	if !m.left.Swap(true) {
		m.shard.push(entry{op: opGone, member: m})
	}
}

// Quit is Gone for a client that leaves and goes on with its connection: it waits for its turn, as the other entries do, so that it cannot connect and leave faster
// than the shard follows.
func (m *Member) Quit() {
	m.turn.Lock()
	defer m.turn.Unlock()
	m.Gone()
}

// push queues an entry when the one before it has been handled.
func (m *Member) push(e entry) {
	if m.left.Load() {
		return
	}
	e.member = m
	m.turn.Lock() // unlocked by shard.control, or here
	if !m.shard.push(e) {
		m.turn.Unlock()
	}
}
