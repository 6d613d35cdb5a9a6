package hub_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws-emit/ws-emit/server/internal/hub"
)

// held is a hub with one member, whose shard is stuck in it until open is closed.
type held struct {
	*node
	out  *outlet
	open chan struct{}
}

func hold(t *testing.T, credit int64) *held {
	t.Helper()
	h := &held{node: start(t, hub.Config{Credit: credit}), open: make(chan struct{})}
	h.out = &outlet{before: func() { <-h.open }}
	h.NewMember(h.out, "/", sid(1), 1).Connect(nil)
	if err := h.Send(t.Context(), hub.NewBatch(event("first"))); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return h
}

// queue starts a Send that has to wait, and returns where its error will come.
func (h *held) queue(ctx context.Context, b *hub.Batch) <-chan error {
	before := h.Stats().Waiting
	result := make(chan error, 1)
	go func() { result <- h.Send(ctx, b) }()
	synctest.Wait()
	if got := h.Stats().Waiting; got != before+1 {
		h.tb.Errorf("%d batches wait, want %d", got, before+1)
	}
	return result
}

func answered(result <-chan error) (error, bool) {
	synctest.Wait()
	select {
	case err := <-result:
		return err, true
	default:
		return nil, false
	}
}

func sized(text string, size int) *hub.Batch {
	return hub.NewBatch(event(text + strings.Repeat(" ", size-len(text))))
}

func TestLargerThanTheCreditIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(t, 1000)
		if err := h.Send(t.Context(), sized("", 1000)); !errors.Is(err, hub.ErrTooLarge) {
			t.Errorf("one large message: %v", err)
		}
		if err := h.Send(t.Context(), hub.NewBatch(event("a"), event("b"), event("c"), event("d"), event("e"), event("f"), event("g"))); !errors.Is(err, hub.ErrTooLarge) {
			t.Errorf("many small messages: %v", err)
		}
		if err := h.Send(t.Context(), hub.NewBatch(event("", strings.Repeat("x", 1000)))); !errors.Is(err, hub.ErrTooLarge) {
			t.Errorf("a long name: %v", err)
		}
		close(h.open)
		h.stop()
		h.out.want(t, "first")
	})
}

// First come, first served: a small batch does not overtake a large one that waits.
func TestCreditIsFIFO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(t, 1000)
		large := h.queue(t.Context(), sized("large", 700))
		var want []string
		var small []<-chan error
		for i := range 50 {
			text := fmt.Sprint("small ", i)
			want = append(want, text)
			small = append(small, h.queue(t.Context(), hub.NewBatch(event(text))))
		}
		if err, ok := answered(large); ok {
			t.Errorf("the large one did not wait: %v", err)
		}
		close(h.open)
		for _, result := range append(small, large) {
			if err, ok := answered(result); err != nil || !ok {
				t.Errorf("not accepted: %v", err)
			}
		}
		h.stop()
		got := h.out.frames(t)
		if len(got) != 52 || !strings.HasPrefix(got[1], "large") {
			t.Fatalf("got %q", got)
		}
		h.out.want(t, append([]string{"first", got[1]}, want...)...)
	})
}

// A waiter whose context ends makes room for those behind it, and gets nothing sent.
func TestWaiterThatGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(t, 1000)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		batch := sized("large", 700)
		large := h.queue(ctx, batch)
		middle := h.queue(ctx, sized("middle", 700))
		small := h.queue(t.Context(), hub.NewBatch(event("small")))
		<-ctx.Done()
		for _, result := range []<-chan error{large, middle} {
			if err, ok := answered(result); !ok || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v, want the deadline", err)
			}
		}
		if err, ok := answered(small); err != nil || !ok {
			t.Errorf("the small one was not accepted after those before it had left: %v", err)
		}
		if err := h.Send(ctx, hub.NewBatch(event("late"))); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Send with an ended context: %v", err)
		}
		close(h.open)
		if err := h.Send(t.Context(), batch); err != nil {
			t.Errorf("a batch that was not accepted cannot be sent again: %v", err)
		}
		h.stop()
		if got := h.out.frames(t); len(got) != 3 || got[1] != "small" {
			t.Errorf("got %q", got)
		}
	})
}

type gauge struct{ behind atomic.Bool }

func (g *gauge) Behind() bool { return g.behind.Load() }

func TestGaugeHoldsUpSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gauge{}
		n := start(t, hub.Config{Backlog: g})
		m, o := n.connect(1)
		n.emit("open")
		g.behind.Store(true)
		h := &held{node: n}
		first := h.queue(t.Context(), hub.NewBatch(event("first")))
		second := h.queue(t.Context(), hub.NewBatch(event("second")))
		m.Join("x", nil, nil) // control entries go on
		n.Wake()              // for nothing
		if _, ok := answered(first); ok {
			t.Error("accepted while behind")
		}
		g.behind.Store(false)
		n.Wake()
		for _, result := range []<-chan error{first, second} {
			if err, ok := answered(result); err != nil || !ok {
				t.Errorf("not accepted when no longer behind: %v", err)
			}
		}
		n.emit("x", "x")
		o.want(t, "open", "first", "second", "x")
	})
}

// Nobody is there: nothing is queued, and the credit is back at once.
func TestSendToAnEmptyHub(t *testing.T) {
	h, err := hub.New(hub.Config{Credit: 1000}) // does not run
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		b := hub.NewBatch(event("hello"))
		if err := h.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if got, err := b.Receivers(t.Context()); got != 0 || err != nil {
			t.Fatalf("Receivers: %d, %v", got, err)
		}
	}
	if got := h.Stats(); got != (hub.Stats{}) {
		t.Errorf("%+v, want zeros", got)
	}
}

func TestEmptyBatch(t *testing.T) {
	n := start(t, hub.Config{})
	n.connect(1)
	b := hub.NewBatch()
	if err := n.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Receivers(t.Context()); got != 0 || err != nil {
		t.Errorf("Receivers: %d, %v", got, err)
	}
}
