package conn

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"github.com/gobwas/ws"

	"github.com/ws-emit/ws-emit/server/frame"
)

// What is sent before the handshake is answered comes behind the answer, with and without TLS.
func TestHold(t *testing.T) {
	for name, connect := range map[string]func(testing.TB, *Group, func(Message) CloseReason) *member{"tcp": tcp, "tls": secure} {
		t.Run(name, func(t *testing.T) {
			first := frame.Text("4" + string(bytes.Repeat([]byte("x"), 4*small))) // more than the kernel takes at once
			m := connect(t, start(t, testConfig()), nil)
			m.Hold()
			m.hear("4a")
			m.Close(ReasonServer, nil, CloseFrame(ReasonServer))
			released := make(chan struct{})
			go func() {
				m.Release(first.WebSocket())
				close(released)
			}()
			if f := m.read(); len(f.Payload) != len(first.Packets()[0].Data) {
				t.Fatalf("%.20q came first", f.Payload)
			}
			<-released
			m.want(ws.OpText, "4a")
			m.want(ws.OpClose, "\x03\xe8")
			m.wantEOF()
		})
	}
}

func TestHoldWithoutWaiting(t *testing.T) {
	m := tcp(t, start(t, testConfig()), nil)
	m.Hold()
	m.Release(frame.Text("4first").WebSocket())
	m.hear("4a")
	m.want(ws.OpText, "4first")
	m.want(ws.OpText, "4a")
	m.idle()
}

// A connection that ends while it is held writes nothing any more.
func TestEndWhileHeld(t *testing.T) {
	m := tcp(t, start(t, testConfig()), nil)
	m.Hold()
	m.hear("4a")
	m.End(ReasonServer)
	m.Release(frame.Text("4first").WebSocket())
	if b, err := io.ReadAll(m.peer); err != nil || len(b) > 0 {
		t.Errorf("got %q, %v", b, err)
	}
}

// Invariant 5: owners that block hold up nobody else, however many they are.
func TestBlockedOwnersHoldUpNobody(t *testing.T) {
	g := start(t, testConfig())
	release := make(chan struct{})
	blocked := make(chan struct{})
	for range 3 * keptWorkers {
		m := tcp(t, g, func(Message) CloseReason {
			blocked <- struct{}{}
			<-release
			return ""
		})
		m.say("a")
		<-blocked
	}
	heard := make(chan string, 1)
	tcp(t, g, func(msg Message) CloseReason { heard <- string(msg.Data); return "" }).say("b")
	if got := <-heard; got != "b" {
		t.Errorf("heard %q", got)
	}
	close(release)
}

// Whatever comes while a message is handled is handled after it, once and in order, also when the client has closed behind it.
func TestMessagesWhileOneIsHandled(t *testing.T) {
	for range 100 {
		release := make(chan struct{})
		var got []string
		m := tcp(t, start(t, testConfig()), func(msg Message) CloseReason {
			<-release
			got = append(got, string(msg.Data))
			return ""
		})
		var want []string
		for i := range 20 {
			text := numbered(0, i, 1000)
			want = append(want, text)
			if i == 10 {
				close(release)
			}
			m.say(text)
		}
		_ = m.peer.Close()
		m.wantReason(ReasonTransportClose)
		if !slices.Equal(got, want) {
			t.Fatalf("%d of %d messages: %.20q", len(got), len(want), got)
		}
	}
}

// A PING and its PONG cost no allocation.
func TestHeartbeatAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	here, peer := tcpPair(t)
	t.Cleanup(func() { _ = peer.Close() })
	var m *member
	m = &member{t: t, ended: make(chan CloseReason, 1), handle: func(Message) CloseReason { m.Pong(); return "" }}
	m.Conn = start(t, testConfig()).NewWebSocket(m, here) // nobody else reads it
	m.Start()
	r := &reader{conn: m.Conn}
	pong := one(ws.OpText, true, "3")
	chunk := make([]byte, len(pong))
	n := testing.AllocsPerRun(1000, func() {
		m.mu.Lock()
		m.pingLocked()
		due := m.pongBy != 0
		m.mu.Unlock()
		if copy(chunk, pong); due {
			r.take(chunk)
		}
		if !due || m.pongBy != 0 {
			t.Fatal("no PING, or no PONG")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
	m.End(ReasonServer)
	m.reason()
}
