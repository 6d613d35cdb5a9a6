package roomspace

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"
)

// Config is the configuration of an Authorizer.
type Config struct {
	// Store holds the secrets. Required. If it is a Pinger, a lost store is pinged until it answers; else it counts as back after the
	// back-off.
	Store SecretStore
	// Timeout is how long the store may take for one answer, DefaultTimeout when 0. Negative is an error.
	Timeout time.Duration
	// ConnFailures is how many joins of one connection may fail in a minute before it is refused without a check until the minute is
	// over, 10 when 0. Negative means no limit: one connection may guess as fast as it can.
	ConnFailures int
	// AddrFailures is how many joins from one address (IPv6: one /64) may fail in a minute before its checks wait their turn, ten of them
	// a second, 60 when 0. Negative means no limit.
	AddrFailures int
	// Logger gets one line when the store is lost and one when it is back. nil logs nothing.
	Logger *slog.Logger
	// OnResult is called with the result of each Join, concurrently, and must not block; not for a join whose ctx ended before it
	// had one. nil counts nothing.
	OnResult func(Result)
}

// Authorizer decides who may join the rooms of a space. It may be used concurrently.
type Authorizer struct {
	// Immutable after New.
	store        SecretStore
	connFailures int
	onResult     func(Result)

	lookups *lookups
	addrs   *addresses
}

// Request is one join to a room of a space.
type Request struct {
	Space  string // of the room, from Parse; not ""
	Secret string // what the client gave; "" is denied
	// Conn counts the failures of the client's connection. nil is not limited.
	Conn *ConnState
	// Addr is the client's address. The zero Addr, for trusted proxies, and loopback are not limited.
	Addr netip.Addr
	// Arrived is when the packet with the join reached the server, with its monotonic reading: a secret that was set before counts.
	// The zero time is now.
	Arrived time.Time
}

// New returns an Authorizer, to be closed with Close.
func New(cfg Config) (*Authorizer, error) {
	if cfg.Store == nil {
		return nil, errors.New("roomspace: Config.Store is missing")
	}
	if cfg.Timeout < 0 {
		return nil, errors.New("roomspace: Config.Timeout is negative")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.ConnFailures == 0 {
		cfg.ConnFailures = 10
	}
	if cfg.AddrFailures == 0 {
		cfg.AddrFailures = 60
	}
	if cfg.OnResult == nil {
		cfg.OnResult = func(Result) {}
	}
	return &Authorizer{
		store:        cfg.Store,
		connFailures: cfg.ConnFailures,
		onResult:     cfg.OnResult,
		lookups:      newLookups(cfg.Store, cfg.Timeout, orDiscard(cfg.Logger)),
		addrs:        newAddresses(cfg.AddrFailures),
	}, nil
}

// Close makes all joins ErrUnavailable that need to ask the store, and returns when the Authorizer's goroutines have ended. It does not
// close the store. It may be called again.
func (a *Authorizer) Close() { a.lookups.close() }

// Join answers one join, and counts it: nil, ErrDenied, ErrLimit, or ErrUnavailable, which also stands for a ctx that ended. It blocks for
// at most five seconds (the turn of an address that is over its rate) and two of Config.Timeout.
func (a *Authorizer) Join(ctx context.Context, r Request) error {
	err := a.join(ctx, r)
	if ctx.Err() == nil || !errors.Is(err, ErrUnavailable) {
		a.onResult(ResultOf(err))
	}
	return err
}

func (a *Authorizer) join(ctx context.Context, r Request) error {
	limited := r.Conn != nil && a.connFailures >= 0
	if limited && r.Conn.over(a.connFailures, time.Now()) {
		return ErrLimit
	}
	if err := a.addrs.wait(ctx, r.Addr); err != nil {
		return err
	}
	err := a.Check(ctx, r.Space, r.Secret, r.Arrived)
	if errors.Is(err, ErrDenied) {
		now := time.Now()
		if limited {
			r.Conn.failed(now)
		}
		a.addrs.failed(r.Addr, now)
	}
	return err
}

// Check compares secret with the one of space, without limits and without counting: nil, ErrDenied, or ErrUnavailable, which also stands
// for a ctx that ended. It blocks for at most two of Config.Timeout. It shares the answer of the store with other checks, but only one
// that was asked for after arrived, see Request.
func (a *Authorizer) Check(ctx context.Context, space, secret string, arrived time.Time) error {
	if secret == "" {
		return ErrDenied
	}
	if arrived.IsZero() {
		arrived = time.Now()
	}
	var want answer
	if known, ok := instantly(a.store, space); ok {
		want = answerOf(known)
	} else {
		var err error
		if want, err = a.lookups.ask(ctx, space, arrived); err != nil {
			return err
		}
	}
	if !want.matches(secret) {
		return ErrDenied
	}
	return nil
}
