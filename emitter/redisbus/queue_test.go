package redisbus

import (
	"context"
	"testing"
)

func TestQueueOverflow(t *testing.T) {
	it := item{payload: make([]byte, 1000-itemOverhead)}
	q := newQueue(10_000)
	push := func(wantOK, wantBegan bool) {
		t.Helper()
		if lost, began := q.push([]item{it}); lost == 0 != wantOK || began != wantBegan {
			t.Fatalf("push: %v, %v, want %v, %v", lost == 0, began, wantOK, wantBegan)
		}
	}
	release := func(cost, wantLost int64) {
		t.Helper()
		if lost := q.release(cost); lost != wantLost {
			t.Fatalf("release: %d lost, want %d", lost, wantLost)
		}
	}
	for range 10 {
		push(true, false)
	}
	push(false, true)
	push(false, false)
	// What is taken is charged until it is released.
	if items := q.take(context.Background(), nil); len(items) != 10 {
		t.Fatalf("%d items", len(items))
	}
	push(false, false)
	release(1000, 0)
	push(true, false) // there is room, and yet it is the same overflow
	push(false, false)
	release(4000, 0)
	release(1000, 4)
	if used, overflow := q.state(); used != 5000 || overflow {
		t.Errorf("%d bytes, overflow %v", used, overflow)
	}
	for range 5 {
		push(true, false)
	}
	push(false, true)
	release(5000, 1)
	push(true, false)
	// Of what is pushed together, what fits is taken.
	small := item{payload: make([]byte, 500-itemOverhead)}
	if lost, began := q.push([]item{small, it, it, it, it, small, small}); lost != 2 || !began {
		t.Errorf("%d lost, began %v, want 2 and an overflow", lost, began)
	}
	if used, _ := q.state(); used != 10_000 {
		t.Errorf("%d bytes", used)
	}
}

func TestQueueTakeEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if items := newQueue(1).take(ctx, nil); items != nil {
		t.Errorf("%d items", len(items))
	}
}
