package conn

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ws-emit/ws-emit/server/frame"
)

// What waits is written, then the close frame; the client's answer ends the connection with the reason that was given.
func TestClose(t *testing.T) {
	m := tcp(t, start(t, testConfig()), nil)
	sent := m.stuck()
	m.Close(ReasonShutdown, frame.Text("not for a WebSocket"), CloseFrame(ReasonShutdown))
	if m.hear("4late") {
		t.Error("it still takes messages")
	}
	m.Close(ReasonServer, nil, CloseFrame(ReasonServer))
	m.EndIn(time.Nanosecond, ReasonInternal)
	m.wantAlive()
	var got inOrder
	for range sent {
		f, err := readFrame(m.r)
		if !got.check(t, f, err) {
			return
		}
	}
	m.want(ws.OpClose, "\x03\xe9")
	m.wantEOF()
	m.wantAlive() // until the client has answered
	m.write(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusGoingAway, "")))
	_ = m.peer.Close()
	m.wantReason(ReasonShutdown)
}

// What the client sent and nobody read does not turn the close into a reset, which could cost the client the last frames.
func TestCloseWithUnread(t *testing.T) {
	m := tcp(t, start(t, testConfig()), nil)
	for range 100 {
		m.say(strings.Repeat("unread", 1000))
	}
	m.hear("4a")
	m.Close(ReasonServer, nil, CloseFrame(ReasonServer))
	m.want(ws.OpText, "4a")
	m.want(ws.OpClose, "\x03\xe8")
	m.wantEOF()
}

// halfPipe is a pipe that can be closed half, as TCP.
type halfPipe struct {
	net.Conn
	once sync.Once
	half chan struct{}
}

func (p *halfPipe) CloseWrite() error {
	p.once.Do(func() { close(p.half) })
	return nil
}

// A client that never closes is closed after a while, even if it sends on and on and takes part in no heartbeat.
func TestCloseClientNeverCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, peer := net.Pipe()
		hp := &halfPipe{Conn: here, half: make(chan struct{})}
		m := websocket(t, start(t, testConfig()), hp, peer, func(Message) CloseReason {
			t.Error("a message after the end")
			return ""
		})
		m.Start()
		m.want(ws.OpText, "2")
		<-time.After(19 * time.Second) // a ping timeout would be next
		m.Close(ReasonServer, nil, CloseFrame(ReasonServer))
		began := time.Now()
		m.want(ws.OpClose, "\x03\xe8")
		<-hp.half
		m.say("3")
		m.say("4more")
		m.wantReason(ReasonServer)
		wantAfter(t, began, lingerFor)
	})
}

func TestCloseStuckPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.WriteTimeout = 10 * time.Second
		m := pipe(t, start(t, cfg), nil)
		m.hear("4stuck")
		began := time.Now()
		m.Close(ReasonServer, nil, CloseFrame(ReasonServer))
		m.wantReason(ReasonSlowConsumer)
		wantAfter(t, began, 10*time.Second)
	})
}

func TestClosePolling(t *testing.T) {
	m := polled(t, start(t, testConfig()))
	m.hear("4a")
	m.Close(ReasonServer, frame.Text("1"), CloseFrame(ReasonServer))
	if m.hear("4late") {
		t.Error("it still takes messages")
	}
	for _, want := range []string{"4a", "1"} { // clients handle "1" first when it comes with "4a"
		m.wantTaken(want)
		m.wantAlive()
		m.Answered(nil)
	}
	m.wantReason(ReasonServer)
}

func TestClosePollingWithoutFrame(t *testing.T) {
	m := polled(t, start(t, testConfig()))
	m.Close(ReasonServer, nil, nil)
	m.wantReason(ReasonServer)
}

// Whatever ends a connection, its owner is told once, at once, and of the first reason; also when the reader is held up by the handler.
func TestEndWhileHandling(t *testing.T) {
	for name, connect := range map[string]func(testing.TB, *Group, func(Message) CloseReason) *member{
		"tcp": tcp, "tls": secure,
	} {
		t.Run(name, func(t *testing.T) {
			handling, release := make(chan struct{}), make(chan struct{})
			m := connect(t, start(t, testConfig()), func(Message) CloseReason {
				handling <- struct{}{}
				<-release
				return ReasonParseError
			})
			defer close(release)
			m.say("a")
			m.say("b")
			<-handling
			m.End(ReasonServer)
			m.End(ReasonShutdown)
			m.wantReason(ReasonServer)
		})
	}
}

