package sioclient

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Message is one message of a transport: text, with an Engine.IO packet in it, or binary.
type Message struct {
	Binary bool
	Data   []byte
}

// writeTimeout bounds one write, or one POST.
const writeTimeout = 10 * time.Second

// maxKept is the size of the largest buffer that a WebSocket keeps between messages, in bytes.
const maxKept = 64 << 10

// WebSocket is a bare WebSocket, seen from the client. One goroutine may read while any number of others write. Each write has 10 s.
type WebSocket struct {
	conn       net.Conn
	maxMessage int64

	// Owned by the reader.
	br     *bufio.Reader
	held   int // bytes at the front of br that the last message points to
	buf    []byte
	header [ws.MaxHeaderSize]byte
	state  ws.State
}

// DialWebSocket opens a WebSocket at a URL with scheme ws or wss. ctx bounds the handshake; afterwards reading has no deadline, see SetReadDeadline.
//
// Errors: *StatusError when the server answers something else than 101.
func DialWebSocket(ctx context.Context, url string, header http.Header) (*WebSocket, error) {
	return dialWebSocket(ctx, url, &Config{Header: header})
}

func dialWebSocket(ctx context.Context, url string, cfg *Config) (*WebSocket, error) {
	size := cmp.Or(cfg.ReadBuffer, defaultReadBuffer)
	var refused *StatusError
	dialer := ws.Dialer{
		Header:         ws.HandshakeHeaderHTTP(cfg.Header),
		NetDial:        cfg.NetDial,
		TLSConfig:      cfg.TLS,
		ReadBufferSize: size,
		OnStatusError: func(status int, _ []byte, answer io.Reader) {
			refused = &StatusError{Status: status}
			if resp, err := http.ReadResponse(bufio.NewReader(answer), nil); err == nil {
				refused.Body = readErrorBody(resp.Body)
			}
		},
	}
	conn, br, _, err := dialer.Dial(ctx, url)
	if refused != nil {
		return nil, refused
	}
	if err != nil {
		return nil, fmt.Errorf("open WebSocket: %w", err)
	}
	if br == nil {
		br = bufio.NewReaderSize(conn, size)
	}
	return &WebSocket{conn: conn, br: br, maxMessage: cmp.Or(cfg.MaxMessage, defaultMaxMessage), state: ws.StateClientSide}, nil
}

// Read returns the next message, which is valid until the next call. It answers pings, and a close frame, which it returns as *CloseError.
// What a browser would refuse is ErrProtocol, what is too large ErrTooLarge. After an error it must not be called again.
func (w *WebSocket) Read() (Message, error) {
	if _, err := w.br.Discard(w.held); err != nil {
		return Message{}, err
	}
	w.held = 0
	if cap(w.buf) > maxKept {
		w.buf = nil
	}
	w.buf = w.buf[:0]
	var first ws.OpCode
	for {
		h, err := ws.ReadHeaderBuffer(w.br, w.header[:])
		if err != nil {
			return Message{}, err
		}
		if err := ws.CheckHeader(h, w.state); err != nil {
			return Message{}, fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		if h.OpCode.IsControl() {
			if err := w.control(h); err != nil {
				return Message{}, err
			}
			continue
		}
		if h.Length > w.maxMessage-int64(len(w.buf)) {
			return Message{}, ErrTooLarge
		}
		if h.OpCode != ws.OpContinuation {
			first = h.OpCode
		}
		data, err := w.payload(h)
		if err != nil {
			return Message{}, err
		}
		if !h.Fin {
			w.state = w.state.Set(ws.StateFragmented)
			continue
		}
		w.state = w.state.Clear(ws.StateFragmented)
		// A browser ends a connection over such a message with code 1007 (RFC 6455, section 8.1).
		if first == ws.OpText && !utf8.Valid(data) {
			return Message{}, fmt.Errorf("%w: text is not UTF-8", ErrProtocol)
		}
		return Message{Binary: first == ws.OpBinary, Data: data}, nil
	}
}

// payload reads the payload of a data frame and returns the message so far: where it can, without copying it.
func (w *WebSocket) payload(h ws.Header) ([]byte, error) {
	if h.Fin && h.OpCode != ws.OpContinuation && h.Length <= int64(w.br.Size()) {
		w.held = int(h.Length)
		return w.br.Peek(w.held)
	}
	buf := bytes.NewBuffer(w.buf)
	// Grows as bytes come: the length is only what the server says.
	_, err := io.CopyN(buf, w.br, h.Length)
	w.buf = buf.Bytes()
	return w.buf, err
}

// control answers a control frame. A close frame becomes an error.
func (w *WebSocket) control(h ws.Header) error {
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(w.br, payload); err != nil {
		return err
	}
	switch h.OpCode {
	case ws.OpPing:
		return w.write(appendFrame(nil, ws.OpPong, payload))
	case ws.OpClose:
		code, reason := ws.ParseCloseFrameData(payload)
		if code == 0 { // none
			code = ws.StatusNoStatusRcvd
		}
		// The server closes the connection in any case, so nothing is lost when this fails.
		_ = w.write(appendFrame(nil, ws.OpClose, payload))
		return &CloseError{Code: int(code), Reason: reason}
	}
	return nil
}

// ReadText is Read for a text message; a binary one is an error.
func (w *WebSocket) ReadText() (string, error) {
	m, err := w.Read()
	if err == nil && m.Binary {
		err = fmt.Errorf("%w: binary where text was expected", ErrProtocol)
	}
	if err != nil {
		return "", err
	}
	return string(m.Data), nil
}

// Write writes messages in one go, with nothing from other callers between them.
func (w *WebSocket) Write(messages ...Message) error {
	var buf []byte
	for _, m := range messages {
		op := ws.OpText
		if m.Binary {
			op = ws.OpBinary
		}
		buf = appendFrame(buf, op, m.Data)
	}
	return w.write(buf)
}

// write writes frames in one go: a net.Conn does not mix what is written concurrently.
func (w *WebSocket) write(frames []byte) error {
	if err := w.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := w.conn.Write(frames)
	return err
}

// WriteText writes one text message.
func (w *WebSocket) WriteText(text string) error { return w.Write(Message{Data: []byte(text)}) }

// WriteClose writes a close frame. The server answers with one of its own, which Read returns.
func (w *WebSocket) WriteClose(code int, reason string) error {
	return w.write(appendFrame(nil, ws.OpClose, ws.NewCloseFrameBody(ws.StatusCode(code), reason)))
}

// SetReadDeadline bounds reading, as net.Conn has it.
func (w *WebSocket) SetReadDeadline(t time.Time) error { return w.conn.SetReadDeadline(t) }

// NetConn returns the connection, for tests that want to write what no client would.
func (w *WebSocket) NetConn() net.Conn { return w.conn }

// Close ends the connection without a close frame. It may be called at any time.
func (w *WebSocket) Close() error { return w.conn.Close() }

// appendFrame appends a masked frame.
func appendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	buf := bytes.NewBuffer(dst)
	mask := ws.NewMask()
	// Writing to a bytes.Buffer does not fail, and the length of a slice is always a valid length.
	_ = ws.WriteHeader(buf, ws.Header{Fin: true, OpCode: op, Masked: true, Mask: mask, Length: int64(len(payload))})
	start := buf.Len()
	buf.Write(payload)
	ws.Cipher(buf.Bytes()[start:], mask, 0)
	return buf.Bytes()
}
