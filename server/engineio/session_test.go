package engineio

import (
	"fmt"
	"maps"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ws-emit/ws-emit/server/frame"
)

// beating has heartbeats that come soon, and PONGs that may be late.
func beating() Config {
	return Config{PingInterval: 30 * time.Millisecond, PingTimeout: patience, WriteTimeout: patience}
}

func TestHeartbeat(t *testing.T) {
	n := start(t, beating(), &fake{})
	onWays(t, func(t *testing.T, by way) {
		before := time.Now()
		c := n.client(t, by)
		for range 4 {
			c.wantHear("2")
			if d := time.Since(before); d < 30*time.Millisecond {
				t.Errorf("a PING after %v", d)
			}
			before = time.Now()
			c.say("3")
		}
		c.wantAlive(t)
	})
}

// A PONG that nobody asked for changes nothing: not what it says, not when the next PING comes.
func TestEarlyPongs(t *testing.T) {
	n := start(t, beating(), &fake{})
	onWays(t, func(t *testing.T, by way) {
		c := n.client(t, by)
		c.say("3")
		c.say("3", "3", "3")
		for range 3 {
			c.wantHear("2")
			c.say("3", "3")
			c.say("3")
		}
		c.say("4still here")
		c.told.want(t, "4still here")
	})
}

func TestNoPong(t *testing.T) {
	cfg := beating()
	cfg.PingTimeout = 200 * time.Millisecond
	cfg.PingInterval = 500 * time.Millisecond // long enough for a GET to wait for the PING
	n := start(t, cfg, &fake{})
	onWays(t, func(t *testing.T, by way) {
		c := n.client(t, by)
		before := time.Now()
		if by == polls {
			wantAnswer(t, 200, "2")(n.get(c.SID()))
			c.wantClosed(t, ReasonPingTimeout)
			wantAnswer(t, 400, body(ErrUnknownSID))(n.post(c.SID(), "3")) // too late
		} else {
			c.wantHear("2")
			c.wantClosed(t, ReasonPingTimeout)
			if p, err := c.wire.hear(); err == nil {
				t.Errorf("got %.60q after the end", p)
			}
		}
		if d := time.Since(before); d < cfg.PingTimeout {
			t.Errorf("ended after %v", d)
		}
	})
	t.Run("with a GET that waits", func(t *testing.T) {
		c := n.client(t, polls)
		wantAnswer(t, 200, "2")(n.get(c.SID()))
		status, answer, err := n.get(c.SID())
		if err != nil || !(status == 200 && answer == "1" || status == 400) { // it may come too late
			t.Errorf("got %d %q and %v", status, answer, err)
		}
		c.wantClosed(t, ReasonPingTimeout)
	})
}

// Messages are no PONG.
func TestMessagesInsteadOfPongs(t *testing.T) {
	cfg := beating()
	cfg.PingTimeout = 60 * time.Millisecond
	n := start(t, cfg, &fake{})
	c := n.client(t, opensWS)
	c.wantHear("2")
	for c.conn.Reason() == "" {
		_ = c.wire.say("4a")
		select {
		case <-c.messages: // else they would be more than the fake takes
		case why := <-c.closed:
			c.closed <- why
		}
	}
	c.wantClosed(t, ReasonPingTimeout)
}

func TestPollingClientThatNeverFetches(t *testing.T) {
	t.Run("its PING", func(t *testing.T) {
		n := start(t, Config{PingInterval: 20 * time.Millisecond, PingTimeout: 50 * time.Millisecond}, &fake{})
		n.client(t, polls).wantClosed(t, ReasonPingTimeout)
	})
	t.Run("its PING, and says PONG", func(t *testing.T) {
		n := start(t, Config{PingInterval: 20 * time.Millisecond, PingTimeout: 100 * time.Millisecond}, &fake{})
		c := n.client(t, polls)
		for {
			if status, _, err := n.post(c.SID(), "3"); err != nil || status != 200 {
				break
			}
		}
		c.wantClosed(t, ReasonPingTimeout)
	})
	t.Run("its messages", func(t *testing.T) {
		n := start(t, Config{WriteTimeout: 50 * time.Millisecond}, &fake{})
		c := n.client(t, polls)
		c.send("4a")
		c.wantClosed(t, ReasonSlowConsumer)
	})
	t.Run("too many of its messages", func(t *testing.T) {
		n := start(t, Config{MaxQueue: 10_000}, &fake{})
		c := n.client(t, polls)
		for i := 0; c.send("4" + strings.Repeat("x", 1000)); i++ {
			if i > 10 {
				t.Fatal("more is accepted than may wait")
			}
		}
		c.wantClosed(t, ReasonSlowConsumer)
	})
}

