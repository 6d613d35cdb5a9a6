package hub_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ws-emit/ws-emit/server/frame"
	"github.com/ws-emit/ws-emit/server/internal/hub"
)

// model is what a hub has to do, said as simply as possible: one step after the other, everything by looking at all members.
type model struct {
	t        *testing.T
	n        *node
	members  []*modelMember
	batches  []*hub.Batch
	matched  []int // receivers of each batch
	frames   int   // each one has its own text
	maxRooms int
}

type modelMember struct {
	*hub.Member
	out       *outlet
	sid       string
	connected bool
	rooms     map[string]bool
	want      []string
}

// reader turns bytes into choices; after the last byte every choice is 0.
type reader []byte

func (r *reader) choose(n int) int {
	if len(*r) == 0 {
		return 0
	}
	b := (*r)[0]
	*r = (*r)[1:]
	return int(b) % n
}

func runModel(t *testing.T, data []byte) {
	cfg := hub.Config{Shards: 1 + len(data)%3, MaxRooms: 3}
	m := &model{t: t, n: start(t, cfg), maxRooms: cfg.MaxRooms}
	for r := (reader)(data); len(r) > 0; {
		m.step(&r)
	}
	m.n.stop()
	for _, mm := range m.members {
		mm.out.want(t, mm.want...)
	}
	for i, b := range m.batches {
		if got, err := b.Receivers(context.Background()); got != m.matched[i] || err != nil {
			t.Errorf("batch %d: %d receivers, %v; want %d", i, got, err, m.matched[i])
		}
	}
	if t.Failed() {
		return
	}
	rooms := 0
	for _, mm := range m.members {
		if mm.connected {
			rooms += len(mm.rooms)
		}
	}
	if st := m.n.Stats(); (st.Rooms == 0) != (rooms == 0) || st.Rooms > rooms {
		t.Errorf("%d rooms for %d memberships", st.Rooms, rooms)
	}
}

func (m *model) step(r *reader) {
	op := r.choose(13)
	if op == 0 || len(m.members) == 0 {
		m.connect(r)
		return
	}
	mm := m.members[r.choose(len(m.members))]
	switch op {
	case 1, 2:
		m.join(mm, m.room(r))
	case 3:
		room := m.room(r)
		f := m.reply(mm, true)
		if mm.connected {
			delete(mm.rooms, room)
		}
		mm.Leave(room, f)
	case 4:
		mm.Reply(m.reply(mm, true))
	case 5:
		mm.Gone()
		mm.connected = false
	case 6:
		if mm.connected {
			m.breakOutlet(mm)
		}
	case 7:
		m.disconnect(r)
	case 8, 9:
		m.change(r)
	default:
		m.send(r)
	}
}

func (m *model) connect(r *reader) {
	mm := &modelMember{out: &outlet{}, sid: sid(len(m.members)), rooms: make(map[string]bool)}
	mm.Member = m.n.NewMember(mm.out, "/", mm.sid, uint32(r.choose(8)))
	m.members = append(m.members, mm)
	mm.connected = r.choose(8) > 0
	if f := m.reply(mm, true); mm.connected {
		mm.Connect(f)
	}
}

func (m *model) join(mm *modelMember, room string) {
	fits := mm.rooms[room] || len(mm.rooms) < m.maxRooms
	ok, full := m.reply(mm, fits), m.reply(mm, !fits)
	if fits && mm.connected {
		mm.rooms[room] = true
	}
	mm.Join(room, ok, full)
}

// breakOutlet ends an outlet at a moment when all before has arrived, and lets the hub find out.
func (m *model) breakOutlet(mm *modelMember) {
	m.wait(m.emit(hub.Message{}))
	mm.out.end()
	got := len(mm.want)
	m.wait(m.emit(hub.Message{}))
	mm.connected, mm.want = false, mm.want[:got]
}

func (m *model) wait(b *hub.Batch) {
	if _, err := b.Receivers(context.Background()); err != nil {
		m.t.Error(err)
	}
}

func (m *model) send(r *reader) {
	messages := make([]hub.Message, 1+r.choose(3))
	for i := range messages {
		messages[i] = m.message(r)
		if r.choose(4) == 0 {
			m.alter(r, &messages[i])
		}
	}
	m.emit(messages...)
}

