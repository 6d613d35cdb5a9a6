package conn

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ws-emit/ws-emit/server/frame"
)

// What was taken stays charged until it is answered, and comes before what was sent meanwhile.
func TestTake(t *testing.T) {
	g := start(t, testConfig())
	m := polled(t, g)
	if m.Take(0) != nil {
		t.Fatal("there is something to take")
	}
	m.hear("4a")
	m.Send(frame.One(frame.New(frame.Packet{Data: []byte("4b")}, frame.Packet{Binary: true, Data: []byte("c")})))
	<-m.Wake()
	charged := g.Backlog()
	m.wantTaken("4a\x1e4b\x1ebYw==")
	m.hear("4d")
	if g.Backlog() <= charged {
		t.Errorf("%d bytes are charged, %d before", g.Backlog(), charged)
	}
	m.Answered(nil)
	if want := charge(frame.Text("4d")); g.Backlog() != want {
		t.Errorf("%d bytes are charged, want %d", g.Backlog(), want)
	}
	m.wantTaken("4d")
	m.Answered(nil)
}

// The next GET may come before the one before is known to be answered: it gets nothing twice, and is woken for what waits then.
func TestTakeBeforeAnswered(t *testing.T) {
	m := polled(t, start(t, testConfig()))
	m.hear("4a")
	m.wantTaken("4a")
	m.hear("4b")
	<-m.Wake()
	m.wantTaken("")
	m.Answered(nil)
	<-m.Wake()
	m.wantTaken("4b")
	m.Answered(nil)
}

// upgrading is a polling connection, and the WebSocket that is to take over: it does so when the client says "5". What the client says later is heard.
type upgrading struct {
	*member
	probe *member
	heard chan string
	err   chan error
}

func upgrade(t *testing.T, g *Group, connect func(testing.TB, *Group, func(Message) CloseReason) *member) *upgrading {
	t.Helper()
	u := &upgrading{member: polled(t, g), heard: make(chan string, 100), err: make(chan error, 1)}
	connected := make(chan struct{})
	u.handle = func(msg Message) CloseReason {
		u.heard <- string(msg.Data)
		return ""
	}
	u.probe = connect(t, g, func(msg Message) CloseReason {
		<-connected
		if string(msg.Data) == "5" {
			u.err <- u.Upgrade(u.probe.Conn)
		}
		return ""
	})
	close(connected)
	t.Cleanup(func() { u.End(ReasonServer) }) // before the reader is waited for
	return u
}

func (u *upgrading) switchOver() {
	u.t.Helper()
	u.probe.say("5")
	if err := <-u.err; err != nil {
		u.t.Fatalf("Upgrade: %v", err)
	}
	u.probe.over = true
}

func TestUpgrade(t *testing.T) {
	for name, connect := range map[string]func(testing.TB, *Group, func(Message) CloseReason) *member{
		"tcp": tcp, "tls": secure,
	} {
		t.Run(name, func(t *testing.T) {
			u := upgrade(t, start(t, testConfig()), connect)
			u.hear("4a")
			u.hear("4b")
			u.switchOver()
			u.hear("4c")
			for _, want := range []string{"4a", "4b", "4c"} {
				u.probe.want(ws.OpText, want)
			}
			u.probe.say("after")
			if got := <-u.heard; got != "after" {
				t.Errorf("heard %q", got)
			}
			if u.Polls() || u.Take(0) != nil {
				t.Error("it still polls")
			}
			_ = u.probe.peer.Close()
			u.reason()
		})
	}
}

// What a GET is being answered with comes first: nothing overtakes it on the WebSocket.
func TestUpgradeWhileAnswering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := upgrade(t, start(t, testConfig()), pipe)
		u.hear("4a")
		u.wantTaken("4a")
		u.hear("4b")
		u.switchOver()
		u.hear("4c")
		_ = u.probe.peer.SetReadDeadline(time.Now().Add(time.Second))
		if b, err := u.probe.r.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %q and %v before the GET was answered", b, err)
		}
		_ = u.probe.peer.SetReadDeadline(time.Time{})
		u.Answered(nil)
		u.probe.want(ws.OpText, "4b")
		u.probe.want(ws.OpText, "4c")
	})
}

func TestUpgradeAnswerFails(t *testing.T) {
	u := upgrade(t, start(t, testConfig()), tcp)
	u.hear("4a")
	u.wantTaken("4a")
	u.switchOver()
	u.Answered(errors.New("gone"))
	u.wantReason(ReasonTransportError)
}

// A connection that is being closed goes on to its WebSocket as well: the client no longer comes for what waits.
func TestUpgradeWhileClosing(t *testing.T) {
	u := upgrade(t, start(t, testConfig()), tcp)
	u.hear("4a")
	u.Close(ReasonShutdown, frame.Text("1"), nil)
	u.switchOver()
	u.probe.want(ws.OpText, "4a")
	u.probe.want(ws.OpText, "1")
	u.probe.wantEOF()
	_ = u.probe.peer.Close()
	u.wantReason(ReasonShutdown)
}

// Over TLS the answer to a WebSocket PING is written by a drainer, which has to be done before another connection writes.
func TestUpgradeAfterPing(t *testing.T) {
	for range 50 {
		u := upgrade(t, start(t, testConfig()), secure)
		u.probe.write(ws.NewPingFrame([]byte("x")))
		u.switchOver()
		u.hear("4a")
		u.probe.want(ws.OpPong, "x")
		u.probe.want(ws.OpText, "4a")
		if t.Failed() {
			return
		}
	}
}

func TestUpgradeRefused(t *testing.T) {
	g := start(t, testConfig())
	u := upgrade(t, g, tcp)
	u.End(ReasonServer)
	u.probe.say("5")
	if err := <-u.err; !errors.Is(err, ErrNotPolling) {
		t.Errorf("Upgrade of a connection that has ended: %v", err)
	}
	u = upgrade(t, g, tcp)
	u.switchOver()
	second := tcp(t, g, nil)
	if err := u.Upgrade(second.Conn); !errors.Is(err, ErrNotPolling) {
		t.Errorf("second Upgrade: %v", err)
	}
	other, probe := polled(t, g), tcp(t, g, nil)
	probe.End(ReasonServer)
	if err := other.Upgrade(probe.Conn); !errors.Is(err, ErrNotPolling) {
		t.Errorf("Upgrade to a WebSocket that has ended: %v", err)
	}
	if !other.Polls() {
		t.Error("it does not poll any more")
	}
}

// A GET that its client gave up ends the session only while that polls.
func TestEndPolling(t *testing.T) {
	g := start(t, testConfig())
	u := upgrade(t, g, tcp)
	u.switchOver()
	u.EndPolling(ReasonTransportClose)
	u.wantAlive()
	m := polled(t, g)
	m.EndPolling(ReasonTransportClose)
	m.wantReason(ReasonTransportClose)
}
