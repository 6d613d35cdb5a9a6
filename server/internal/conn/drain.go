package conn

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// bufferSize is how much is read at once. A client that sends a thousand small packets in one go has them arrive together.
const bufferSize = 64 << 10

// What a drainer writes at once.
const (
	maxPieces = 64
	maxWrite  = 64 << 10 // bytes
	// maxSealed is for TLS, where it is a record. A write that has not been done in time has broken the stream, so that progress is not seen within one.
	maxSealed = 16 << 10
)

var buffers = sync.Pool{New: func() any {
	b := make([]byte, bufferSize)
	return &b
}}

func (c *Conn) startDrainerLocked() {
	c.group.goroutines.Go(c.drain)
}

// drain writes what waits until nothing does, and makes the connection direct again. While it runs nobody else writes: it alone changes the head
// of the backlog, so it can write without the lock. It holds no buffer meanwhile, as very many may be stuck.
func (c *Conn) drain() {
	defer c.Guard()
	c.mu.Lock()
	defer c.mu.Unlock()
	pieces := make(net.Buffers, 0, maxPieces)
	limit := maxWrite
	if c.fd == none {
		limit = maxSealed
	}
	for c.state == draining {
		if c.backlog.len() == 0 {
			c.emptyLocked()
			return
		}
		pieces = c.backlog.next(pieces[:0], limit)
		c.mu.Unlock()
		n, err := c.writeSome(pieces)
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

// writeSome writes pieces with a deadline, in one system call where it can. The network connection does not change while there is a drainer.
func (c *Conn) writeSome(pieces net.Buffers) (int, error) {
	if err := c.nc.SetWriteDeadline(time.Now().Add(c.group.cfg.WriteTimeout)); err != nil {
		return 0, err
	}
	if c.fd != none || len(pieces) == 1 {
		n, err := pieces.WriteTo(c.nc)
		return int(n), err
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	joined := (*buf)[:0]
	for _, p := range pieces {
		joined = append(joined, p...)
	}
	return c.nc.Write(joined)
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
	c.wakeLocked()
	if c.closing {
		c.finishLocked()
	}
}
