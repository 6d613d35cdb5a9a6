package hub_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws-emit/ws-emit/server/frame"
	"github.com/ws-emit/ws-emit/server/internal/hub"
)

// Invariant 1: all members, of whatever shard, get what parallel senders emit in one and the same order, and what one sender emits in
// the order in which it did.
func TestInvariant1OneOrderForAllMembers(t *testing.T) {
	const members, senders, each = 50, 16, 300
	n := start(t, hub.Config{Credit: 20_000}) // senders have to wait
	var outlets []*outlet
	for i := range members {
		m, o := n.connect(i)
		m.Join("x", nil, nil)
		outlets = append(outlets, o)
	}
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				b := hub.NewBatch(event(fmt.Sprintf("%d %d a", s, i), "x"), event(fmt.Sprintf("%d %d b", s, i), "x"))
				if err := n.Send(context.Background(), b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	n.stop()

	order := outlets[0].frames(t)
	for i, o := range outlets {
		if !slices.Equal(o.frames(t), order) {
			t.Errorf("member %d got another order than member 0", i)
		}
	}
	if len(order) != 2*senders*each {
		t.Fatalf("%d frames, want %d", len(order), 2*senders*each)
	}
	next := make([]int, senders)
	for i := 0; i < len(order); i += 2 {
		var s, num int
		if _, err := fmt.Sscan(order[i], &s, &num); err != nil {
			t.Fatal(err)
		}
		if num != next[s] {
			t.Fatalf("sender %d: got %d, want %d", s, num, next[s])
		}
		next[s]++
		if want := fmt.Sprintf("%d %d b", s, num); order[i+1] != want {
			t.Fatalf("%q after %q: the batch was not contiguous", order[i+1], order[i])
		}
	}
}

// Invariant 1: no emit of a room comes before the join's ack, and every emit that is accepted after the ack arrives.
func TestInvariant1JoinAckComesFirst(t *testing.T) {
	const tries, lanes = 10_000, 8
	n := start(t, hub.Config{})
	stop := make(chan struct{})
	var emitters, joiners sync.WaitGroup
	emitters.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				n.emit("noise", fmt.Sprint(i%lanes))
			}
		}
	})
	for lane := range lanes {
		joiners.Go(func() {
			room := fmt.Sprint(lane)
			for range tries / lanes {
				if !tryJoin(t, n, lane, room) {
					return
				}
			}
		})
	}
	joiners.Wait()
	close(stop)
	emitters.Wait()
}

func tryJoin(t *testing.T, n *node, id int, room string) bool {
	acked := make(chan struct{})
	var once sync.Once
	o := &outlet{before: func() { once.Do(func() { close(acked) }) }}
	m := n.NewMember(o, "/", sid(id), uint32(id))
	m.Connect(nil)
	m.Join(room, frame.Text("ok"), nil)
	<-acked
	receivers := n.emit("event", room)
	m.Leave(room, frame.Text("left"))
	n.emit("after", room)
	n.emit("end", sid(id))
	m.Gone()
	got := slices.DeleteFunc(o.frames(t), func(s string) bool { return s == "noise" })
	first := o.frames(t)[0]
	if first != "ok" || receivers != 1 || !slices.Equal(got, []string{"ok", "event", "left", "end"}) {
		t.Errorf("first %q, without noise %q, %d receivers", first, got, receivers)
		return false
	}
	return true
}

