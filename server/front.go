package server

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// front is the listener of our http.Server. It serves WebSocket handshakes before net/http sees them, if they are the first that a connection says and come in
// one piece, as they do: for a connection that is taken over at once, net/http does much that nobody needs, and leaves it as garbage.
//
// net/http calls Read for the first time on the goroutine of the connection, under its deadline. That call serves the handshake and then says that the client
// has gone, so that net/http forgets the connection. Whatever is not plainly a handshake takes the usual way.
type front struct {
	*net.TCPListener
	handler http.Handler      // of handshakes
	serves  func(string) bool // whether there is a WebSocket behind a path
}

func (f *front) Accept() (net.Conn, error) {
	nc, err := f.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return &visitor{TCPConn: nc, front: f}, nil
}

// visitor is a connection that may turn out to be a WebSocket.
type visitor struct {
	*net.TCPConn
	front *front // nil once it has said something; owned by whoever reads
	owner atomic.Int32
}

// The owners of a visitor.
const (
	ownerServer int32 = iota // net/http
	ownerTaken               // who has hijacked it
	ownerNobody              // it is closed
)

// Read serves a WebSocket handshake, if that is the first thing that is read, and otherwise just reads.
func (v *visitor) Read(b []byte) (int, error) {
	n, err := v.TCPConn.Read(b)
	if f := v.front; f != nil && n > 0 {
		v.front = nil
		if f.serve(v, b[:n]) {
			return 0, io.EOF
		}
	}
	return n, err
}

// Close closes the connection, unless it was taken over.
func (v *visitor) Close() error {
	if v.owner.CompareAndSwap(ownerServer, ownerNobody) {
		return v.TCPConn.Close()
	}
	return nil
}

// serve reports whether b was a handshake, which has been answered then.
func (f *front) serve(v *visitor, b []byte) bool {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 || !bytes.HasPrefix(b, []byte("GET ")) {
		return false
	}
	end += len("\r\n\r\n")
	r := parseRequest(b[:end])
	if r == nil || !wantsWebSocket(r) || !f.serves(r.URL.Path) {
		return false // net/http knows better
	}
	r.RemoteAddr = v.RemoteAddr().String()
	w := &answerer{visitor: v, early: b[end:], header: http.Header{}}
	f.handler.ServeHTTP(w, r)
	w.finish()
	return true
}

// wantsWebSocket reports whether a request is nothing but a WebSocket handshake.
func wantsWebSocket(r *http.Request) bool {
	return r.Header.Get("Upgrade") == "websocket" && r.ContentLength == 0 && r.Header["Expect"] == nil
}

// parser is what it takes to parse a request.
type parser struct {
	bytes  bytes.Reader
	reader *bufio.Reader
}

var parsers = sync.Pool{New: func() any {
	p := new(parser)
	p.reader = bufio.NewReaderSize(&p.bytes, 512)
	return p
}}

// parseRequest returns nil for what is no request.
func parseRequest(b []byte) *http.Request {
	p := parsers.Get().(*parser)
	defer parsers.Put(p)
	p.bytes.Reset(b)
	p.reader.Reset(&p.bytes)
	r, err := http.ReadRequest(p.reader)
	p.bytes.Reset(nil)
	if err != nil {
		return nil
	}
	r.Body = http.NoBody
	return r
}

// answerer is the http.ResponseWriter for a handshake.
type answerer struct {
	*visitor
	early  []byte
	header http.Header
	status int
	body   bytes.Buffer
	taken  bool
}

func (w *answerer) Header() http.Header { return w.header }

func (w *answerer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *answerer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// Hijack implements http.Hijacker.
func (w *answerer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !w.owner.CompareAndSwap(ownerServer, ownerTaken) {
		return nil, nil, net.ErrClosed
	}
	w.taken = true
	if err := w.SetReadDeadline(time.Time{}); err != nil {
		return nil, nil, errors.Join(err, w.TCPConn.Close())
	}
	early := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(w.early)), w.TCPConn), max(len(w.early), 16))
	if len(w.early) > 0 {
		_, _ = early.Peek(len(w.early)) // they are there
	}
	return w.TCPConn, bufio.NewReadWriter(early, bufio.NewWriterSize(w.TCPConn, 16)), nil
}

// finish writes the answer, if there is one. The connection is closed afterwards: who is refused has no other request.
func (w *answerer) finish() {
	if w.taken {
		return
	}
	w.WriteHeader(http.StatusOK)
	_ = w.SetWriteDeadline(time.Now().Add(writeDeadline))
	_ = (&http.Response{
		StatusCode: w.status, ProtoMajor: 1, ProtoMinor: 1, Header: w.header, Close: true,
		Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()),
	}).Write(w.TCPConn) // else the client has gone: nobody to tell
}

// unvisited is an http.ResponseWriter that gives away the connection itself, where a handshake has gone through net/http.
type unvisited struct{ http.ResponseWriter }

func (u unvisited) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// Hijack implements http.Hijacker.
func (u unvisited) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if v, ok := nc.(*visitor); ok {
		nc = v.TCPConn
	}
	return nc, rw, err
}
