package sioclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// transports are the ways to connect that stock clients know.
var transports = map[string][]Transport{
	"polling":   {TransportPolling},
	"websocket": {TransportWebSocket},
	"upgrade":   {TransportPolling, TransportWebSocket},
}

// onEachTransport runs a test once for each way to connect.
func onEachTransport(t *testing.T, test func(t *testing.T, transports []Transport)) {
	for name, list := range transports {
		t.Run(name, func(t *testing.T) { test(t, list) })
	}
}

func TestDial(t *testing.T) {
	onEachTransport(t, func(t *testing.T, transports []Transport) {
		p := newPeer(t)
		connects := make(chan string, 1)
		p.onMessage = func(s *peerSession, m Message) {
			if strings.HasPrefix(string(m.Data), "40") {
				connects <- string(m.Data)
			}
			echo(s, m)
		}
		c := dial(t, p, Config{
			Transports: transports, Namespace: "/admin", Auth: map[string]string{"token": "123"}, Header: http.Header{"X-Test": {"yes"}},
		})
		if want := transports[len(transports)-1]; c.Transport() != want {
			t.Errorf("transport %q, want %q", c.Transport(), want)
		}
		if got := <-connects; got != `40/admin,{"token":"123"}` {
			t.Errorf("CONNECT was %q", got)
		}
		if c.SID() != "public" || c.EngineSID() != p.only().sid {
			t.Errorf("sid %q, engine sid %q", c.SID(), c.EngineSID())
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, r := range p.requests {
			if r.Header.Get("X-Test") != "yes" {
				t.Errorf("%s %s without the header", r.Method, r.URL)
			}
		}
		if c.Err() != nil {
			t.Errorf("alive with error %v", c.Err())
		}
	})
}

func TestDialErrors(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no scheme":         {URL: "localhost:80"},
		"scheme":            {URL: "ftp://localhost"},
		"unparsable":        {URL: "http://[::1"},
		"namespace":         {URL: "http://localhost", Namespace: "admin"},
		"comma":             {URL: "http://localhost", Namespace: "/a,b"},
		"unknown transport": {URL: "http://localhost", Transports: []Transport{"webtransport"}},
	} {
		if c, err := Dial(within(t), cfg); err == nil || c != nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDialRefused(t *testing.T) {
	onEachTransport(t, func(t *testing.T, transports []Transport) {
		p := newPeer(t)
		p.onMessage = func(s *peerSession, m Message) { s.sendText(`44{"message":"Invalid namespace"}`) }
		_, err := Dial(within(t), Config{URL: p.url, Transports: transports})
		var refused *ConnectError
		if !errors.As(err, &refused) || refused.Message != "Invalid namespace" || string(refused.Payload) != `{"message":"Invalid namespace"}` {
			t.Errorf("error %v", err)
		}

		p = newPeer(t)
		p.refuse = func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"code":4,"message":"Forbidden"}`)
		}
		_, err = Dial(within(t), Config{URL: p.url, Transports: transports})
		var status *StatusError
		if !errors.As(err, &status) || status.Status != http.StatusForbidden || status.Body != `{"code":4,"message":"Forbidden"}` {
			t.Errorf("error %v", err)
		}
	})
}

func TestDialEndsWithContext(t *testing.T) {
	onEachTransport(t, func(t *testing.T, transports []Transport) {
		p := newPeer(t)
		ctx, cancel := context.WithCancel(within(t))
		p.onMessage = func(*peerSession, Message) { cancel() } // instead of an answer to CONNECT
		if _, err := Dial(ctx, Config{URL: p.url, Transports: transports}); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

func TestEventsBothWays(t *testing.T) {
	onEachTransport(t, func(t *testing.T, transports []Transport) {
		for _, namespace := range []string{"/", "/admin"} {
			c := dial(t, newPeer(t), Config{Transports: transports, Namespace: namespace})
			for _, tt := range []struct {
				name string
				args []any
				want Args
			}{
				{"a", nil, Args{}},
				{"é \"<&>", []any{1, "two", map[string]any{"3": []bool{true}}, json.RawMessage(`[ ]`)}, Args{Raw: []byte(`1,"two",{"3":[true]},[]`)}},
				{"b", []any{[]byte{1, 2}, "x", []byte{}}, Args{
					Raw: []byte(`{"_placeholder":true,"num":0},"x",{"_placeholder":true,"num":1}`), Attachments: [][]byte{{1, 2}, {}},
				}},
				{"large", []any{strings.Repeat("x", 10_000)}, Args{Raw: []byte(`"` + strings.Repeat("x", 10_000) + `"`)}},
			} {
				if err := c.Emit(tt.name, tt.args...); err != nil {
					t.Fatal(err)
				}
				e, err := c.Next(within(t))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(Event{Name: tt.name, Args: tt.want}, e, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("event %q (-want +got):\n%s", tt.name, diff)
				}
			}
			if err := c.Emit("a", make(chan int)); err == nil {
				t.Error("a channel was encoded")
			}
		}
	})
}

func TestAcks(t *testing.T) {
	onEachTransport(t, func(t *testing.T, transports []Transport) {
		p := newPeer(t)
		p.onMessage = func(s *peerSession, m Message) {
			switch string(m.Data) {
			case "40":
				echo(s, m)
			case `420["a",1]`:
				s.send(Message{Data: []byte(`430[1,"x"]`)})
			case `421["b"]`:
				s.send(Message{Data: []byte(`461-1[{"_placeholder":true,"num":0}]`)}, Message{Binary: true, Data: []byte{7}})
			case `422["join",{"room":"r::a","secret":"s"}]`:
				s.sendText(`432[{"ok":true,"room":"r::a"}]`)
			case `423["join",{"room":"r::a"}]`:
				s.sendText(`433[{"ok":false,"room":"r::a","error":"denied"}]`)
			case `424["leave",{"room":"r::a"}]`:
				s.sendText(`4399[]`) // nobody asked
				s.sendText(`43[]`)
				s.sendText(`434[{"ok":true,"room":"r::a"}]`)
			}
		}
		c := dial(t, p, Config{Transports: transports})
		args, err := c.EmitAck(within(t), "a", 1)
		if err != nil || string(args.JSON()) != `[1,"x"]` {
			t.Errorf("ack %q, error %v", args.JSON(), err)
		}
		args, err = c.EmitAck(within(t), "b")
		if diff := cmp.Diff(Args{Raw: []byte(`{"_placeholder":true,"num":0}`), Attachments: [][]byte{{7}}}, args); err != nil || diff != "" {
			t.Errorf("error %v, ack (-want +got):\n%s", err, diff)
		}
		checkReply := func(want JoinReply) func(JoinReply, error) {
			return func(got JoinReply, err error) {
				t.Helper()
				if err != nil || got != want {
					t.Errorf("reply %+v, error %v, want %+v", got, err, want)
				}
			}
		}
		checkReply(JoinReply{OK: true, Room: "r::a"})(c.Join(within(t), "r::a", "s"))
		checkReply(JoinReply{Room: "r::a", Error: "denied"})(c.Join(within(t), "r::a", ""))
		checkReply(JoinReply{OK: true, Room: "r::a"})(c.Leave(within(t), "r::a"))
	})
}

func TestEmitAckEnds(t *testing.T) {
	onEachTransport(t, func(t *testing.T, transports []Transport) {
		p := newPeer(t)
		asked := make(chan *peerSession, 1)
		p.onMessage = func(s *peerSession, m Message) {
			if string(m.Data) == "40" {
				echo(s, m)
			} else {
				asked <- s
			}
		}
		c := dial(t, p, Config{Transports: transports})
		ctx, cancel := context.WithCancel(within(t))
		go func() {
			<-asked
			cancel()
		}()
		if _, err := c.EmitAck(ctx, "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		go func() { (<-asked).sendText("41") }()
		if _, err := c.EmitAck(within(t), "a"); !errors.Is(err, ErrDisconnected) {
			t.Errorf("disconnected: %v", err)
		}
		if len(c.acks) != 0 {
			t.Errorf("%d acks are still awaited", len(c.acks))
		}
		if err := c.Emit("a"); !errors.Is(err, ErrDisconnected) {
			t.Errorf("emit after the end: %v", err)
		}
	})
}

// Events come in order, none lost and none twice, also through an upgrade, in both directions.
func TestOrder(t *testing.T) {
	const count = 1000
	p := newPeer(t)
	c := dial(t, p, Config{Transports: []Transport{TransportPolling}})
	var sender sync.WaitGroup
	begun := make(chan struct{})
	sender.Go(func() {
		for i := range count {
			if i == count/10 {
				close(begun)
			}
			if err := c.Emit("n", i); err != nil {
				t.Error(err)
				return
			}
		}
	})
	<-begun
	if err := c.Upgrade(within(t)); err != nil {
		t.Fatal(err)
	}
	for want := range count {
		e, err := c.Next(within(t))
		if err != nil {
			t.Fatal(err)
		}
		var got int
		if err := e.Decode(&got); err != nil || got != want {
			t.Fatalf("event %d, error %v, want %d", got, err, want)
		}
	}
	sender.Wait()
	if c.Transport() != TransportWebSocket {
		t.Errorf("transport %q", c.Transport())
	}
	if err := c.Upgrade(within(t)); err == nil {
		t.Error("upgraded twice")
	}
}

func TestProbeThenUpgrade(t *testing.T) {
	p := newPeer(t)
	c := dial(t, p, Config{Transports: []Transport{TransportPolling}})
	if err := c.Probe(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := c.Probe(within(t)); err == nil {
		t.Error("probed twice")
	}
	if c.Transport() != TransportPolling {
		t.Errorf("transport %q before the upgrade", c.Transport())
	}
	checkEcho(t, c)
	if err := c.Upgrade(within(t)); err != nil {
		t.Fatal(err)
	}
	if c.Transport() != TransportWebSocket {
		t.Errorf("transport %q after the upgrade", c.Transport())
	}
	checkEcho(t, c)
}

func checkEcho(t *testing.T, c *Client) {
	t.Helper()
	if err := c.Emit("echo"); err != nil {
		t.Fatal(err)
	}
	if e, err := c.Next(within(t)); err != nil || e.Name != "echo" {
		t.Fatalf("event %q, error %v", e.Name, err)
	}
}

// A failed upgrade leaves a client on polling.
func TestUpgradeRefused(t *testing.T) {
	p := newPeer(t)
	c := dial(t, p, Config{Transports: []Transport{TransportPolling}})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.Upgrade(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	checkEcho(t, c)

	p2 := newPeer(t)
	p2.refuse = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("transport") == "websocket" {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		p2.serve(w, r)
	}
	c = dial(t, p2, Config{})
	if c.Transport() != TransportPolling {
		t.Errorf("transport %q", c.Transport())
	}
	var status *StatusError
	if err := c.Upgrade(within(t)); !errors.As(err, &status) || status.Status != http.StatusBadRequest {
		t.Errorf("refused: %v", err)
	}
	checkEcho(t, c)
}

func TestAbortWithProbe(t *testing.T) {
	c := dial(t, newPeer(t), Config{Transports: []Transport{TransportPolling}})
	if err := c.Probe(within(t)); err != nil {
		t.Fatal(err)
	}
	c.Abort()
	if err := c.Upgrade(within(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("upgrade after Abort: %v", err)
	}
}

func TestPong(t *testing.T) {
	onEachTransport(t, func(t *testing.T, transports []Transport) {
		p := newPeer(t)
		pongs := make(chan string, 2)
		p.onMessage = func(s *peerSession, m Message) {
			if m.Data[0] == enginePong {
				pongs <- string(m.Data)
			}
			echo(s, m)
		}
		dial(t, p, Config{Transports: transports})
		p.only().sendText("2")
		if got := <-pongs; got != "3" {
			t.Errorf("%q", got)
		}
		p.only().sendText("2x")
		if got := <-pongs; got != "3x" {
			t.Errorf("%q", got)
		}
	})
}

func TestWhyItEnds(t *testing.T) {
	onEachTransport(t, func(t *testing.T, transports []Transport) {
		for name, tt := range map[string]struct {
			send []Message
			want error
		}{
			"disconnect":           {[]Message{text("41")}, ErrDisconnected},
			"close":                {[]Message{text("1")}, ErrEngineClosed},
			"unknown packet":       {[]Message{text("9")}, ErrProtocol},
			"second open":          {[]Message{text("0{}")}, ErrProtocol},
			"unknown type":         {[]Message{text("49")}, ErrProtocol},
			"bad JSON":             {[]Message{text(`42["a"`)}, ErrProtocol},
			"not UTF-8":            {[]Message{text("42[\"\xff\"]")}, ErrProtocol},
			"event without a name": {[]Message{text(`42[1]`)}, ErrProtocol},
			"binary out of place":  {[]Message{{Binary: true, Data: []byte{1}}}, ErrProtocol},
			"text out of place":    {[]Message{text(`451-["a"]`), text(`42["a"]`)}, ErrProtocol},
			"too large":            {[]Message{text(`42["a","` + strings.Repeat("x", 5000) + `"]`)}, ErrTooLarge},
			"attachments too large": {
				[]Message{text(`452-["a"]`), {Binary: true, Data: make([]byte, 2500)}, {Binary: true, Data: make([]byte, 2500)}}, ErrTooLarge,
			},
		} {
			t.Run(name, func(t *testing.T) {
				p := newPeer(t)
				c := dial(t, p, Config{Transports: transports, MaxMessage: 4000})
				p.only().send(tt.send...)
				if _, err := c.Next(within(t)); !errors.Is(err, tt.want) {
					t.Errorf("next: %v, want %v", err, tt.want)
				}
				if err := waitDone(t, c); !errors.Is(err, tt.want) {
					t.Errorf("ended with %v, want %v", err, tt.want)
				}
			})
		}
	})
}

func text(s string) Message { return Message{Data: []byte(s)} }

func TestOtherNamespacesAreIgnored(t *testing.T) {
	p := newPeer(t)
	c := dial(t, p, Config{Transports: transports["websocket"]})
	p.only().send(text(`42/admin,["a"]`), text("41/admin,"), text(`42["b"]`))
	if e, err := c.Next(within(t)); err != nil || e.Name != "b" {
		t.Errorf("event %q, error %v", e.Name, err)
	}
}

func TestPingTimeout(t *testing.T) {
	onEachTransport(t, func(t *testing.T, transports []Transport) {
		p := newPeer(t)
		p.pingWait = 100
		c, err := Dial(within(t), Config{URL: p.url, Transports: transports})
		if err == nil { // on a slow machine it may end before
			t.Cleanup(c.Close)
			err = waitDone(t, c)
		}
		if !errors.Is(err, ErrPingTimeout) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestPollRefused(t *testing.T) {
	p := newPeer(t)
	c := dial(t, p, Config{Transports: transports["polling"]})
	p.only().close()
	var status *StatusError
	if err := waitDone(t, c); !errors.As(err, &status) || status.Status != http.StatusBadRequest {
		t.Errorf("ended with %v", err)
	}
}

func TestCloseSaysGoodbye(t *testing.T) {
	onEachTransport(t, func(t *testing.T, transports []Transport) {
		p := newPeer(t)
		goodbye := make(chan string, 2)
		p.onMessage = func(s *peerSession, m Message) {
			if m.Data[0] == engineClose || string(m.Data) == "41" {
				goodbye <- string(m.Data)
				return
			}
			echo(s, m)
		}
		c := dial(t, p, Config{Transports: transports})
		c.Close()
		if err := c.Err(); !errors.Is(err, ErrClosed) {
			t.Errorf("ended with %v", err)
		}
		if got := <-goodbye; got != "41" {
			t.Errorf("said %q", got)
		}
		if c.Transport() == TransportPolling {
			if got := <-goodbye; got != "1" {
				t.Errorf("said %q", got)
			}
		}
		c.Close()
		c.Abort()
		if _, err := c.Next(within(t)); !errors.Is(err, ErrClosed) {
			t.Errorf("next: %v", err)
		}
	})
}

func TestAbort(t *testing.T) {
	onEachTransport(t, func(t *testing.T, transports []Transport) {
		c := dial(t, newPeer(t), Config{Transports: transports})
		waiting := make(chan error)
		go func() {
			_, err := c.Next(context.Background())
			waiting <- err
		}()
		c.Abort()
		if err := <-waiting; !errors.Is(err, ErrClosed) {
			t.Errorf("next: %v", err)
		}
	})
}

func TestOnEvent(t *testing.T) {
	onEachTransport(t, func(t *testing.T, transports []Transport) {
		const count = 100
		var got []Event
		all := make(chan struct{})
		p := newPeer(t)
		dial(t, p, Config{Transports: transports, OnEvent: func(e Event) {
			if got = append(got, e.Clone()); len(got) == count {
				close(all)
			}
		}})
		for i := range count {
			p.only().sendText(fmt.Sprintf(`42["n",%d]`, i))
		}
		<-all
		for i, e := range got {
			if e.Name != "n" || string(e.Raw) != fmt.Sprint(i) {
				t.Fatalf("event %d is %q %q", i, e.Name, e.Raw)
			}
		}
	})
}

// A client whose events nobody takes stops reading, keeps what it has, and still can be closed.
func TestQueueIsBounded(t *testing.T) {
	p := newPeer(t)
	c := dial(t, p, Config{Transports: transports["websocket"], QueueBytes: 1000})
	s := p.only()
	const count = 100
	for i := range count {
		s.sendText(fmt.Sprintf(`42["n",%d]`, i))
	}
	e, err := c.Next(within(t))
	for want := 0; want < count/2; want++ {
		c.mu.Lock()
		queued := c.queued
		c.mu.Unlock()
		if err != nil || string(e.Raw) != fmt.Sprint(want) || queued > 1000 {
			t.Fatalf("event %q, error %v, want %d; %d bytes are queued", e.Raw, err, want, queued)
		}
		e, err = c.Next(within(t))
	}
	c.Close()
}

func TestWebSocketClose(t *testing.T) {
	for name, tt := range map[string]struct {
		body   []byte
		code   int
		reason string
	}{
		"with a reason": {ws.NewCloseFrameBody(1001, "slow consumer"), 1001, "slow consumer"},
		"without":       {nil, 1005, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t)
			c := dial(t, p, Config{Transports: transports["websocket"]})
			p.only().writeRaw(ws.MustCompileFrame(ws.NewCloseFrame(tt.body)))
			var closed *CloseError
			if err := waitDone(t, c); !errors.As(err, &closed) || closed.Code != tt.code || closed.Reason != tt.reason {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

func TestHTTPClientIsNotClosed(t *testing.T) {
	p := newPeer(t)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	for range 2 {
		c := dial(t, p, Config{Transports: transports["polling"], HTTPClient: &http.Client{Transport: transport}})
		checkEcho(t, c)
		c.Close()
	}
}

func TestArgsDecode(t *testing.T) {
	a := Args{Raw: []byte(`1,"x",{"a":[2]}`)}
	var n int
	var s string
	var m map[string][]int
	if err := a.Decode(&n, &s, &m); err != nil || n != 1 || s != "x" || m["a"][0] != 2 {
		t.Errorf("%v %v %v, error %v", n, s, m, err)
	}
	if err := a.Decode(&n); err != nil {
		t.Errorf("fewer pointers: %v", err)
	}
	if err := a.Decode(&n, &s, &m, &n); err == nil {
		t.Error("more pointers: no error")
	}
	if err := a.Decode(&s); err == nil {
		t.Error("wrong type: no error")
	}
	if err := (Args{}).Decode(); err != nil || string(Args{}.JSON()) != "[]" {
		t.Errorf("no arguments: %q, error %v", Args{}.JSON(), err)
	}
}
