package server_test

import (
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
