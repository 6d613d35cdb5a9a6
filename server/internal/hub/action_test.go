package hub_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ws-emit/ws-emit/server/frame"
	"github.com/ws-emit/ws-emit/server/internal/hub"
	"github.com/ws-emit/ws-emit/server/internal/metrics"
)

// send sends a batch and returns how many members it was for, once all of it has happened.
func (n *node) send(messages ...hub.Message) int {
	n.tb.Helper()
	for i := range messages {
		messages[i].Namespace = "/"
	}
	b := hub.NewBatch(messages...)
	if err := n.Send(context.Background(), b); err != nil {
		n.tb.Errorf("Send: %v", err)
		return 0
	}
	members, err := b.Receivers(context.Background())
	if err != nil {
		n.tb.Errorf("Receivers: %v", err)
	}
	return members
}

func enter(room string, rooms ...string) hub.Message {
	return hub.Message{Action: hub.ActionEnter, Rooms: rooms, Change: []string{room}}
}

func leave(room string, rooms ...string) hub.Message {
	return hub.Message{Action: hub.ActionLeave, Rooms: rooms, Change: []string{room}}
}

var bye = frame.Text("bye")

func disconnect(rooms ...string) hub.Message {
	return hub.Message{Action: hub.ActionDisconnect, Rooms: rooms, Frame: bye}
}

func end(rooms ...string) hub.Message {
	return hub.Message{Action: hub.ActionEnd, Rooms: rooms, Frame: bye}
}

// What a batch asks for happens in its order, and with it everything that is said to a member.
func TestActionsTakeTheirTurn(t *testing.T) {
	n := start(t, hub.Config{Shards: 2})
	a, aOut := n.connect(1)
	_, bOut := n.connect(2)
	_, cOut := n.connect(3)
	a.Join("x", nil, nil)
	got := n.send(
		event("1", "x"),
		enter("y", "x", sid(2)), // a and b
		event("2", "y"),
		leave("x", "y"), // a is in it, b is not
		event("3", "x"), // nobody
		event("4", sid(1), "y"),
		disconnect("y"),
		event("5", "x", "y", sid(1), sid(2)), // nobody
		enter("y", sid(1), sid(2)),           // nobody
		event("6"),                           // c
	)
	if want := 1 + 2 + 2 + 2 + 0 + 2 + 2 + 0 + 0 + 1; got != want {
		t.Errorf("%d members, want %d", got, want)
	}
	aOut.want(t, "1", "2", "4", "bye", "disconnected "+sid(1))
	bOut.want(t, "2", "4", "bye", "disconnected "+sid(2))
	cOut.want(t, "6")
	n.stop()
	if st := n.Stats(); st.Members != 1 || st.Rooms != 0 {
		t.Errorf("%+v, want a member and no room", st)
	}
}

func TestActionsSelect(t *testing.T) {
	all := []string{"a", "b", "c"}
	for _, test := range []struct {
		rooms, except []string
		want          string // who is disconnected
	}{
		{nil, nil, "abc"},
		{nil, []string{"x"}, "c"},
		{[]string{"x"}, nil, "ab"},
		{[]string{"x", "y", "x"}, nil, "abc"},
		{[]string{"x"}, []string{"y"}, "a"},
		{[]string{sid(0), sid(2), sid(0)}, nil, "ac"},
		{[]string{"x", sid(2)}, []string{sid(0), sid(7)}, "bc"},
		{[]string{"z", sid(7)}, nil, ""},
	} {
		n := start(t, hub.Config{Shards: 2})
		var outlets []*outlet
		for i := range all {
			m, o := n.connect(i)
			if i < 2 {
				m.Join("x", nil, nil)
			}
			if i > 0 {
				m.Join("y", nil, nil)
			}
			outlets = append(outlets, o)
		}
		msg := disconnect(test.rooms...)
		msg.Except = test.except
		if got := n.send(msg); got != len(test.want) {
			t.Errorf("%q except %q: %d members, want %d", test.rooms, test.except, got, len(test.want))
		}
		for i, name := range all {
			if strings.Contains(test.want, name) {
				outlets[i].want(t, "bye", "disconnected "+sid(i))
			} else {
				outlets[i].want(t)
			}
		}
		n.stop()
	}
}