// Invariant 4: under joins, leaves and disconnects nobody gets anything twice or out of order, and who stays gets everything.
func TestInvariant4ExactlyOnceUnderChurn(t *testing.T) {
	const stay, come, senders, each = 20, 8, 4, 400
	n := start(t, hub.Config{Credit: 100_000, MaxRooms: 5})
	var stayers []*outlet
	for i := range stay {
		m, o := n.connect(i)
		m.Join("a", nil, nil)
		m.Join("b", nil, nil)
		stayers = append(stayers, o)
	}
	stop := make(chan struct{})
	var churn, send sync.WaitGroup
	var mu sync.Mutex // guards comers
	var comers []*outlet
	for c := range come {
		churn.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(c)))
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				m, o := n.connect(1000 + c + i*come)
				for range rng.IntN(6) {
					m.Join(string("abcdefgh"[rng.IntN(8)]), nil, nil)
				}
				m.Leave("b", nil)
				if rng.IntN(4) == 0 {
					o.end()
				} else {
					m.Gone()
				}
				mu.Lock()
				comers = append(comers, o)
				mu.Unlock()
			}
		})
	}
	for s := range senders {
		send.Go(func() {
			for i := range each {
				b := hub.NewBatch(event(fmt.Sprintf("%d %d", s, i), "a", "b", "c", sid(3)))
				if err := n.Send(context.Background(), b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	send.Wait()
	close(stop)
	churn.Wait()
	n.stop()

	for _, o := range append(comers, stayers...) {
		last := slices.Repeat([]int{-1}, senders)
		for _, text := range o.frames(t) {
			var s, i int
			if _, err := fmt.Sscan(text, &s, &i); err != nil || i <= last[s] {
				t.Fatalf("got %q after number %d of this sender", text, last[s])
			}
			last[s] = i
		}
	}
	for i, o := range stayers {
		if got := len(o.frames(t)); got != senders*each {
			t.Errorf("member %d got %d messages, want %d", i, got, senders*each)
		}
	}
	// Members whose outlet has ended are found when something is sent to them.
	if st := n.Stats(); st.Members < stay {
		t.Errorf("%+v", st)
	}
}

// Invariant 4: a batch whose Send failed reaches nobody, any other one reaches everybody, whole.
func TestInvariant4AllOrNothing(t *testing.T) {
	const members, senders, each = 6, 16, 200
	n := start(t, hub.Config{Credit: 4000})
	var outlets []*outlet
	for i := range members {
		_, o := n.connect(i)
		rng := rand.New(rand.NewPCG(2, uint64(i)))
		o.before = func() { // slow now and then, so that senders run out of time
			if rng.IntN(4) == 0 {
				for end := time.Now().Add(100 * time.Microsecond); time.Now().Before(end); {
				}
			}
		}
		outlets = append(outlets, o)
	}
	var mu sync.Mutex // guards accepted
	accepted := make(map[string]bool)
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(3, uint64(s)))
			for i := range each {
				key := fmt.Sprintf("%d %d", s, i)
				messages := make([]hub.Message, 1+rng.IntN(8))
				for j := range messages {
					messages[j] = event(key)
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rng.IntN(300))*time.Microsecond)
				err := n.Send(ctx, hub.NewBatch(messages...))
				cancel()
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				mu.Lock()
				if err == nil {
					accepted[fmt.Sprint(key, " of ", len(messages))] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	n.stop()
	for i, o := range outlets {
		got := make(map[string]bool)
		frames := o.frames(t)
		for len(frames) > 0 {
			run := slices.IndexFunc(frames, func(s string) bool { return s != frames[0] })
			if run < 0 {
				run = len(frames)
			}
			got[fmt.Sprint(frames[0], " of ", run)] = true
			frames = frames[run:]
		}
		for key := range accepted {
			if !got[key] {
				t.Errorf("member %d did not get %s, which was accepted", i, key)
			}
		}
		if len(got) != len(accepted) {
			t.Errorf("member %d got %d batches, %d were accepted", i, len(got), len(accepted))
		}
	}
	if len(accepted) == 0 || len(accepted) == senders*each {
		t.Errorf("%d of %d batches accepted: the test tried nothing", len(accepted), senders*each)
	}
}

// Invariant 5: members that all get something else share no runs, which are then as many as the frames of all members together: the round
// ends long before it has as many bytes as one for a single room may have.
func TestInvariant5DiverseRoundIsBounded(t *testing.T) {
	const members, messages = 2000, 500
	largest := func(connect func(*node, int, hub.Outlet)) int64 {
		var frames atomic.Int64
		n := start(t, hub.Config{Shards: 2})
		connect(n, members, outletFunc(func(r *frame.Run) bool {
			for old := frames.Load(); int64(r.Count()) > old; old = frames.Load() {
				frames.CompareAndSwap(old, int64(r.Count()))
			}
			return true
		}))
		b := hub.NewBatch(diverseMessages(messages)...)
		if err := n.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Receivers(t.Context()); err != nil {
			t.Fatal(err)
		}
		return frames.Load()
	}
	if got := largest(diverse); got > messages/8 {
		t.Errorf("a run of %d frames to a member that shares none", got)
	}
	same := func(n *node, members int, out hub.Outlet) {
		var rooms []string
		for room := range diverseRooms / 2 {
			rooms = append(rooms, fmt.Sprint("room ", room))
		}
		n.crowd(members, out, rooms...)
	}
	if got := largest(same); got < messages/4 {
		t.Errorf("a run of %d frames to members that share all", got)
	}
}

// Invariant 5: to look for members in many rooms takes no longer than to send something to each of these: it does not look through all rooms of a
// member for each of them.
func TestInvariant5ChangeOfManyRooms(t *testing.T) {
	const rooms, members = 1000, 1000
	n := start(t, hub.Config{Shards: 1, MaxRooms: rooms + 1})
	for i := range members {
		for j, half := range []string{"a", "b"} {
			m := n.NewMember(null{}, "/", sid(2*i+j), 0)
			m.Connect(nil)
			m.Join(half, nil, nil)
		}
	}
	var ours, theirs []string
	var emits []hub.Message
	for i := range rooms {
		ours, theirs = append(ours, fmt.Sprint("ours ", i)), append(theirs, fmt.Sprint("theirs ", i))
		emits = append(emits, event(payload, ours[i]))
	}
	change := func(action hub.Action, half string, rooms []string) hub.Message {
		return hub.Message{Action: action, Rooms: []string{half}, Change: rooms}
	}
	n.send(change(hub.ActionEnter, "a", ours))
	n.send(change(hub.ActionEnter, "b", theirs))
	took := func(matches int, messages ...hub.Message) time.Duration {
		best := time.Hour
		for range 3 {
			before := time.Now()
			if got := n.send(messages...); got != matches {
				t.Fatalf("%d members, want %d", got, matches)
			}
			best = min(best, time.Since(before))
		}
		return best
	}
	emit := took(rooms*members, emits...)
	enter := took(members, change(hub.ActionEnter, "a", ours)) // where they are
	leave := took(members, change(hub.ActionLeave, "b", ours)) // where they are not
	t.Logf("emit %v, enter %v, leave %v", emit, enter, leave)
	if enter > 5*emit || leave > 5*emit {
		t.Errorf("to enter took %v and to leave %v, to send %v", enter, leave, emit)
	}
}

// Invariant 9: the end of Run refuses what waits, handles what was accepted, and nothing blocks after it.
func TestInvariant9EndOfRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, hub.Config{Shards: 2, Credit: 1000})
		open := make(chan struct{})
		stuck := &outlet{before: func() { <-open }}
		m := n.NewMember(stuck, "/", sid(0), 0)
		m.Connect(frame.Text("connected"))
		_, other := n.connect(1)
		synctest.Wait()

		accepted := 0
		results := make(chan error, 10)
		for i := range cap(results) {
			go func() { results <- n.Send(context.Background(), hub.NewBatch(event(strings.Repeat("x", 100+i)))) }()
		}
		synctest.Wait()
		waiting := n.Stats().Waiting
		go n.stop()
		synctest.Wait()
		close(open)
		n.stop()
		for range cap(results) {
			switch err := <-results; {
			case err == nil:
				accepted++
			case !errors.Is(err, hub.ErrClosed):
				t.Error(err)
			}
		}
		if accepted == 0 || accepted != cap(results)-waiting {
			t.Errorf("%d accepted, %d waited", accepted, waiting)
		}
		if got := len(stuck.frames(t)); got != accepted+1 {
			t.Errorf("the stuck member got %d frames, want %d", got, accepted+1)
		}
		if got := len(other.frames(t)); got != accepted {
			t.Errorf("the other member got %d frames, want %d", got, accepted)
		}

		if err := n.Send(context.Background(), hub.NewBatch(event("late"))); !errors.Is(err, hub.ErrClosed) {
			t.Errorf("Send after the end: %v", err)
		}
		for range 3 {
			m.Join("x", nil, nil)
			m.Leave("x", nil)
			m.Reply(frame.Text("late"))
			n.connect(5)
			m.Gone()
		}
		n.Wake()
	})
}

