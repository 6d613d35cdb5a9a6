package conn

import (
	"time"

	"github.com/ws-emit/ws-emit/server/frame"
)

// Pong takes note of a PONG (Engine.IO protocol, "Heartbeat"). One that nobody asked for changes nothing.
func (c *Conn) Pong() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state == closed:
	case c.pingQueued: // a client can be faster than whoever writes the PING
		c.ponged = true
	case c.pongBy != 0:
		c.pongBy = 0
		c.nextPing = c.group.now() + c.group.cfg.PingInterval
		c.rescheduleLocked()
	}
}

// EndIn sets or, with 0, takes back a time after which the connection ends for a reason.
func (c *Conn) EndIn(d time.Duration, why CloseReason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == closed || c.closing {
		return
	}
	c.endBy, c.endReason = 0, why
	if d > 0 {
		c.endBy = c.group.now() + d
		c.rescheduleLocked()
	}
}

// Pause says that the connection is not being read, so that its PONG cannot arrive: the time for it stands still. Resume ends that.
func (c *Conn) Pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pausedAt == 0 {
		c.pausedAt = c.group.now()
	}
}

// Resume says that the connection is being read again.
func (c *Conn) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pausedAt != 0 && c.pongBy != 0 {
		c.pongBy += c.group.now() - c.pausedAt
	}
	c.pausedAt = 0
	if c.state != closed {
		c.rescheduleLocked()
	}
}

// Expire applies what is due now, without waiting for the wheel to come round.
func (c *Conn) Expire() { c.expire(c.group.now()) }

// expire applies what is due, and returns when it wants to be called again; 0 is never.
func (c *Conn) expire(now time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == closed {
		return 0
	}
	if why := c.overdueLocked(now); why != "" {
		c.endLocked(why)
		return 0
	}
	if c.pingDueLocked() && now >= c.nextPing {
		c.pingLocked()
	}
	return c.deadlineLocked()
}

func (c *Conn) overdueLocked(now time.Duration) CloseReason {
	switch {
	case c.endBy != 0 && now >= c.endBy:
		return c.endReason
	case c.pongBy != 0 && c.pausedAt == 0 && now >= c.pongBy:
		return ReasonPingTimeout
	case !c.unfetchedLocked() || now < c.progress+c.pollLimit():
		return ""
	case c.closing:
		return c.endReason
	case c.pingQueued:
		return ReasonPingTimeout
	}
	return ReasonSlowConsumer
}

// unfetchedLocked reports whether something waits for a GET.
func (c *Conn) unfetchedLocked() bool {
	return c.state == polling && c.taken == 0 && c.backlog.len() > 0
}

// pollLimit is how long a client may leave something unfetched. A PING that waits for a GET has not been written, so its PONG is not late; but
// the client is.
func (c *Conn) pollLimit() time.Duration {
	return min(c.group.cfg.WriteTimeout, c.group.cfg.PingTimeout)
}

func (c *Conn) pingDueLocked() bool {
	return c.nextPing != 0 && c.pongBy == 0 && !c.pingQueued && !c.closing
}

func (c *Conn) pingLocked() {
	c.pingQueued = true
	due := c.nextPing
	before := c.backlog.len()
	if !c.sendLocked(frame.One(c.group.cfg.Ping)) {
		return
	}
	switch {
	case c.state == direct:
		c.pingWrittenLocked()
	case before == 0:
		c.progress = due // not when the wheel came round
	}
}

// pingWrittenLocked starts the time for the PONG: when the PING has been written, not when it was queued.
func (c *Conn) pingWrittenLocked() {
	now := c.group.now()
	switch {
	case c.ponged:
		c.nextPing = now + c.group.cfg.PingInterval
	case c.pausedAt != 0:
		c.pongBy = c.pausedAt + c.group.cfg.PingTimeout // Resume adds the pause
	default:
		c.pongBy = now + c.group.cfg.PingTimeout
	}
	c.pingQueued, c.ponged = false, false
	c.rescheduleLocked()
}

// deadlineLocked is the next time at which expire has something to do; 0 is never.
func (c *Conn) deadlineLocked() time.Duration {
	next := c.endBy
	sooner := func(at time.Duration) {
		if next == 0 || at < next {
			next = at
		}
	}
	if c.pongBy != 0 && c.pausedAt == 0 {
		sooner(c.pongBy)
	}
	if c.pingDueLocked() {
		sooner(c.nextPing)
	}
	if c.unfetchedLocked() {
		sooner(c.progress + c.pollLimit())
	}
	return next
}

func (c *Conn) rescheduleLocked() {
	if at := c.deadlineLocked(); at != 0 {
		c.group.wheel.schedule(&c.timer, at)
	}
}
