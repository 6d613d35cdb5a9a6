package conn

import (
	"sync"
	"time"
)

// wheelSlots times the tick is how far a timer can be ahead without being looked at in between.
const wheelSlots = 512

// wheel holds one timer per connection, for all its deadlines: the connection says which is next. Times are since the start of the group.
type wheel struct {
	tick time.Duration

	mu     sync.Mutex // guards the following, and all timers
	slots  [wheelSlots][]*timer
	done   int64 // ticks that were handled
	firing []*timer
}

// timer is the place of one connection in the wheel. Its owner is told at or after `at`, by expire.
type timer struct {
	owner *Conn
	at    time.Duration
	slot  int32 // 1 + the slot; 0 is none
	index int32
}

// schedule makes sure that the timer fires at or before the first tick after at.
func (w *wheel) schedule(t *timer, at time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.slot != 0 {
		if at >= t.at {
			return // it will fire earlier, and its owner then says when next
		}
		w.removeLocked(t)
	}
	n := max(int64(at/w.tick)+1, w.done+1)
	slot := n % wheelSlots
	t.at, t.slot, t.index = at, int32(slot)+1, int32(len(w.slots[slot]))
	w.slots[slot] = append(w.slots[slot], t)
}

// remove takes the timer out; it may still fire once if it is firing just now.
func (w *wheel) remove(t *timer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.slot != 0 {
		w.removeLocked(t)
	}
}

func (w *wheel) removeLocked(t *timer) {
	slot := &w.slots[t.slot-1]
	last := len(*slot) - 1
	moved := (*slot)[last]
	(*slot)[t.index] = moved
	moved.index = t.index
	(*slot)[last] = nil
	*slot = (*slot)[:last]
	if cap(*slot) > 64 && last < cap(*slot)/4 {
		*slot = append(make([]*timer, 0, cap(*slot)/2), *slot...)
	}
	t.slot = 0
}

// advance fires what is due at now. Only one goroutine may call it.
func (w *wheel) advance(now time.Duration) {
	target := int64(now / w.tick)
	for {
		w.mu.Lock()
		if w.done >= target {
			w.mu.Unlock()
			return
		}
		if target-w.done > wheelSlots { // a long pause: one turn sees every slot
			w.done = target - wheelSlots
		}
		w.done++
		w.takeDueLocked(int(w.done%wheelSlots), now)
		w.mu.Unlock()
		for i, t := range w.firing {
			if next := t.owner.expire(now); next > 0 {
				w.schedule(t, next)
			}
			w.firing[i] = nil
		}
		w.firing = w.firing[:0]
	}
}

func (w *wheel) takeDueLocked(slot int, now time.Duration) {
	for i := 0; i < len(w.slots[slot]); {
		t := w.slots[slot][i]
		if t.at > now { // more than a turn ahead
			i++
			continue
		}
		w.removeLocked(t)
		w.firing = append(w.firing, t)
	}
}
