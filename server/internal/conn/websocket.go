package conn

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/ws-emit/ws-emit/server/frame"
)

// Message is one message from a WebSocket client.
type Message struct {
	Binary  bool
	Data    []byte    // valid during the call only
	Arrived time.Time // when its last bytes were read
}

// Hold makes what is sent wait, until Release, which must follow.
func (c *Conn) Hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == direct {
		c.state = draining
	}
}

// Release writes first, which is the answer to the handshake, and then what waits. It blocks until first has been written, or the connection has ended.
func (c *Conn) Release(first []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var n int
	var err error
	if c.state == draining && c.fd != none {
		n, err = tryWrite(c.fd, first)
	}
	if c.state == draining && err == nil && n < len(first) {
		c.mu.Unlock()
		_, err = c.writeSome(net.Buffers{first[n:]}) // nobody else writes
		c.mu.Lock()
	}
	switch {
	case c.state != draining:
	case err != nil:
		c.endLocked(ReasonTransportError)
	case c.backlog.len() > 0:
		c.startDrainerLocked()
	default:
		c.emptyLocked()
	}
}

// Guard, deferred at the root of a goroutine that works for one connection, turns a panic into the end of that connection.
func (c *Conn) Guard() { c.caught(recover()) }

func (c *Conn) caught(v any) {
	if v == nil {
		return
	}
	if c.group.cfg.Panicked != nil {
		c.group.cfg.Panicked(v, debug.Stack())
	}
	c.End(ReasonInternal)
}

// current is the connection that has the WebSocket now.
func (c *Conn) current() *Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.successor != nil {
		return c.successor
	}
	return c
}

func (c *Conn) endOfReadingLocked(err error) CloseReason {
	switch {
	case c.closing:
		return c.endReason
	case errors.Is(err, io.EOF):
		return ReasonTransportClose
	}
	return ReasonTransportError
}

// messageReader puts messages together from bytes as they come. Between two calls it holds only what is incomplete; while nothing is, another connection can have it.
type messageReader struct {
	conn *Conn // whose owner gets the messages; changes in an upgrade

	arrived time.Time
	partial []byte    // the beginning of a header
	header  ws.Header // of the frame that is being read, if inFrame
	inFrame bool
	got     int64     // bytes of its payload so far
	control []byte    // the payload of a control frame so far
	op      ws.OpCode // of the message that is being read; 0 is none
	message []byte    // its payload so far: grows with what arrives, not with what was announced
}

var messageReaders = sync.Pool{New: func() any { return new(messageReader) }}

// between reports whether nothing is incomplete.
func (r *messageReader) between() bool {
	return r.op == 0 && !r.inFrame && r.partial == nil
}

// lastCloseCode is the largest that has a meaning (RFC 6455, section 7.4.2).
const lastCloseCode = 4999

// refusal is a rule that the client broke.
type refusal struct {
	why  CloseReason
	code ws.StatusCode
}

var (
	protocolError = &refusal{ReasonParseError, ws.StatusProtocolError}
	invalidText   = &refusal{ReasonParseError, ws.StatusInvalidFramePayloadData}
	tooLarge      = &refusal{ReasonTooLarge, ws.StatusMessageTooBig}
)

// take handles a chunk of bytes, which it may change.
func (r *messageReader) take(chunk []byte) {
	r.arrived = time.Now()
	for len(chunk) > 0 {
		if r.conn.Ending() {
			return // only the end of the connection is of interest now
		}
		var bad *refusal
		if !r.inFrame {
			chunk, bad = r.takeHeader(chunk)
		}
		if bad == nil && r.inFrame {
			chunk, bad = r.takePayload(chunk)
		}
		if bad != nil {
			r.conn.Close(bad.why, nil, closeFrame(bad.code))
			return
		}
	}
}

// takeHeader reads a frame's header, or keeps what there is of it.
func (r *messageReader) takeHeader(chunk []byte) ([]byte, *refusal) {
	kept := len(r.partial)
	b := chunk
	if kept > 0 {
		b = append(r.partial, chunk[:min(len(chunk), ws.MaxHeaderSize-kept)]...)
	}
	h, n := parseHeader(b)
	if n == 0 {
		r.partial = append([]byte(nil), b...)
		return nil, nil
	}
	chunk = chunk[n-kept:]
	r.partial = nil
	state := ws.StateServerSide
	if r.op != 0 {
		state |= ws.StateFragmented
	}
	if h.Length < 0 || ws.CheckHeader(h, state) != nil {
		return nil, protocolError
	}
	if !h.OpCode.IsControl() && h.Length > r.conn.group.cfg.MaxPayload-int64(len(r.message)) {
		return nil, tooLarge
	}
	r.header, r.inFrame, r.got = h, true, 0
	return chunk, nil
}

