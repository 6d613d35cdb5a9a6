package server_test

// Clients that come and go for long. The numbers of the issue are those of the scenarios churn and leave of contrib/peers; these are the same in small.

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

// exits are the ways in which clients go, each with all that they do before.
var exits = []func(base, room string) error{
	func(base, room string) error { return visit(base, room, sioclient.TransportWebSocket, wire.close) },
	func(base, room string) error { return visit(base, room, sioclient.TransportWebSocket, reset) },
	func(base, room string) error { return visit(base, room, sioclient.TransportWebSocket, goodbye) },
	func(base, room string) error {
		return visit(base, room, sioclient.TransportPolling, func(w wire) { _ = w.write("1") })
	},
	func(base, _ string) error { // it has a session, and asks for nothing
		w, err := dialWire(base, sioclient.TransportWebSocket)
		if err == nil {
			w.close()
		}
		return err
	},
	func(base, _ string) error { // in the middle of the handshake
		c, err := dialHost(base)
		if err != nil {
			return err
		}
		request := handshake(base, "")
		_, err = io.WriteString(c, request[:len(request)/2])
		return errors.Join(err, c.Close())
	},
}

// stay connects and joins a room.
func stay(base, room string, transport sioclient.Transport) (wire, error) {
	w, err := dialWire(base, transport)
	if err != nil {
		return nil, err
	}
	if err = errors.Join(connect(w), w.write(`420["join","`+room+`"]`)); err == nil {
		_, err = expect(w, `430[{"ok":true`)
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// visit connects, joins a room and goes.
func visit(base, room string, transport sioclient.Transport, leave func(wire)) error {
	w, err := stay(base, room, transport)
	if err != nil {
		return err
	}
	leave(w)
	w.close()
	return nil
}

func reset(w wire) { _ = w.(*socketWire).Conn.(*net.TCPConn).SetLinger(0) }

// goodbye closes a WebSocket as it should be, and waits for the answer.
func goodbye(w wire) {
	_, _ = io.WriteString(w.(*socketWire), frameOf(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))))
	_, _ = w.read()
}

// However many clients have come and gone, in whatever way, the server uses what it used before: a client that leaves anything behind leaves more than a
// tenth of a KiB.
func TestEndurance_ComeAndGo(t *testing.T) {
	warmUp, visits := scaled(1200, 300), scaled(6000, 900)
	n := startChild(t, server.Config{})
	come := func(from, to int) {
		parallel(t, to-from, 32, func(i int) error {
			if err := exits[i%len(exits)](n.url, fmt.Sprint("room ", from+i)); err != nil {
				return fmt.Errorf("client %d: %w", from+i, err)
			}
			return nil
		})
	}
	come(0, warmUp)
	before := n.empty(t)
	come(warmUp, warmUp+visits)
	n.downTo(t, usage{Goroutines: before.Goroutines + 10, Files: before.Files + 10, Memory: before.Memory + 256<<10 + uint64(visits)*100})
}

// Memory of clients comes back when they have gone, with that of the rooms that each was alone in.
func TestEndurance_MemoryComesBack(t *testing.T) {
	clients := scaled(2000, 500)
	n := startChild(t, server.Config{})
	if err := visit(n.url, "first", sioclient.TransportWebSocket, wire.close); err != nil {
		t.Fatal(err)
	}
	before := n.empty(t)
	wires := make([]wire, clients)
	defer func() {
		for _, w := range wires {
			if w != nil {
				w.close()
			}
		}
	}()
	parallel(t, clients, 32, func(i int) (err error) {
		wires[i], err = stay(n.url, fmt.Sprint("room ", i), sioclient.TransportWebSocket)
		return err
	})
	full := n.usage(t)
	taken := full.Memory - before.Memory
	t.Logf("%d clients in rooms of their own take %d bytes each", clients, taken/uint64(clients))
	for i, w := range wires {
		w.close()
		wires[i] = nil
	}
	n.downTo(t, usage{Goroutines: before.Goroutines + 10, Files: before.Files + 10, Memory: before.Memory + 256<<10 + taken/10})
}

// empty waits until the server has no session, and returns what it uses then.
func (c *child) empty(t testing.TB) usage {
	t.Helper()
	until(t, "all sessions have ended", func() bool { return strings.Contains(c.get(t, "/metrics"), "\nwsemit_sessions 0\n") })
	return c.usage(t)
}

// downTo waits until the server has no session, and uses no more than is allowed.
func (c *child) downTo(t testing.TB, allowed usage) {
	t.Helper()
	var now usage
	defer func() { t.Logf("allowed %+v, used %+v", allowed, now) }()
	until(t, "the server uses no more than is allowed", func() bool {
		now = c.empty(t)
		return now.Goroutines <= allowed.Goroutines && now.Files <= allowed.Files && now.Memory <= allowed.Memory
	})
}
