package hub

import (
	"runtime"
	"strings"
	"sync"

	"github.com/ws-emit/ws-emit/server/frame"
)

const (
	// A round ends before it has more than this, so that a member's run stays small enough for one write and one share of the backlog.
	maxRoundBytes   = 64 << 10
	maxRoundEntries = 1024
	// A round ends when it has come to more runs than this, and some for each of its members: members that all get something else share none.
	maxRoundRuns     = 16 << 10
	maxRunsPerMember = 4

	// keep is how many elements a queue may have room for while the shard has nothing to do.
	keep = 1024
)

type op uint8

const (
	opBatch op = iota
	opConnect
	opJoin
	opLeave
	opReply
	opGone
)

// entry is one thing for a shard to do.
type entry struct {
	op     op
	batch  *Batch       // of opBatch
	member *Member      // of the others
	room   string       // of opJoin and opLeave
	frame  *frame.Frame // what the member gets, may be nil
	full   *frame.Frame // what it gets instead when it is in too many rooms, may be nil
}

// shard is a part of the members and their rooms.
type shard struct {
	// Immutable after newShard.
	hub *Hub

	mu        sync.Mutex // guards the following
	wake      sync.Cond  // the queue is no longer empty, or closed
	queue     []entry
	present   int // members whose opConnect has been queued, until the shard has seen them end
	roomsSeen int // rooms when the queue was last taken
	closed    bool

	// Owned by loop.
	namespaces map[string]*namespace
	rooms      int
	stamp      uint64
	absent     int       // members to take off present
	picked     []*Member // reused by pick
	one        [1]place  // reused by find

	// Owned by loop: the round.
	runs    frame.Runs
	touched []*Member // members with a run, in the order in which they got their first frame
	leaving []departure
	handled []*Batch
	entries int
	bytes   int // of distinct frames
}

func newShard(h *Hub) *shard {
	s := &shard{hub: h, namespaces: make(map[string]*namespace)}
	s.wake.L = &s.mu
	return s
}

// push queues a control entry, and returns false when the shard is closed.
func (s *shard) push(e entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if e.op == opConnect {
		s.present++
	}
	s.queue = append(s.queue, e)
	s.wake.Signal()
	return true
}

// pushBatch queues a batch. It returns false, and queues nothing, when the shard has no member and none on its way: whoever connects
// later comes after the batch in the queue, and would not get it either.
func (s *shard) pushBatch(b *Batch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.present == 0 {
		return false
	}
	s.queue = append(s.queue, entry{op: opBatch, batch: b})
	s.wake.Signal()
	return true
}

func (s *shard) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.wake.Signal()
}

// take waits for entries and returns them all, or false when there will be no more. The buffer of those taken before becomes the queue.
func (s *shard) take(before []entry) ([]entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.present -= s.absent
	s.absent = 0
	s.roomsSeen = s.rooms
	if len(s.queue) == 0 { // lets go of what a burst needed
		if cap(before) > keep {
			before = nil
		}
		if cap(s.queue) > keep {
			s.queue = nil
		}
		if limit := keep + 4*s.present; max(cap(s.touched), cap(s.picked), cap(s.leaving)) > limit {
			s.touched, s.picked, s.leaving = nil, nil, nil
		}
	}
	for len(s.queue) == 0 {
		if s.closed {
			return nil, false
		}
		s.wake.Wait()
		s.mu.Unlock()
		runtime.Gosched() // who else is ready to send may do so first: what comes at once shares a round, and a write
		s.mu.Lock()
	}
	taken := s.queue
	s.queue = before[:0]
	return taken, true
}

// loop handles entries until the shard is closed and nothing waits.
func (s *shard) loop() {
	var entries []entry
	for {
		var ok bool
		if entries, ok = s.take(entries); !ok {
			return
		}
		for i := range entries {
			if e := &entries[i]; e.op == opBatch {
				s.deliver(e.batch)
			} else {
				s.control(e)
			}
			entries[i] = entry{}
		}
		s.flush()
	}
}

// begin ends the round when there is no room in it for another frame.
func (s *shard) begin(f *frame.Frame) {
	size := 0
	if f != nil {
		size = f.Size()
	}
	if s.entries == maxRoundEntries || s.bytes > 0 && s.bytes+size > maxRoundBytes ||
		s.runs.Len() > maxRoundRuns+maxRunsPerMember*len(s.touched) {
		s.flush()
	}
	s.entries++
}

// flush ends the round: each member gets what has been noted for it, and the batches have been handled.
func (s *shard) flush() {
	for i, m := range s.touched {
		r := m.run
		m.run = nil
		s.touched[i] = nil
		if r != nil && !m.out.Send(r) { // nil: it is leaving
			s.end(m)
		}
	}
	s.touched = s.touched[:0]
	s.part()
	s.runs.Reset()
	s.entries, s.bytes = 0, 0

	var credit, fanOut int64
	var last *Batch // the one that was accepted last
	for i, b := range s.handled {
		if b.handled(1) {
			credit += b.cost
			fanOut = max(fanOut, b.receivers.Load()/int64(max(len(b.messages), 1)))
			last = b
		}
		s.handled[i] = nil
	}
	s.handled = s.handled[:0]
	if last != nil {
		s.hub.release(credit, fanOut, last.accepted)
	}
}