// Invariant 5: a panic while a message is handled ends that connection, is reported, and hurts no other.
func TestPanic(t *testing.T) {
	reported := make(chan any, 1)
	cfg := testConfig()
	cfg.Panicked = func(v any, stack []byte) {
		if !strings.Contains(string(stack), "TestPanic") {
			t.Errorf("the stack does not say where:\n%s", stack)
		}
		reported <- v
	}
	g := start(t, cfg)
	heard := make(chan string, 1)
	bad := tcp(t, g, func(Message) CloseReason { panic("oh") })
	good := tcp(t, g, func(m Message) CloseReason { heard <- string(m.Data); return "" })
	bad.say("a")
	bad.wantReason(ReasonInternal)
	if v := <-reported; v != "oh" {
		t.Errorf("reported: %v", v)
	}
	good.say("a")
	if s := <-heard; s != "a" {
		t.Errorf("heard: %q", s)
	}
}

// The client closes its side, or the network does.
func TestPeerCloses(t *testing.T) {
	for name, c := range map[string]struct {
		how  func(*member)
		want CloseReason
	}{
		"FIN":       {func(m *member) { _ = m.peer.Close() }, ReasonTransportClose},
		"half":      {func(m *member) { _ = m.peer.(*net.TCPConn).CloseWrite() }, ReasonTransportClose},
		"mid-frame": {func(m *member) { _, _ = m.peer.Write([]byte{0x81, 0x85, 1}); _ = m.peer.Close() }, ReasonTransportClose},
		"RST": {func(m *member) {
			_ = m.peer.(*net.TCPConn).SetLinger(0)
			_ = m.peer.Close()
		}, ReasonTransportError},
	} {
		t.Run(name, func(t *testing.T) {
			m := tcp(t, start(t, testConfig()), nil)
			c.how(m)
			m.wantReason(c.want)
			if m.hear("4a") {
				t.Error("it still takes messages")
			}
		})
	}
}

// A write finds out about the end as well.
func TestSendToResetPeer(t *testing.T) {
	here, peer := tcpPair(t)
	g := start(t, testConfig())
	m := &member{t: t, peer: peer, r: bufio.NewReader(peer), ended: make(chan CloseReason, 1)}
	m.Conn = g.NewWebSocket(m, here) // nobody reads it
	_ = peer.SetLinger(0)
	_ = peer.Close()
	until(t, func() bool { return !m.hear("4a") })
	m.wantReason(ReasonTransportError)
}

// Invariant 9, and a check for races: everything at once, from everywhere.
func TestEverythingAtOnce(t *testing.T) {
	cfg := testConfig()
	cfg.MaxQueue, cfg.MaxBacklog = 200_000, 1_000_000
	cfg.PingInterval, cfg.PingTimeout, cfg.WriteTimeout = 20*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	g := start(t, cfg)
	var all sync.WaitGroup
	for i := range 60 {
		var m *member
		if i%3 == 0 {
			m = secure(t, g, nil)
		} else {
			m = tcp(t, g, nil)
		}
		m.Start()
		for s := range 3 {
			all.Go(func() {
				for seq := 0; seq < 200 && m.hear(numbered(s, seq, 2000)); seq++ {
				}
			})
		}
		all.Go(func() { m.Pong(); m.Pause(); m.Resume(); m.Expire() })
		switch i % 5 {
		case 0:
			all.Go(func() { m.End(ReasonServer) })
		case 1:
			all.Go(func() { m.Close(ReasonServer, nil, CloseFrame(ReasonServer)) })
		case 2:
			all.Go(func() { _ = m.peer.Close() })
		case 3:
			all.Go(func() { m.EndIn(10*time.Millisecond, ReasonConnectTimeout) })
		}
	}
	all.Wait()
}

// The number of a descriptor is soon another connection's: nothing may be written to it after the end.
func TestSendAfterEndWritesToNobody(t *testing.T) {
	g := start(t, testConfig())
	m := tcp(t, g, nil)
	number := descriptor(rawConn(m.nc))
	ln, err := net.Listen("tcp", "127.0.0.1:0") // now: it would get the number else
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	m.End(ReasonServer)
	m.reason()
	for range 1000 { // others in this process may be faster, but not always
		one, other := connected(t, ln)
		t.Cleanup(func() { _, _ = one.Close(), other.Close() })
		if descriptor(rawConn(other)) == number {
			one, other = other, one
		}
		if descriptor(rawConn(one)) != number {
			continue
		}
		if m.hear("4a") {
			t.Error("a connection that has ended took a frame")
		}
		_ = one.CloseWrite()
		if b, err := io.ReadAll(other); err != nil || len(b) > 0 {
			t.Errorf("another connection got %q, %v", b, err)
		}
		return
	}
	t.Fatal("the descriptor was not used again")
}
