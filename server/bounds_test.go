package server_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

const (
	slowConsumers = `wsemit_sessions_ended_total{reason="slow consumer"}`
	backlog       = "wsemit_backlog_bytes"
)

// stuck is a client that is in a room and reads nothing any more.
func (n *node) stuck(t testing.TB, transport sioclient.Transport, room string) wire {
	t.Helper()
	w := openWire(t, n.url, transport)
	if err := errors.Join(connect(w), w.write(`420["join","`+room+`"]`)); err != nil {
		t.Fatal(err)
	}
	if _, err := expect(w, `430[{"ok":true`); err != nil {
		t.Fatal(err)
	}
	return w
}

// Clients that read nothing end as slow consumers once MaxQueue waits for them, whatever their transport; the others in the room hear everything, and the
// memory for what waits stays within its bound. The network itself holds some megabytes for a WebSocket.
func TestInvariant6_StuckReadersEnd(t *testing.T) {
	const size, maxQueue, stuck = 64 << 10, 1 << 20, 4
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{Registerer: registry, MaxQueue: maxQueue})
	for i := range stuck {
		n.stuck(t, []sioclient.Transport{sioclient.TransportPolling, sioclient.TransportWebSocket}[i%2], "r")
	}
	healthy := 0
	heard := make(chan struct{}, 1)
	c := n.client(t, sioclient.Config{Transports: transports["websocket"], OnEvent: func(sioclient.Event) { heard <- struct{}{} }})
	join(t, c, "r", "")
	for metrics(t, registry)[slowConsumers] < stuck {
		if healthy++; healthy > 2000 {
			t.Fatalf("%v slow consumers after %d emits, want %d", metrics(t, registry)[slowConsumers], healthy, stuck)
		}
		if err := n.send(message("r", "e", strings.Repeat("x", size))); err != nil {
			t.Fatal(err)
		}
		if waits := metrics(t, registry)[backlog]; waits > stuck*maxQueue+2*size {
			t.Fatalf("%v bytes wait for %d stuck clients", waits, stuck)
		}
		select {
		case <-heard:
		case <-soon(t).Done():
			t.Fatal("a client that reads heard nothing")
		}
	}
	until(t, "nothing waits any more", func() bool { return metrics(t, registry)[backlog] == 0 })
	until(t, "one session is left", func() bool { return metrics(t, registry)["wsemit_sessions"] == 1 })
}

// All backlogs together stay under MaxBacklog: beyond it the client that has waited longest ends, and only as many as needed.
func TestInvariant6_Ceiling(t *testing.T) {
	const size, maxBacklog, stuck, each = 16 << 10, 1 << 20, 8, 16
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{Registerer: registry, MaxQueue: 512 << 10, MaxBacklog: maxBacklog, MaxPending: 4 << 20})
	var batch []emitter.Message
	for i := range stuck {
		room := fmt.Sprint("r", i)
		n.stuck(t, sioclient.TransportPolling, room)
		for range each {
			batch = append(batch, message(room, "e", strings.Repeat("x", size)))
		}
	}
	// Twice what may wait for all, though no one is over its own share. In one batch, since emitters would wait.
	if err := n.send(batch...); err != nil {
		t.Fatal(err)
	}
	until(t, "the backlog has been handed out", func() bool {
		now := metrics(t, registry)
		if now[backlog] > maxBacklog+stuck*2*size { // each shard may be adding a frame
			t.Fatalf("%v bytes wait, want at most %d", now[backlog], maxBacklog)
		}
		return now[slowConsumers] >= stuck/2 && now[backlog] > maxBacklog/2
	})
	if ended := metrics(t, registry)[slowConsumers]; ended > stuck/2+1 {
		t.Errorf("%v ended, want half of %d, and one for what is charged beside the data", ended, stuck)
	}
}

// A client for which little waits, but which lets nothing be written for WriteTimeout, ends too.
func TestInvariant6_NoProgress(t *testing.T) {
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{Registerer: registry, WriteTimeout: 200 * time.Millisecond, MaxQueue: 64 << 20, MaxBacklog: 64 << 20, MaxPending: 64 << 20})
	n.stuck(t, sioclient.TransportPolling, "r")
	n.stuck(t, sioclient.TransportWebSocket, "r")
	for range 32 { // more than the network takes
		if err := n.send(message("r", "e", strings.Repeat("x", 1<<20))); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "both have ended as slow consumers", func() bool { return metrics(t, registry)[slowConsumers] == 2 })
}

// A message over MaxPayload ends its session, however it comes, and is not read to its end.
func TestInvariant6_MaxPayload(t *testing.T) {
	const maxPayload = 4096
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{MaxPayload: maxPayload, Registerer: registry})
	fits := `42["` + strings.Repeat("x", maxPayload-6) + `"]`
	socketWires := map[string]string{
		"one frame": frameOf(ws.NewTextFrame([]byte(fits + " "))),
		"announced": "\x81\xff\x40\x00\x00\x00\x00\x00\x00\x00mask", // 2^62 bytes, of which none comes
		"fragments": frameOf(ws.NewFrame(ws.OpText, false, []byte(fits))) + frameOf(ws.NewFrame(ws.OpContinuation, true, []byte(" "))),
		"binary":    frameOf(ws.NewBinaryFrame(make([]byte, maxPayload+1))),
	}
	for name, bytes := range socketWires {
		w := openWire(t, n.url, sioclient.TransportWebSocket).(*socketWire)
		if err := errors.Join(connect(w), w.write(fits)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, bytes); err != nil {
			t.Fatal(err)
		}
		if p, err := w.read(); err != (closed{ws.StatusMessageTooBig}) {
			t.Errorf("%s: %q, %v; want to be closed with %d", name, p, err, ws.StatusMessageTooBig)
		}
	}
	for name, body := range map[string]io.Reader{
		"with a length": strings.NewReader(fits + " "),
		"chunked":       io.MultiReader(strings.NewReader(fits), strings.NewReader(" ")),
		"many packets":  strings.NewReader(strings.Repeat("4\x1e", maxPayload/2) + "4"),
	} {
		w := openWire(t, n.url, sioclient.TransportPolling).(*pollWire)
		if err := errors.Join(connect(w), w.write(fits)); err != nil {
			t.Fatal(err)
		}
		var refused *sioclient.StatusError
		if _, err := w.request(http.MethodPost, body); !errors.As(err, &refused) || refused.Status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %v, want 413", name, err)
		}
		if err := w.write("3"); !errors.As(err, &refused) || refused.Status != http.StatusBadRequest {
			t.Errorf("%s: %v afterwards, want an unknown session", name, err)
		}
	}
	want := float64(len(socketWires) + 3)
	until(t, "all sessions have ended as too large", func() bool {
		return metrics(t, registry)[`wsemit_sessions_ended_total{reason="too large"}`] == want
	})
}