// Invariant 9: entries of one member that are queued behind each other while the hub ends all return.
func TestInvariant9EntriesAtTheEnd(t *testing.T) {
	for range 200 {
		n := start(t, hub.Config{})
		var joined atomic.Int32
		var wg sync.WaitGroup
		m, _ := n.connect(1)
		begun := make(chan struct{})
		for i := range 4 {
			wg.Go(func() {
				for range 50 {
					if joined.Add(1) == 20 {
						close(begun)
					}
					m.Join(fmt.Sprint(i), frame.Text("ok"), nil)
				}
				m.Gone()
			})
		}
		<-begun
		n.stop()
		wg.Wait()
	}
}

// Invariant 10: a receiver costs no allocation, and a message few.
func TestInvariant10NoAllocationPerReceiver(t *testing.T) {
	msg := event("hello", "x", "y")
	enter := hub.Message{Namespace: "/", Action: hub.ActionEnter, Rooms: []string{"x", "y"}, Change: []string{"y", "x"}}
	leave := hub.Message{Namespace: "/", Action: hub.ActionLeave, Change: []string{"never"}}
	for _, test := range []struct {
		few      int
		messages []hub.Message
	}{
		{1, []hub.Message{msg}},
		{4, []hub.Message{msg, msg}}, // two a shard: from then on the joined bytes are shared
		{1, []hub.Message{enter, leave}},
	} {
		few, thousand := allocs(t, test.few, test.messages), allocs(t, 1000, test.messages)
		t.Logf("%d messages: %v allocations", len(test.messages), few)
		if few != thousand || few > 6 {
			t.Errorf("%d messages: %v allocations with %d members, %v with 1,000", len(test.messages), few, test.few, thousand)
		}
	}
}

