package emitter

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// As a context it is what context.WithTimeout makes, whether somebody waits for it or only asks.
func TestPatience(t *testing.T) {
	type key struct{}
	for name, look := range map[string]func(context.Context) context.CancelFunc{
		"asked":   func(context.Context) context.CancelFunc { return func() {} },
		"waiting": func(ctx context.Context) context.CancelFunc { ctx.Done(); return func() {} },
		"derived": func(ctx context.Context) context.CancelFunc { _, cancel := context.WithCancel(ctx); return cancel },
	} {
		for _, c := range []struct {
			name string
			end  func(parent context.CancelFunc, p *patience)
			want error
		}{
			{"in time", func(context.CancelFunc, *patience) { time.Sleep(time.Minute - 1) }, nil},
			{"too late", func(context.CancelFunc, *patience) { time.Sleep(time.Minute) }, context.DeadlineExceeded},
			{"request canceled", func(cancel context.CancelFunc, _ *patience) { cancel() }, context.Canceled},
		} {
			t.Run(name+" "+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					parent, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
					defer cancel()
					p := withPatience(parent, time.Minute)
					defer p.end()
					began := time.Now()
					defer look(p)()
					c.end(cancel, p)
					synctest.Wait()
					if err := p.Err(); err != c.want {
						t.Errorf("Err: %v, want %v", err, c.want)
					}
					select {
					case <-p.Done():
						if c.want == nil {
							t.Error("Done")
						}
					default:
						if c.want != nil {
							t.Error("not Done")
						}
					}
					if at, ok := p.Deadline(); !ok || at.Sub(began) != time.Minute {
						t.Errorf("Deadline: %v after the start, %v", at.Sub(began), ok)
					}
					if got := p.Value(key{}); got != "value" {
						t.Errorf("Value: %v", got)
					}
				})
			})
		}
	}
}

// The deadline of the request holds where it is the earlier one.
func TestPatienceOfParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p := withPatience(parent, time.Minute)
		defer p.end()
		<-p.Done()
		if !errors.Is(p.Err(), context.DeadlineExceeded) {
			t.Errorf("Err: %v", p.Err())
		}
	})
}

// Its end ends what waits for it, and leaves neither a timer nor a goroutine.
func TestPatienceEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := withPatience(t.Context(), time.Minute)
		began := time.Now()
		derived, cancel := context.WithCancel(p)
		defer cancel()
		p.end()
		<-derived.Done()
		if derived.Err() != context.Canceled || !time.Now().Equal(began) {
			t.Errorf("Err: %v after %v", derived.Err(), time.Since(began))
		}
	})
}
