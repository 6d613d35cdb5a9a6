package conn

import (
	"net"

	"github.com/ws-emit/ws-emit/server/frame"
)

// Wake returns a channel that holds a token when Take may have something new to say. Polling connections only.
func (c *Conn) Wake() <-chan struct{} { return c.wake }

// Take returns the frames that wait on a polling connection, but for the first one only as far as they have no more than maxPackets packets together; 0 is no limit.
// What Close has added comes alone, unless it was the client's wish.
// The connection is still charged for them until Answered. It returns nothing when nothing waits, or when the connection is not polling any more: Polls tells.
// While what was taken before has not been Answered it returns nothing either.
func (c *Conn) Take(maxPackets int) []*frame.Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != polling || c.taken > 0 || c.backlog.len() == 0 {
		return nil
	}
	frames := make([]*frame.Frame, 0, c.backlog.len())
	packets := 0
	for i, it := range c.backlog.items[c.backlog.head:] {
		packets += len(it.frame.Packets())
		full := maxPackets > 0 && packets > maxPackets
		// A stock client handles the end of its session before what stands in front of it in the same answer. One that ends it itself does not come again.
		goodbye := c.closing && c.endReason != ReasonClient && i == c.backlog.len()-1
		if (full || goodbye) && len(frames) > 0 {
			break
		}
		frames = append(frames, it.frame)
	}
	c.taken = len(frames)
	return frames
}

// Answered says whether what Take returned has been written.
func (c *Conn) Answered(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.taken
	c.taken = 0
	switch {
	case c.state == closed:
		return
	case err != nil:
		c.endLocked(ReasonTransportError)
		return
	}
	c.progress = c.group.now()
	for range n {
		c.popLocked()
	}
	switch {
	case c.state == draining: // upgraded in the meantime
		c.startDrainerLocked()
	case c.closing && c.backlog.len() == 0:
		c.endLocked(c.endReason)
	default:
		if c.backlog.len() > 0 {
			c.wakeLocked() // the next GET may have found nothing to take
		}
		c.rescheduleLocked()
	}
}

// EndPolling ends the connection if it is still polling.
func (c *Conn) EndPolling(why CloseReason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == polling {
		c.endLocked(why)
	}
}

// Polls reports whether the connection is a polling one, and has not ended.
func (c *Conn) Polls() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == polling
}

// Poke wakes a waiting GET.
func (c *Conn) Poke() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wakeLocked()
}

// Upgrade makes a polling connection go on with the WebSocket of probe, which has nothing else to do. It must be called by the handler of the probe's
// ReadWebSocket, which from then on reads for c. What waits is written there, in order, after what a GET is being answered with. It blocks until what was sent
// to the probe has been written. It returns ErrNotPolling when c has ended or was upgraded before, or when the probe has ended.
func (c *Conn) Upgrade(probe *Conn) error {
	probe.settle()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != polling {
		return ErrNotPolling
	}
	var ok bool
	if c.nc, c.fd, ok = probe.handOver(c); !ok {
		return ErrNotPolling
	}
	if c.backlog.len() == 0 {
		c.state = direct
	} else {
		c.state = draining
		if c.taken == 0 {
			c.startDrainerLocked()
		}
	}
	c.wakeLocked() // a waiting GET is to say goodbye
	c.rescheduleLocked()
	return nil
}

// settle waits until nothing waits for a WebSocket, or it has ended. Over TLS even a PONG is left to a drainer.
func (c *Conn) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.state == draining {
		if c.wake == nil {
			c.wake = make(chan struct{}, 1)
		}
		c.mu.Unlock()
		<-c.wake
		c.mu.Lock()
	}
}

// handOver gives the WebSocket, and its reader, to another connection.
func (c *Conn) handOver(to *Conn) (nc net.Conn, fd int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != direct || c.closing {
		return nil, none, false
	}
	nc, fd = c.nc, c.fd
	c.state, c.nc, c.fd, c.successor = closed, nil, none, to
	c.group.wheel.remove(&c.timer)
	return nc, fd, true
}
