package emitter

import (
	"context"
	"sync"
	"time"
)

// patience is a context as context.WithTimeout makes one, for who hardly ever has to wait: it has a timer only once somebody asks for Done.
type patience struct {
	// Immutable.
	parent   context.Context
	deadline time.Time

	mu     sync.Mutex      // guards the following
	ctx    context.Context // with a timer; nil until somebody waits
	cancel context.CancelFunc
}

var _ context.Context = (*patience)(nil)

// withPatience returns a context that ends after a while, or with its parent. Its end must be called once it is no longer needed.
func withPatience(parent context.Context, d time.Duration) *patience {
	return &patience{parent: parent, deadline: time.Now().Add(d)}
}

// end releases what the context holds, and ends what waits for it.
func (p *patience) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancel != nil {
		p.cancel()
	}
}

// waiting returns the context with a timer.
func (p *patience) waiting() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx == nil {
		p.ctx, p.cancel = context.WithDeadline(p.parent, p.deadline)
	}
	return p.ctx
}

// Done implements context.Context.
func (p *patience) Done() <-chan struct{} { return p.waiting().Done() }

// Deadline implements context.Context.
func (p *patience) Deadline() (time.Time, bool) { return p.waiting().Deadline() }

// Err implements context.Context.
func (p *patience) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ctx != nil:
		return p.ctx.Err()
	case p.parent.Err() != nil:
		return p.parent.Err()
	case !time.Now().Before(p.deadline):
		return context.DeadlineExceeded
	}
	return nil
}

// Value implements context.Context. Contexts that are made from this one find the one with the timer here.
func (p *patience) Value(key any) any {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx != nil {
		return p.ctx.Value(key)
	}
	return p.parent.Value(key)
}