// parseHeader reads the header that b begins with, and its length; 0 when there is more to come (RFC 6455, section 5.2). A payload length that is none comes out
// negative. ws.ReadHeader does the same and allocates.
func parseHeader(b []byte) (h ws.Header, n int) {
	if len(b) < 2 {
		return h, 0
	}
	h.Fin, h.Rsv, h.OpCode = b[0]&0x80 != 0, b[0]>>4&7, ws.OpCode(b[0]&0x0f)
	h.Masked, h.Length = b[1]&0x80 != 0, int64(b[1]&0x7f)
	n = 2
	switch h.Length {
	case 126:
		if n += 2; len(b) < n {
			return h, 0
		}
		h.Length = int64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if n += 8; len(b) < n {
			return h, 0
		}
		h.Length = int64(binary.BigEndian.Uint64(b[2:]))
	}
	if h.Masked {
		if n += 4; len(b) < n {
			return h, 0
		}
		h.Mask = [4]byte(b[n-4:])
	}
	return h, n
}

// takePayload reads what there is of a frame's payload.
func (r *messageReader) takePayload(chunk []byte) ([]byte, *refusal) {
	h := r.header
	n := min(h.Length-r.got, int64(len(chunk)))
	part, rest := chunk[:n], chunk[n:]
	ws.Cipher(part, h.Mask, int(r.got%4))
	r.got += n
	complete := r.got == h.Length
	if complete {
		r.inFrame = false
	}
	if h.OpCode.IsControl() {
		if complete && r.control == nil {
			return rest, r.takeControl(part)
		}
		if r.control = append(r.control, part...); !complete {
			return rest, nil
		}
		payload := r.control
		r.control = nil
		return rest, r.takeControl(payload)
	}
	if h.OpCode != ws.OpContinuation {
		r.op = h.OpCode
	}
	if complete && h.Fin && r.message == nil {
		return rest, r.deliver(part) // the usual case: no copy
	}
	r.message = append(r.message, part...)
	if !complete || !h.Fin {
		return rest, nil
	}
	message := r.message
	r.message = nil
	return rest, r.deliver(message)
}

func (r *messageReader) deliver(data []byte) *refusal {
	binary := r.op == ws.OpBinary
	r.op = 0
	if !binary && !utf8.Valid(data) {
		return invalidText
	}
	why := r.conn.owner.Received(Message{Binary: binary, Data: data, Arrived: r.arrived})
	r.conn = r.conn.current()
	if why != "" {
		return &refusal{why, closeCode(why)}
	}
	return nil
}

func (r *messageReader) takeControl(payload []byte) *refusal {
	switch r.header.OpCode {
	case ws.OpPing:
		r.conn.Send(frame.One(frame.Control(ws.OpPong, payload)))
	case ws.OpClose:
		if len(payload) == 0 {
			r.conn.Close(ReasonTransportClose, nil, frame.Control(ws.OpClose, nil))
			return nil
		}
		code, text := ws.ParseCloseFrameData(payload)
		if len(payload) == 1 || code > lastCloseCode || ws.CheckCloseFrameData(code, text) != nil {
			return protocolError
		}
		r.conn.Close(ReasonTransportClose, nil, closeFrame(code))
	}
	return nil
}

func closeFrame(code ws.StatusCode) *frame.Frame {
	return frame.Control(ws.OpClose, ws.NewCloseFrameBody(code, ""))
}

// closeCode is what a client is told of a reason (RFC 6455, section 7.4.1).
func closeCode(why CloseReason) ws.StatusCode {
	switch why {
	case ReasonShutdown:
		return ws.StatusGoingAway
	case ReasonTooLarge:
		return ws.StatusMessageTooBig
	case ReasonParseError, ReasonOverlap:
		return ws.StatusProtocolError
	case ReasonInternal:
		return ws.StatusInternalServerError
	}
	return ws.StatusNormalClosure
}

// CloseFrame returns the close frame for a reason.
func CloseFrame(why CloseReason) *frame.Frame { return closeFrame(closeCode(why)) }
