package hub

import (
	"container/list"
	"context"
	"sync/atomic"
	"time"
)

// Batch is messages that are accepted together: as a whole, and with no other between them.
type Batch struct {
	// Immutable after NewBatch.
	messages []Message
	cost     int64
	changes  int           // rooms that members enter or leave
	done     chan struct{} // closed when all shards have handled it

	accepted time.Time // immutable from then on

	pending   atomic.Int32 // shards that have not handled it
	receivers atomic.Int64
}

// NewBatch returns a batch of messages, which nobody may change from then on.
func NewBatch(messages ...Message) *Batch {
	b := &Batch{messages: messages, done: make(chan struct{})}
	for i := range messages {
		if len(messages[i].Change) > 1 {
			messages[i].Change = distinct(messages[i].Change)
		}
		b.changes += len(messages[i].Change)
		b.cost += messages[i].cost()
	}
	return b
}

// distinct returns a copy of names without those that come again.
func distinct(names []string) []string {
	seen := make(map[string]struct{}, len(names))
	list := make([]string, 0, len(names))
	for _, name := range names {
		if _, again := seen[name]; !again {
			seen[name] = struct{}{}
			list = append(list, name)
		}
	}
	return list
}

// Receivers returns how many members the messages matched, those of all messages added up. It waits until all shards have handled the
// batch, which must have been accepted, or until ctx ends.
func (b *Batch) Receivers(ctx context.Context) (int, error) {
	select {
	case <-b.done:
		return int(b.receivers.Load()), nil
	default:
	}
	select {
	case <-b.done:
		return int(b.receivers.Load()), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// handled notes that n shards are through with the batch, and returns whether they were the last ones.
func (b *Batch) handled(n int) bool {
	if b.pending.Add(-int32(n)) > 0 {
		return false
	}
	close(b.done)
	return true
}

// waiter is a batch that waits for credit.
type waiter struct {
	batch  *Batch
	result chan error // takes one value, sent when the waiter is taken off the queue
}

// Send hands on a batch. It waits for credit, first come, first served, until ctx ends; once it returns nil the batch has been accepted: every
// member that is in one of the rooms by then gets its messages, in the order in which batches were accepted. With an error nobody gets
// anything, and the batch may be sent again: ErrTooLarge, ErrClosed, or the error of ctx. A batch is accepted once.
func (h *Hub) Send(ctx context.Context, b *Batch) error {
	if b.cost > h.credit || b.changes > MaxChange {
		return ErrTooLarge
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return ErrClosed
	}
	if h.waiting.Len() == 0 && h.fitsLocked(b) {
		h.acceptLocked(b)
		h.mu.Unlock()
		return nil
	}
	w := &waiter{batch: b, result: make(chan error, 1)}
	place := h.waiting.PushBack(w)
	h.mu.Unlock()
	select {
	case err := <-w.result:
		return err
	case <-ctx.Done():
		return h.withdraw(place, ctx.Err())
	}
}

// withdraw takes a waiter off the queue because of err, unless it has got its answer meanwhile.
func (h *Hub) withdraw(place *list.Element, err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case err = <-place.Value.(*waiter).result:
	default:
		h.waiting.Remove(place)
		h.admitLocked() // those behind it may need less
	}
	return err
}

// Wake accepts what waits, as far as it may be now. The owner of the Gauge calls it when that is no longer behind.
func (h *Hub) Wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.admitLocked()
}

// release gives back the credit of batches with messages for up to fanOut members each, of which the last one was accepted at a time.
func (h *Hub) release(credit, fanOut int64, accepted time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.free += credit
	if wanted := h.waiting.Len() > 0; wanted || h.usedLocked() > 0 {
		h.pace.adapt(credit, accepted, wanted && !h.behind(), h.credit)
		h.pace.spreadOver(fanOut)
	} else {
		h.pace = pace{}
	}
	h.admitLocked()
}

func (h *Hub) usedLocked() int64 { return h.credit - h.free }

func (h *Hub) fitsLocked(b *Batch) bool {
	used := h.usedLocked()
	return b.cost <= h.free && (used == 0 || used+b.cost <= h.pace.limit(h.spread)) && !h.behind()
}

// behind reports whether members are so far behind that nothing should be accepted.
func (h *Hub) behind() bool { return h.backlog != nil && h.backlog.Behind() }

func (h *Hub) admitLocked() {
	for e := h.waiting.Front(); e != nil; e = h.waiting.Front() {
		w := e.Value.(*waiter)
		if !h.fitsLocked(w.batch) {
			return
		}
		h.waiting.Remove(e)
		h.acceptLocked(w.batch)
		w.result <- nil
	}
}

// acceptLocked takes the credit of a batch and queues it on every shard. A waiter is accepted by whoever made room for it, under the same
// lock, so that batches are accepted in the order in which they came, and are either accepted or not when their context ends.
func (h *Hub) acceptLocked(b *Batch) {
	h.free -= b.cost
	b.accepted = time.Now()
	b.pending.Store(int32(len(h.shards)))
	skipped := 0
	for _, s := range h.shards {
		if !s.pushBatch(b) {
			skipped++
		}
	}
	if skipped > 0 && b.handled(skipped) {
		h.free += b.cost
	}
}
