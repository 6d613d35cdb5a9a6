package socketio

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ws-emit/ws-emit/server/engineio"
	"github.com/ws-emit/ws-emit/server/frame"
)

// A socket ends with DISCONNECT, its session does not; the namespace can be connected to again, as another socket.
func TestDisconnectAndConnectAgain(t *testing.T) {
	c := connect(t, Config{Namespaces: []string{"/", "/a"}}, &fake{})
	sids := map[string]bool{c.join("/"): true}
	c.join("/a")
	for range 5 {
		c.say("41")
		c.f.want("disconnect / client")
		sid := c.join("/")
		if sids[sid] {
			t.Errorf("sid %q comes again", sid)
		}
		sids[sid] = true
		c.say(`42["x"]`, `42/a,["y"]`)
		c.f.want("event / -1 x [] []", "event /a -1 y [] []")
	}
	c.say("41", `42/a,["still here"]`, `42["gone"]`)
	c.f.want("disconnect / client", "event /a -1 still here [] []")
	c.wantEnd(1002) // for the packet without a CONNECT
	c.f.want("disconnect /a parse error")
	c.gone()
}

// Each socket is disconnected once, with the reason of the session when that ends.
func TestDisconnectOnce(t *testing.T) {
	for name, e := range map[string]struct {
		want engineio.CloseReason
		end  func(c *peer)
	}{
		"the client closes":   {engineio.ReasonClient, func(c *peer) { c.say("1") }},
		"the client vanishes": {engineio.ReasonTransportClose, func(c *peer) { _ = c.conn.Close() }},
		"the server ends it":  {engineio.ReasonServer, func(c *peer) { c.f.socket("/").Session().End(engineio.ReasonServer) }},
		"the server stops": {engineio.ReasonShutdown, func(c *peer) {
			done, cancel := context.WithCancel(context.Background())
			cancel()
			c.server.Shutdown(done, 0)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, Config{Namespaces: []string{"/", "/a", "/b", "/c"}}, &fake{})
			for _, namespace := range []string{"/", "/a", "/b"} {
				c.join(namespace)
			}
			c.say("41/a,")
			c.f.want("disconnect /a client")
			e.end(c)
			c.f.want("disconnect / "+string(e.want), "disconnect /b "+string(e.want))
			_ = c.conn.Close()
			c.gone()
		})
	}
}

// disconnect disconnects a socket from outside of the session, as a hub does.
func (c *peer) disconnect(s *Socket) {
	s.Outlet().Disconnect(frame.One(c.server.Goodbye(s.Namespace())), s.ID())
}

// The client is told; what it sent before it had heard of it is ignored, and it can connect again, as another socket.
func TestServerDisconnects(t *testing.T) {
	c := connect(t, Config{Namespaces: []string{"/", "/a"}}, &fake{})
	c.join("/")
	sids := map[string]bool{c.join("/a"): true}
	for range 5 {
		old := c.f.socket("/a")
		c.disconnect(old)
		c.f.want("disconnect /a server")
		c.say(`42/a,["too late"]`, `42/a,1["too late"]`, `43/a,1[]`, `451-/a,["bin",{"_placeholder":true,"num":0}]`, "bAQI=", "41/a,", "41/a,", `42["x"]`)
		c.f.want("event / -1 x [] []")
		c.want("41/a,")
		sid := c.join("/a")
		if sids[sid] {
			t.Errorf("sid %q comes again", sid)
		}
		sids[sid] = true
		c.disconnect(old) // of which the client has heard already
		c.want("41/a,")
		c.say(`42/a,["y"]`, `42["x"]`)
		c.f.want("event /a -1 y [] []", "event / -1 x [] []")
	}
	c.say("41/a,", "41/a,") // now it is the client that says one too many
	c.f.want("disconnect /a client")
	c.wantEnd(1002)
	c.f.want("disconnect / parse error")
	c.gone()
}