func TestEndIn(t *testing.T) {
	n := start(t, Config{PingInterval: time.Second}, &fake{open: func(s *Session) { s.EndIn(30*time.Millisecond, ReasonConnectTimeout) }})
	onWays(t, func(t *testing.T, by way) {
		n.client(t, by).wantClosed(t, ReasonConnectTimeout)
	})
	t.Run("taken back", func(t *testing.T) {
		n := start(t, beating(), &fake{open: func(s *Session) {
			s.EndIn(30*time.Millisecond, ReasonConnectTimeout)
			s.EndIn(0, "")
		}})
		c := n.client(t, opensWS)
		for range 4 {
			c.wantHear("2")
			c.say("3")
		}
	})
}

// gate is a Handler that has to wait at the message "wait" until it is opened.
func gate() (*fake, chan struct{}) {
	open := make(chan struct{})
	return &fake{message: func(_ *Session, m Message) func() {
		if string(m.Data) == "wait" {
			return func() { <-open }
		}
		return nil
	}}, open
}

func numbers(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("4%d", i)
	}
	return all
}

// What comes while something is waited for is handled afterwards, in order.
func TestWaitKeepsOrder(t *testing.T) {
	f, open := gate()
	n := start(t, beating(), f)
	all := numbers(maxWaitingMessages - 1)
	var clients []*client
	for _, by := range ways {
		c := n.client(t, by)
		c.say("4before", "4wait")
		c.say(all...)
		c.say("bAAEC")
		clients = append(clients, c)
	}
	for _, c := range clients {
		c.wantHear("2") // heartbeats go on
		c.say("3")
		c.wantHear("2")
		c.told.want(t, "4before", "4wait")
		if len(c.messages) != 0 {
			t.Errorf("the Handler got %q too early", <-c.messages)
		}
	}
	close(open)
	for _, c := range clients {
		c.told.want(t, all...)
		c.told.want(t, "bAAEC")
		c.say("4after")
		c.told.want(t, "4after")
	}
}

// Every message may have something to wait for.
func TestWaitAtEachMessage(t *testing.T) {
	var waited atomic.Int32
	n := start(t, Config{}, &fake{message: func(_ *Session, m Message) func() {
		data := string(m.Data)
		return func() {
			if got := waited.Add(1) - 1; data != fmt.Sprint(got) {
				t.Errorf("waiting for %q, want %d", data, got)
			}
		}
	}})
	onWays(t, func(t *testing.T, by way) {
		waited.Store(0)
		c := n.client(t, by)
		all := numbers(1000)
		c.say(all...)
		c.told.want(t, all...)
		until(t, "all have been waited for", func() bool { return waited.Load() == 1000 })
	})
}

// Behind 256 messages or 64 KiB the session is not read: a POST is not answered.
func TestFullSessionIsNotRead_Polling(t *testing.T) {
	for name, packets := range map[string][]string{
		"messages": repeated("4x", maxWaitingMessages),
		"bytes":    {"4" + strings.Repeat("x", maxWaitingBytes/2), "4" + strings.Repeat("y", maxWaitingBytes/2)},
	} {
		t.Run(name, func(t *testing.T) {
			f, open := gate()
			cfg := beating()
			cfg.PingTimeout = 500 * time.Millisecond
			n := start(t, cfg, f)
			c := n.client(t, polls)
			c.say("4wait")
			c.say(packets...) // fits, so it is answered
			posted := make(chan answer, 1)
			go func() { // ends when the gate is opened
				status, body, err := n.post(c.SID(), "4one too many")
				posted <- answer{status, body, err}
			}()
			c.wantHear("2") // heartbeats go on, and the PONG that cannot come is not late
			n.pass(t, cfg.PingTimeout+cfg.PingTimeout/4)
			c.wantAlive(t)
			select {
			case a := <-posted:
				t.Errorf("the POST was answered: %d %q", a.status, a.body)
			default:
			}
			c.send("4to the client")
			c.wantHear("4to the client")
			close(open)
			wantAnswer(t, 200, "ok")((<-posted).all())
			c.say("3")
			c.told.want(t, "4wait")
			c.told.want(t, packets...)
			c.told.want(t, "4one too many")
		})
	}
}

