package roomspace

import (
	"container/list"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	maxWorkers = 64 // questions to the store at once
	maxAnswers = 1024
	keepAnswer = 10 * time.Second

	minBackoff = 100 * time.Millisecond
	maxBackoff = 2 * time.Second
)

var (
	errClosed  = errors.New("authorizer closed")
	errLost    = errors.New("the store is lost")
	errTooSlow = errors.New("no answer in time")
)

// answer is what the store said about one space: a hash of its secret, so that the secret itself is not kept, and none when it has none.
type answer struct {
	hash   [sha256.Size]byte
	exists int // 1 or 0, as crypto/subtle has it
}

func answerOf(secret string) answer {
	a := answer{hash: sha256.Sum256([]byte(secret))}
	if secret != "" {
		a.exists = 1
	}
	return a
}

// matches takes as long for a wrong secret as for a space without one.
func (a answer) matches(secret string) bool {
	hash := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(hash[:], a.hash[:])&a.exists == 1
}

// lookup is one question to the store about one space, and the group of checks that share its answer.
type lookup struct {
	space string
	done  chan struct{} // closed when answer and err are set, which are immutable from then on

	// Guarded by lookups.mu.
	asked    time.Time     // just before the store was asked; zero until then
	answered time.Time     // zero until then
	callers  int           // checks that wait for it
	queued   *list.Element // its place in lookups.queue, nil when it has none

	answer answer
	err    error
}

// group is what lookups knows of one space. There is one as long as one of its fields is set.
type group struct {
	running *lookup       // the store is being asked
	waiting *lookup       // the store will be asked: when running ends, or when a worker is free
	last    *lookup       // the one that was answered last, for keepAnswer
	kept    *list.Element // the place of last in lookups.answers
}

// lookups asks the store for many checks at once. A check may use only an answer to a question that was asked after the check's join
// arrived, so that a secret that was set before always counts. A space has at most one running question, and one that waits for it.
//
// When the store fails it is not asked again until it answers a ping: checks fail at once meanwhile, so that a connection is not held up
// for a timeout by each join.
type lookups struct {
	// Immutable after newLookups.
	store   SecretStore
	timeout time.Duration
	log     *slog.Logger
	ctx     context.Context // of the questions; ends with close
	cancel  context.CancelFunc

	goroutines sync.WaitGroup // the workers and the prober; started under mu while not closed

	mu      sync.Mutex // guards the following
	closed  bool
	lost    bool          // the store failed, and the prober runs
	backoff time.Duration // of the prober; it starts anew only after an answer, so that a store that only answers pings is left alone
	workers int
	groups  map[string]*group
	queue   list.List // of *lookup that wait for a worker
	answers list.List // of *group with a last, the oldest in front
}

func newLookups(store SecretStore, timeout time.Duration, log *slog.Logger) *lookups {
	ctx, cancel := context.WithCancel(context.Background())
	return &lookups{
		store: store, timeout: timeout, log: log, ctx: ctx, cancel: cancel,
		backoff: minBackoff, groups: make(map[string]*group),
	}
}

// close ends all questions and waits for the goroutines. Checks get ErrUnavailable from then on.
func (l *lookups) close() {
	l.mu.Lock()
	l.closed = true
	l.failWaitingLocked(errClosed)
	l.mu.Unlock()
	l.cancel()
	l.goroutines.Wait()
}

// ask returns an answer to a question that was asked after arrived. It blocks for two timeouts at most, or until ctx ends.
func (l *lookups) ask(ctx context.Context, space string, arrived time.Time) (answer, error) {
	q, err := l.join(space, arrived)
	if err != nil {
		return answer{}, err
	}
	patience := time.NewTimer(2 * l.timeout) // for a running question, then the own one; it ends only when the workers do not keep up
	defer patience.Stop()
	select {
	case <-q.done:
	case <-patience.C:
		err = unavailable(errTooSlow)
	case <-ctx.Done():
		err = unavailable(ctx.Err())
	}
	l.leave(q)
	if err != nil {
		return answer{}, err
	}
	return q.answer, q.err
}

// join finds or makes a lookup whose answer may be used.
func (l *lookups) join(space string, arrived time.Time) (*lookup, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgetLocked(time.Now())
	g := l.groups[space]
	if g == nil {
		g = new(group)
	}
	var q *lookup
	switch {
	case g.last.askedAfter(arrived):
		q = g.last
	case l.closed:
		return nil, unavailable(errClosed)
	case l.lost:
		return nil, unavailable(errLost)
	case g.running.askedAfter(arrived):
		q = g.running
	case g.waiting != nil:
		q = g.waiting
	default:
		q = &lookup{space: space, done: make(chan struct{})}
		g.waiting = q
		l.groups[space] = g
		if g.running == nil {
			l.enqueueLocked(q)
		}
	}
	q.callers++
	return q, nil
}

// askedAfter is false also when both happened at the same tick of the clock: which came first is not known then.
func (q *lookup) askedAfter(arrived time.Time) bool { return q != nil && q.asked.After(arrived) }

