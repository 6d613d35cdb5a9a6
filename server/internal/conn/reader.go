package conn

import (
	"io"
	"net"
	"sync/atomic"
	"syscall"
)

// reader reads one WebSocket. While its client says nothing it has no goroutine and no buffer: the poller hands it to a worker when there is something to read.
// Where there is no poller, or no descriptor that can be read without blocking, it has both.
type reader struct {
	// Used by whoever reads: one goroutine at a time.
	conn     *Conn          // changes in an upgrade
	early    []byte         // to be taken first
	messages *messageReader // nil while nothing is incomplete

	flags atomic.Uint32
}

// Flags of a reader.
const (
	reading uint32 = 1 << iota // a worker has it, or will
	again                      // there may be more than what that one has seen
	hungUp                     // so it has to read up to the end
)

// ReadWebSocket begins to read messages and to hand them to the owner, until the connection ends. early is what had been read from the network connection before; it
// must not be used afterwards. It does not block.
//
// The connection answers PING and close frames itself, and ends with the right code when the client breaks a rule (RFC 6455, sections 5 and 7.4).
func (c *Conn) ReadWebSocket(early []byte) {
	r := &reader{conn: c, early: early}
	if len(early) > 0 && c.hasDescriptor() {
		r.flags.Store(reading)
		c.group.workers.submit(r)
		return
	}
	r.watch()
}

func (c *Conn) hasDescriptor() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fd != none
}

// watch has the poller watch the connection, or begins to read it on a goroutine of its own. Nothing may be done with the reader afterwards.
func (r *reader) watch() {
	c := r.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != closed && (c.fd == none || !c.group.poller.watch(c.fd, r)) {
		nc := c.nc
		c.group.goroutines.Go(func() { r.block(nc) })
	}
}

// ready takes note of something to read. It reports whether a worker must be told.
func (r *reader) ready(hup bool) bool {
	flags := reading | again
	if hup {
		flags |= hungUp
	}
	return r.flags.Or(flags)&reading == 0
}

// work reads what there is, on the goroutine of a worker.
func (r *reader) work() {
	defer r.guard()
	if len(r.early) > 0 {
		early := r.early
		r.early = nil
		r.take(early)
		r.flags.Store(0)
		r.watch()
		return
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		r.flags.And(^again)
		n, err := r.conn.tryRead(*buf)
		switch {
		case n > 0:
			r.take((*buf)[:n])
		case err != syscall.EAGAIN:
			r.end(err)
			return
		}
		flags := r.flags.Load()
		drained := n < len(*buf) && flags&hungUp == 0 || err == syscall.EAGAIN
		if drained && flags&again == 0 && r.flags.CompareAndSwap(flags, 0) {
			return
		}
	}
}

// block reads until the connection ends. Over TLS decrypted bytes may wait that the descriptor does not show.
func (r *reader) block(nc net.Conn) {
	defer r.guard()
	if len(r.early) > 0 {
		r.take(r.early)
		r.early = nil
	}
	buf := make([]byte, 2048)
	for {
		n, err := nc.Read(buf)
		if n > 0 {
			r.take(buf[:n])
		}
		if err != nil {
			r.end(err)
			return
		}
	}
}

// guard, deferred, turns a panic into the end of the connection. Without one, somebody else may have the reader by now.
func (r *reader) guard() {
	if v := recover(); v != nil {
		r.conn.current().caught(v)
	}
}

// end ends the connection after its last byte, on this goroutine: when very many clients leave at the same time, they need no more of them.
func (r *reader) end(err error) {
	c := r.conn
	c.mu.Lock()
	ended := c.setEndedLocked(c.endOfReadingLocked(err))
	c.mu.Unlock()
	if ended {
		c.tell()
	}
}

// tryRead reads what there is at once. At the end it returns io.EOF.
func (c *Conn) tryRead(b []byte) (int, error) {
	c.mu.Lock() // keeps the descriptor open
	defer c.mu.Unlock()
	if c.state == closed {
		return 0, net.ErrClosed
	}
	n, err := readDescriptor(c.fd, b)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// take handles bytes, which it may change.
func (r *reader) take(chunk []byte) {
	m := r.messages
	if m == nil {
		m = messageReaders.Get().(*messageReader)
		r.messages = m
	}
	m.conn = r.conn
	m.take(chunk)
	r.conn, m.conn = m.conn, nil
	if m.between() {
		r.messages = nil
		messageReaders.Put(m)
	}
}
