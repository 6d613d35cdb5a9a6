package redisbus

import (
	"context"
	"sync"
)

// item is one payload that waits to be decoded.
type item struct {
	channel *channel
	name    string // of the Redis channel; several are one channel where that is a pattern
	payload []byte
}

// itemOverhead is what an item costs beside its name and payload, in bytes: itself, twice because a slice that grows is copied, and
// rounding.
const itemOverhead = 128

func (it item) cost() int64 { return int64(len(it.name)+len(it.payload)) + itemOverhead }

// queue holds payloads between the goroutine that receives and the one that delivers, bounded in bytes. A payload is charged until the
// sink has it. What does not fit is lost; an overflow lasts until the queue is down to half, so that a queue that stays nearly full is one
// overflow and not thousands.
type queue struct {
	limit int64         // immutable
	wake  chan struct{} // holds a token when items may be waiting; never closed

	mu       sync.Mutex // guards the following
	items    []item
	used     int64 // bytes
	overflow bool
	lost     int64 // payloads, in this overflow
}

func newQueue(limit int64) *queue { return &queue{limit: limit, wake: make(chan struct{}, 1)} }

// push appends items, which are copied, and loses those that do not fit. began is set where an overflow begins with one of them.
func (q *queue) push(items []item) (lost int, began bool) {
	if len(items) == 0 {
		return 0, false
	}
	q.mu.Lock()
	wasEmpty := len(q.items) == 0
	for _, it := range items {
		if q.used+it.cost() <= q.limit {
			q.used += it.cost()
			q.items = append(q.items, it)
			continue
		}
		began = began || !q.overflow
		q.overflow = true
		lost++
	}
	q.lost += int64(lost)
	wake := wasEmpty && len(q.items) > 0
	q.mu.Unlock()
	if wake {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	return lost, began
}

// take waits for items and returns all of them, or none when ctx has ended. The next ones are collected in spare.
func (q *queue) take(ctx context.Context, spare []item) []item {
	for {
		q.mu.Lock()
		if items := q.items; len(items) > 0 {
			q.items = spare[:0]
			q.mu.Unlock()
			return items
		}
		q.mu.Unlock()
		select {
		case <-q.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// release ends the charge for items of this cost. When that ends an overflow, it returns how many payloads were lost in it, else 0.
func (q *queue) release(cost int64) (lost int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used -= cost
	if q.overflow && q.used <= q.limit/2 {
		lost = q.lost
		q.overflow, q.lost = false, 0
	}
	return lost
}

// state returns the bytes that are charged, and whether the queue is in an overflow.
func (q *queue) state() (used int64, overflow bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.used, q.overflow
}
