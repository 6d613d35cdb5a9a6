package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// The timing of contrib/conformance, which is what the public protocol test
// suites ask for.
const (
	pingInterval   = 300 * time.Millisecond
	pingTimeout    = 200 * time.Millisecond
	connectTimeout = time.Second
	maxPayload     = 1_000_000
)

// endpoint is an Engine.IO path of a running contrib/conformance.
type endpoint struct {
	addr, path string
}

const (
	enginePath = "/engine.io/" // echoes every message
	socketPath = "/socket.io/" // speaks Socket.IO
)

// startConformance starts contrib/conformance.
func startConformance(t *testing.T) (engine, socket endpoint) {
	t.Helper()
	path, err := conformanceProgram()
	if err != nil {
		t.Fatal(err)
	}
	addr := freeAddress(t)
	p := start(t, func(cmd *exec.Cmd) { cmd.Env = clean(cmd.Environ()) }, path, "-addr", addr)
	eventually(t, "the conformance server listens", func() bool {
		if !p.running() {
			t.Fatalf("the conformance server ended at once: %v", p.err)
		}
		return listening(addr)
	})
	return endpoint{addr, enginePath}, endpoint{addr, socketPath}
}

// response is an HTTP answer, read whole.
type response struct {
	status int
	body   string
}

// request sends one HTTP request; query follows the path.
func (e endpoint) request(ctx context.Context, method, query string, body io.Reader) (response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+e.addr+e.path+query, body)
	if err != nil {
		return response{}, err
	}
	req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return response{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return response{resp.StatusCode, string(b)}, err
}

func (e endpoint) do(t *testing.T, method, query, body string) response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := e.request(ctx, method, query, strings.NewReader(body))
	if err != nil {
		t.Fatalf("%s %s: %v", method, query, err)
	}
	return r
}

const pollingQuery = "?EIO=4&transport=polling"

func (e endpoint) get(t *testing.T, sid string) response {
	t.Helper()
	return e.do(t, http.MethodGet, pollingQuery+"&sid="+sid, "")
}

func (e endpoint) post(t *testing.T, sid, body string) response {
	t.Helper()
	return e.do(t, http.MethodPost, pollingQuery+"&sid="+sid, body)
}

// poll starts a GET whose answer, or the zero response where the connection
// broke, comes on the channel.
func (e endpoint) poll(t *testing.T, sid string) <-chan response {
	answered := make(chan response, 1)
	go func() {
		r, err := e.request(t.Context(), http.MethodGet, pollingQuery+"&sid="+sid, nil)
		if err != nil {
			r = response{}
		}
		answered <- r
	}()
	return answered
}

func (r response) expect(t *testing.T, status int, body string) {
	t.Helper()
	if r.status != status || r.body != body {
		t.Fatalf("answer %d %q, want %d %q", r.status, r.body, status, body)
	}
}

func (r response) expectStatus(t *testing.T, status int) {
	t.Helper()
	if r.status != status {
		t.Fatalf("answer %d %q, want %d", r.status, r.body, status)
	}
}

// receive waits for what comes on a channel.
func receive[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v in vain for %s", patience, what)
		panic("unreachable")
	}
}

// handshake is the payload of an open packet.
type handshake struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int      `json:"pingInterval"` // milliseconds
	PingTimeout  int      `json:"pingTimeout"`  // milliseconds
	MaxPayload   int      `json:"maxPayload"`   // bytes
}

// readOpen reads an open packet, which has these keys and no others.
func readOpen(t *testing.T, packet string) handshake {
	t.Helper()
	payload, ok := strings.CutPrefix(packet, "0")
	if !ok {
		t.Fatalf("the first packet is %q, want an open packet", packet)
	}
	var h handshake
	d := json.NewDecoder(strings.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		t.Fatalf("open packet %q: %v", packet, err)
	}
	if h.SID == "" || h.Upgrades == nil {
		t.Fatalf("open packet %q lacks sid or upgrades", packet)
	}
	return h
}

// open begins a session by long-polling and returns its sid.
func (e endpoint) open(t *testing.T) string {
	t.Helper()
	r := e.do(t, http.MethodGet, pollingQuery, "")
	r.expectStatus(t, http.StatusOK)
	return readOpen(t, r.body).SID
}

// webSocket is the client's end of a WebSocket connection.
type webSocket struct {
	io.Reader // what the handshake's reader has buffered, then the connection
	net.Conn
}

