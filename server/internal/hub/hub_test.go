package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"unsafe"

	"go.uber.org/goleak"

	"github.com/ws-emit/ws-emit/server/frame"
	"github.com/ws-emit/ws-emit/server/internal/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// outlet records what it is given: frames, and "disconnected" and "end" in their place.
type outlet struct {
	before func() // called first by each Send, nil does nothing

	mu    sync.Mutex // guards the following
	got   []string
	ended bool
	bad   bool // a run's joined bytes were not those of its frames
}

func (o *outlet) Send(r *frame.Run) bool {
	if o.before != nil {
		o.before()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return false
	}
	var ws []byte
	for _, f := range r.AppendFrames(nil) {
		o.got = append(o.got, string(f.Packets()[0].Data))
		ws = append(ws, f.WebSocket()...)
	}
	o.bad = o.bad || !bytes.Equal(ws, r.WebSocket())
	return true
}

func (o *outlet) Disconnect(r *frame.Run, sid string) {
	o.Send(r)
	o.note("disconnected " + sid)
}

func (o *outlet) End() {
	o.note("end")
	o.end()
}

func (o *outlet) note(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ended {
		o.got = append(o.got, what)
	}
}

func (o *outlet) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
}

// frames returns what the outlet was given so far.
func (o *outlet) frames(tb testing.TB) []string {
	tb.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bad {
		tb.Error("the joined bytes of a run differ from its frames")
	}
	return slices.Clone(o.got)
}

func (o *outlet) want(tb testing.TB, want ...string) {
	tb.Helper()
	if got := o.frames(tb); !slices.Equal(got, want) {
		tb.Errorf("got %q, want %q", got, want)
	}
}

// node is a hub that runs.
type node struct {
	*hub.Hub
	tb   testing.TB
	stop func() // ends it and waits; may be called again
}

// start runs a hub until the end of the test, when all credit must have come back.
func start(tb testing.TB, cfg hub.Config) *node {
	tb.Helper()
	h, err := hub.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	n := &node{Hub: h, tb: tb}
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("Run: %v", err)
		}
		if st := h.Stats(); st.Credit != 0 || st.Waiting != 0 || st.Queued != 0 {
			tb.Errorf("left after the end: %+v", st)
		}
	})
	tb.Cleanup(n.stop)
	return n
}

// connect returns a member of "/" that has got nothing, and its outlet.
func (n *node) connect(i int) (*hub.Member, *outlet) {
	o := &outlet{}
	m := n.NewMember(o, "/", sid(i), uint32(i))
	m.Connect(nil)
	return m, o
}

func sid(i int) string { return fmt.Sprintf("~%019d", i) }

// emit sends a text to rooms and waits until the members have it.
func (n *node) emit(text string, rooms ...string) int {
	n.tb.Helper()
	b := hub.NewBatch(event(text, rooms...))
	if err := n.Send(context.Background(), b); err != nil {
		n.tb.Errorf("Send: %v", err)
		return 0
	}
	receivers, err := b.Receivers(context.Background())
	if err != nil {
		n.tb.Errorf("Receivers: %v", err)
	}
	return receivers
}

func event(text string, rooms ...string) hub.Message {
	return hub.Message{Namespace: "/", Rooms: rooms, Frame: frame.Text(text)}
}

func TestRooms(t *testing.T) {
	n := start(t, hub.Config{})
	a, aOut := n.connect(1)
	b, bOut := n.connect(2)
	_, cOut := n.connect(3)
	a.Join("x", frame.Text("a in x"), nil)
	a.Join("y", nil, nil)
	b.Join("y", frame.Text("b in y"), nil)

	for _, step := range []struct {
		text      string
		rooms     []string
		receivers int
	}{
		{"all", nil, 3},
		{"x", []string{"x"}, 1},
		{"x and y", []string{"x", "y"}, 2},
		{"nobody", []string{"z"}, 0},
		{"c", []string{sid(3)}, 1},
		{"c and y", []string{sid(3), "y", "y", sid(3)}, 3},
		{"unknown sid", []string{sid(4)}, 0},
	} {
		if got := n.emit(step.text, step.rooms...); got != step.receivers {
			t.Errorf("%s: %d receivers, want %d", step.text, got, step.receivers)
		}
	}
	a.Leave("y", frame.Text("a not in y"))
	a.Leave("never", frame.Text("a not in never"))
	n.emit("y", "y")

	aOut.want(t, "a in x", "all", "x", "x and y", "c and y", "a not in y", "a not in never")
	bOut.want(t, "b in y", "all", "x and y", "c and y", "y")
	cOut.want(t, "all", "c", "c and y")
}