// On a WebSocket the client cannot write any more.
func TestFullSessionIsNotRead_WebSocket(t *testing.T) {
	for _, by := range []way{opensWS, upgrades} {
		t.Run(string(by), func(t *testing.T) {
			f, open := gate()
			cfg := beating()
			cfg.PingTimeout = 4 * time.Second // what stands before the PONG is read within it
			n := start(t, cfg, f)
			c := n.client(t, by)
			if err := c.wire.Conn.(*net.TCPConn).SetWriteBuffer(64 << 10); err != nil {
				t.Fatal(err)
			}
			const count = 1000 // of 16 KiB: more than the kernel takes
			packet := "4" + strings.Repeat("x", 16<<10)
			c.say("4wait")
			written := make(chan error, 1)
			go func() { // ends when the gate is opened
				var err error
				for i := 0; i < count && err == nil; i++ {
					err = c.wire.say(packet)
				}
				written <- err
			}()
			c.wantHear("2")
			n.pass(t, cfg.PingTimeout+cfg.PingTimeout/4)
			c.wantAlive(t)
			select {
			case err := <-written:
				t.Errorf("all was written: %v", err)
			default:
			}
			c.send("4to the client")
			c.wantHear("4to the client")
			close(open)
			c.told.want(t, "4wait")
			for range count {
				c.told.want(t, packet)
			}
			if err := <-written; err != nil {
				t.Error(err)
			}
			c.say("3", "4after")
			c.told.want(t, "4after")
		})
	}
}

// A session can end while something is waited for, also when it is full. Close is called when the wait is over, and nothing after it.
func TestEndWhileWaiting(t *testing.T) {
	for name, count := range map[string]int{"nothing behind": 0, "something behind": 10, "full": 2 * maxWaitingMessages} {
		t.Run(name, func(t *testing.T) {
			onWays(t, func(t *testing.T, by way) {
				f, open := gate()
				n := start(t, Config{}, f)
				c := n.client(t, by)
				c.say("4wait")
				c.told.want(t, "4wait")
				said := make(chan struct{})
				go func() { // ends when the session does
					defer close(said)
					if by == polls {
						_, _, _ = n.post(c.SID(), strings.Join(append(repeated("4x", count), "4y"), "\x1e"))
					} else {
						_ = c.wire.say(append(repeated("4x", count), "4y")...)
					}
				}()
				if count <= maxWaitingMessages {
					<-said
				} else {
					until(t, "it is full", func() bool {
						c.mu.Lock()
						defer c.mu.Unlock()
						return c.waiting != nil && c.waiting.full(1)
					})
				}
				c.End(ReasonServer)
				<-said
				until(t, "the session is forgotten", func() bool { return n.Len() == 0 })
				if len(c.closed) != 0 {
					t.Error("Close was called while something was waited for")
				}
				close(open)
				c.wantClosed(t, ReasonServer)
				if len(c.messages) != 0 {
					t.Errorf("the Handler got %q", <-c.messages)
				}
			})
		})
	}
}

// The client can say goodbye while something is waited for.
func TestGoodbyeWhileWaiting(t *testing.T) {
	onWays(t, func(t *testing.T, by way) {
		f, open := gate()
		n := start(t, Config{}, f)
		c := n.client(t, by)
		c.say("4wait", "4behind", "1")
		if by == polls {
			c.wantHear("6")
		} else {
			c.wantClose(1000)
			_ = c.wire.Close()
		}
		until(t, "the session is forgotten", func() bool { return n.Len() == 0 })
		close(open)
		c.wantClosed(t, ReasonClient)
	})
}

// A panic of the Handler ends the session that it was called for, and no other.
func TestPanics(t *testing.T) {
	for name, f := range map[string]*fake{
		"Open":    {open: func(*Session) { panic("a bug") }},
		"Message": {message: func(*Session, Message) func() { panic("a bug") }},
		"wait":    {message: func(*Session, Message) func() { return func() { panic("a bug") } }},
	} {
		t.Run("in "+name, func(t *testing.T) {
			onWays(t, func(t *testing.T, by way) {
				var off atomic.Bool
				f := &fake{open: f.open, message: f.message}
				if open := f.open; open != nil {
					f.open = func(s *Session) {
						if !off.Load() {
							open(s)
						}
					}
				}
				n := start(t, beating(), f)
				off.Store(true)
				other := n.client(t, opensWS)
				off.Store(f.open == nil)
				if f.open != nil {
					wantPanickedOpen(t, n, by, other.told)
				} else {
					c := n.client(t, by)
					_, _, _ = n.post(c.SID(), "4a\x1e4b")
					if by != polls {
						_ = c.wire.say("4a", "4b")
					}
					c.wantClosed(t, ReasonInternal)
				}
				other.wantHear("2")
				other.say("3")
				other.wantAlive(t)
			})
		})
	}
	t.Run("in Close", func(t *testing.T) {
		onWays(t, func(t *testing.T, by way) {
			n := start(t, beating(), &fake{close: func(*Session, CloseReason) { panic("a bug") }})
			other, c := n.client(t, opensWS), n.client(t, by)
			c.End(ReasonServer)
			c.wantClosed(t, ReasonServer)
			other.wantHear("2")
			other.say("3")
			other.wantAlive(t)
		})
	})
}

