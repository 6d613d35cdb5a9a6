package bench

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// load is one run: what its clients and emitters share.
type load struct {
	// Immutable after newLoad.
	cfg   Config
	run   uint32
	began time.Time // zero of all times in marks
	pool  *pool
	// addresses is how many clients connect from; 1 is left to the system.
	addresses int
	// readers read for most clients.
	readers *readers

	expected atomic.Int64 // deliveries that accepted messages make
	possible atomic.Int64 // those, and what messages make that may have been accepted
	accepted atomic.Int64 // messages
	gone     atomic.Int64 // clients that have ended before they should, slow ones apart

	acceptedAt atomic.Int64 // when the last message was, ns after began
}

// now is the time since the run began.
func (l *load) now() time.Duration { return time.Since(l.began) }

// connection is the transport of a client.
type connection interface {
	// receive hands on what comes, and returns when the connection has ended, or nil when it was closed.
	receive() error
	// close makes receive return, with the error that it would have found by itself. It is not called where receive was not.
	close()
}

// client is one client under load.
type client struct {
	load  *load
	index int
	conn  connection

	// Owned by who reads.
	trackers []tracker // for each of its rooms, one for each emitter
	err      error     // why it ended before it should
}

// connect connects and joins. It blocks until all joins are acknowledged, or ctx ends.
func (l *load) connect(ctx context.Context, index int) (*client, error) {
	c := &client{load: l, index: index}
	if !l.cfg.slow(index) {
		c.trackers = make([]tracker, l.cfg.RoomsPerClient*l.cfg.Emitters)
	}
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Timeout)
	defer cancel()
	var err error
	if l.cfg.Transport == Polling {
		err = c.dialPolling(ctx)
	} else {
		err = c.dialWebSocket(ctx)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = errSlow
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

var errSlow = errors.New("not connected and joined in time")

// receive gets messages until the connection ends.
func (c *client) receive() { c.ended(c.conn.receive()) }

// ended says that the connection has ended: by itself, or with nil by us.
func (c *client) ended(err error) {
	if c.err = err; err != nil && !c.load.cfg.slow(c.index) {
		c.load.gone.Add(1)
	}
}

// got takes a text with messages that came at a time. Most have one.
func (c *client) got(w *worker, text []byte, now time.Duration) {
	size, ours := len(text), false
	for len(text) >= markLength {
		m, rest, ok := findMark(text)
		if text = rest; ok && m.run == c.load.run { // others are somebody else's
			ours = true
			c.add(w, m, now)
		}
	}
	if ours {
		w.counts.bytes += int64(size)
	}
}

// add takes one message.
func (c *client) add(w *worker, m mark, now time.Duration) {
	t := c.tracker(m)
	if t == nil {
		w.counts.strays++
		return
	}
	switch t.add(m.sequence) {
	case doubled:
		w.counts.doubled++
		return
	case late:
		w.counts.late++
	}
	w.counts.delivered++
	w.counts.last = now
	record(w.latency, now-time.Duration(m.sent))
}

// tracker finds the one for a message, or nil if the client should not have got it.
func (c *client) tracker(m mark) *tracker {
	cfg := &c.load.cfg
	j := (int64(m.room) - int64(c.index)*int64(cfg.RoomsPerClient)) % int64(cfg.Rooms)
	if j < 0 {
		j += int64(cfg.Rooms)
	}
	if int64(m.room) >= int64(cfg.Rooms) || j >= int64(cfg.RoomsPerClient) || int(m.emitter) >= cfg.Emitters || m.sequence == 0 {
		return nil
	}
	return &c.trackers[int(j)*cfg.Emitters+int(m.emitter)]
}