func TestExcept(t *testing.T) {
	n := start(t, hub.Config{})
	a, aOut := n.connect(1)
	b, bOut := n.connect(2)
	_, cOut := n.connect(3)
	a.Join("x", nil, nil)
	b.Join("x", nil, nil)
	b.Join("y", nil, nil)
	for _, msg := range []hub.Message{
		{Namespace: "/", Rooms: []string{"x"}, Except: []string{"y"}, Frame: frame.Text("x not y")},
		{Namespace: "/", Except: []string{sid(1), "none"}, Frame: frame.Text("not a")},
		{Namespace: "/", Rooms: []string{"x", sid(3)}, Except: []string{"x"}, Frame: frame.Text("c")},
	} {
		b := hub.NewBatch(msg)
		if err := n.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	n.emit("end")
	aOut.want(t, "x not y", "end")
	bOut.want(t, "not a", "end")
	cOut.want(t, "not a", "c", "end")
}

func TestNamespacesAreApart(t *testing.T) {
	n := start(t, hub.Config{})
	o := &outlet{}
	for _, ns := range []string{"/", "/admin"} {
		m := n.NewMember(o, ns, sid(1), 7)
		m.Connect(frame.Text("connected to " + ns))
		m.Join("x", nil, nil)
	}
	for _, ns := range []string{"/admin", "/", "/unknown"} {
		for _, rooms := range [][]string{{"x"}, {sid(1)}, nil} {
			b := hub.NewBatch(hub.Message{Namespace: ns, Rooms: rooms, Frame: frame.Text(ns)})
			if err := n.Send(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			want := 1
			if ns == "/unknown" {
				want = 0
			}
			if got, _ := b.Receivers(t.Context()); got != want {
				t.Errorf("namespace %q, rooms %q: %d receivers, want %d", ns, rooms, got, want)
			}
		}
	}
	o.want(t, "connected to /", "connected to /admin", "/admin", "/admin", "/admin", "/", "/", "/")
}

func TestMaxRooms(t *testing.T) {
	n := start(t, hub.Config{MaxRooms: 2})
	m, o := n.connect(1)
	ok, full := frame.Text("ok"), frame.Text("full")
	m.Join("a", ok, full)
	m.Join("b", ok, full)
	m.Join("c", ok, full)
	m.Join("c", ok, nil)
	m.Join("a", ok, full)
	m.Leave("b", nil)
	m.Join("c", ok, full)
	if got := n.emit("b", "b"); got != 0 {
		t.Errorf("%d receivers in a room that was left", got)
	}
	n.emit("c", "c")
	o.want(t, "ok", "ok", "full", "ok", "ok", "c")
}

func TestEntriesOutsideOfTheHub(t *testing.T) {
	n := start(t, hub.Config{})
	o := &outlet{}
	f := frame.Text("must not arrive")
	m := n.NewMember(o, "/", sid(1), 1)
	m.Join("x", f, f)
	m.Leave("x", f)
	m.Reply(f)
	m.Connect(frame.Text("connected"))
	m.Connect(f)
	m.Reply(nil)
	if got := n.emit("to x", "x"); got != 0 {
		t.Errorf("%d receivers: a join before Connect counted", got)
	}
	m.Gone()
	m.Gone()
	m.Connect(f)
	m.Join("x", f, f)
	m.Leave("x", f)
	m.Reply(f)
	if got := n.emit("to all"); got != 0 {
		t.Errorf("%d receivers after Gone", got)
	}
	never := n.NewMember(o, "/", sid(2), 1)
	never.Gone()
	never.Connect(f)
	n.emit("to all")
	n.stop()
	o.want(t, "connected")
	if st := n.Stats(); st.Members != 0 {
		t.Errorf("%d members left", st.Members)
	}
}

// The sid of a member that has gone may be another's by then.
func TestSidIsTakenOver(t *testing.T) {
	n := start(t, hub.Config{})
	older, _ := n.connect(1)
	_, newer := n.connect(1)
	older.Gone()
	if got := n.emit("hello", sid(1)); got != 1 {
		t.Errorf("%d receivers, want 1", got)
	}
	newer.want(t, "hello")
}

func TestEndedOutletRemovesItsMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, hub.Config{Shards: 1})
		m, o := n.connect(1)
		_, other := n.connect(2)
		m.Join("x", nil, nil)
		n.emit("first")
		o.end()
		n.emit("second")
		synctest.Wait()
		if st := n.Stats(); st.Members != 1 || st.Rooms != 0 {
			t.Errorf("%+v, want 1 member and no room", st)
		}
		for _, rooms := range [][]string{nil, {"x"}, {sid(1)}, {sid(2)}} {
			n.emit("third", rooms...)
		}
		m.Join("x", frame.Text("ok"), nil)
		m.Gone()
		n.stop()
		o.want(t, "first")
		other.want(t, "first", "second", "third", "third")
	})
}

