package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws/wsutil"
)

// TestEngineIO holds the Engine.IO protocol, revision 4, over what the two
// paths of the conformance server have in common.
func TestEngineIO(t *testing.T) {
	engine, socket := startConformance(t)
	for _, e := range []endpoint{engine, socket} {
		t.Run(strings.Trim(e.path, "/"), func(t *testing.T) {
			for name, test := range map[string]func(*testing.T, endpoint){
				"handshake by polling":                   testOpenPolling,
				"handshake by WebSocket":                 testOpenWebSocket,
				"refused handshakes":                     testRefusedHandshakes,
				"unknown session":                        testUnknownSession,
				"ping and pong by polling":               testHeartbeatPolling,
				"ping and pong by WebSocket":             testHeartbeatWebSocket,
				"ping timeout by polling":                testPingTimeoutPolling,
				"ping timeout by polling without a GET":  testPingTimeoutSilent,
				"ping timeout by WebSocket":              testPingTimeoutWebSocket,
				"close by polling":                       testClosePolling,
				"close by WebSocket":                     testCloseWebSocket,
				"two GETs at once":                       testTwoGETs,
				"a GET that is cancelled":                testCancelledGET,
				"bad packet by polling":                  testBadPacketPolling,
				"bad packet by WebSocket":                testBadPacketWebSocket,
				"payload over the limit by polling":      testTooLargePolling,
				"payload over the limit by WebSocket":    testTooLargeWebSocket,
				"upgrade, then polling is refused":       testUpgradeRefusesPolling,
				"upgrade, then a WebSocket is refused":   testUpgradeRefusesWebSocket,
				"upgrade that is given up":               testUpgradeGivenUp,
				"upgrade of a session that has a socket": testUpgradeTwice,
			} {
				t.Run(name, func(t *testing.T) { test(t, e) })
			}
		})
	}
}

// "Handshake"
func testOpenPolling(t *testing.T, e endpoint) {
	r := e.do(t, http.MethodGet, pollingQuery, "")
	r.expectStatus(t, http.StatusOK)
	expectHandshake(t, readOpen(t, r.body), "websocket")
}

func testOpenWebSocket(t *testing.T, e endpoint) {
	_, h := e.openWebSocket(t)
	expectHandshake(t, h)
}

func expectHandshake(t *testing.T, h handshake, upgrades ...string) {
	t.Helper()
	if !slices.Equal(h.Upgrades, upgrades) {
		t.Errorf("upgrades %q, want %q", h.Upgrades, upgrades)
	}
	if h.PingInterval != int(pingInterval.Milliseconds()) || h.PingTimeout != int(pingTimeout.Milliseconds()) || h.MaxPayload != maxPayload {
		t.Errorf("ping after %d ms, timeout %d ms, payload %d bytes; want %v, %v, %d",
			h.PingInterval, h.PingTimeout, h.MaxPayload, pingInterval, pingTimeout, maxPayload)
	}
}

// "Transports": a mandatory parameter that is missing or wrong is refused, and
// so is a session that begins with anything but GET.
func testRefusedHandshakes(t *testing.T, e endpoint) {
	const (
		transportUnknown = 0
		badMethod        = 2
		badVersion       = 5
	)
	for _, tt := range []struct {
		method, query string
		code          int
	}{
		{http.MethodGet, "?transport=polling", badVersion},
		{http.MethodGet, "?EIO=abc&transport=polling", badVersion},
		{http.MethodGet, "?EIO=3&transport=polling", badVersion},
		{http.MethodGet, "?EIO=5&transport=polling", badVersion},
		{http.MethodGet, "?EIO=4", transportUnknown},
		{http.MethodGet, "?EIO=4&transport=abc", transportUnknown},
		{http.MethodPost, pollingQuery, badMethod},
		{http.MethodPut, pollingQuery, badMethod},
		{http.MethodDelete, pollingQuery, badMethod},
	} {
		r := e.do(t, tt.method, tt.query, "")
		var refusal struct {
			Code    *int
			Message string
		}
		if err := json.Unmarshal([]byte(r.body), &refusal); err != nil || r.status != http.StatusBadRequest ||
			refusal.Code == nil || *refusal.Code != tt.code || refusal.Message == "" {
			t.Errorf("%s %s answers %d %q, want 400 with code %d", tt.method, tt.query, r.status, r.body, tt.code)
		}
	}
	for _, query := range []string{"?transport=websocket", "?EIO=abc&transport=websocket", "?EIO=4", "?EIO=4&transport=abc"} {
		e.refuses(t, query, http.StatusBadRequest)
	}
}