func wantPanickedOpen(t *testing.T, n *site, by way, other *told) {
	t.Helper()
	if by == opensWS {
		if w, err := n.dial(""); err == nil {
			if p, err := w.hear(); err == nil {
				t.Errorf("the client got %q", p)
			}
			_ = w.Close()
		}
	} else if k, err := n.handshake(); err == nil {
		wantAnswer(t, 400, body(ErrUnknownSID))(n.get(k.SID()))
	}
	n.handler.mu.Lock()
	all := maps.Clone(n.handler.bySID)
	n.handler.mu.Unlock()
	for _, k := range all {
		if k != other {
			k.wantClosed(t, ReasonInternal)
		}
	}
}

// endings are the ways in which a session can end. Those that do not exist for all transports say which.
var endings = []struct {
	want CloseReason
	only []way
	cfg  Config
	end  func(t *testing.T, c *client)
}{
	{want: ReasonServer, end: func(_ *testing.T, c *client) { c.End(ReasonServer) }},
	{want: ReasonServer, end: func(t *testing.T, c *client) {
		c.send("4queued")
		c.Finish(ReasonServer)
		c.wantHear("4queued")
		if c.wire == nil {
			c.wantHear("1")
		} else {
			c.wantClose(1000)
			_ = c.wire.Close()
		}
	}},
	{want: ReasonClient, end: func(t *testing.T, c *client) {
		c.say("1")
		if c.wire == nil {
			c.wantHear("6")
		} else {
			c.wantClose(1000)
			_ = c.wire.Close()
		}
	}},
	{want: ReasonConnectTimeout, end: func(_ *testing.T, c *client) { c.EndIn(time.Millisecond, ReasonConnectTimeout) }, cfg: Config{PingInterval: time.Second}},
	{want: ReasonTransportClose, only: []way{opensWS, upgrades}, end: func(_ *testing.T, c *client) { _ = c.wire.Close() }},
	{want: ReasonParseError, end: func(_ *testing.T, c *client) {
		if c.wire == nil {
			_, _, _ = c.n.post(c.SID(), "x")
			return
		}
		c.say("x")
		_ = c.wire.Close()
	}},
	{want: ReasonTooLarge, cfg: Config{MaxPayload: 100}, end: func(t *testing.T, c *client) {
		big := "4" + strings.Repeat("x", 100)
		if c.wire == nil {
			_, _, _ = c.n.post(c.SID(), big)
			return
		}
		c.say(big)
		c.wantClose(1009)
		_ = c.wire.Close()
	}},
	{want: ReasonPingTimeout, cfg: Config{PingInterval: 10 * time.Millisecond, PingTimeout: 10 * time.Millisecond}, end: func(*testing.T, *client) {}},
	{want: ReasonSlowConsumer, cfg: Config{MaxQueue: 20_000_000}, end: func(t *testing.T, c *client) {
		f := frame.New(frame.Packet{Data: make([]byte, 1<<20)})
		for i := 0; c.Send(frame.One(f)); i++ {
			if i > 1000 {
				t.Fatal("all is accepted")
			}
		}
	}},
	{want: ReasonInternal, end: func(_ *testing.T, c *client) {
		if c.wire == nil {
			_, _, _ = c.n.post(c.SID(), "4panic")
		} else {
			c.say("4panic")
		}
	}},
}

// Close is called once, whatever ends a session and however often, with the first reason. (The fake looks at what comes after it.)
func TestCloseOnce(t *testing.T) {
	for i, e := range endings {
		t.Run(fmt.Sprintf("%d %s", i, e.want), func(t *testing.T) {
			onWays(t, func(t *testing.T, by way) {
				if e.only != nil && by != e.only[0] && by != e.only[1] {
					return // the requests of long-polling have their own tests
				}
				n := start(t, e.cfg, &fake{message: func(_ *Session, m Message) func() {
					if string(m.Data) == "panic" {
						panic("a bug")
					}
					return nil
				}})
				c := n.client(t, by)
				e.end(t, c)
				c.wantClosed(t, e.want)
				c.End(ReasonInternal)
				c.Finish(ReasonInternal)
				c.EndIn(time.Nanosecond, ReasonInternal)
				if c.send("4a") {
					t.Error("an ended session accepts something")
				}
				if c.wire == nil {
					wantAnswer(t, 400, body(ErrUnknownSID))(n.post(c.SID(), "4a"))
				} else {
					_ = c.wire.say("4a")
				}
				if n.Len() != 0 {
					t.Errorf("%d sessions are left", n.Len())
				}
			})
		})
	}
}
