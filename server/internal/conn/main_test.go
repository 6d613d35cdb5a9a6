package conn

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"github.com/ws-emit/ws-emit/server/frame"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is the time that anything in a test may take, which is far more than it should: the machine may be busy.
const patience = 5 * time.Minute

var ping = frame.Text("2")

// testConfig is generous: a test says what it wants less of.
func testConfig() Config {
	return Config{
		MaxQueue:     1 << 30,
		MaxBacklog:   1 << 40,
		WriteTimeout: patience,
		MaxPayload:   1_000_000,
		PingInterval: 25 * time.Second,
		PingTimeout:  20 * time.Second,
		Ping:         ping,
	}
}

// start runs a group until the test ends. Then nothing may be left in it.
func start(t testing.TB, cfg Config) *Group {
	t.Helper()
	g := NewGroup(cfg)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- g.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if total, young := g.total.Load(), g.young.Load(); total != 0 || young != 0 {
			t.Errorf("%d bytes are left in total, %d young", total, young)
		}
		if n := len(g.backlogs.conns); n != 0 {
			t.Errorf("%d backlogs are left", n)
		}
	})
	return g
}

// member is a connection of a group, its owner, and the other end.
type member struct {
	*Conn
	t     testing.TB
	peer  net.Conn
	r     *bufio.Reader // of peer
	ended chan CloseReason
	ends  atomic.Int32
	over  bool // it was handed over to another connection, which ends instead

	handle func(Message) CloseReason // nil takes everything
}

func (m *member) Received(msg Message) CloseReason {
	if m.handle == nil {
		return ""
	}
	return m.handle(msg)
}

func (m *member) Ended(why CloseReason) {
	if m.ends.Add(1) == 1 {
		m.ended <- why
		close(m.ended)
	}
}

// websocket makes a WebSocket connection of two ends, and reads it until the test ends. A nil handle takes everything.
func websocket(t testing.TB, g *Group, here, peer net.Conn, handle func(Message) CloseReason) *member {
	t.Helper()
	m := &member{t: t, peer: peer, r: bufio.NewReader(peer), ended: make(chan CloseReason, 1), handle: handle}
	m.Conn = g.NewWebSocket(m, here)
	m.ReadWebSocket(nil)
	t.Cleanup(func() {
		m.End(ReasonServer)
		_ = peer.Close()
		want := int32(0)
		if !m.over {
			m.reason()
			want = 1
		}
		if n := m.ends.Load(); n != want {
			t.Errorf("the owner was told %d times of the end", n)
		}
	})
	return m
}

// pipe makes a WebSocket connection without a descriptor, for tests with the time of synctest.
func pipe(t testing.TB, g *Group, handle func(Message) CloseReason) *member {
	t.Helper()
	here, peer := net.Pipe()
	return websocket(t, g, here, peer, handle)
}

// small is the size of the buffers in the kernel, so that something gets stuck soon. With less, the loopback interface gets slow.
const small = 64 << 10

// tcpPair returns the two ends of a TCP connection with small buffers.
func tcpPair(t testing.TB) (here, peer *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return connected(t, ln)
}

func connected(t testing.TB, ln net.Listener) (here, peer *net.TCPConn) {
	t.Helper()
	dialled, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	here, peer = accepted.(*net.TCPConn), dialled.(*net.TCPConn)
	if err := here.SetWriteBuffer(small); err != nil {
		t.Fatal(err)
	}
	if err := peer.SetReadBuffer(small); err != nil {
		t.Fatal(err)
	}
	return here, peer
}

func tcp(t testing.TB, g *Group, handle func(Message) CloseReason) *member {
	t.Helper()
	here, peer := tcpPair(t)
	return websocket(t, g, here, peer, handle)
}

// reason waits for the end.
func (m *member) reason() CloseReason {
	m.t.Helper()
	select {
	case <-m.ended:
	case <-time.After(patience):
		m.t.Fatal("the connection does not end")
	}
	return m.Reason()
}

func (m *member) wantReason(want CloseReason) {
	m.t.Helper()
	if got := m.reason(); got != want {
		m.t.Errorf("ended with %q, want %q", got, want)
	}
}

func (m *member) wantAlive() {
	m.t.Helper()
	if why := m.Reason(); why != "" {
		m.t.Fatalf("ended with %q", why)
	}
}

// read returns the next frame that the peer gets.
func (m *member) read() ws.Frame {
	m.t.Helper()
	f, err := readFrame(m.r)
	if err != nil {
		m.t.Fatalf("read: %v", err)
	}
	return f
}

func (m *member) want(op ws.OpCode, payload string) {
	m.t.Helper()
	if f := m.read(); f.Header.OpCode != op || string(f.Payload) != payload {
		m.t.Fatalf("got %v %.60q, want %v %.60q", f.Header.OpCode, f.Payload, op, payload)
	}
}

func (m *member) wantEOF() {
	m.t.Helper()
	if f, err := readFrame(m.r); err != io.EOF {
		m.t.Fatalf("got %v %.60q and %v, want EOF", f.Header.OpCode, f.Payload, err)
	}
}

// write sends a frame as a client, in one write.
func (m *member) write(f ws.Frame) {
	m.t.Helper()
	b, err := ws.CompileFrame(ws.MaskFrame(f))
	if err != nil {
		m.t.Fatal(err)
	}
	if _, err := m.peer.Write(b); err != nil {
		m.t.Fatal(err)
	}
}

func (m *member) say(text string) {
	m.t.Helper()
	m.write(ws.NewTextFrame([]byte(text)))
}

// hear sends one text frame, and reports whether the connection still takes any.
func (m *member) hear(text string) bool { return m.Send(frame.One(frame.Text(text))) }

// idle waits until nothing waits for the connection.
func (m *member) idle() {
	m.t.Helper()
	until(m.t, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.state == direct
	})
}

// until waits for something for which there is no event.
func until(t testing.TB, done func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(patience); !done(); <-look.C {
		if time.Now().After(end) {
			t.Fatal("it does not happen")
		}
	}
}

// numbered is a message that says whose it is, and which, and that is long enough for n bytes.
func numbered(sender, seq, n int) string {
	head := fmt.Sprintf("4%d:%d:", sender, seq)
	return head + strings.Repeat("x", max(0, n-len(head)))
}

// inOrder checks messages of numbered: all of a sender, each once, in order.
type inOrder struct {
	next map[int]int
}

func (o *inOrder) check(t testing.TB, f ws.Frame, err error) bool {
	t.Helper()
	if err != nil {
		t.Errorf("read: %v", err)
		return false
	}
	var sender, seq int
	if _, err := fmt.Sscanf(string(f.Payload), "4%d:%d:", &sender, &seq); err != nil {
		t.Errorf("not a message: %.60q", f.Payload)
		return false
	}
	if o.next == nil {
		o.next = map[int]int{}
	}
	if seq != o.next[sender] {
		t.Errorf("message %d of sender %d, want %d", seq, sender, o.next[sender])
		return false
	}
	o.next[sender]++
	return true
}

// readFrame reads one frame from the server, which is trusted to be of a sensible length.
func readFrame(r io.Reader) (ws.Frame, error) {
	h, err := ws.ReadHeader(r)
	if err != nil {
		return ws.Frame{}, err
	}
	if h.Length > 64<<20 {
		return ws.Frame{}, fmt.Errorf("a frame of %d bytes", h.Length)
	}
	f := ws.Frame{Header: h, Payload: make([]byte, h.Length)}
	_, err = io.ReadFull(r, f.Payload)
	return f, err
}