// message returns a message to rooms that are chosen.
func (m *model) message(r *reader) (msg hub.Message) {
	for range r.choose(4) {
		msg.Rooms = append(msg.Rooms, m.target(r))
	}
	for range r.choose(3) {
		msg.Except = append(msg.Except, m.target(r))
	}
	return msg
}

// change moves members between rooms.
func (m *model) change(r *reader) {
	msg := m.message(r)
	m.alter(r, &msg)
	m.emit(msg)
}

func (m *model) alter(r *reader, msg *hub.Message) {
	msg.Action = hub.ActionEnter
	if r.choose(2) == 0 {
		msg.Action = hub.ActionLeave
	}
	for range 1 + r.choose(3) {
		msg.Change = append(msg.Change, m.room(r))
	}
}

// disconnect disconnects members, between two messages to them. It waits: who goes by itself before its turn has come is not told.
func (m *model) disconnect(r *reader) {
	msg := m.message(r)
	if len(msg.Rooms) == 0 && r.choose(4) > 0 {
		msg.Rooms = []string{m.target(r)} // all at once is rare
	}
	before, after := hub.Message{Rooms: msg.Rooms}, hub.Message{Rooms: msg.Rooms}
	msg.Action = hub.ActionDisconnect
	if r.choose(3) == 0 {
		msg.Action = hub.ActionEnd
	}
	m.wait(m.emit(before, msg, after))
}

// emit sends messages, whose frames it makes, and notes what comes of them.
func (m *model) emit(messages ...hub.Message) *hub.Batch {
	matched := 0
	for i := range messages {
		msg := &messages[i]
		text := m.text()
		msg.Namespace = "/"
		if msg.Action != hub.ActionEnter && msg.Action != hub.ActionLeave {
			msg.Frame = frame.Text(text)
		}
		for _, mm := range m.members {
			if mm.connected && (len(msg.Rooms) == 0 || mm.in(msg.Rooms)) && !mm.in(msg.Except) {
				mm.meet(msg, text, m.maxRooms)
				matched++
			}
		}
	}
	b := hub.NewBatch(messages...)
	if err := m.n.Send(context.Background(), b); err != nil {
		m.t.Error(err)
	}
	m.batches = append(m.batches, b)
	m.matched = append(m.matched, matched)
	return b
}

// meet is what a message does to a member.
func (mm *modelMember) meet(msg *hub.Message, text string, maxRooms int) {
	if msg.Frame != nil {
		mm.want = append(mm.want, text)
	}
	switch msg.Action {
	case hub.ActionEnter:
		for _, room := range msg.Change {
			if len(mm.rooms) < maxRooms {
				mm.rooms[room] = true
			}
		}
	case hub.ActionLeave:
		for _, room := range msg.Change {
			delete(mm.rooms, room)
		}
	case hub.ActionDisconnect:
		mm.connected = false
		mm.want = append(mm.want, "disconnected "+mm.sid)
	case hub.ActionEnd:
		mm.connected = false
		mm.want = append(mm.want, "disconnected "+mm.sid, "end")
	}
}

func (mm *modelMember) in(names []string) bool {
	for _, name := range names {
		if name == mm.sid || mm.rooms[name] {
			return true
		}
	}
	return false
}

// reply makes a frame, noted as what the member gets if it is connected and so chosen.
func (m *model) reply(mm *modelMember, chosen bool) *frame.Frame {
	text := m.text()
	if mm.connected && chosen {
		mm.want = append(mm.want, text)
	}
	return frame.Text(text)
}

func (m *model) text() string {
	m.frames++
	return fmt.Sprintf("%0*d", 1+m.frames%2000, m.frames)
}

func (m *model) room(r *reader) string { return string("abcdef"[r.choose(6)]) }

func (m *model) target(r *reader) string {
	if r.choose(4) == 0 {
		return m.members[r.choose(len(m.members))].sid
	}
	return m.room(r)
}

func modelBytes(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 0))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	return data
}

// The hub does what the model does, for random sequences of everything that can be asked of it.
func TestModel(t *testing.T) {
	for seed := range uint64(150) {
		if runModel(t, modelBytes(seed, 300+int(seed)*7)); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzModel(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(modelBytes(seed, 200))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 2000 {
			t.Skip("longer than is useful")
		}
		runModel(t, data)
	})
}