// What is malformed ends the session also when it is for a socket that is gone.
func TestMalformedAfterServerDisconnects(t *testing.T) {
	c := connect(t, Config{Namespaces: []string{"/", "/a"}}, &fake{})
	c.join("/")
	c.join("/a")
	c.disconnect(c.f.socket("/a"))
	c.want("41/a,")
	c.say("42/a,{}")
	c.f.want("disconnect /a server")
	c.wantEnd(1002)
	c.f.want("disconnect / parse error")
	c.gone()
}

// silent is for sessions that no PING ends.
var silent = engineio.Config{PingInterval: time.Hour}

// Once the last socket is gone, the session has as long as any other one to connect.
func TestConnectTimeoutAfterServerDisconnects(t *testing.T) {
	c := connect(t, Config{Namespaces: []string{"/", "/a"}, ConnectTimeout: 50 * time.Millisecond, Engine: silent}, &fake{})
	c.say("40", "40/a,")
	c.f.want("connect / ", "connect /a ")
	c.disconnect(c.f.socket("/a"))
	c.say("41")
	c.f.want("disconnect /a server", "disconnect / client")
	c.wantConnectTimeout()
}

// wantConnectTimeout waits for the end of a session that nothing else ends.
func (c *peer) wantConnectTimeout() {
	c.t.Helper()
	err := error(nil)
	for err == nil {
		_, err = readFrame(c.rw)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Error("the session does not end")
	}
	c.gone()
}

// A namespace that is connected to again keeps the session.
func TestNoConnectTimeoutWhenConnectedAgain(t *testing.T) {
	c := connect(t, Config{ConnectTimeout: 50 * time.Millisecond, Engine: engineio.Config{PingInterval: 40 * time.Millisecond, PingTimeout: patience}}, &fake{})
	c.say("40")
	c.f.want("connect / ")
	c.disconnect(c.f.socket("/"))
	c.say("40")
	c.f.want("disconnect / server", "connect / ")
	for pings := 0; pings < 4; {
		if c.hear() == "2" {
			c.say("3")
			pings++
		}
	}
}

// A socket that is only connecting does not keep the session when that comes to nothing.
func TestConnectTimeoutWhenTheLastSocketEndsDuringConnect(t *testing.T) {
	c := connect(t, Config{Namespaces: []string{"/", "/a"}, ConnectTimeout: 50 * time.Millisecond, Engine: silent}, &fake{})
	c.join("/")
	c.f.connect = func(*Socket, *frame.Frame) error {
		c.disconnect(c.f.socket("/"))
		return errors.New("no")
	}
	c.say("40/a,")
	c.f.want("connect /a ", "disconnect / server")
	c.wantConnectTimeout()
}

// A socket may be disconnected before Connect has returned: the Handler has handed it on by then.
func TestServerDisconnectsDuringConnect(t *testing.T) {
	f := &fake{}
	c := connect(t, Config{Namespaces: []string{"/", "/a"}, ConnectTimeout: 100 * time.Millisecond, Engine: silent}, f)
	f.connect = func(s *Socket, reply *frame.Frame) error {
		s.Session().Send(frame.One(reply))
		c.disconnect(s)
		return nil
	}
	for range 3 {
		c.say("40", `42["too late"]`)
		c.f.want("connect / ", "disconnect / server")
		if p := c.hear(); !strings.HasPrefix(p, "40{") {
			t.Fatalf("got %q", p)
		}
		c.want("41")
	}
	c.wantConnectTimeout()
}