func (w *webSocket) Read(b []byte) (int, error) { return w.Reader.Read(b) }

const webSocketQuery = "?EIO=4&transport=websocket"

// dial opens a WebSocket connection; the error is a ws.StatusError where the
// server refused it.
func (e endpoint) dial(t *testing.T, query string) (*webSocket, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, buffered, _, err := ws.Dial(ctx, "ws://"+e.addr+e.path+query)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	w := &webSocket{conn, conn}
	if buffered != nil {
		w.Reader = io.MultiReader(bufferedBytes(buffered), conn)
	}
	return w, conn.SetDeadline(time.Now().Add(patience))
}

func bufferedBytes(r *bufio.Reader) io.Reader {
	b, _ := r.Peek(r.Buffered()) // no more than there is: cannot fail
	return bytes.NewReader(b)
}

// refuses dials and expects to be refused.
func (e endpoint) refuses(t *testing.T, query string, status int) {
	t.Helper()
	_, err := e.dial(t, query)
	var refusal ws.StatusError
	if !errors.As(err, &refusal) || int(refusal) != status {
		t.Errorf("WebSocket with %s: %v, want status %d", query, err, status)
	}
}

func (e endpoint) mustDial(t *testing.T, query string) *webSocket {
	t.Helper()
	w, err := e.dial(t, query)
	if err != nil {
		t.Fatalf("WebSocket with %s: %v", query, err)
	}
	return w
}

// openWebSocket begins a session by WebSocket.
func (e endpoint) openWebSocket(t *testing.T) (*webSocket, handshake) {
	t.Helper()
	w := e.mustDial(t, webSocketQuery)
	return w, readOpen(t, w.text(t))
}

func (w *webSocket) send(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err := wsutil.WriteClientText(w.Conn, []byte(text)); err != nil {
			t.Fatalf("send %q: %v", text, err)
		}
	}
}

func (w *webSocket) sendBinary(t *testing.T, messages ...[]byte) {
	t.Helper()
	for _, b := range messages {
		if err := wsutil.WriteClientBinary(w.Conn, b); err != nil {
			t.Fatalf("send %x: %v", b, err)
		}
	}
}

// text reads the next message, which must be text.
func (w *webSocket) text(t *testing.T) string {
	t.Helper()
	b, op, err := wsutil.ReadServerData(w)
	if err != nil || op != ws.OpText {
		t.Fatalf("read %q (opcode %d): %v, want a text message", b, op, err)
	}
	return string(b)
}

// message reads the next text that is no ping; pings are answered.
func (w *webSocket) message(t *testing.T) string {
	t.Helper()
	for {
		b, err := w.tryMessage()
		if err != nil {
			t.Fatalf("read a message: %v", err)
		}
		if string(b) != "2" {
			return string(b)
		}
	}
}

// tryMessage reads the next text and answers it if it is a ping.
func (w *webSocket) tryMessage() ([]byte, error) {
	b, op, err := wsutil.ReadServerData(w)
	switch {
	case err != nil:
		return nil, err
	case op != ws.OpText:
		return nil, fmt.Errorf("%x has the opcode %d, want a text message", b, op)
	case string(b) == "2":
		return b, wsutil.WriteClientText(w.Conn, []byte("3"))
	}
	return b, nil
}

func (w *webSocket) expect(t *testing.T, texts ...string) {
	t.Helper()
	for _, want := range texts {
		if got := w.message(t); got != want {
			t.Fatalf("read %q, want %q", got, want)
		}
	}
}

func (w *webSocket) expectBinary(t *testing.T, messages ...[]byte) {
	t.Helper()
	for _, want := range messages {
		got, op, err := wsutil.ReadServerData(w)
		if err != nil || op != ws.OpBinary || !bytes.Equal(got, want) {
			t.Fatalf("read %x (opcode %d): %v, want the bytes %x", got, op, err, want)
		}
	}
}

// expectClosed reads until the server closes the connection.
func (w *webSocket) expectClosed(t *testing.T) {
	t.Helper()
	for {
		_, _, err := wsutil.ReadServerData(w)
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			t.Fatal("the connection is still open")
		case err != nil:
			return
		}
	}
}

// silence lets time pass in which the client says nothing. It is the one wait
// by time here: nothing tells of a session that nobody asks for.
func silence(d time.Duration) {
	<-time.After(d)
}
