package hub_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws-emit/ws-emit/server/frame"
	"github.com/ws-emit/ws-emit/server/internal/hub"
)

// clocked is an outlet that takes a while for each run, and knows how long what it gets was under way.
type clocked struct {
	mu       sync.Mutex // guards the following
	takes    time.Duration
	accepted map[string]time.Time
	got      int
	longest  time.Duration
}

func (o *clocked) Send(r *frame.Run) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	takes := o.takes
	o.mu.Unlock()
	<-time.After(takes)
	o.mu.Lock()
	for _, f := range r.AppendFrames(nil) {
		text := strings.TrimSpace(string(f.Packets()[0].Data))
		if at, ok := o.accepted[text]; ok { // it may come before its emitter knows that it was accepted
			o.longest = max(o.longest, time.Since(at))
		}
		o.got++
	}
	return true
}

func (o *clocked) Disconnect(r *frame.Run, _ string) { o.Send(r) }
func (o *clocked) End()                              {}

// emitters emit messages, each one after the other, and all of them as fast as they are taken. It returns when all have left.
func (o *clocked) emitters(n *node, emitters, each, size int) {
	var group sync.WaitGroup
	for e := range emitters {
		group.Go(func() {
			var b *hub.Batch
			for i := range each {
				o.mu.Lock()
				text := fmt.Sprint(e, " ", i, " ", o.takes)
				o.mu.Unlock()
				b = sized(text, size)
				if err := n.Send(n.tb.Context(), b); err != nil {
					n.tb.Errorf("Send: %v", err)
					return
				}
				o.mu.Lock()
				o.accepted[text] = time.Now()
				o.mu.Unlock()
			}
			if _, err := b.Receivers(n.tb.Context()); err != nil {
				n.tb.Errorf("Receivers: %v", err)
			}
		})
	}
	group.Wait()
}

// However fast emitters are, what has been accepted soon leaves, as little as the members may take: emitters wait before it is accepted. The credit alone would
// let it wait for half a minute here.
func TestAcceptedMessagesSoonLeave(t *testing.T) {
	const emitters, each, size = 100, 500, 1000
	for _, takes := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond} {
		t.Run(takes.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := start(t, hub.Config{Shards: 1, Credit: 64 << 20})
				out := &clocked{takes: takes, accepted: make(map[string]time.Time)}
				n.NewMember(out, "/", sid(1), 1).Connect(nil)
				out.emitters(n, emitters, each, size)
				n.stop()
				if out.got != emitters*each {
					t.Errorf("got %d messages, want %d", out.got, emitters*each)
				}
				if out.longest > 500*time.Millisecond {
					t.Errorf("a message was under way for %v", out.longest)
				}
			})
		})
	}
}

// Where messages leave fast, more of them may be accepted, and that is forgotten once nothing is left: what comes next may take longer.
func TestPaceFollowsTheMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, hub.Config{Shards: 1})
		most := int64(0)
		out := &clocked{takes: time.Millisecond, accepted: make(map[string]time.Time)}
		look := &outlet{before: func() { most = max(most, n.Stats().Credit) }}
		n.NewMember(out, "/", sid(1), 1).Connect(nil)
		n.NewMember(look, "/", sid(2), 1).Connect(nil)
		out.emitters(n, 2000, 10, 1000)
		if most < 1<<20 {
			t.Errorf("at most %d bytes were accepted at a time", most)
		}
		most, out.takes = 0, 100*time.Millisecond
		out.emitters(n, 2000, 1, 1000)
		n.stop()
		if most > 256<<10 {
			t.Errorf("%d bytes were accepted at a time, though they leave slowly", most)
		}
	})
}

// Messages that are larger than what may always be accepted do not wait for each other where they leave fast.
func TestPaceOfLargeMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, hub.Config{Shards: 1})
		most := int64(0)
		out := &clocked{takes: time.Millisecond, accepted: make(map[string]time.Time)}
		look := &outlet{before: func() { most = max(most, n.Stats().Credit) }}
		n.NewMember(out, "/", sid(1), 1).Connect(nil)
		n.NewMember(look, "/", sid(2), 1).Connect(nil)
		out.emitters(n, 10, 20, 100<<10)
		n.stop()
		if most < 500<<10 {
			t.Errorf("at most %d bytes were accepted at a time", most)
		}
	})
}

// However fast messages leave, no more of them is accepted at a time than may wait for all their members.
func TestSpread(t *testing.T) {
	const members, size, spread = 50, 1000, 1 << 20
	synctest.Test(t, func(t *testing.T) {
		n := start(t, hub.Config{Shards: 1, Spread: spread})
		most := int64(0)
		out := &clocked{takes: time.Millisecond, accepted: make(map[string]time.Time)}
		look := &outlet{before: func() {
			out.mu.Lock()
			defer out.mu.Unlock()
			if len(out.accepted) > 1000 { // it has to learn how many they are
				most = max(most, n.Stats().Credit)
			}
		}}
		n.NewMember(out, "/", sid(0), 1).Connect(nil)
		for i := range members - 1 {
			n.NewMember(look, "/", sid(i+1), 1).Connect(nil)
		}
		out.emitters(n, 500, 10, size)
		n.stop()
		if most == 0 || most*members > spread {
			t.Errorf("%d bytes were accepted at a time for %d members", most, members)
		}
	})
}
