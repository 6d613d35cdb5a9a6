package server_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

// control makes a message of a method, for the members of rooms.
func control(method emitter.Method, rooms []string, change ...string) emitter.Message {
	return emitter.Message{Method: method, Rooms: rooms, Change: change}
}

// happen hands a batch to the server as a source does, and returns how many sockets it matched, once it has happened to all of them.
func (n *node) happen(t testing.TB, messages ...emitter.Message) int {
	t.Helper()
	for i := range messages {
		if err := messages[i].Validate(emitter.Limits{}); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	receipt, err := n.Emit(soon(t), messages)
	if err != nil {
		t.Fatal(err)
	}
	matched, err := receipt.Receivers(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	return matched
}

// ended expects a client to end because the server disconnected it, after the last event.
func ended(t testing.TB, c *sioclient.Client) {
	t.Helper()
	if e, err := c.Next(soon(t)); !errors.Is(err, sioclient.ErrDisconnected) {
		t.Errorf("got %s %s, %v; want the end", e.Name, e.JSON(), err)
	}
}

// Sockets enter and leave rooms because a backend says so, in its order, and their clients hear nothing of it.
func TestControlRooms(t *testing.T) {
	for name, transports := range transports {
		t.Run(name, func(t *testing.T) {
			n := start(t, server.Config{})
			a, b := n.client(t, sioclient.Config{Transports: transports}), n.client(t, sioclient.Config{Transports: transports})
			join(t, a, "x", "")
			both := []string{a.SID(), b.SID()}
			got := n.happen(t,
				message("y", "lost"),
				control(emitter.MethodEnterRoom, []string{"x", b.SID()}, "y", "z"),
				message("y", "entered"),
				control(emitter.MethodLeaveRoom, both[:1], "y", "x", a.SID(), "never"),
				message("y", "left"),
				message("x", "lost"),
				control(emitter.MethodCloseRoom, []string{"z", "never"}),
				message("z", "lost"),
				message(a.SID(), "still"),
			)
			if want := 0 + 2 + 2 + 1 + 1 + 0 + 2 + 0 + 1; got != want {
				t.Errorf("%d sockets were matched, want %d", got, want)
			}
			next(t, a, "entered", `[]`)
			next(t, a, "still", `[]`)
			next(t, b, "entered", `[]`)
			next(t, b, "left", `[]`)

			// A closed room is a room like any other; Except is respected.
			join(t, a, "z", "")
			join(t, b, "z", "")
			closed := control(emitter.MethodCloseRoom, []string{"z"})
			closed.Except = both[1:]
			if got := n.happen(t, closed, message("z", "stays")); got != 2 {
				t.Errorf("%d sockets were matched, want 2", got)
			}
			next(t, b, "stays", `[]`)
			n.happen(t, message("", "end"))
			next(t, a, "end", `[]`)
			next(t, b, "end", `[]`)
		})
	}
}

// Who is disconnected has got what was accepted before, and gets nothing that comes after; others go on.
func TestControlDisconnect(t *testing.T) {
	for name, transports := range transports {
		for _, end := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/close=%t", name, end), func(t *testing.T) {
				n := start(t, server.Config{})
				var clients []*sioclient.Client
				for range 3 {
					clients = append(clients, n.client(t, sioclient.Config{Transports: transports}))
					join(t, clients[len(clients)-1], "x", "")
				}
				disconnect := emitter.Message{Method: emitter.MethodDisconnect, Rooms: []string{"x"}, Except: []string{clients[2].SID()}, Close: end}
				if got := n.happen(t, message("x", "before"), disconnect, message("x", "after"), message(clients[0].SID(), "after")); got != 6 {
					t.Errorf("%d sockets were matched, want 6", got)
				}
				for _, c := range clients[:2] {
					next(t, c, "before", `[]`)
					ended(t, c)
				}
				next(t, clients[2], "before", `[]`)
				next(t, clients[2], "after", `[]`)
				join(t, clients[2], "y", "")
			})
		}
	}
}

func onEachWire(t *testing.T, test func(t *testing.T, transport sioclient.Transport)) {
	for _, transport := range []sioclient.Transport{sioclient.TransportPolling, sioclient.TransportWebSocket} {
		t.Run(string(transport), func(t *testing.T) { test(t, transport) })
	}
}

