package conn

import (
	"errors"
	"os"
	"sync"
	"time"
)

// bufferSize is how much is read or joined for writing at once. A client that sends a thousand small packets in one go has them arrive together.
const bufferSize = 64 << 10

var buffers = sync.Pool{New: func() any {
	b := make([]byte, bufferSize)
	return &b
}}

func (c *Conn) startDrainerLocked() {
	c.group.drainers.Go(c.drain)
}

// drain writes what waits until nothing does, and makes the connection direct again. While it runs nobody else writes: it alone changes the head
// of the backlog, so it can write without the lock.
func (c *Conn) drain() {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.state == draining {
		if c.backlog.len() == 0 {
			c.emptyLocked()
			return
		}
		b := c.backlog.next((*buf)[:0])
		c.mu.Unlock()
		n, err := c.writeSome(b)
		c.mu.Lock()
		if c.state != draining {
			return
		}
		c.writtenLocked(n)
		switch {
		case err == nil, n > 0 && errors.Is(err, os.ErrDeadlineExceeded): // slow, but alive
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.endLocked(ReasonSlowConsumer)
		default:
			c.endLocked(ReasonTransportError)
		}
	}
}

// writeSome writes b with a deadline. The network connection does not change while there is a drainer.
func (c *Conn) writeSome(b []byte) (int, error) {
	if err := c.nc.SetWriteDeadline(time.Now().Add(c.group.cfg.WriteTimeout)); err != nil {
		return 0, err
	}
	return c.nc.Write(b)
}

// writtenLocked takes note of n bytes written.
func (c *Conn) writtenLocked(n int) {
	if n > 0 {
		c.progress = c.group.now()
	}
	for n > 0 {
		head := &c.backlog.items[c.backlog.head]
		rest := head.frame.Size() - head.done
		if n < rest {
			head.done += n
			return
		}
		n -= rest
		c.popLocked()
	}
}

// emptyLocked makes a drained connection direct.
func (c *Conn) emptyLocked() {
	if err := c.nc.SetWriteDeadline(time.Time{}); err != nil {
		c.endLocked(ReasonTransportError)
		return
	}
	c.state = direct
	if c.closing {
		c.finishLocked()
	}
}