func testUnknownSession(t *testing.T, e endpoint) {
	e.get(t, "nobody").expectStatus(t, http.StatusBadRequest)
	e.post(t, "nobody", "4hello").expectStatus(t, http.StatusBadRequest)
	e.refuses(t, webSocketQuery+"&sid=nobody", http.StatusBadRequest)
}

// "Heartbeat"
func testHeartbeatPolling(t *testing.T, e endpoint) {
	sid := e.open(t)
	// Fewer than would take the connect timeout of /socket.io/.
	for range 2 {
		e.get(t, sid).expect(t, http.StatusOK, "2")
		e.post(t, sid, "3").expect(t, http.StatusOK, "ok")
	}
}

func testHeartbeatWebSocket(t *testing.T, e endpoint) {
	w, _ := e.openWebSocket(t)
	for range 2 {
		if got := w.text(t); got != "2" {
			t.Fatalf("read %q, want a ping", got)
		}
		w.send(t, "3")
	}
}

func testPingTimeoutPolling(t *testing.T, e endpoint) {
	sid := e.open(t)
	e.get(t, sid).expect(t, http.StatusOK, "2")
	pinged := time.Now()
	// The ping stays without an answer: the GET that waits ends, one way or the
	// other, and the session with it.
	receive(t, "the end of the session", e.poll(t, sid))
	if waited := time.Since(pinged); waited > pingTimeout+5*time.Second {
		t.Errorf("the session ended %v after the ping, want %v", waited, pingTimeout)
	}
	e.get(t, sid).expectStatus(t, http.StatusBadRequest)
}

func testPingTimeoutSilent(t *testing.T, e endpoint) {
	sid := e.open(t)
	silence(pingInterval + pingTimeout + 100*time.Millisecond)
	e.get(t, sid).expectStatus(t, http.StatusBadRequest)
}

func testPingTimeoutWebSocket(t *testing.T, e endpoint) {
	w, _ := e.openWebSocket(t)
	opened := time.Now()
	w.expectClosed(t)
	if waited := time.Since(opened); waited < pingInterval || waited > connectTimeout+5*time.Second {
		t.Errorf("closed %v after the handshake, want %v", waited, pingInterval+pingTimeout)
	}
}

// "Protocol": a close packet ends the session; a GET that waits is let go with
// a noop.
func testClosePolling(t *testing.T, e endpoint) {
	sid := e.open(t)
	waiting := e.poll(t, sid)
	e.post(t, sid, "1").expect(t, http.StatusOK, "ok")
	// The POST may have overtaken the GET, which then finds no session.
	if r := receive(t, "the answer of the GET", waiting); r.status != http.StatusBadRequest {
		r.expect(t, http.StatusOK, "6")
	}
	e.get(t, sid).expectStatus(t, http.StatusBadRequest)
}

func testCloseWebSocket(t *testing.T, e endpoint) {
	w, _ := e.openWebSocket(t)
	w.send(t, "1")
	w.expectClosed(t)
}

// "Receiving data": two GETs at once end the session.
func testTwoGETs(t *testing.T, e endpoint) {
	sid := e.open(t)
	first, second := e.poll(t, sid), e.poll(t, sid)
	a, b := receive(t, "the first GET", first), receive(t, "the second GET", second)
	if a.status != http.StatusOK { // whichever came first
		a, b = b, a
	}
	a.expect(t, http.StatusOK, "1")
	b.expectStatus(t, http.StatusBadRequest)
	e.get(t, sid).expectStatus(t, http.StatusBadRequest)
}

