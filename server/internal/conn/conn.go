package conn

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/ws-emit/ws-emit/server/frame"
)

// ErrNotPolling is returned by Upgrade when the connection has ended or was upgraded before.
var ErrNotPolling = errors.New("conn: not a polling connection")

// Owner is told what comes from a connection, and of its end.
type Owner interface {
	// Received is called for each message of a WebSocket, one at a time and in order, and without locks. It may block. When it returns a reason, the connection
	// ends with it. It is not called for connections that are polling.
	Received(Message) CloseReason
	// Ended is called once, right after the end, without locks and on a goroutine that it may use. A call of Received may still be under way, and one may still
	// come.
	Ended(CloseReason)
}

type state uint8

const (
	polling state = iota
	direct
	draining
	closed
)

// none is the descriptor of a connection that has none, or none that can be written without blocking.
const none = -1

// Conn is one connection. All methods may be called concurrently, except that the pair Take, Answered has one caller, and that ReadWebSocket is called once.
type Conn struct {
	// Immutable after the constructor.
	group *Group
	owner Owner

	timer timer // owned by group.wheel
	place int   // in group.backlogs, guarded by its lock

	mu         sync.Mutex // guards the following
	state      state
	closing    bool // nothing more is accepted; ends once nothing waits
	slow       bool // its oldest byte is old: its charge does not count as young
	pingQueued bool // there is a PING in the backlog
	ponged     bool // the client has answered it: it was written, and we do not know it yet
	reason     CloseReason
	taken      int // items, the oldest ones, that a GET is being answered with
	charged    int64
	backlog    backlog
	nc         net.Conn
	fd         int           // of nc, which only endLocked has closed; none: every write is left to the drainer
	progress   time.Duration // when something was last written, or the oldest byte began to wait
	nextPing   time.Duration
	pongBy     time.Duration // 0: no PONG is due
	pausedAt   time.Duration // 0: it is being read
	endBy      time.Duration // 0: no end is set
	endReason  CloseReason
	successor  *Conn // has the WebSocket now

	// Holds a token when something has begun to wait, or the state has changed. Made by NewPolling, or by settle.
	wake chan struct{}
}

// NewPolling returns a connection that is read and written by requests.
func (g *Group) NewPolling(owner Owner) *Conn {
	c := &Conn{group: g, owner: owner, state: polling, fd: none, wake: make(chan struct{}, 1)}
	c.timer.owner = c
	return c
}

// NewWebSocket returns a connection for an established WebSocket. The caller must then call ReadWebSocket, or close nc himself and call nothing: nc belongs to
// the connection, which writes to its descriptor, so that nobody else may close it.
func (g *Group) NewWebSocket(owner Owner, nc net.Conn) *Conn {
	c := &Conn{group: g, owner: owner, state: direct, nc: nc, fd: descriptor(rawConn(nc))}
	c.timer.owner = c
	return c
}

// Start begins the heartbeat.
func (c *Conn) Start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != closed {
		c.nextPing = c.group.now() + c.group.cfg.PingInterval
		c.rescheduleLocked()
	}
}

// Send accepts frames to be written in order. It never blocks. It returns false when the connection has ended, also by this call; a frame that was
// accepted may still be lost with the connection.
func (c *Conn) Send(r *frame.Run) bool {
	c.mu.Lock()
	ok := c.sendLocked(r)
	c.mu.Unlock()
	if c.group.total.Load() > c.group.cfg.MaxBacklog {
		c.group.evict()
	}
	return ok
}

func (c *Conn) sendLocked(r *frame.Run) bool {
	if c.state == closed || c.closing {
		return false
	}
	written := 0
	if c.state == direct && c.fd != none {
		b := r.WebSocket()
		var err error
		if written, err = tryWrite(c.fd, b); err != nil {
			c.endLocked(ReasonTransportError)
			return false
		}
		if written == len(b) {
			return true
		}
	}
	c.waitLocked(r, written)
	if c.charged > c.group.cfg.MaxQueue {
		c.endLocked(ReasonSlowConsumer)
		return false
	}
	return true
}

// waitLocked puts frames into the backlog, of which the first bytes have been written.
func (c *Conn) waitLocked(r *frame.Run, written int) {
	now := c.group.now()
	if r.Count() == 1 {
		c.pushLocked(r.Last(), written, now)
	} else {
		var few [32]*frame.Frame
		for _, f := range r.AppendFrames(few[:0]) {
			if written >= f.Size() {
				written -= f.Size()
				continue
			}
			c.pushLocked(f, written, now)
			written = 0
		}
	}
	switch c.state {
	case direct:
		c.state = draining
		c.startDrainerLocked()
	case polling:
		c.wakeLocked()
		c.rescheduleLocked() // somebody has to come for it
	}
}

