package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

// 64 backends emit as fast as they are let to more clients than can read that fast: they wait, nothing that was accepted is lost, what waits stays within
// its bound, and of all that nothing is left when they stop.
func TestOverload_EmittersWait(t *testing.T) {
	const emitters, size, maxQueue, maxBacklog = 64, 4 << 10, 4 << 20, 16 << 20 // an eighth of it is read in much less than 2 s
	clients, each := scaled(100, 40), scaled(30, 15)
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{Registerer: registry, MaxQueue: maxQueue, MaxBacklog: maxBacklog, PingTimeout: patience})
	crowd := gatherNarrow(t, n, clients, emitters)
	filler := json.RawMessage(toJSON(strings.Repeat("x", size)))
	var calls atomic.Int64
	emitted := emitAll(t, emitters, each, noMore, func(m ...emitter.Message) error {
		if calls.Add(1)%emitters == 0 {
			if waits := metrics(t, registry)[backlog]; waits > maxBacklog {
				return fmt.Errorf("%v bytes wait", waits)
			}
		}
		m[0].Args = append(m[0].Args, filler)
		return n.send(m...)
	})
	crowd.check(t, emitted)
	until(t, "nothing waits any more", func() bool { return metrics(t, registry)[backlog] == 0 && n.Queued() == 0 })
	after := metrics(t, registry)
	if after[slowConsumers] != 0 || after["wsemit_sessions"] != float64(clients) {
		t.Errorf("%v of %d sessions are left, %v ended as slow consumers", after["wsemit_sessions"], clients, after[slowConsumers])
	}
}

// gatherNarrow connects clients that listen in a room, for which the network holds little: what they have not read waits in the server.
// It holds several messages, though: else the kernel waits 200 ms for room for each, and who gets little a second counts as slow.
func gatherNarrow(t testing.TB, n *node, size, emitters int) *crowd {
	t.Helper()
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return c, c.(*net.TCPConn).SetReadBuffer(64 << 10)
	}
	c := &crowd{}
	for range size {
		y := newTally(emitters)
		client := n.client(t, sioclient.Config{Transports: transports["websocket"], OnEvent: y.event, NetDial: dial})
		join(t, client, "r", "")
		c.clients, c.tallies = append(c.clients, client), append(c.tallies, y)
	}
	return c
}

// A backend that cannot wait any longer is told to come again, and nobody gets what it was not let emit; once there is room it is let in again.
func TestOverload_BusyIsNotDelivered(t *testing.T) {
	const most = 2000
	n := start(t, server.Config{EmitTimeout: 100 * time.Millisecond, MaxQueue: 8 << 20, MaxBacklog: 8 << 20, MaxPending: 8 << 20, WriteTimeout: patience})
	heard := gather(t, n, 1, 1, transports["websocket"])
	stuck := n.stuck(t, sioclient.TransportWebSocket, "r")
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := emitter.NewClient(emitter.ClientConfig{
		URL: n.url + "/emit", Secret: emitSecret, MaxRetries: -1, HTTPClient: &http.Client{Transport: transport, Timeout: patience},
	})
	if err != nil {
		t.Fatal(err)
	}
	accepted, filler := 0, strings.Repeat("x", 64<<10)
	emit := func() error {
		_, err := c.Emit(context.Background(), message("r", "e", 0, accepted, filler))
		if err == nil {
			accepted++
		}
		return err
	}
	for err = nil; err == nil && accepted < most; {
		err = emit()
	}
	var busy *emitter.StatusError
	if !errors.As(err, &busy) || busy.Status != http.StatusServiceUnavailable || busy.RetryAfter <= 0 {
		t.Fatalf("after %d emits of which one client reads none: %v, want 503 with Retry-After", accepted, err)
	}
	refused := accepted
	stuck.close()
	until(t, "it is let in again", func() bool { return emit() == nil })
	if accepted != refused+1 {
		t.Errorf("%d accepted, want %d", accepted, refused+1)
	}
	heard.check(t, []int{accepted}) // in order, so without what was refused in between
}
