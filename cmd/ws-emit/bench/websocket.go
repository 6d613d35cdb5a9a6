package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

var (
	errClosed   = errors.New("the server closed the WebSocket")
	errTooLarge = errors.New("the server sent a frame that is too large")
)

const (
	dialBuffer   = 1024     // bytes, while a client connects
	maxFrame     = 64 << 20 // bytes, of a message too; more is taken for a fault of the server
	maxKept      = 4 << 10  // bytes that a client keeps for the next beginning of a frame
	writeTimeout = 10 * time.Second
	slowBuffer   = 4 << 10 // bytes, the receive buffer of slow clients
	slowPatience = 2 * time.Second
)

// socket is a WebSocket.
type socket struct {
	client *client
	slow   bool
	// closing is set before the connection is closed by us; stop is closed then, for those who do not read.
	closing atomic.Bool
	stop    chan struct{} // nil unless slow

	conn net.Conn   // nil once readers have it
	fd   descriptor // then

	// Owned by who reads.
	partial  []byte // the beginning of a frame
	fragment []byte // the beginning of a message
}

// dialWebSocket connects and joins over WebSocket.
func (c *client) dialWebSocket(ctx context.Context) error {
	cfg := &c.load.cfg
	dialer := ws.Dialer{
		ReadBufferSize:  dialBuffer,
		WriteBufferSize: dialBuffer,
		Header:          ws.HandshakeHeaderHTTP(cfg.Header),
		NetDial:         c.load.dialer(c.index).DialContext,
		TLSConfig:       cfg.TLS,
	}
	url := strings.Replace(cfg.URL, "http", "ws", 1) + cfg.Protocol.Endpoint()
	conn, br, _, err := dialer.Dial(ctx, url)
	if err != nil {
		return fmt.Errorf("open WebSocket: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	if br == nil {
		br = bufio.NewReaderSize(conn, dialBuffer)
	}
	s := &socket{client: c, conn: conn, slow: cfg.slow(c.index)}
	err = cfg.Protocol.Join(&joining{s, br}, c.index, cfg.roomsOf(c.index))
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return err
	}
	s.partial, _ = br.Peek(br.Buffered())
	s.partial = bytes.Clone(s.partial)
	if s.slow {
		s.stop = make(chan struct{})
	}
	c.conn = s
	return nil
}

// dialer makes the connections of a client.
func (l *load) dialer(client int) *net.Dialer {
	d := &net.Dialer{KeepAlive: -1} // the server asks often enough
	if address := l.sourceAddress(client); address != nil {
		d.LocalAddr = &net.TCPAddr{IP: address}
	}
	if l.cfg.slow(client) {
		d.Control = setReceiveBuffer
	}
	return d
}

// joining is a socket while its client joins.
type joining struct {
	socket *socket
	br     *bufio.Reader
}

// Read reads a text, which is short while a client joins, and in one frame.
func (j *joining) Read() ([]byte, error) {
	for {
		h, err := ws.ReadHeader(j.br)
		if err != nil {
			return nil, err
		}
		if h.Length > maxFrame {
			return nil, errTooLarge
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(j.br, payload); err != nil {
			return nil, err
		}
		switch h.OpCode {
		case ws.OpText:
			answer, _, err := j.socket.client.load.cfg.Protocol.Receive(payload)
			if err == nil && answer != nil {
				err = j.Write(answer)
			}
			return payload, err
		case ws.OpPing:
			if err := j.socket.write(ws.OpPong, payload); err != nil {
				return nil, err
			}
		case ws.OpClose:
			return nil, errClosed
		}
	}
}

func (j *joining) Write(text []byte) error { return j.socket.write(ws.OpText, text) }

// receive reads until the connection ends.
func (s *socket) receive() error {
	if s.slow {
		return s.wait()
	}
	w := s.client.load.pool.take()
	err := s.consumeFirst(w)
	s.client.load.pool.put(w)
	if err == nil {
		err = s.read()
	}
	s.conn.Close()
	if s.closing.Load() && (errors.Is(err, net.ErrClosed) || isTimeout(err)) {
		return nil
	}
	return err
}

// wait reads nothing until the end of the run, and then only to learn whether the server has ended the connection.
func (s *socket) wait() error {
	<-s.stop
	defer s.conn.Close()
	if err := s.conn.SetReadDeadline(time.Now().Add(slowPatience)); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, s.conn); err != nil && isTimeout(err) {
		return nil
	} else if err != nil {
		return err
	}
	return io.EOF
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// close ends reading: what the server has ended before is still seen.
func (s *socket) close() {
	s.closing.Store(true)
	if s.slow {
		close(s.stop)
		return
	}
	_ = s.conn.SetReadDeadline(time.Unix(1, 0)) // fails only if it has ended
}

// consumeFirst takes what came together with the answer to the last join.
func (s *socket) consumeFirst(w *worker) error {
	first := s.partial
	s.partial = nil
	return s.consume(w, first)
}

// consume takes bytes as they come.
func (s *socket) consume(w *worker, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	now := s.client.load.now()
	if len(s.partial) > 0 {
		s.partial = append(s.partial, data...)
		data = s.partial
	}
	for len(data) > 0 {
		w.reader.Reset(data)
		h, err := ws.ReadHeaderBuffer(&w.reader, w.header[:])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return err
		}
		if h.Length > maxFrame {
			return errTooLarge
		}
		end := len(data) - w.reader.Len() + int(h.Length)
		if end > len(data) {
			break
		}
		if err := s.frame(w, h, data[end-int(h.Length):end], now); err != nil {
			return err
		}
		data = data[end:]
	}
	s.partial = append(s.partial[:0], data...)
	if len(s.partial) == 0 && cap(s.partial) > maxKept {
		s.partial = nil
	}
	return nil
}

// frame takes one frame.
func (s *socket) frame(w *worker, h ws.Header, payload []byte, now time.Duration) error {
	switch h.OpCode {
	case ws.OpClose:
		return errClosed
	case ws.OpPing:
		return s.write(ws.OpPong, payload)
	case ws.OpPong:
		return nil
	}
	if !h.Fin || h.OpCode == ws.OpContinuation {
		if len(s.fragment)+len(payload) > maxFrame {
			return errTooLarge
		}
		if s.fragment = append(s.fragment, payload...); !h.Fin {
			return nil
		}
		payload = s.fragment
		s.fragment = nil
	}
	answer, messages, err := s.client.load.cfg.Protocol.Receive(payload)
	if err == nil && answer != nil {
		err = s.write(ws.OpText, answer)
	}
	if messages {
		s.client.got(w, payload, now)
	}
	return err
}

func (s *socket) write(op ws.OpCode, payload []byte) error {
	frame, err := ws.CompileFrame(ws.MaskFrame(ws.NewFrame(op, true, payload)))
	if err != nil {
		return err
	}
	if s.conn == nil {
		_, err := s.fd.Write(frame)
		return err
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err = s.conn.Write(frame)
	return err
}

// read reads for this socket alone.
func (s *socket) read() error {
	buf := make([]byte, maxKept)
	for {
		n, err := s.conn.Read(buf)
		w := s.client.load.pool.take()
		bad := s.consume(w, buf[:n])
		s.client.load.pool.put(w)
		if bad != nil {
			return bad
		}
		if err != nil {
			return err
		}
	}
}