func (c *Conn) pushLocked(f *frame.Frame, done int, at time.Duration) {
	if c.backlog.len() == 0 {
		c.progress, c.slow = at, false
		c.group.enlist(c)
	}
	c.backlog.push(f, done, at)
	n := charge(f)
	c.charged += n
	c.group.total.Add(n)
	if !c.slow {
		c.group.addYoung(n)
	}
}

// popLocked forgets the oldest frame, which has been written.
func (c *Conn) popLocked() {
	f := c.backlog.items[c.backlog.head].frame
	c.backlog.pop()
	c.releaseLocked(charge(f))
	if c.backlog.len() == 0 {
		c.group.delist(c)
	}
	if f == c.group.cfg.Ping && c.pingQueued {
		c.pingWrittenLocked()
	}
}

func (c *Conn) releaseLocked(n int64) {
	c.charged -= n
	c.group.total.Add(-n)
	if !c.slow {
		c.group.addYoung(-n)
	}
}

func (c *Conn) setSlowLocked(slow bool) {
	if slow == c.slow {
		return
	}
	c.slow = slow
	if slow {
		c.group.addYoung(-c.charged)
	} else {
		c.group.addYoung(c.charged)
	}
}

func (c *Conn) wakeLocked() {
	if c.wake != nil {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// End ends the connection at once, with what waits. Only the first reason counts.
func (c *Conn) End(why CloseReason) {
	c.mu.Lock()
	c.endLocked(why)
	c.mu.Unlock()
}

// Close ends the connection once everything that waits has been written, and after it one of the frames, according to its transport. A nil frame is
// left out. It does not wait for it, and the usual limits go on: what nobody reads ends as usual.
func (c *Conn) Close(why CloseReason, polls, websocket *frame.Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == closed || c.closing {
		return
	}
	last := websocket
	if c.state == polling {
		last = polls
	}
	if last != nil && !c.sendLocked(frame.One(last)) {
		return
	}
	c.closing, c.endReason = true, why
	if c.backlog.len() == 0 {
		c.finishLocked()
	}
}

// finishLocked ends a closing connection of which everything has been written.
func (c *Conn) finishLocked() {
	half, ok := inner(c.nc).(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		c.endLocked(c.endReason)
		return
	}
	// Closing with something unread would reset the connection, and the peer could lose what was written last. So it is read until the
	// peer closes too (RFC 6455, section 7.1.1), for a while.
	c.endBy, c.pongBy = c.group.now()+lingerFor, 0
	c.rescheduleLocked()
}

func (c *Conn) endLocked(why CloseReason) {
	if c.setEndedLocked(why) {
		c.group.goroutines.Go(c.tell)
	}
}

// setEndedLocked makes the connection closed, and reports whether it was not: then tell must be called, without the lock.
func (c *Conn) setEndedLocked(why CloseReason) bool {
	if c.state == closed {
		return false
	}
	c.state, c.reason = closed, why
	if c.backlog.len() > 0 {
		c.group.delist(c)
	}
	c.releaseLocked(c.charged)
	c.backlog, c.taken = backlog{}, 0
	c.group.wheel.remove(&c.timer)
	c.wakeLocked()
	if c.group.cfg.Ended != nil {
		c.group.cfg.Ended(why)
	}
	if c.fd != none {
		c.group.poller.forget(c.fd)
	}
	return true
}

// tell closes what has ended, and tells the owner. Nothing of what it looks at changes after the end.
func (c *Conn) tell() {
	defer c.Guard()
	if c.nc != nil {
		abort(c.nc, c.reason) // which waits until a drainer that is stuck has noticed
	}
	c.owner.Ended(c.reason)
}

// abort closes a network connection without waiting for its peer.
func abort(nc net.Conn, why CloseReason) {
	nc = inner(nc)
	if tcp, ok := nc.(*net.TCPConn); ok && (why == ReasonSlowConsumer || why == ReasonPingTimeout) {
		_ = tcp.SetLinger(0) // it does not read: what the kernel holds for it need not be kept
	}
	_ = nc.Close()
}

// inner returns the connection that TLS is spoken over, else nc: what tls.Conn itself does to say goodbye can block.
func inner(nc net.Conn) net.Conn {
	if outer, ok := nc.(interface{ NetConn() net.Conn }); ok {
		return outer.NetConn()
	}
	return nc
}

// Ending reports whether the connection has ended, or will once what waits has been written.
func (c *Conn) Ending() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing || c.state == closed
}

// Reason returns why the connection ended, or "" while it has not.
func (c *Conn) Reason() CloseReason {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason
}
