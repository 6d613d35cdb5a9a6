package bench

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// behind is a sender to a server that accepts a message at times, and is behind in between.
type behind struct {
	load     *load
	accepted int           // until it is behind for good
	every    time.Duration // is how long it takes for one
	last     time.Duration
}

func (b *behind) send(context.Context, int, []byte) error {
	if now := b.load.now(); b.accepted > 0 && now-b.last >= b.every {
		b.accepted--
		b.last = now
		return nil
	}
	return &busyError{maxAfter / 2}
}

// TestGivesUpWhenBehindForGood: a server that is behind is given time, as long as it accepts a message now and then; but not without end.
func TestGivesUpWhenBehindForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &load{cfg: Config{Rooms: 1, Emitters: 1, Count: 10}, began: time.Now()}
		budget := new(atomic.Int64)
		budget.Store(10)
		s := &behind{load: l, accepted: 4, every: behindFor - maxAfter/2}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		err := l.newEmitter(0, s, []int64{1}, budget).run(ctx, ctx)
		if err == nil || err.Error() != "emit: the server was behind and accepted nothing for 30s" || l.accepted.Load() != 4 {
			t.Errorf("error %v, %d accepted", err, l.accepted.Load())
		}
		if want := 4*s.every + behindFor; l.now() != want {
			t.Errorf("given up after %v, want %v", l.now(), want)
		}
	})
}

// TestRateSharesCount: at a rate each message has its emitter, and goes at its time, however many emitters there are.
func TestRateSharesCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &run{load: &load{cfg: Config{Rooms: 1, Emitters: 100, Rate: 10, Count: 5}, began: time.Now()}, report: new(Report)}
		var senders []sender
		for range r.load.cfg.Emitters {
			senders = append(senders, new(held))
		}
		began := r.load.now()
		if err := r.emit(t.Context(), senders); err != nil || r.report.Emit.Accepted != 5 {
			t.Errorf("error %v, %d accepted", err, r.report.Emit.Accepted)
		}
		if took := r.load.now() - began; took != 1400*time.Millisecond { // each sender takes a second for its first message
			t.Errorf("took %v, want 400ms and the second that a message takes", took)
		}
	})
}

// TestStopCutsPatience: whoever ends the run waits a second for what is under way, not all the patience.
func TestStopCutsPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &load{cfg: Config{Patience: time.Minute}, began: time.Now(), pool: newPool()}
		l.possible.Store(1)
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		r := &run{load: l, report: new(Report)}
		r.drain(ctx)
		if want := 7*time.Second + stoppedFor; l.now() != want || !r.report.Stopped {
			t.Errorf("waited for %v, want %v; stopped %v", l.now(), want, r.report.Stopped)
		}
	})
}

// TestStopCancelsEmits: an emit that waits for its answer when the run is ended has an outcome that is not known, and is no failure.
func TestStopCancelsEmits(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hang := make(chan struct{})
	url := startFake(t, &fake{joined: "1", status: func(n int) int {
		if n == 3 {
			cancel()
			<-hang
		}
		return http.StatusOK
	}})
	t.Cleanup(func() { close(hang) }) // before the server ends
	r, err := Run(ctx, Config{URL: url, Clients: 2, Count: 10, Patience: patience})
	if err != nil || !r.Stopped || r.Failure() != nil || r.Emit.Accepted != 2 || r.Delivery.Expected != 4 {
		t.Fatalf("error %v, report %+v", err, r)
	}
	if text := textOf(t, r); !strings.Contains(text, "stopped       before its time\n") {
		t.Errorf("not that it was stopped in\n%s", text)
	}
}