// What has no members yet can be entered, and what loses its last one is no room any more.
func TestEnterAndLeaveKeepTheNamespace(t *testing.T) {
	n := start(t, hub.Config{Shards: 1})
	_, o := n.connect(1)
	for range 3 {
		if got := n.send(enter("x"), enter("x"), event("in", "x"), leave("x"), leave("x"), event("out", "x")); got != 5 {
			t.Errorf("%d members, want 5", got)
		}
	}
	n.send(leave(sid(1)), leave("/"), leave(""), event("still here", sid(1)), event("and here"))
	o.want(t, "in", "in", "in", "still here", "and here")
	n.stop()
	if st := n.Stats(); st.Rooms != 0 {
		t.Errorf("%+v, want no room", st)
	}
}

// A member that is in MaxRooms rooms enters no other one, which is counted; others do.
func TestEnterIsBounded(t *testing.T) {
	registry := prometheus.NewRegistry()
	set, err := metrics.New(registry)
	if err != nil {
		t.Fatal(err)
	}
	n := start(t, hub.Config{MaxRooms: 2, Metrics: set})
	m, _ := n.connect(1)
	n.connect(2)
	m.Join("a", nil, nil)
	change := []string{"a", "b", "a", "b"}
	n.send(hub.Message{Action: hub.ActionEnter, Change: change})
	n.send(hub.Message{Rooms: []string{sid(1)}, Action: hub.ActionEnter, Change: []string{"d", "a", "d", "d"}}) // one refusal
	if !slices.Equal(change, []string{"a", "b", "a", "b"}) {
		t.Errorf("the caller's rooms are %q", change)
	}
	if got := n.send(enter("c", sid(1)), enter("b", sid(1)), enter("c", sid(2))); got != 3 {
		t.Errorf("%d members, want 3", got)
	}
	for room, want := range map[string]int{"a": 2, "b": 2, "c": 0} {
		if got := n.emit("who", room); got != want {
			t.Errorf("%d members in %s, want %d", got, room, want)
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	refused := 0.0
	for _, f := range families {
		if f.GetName() == "wsemit_enters_refused_total" {
			refused += f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	if refused != 3 {
		t.Errorf("%v were counted, want 3", refused)
	}
}

// Who is in a room enters it once, and leaves it once, whether many are meant or few.
func TestEnterAndLeaveAgain(t *testing.T) {
	const members = 20
	n := start(t, hub.Config{Shards: 1})
	n.crowd(members, null{}, "x")
	one, few := []string{sid(3)}, []string{sid(3), sid(4), sid(5)}
	for _, step := range []struct {
		msg  hub.Message
		in   int // x
		also int // y
	}{
		{enter("x", one...), members, 0},
		{enter("x", few...), members, 0},
		{enter("x"), members, 0},
		{leave("x", one...), members - 1, 0},
		{leave("x", few...), members - 3, 0},
		{enter("x", "x", sid(3)), members - 2, 0},
		{enter("y", few...), members - 2, 3},
		{enter("y", "x"), members - 2, members - 2 + 2},
		{leave("y", few...), members - 2, members - 3},
		{enter("y"), members - 2, members},
		{leave("y", "x"), members - 2, 2},
		{enter("x"), members, 2},
		{leave("x", "y"), members - 2, 2},
		{leave("y"), members - 2, 0},
		{leave("x"), 0, 0},
	} {
		n.send(step.msg)
		if in, also := n.emit("who", "x"), n.emit("who", "y"); in != step.in || also != step.also {
			t.Fatalf("after %+v: %d in x and %d in y, want %d and %d", step.msg, in, also, step.in, step.also)
		}
	}
	for i := range members { // each one's own account of its rooms
		n.send(enter(fmt.Sprint("room ", i%3), sid(i)), enter("x", sid(i)), leave("x", sid(i)), disconnect(sid(i)))
	}
	n.stop()
	if st := n.Stats(); st.Members != 0 || st.Rooms != 0 {
		t.Errorf("left: %+v", st)
	}
}

// The rooms that a batch changes are bounded, those of all its messages together: others wait while it is handled.
func TestChangeIsBounded(t *testing.T) {
	n := start(t, hub.Config{})
	n.connect(1)
	var rooms, twice []string
	for i := range hub.MaxChange {
		rooms = append(rooms, fmt.Sprint("room ", i))
		twice = append(twice, rooms[i], rooms[0])
	}
	half := len(rooms) / 2
	change := func(rooms ...string) hub.Message {
		return hub.Message{Namespace: "/", Action: hub.ActionLeave, Change: rooms}
	}
	for name, test := range map[string]struct {
		want     error
		messages []hub.Message
	}{
		"as many as may be":     {nil, []hub.Message{change(rooms...)}},
		"in two messages":       {nil, []hub.Message{change(rooms[:half]...), event("e", rooms...), change(rooms[half:]...)}},
		"named again":           {nil, []hub.Message{change(twice...)}},
		"one more":              {hub.ErrTooLarge, []hub.Message{change(append(rooms, "x")...)}},
		"one more in two":       {hub.ErrTooLarge, []hub.Message{change(rooms[half:]...), change(rooms[:half+1]...)}},
		"by messages of one":    {hub.ErrTooLarge, slices.Repeat([]hub.Message{change("x")}, hub.MaxChange+1)},
		"one more that is sent": {nil, []hub.Message{change(rooms...), event("e", "x")}},
	} {
		if err := n.Send(t.Context(), hub.NewBatch(test.messages...)); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

// All that an outlet was to get before has been handed to it when it ends, also what is for its other members.
func TestOutletEndsLast(t *testing.T) {
	n := start(t, hub.Config{Shards: 1})
	o := &outlet{}
	for _, ns := range []string{"/", "/a", "/b"} {
		n.NewMember(o, ns, sid(1)+ns, 7).Connect(nil)
	}
	in := func(ns string, m hub.Message) hub.Message {
		m.Namespace = ns
		return m
	}
	b := hub.NewBatch(in("/b", event("1")), in("/", end()), in("/a", event("2")), in("/a", end()), in("/", event("lost")))
	if err := n.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	n.emit("barrier")
	o.want(t, "1", "bye", "disconnected "+sid(1)+"/", "2", "bye", "disconnected "+sid(1)+"/a", "end")
}

// Entries of a client that come after it was disconnected, as that of a join that was checked meanwhile, do nothing.
func TestEntriesAfterDisconnect(t *testing.T) {
	n := start(t, hub.Config{})
	m, o := n.connect(1)
	n.send(disconnect(sid(1)))
	f := frame.Text("must not arrive")
	m.Join("x", f, f)
	m.Leave("x", f)
	m.Reply(f)
	m.Quit()
	m.Gone()
	m.Connect(f)
	if got := n.send(event("to x", "x"), event("to all"), disconnect()); got != 0 {
		t.Errorf("%d members, want none", got)
	}
	o.want(t, "bye", "disconnected "+sid(1))
}

// A client that has left by itself is not told that it was disconnected, whatever comes first: it may be about to connect again.
func TestDisconnectOfOneThatHasLeft(t *testing.T) {
	h, err := hub.New(hub.Config{Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	o := &outlet{}
	m := h.NewMember(o, "/", sid(1), 0)
	m.Connect(frame.Text("connected"))
	if err := h.Send(t.Context(), hub.NewBatch(event("1"), hub.Message{Namespace: "/", Action: hub.ActionEnd, Frame: bye}, event("2"))); err != nil {
		t.Fatal(err)
	}
	m.Gone() // queued behind the batch, which nobody has handled
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Run(ended); err != nil {
		t.Fatal(err)
	}
	o.want(t, "connected", "1")
	if st := h.Stats(); st.Members != 0 || st.Credit != 0 {
		t.Errorf("left: %+v", st)
	}
}

// What a backend asks for takes credit for all that it names, as a message does, and more for a room to enter or leave; it waits for it, and
// gives it back.
func TestActionsTakeCredit(t *testing.T) {
	const credit, change = 4800, 1024
	long := strings.Repeat("r", 255)
	h, err := hub.New(hub.Config{Shards: 1, Credit: credit})
	if err != nil {
		t.Fatal(err)
	}
	soon, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	o := &outlet{}
	h.NewMember(o, "/", sid(1), 0).Connect(nil)
	for _, msg := range []hub.Message{enter(long, long), leave(long, long), disconnect(long), end(long)} {
		msg.Namespace = "/"
		before := h.Stats().Credit
		if err := h.Send(soon, hub.NewBatch(msg)); err != nil {
			t.Fatalf("action %d: %v", msg.Action, err)
		}
		named := len(long)*len(msg.Rooms) + (len(long)+change)*len(msg.Change)
		if got := h.Stats().Credit - before; got < int64(named) || got > int64(named)+300 {
			t.Errorf("action %d took a credit of %d, and is worth %d", msg.Action, got, named)
		}
	}
	all := disconnect()
	all.Namespace, all.Except = "/", []string{long, long}
	hurry, cancel := context.WithTimeout(soon, time.Millisecond)
	defer cancel()
	if err := h.Send(hurry, hub.NewBatch(all)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Send without credit: %v", err)
	}
	if err := h.Send(hurry, hub.NewBatch(enter(long, long), enter(long, long), leave(long, long), leave(long, long))); !errors.Is(err, hub.ErrTooLarge) {
		t.Errorf("Send of more than all credit: %v", err)
	}
	if err := h.Run(hurry); err != nil {
		t.Fatal(err)
	}
	o.want(t)
	if st := h.Stats(); st.Credit != 0 || st.Members != 1 {
		t.Errorf("after the end: %+v", st)
	}
}

// strict is an outlet of which every member is followed: nothing may come for one that was disconnected, and none is disconnected twice.
type strict struct {
	t *testing.T

	mu    sync.Mutex // guards the following
	gone  bool
	ended bool
}

func (o *strict) Send(*frame.Run) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.gone {
		o.t.Error("a frame after the last one")
	}
	return !o.ended
}

func (o *strict) Disconnect(r *frame.Run, _ string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.gone || r.Last() != bye {
		o.t.Error("disconnected twice, or without a word")
	}
	o.gone = true
}

func (o *strict) End() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
}

// Backends move and disconnect members while these come, join, leave and go: all of it ends, and nothing is left.
func TestActionsUnderChurn(t *testing.T) {
	const clients, backends, each = 8, 4, 300
	n := start(t, hub.Config{Credit: 20_000, MaxRooms: 4})
	room := func(rng *rand.Rand) string { return string("abcdef"[rng.IntN(6)]) }
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(5, uint64(c)))
			for i := range each {
				m := n.NewMember(&strict{t: t}, "/", sid(c*each+i), uint32(i))
				m.Connect(frame.Text("connected"))
				for range rng.IntN(6) {
					m.Join(room(rng), frame.Text("ok"), nil)
				}
				if m.Leave(room(rng), nil); rng.IntN(2) == 0 {
					m.Quit()
				} else {
					m.Gone()
				}
			}
		})
	}
	for s := range backends {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(6, uint64(s)))
			for range each {
				who := sid(rng.IntN(clients * each))
				n.send(event("e"), enter(room(rng), room(rng), who), leave(room(rng)), event("e", room(rng)),
					disconnect(who), disconnect(room(rng)), event("e"), end(room(rng)), event("e"))
			}
		})
	}
	wg.Wait()
	n.stop()
	if st := n.Stats(); st != (hub.Stats{}) {
		t.Errorf("left: %+v", st)
	}
}

// Members that come and are disconnected leave nothing behind, however many they are.
func TestDisconnectManyAtOnce(t *testing.T) {
	const members = 5000
	n := start(t, hub.Config{})
	for round := range 3 {
		outlets := make([]*outlet, members)
		for i := range members {
			m, o := n.connect(i)
			m.Join("all", nil, nil)
			m.Join(fmt.Sprint("room of ", i), nil, nil)
			outlets[i] = o
		}
		if got := n.send(event("before", "all"), disconnect("all"), event("after", "all")); got != 2*members {
			t.Errorf("%d members, want %d", got, 2*members)
		}
		for i, o := range outlets {
			if o.want(t, "before", "bye", "disconnected "+sid(i)); t.Failed() {
				t.Fatalf("round %d, member %d", round, i)
			}
		}
	}
	n.stop()
	if st := n.Stats(); st != (hub.Stats{}) {
		t.Errorf("left: %+v", st)
	}
}