// End says goodbye for each namespace that is left, and closes the session after what was sent before.
func TestServerEnds(t *testing.T) {
	c := connect(t, Config{Namespaces: []string{"/", "/a", "/b", "/c"}}, &fake{})
	for _, namespace := range []string{"/", "/a", "/b", "/c"} {
		c.join(namespace)
	}
	c.say("41/b,")
	c.f.want("disconnect /b client")
	event, err := EncodeEvent("/a", "last", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := c.f.socket("/")
	s.Outlet().Send(frame.One(event))
	c.disconnect(s)
	s.Outlet().End()
	if s.Outlet().Send(frame.One(event)) {
		t.Error("a frame was taken after the end")
	}
	c.want(`42/a,["last"]`, "41", "41/a,", "41/c,")
	c.f.want("disconnect / server")
	c.wantEnd(1000)
	c.f.want("disconnect /a server", "disconnect /c server")
	c.gone()
}

// A CONNECT to a namespace that is connected replaces its socket, and leaves the others alone.
func TestConnectReplaces(t *testing.T) {
	c := connect(t, Config{Namespaces: []string{"/", "/a"}}, &fake{})
	c.join("/a")
	sids := map[string]bool{c.join("/"): true}
	for range 3 {
		old := c.f.socket("/")
		c.say("40")
		c.f.want("disconnect / client", "connect / ")
		s := c.f.socket("/")
		c.want(`40{"sid":"` + s.ID() + `"}`)
		if sids[s.ID()] {
			t.Errorf("sid %q comes again", s.ID())
		}
		sids[s.ID()] = true
		c.disconnect(old) // for which it is too late
		c.want("41")
		c.say(`421["x"]`, `42/a,2["y"]`)
		c.want("431[]", "43/a,2[]")
		c.f.want("event / 1 x [] []", "event /a 2 y [] []")
	}
	c.f.connect = func(*Socket, *frame.Frame) error { return errors.New("no") }
	c.say("40") // the old one has ended nevertheless
	c.want(`44{"message":"no"}`)
	c.f.want("disconnect / client", "connect / ")
	c.say("41")
	c.wantEnd(1002)
	c.f.want("disconnect /a parse error")
	c.gone()
}

// The server disconnects a socket while its client leaves and comes back: the client takes the DISCONNECT for the end of its second attempt, and does not
// hear of the socket that it got. When it tries again it gets another one.
func TestServerDisconnectsWhileClientConnectsAgain(t *testing.T) {
	c := connect(t, Config{Namespaces: []string{"/", "/a"}}, &fake{})
	c.join("/a")
	c.join("/")
	c.disconnect(c.f.socket("/"))
	c.say("41", "40")
	c.want("41")
	c.f.want("disconnect / server", "connect / ")
	unheard := c.f.socket("/").ID()
	c.want(`40{"sid":"` + unheard + `"}`)
	c.say("40")
	c.f.want("disconnect / client", "connect / ")
	c.want(`40{"sid":"` + c.f.socket("/").ID() + `"}`)
	c.say(`42["x"]`, `42/a,["y"]`)
	c.f.want("event / -1 x [] []", "event /a -1 y [] []")
}

// Both sides disconnect, and the client connects again all the time: the Handler is told once of each end, and the session goes on.
func TestBothSidesDisconnect(t *testing.T) {
	const times = 300
	sockets := make(chan *Socket, times+1)
	f := &fake{connect: func(s *Socket, reply *frame.Frame) error {
		sockets <- s
		s.Session().Send(frame.One(reply))
		return nil
	}}
	c := connect(t, Config{}, f)
	var server sync.WaitGroup
	server.Go(func() {
		for range times {
			c.disconnect(<-sockets)
		}
	})
	for range times {
		c.say("40", "41")
		for !strings.HasPrefix(c.hear(), "40{") { // DISCONNECT of the one before
		}
	}
	server.Wait()
	for connects, ends := 0, 0; ends < times; {
		select {
		case line := <-f.lines:
			if strings.HasPrefix(line, "connect ") {
				connects++
			} else {
				ends++
			}
			if ends > connects {
				t.Fatal("more sockets have ended than there were")
			}
		case <-time.After(patience):
			t.Fatalf("%d of %d sockets have ended", ends, times)
		}
	}
	c.say("40", `42["x"]`)
	c.f.want("connect / ", "event / -1 x [] []")
}
