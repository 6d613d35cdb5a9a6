package conn

import "sync/atomic"

// keptWorkers is how many goroutines may wait for work: their stacks have grown. When there is no work, they end one after the other.
const keptWorkers = 32

// workers are the goroutines that readers run on. There are as many as are needed: an owner may block, and must not hold up others.
type workers struct {
	group   *Group
	work    chan *reader // taken by those that wait
	quit    chan struct{}
	waiting atomic.Int32
}

// submit has a reader's work done. It does not wait for it.
func (w *workers) submit(r *reader) {
	select {
	case w.work <- r:
	default:
		w.group.goroutines.Go(func() { w.run(r) })
	}
}

func (w *workers) run(r *reader) {
	for r != nil {
		r.work()
		r = w.next()
	}
}

// dismiss makes the worker end that has waited longest, if there is one.
func (w *workers) dismiss() {
	select {
	case w.work <- nil:
	default:
	}
}

// next waits for work; nil is none.
func (w *workers) next() *reader {
	defer w.waiting.Add(-1)
	if w.waiting.Add(1) > keptWorkers {
		return nil
	}
	select {
	case r := <-w.work:
		return r
	case <-w.quit:
		return nil
	}
}
