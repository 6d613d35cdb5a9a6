package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/ws-emit/ws-emit/emitter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink keeps what was emitted.
type sink struct{ got []emitter.Message }

func (s *sink) Emit(_ context.Context, batch []emitter.Message) (emitter.Receipt, error) {
	s.got = append(s.got, batch...)
	return emitter.Receipt{}, nil
}

func expectUpdate(t *testing.T, got []emitter.Message) {
	t.Helper()
	if len(got) != 1 || got[0].Event != "update" || len(got[0].Rooms) != 1 || got[0].Rooms[0] != "time" ||
		len(got[0].Args) != 1 || !strings.HasPrefix(string(got[0].Args[0]), `{"time":`) {
		t.Errorf("got %+v, want one update with the time for the room", got)
	}
}

func TestOverHTTP(t *testing.T) {
	s := &sink{}
	server := httptest.NewServer(emitter.NewHandler(emitter.HTTPConfig{Secret: "s", Sink: s}))
	defer server.Close()
	emit, err := overHTTP(server.URL+"/", "s") // the handler does not look at the path
	if err != nil {
		t.Fatal(err)
	}
	if err := emitTime(t.Context(), emit, "time"); err != nil {
		t.Fatal(err)
	}
	expectUpdate(t, s.got)
	wrong, err := overHTTP(server.URL, "wrong")
	if err != nil {
		t.Fatal(err)
	}
	if err := emitTime(t.Context(), wrong, "time"); !errors.Is(err, emitter.ErrForbidden) {
		t.Errorf("with a wrong secret: %v", err)
	}
	if _, err := overHTTP(server.URL, ""); err == nil || err.Error() != "give the emit secret of ws-emit in SECRET" {
		t.Errorf("without a secret: %v, want what to do", err)
	}
}

func TestOverRedis(t *testing.T) {
	client := startRedis(t)
	emit := overRedis(client)
	if err := emitTime(t.Context(), emit, "time"); err == nil {
		t.Error("no error when nobody listens")
	}
	listener := client.Subscribe(t.Context(), "ws-emit")
	defer listener.Close()
	if _, err := listener.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := emitTime(t.Context(), emit, "time"); err != nil {
		t.Fatal(err)
	}
	m, err := listener.ReceiveMessage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := emitter.ParseJSON([]byte(m.Payload), emitter.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	expectUpdate(t, got)
}

func startRedis(t *testing.T) *redis.Client {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("redis-server is not installed")
	}
	dir, err := os.MkdirTemp("", "time") // paths of sockets must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "redis")
	server := exec.Command(path, "--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, MaxRetries: -1})
	t.Cleanup(func() { client.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for client.Ping(ctx).Err() != nil {
		select {
		case <-ctx.Done():
			t.Fatal("redis-server does not answer")
		case <-again.C:
		}
	}
	return client
}

// TestTick: it emits once a second whatever happens, and logs changes only.
func TestTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		tries := 0
		emit := func(context.Context, string, string, any) error {
			tries++
			if tries > 3 && tries <= 6 {
				return errors.New("away")
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 9500*time.Millisecond)
		defer cancel()
		tick(ctx, emit, "time", slog.New(slog.NewTextHandler(&log, nil)))
		if tries != 10 {
			t.Errorf("%d emits in 9.5 s, want 10", tries)
		}
		if got := strings.Count(log.String(), "\n"); got != 3 || strings.Count(log.String(), "msg=emitting") != 2 {
			t.Errorf("%d lines, want emitting, cannot emit, emitting:\n%s", got, &log)
		}
	})
}

func TestPage(t *testing.T) {
	answer := httptest.NewRecorder()
	handler := pages(config{browserURL: "https://live.example/", room: `</script>"`})
	handler.ServeHTTP(answer, httptest.NewRequest("GET", "/", nil))
	if body := answer.Body.String(); answer.Code != 200 || !strings.Contains(body, `const url = "https://live.example", room = "\u003c/script\u003e\""`) {
		t.Errorf("%d, and the page does not know where ws-emit is, or the room", answer.Code)
	}
	answer = httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest("GET", "/other", nil))
	if answer.Code != 404 {
		t.Errorf("GET /other answers %d", answer.Code)
	}
}