// hear expects packets that begin like this.
func hear(t testing.TB, w wire, prefixes ...string) {
	t.Helper()
	for _, prefix := range prefixes {
		if _, err := expect(w, prefix); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t testing.TB, w wire, packets ...string) {
	t.Helper()
	if err := w.write(packets...); err != nil {
		t.Fatal(err)
	}
}

// The connection and its other namespaces stay, what the client sent too late is ignored, and it can connect to the namespace again, as another socket
// which is in none of the rooms.
func TestControlDisconnectAndConnectAgain(t *testing.T) {
	onEachWire(t, func(t *testing.T, transport sioclient.Transport) {
		n := start(t, server.Config{Namespaces: []string{"/", "/a"}})
		w := openWire(t, n.url, transport)
		write(t, w, "40", "40/a,", `42["join","x"]`, `42/a,1["join","x"]`)
		hear(t, w, "40{", "40/a,{", "43/a,1[")
		for range 3 {
			if got := n.happen(t, control(emitter.MethodDisconnect, []string{"x"})); got != 1 {
				t.Fatalf("%d sockets were matched, want 1", got)
			}
			write(t, w, `421["join","x"]`, "41", `42/a,2["join","x"]`)
			hear(t, w, "41", "43/a,2[")
			write(t, w, "40")
			hear(t, w, "40{")
			if got := n.happen(t, message("x", "lost"), message("", "hello")); got != 1 {
				t.Fatalf("%d sockets were matched, want 1", got)
			}
			hear(t, w, `42["hello"]`)
			write(t, w, `421["join","x"]`)
			hear(t, w, "431[")
		}
	})
}

// With Close the connection ends, after a DISCONNECT for each of its namespaces: without one a client would take it for an accident, and come back.
func TestControlClose(t *testing.T) {
	onEachWire(t, func(t *testing.T, transport sioclient.Transport) {
		registry := prometheus.NewRegistry()
		n := start(t, server.Config{Namespaces: []string{"/", "/a", "/b"}, Registerer: registry})
		w := openWire(t, n.url, transport)
		write(t, w, "40", "40/a,", "40/b,", "41/b,")
		hear(t, w, "40{", "40/a,{", "40/b,{")
		other := message("", "before")
		other.Namespace = "/a"
		n.happen(t, other, message("", "before"), emitter.Message{Method: emitter.MethodDisconnect, Close: true}, message("", "after"))
		got := make([]string, 4)
		for i := range got {
			p, err := w.read()
			if err != nil {
				t.Fatal(err)
			}
			got[i] = p
		}
		// What is for two namespaces has no order between them.
		if i := slices.Index(got, `42/a,["before"]`); i < 0 || i > slices.Index(got, "41/a,") || slices.Index(got, `42["before"]`) > slices.Index(got, "41") {
			t.Errorf("got %q", got)
		}
		p, err := w.read()
		var code closed
		switch {
		case transport == sioclient.TransportWebSocket && (!errors.As(err, &code) || code.code != ws.StatusNormalClosure),
			transport == sioclient.TransportPolling && (err == nil || err.Error() != "closed by the server"):
			t.Errorf("got %q, %v; want the end", p, err)
		}
		w.close()
		until(t, "nothing is left", func() bool {
			now := metrics(t, registry)
			return now[`wsemit_sessions_ended_total{reason="server"}`] == 1 && now["wsemit_sessions"] == 0 && now["wsemit_sockets"] == 0
		})
	})
}

// A connection whose last socket was disconnected has as long as any other to connect to a namespace.
func TestControlDisconnectOfTheLastSocket(t *testing.T) {
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{Registerer: registry, ConnectTimeout: 100 * time.Millisecond})
	w := openWire(t, n.url, sioclient.TransportWebSocket)
	write(t, w, "40")
	hear(t, w, "40{")
	n.happen(t, control(emitter.MethodDisconnect, nil))
	hear(t, w, "41")
	if p, err := w.read(); err == nil {
		t.Errorf("got %q, want the end", p)
	}
	until(t, "the session is counted", func() bool { return metrics(t, registry)[`wsemit_sessions_ended_total{reason="connect timeout"}`] == 1 })
}

// A join that is being checked when its socket is disconnected comes to nothing, also for the socket that follows it.
func TestControlDisconnectWhileAJoinIsChecked(t *testing.T) {
	r := startRedis(t)
	r.set("dir", "S")
	slow := startSlowRedis(t, r)
	onEachWire(t, func(t *testing.T, transport sioclient.Transport) {
		n := start(t, server.Config{Redis: slow.url(), RedisTimeout: patience})
		n.ready(t)
		w := openWire(t, n.url, transport)
		if err := connect(w); err != nil {
			t.Fatal(err)
		}
		release := slow.hold()
		defer release()
		before := slow.asked()
		write(t, w, `420["join",{"room":"dir::a","secret":"S"}]`)
		until(t, "Redis was asked", func() bool { return slow.asked() == before+1 })
		n.happen(t, control(emitter.MethodDisconnect, nil))
		hear(t, w, "41")
		write(t, w, "40", `421["join","public"]`)
		release()
		hear(t, w, "40{", `431[{"ok":true,"room":"public"}]`)
		if got := n.happen(t, message("dir::a", "lost"), message("public", "hello")); got != 1 {
			t.Errorf("%d sockets were matched, want 1", got)
		}
		hear(t, w, `42["hello"]`)
	})
}

