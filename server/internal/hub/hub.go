package hub

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/ws-emit/ws-emit/server/frame"
	"github.com/ws-emit/ws-emit/server/internal/metrics"
)

// Defaults of Config.
const (
	DefaultCredit   = 16 << 20
	DefaultMaxRooms = 1000
)

// MaxChange is how many rooms the members of a batch may enter and leave: as a batch is handled with nothing else in between, this bounds how
// long others wait for it. It is about 0.1 ms a room for 1,000 members that enter it, and less for those that are in it or leave.
const MaxChange = 1000

// What Send answers instead of accepting a batch; beside these, the error of its context.
var (
	ErrTooLarge = errors.New("hub: batch is larger than the whole credit, or changes too many rooms")
	ErrClosed   = errors.New("hub: closed")
)

// Outlet is where the frames of a member leave: its connection. Its methods are called by one goroutine at a time for all members of one key.
type Outlet interface {
	// Send takes the frames of a run, in order. It must not block, must not keep the run, and must not call a control entry of a member
	// other than Gone. False says that the outlet has ended, with or without these frames: the hub removes the member and calls Send for
	// it no more.
	Send(r *frame.Run) bool
	// Disconnect is Send for the last frames of a member that a message has ended, by its sid. The outlet has to forget the member before
	// the client gets them, which may then connect again.
	Disconnect(r *frame.Run, sid string)
	// End ends the outlet, with all its members, once what it has been given has been written. It must not block.
	End()
}

// Gauge tells how far the members are behind.
type Gauge interface {
	// Behind is true while nothing new should be accepted. It is called with a lock held: it must return at once, and must not take a
	// lock that is held while Wake is called. Whoever turns it to false calls Hub.Wake afterwards.
	Behind() bool
}

// Config is what New needs. The zero value is valid.
type Config struct {
	// Shards is the number of goroutines that share the members between them. 0 is as many as processors, at least 2.
	Shards int
	// Credit bounds the messages that have been accepted and have not yet left for the members, in bytes (of their frames, of the names
	// of their rooms, and a fixed overhead each, also for a room to enter or leave). A batch that is larger is refused. While it takes long until messages have left, less of it is
	// given out, and a batch that is larger than that waits until there is no other. 0 is DefaultCredit.
	Credit int64
	// Spread bounds the same, but counted once for each member that a message is for, in bytes: that is what may come to wait for members all at once. One batch is
	// accepted in any case. 0 is no bound.
	Spread int64
	// MaxRooms is how many rooms a member may be in, beside its namespace and its sid. 0 is DefaultMaxRooms.
	MaxRooms int
	// Backlog holds up Send while it is behind. Nil never does.
	Backlog Gauge
	// Metrics counts. Nil is off.
	Metrics *metrics.Set
}

// Hub is the members of one node and their rooms. Its methods may be called concurrently.
type Hub struct {
	// Immutable after New.
	shards   []*shard
	credit   int64
	spread   int64
	maxRooms int
	backlog  Gauge
	metrics  *metrics.Set

	started atomic.Bool

	mu      sync.Mutex // guards the following, and its order is the order in which batches are accepted
	free    int64      // of credit
	pace    pace       // how much of it may be in use
	waiting list.List  // of *waiter, the first one is next
	closed  bool
}

// New returns a hub that handles nothing before Run. A negative number in cfg is an error.
func New(cfg Config) (*Hub, error) {
	if cfg.Shards < 0 || cfg.Credit < 0 || cfg.Spread < 0 || cfg.MaxRooms < 0 {
		return nil, fmt.Errorf("hub: negative limit: %d shards, credit of %d bytes, spread of %d bytes, %d rooms", cfg.Shards, cfg.Credit, cfg.Spread, cfg.MaxRooms)
	}
	if cfg.Shards == 0 {
		cfg.Shards = max(2, runtime.GOMAXPROCS(0))
	}
	if cfg.Credit == 0 {
		cfg.Credit = DefaultCredit
	}
	if cfg.MaxRooms == 0 {
		cfg.MaxRooms = DefaultMaxRooms
	}
	h := &Hub{credit: cfg.Credit, spread: cfg.Spread, free: cfg.Credit, maxRooms: cfg.MaxRooms, backlog: cfg.Backlog, metrics: cfg.Metrics}
	for range cfg.Shards {
		h.shards = append(h.shards, newShard(h))
	}
	return h, nil
}

// Run handles what is sent to the hub until ctx ends. It then refuses new messages and control entries, handles what was accepted before,
// and returns nil after all its goroutines have ended. It can be called once.
func (h *Hub) Run(ctx context.Context) error {
	if h.started.Swap(true) {
		return errors.New("hub: Run called twice")
	}
	var shards sync.WaitGroup
	for _, s := range h.shards {
		shards.Go(s.loop) // ends after close, below
	}
	<-ctx.Done()
	h.close()
	shards.Wait()
	return nil
}

func (h *Hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for e := h.waiting.Front(); e != nil; e = h.waiting.Front() {
		h.waiting.Remove(e).(*waiter).result <- ErrClosed
	}
	for _, s := range h.shards {
		s.close()
	}
}

// Stats is what a hub holds at one moment.
type Stats struct {
	// Members is the number of connected members.
	Members int
	// Rooms is the number of rooms, without namespaces and sids. A room counts once for each shard where it has members.
	Rooms int
	// Queued is the number of entries (batches and control entries, once for each shard) that no shard has begun to handle.
	Queued int
	// Credit is the part of Config.Credit that is in use, in bytes.
	Credit int64
	// Waiting is the number of batches that wait for credit.
	Waiting int
}

// Stats returns a snapshot. It is cheap: it takes each lock once, and looks at no member.
func (h *Hub) Stats() Stats {
	var st Stats
	h.mu.Lock()
	st.Credit, st.Waiting = h.credit-h.free, h.waiting.Len()
	h.mu.Unlock()
	for _, s := range h.shards {
		s.mu.Lock()
		st.Members += s.present
		st.Rooms += s.roomsSeen
		st.Queued += len(s.queue)
		s.mu.Unlock()
	}
	return st
}