// leave takes a check out of a lookup. One that nobody waits for any more is not asked.
func (l *lookups) leave(q *lookup) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q.callers--
	g := l.groups[q.space]
	if q.callers > 0 || g == nil || g.waiting != q {
		return
	}
	g.waiting = nil
	l.dequeueLocked(q)
	l.tidyLocked(q.space, g)
}

// enqueueLocked has q asked by a worker. l.mu must be held.
func (l *lookups) enqueueLocked(q *lookup) {
	q.queued = l.queue.PushBack(q)
	if l.workers < maxWorkers {
		l.workers++
		l.goroutines.Go(l.work)
	}
}

func (l *lookups) dequeueLocked(q *lookup) {
	if q.queued != nil {
		l.queue.Remove(q.queued)
		q.queued = nil
	}
}

// tidyLocked removes a group that knows nothing. l.mu must be held.
func (l *lookups) tidyLocked(space string, g *group) {
	if g.running == nil && g.waiting == nil && g.last == nil {
		delete(l.groups, space)
	}
}

// work asks the store until nothing waits for it.
func (l *lookups) work() {
	for q := l.next(); q != nil; q = l.next() {
		ctx, cancel := context.WithTimeout(l.ctx, l.timeout)
		secret, err := l.store.Secret(ctx, q.space)
		cancel()
		l.finish(q, answerOf(secret), err)
	}
}

// next takes a lookup from the queue, nil when the worker is not needed any more.
func (l *lookups) next() *lookup {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.queue.Front()
	if first == nil {
		l.workers--
		return nil
	}
	q := first.Value.(*lookup)
	l.dequeueLocked(q)
	g := l.groups[q.space]
	g.waiting, g.running = nil, q
	q.asked = time.Now() // before the store is asked: what was set by now will be seen
	return q
}

// finish gives the answer to the checks of q, and has asked what waited for it.
func (l *lookups) finish(q *lookup, a answer, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.groups[q.space]
	g.running = nil
	if err != nil {
		q.err = unavailable(err)
		l.lostLocked(err)
	} else {
		q.answer = a
		l.backoff = minBackoff
		l.keepLocked(g, q)
	}
	close(q.done)
	if g.waiting != nil {
		l.enqueueLocked(g.waiting)
	}
	l.tidyLocked(q.space, g)
}

// keepLocked remembers an answer for checks whose join arrived before it was asked for: a client that sent a thousand joins at once has
// them handled one after the other. l.mu must be held.
func (l *lookups) keepLocked(g *group, q *lookup) {
	q.answered = time.Now()
	g.last = q
	if g.kept != nil {
		l.answers.Remove(g.kept)
	}
	g.kept = l.answers.PushBack(g)
	l.forgetLocked(q.answered)
}

// forgetLocked drops the answers that are old or too many. l.mu must be held.
func (l *lookups) forgetLocked(now time.Time) {
	for e := l.answers.Front(); e != nil; e = l.answers.Front() {
		g := e.Value.(*group)
		if l.answers.Len() <= maxAnswers && now.Sub(g.last.answered) < keepAnswer {
			return
		}
		space := g.last.space
		l.answers.Remove(e)
		g.last, g.kept = nil, nil
		l.tidyLocked(space, g)
	}
}

// lostLocked stops asking until the store answers a ping. l.mu must be held.
func (l *lookups) lostLocked(cause error) {
	if l.closed || l.lost {
		return
	}
	l.lost = true
	l.failWaitingLocked(cause)
	l.goroutines.Go(func() { l.probe(cause) })
}

// failWaitingLocked answers all checks whose question was not asked yet. l.mu must be held.
func (l *lookups) failWaitingLocked(cause error) {
	for space, g := range l.groups {
		q := g.waiting
		if q == nil {
			continue
		}
		g.waiting = nil
		l.dequeueLocked(q)
		q.err = unavailable(cause)
		close(q.done)
		l.tidyLocked(space, g)
	}
}

// probe pings the store until it answers. It logs both changes, so that their lines stand in order.
func (l *lookups) probe(cause error) {
	since := time.Now()
	l.log.Warn("the store of the room-space secrets is lost, joins to spaces are refused", "err", cause)
	for {
		if sleep(l.ctx, l.nextBackoff()) != nil {
			return
		}
		ctx, cancel := context.WithTimeout(l.ctx, l.timeout)
		err := ping(ctx, l.store)
		cancel()
		if err == nil {
			break
		}
	}
	l.log.Info("the store of the room-space secrets is back", "after", time.Since(since))
	l.mu.Lock()
	l.lost = false
	l.mu.Unlock()
}

// nextBackoff returns a wait of half to all of the back-off, which doubles.
func (l *lookups) nextBackoff() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	wait := l.backoff/2 + rand.N(l.backoff/2)
	l.backoff = min(2*l.backoff, maxBackoff)
	return wait
}

func unavailable(cause error) error { return fmt.Errorf("%w: %w", ErrUnavailable, cause) }

// sleep returns nil after d, or the error of ctx when that ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