// A backend puts a socket into no more rooms than a client can enter, and it is counted.
func TestControlEnterIsBounded(t *testing.T) {
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{MaxRooms: 2, Registerer: registry})
	c := n.client(t, sioclient.Config{})
	join(t, c, "a", "")
	if got := n.happen(t, control(emitter.MethodEnterRoom, nil, "a", "b", "c", "d"), message("b", "in"), message("c", "lost"), message("d", "lost")); got != 2 {
		t.Errorf("%d sockets were matched, want 2", got)
	}
	next(t, c, "in", `[]`)
	if got := metrics(t, registry)[`wsemit_enters_refused_total{reason="limit"}`]; got != 2 {
		t.Errorf("%v were counted, want 2", got)
	}
	if reply, err := c.Join(soon(t), "e", ""); err != nil || reply.Error != "limit" {
		t.Errorf("a join beyond: %+v, %v", reply, err)
	}
}

// Clients connect, join, disconnect and connect again while backends move and disconnect them: everybody is served until the end, and nothing is left.
func TestControlUnderChurn(t *testing.T) {
	const backends = 3
	times := scaled(60, 20)
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{Namespaces: []string{"/", "/a"}, Registerer: registry})
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	var requests atomic.Int64
	for b := range backends {
		working.Go(func() {
			rng := rand.New(rand.NewPCG(7, uint64(b)))
			for ctx.Err() == nil {
				rooms := []string{string("xyz"[rng.IntN(3)])}
				batch := []emitter.Message{
					control(emitter.MethodEnterRoom, rooms, "x", "w"), message("w", "e"), control(emitter.MethodLeaveRoom, rooms, "x"),
					control(emitter.MethodCloseRoom, []string{"w"}), {Method: emitter.MethodDisconnect, Rooms: rooms, Close: rng.IntN(8) == 0}, message("", "e"),
				}
				for i := range batch {
					batch[i].Namespace = []string{"/", "/a"}[rng.IntN(2)]
				}
				if err := n.send(batch...); err != nil {
					t.Error(err)
				}
				requests.Add(1)
			}
		})
	}
	err := inParallel(4*times, 16, func(i int) error {
		transport := []sioclient.Transport{sioclient.TransportPolling, sioclient.TransportWebSocket}[i%2]
		w, err := dialWire(n.url, transport)
		if err != nil {
			return err
		}
		defer w.close()
		return comeBack(w, i)
	})
	cancel()
	working.Wait()
	if err != nil {
		t.Error(err)
	}
	if requests.Load() == 0 {
		t.Error("the backends did nothing")
	}
	n.happen(t, emitter.Message{Method: emitter.MethodDisconnect, Close: true}, emitter.Message{Method: emitter.MethodDisconnect, Namespace: "/a", Close: true})
	until(t, "no socket is left", func() bool { return metrics(t, registry)["wsemit_sockets"] == 0 })
	c := n.client(t, sioclient.Config{})
	join(t, c, "x", "")
}

// comeBack connects to both namespaces, joins in one of them, and connects again whenever it is disconnected, until the server closes the connection or it
// has been told often enough.
func comeBack(w wire, i int) error {
	if err := w.write("40", "40/a,"); err != nil {
		return err
	}
	for heard := 0; heard < 30; heard++ {
		p, err := w.read()
		var status *sioclient.StatusError
		switch code := (closed{}); {
		case errors.As(err, &code) && code.code == ws.StatusNormalClosure, errors.As(err, &status), err != nil && err.Error() == "closed by the server":
			return nil
		case err != nil:
			return err
		case strings.HasPrefix(p, "40/a,"):
			err = w.write(`42/a,["join","x"]`, `42/a,["join","y"]`)
		case strings.HasPrefix(p, "40"):
			err = w.write(fmt.Sprintf(`42["join","%c"]`, "xyz"[i%3]))
		case strings.HasPrefix(p, "41"):
			err = w.write("40" + p[2:])
		case !strings.HasPrefix(p, "42"):
			return fmt.Errorf("got %q", p)
		}
		if err != nil && !errors.As(err, &status) { // by polling, the session may have ended
			return err
		}
	}
	return nil
}