// A round is bounded, and what is sent in one batch may take many of them.
func TestBatchOfManyRounds(t *testing.T) {
	n := start(t, hub.Config{})
	var largest int
	sizes := outletFunc(func(r *frame.Run) bool {
		largest = max(largest, r.Size())
		return true
	})
	n.NewMember(sizes, "/", sid(1), 0).Connect(nil)
	_, o := n.connect(2)
	var messages []hub.Message
	var want []string
	for i := range 3000 {
		text := fmt.Sprintf("%0*d", 1+i%300, i)
		messages = append(messages, event(text))
		want = append(want, text)
	}
	b := hub.NewBatch(messages...)
	if err := n.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Receivers(t.Context()); got != 6000 || err != nil {
		t.Errorf("Receivers: %d, %v; want 6000", got, err)
	}
	o.want(t, want...)
	n.stop()
	if largest > 64<<10 {
		t.Errorf("a run of %d bytes", largest)
	}
}

type outletFunc func(*frame.Run) bool

func (f outletFunc) Send(r *frame.Run) bool            { return f(r) }
func (f outletFunc) Disconnect(r *frame.Run, _ string) { f(r) }
func (f outletFunc) End()                              {}

func TestStatsFollowWhatIsInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, hub.Config{Shards: 2})
		const members = 2000
		var all []*hub.Member
		for i := range members {
			m, _ := n.connect(i)
			m.Join("all", nil, nil)
			m.Join(fmt.Sprint("room of ", i), nil, nil)
			all = append(all, m)
		}
		synctest.Wait()
		if got, want := n.Stats(), (hub.Stats{Members: members, Rooms: members + 2}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		for i, m := range all {
			if i%2 == 0 {
				m.Leave("all", nil)
			}
			m.Gone()
		}
		synctest.Wait()
		if got := n.Stats(); got != (hub.Stats{}) {
			t.Errorf("%+v, want zeros", got)
		}
		if got := n.emit("nobody"); got != 0 {
			t.Errorf("%d receivers", got)
		}
	})
}

func TestConfig(t *testing.T) {
	for _, cfg := range []hub.Config{{Shards: -1}, {Credit: -1}, {MaxRooms: -1}} {
		if _, err := hub.New(cfg); err == nil {
			t.Errorf("New(%+v): no error", cfg)
		}
	}
}

func TestRunTwice(t *testing.T) {
	n := start(t, hub.Config{})
	n.stop()
	if err := n.Run(t.Context()); err == nil {
		t.Error("no error")
	}
}

// What was accepted is handled also when Run is called after its context has ended.
func TestRunAfterItsEnd(t *testing.T) {
	h, err := hub.New(hub.Config{})
	if err != nil {
		t.Fatal(err)
	}
	o := &outlet{}
	h.NewMember(o, "/", sid(1), 1).Connect(frame.Text("connected"))
	b := hub.NewBatch(event("hello"))
	if err := h.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Receivers(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Receivers before Run: %v", err)
	}
	if err := h.Run(ended); err != nil {
		t.Fatal(err)
	}
	o.want(t, "connected", "hello")
}

// An idle member is one struct; a field more is a size class more.
func TestMemberSize(t *testing.T) {
	if got := unsafe.Sizeof(hub.Member{}); got > 112 {
		t.Errorf("a member has %d bytes", got)
	}
}

// Quit waits until the entry before it has been handled; Gone does not.
func TestQuitWaitsForItsTurn(t *testing.T) {
	h, err := hub.New(hub.Config{Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	m := h.NewMember(outletFunc(func(*frame.Run) bool { return true }), "/", "~s", 0)
	m.Connect(nil) // nobody handles it yet
	quit := make(chan struct{})
	go func() {
		m.Quit()
		close(quit)
	}()
	if queued := h.Stats().Queued; queued != 1 {
		t.Errorf("%d entries are queued", queued)
	}
	select {
	case <-quit:
		t.Error("it did not wait")
	default:
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()
	<-quit
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if members := h.Stats().Members; members != 0 {
		t.Errorf("%d members are left", members)
	}
}
