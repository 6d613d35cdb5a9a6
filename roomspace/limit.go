package roomspace

import (
	"container/list"
	"context"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	failureWindow = time.Minute
	turnInterval  = 100 * time.Millisecond // between two checks of a secret from an address that is over its rate
	maxTurnWait   = 5 * time.Second

	// maxAddresses bounds how many addresses that failed are remembered; over it the one that has not failed for the longest is
	// forgotten.
	maxAddresses = 1 << 16
)

// ConnState counts the failed joins of one connection. The zero value is ready; a connection needs one from its first join to a space on.
type ConnState struct {
	mu       sync.Mutex // guards the following
	failures int
	since    time.Time // of the first failure of this window
}

// over reports whether the connection had limit failures in the window that its first one began.
func (c *ConnState) over(limit int, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failures >= limit && now.Sub(c.since) < failureWindow
}

func (c *ConnState) failed(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.since) >= failureWindow {
		c.failures, c.since = 0, now
	}
	c.failures++
}

// addresses slows down guessing from one address, however many connections it opens. Over the rate of failures every check from there
// waits its turn, so that neighbours of a guesser get slower instead of being shut out.
type addresses struct {
	limit int // failures a failureWindow; immutable

	mu     sync.Mutex // guards the following
	known  map[netip.Prefix]*list.Element
	byTime list.List // of *address, the one that failed last at the back
}

// address is one that failed lately. Its fields are guarded by addresses.mu.
type address struct {
	key      netip.Prefix
	failed   time.Time     // last
	failures *rate.Limiter // one token a failure, down to a debt; below one token, turns
	nextTurn time.Time     // when the next check may go on
}

func newAddresses(limit int) *addresses {
	return &addresses{limit: limit, known: make(map[netip.Prefix]*list.Element)}
}

// keyOf is the whole IPv4 address or the /64 of an IPv6 one, which a single subscriber commonly has to itself. ok is false for what is
// never limited.
func keyOf(addr netip.Addr) (key netip.Prefix, ok bool) {
	addr = addr.Unmap()
	if !addr.IsValid() || addr.IsLoopback() {
		return netip.Prefix{}, false
	}
	key, err := addr.Prefix(min(addr.BitLen(), 64))
	return key, err == nil
}

// wait returns when a check of a secret from addr may go on: at once, or in its turn when the address is over its rate. ErrLimit when
// that would take more than maxTurnWait, ErrUnavailable when ctx ends before; its turn then passes unused, as if it had been taken.
func (a *addresses) wait(ctx context.Context, addr netip.Addr) error {
	delay := a.reserve(addr, time.Now())
	switch {
	case delay == 0:
		return nil
	case delay > maxTurnWait:
		return ErrLimit
	}
	if err := sleep(ctx, delay); err != nil {
		return unavailable(err)
	}
	return nil
}

// reserve returns how long a check from addr has to wait, and takes that turn unless it is more than maxTurnWait away.
func (a *addresses) reserve(addr netip.Addr, now time.Time) time.Duration {
	key, ok := keyOf(addr)
	if !ok {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.known[key]
	if e == nil {
		return 0
	}
	from := e.Value.(*address)
	if from.failures.TokensAt(now) >= 1 {
		return 0
	}
	delay := max(0, from.nextTurn.Sub(now))
	if delay <= maxTurnWait {
		from.nextTurn = now.Add(delay + turnInterval)
	}
	return delay
}

// failed counts a failed join from addr.
func (a *addresses) failed(addr netip.Addr, now time.Time) {
	key, ok := keyOf(addr)
	if !ok || a.limit < 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.known[key]
	if e == nil {
		a.evictLocked(now)
		e = a.byTime.PushBack(&address{
			key:      key,
			failures: rate.NewLimiter(rate.Limit(float64(a.limit)/failureWindow.Seconds()), a.limit),
		})
		a.known[key] = e
	}
	a.byTime.MoveToBack(e)
	from := e.Value.(*address)
	from.failed = now
	// Checks that run at the same time are counted only when they have failed, so there may be a debt. It is bounded: about a window
	// after the last failure the address is below its rate again, and after two it is as good as new.
	if from.failures.TokensAt(now) > -float64(a.limit) {
		from.failures.ReserveN(now, 1)
	}
}

// evictLocked makes room for one more address: it drops those that are as good as new, and the oldest while there are too many. a.mu
// must be held.
func (a *addresses) evictLocked(now time.Time) {
	for e := a.byTime.Front(); e != nil; e = a.byTime.Front() {
		from := e.Value.(*address)
		if len(a.known) < maxAddresses && now.Sub(from.failed) < 2*failureWindow {
			return
		}
		delete(a.known, from.key)
		a.byTime.Remove(e)
	}
}