func testCancelledGET(t *testing.T, e endpoint) {
	sid := e.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = e.request(ctx, http.MethodGet, pollingQuery+"&sid="+sid, nil) // it is cancelled
	}()
	// A ping would end the GET; that it has arrived shows in a second GET being
	// refused, which would end the session for another reason. So time is what
	// is left: long enough to arrive, shorter than the interval.
	silence(pingInterval / 3)
	cancel()
	receive(t, "the cancelled GET", gone)
	// Well before the ping timeout would have ended it.
	opened := time.Now()
	eventually(t, "the session ends", func() bool { return e.post(t, sid, "3").status == http.StatusBadRequest })
	if waited := time.Since(opened); waited > 5*time.Second {
		t.Errorf("the session ended %v after its GET was cancelled", waited)
	}
}

// "Packet encoding"
func testBadPacketPolling(t *testing.T, e endpoint) {
	for _, body := range []string{"abc", "", "\x1e", "4hello\x1eabc", "9", "b!!!"} {
		sid := e.open(t)
		e.post(t, sid, body).expectStatus(t, http.StatusBadRequest)
		e.get(t, sid).expectStatus(t, http.StatusBadRequest)
	}
}

func testBadPacketWebSocket(t *testing.T, e endpoint) {
	for _, packet := range []string{"abc", "", "9"} {
		w, _ := e.openWebSocket(t)
		w.send(t, packet)
		w.expectClosed(t)
	}
}

func testTooLargePolling(t *testing.T, e endpoint) {
	sid := e.open(t)
	e.post(t, sid, "4"+strings.Repeat("x", maxPayload)).expectStatus(t, http.StatusRequestEntityTooLarge)
	e.get(t, sid).expectStatus(t, http.StatusBadRequest)
}

func testTooLargeWebSocket(t *testing.T, e endpoint) {
	w, _ := e.openWebSocket(t)
	// Written beside the reading: the server closes before it has read it all,
	// so the write may fail.
	packet := append([]byte{'4'}, bytes.Repeat([]byte{'x'}, maxPayload)...)
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		_ = wsutil.WriteClientText(w.Conn, packet)
	}()
	w.expectClosed(t)
	receive(t, "the end of the write", wrote)
}

// "Upgrade"
func (e endpoint) upgrade(t *testing.T, sid string) *webSocket {
	t.Helper()
	w := e.mustDial(t, webSocketQuery+"&sid="+sid)
	w.send(t, "2probe")
	if got := w.text(t); got != "3probe" {
		t.Fatalf("the probe is answered with %q, want 3probe", got)
	}
	w.send(t, "5")
	return w
}

func testUpgradeRefusesPolling(t *testing.T, e endpoint) {
	// Packet 5 and the GET come on two connections, 5 first: the public suites
	// expect every such GET to be refused, so the server must not be quick to
	// let it go with a noop. Once would be too few to see that.
	for range 20 {
		sid := e.open(t)
		w := e.upgrade(t, sid)
		e.get(t, sid).expectStatus(t, http.StatusBadRequest)
		e.post(t, sid, "4hello").expectStatus(t, http.StatusBadRequest)
		w.Close()
	}
	sid := e.open(t)
	w := e.upgrade(t, sid)
	e.get(t, sid).expectStatus(t, http.StatusBadRequest)
	// The session is alive.
	if got := w.text(t); got != "2" {
		t.Fatalf("read %q, want a ping", got)
	}
}

func testUpgradeRefusesWebSocket(t *testing.T, e endpoint) {
	sid := e.open(t)
	w := e.upgrade(t, sid)
	if second, err := e.dial(t, webSocketQuery+"&sid="+sid); err == nil {
		second.expectClosed(t)
	}
	if got := w.text(t); got != "2" {
		t.Fatalf("read %q, want a ping", got)
	}
}

// testUpgradeTwice: of two WebSocket connections that probe the same session
// at most one gets it.
func testUpgradeTwice(t *testing.T, e endpoint) {
	sid := e.open(t)
	w := e.mustDial(t, webSocketQuery+"&sid="+sid)
	w.send(t, "2probe")
	if got := w.text(t); got != "3probe" {
		t.Fatalf("the probe is answered with %q, want 3probe", got)
	}
	if second, err := e.dial(t, webSocketQuery+"&sid="+sid); err == nil {
		second.expectClosed(t)
	}
	w.send(t, "5")
	if got := w.text(t); got != "2" {
		t.Fatalf("read %q, want a ping", got)
	}
}