// give notes a frame for a member.
func (s *shard) give(m *Member, f *frame.Frame) {
	if m.run == nil {
		s.touched = append(s.touched, m)
	}
	m.run = s.runs.Extend(m.run, f)
}

// deliver handles a batch. It may take several rounds, with nothing else in between.
func (s *shard) deliver(b *Batch) {
	receivers := 0
	for i := range b.messages {
		msg := &b.messages[i]
		s.begin(msg.Frame)
		if n := s.apply(msg); n > 0 {
			receivers += n
			s.bytes += msg.size()
		}
	}
	b.receivers.Add(int64(receivers))
	s.handled = append(s.handled, b)
}

// apply does what a message asks for, and returns how many members it is for.
func (s *shard) apply(msg *Message) int {
	ns := s.namespaces[msg.Namespace]
	if ns == nil {
		return 0
	}
	s.stamp++ // marks members that the message has met, or is not for
	for _, name := range msg.Except {
		for _, p := range s.find(ns, name) {
			p.member.stamp = s.stamp
		}
	}
	if msg.Action != ActionSend {
		return s.act(ns, msg)
	}
	if len(msg.Rooms) == 0 {
		return s.giveAll(ns.all.places, msg.Frame)
	}
	receivers := 0
	for _, name := range msg.Rooms {
		receivers += s.giveAll(s.find(ns, name), msg.Frame)
	}
	return receivers
}

// find returns the members that a name stands for: one if it is a sid. The slice is valid until the next call, and while nobody enters or
// leaves the room.
func (s *shard) find(ns *namespace, name string) []place {
	if m, ok := ns.sids.get(name); ok {
		s.one[0].member = m
		return s.one[:]
	}
	if r, ok := ns.rooms.get(name); ok {
		return r.places
	}
	return nil
}

func (s *shard) giveAll(places []place, f *frame.Frame) int {
	receivers := 0
	for i := range places {
		receivers += s.giveOnce(places[i].member, f)
	}
	return receivers
}

func (s *shard) giveOnce(m *Member, f *frame.Frame) int {
	if m.stamp == s.stamp {
		return 0
	}
	m.stamp = s.stamp
	s.give(m, f)
	return 1
}

// control handles the entry of a client.
func (s *shard) control(e *entry) {
	m := e.member
	if e.op == opGone {
		s.end(m)
		return
	}
	defer m.turn.Unlock()
	s.begin(e.frame)
	switch {
	case e.op == opConnect:
		if !s.connect(m) {
			return
		}
	case m.state != stateConnected:
		return
	case e.op == opJoin:
		if !s.join(m, e.room) {
			e.frame = e.full
		}
	case e.op == opLeave:
		s.leave(m, e.room)
	}
	if e.frame != nil {
		s.give(m, e.frame)
		s.bytes += e.frame.Size()
	}
}

func (s *shard) connect(m *Member) bool {
	if m.state != stateNew {
		s.absent++ // it was counted when this entry was queued
		return false
	}
	m.state = stateConnected
	ns := s.namespaces[m.namespace]
	if ns == nil {
		ns = newNamespace(m.namespace)
		s.namespaces[ns.name] = ns
	}
	ns.all.add(m)
	ns.sids.put(m.sid, m)
	return true
}

// join returns false when the member is in too many rooms.
func (s *shard) join(m *Member, name string) bool {
	ns := m.seats[0].room.ns
	r, ok := ns.rooms.get(name)
	if ok && r.find(m) >= 0 {
		return true
	}
	if len(m.seats) > s.hub.maxRooms {
		return false
	}
	if !ok {
		r = s.open(ns, name)
	}
	r.add(m)
	return true
}

// open makes a room, which is to get a member at once.
func (s *shard) open(ns *namespace, name string) *room {
	r := &room{ns: ns, name: strings.Clone(name)} // what it came in may be much larger
	ns.rooms.put(r.name, r)
	s.rooms++
	return r
}

func (s *shard) leave(m *Member, name string) {
	if r, ok := m.seats[0].room.ns.rooms.get(name); ok {
		if i := r.find(m); i >= 0 {
			s.vacate(m, i)
		}
	}
}

// vacate takes a member out of one of its rooms, and deletes that when it was the last one there.
func (s *shard) vacate(m *Member, i int) {
	r := m.seats[i].room
	m.vacate(i)
	if len(r.places) == 0 {
		r.ns.rooms.remove(r.name)
		s.rooms--
	}
}

// end removes a member. What has been noted for it in this round it still gets.
func (s *shard) end(m *Member) {
	m.left.Store(true)
	connected := m.state == stateConnected
	m.state = stateEnded
	if !connected {
		return
	}
	s.absent++
	for i := len(m.seats) - 1; i > 0; i-- {
		s.vacate(m, i)
	}
	ns := m.seats[0].room.ns
	m.vacate(0)
	m.seats = nil
	if other, ok := ns.sids.get(m.sid); ok && other == m {
		ns.sids.remove(m.sid)
	}
	if len(ns.all.places) == 0 {
		delete(s.namespaces, ns.name)
	}
}
