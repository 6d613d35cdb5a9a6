package bench

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// busyPause is the pause after a server was behind and did not say how long to wait, or after an emit that failed.
	busyPause = 100 * time.Millisecond
	// maxFailures is how many emits may fail one after the other.
	maxFailures = 10
	// timerSlack is how late a timer may be without that it counts as latency: it is not the server who is late.
	timerSlack = 2 * time.Millisecond
	// behindFor is how long a server may be behind with a message without that it accepts another, where no Duration ends that: servers say how
	// long to wait, at most maxAfter, and after three such times it is not behind but out of order.
	behindFor = 3 * maxAfter
)

// sender hands messages to the server, one at a time.
type sender interface {
	// send returns once the message is accepted. Errors: *busyError and *refusedError when it is known that it was not; after any other, as
	// when ctx has ended, it is not known.
	send(ctx context.Context, room int, data []byte) error
}

// busyError says that the server was behind.
type busyError struct{ after time.Duration }

func (e *busyError) Error() string { return "the server was behind" }

// refusedError says that the server does not take such messages.
type refusedError struct{ reason string }

func (e *refusedError) Error() string { return e.reason }

// emitter emits, one message after the other.
type emitter struct {
	// Immutable after newEmitter.
	load    *load
	index   int
	sender  sender
	members []int64       // of each room
	budget  *atomic.Int64 // messages that may still be sent, of all emitters; nil is any number, or that turns say which are an emitter's
	started time.Time

	// Owned by run.
	sent    []uint32         // for each room, the number of the last message that was accepted, or may have been
	unsure  map[int][]uint32 // for each room, the numbers of those that may have been
	busy    int64            // times that the server was behind
	waited  time.Duration    // for that
	failed  int64
	latency *hdrhistogram.Histogram
	data    []byte
}

func (l *load) newEmitter(index int, s sender, members []int64, budget *atomic.Int64) *emitter {
	return &emitter{
		load: l, index: index, sender: s, members: members, budget: budget,
		sent: make([]uint32, l.cfg.Rooms), unsure: make(map[int][]uint32), latency: newHistogram(),
	}
}

// run emits until ctx ends or there is no message left. A message that is on its way then is waited for, until abort ends.
func (e *emitter) run(ctx, abort context.Context) error {
	failures := 0
	for turn := 0; ctx.Err() == nil && e.more(turn); turn++ {
		due, ok := e.wait(ctx, turn)
		if !ok {
			return nil
		}
		err := e.emit(ctx, abort, (e.index+turn)%e.load.cfg.Rooms, due)
		if err == nil {
			failures = 0
			continue
		}
		if _, ok := errors.AsType[*refusedError](err); ok {
			return fmt.Errorf("emit: %w", err)
		}
		if failures++; failures == maxFailures {
			return fmt.Errorf("emit: %d failures one after the other, the last one: %w", failures, err)
		}
		pause(ctx, busyPause)
	}
	return nil
}

// more reports whether there is a message for a turn. At a rate each has its time, and the emitter whose turn that is: another one that took it
// would be too late, or too early.
func (e *emitter) more(turn int) bool {
	cfg := &e.load.cfg
	if cfg.Rate > 0 && cfg.Count > 0 {
		return e.nth(turn) < cfg.Count
	}
	return e.budget == nil || e.budget.Add(-1) >= 0
}

// nth is which message of all emitters a turn is for, where they take turns.
func (e *emitter) nth(turn int) int64 { return int64(turn)*int64(e.load.cfg.Emitters) + int64(e.index) }

// wait waits until it is time for a message, and returns since when it is; 0 is now, whenever that is.
func (e *emitter) wait(ctx context.Context, turn int) (due time.Duration, ok bool) {
	cfg := &e.load.cfg
	if cfg.Rate == 0 {
		return 0, true
	}
	due = e.started.Sub(e.load.began) + time.Duration(float64(e.nth(turn))/cfg.Rate*float64(time.Second))
	return e.load.await(ctx, due)
}

// emit sends a message until it is accepted, or it is not known whether it is.
func (e *emitter) emit(ctx, abort context.Context, room int, due time.Duration) error {
	m := mark{run: e.load.run, emitter: uint16(e.index), room: uint32(room), sequence: e.sent[room] + 1, sent: int64(due)}
	first := e.load.now()
	for {
		if due == 0 {
			m.sent = int64(e.load.now())
		}
		e.data = appendData(e.data[:0], m, e.load.cfg.Size)
		err := e.sender.send(abort, room, e.data)
		if behind, ok := errors.AsType[*busyError](err); ok {
			e.busy++
			began := e.load.now()
			ok := pause(ctx, behind.after)
			e.waited += e.load.now() - began
			if !ok {
				return nil
			}
			if e.load.cfg.Duration == 0 && e.load.now()-max(first, time.Duration(e.load.acceptedAt.Load())) >= behindFor {
				return &refusedError{fmt.Sprintf("the server was behind and accepted nothing for %v", behindFor)}
			}
			continue
		}
		if _, ok := errors.AsType[*refusedError](err); ok {
			return err
		}
		e.sent[room]++
		e.load.possible.Add(e.members[room])
		if err != nil {
			e.unsure[room] = append(e.unsure[room], m.sequence)
			if abort.Err() != nil { // it has not failed
				return nil
			}
			e.failed++
			return err
		}
		now := e.load.now()
		record(e.latency, now-time.Duration(m.sent))
		e.load.acceptedAt.Store(int64(now))
		e.load.accepted.Add(1)
		e.load.expected.Add(e.members[room])
		return nil
	}
}

// await waits until the time for something, and returns since when it is that: a timer that is a little late is not the server's.
func (l *load) await(ctx context.Context, due time.Duration) (since time.Duration, ok bool) {
	early := due - l.now()
	if early <= 0 {
		return due, true
	}
	if !pause(ctx, early) {
		return 0, false
	}
	return min(l.now(), due+timerSlack), true
}

// pause waits, and reports whether ctx has not ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// newSenders makes a sender for each emitter, and what ends what they share.
func (l *load) newSenders() (_ []sender, closeAll func(), _ error) {
	switch l.cfg.By {
	case ByNothing:
		return nil, func() {}, nil
	case ByHTTP:
		return l.newPosters()
	default:
		return l.newPublishers()
	}
}
