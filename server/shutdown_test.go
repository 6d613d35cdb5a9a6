package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

// grace is the ShutdownTimeout of these tests; inTime is how long Run may take then, on a busy machine.
const grace, inTime = time.Second, 20 * time.Second

// run starts a server that the test stops.
func run(t testing.TB, cfg server.Config) (n *node, stop func() error) {
	t.Helper()
	cfg.Address, cfg.EmitSecret, cfg.ShutdownTimeout = "127.0.0.1:0", emitSecret, grace
	if cfg.Redis == "" {
		cfg.Redis = server.NoRedis
	}
	s, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(inTime):
			return fmt.Errorf("still running %v after the end of the context", inTime)
		}
	})
	t.Cleanup(func() { _ = stop() })
	return &node{s, "http://" + s.Addr().String()}, stop
}

// engagements are what clients and backends may be in the middle of when the server is to stop.
var engagements = map[string]func(t *testing.T, n *node){
	"nobody":       func(*testing.T, *node) {},
	"idle clients": idleClients,
	"silent connections": func(t *testing.T, n *node) {
		say(t, n, "")
		say(t, n, "GET /socket.io/?EIO=4&tr")
		say(t, n, "POST /emit HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+emitSecret+"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
		w := openWire(t, n.url, sioclient.TransportPolling).(*pollWire)
		say(t, n, "POST /socket.io/?EIO=4&transport=polling&sid="+w.sid+" HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n4")
		say(t, n, strings.TrimSuffix(handshake(n.url, ""), "\r\n"))
	},
	"half a frame": func(t *testing.T, n *node) {
		w := openWire(t, n.url, sioclient.TransportWebSocket).(*socketWire)
		if _, err := io.WriteString(w, frames([]string{"40"})[:5]); err != nil {
			t.Fatal(err)
		}
	},
	"an upgrade under way": func(t *testing.T, n *node) {
		c := n.client(t, sioclient.Config{Transports: transports["polling"]})
		if err := c.Probe(soon(t)); err != nil {
			t.Fatal(err)
		}
	},
	"a polling client that does not poll": func(t *testing.T, n *node) {
		n.stuck(t, sioclient.TransportPolling, "r")
	},
	"a stuck reader": func(t *testing.T, n *node) {
		n.stuck(t, sioclient.TransportWebSocket, "r")
		for range 32 {
			if err := n.send(message("r", "e", strings.Repeat("x", 256<<10))); err != nil {
				t.Fatal(err)
			}
		}
	},
	"joins that wait for Redis": func(t *testing.T, n *node) {
		for _, transport := range []sioclient.Transport{sioclient.TransportPolling, sioclient.TransportWebSocket} {
			w := openWire(t, n.url, transport)
			if err := errors.Join(connect(w), w.write(`420["join",{"room":"s::a","secret":"S"}]`, `421["join","a"]`)); err != nil {
				t.Fatal(err)
			}
		}
	},
	"joins that wait for their turn": func(t *testing.T, n *node) {
		n.guess(t, "192.0.2.1")
		for range 20 {
			w, err := dialFrom(n.url, "192.0.2.1")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(w.close)
			if err := w.write(`420["join",{"room":"fixed::a","secret":"no"}]`); err != nil {
				t.Fatal(err)
			}
		}
	},
}

// However clients and backends are in the middle of something, Run returns soon after its context has ended, and leaves neither a goroutine nor a connection.
func TestInvariant9_NothingIsLeft(t *testing.T) {
	unanswered := blackHole(t)
	for name, engage := range engagements {
		t.Run(name, func(t *testing.T) {
			ignore := goleak.IgnoreCurrent()
			t.Run("", func(t *testing.T) { // so that its clients have ended
				cfg := server.Config{MaxQueue: 16 << 20, TrustedProxies: loopback, RoomSecrets: map[string]string{"fixed": "S"}}
				if strings.Contains(name, "Redis") {
					cfg.Redis, cfg.RedisTimeout = "redis://"+unanswered, time.Minute
				}
				n, stop := run(t, cfg)
				engage(t, n)
				if err := stop(); err != nil {
					t.Errorf("Run: %v", err)
				}
				if c, err := dialHost(n.url); err == nil {
					_ = c.Close()
					t.Error("it still listens")
				}
			})
			if err := goleak.Find(ignore); err != nil {
				t.Error(err)
			}
		})
	}
}

// blackHole listens, and never says anything.
func blackHole(t testing.TB) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln.Addr().String()
}

// say opens a connection and writes something.
func say(t testing.TB, n *node, text string) net.Conn {
	t.Helper()
	c, err := dialHost(n.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

func idleClients(t *testing.T, n *node) {
	for range 3 {
		for _, transports := range transports {
			join(t, n.client(t, sioclient.Config{Transports: transports}), "r", "")
		}
	}
}

// A client is told that the server goes: by a close frame with code 1001, or by an Engine.IO close. What was emitted before comes first.
func TestShutdownTellsClients(t *testing.T) {
	n, stop := run(t, server.Config{})
	var clients []*sioclient.Client
	for _, name := range []string{"polling", "websocket", "upgrade"} {
		c := n.client(t, sioclient.Config{Transports: transports[name]})
		join(t, c, "r", "")
		clients = append(clients, c)
	}
	n.emit(t, `{"event":"last","room":"r"}`)
	if err := stop(); err != nil {
		t.Error(err)
	}
	for i, c := range clients {
		next(t, c, "last", `[]`)
		_, err := c.Next(soon(t))
		var frame *sioclient.CloseError
		told := errors.Is(err, sioclient.ErrEngineClosed) || errors.As(err, &frame) && frame.Code == 1001
		if !told {
			t.Errorf("client %d ended with %v", i, err)
		}
	}
	if err := n.send(message("r", "e")); !errors.Is(err, emitter.ErrClosed) { // in the process
		t.Errorf("Emit after the end: %v", err)
	}
	for path, want := range map[string]int{"/readyz": 503, "/livez": 200, "/socket.io/?EIO=4&transport=polling": 503} {
		if w := answer(n.Handler(), http.MethodGet, path, nil); w.Code != want {
			t.Errorf("%s after the end: %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
}

// Run ends, and says why, when it cannot listen.
func TestRunCannotListen(t *testing.T) {
	n := start(t, server.Config{})
	s, err := server.New(server.Config{Address: n.Addr().String(), Redis: server.NoRedis})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), n.Addr().String()) {
		t.Errorf("Run on an address that is taken: %v", err)
	}
}

// While sessions end the server answers: it is not ready, and takes neither clients nor emits.
func TestShutdownAnswers(t *testing.T) {
	n, stop := run(t, server.Config{})
	n.stuck(t, sioclient.TransportPolling, "r") // it takes the whole grace time
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	until(t, "it is not ready", func() bool { return n.get(t, "/readyz") == "503 stopping\n" })
	if got, want := n.get(t, "/socket.io/?EIO=4&transport=polling"), `503 {"code":3,"message":"Server is shutting down"}`+"\n"; got != want {
		t.Errorf("handshake: %s, want %s", got, want)
	}
	if status, text := n.post(t, "/emit", `{"event":"e","room":"r"}`); status != http.StatusServiceUnavailable {
		t.Errorf("emit: %d %s, want 503", status, text)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