// testUpgradeGivenUp: a probe whose connection breaks leaves the session with
// polling.
func testUpgradeGivenUp(t *testing.T, e endpoint) {
	sid := e.open(t)
	w := e.mustDial(t, webSocketQuery+"&sid="+sid)
	w.send(t, "2probe")
	if got := w.text(t); got != "3probe" {
		t.Fatalf("the probe is answered with %q, want 3probe", got)
	}
	w.Close()
	// While the server has not noticed, a GET gets a noop.
	for {
		r := e.get(t, sid)
		if r.status == http.StatusOK && r.body == "6" {
			continue
		}
		r.expect(t, http.StatusOK, "2")
		break
	}
	e.post(t, sid, "3").expect(t, http.StatusOK, "ok")
}

// TestEngineIOMessages holds what the echo shows.
func TestEngineIOMessages(t *testing.T) {
	e, _ := startConformance(t)
	t.Run("polling", func(t *testing.T) {
		for name, payload := range map[string]string{
			"one":             "4hello",
			"several":         "4one\x1e4two\x1e4three",
			"text and binary": "4hello\x1ebAQIDBA==",
			"empty":           "4\x1e4x",
			"unicode":         "4grüße, 日本 \U0001f389 \u2028",
			"empty binary":    "b\x1e4x",
			"a large one":     "4" + strings.Repeat("0123456789", 50_000),
		} {
			t.Run(name, func(t *testing.T) {
				sid := e.open(t)
				e.post(t, sid, payload).expect(t, http.StatusOK, "ok")
				e.get(t, sid).expect(t, http.StatusOK, payload)
			})
		}
	})
	t.Run("polling, a GET that waits", func(t *testing.T) {
		sid := e.open(t)
		waiting := e.poll(t, sid)
		e.post(t, sid, "4hello").expect(t, http.StatusOK, "ok")
		receive(t, "the answer of the GET", waiting).expect(t, http.StatusOK, "4hello")
	})
	t.Run("WebSocket", func(t *testing.T) {
		w, _ := e.openWebSocket(t)
		large := strings.Repeat("0123456789", 50_000)
		w.send(t, "4hello", "4", "4grüße, 日本 \U0001f389", "4"+large)
		w.expect(t, "4hello", "4", "4grüße, 日本 \U0001f389", "4"+large)
	})
	t.Run("WebSocket, binary", func(t *testing.T) {
		w, _ := e.openWebSocket(t)
		w.sendBinary(t, []byte{1, 2, 3, 4}, []byte{0xff})
		w.expectBinary(t, []byte{1, 2, 3, 4}, []byte{0xff})
	})
	t.Run("upgrade lets a waiting GET go", func(t *testing.T) {
		sid := e.open(t)
		waiting := e.poll(t, sid)
		w := e.mustDial(t, webSocketQuery+"&sid="+sid)
		w.send(t, "2probe")
		if got := w.text(t); got != "3probe" {
			t.Fatalf("the probe is answered with %q, want 3probe", got)
		}
		receive(t, "the answer of the GET", waiting).expect(t, http.StatusOK, "6")
		w.send(t, "5", "4hello")
		w.expect(t, "4hello")
	})
	t.Run("upgrade takes what waits along, in order", func(t *testing.T) {
		sid := e.open(t)
		e.post(t, sid, "4one\x1e4two").expect(t, http.StatusOK, "ok")
		w := e.upgrade(t, sid)
		w.send(t, "4three")
		w.expect(t, "4one", "4two", "4three")
		e.get(t, sid).expectStatus(t, http.StatusBadRequest)
		if second, err := e.dial(t, webSocketQuery+"&sid="+sid); err == nil {
			second.expectClosed(t)
		}
		w.send(t, "4still here")
		w.expect(t, "4still here")
	})
}
