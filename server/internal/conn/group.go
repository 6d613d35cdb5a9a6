package conn

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ws-emit/ws-emit/server/frame"
)

// Config holds what all connections of a group share. Every field must be set but those marked.
type Config struct {
	// MaxQueue is how many bytes may wait for one connection; over it, it ends as a slow consumer.
	MaxQueue int64
	// MaxBacklog is how many bytes may wait for all connections together; over it, the one whose oldest byte is oldest ends.
	MaxBacklog int64
	// WriteTimeout is how long a connection may let nothing be written while something waits.
	WriteTimeout time.Duration
	// MaxPayload is the largest message that is read, in bytes.
	MaxPayload int64
	// PingInterval is the pause between a PONG and the next PING, PingTimeout how long the PONG may take after the PING was written.
	PingInterval, PingTimeout time.Duration
	// Ping is the PING of the protocol.
	Ping *frame.Frame
	// Wake is called when Behind has become false. Optional. It must not block.
	Wake func()
	// Ended is told each end of a connection, from any goroutine, with locks held. Optional. It must not block.
	Ended func(CloseReason)
	// Panicked is told of a panic in the goroutine of a connection, which it ends. Optional.
	Panicked func(value any, stack []byte)
}

const (
	// youngFor is how long a waiting byte counts as being on its way: a connection whose oldest byte is older reads slowly, and emitters
	// do not wait for it.
	youngFor = 2 * time.Second
	// youngShare of MaxBacklog is how much may be on its way before emitters wait.
	youngShare = 8
	// lingerFor is how long a client has to answer a WebSocket close frame.
	lingerFor = 2 * time.Second
)

// Group is all connections of a node.
type Group struct {
	// Immutable after NewGroup.
	cfg    Config
	start  time.Time
	budget int64 // young bytes from which emitters wait

	wheel      wheel
	poller     poller
	workers    workers
	goroutines sync.WaitGroup // all but that of Run
	opened     chan struct{}  // holds a token when Behind has become false

	total atomic.Int64 // charged bytes of all connections
	young atomic.Int64 // those of connections whose oldest byte is young

	evicting sync.Mutex
	backlogs struct {
		mu    sync.Mutex // guards the following, and Conn.place
		conns []*Conn    // those for which something waits
	}
}

// NewGroup returns a group without connections. Run must be running while there are some, for their timers and for what began with them to end.
func NewGroup(cfg Config) *Group {
	tick := min(cfg.PingInterval, cfg.PingTimeout, cfg.WriteTimeout) / 32
	g := &Group{
		cfg:     cfg,
		start:   time.Now(),
		budget:  max(cfg.MaxBacklog/youngShare, 1),
		wheel:   wheel{tick: min(max(tick, 2*time.Millisecond), 250*time.Millisecond)},
		workers: workers{work: make(chan *reader), quit: make(chan struct{})},
		opened:  make(chan struct{}, 1),
	}
	g.poller.group, g.workers.group = g, g
	return g
}

// Run drives heartbeats and timeouts until ctx ends, then waits for what was still being read or written. All connections must have been closed by
// then: it does not close them.
func (g *Group) Run(ctx context.Context) error {
	beat := time.NewTicker(g.wheel.tick)
	defer beat.Stop()
	look := time.NewTicker(youngFor / 8)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			g.poller.stop()
			close(g.workers.quit)
			g.goroutines.Wait()
			return nil
		case <-beat.C:
			g.wheel.advance(g.now())
		case <-look.C:
			g.classify()
			g.workers.dismiss()
		case <-g.opened:
			if g.cfg.Wake != nil {
				g.cfg.Wake()
			}
		}
	}
}

// now is never 0, which stands for "never".
func (g *Group) now() time.Duration { return time.Since(g.start) + 1 }

// Behind reports whether so much is on its way to clients that read that emitters should wait.
func (g *Group) Behind() bool { return g.young.Load() >= g.budget }

// Backlog is the number of bytes that wait for all connections.
func (g *Group) Backlog() int64 { return g.total.Load() }

// addYoung keeps account of what is on its way; it tells Run when Behind has become false.
func (g *Group) addYoung(n int64) {
	if after := g.young.Add(n); n < 0 && after < g.budget && after-n >= g.budget {
		select {
		case g.opened <- struct{}{}:
		default:
		}
	}
}

// enlist and delist keep the list of connections for which something waits.
func (g *Group) enlist(c *Conn) {
	g.backlogs.mu.Lock()
	c.place = len(g.backlogs.conns)
	g.backlogs.conns = append(g.backlogs.conns, c)
	g.backlogs.mu.Unlock()
}

func (g *Group) delist(c *Conn) {
	g.backlogs.mu.Lock()
	conns := g.backlogs.conns
	last := len(conns) - 1
	conns[c.place] = conns[last]
	conns[c.place].place = c.place
	conns[last] = nil
	g.backlogs.conns = conns[:last]
	if cap(conns) > 1024 && last < cap(conns)/4 {
		g.backlogs.conns = append(make([]*Conn, 0, cap(conns)/2), conns[:last]...)
	}
	g.backlogs.mu.Unlock()
}

func (g *Group) listed() []*Conn {
	g.backlogs.mu.Lock()
	defer g.backlogs.mu.Unlock()
	return append([]*Conn(nil), g.backlogs.conns...)
}

// classify finds out which connections read slowly.
func (g *Group) classify() {
	now := g.now()
	for _, c := range g.listed() {
		c.mu.Lock()
		if c.backlog.len() > 0 {
			c.setSlowLocked(now-c.backlog.oldest() > youngFor)
		}
		c.mu.Unlock()
	}
}

// evict ends connections, the one whose oldest byte is oldest first, until what waits is well within MaxBacklog: so it has not to be done again at once, for looking at
// all connections takes a while.
func (g *Group) evict() {
	for g.total.Load() > g.cfg.MaxBacklog {
		if !g.evicting.TryLock() {
			return // somebody is at it, and will look again
		}
		g.evictOldest(g.cfg.MaxBacklog - g.cfg.MaxBacklog/16)
		g.evicting.Unlock()
	}
}

func (g *Group) evictOldest(until int64) {
	type candidate struct {
		conn   *Conn
		oldest time.Duration
	}
	var candidates []candidate
	for _, c := range g.listed() {
		c.mu.Lock()
		if c.backlog.len() > 0 {
			candidates = append(candidates, candidate{c, c.backlog.oldest()})
		}
		c.mu.Unlock()
	}
	slices.SortFunc(candidates, func(a, b candidate) int { return cmp.Compare(a.oldest, b.oldest) })
	for _, v := range candidates {
		if g.total.Load() <= until {
			return
		}
		v.conn.mu.Lock()
		if v.conn.backlog.len() > 0 && v.conn.backlog.oldest() == v.oldest { // else it has recovered
			v.conn.endLocked(ReasonSlowConsumer)
		}
		v.conn.mu.Unlock()
	}
}
