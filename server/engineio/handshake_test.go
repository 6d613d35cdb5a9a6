package engineio

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestRefusals(t *testing.T) {
	n := start(t, Config{}, &fake{})
	sid := n.client(t, polls).SID()
	upgraded := n.client(t, upgrades).SID()
	gone := n.client(t, polls)
	gone.End(ReasonServer)
	gone.wantClosed(t, ReasonServer)
	for _, c := range []struct {
		name, method, query string
		want                *Error
	}{
		{"no transport", "GET", "EIO=4", ErrUnknownTransport},
		{"nothing at all", "GET", "", ErrUnknownTransport},
		{"unknown transport", "GET", "EIO=4&transport=webtransport", ErrUnknownTransport},
		{"transport in capitals", "GET", "EIO=4&transport=Polling", ErrUnknownTransport},
		{"unknown transport of a session", "GET", "EIO=4&transport=x&sid=" + sid, ErrUnknownTransport},
		{"unknown session", "GET", "EIO=4&transport=polling&sid=x", ErrUnknownSID},
		{"unknown session, POST", "POST", "EIO=4&transport=polling&sid=x", ErrUnknownSID},
		{"unknown session, WebSocket", "GET", "EIO=4&transport=websocket&sid=x", ErrUnknownSID},
		{"ended session", "GET", "EIO=4&transport=polling&sid=" + gone.SID(), ErrUnknownSID},
		{"ended session, POST", "POST", "EIO=4&transport=polling&sid=" + gone.SID(), ErrUnknownSID},
		{"handshake by POST", "POST", "EIO=4&transport=polling", ErrBadMethod},
		{"handshake by PUT", "PUT", "EIO=4&transport=polling", ErrBadMethod},
		{"handshake by DELETE", "DELETE", "EIO=4&transport=polling", ErrBadMethod},
		{"handshake by OPTIONS", "OPTIONS", "EIO=4&transport=polling", ErrBadMethod},
		{"handshake by POST, WebSocket", "POST", "EIO=4&transport=websocket", ErrBadMethod},
		{"PUT to a session", "PUT", "EIO=4&transport=polling&sid=" + sid, ErrBadMethod},
		{"DELETE of a session", "DELETE", "EIO=4&transport=polling&sid=" + sid, ErrBadMethod},
		{"WebSocket without a handshake", "GET", "EIO=4&transport=websocket", ErrBadRequest},
		{"WebSocket of a session without a handshake", "GET", "EIO=4&transport=websocket&sid=" + sid, ErrBadRequest},
		{"GET after an upgrade", "GET", "EIO=4&transport=polling&sid=" + upgraded, ErrBadRequest},
		{"POST after an upgrade", "POST", "EIO=4&transport=polling&sid=" + upgraded, ErrBadRequest},
		{"no version", "GET", "transport=polling", ErrVersion},
		{"version 3", "GET", "EIO=3&transport=polling", ErrVersion},
		{"version 3, WebSocket", "GET", "EIO=3&transport=websocket", ErrVersion},
		{"version 5", "GET", "EIO=5&transport=polling", ErrVersion},
		{"version 44", "GET", "EIO=44&transport=polling", ErrVersion},
		{"version 3 of a session", "GET", "EIO=3&transport=polling&sid=" + sid, ErrVersion},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantAnswer(t, c.want.Status, body(c.want))(n.try(c.method, n.http.URL+"/?"+c.query, ""))
		})
	}
	for _, sid := range []string{sid, upgraded} {
		n.handler.of(sid).wantAlive(t)
	}
}

func body(e *Error) string {
	_, b := refusal(e)
	return b
}