func allocs(t *testing.T, members int, messages []hub.Message) float64 {
	n := start(t, hub.Config{Shards: 2})
	n.crowd(members, null{}, "x", "y")
	ctx := context.Background()
	send := func() {
		b := hub.NewBatch(messages...)
		if err := n.Send(ctx, b); err != nil {
			t.Error(err)
		}
		if got, _ := b.Receivers(ctx); got != len(messages)*members {
			t.Errorf("%d receivers, want %d", got, len(messages)*members)
		}
	}
	send() // buffers grow once
	return testing.AllocsPerRun(200, send)
}

// A room of one costs the same among 10,000 rooms as among 100: no more allocations, and nobody else is called.
func TestSendToOneOfManyRooms(t *testing.T) {
	of := func(rooms int) (allocations float64, calls int64) {
		n := start(t, hub.Config{Shards: 2})
		var called atomic.Int64
		count := outletFunc(func(r *frame.Run) bool {
			called.Add(1)
			return len(r.WebSocket()) > 0
		})
		n.fill(rooms, count)
		called.Store(0)
		messages := make([]hub.Message, 101)
		for i := range messages {
			messages[i] = event(payload, roomName(i*7%rooms))
		}
		i := 0
		allocations = testing.AllocsPerRun(len(messages)-1, func() {
			b := hub.NewBatch(messages[i])
			i++
			if err := n.Send(context.Background(), b); err != nil {
				t.Error(err)
			}
			if got, _ := b.Receivers(context.Background()); got != 1 {
				t.Errorf("%d receivers", got)
			}
		})
		return allocations, called.Load()
	}
	few, fewCalls := of(100)
	many, manyCalls := of(10_000)
	if few != many || fewCalls != manyCalls {
		t.Errorf("%v allocations and %d calls among 100 rooms, %v and %d among 10,000", few, fewCalls, many, manyCalls)
	}
}

// null is an outlet that asks for the bytes, as a WebSocket does, and keeps nothing.
type null struct{}

func (null) Send(r *frame.Run) bool            { return len(r.WebSocket()) > 0 }
func (null) Disconnect(r *frame.Run, _ string) { r.WebSocket() }
func (null) End()                              {}
