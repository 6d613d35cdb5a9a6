package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/ws-emit/ws-emit/emitter/redisbus"
	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

func TestMain(m *testing.M) {
	if isChild() {
		os.Exit(serveAsChild())
	}
	redis.SetLogger(redisbus.ClientLog{Logger: slog.New(slog.DiscardHandler)}) // it would write to standard error
	goleak.VerifyTestMain(m)
}

const emitSecret = "emit-4pY7"

// node is a server under test.
type node struct {
	*server.Server
	url string
}

// start runs a server until the test ends, on a free port, without Redis unless cfg says otherwise.
func start(t testing.TB, cfg server.Config) *node {
	t.Helper()
	return startNew(t, cfg, server.New)
}

func startNew(t testing.TB, cfg server.Config, create func(server.Config) (*server.Server, error)) *node {
	t.Helper()
	setTestDefaults(&cfg)
	cfg.Address, cfg.EmitSecret = "127.0.0.1:0", emitSecret
	s, err := create(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return &node{s, "http://" + s.Addr().String()}
}

// setTestDefaults fills in what tests want otherwise than users.
func setTestDefaults(cfg *server.Config) {
	if cfg.Redis == "" {
		cfg.Redis = server.NoRedis
	}
	if cfg.ShutdownTimeout == 0 {
		cfg.ShutdownTimeout = 200 * time.Millisecond // long-polling clients that have gone without a word take all of it
	}
}

// client connects a client until the test ends.
func (n *node) client(t testing.TB, cfg sioclient.Config) *sioclient.Client {
	t.Helper()
	cfg.URL = n.url
	c, err := sioclient.Dial(soon(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// patience is the time that anything in a test may take, which is far more than it should: the machine may be busy.
const patience = 60 * time.Second

// soon ends after patience.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// join joins, and expects to be let in.
func join(t testing.TB, c *sioclient.Client, room, secret string) {
	t.Helper()
	reply, err := c.Join(soon(t), room, secret)
	if err != nil || !reply.OK || reply.Room != room {
		t.Fatalf("join %q: %+v, %v", room, reply, err)
	}
}

// emit sends a body to POST /emit and expects it to be taken.
func (n *node) emit(t testing.TB, body string) {
	t.Helper()
	if status, text := n.post(t, "/emit", body); status != http.StatusOK {
		t.Fatalf("emit: %d %s", status, text)
	}
}

func (n *node) post(t testing.TB, path, body string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(soon(t), http.MethodPost, n.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+emitSecret)
	return do(t, req)
}

func do(t testing.TB, req *http.Request) (status int, text string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// answer is what a handler answers, without a network.
func answer(h http.Handler, method, path string, body io.Reader) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, body))
	return w
}

// next expects an event.
func next(t testing.TB, c *sioclient.Client, name, args string) {
	t.Helper()
	e, err := c.Next(soon(t))
	if err != nil {
		t.Fatalf("waiting for %s: %v", name, err)
	}
	if got := string(e.JSON()); e.Name != name || got != args {
		t.Fatalf("got %s %s, want %s %s", e.Name, got, name, args)
	}
}

// transports are the ways in which a stock client connects.
var transports = map[string][]sioclient.Transport{
	"polling":   {sioclient.TransportPolling},
	"websocket": {sioclient.TransportWebSocket},
	"upgrade":   {sioclient.TransportPolling, sioclient.TransportWebSocket},
}

func toJSON(v any) string {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		panic(fmt.Sprint("cannot be encoded: ", err))
	}
	return strings.TrimSpace(b.String())
}

// parallel calls f with 0 to n-1, at most so many at a time, and expects no error.
func parallel(t testing.TB, n, atATime int, f func(i int) error) {
	t.Helper()
	if err := inParallel(n, atATime, f); err != nil {
		t.Fatal(err)
	}
}

func inParallel(n, atATime int, f func(i int) error) error {
	var group errgroup.Group
	group.SetLimit(atATime)
	for i := range n {
		group.Go(func() error { return f(i) })
	}
	return group.Wait()
}

// until asks again and again until the answer is yes: for what cannot be waited for, because it is on the other side of a network.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	if !repeat(10*time.Millisecond, done) {
		t.Fatalf("still not: %s", what)
	}
}

// repeat does something at intervals until it says that it is done; not if it takes too long.
func repeat(interval time.Duration, do func() (done bool)) bool {
	again := time.NewTicker(interval)
	defer again.Stop()
	for end := time.After(patience); !do(); {
		select {
		case <-again.C:
		case <-end:
			return false
		}
	}
	return true
}