// The codes and the texts are those of the reference server.
func TestErrorsOnTheWire(t *testing.T) {
	for want, e := range map[string]*Error{
		`{"code":0,"message":"Transport unknown"}`:            ErrUnknownTransport,
		`{"code":1,"message":"Session ID unknown"}`:           ErrUnknownSID,
		`{"code":2,"message":"Bad handshake method"}`:         ErrBadMethod,
		`{"code":3,"message":"Bad request"}`:                  ErrBadRequest,
		`{"code":4,"message":"Forbidden"}`:                    ErrForbidden,
		`{"code":5,"message":"Unsupported protocol version"}`: ErrVersion,
	} {
		if got := body(e); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	n := start(t, Config{}, &fake{})
	resp, err := n.http.Client().Get(n.http.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if got := resp.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
}

func TestDisabledTransports(t *testing.T) {
	t.Run("only polling", func(t *testing.T) {
		n := start(t, Config{Transports: []Transport{Polling}}, &fake{})
		_, answer, err := n.get("")
		if err != nil || !strings.Contains(answer, `"upgrades":[]`) {
			t.Errorf("got %q and %v", answer, err)
		}
		o, err := readOpening(answer)
		if err != nil {
			t.Fatal(err)
		}
		wantAnswer(t, 400, body(ErrUnknownTransport))(n.try("GET", n.url(WebSocket, ""), ""))
		if _, err := n.dial(""); err == nil {
			t.Error("a WebSocket was accepted")
		}
		if _, err := n.dial(o.SID); err == nil {
			t.Error("an upgrade was accepted")
		}
		n.handler.of(o.SID).wantAlive(t)
	})
	t.Run("only WebSocket", func(t *testing.T) {
		n := start(t, Config{Transports: []Transport{WebSocket}}, &fake{})
		wantAnswer(t, 400, body(ErrUnknownTransport))(n.get(""))
		c := n.client(t, opensWS)
		c.say("4a")
		c.told.want(t, "4a")
	})
}

func TestOpenPacket(t *testing.T) {
	cfg := Config{PingInterval: 12_345 * time.Millisecond, PingTimeout: 6_789 * time.Millisecond, MaxPayload: 54_321}
	n := start(t, cfg, &fake{})
	sids := map[string]bool{}
	check := func(packet string, upgrades ...string) {
		t.Helper()
		o, err := readOpening(packet)
		if err != nil {
			t.Fatal(err)
		}
		if o.PingInterval != 12_345 || o.PingTimeout != 6_789 || o.MaxPayload != 54_321 {
			t.Errorf("got %+v", o)
		}
		if strings.Join(o.Upgrades, " ") != strings.Join(upgrades, " ") || o.Upgrades == nil {
			t.Errorf("upgrades %q, want %q", o.Upgrades, upgrades)
		}
		if len(o.SID) != 22 || sids[o.SID] {
			t.Errorf("sid %q", o.SID)
		}
		sids[o.SID] = true
	}
	for range 3 {
		_, packet, err := n.get("")
		if err != nil {
			t.Fatal(err)
		}
		check(packet, "websocket")
		w, err := n.dial("")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = w.Close() }()
		if packet, err = w.hear(); err != nil {
			t.Fatal(err)
		}
		check(packet)
	}
}

func TestAnswerHeaders(t *testing.T) {
	n := start(t, Config{}, &fake{})
	resp, err := n.http.Client().Get(n.url(Polling, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"Content-Type": "text/plain; charset=UTF-8", "Cache-Control": "no-store"} {
		if got := resp.Header.Get(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if resp.ContentLength < 0 {
		t.Error("there is no Content-Length")
	}
}

// The client can do nothing before Open has returned: it does not get the OPEN packet.
func TestOpenComesFirst(t *testing.T) {
	for _, transport := range []Transport{Polling, WebSocket} {
		t.Run(string(transport), func(t *testing.T) {
			opening, release := make(chan struct{}), make(chan struct{})
			n := start(t, Config{}, &fake{open: func(*Session) {
				close(opening)
				<-release
			}})
			answered := make(chan error, 1)
			var wg sync.WaitGroup
			wg.Go(func() { answered <- hearOpen(n, transport) })
			<-opening
			if n.Len() != 1 {
				t.Errorf("%d sessions", n.Len())
			}
			select {
			case err := <-answered:
				t.Errorf("the client got OPEN before Open had returned (%v)", err)
			default:
			}
			close(release)
			if err := <-answered; err != nil {
				t.Error(err)
			}
			wg.Wait()
		})
	}
}

func hearOpen(n *site, transport Transport) error {
	if transport == Polling {
		_, err := n.handshake()
		return err
	}
	w, err := n.dial("")
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }()
	packet, err := w.hear()
	if err == nil {
		_, err = readOpening(packet)
	}
	return err
}

func TestAddr(t *testing.T) {
	given := netip.MustParseAddr("192.0.2.7")
	for name, c := range map[string]struct {
		of   func(*http.Request) netip.Addr
		want netip.Addr
	}{
		"of the peer": {nil, netip.MustParseAddr("127.0.0.1")},
		"as told":     {func(*http.Request) netip.Addr { return given }, given},
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, Config{ClientAddr: c.of}, &fake{})
			onWays(t, func(t *testing.T, by way) {
				if got := n.client(t, by).Addr(); got != c.want {
					t.Errorf("got %v, want %v", got, c.want)
				}
			})
		})
	}
}

func TestConfigErrors(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no handler":        {},
		"negative interval": {Handler: &fake{}, PingInterval: -1},
		"negative timeout":  {Handler: &fake{}, PingTimeout: -1},
		"negative payload":  {Handler: &fake{}, MaxPayload: -1},
		"negative queue":    {Handler: &fake{}, MaxQueue: -1},
		"unknown transport": {Handler: &fake{}, Transports: []Transport{"webtransport"}},
		"backlog too small": {Handler: &fake{}, MaxQueue: 2000, MaxBacklog: 1000},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A WebSocket handshake that is none is refused, and leaves nothing.
func TestBadWebSocketHandshake(t *testing.T) {
	n := start(t, Config{}, &fake{})
	c := n.client(t, polls)
	sid := c.SID()
	for _, url := range []string{n.url(WebSocket, ""), n.url(WebSocket, sid)} {
		for name, header := range map[string]http.Header{
			"no key":      {"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}},
			"old version": {"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"8"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}},
		} {
			req, err := http.NewRequest("GET", url, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header = header
			resp, err := n.http.Client().Do(req)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode/100 != 4 {
				t.Errorf("%s: status %d", name, resp.StatusCode)
			}
		}
	}
	if n.Len() != 1 {
		t.Errorf("%d sessions", n.Len())
	}
	c.upgradesAgain() // and the upgrade can be tried again
}
