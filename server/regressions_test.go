package server_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
	"github.com/ws-emit/ws-emit/server/socketio"
)

// Wrong secrets are counted for a connection, not for each of the sockets that a client makes on it, one after the other.
func TestReconnectingDoesNotForgetFailedJoins(t *testing.T) {
	for _, transport := range []sioclient.Transport{sioclient.TransportPolling, sioclient.TransportWebSocket} {
		t.Run(string(transport), func(t *testing.T) {
			n := start(t, server.Config{RoomSecrets: map[string]string{"dir": "S1"}})
			w := openWire(t, n.url, transport)
			for i := range 12 {
				if err := connect(w); err != nil {
					t.Fatal(err)
				}
				if err := w.write(`421["join",{"room":"dir::a","secret":"wrong"}]`); err != nil {
					t.Fatal(err)
				}
				answer, err := expect(w, `431[{"ok":false,"room":"dir::a","error":`)
				if err != nil {
					t.Fatal(err)
				}
				if limited := strings.HasPrefix(answer, `"limit"`); limited != (i >= 10) {
					t.Errorf("join %d: %s", i+1, answer)
				}
				if err := w.write("41"); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// What was accepted before the server stops is written before the sessions end, however busy the hub is.
func TestShutdownDeliversWhatWasAccepted(t *testing.T) {
	n, stop := run(t, server.Config{})
	w := openWire(t, n.url, sioclient.TransportWebSocket)
	if err := connect(w); err != nil {
		t.Fatal(err)
	}
	accepted, some := make(chan int, 1), make(chan struct{})
	go func() { // ends when the server refuses; what waits for the client until then is well within its share
		count := 0
		for ; count < 4000; count++ {
			if _, err := n.Emit(context.Background(), []emitter.Message{{Namespace: "/", Event: fmt.Sprint("e", count)}}); err != nil {
				break
			}
			if count == 100 {
				close(some)
			}
		}
		accepted <- count
	}()
	<-some
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	want := <-accepted
	for i := range want {
		if _, err := expect(w, fmt.Sprintf(`42["e%d"]`, i)); err != nil {
			t.Fatalf("of %d accepted: %v", want, err)
		}
	}
	w.close()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// A GET has no body, which could come very slowly.
func TestGETWithBodyIsRefused(t *testing.T) {
	n := start(t, server.Config{})
	req, err := http.NewRequestWithContext(soon(t), http.MethodGet, n.url+"/socket.io/?EIO=4&transport=polling", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	if status, text := do(t, req); status != http.StatusBadRequest || !strings.Contains(text, `"code":3`) {
		t.Errorf("got %d %s", status, text)
	}
}

// What the emitter accepts can be encoded: both sides must agree on what stock clients refuse.
func TestEmitterAndCodecAgree(t *testing.T) {
	for _, event := range []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener", "connection", "error", "message"} {
		m := emitter.Message{Event: event}
		invalid := m.Validate(emitter.Limits{})
		_, err := socketio.EncodeEvent("/", event, nil, nil)
		if (invalid == nil) != (err == nil) {
			t.Errorf("%s: the emitter says %v, the codec %v", event, invalid, err)
		}
	}
	if emitter.MaxAttachments != socketio.MaxAttachments {
		t.Errorf("the emitter takes %d attachments, the codec %d", emitter.MaxAttachments, socketio.MaxAttachments)
	}
}

// A client that connects and disconnects as fast as it can waits for the hub, as with any other packet: it cannot fill its queue, and others get their turn.
func TestReconnectingIsNoFlood(t *testing.T) {
	n := start(t, server.Config{})
	good := n.client(t, sioclient.Config{})
	join(t, good, "a", "")
	var flood []wire
	for range 8 {
		w := openWire(t, n.url, sioclient.TransportWebSocket)
		flood = append(flood, w)
		go func() { // ends with the connection
			again := strings.Repeat("40 41 ", 500)
			for w.write(strings.Fields(again)...) == nil {
			}
		}()
		go func() {
			for {
				if _, err := w.read(); err != nil {
					return
				}
			}
		}()
	}
	for i := range 200 {
		n.emit(t, fmt.Sprintf(`{"event":"e","room":"a","data":%d}`, i))
		next(t, good, "e", fmt.Sprintf("[%d]", i))
		if queued := n.Queued(); queued > 1000 {
			t.Fatalf("%d entries wait for the hub", queued)
		}
	}
	for _, w := range flood {
		w.close()
	}
}

// Some proxies write out the port of a host, or its capitals, which browsers do not do in Origin.
func TestSameOriginBehindAProxy(t *testing.T) {
	n := start(t, server.Config{})
	for _, c := range []struct {
		origin, host string
		want         int
	}{
		{"http://a.example", "a.example:80", http.StatusOK},
		{"https://a.example", "A.example:443", http.StatusOK},
		{"https://a.example", "a.example", http.StatusOK},
		{"http://a.example", "a.example:8080", http.StatusBadRequest},
		{"https://a.example", "a.example:80", http.StatusBadRequest},
		{"http://b.example", "a.example:80", http.StatusBadRequest},
	} {
		req, err := http.NewRequestWithContext(soon(t), http.MethodGet, n.url+"/socket.io/?EIO=4&transport=polling", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		req.Header.Set("Origin", c.origin)
		if status, text := do(t, req); status != c.want {
			t.Errorf("%s on %s: %d %s", c.origin, c.host, status, text)
		}
	}
}

// The Python client ends the connection when an answer of long-polling has more than 16 packets.
func TestPythonClientsGetFewPacketsAtOnce(t *testing.T) {
	n := start(t, server.Config{})
	for agent, most := range map[string]int{"python-requests/2.32.3": 16, "Python/3.11 aiohttp/3.10": 16, "Mozilla/5.0": 1000} {
		w := newPollWire(n.url)
		t.Cleanup(w.close)
		if _, err := expect(w, "0{"); err != nil {
			t.Fatal(err)
		}
		if err := connect(w); err != nil {
			t.Fatal(err)
		}
		batch := make([]emitter.Message, 100)
		for i := range batch {
			batch[i] = emitter.Message{Namespace: "/", Event: fmt.Sprint("e", i)}
		}
		receipt, err := n.Emit(soon(t), batch)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := receipt.Receivers(soon(t)); err != nil {
			t.Fatal(err)
		}
		for seen := 0; seen < len(batch); {
			req, err := http.NewRequestWithContext(soon(t), http.MethodGet, w.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("User-Agent", agent)
			status, text := do(t, req)
			packets := strings.Split(text, "\x1e")
			if status != http.StatusOK || len(packets) > most {
				t.Fatalf("%s: %d with %d packets", agent, status, len(packets))
			}
			for _, p := range packets {
				if p != fmt.Sprintf(`42["e%d"]`, seen) {
					t.Fatalf("%s: got %s after %d", agent, p, seen)
				}
				seen++
			}
		}
	}
}

// A list in a header may come in several lines (RFC 9110, section 5.3), as some proxies write it.
func TestConnectionHeaderOfTwoLines(t *testing.T) {
	n := start(t, server.Config{})
	c, err := dialHost(n.url)
	if err != nil {
		t.Fatal(err)
	}
	w := &socketWire{c, bufio.NewReader(c)}
	t.Cleanup(w.close)
	if err := w.open(strings.Replace(handshake(n.url, ""), "Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade", 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := expect(w, "0{"); err != nil {
		t.Fatal(err)
	}
}
