//go:build unix

package roomspace

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// startRedis starts a redis-server of its own and returns it with a client.
func startRedis(t *testing.T, options ...string) (*os.Process, *redis.Client) {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("redis-server is not installed: this test must run in CI")
		}
		t.Skip("redis-server is not installed: the Redis store is not tested")
	}
	dir, err := os.MkdirTemp("", "redis") // short, the path of a socket is limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	server := exec.Command(binary, append([]string{
		"--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", dir,
	}, options...)...)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait() // "signal: killed"
	})
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	eventually(t, func() bool { return client.Ping(t.Context()).Err() == nil })
	return server.Process, client
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !condition() {
		if sleep(ctx, 10*time.Millisecond) != nil {
			t.Fatal("did not happen in time")
		}
	}
}

// syncLog is a log that may be written and read concurrently.
type syncLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *syncLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *syncLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestRedis(t *testing.T) {
	_, client := startRedis(t)
	store := NewRedis(client, 0)
	testStore(t, store)

	// The key is what backends in other languages write.
	ctx := t.Context()
	wantError(t, client.Set(ctx, "ws-emit::secret::py", "S1", 0).Err(), nil)
	wantError(t, client.Set(ctx, "ws-emit::secret::empty", "", 0).Err(), nil)
	wantError(t, client.HSet(ctx, "ws-emit::secret::hash", "a", "b").Err(), nil)
	wantError(t, store.Set(ctx, "go", "S2"), nil)
	if got, err := client.Get(ctx, "ws-emit::secret::go").Result(); got != "S2" || err != nil {
		t.Errorf("Redis holds %q, %v", got, err)
	}
	var log syncLog
	a := newAuthorizer(t, Config{Store: store, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, c := range []struct {
		space, secret string
		want          error
	}{
		{"py", "S1", nil}, {"go", "S2", nil}, {"py", "bad", ErrDenied}, {"none", "S1", ErrDenied}, {"empty", "x", ErrDenied},
		{"hash", "b", ErrDenied}, {"py", "", ErrDenied},
	} {
		wantError(t, a.Check(ctx, c.space, c.secret, time.Now()), c.want)
	}
	wantError(t, store.Set(ctx, "hash", "S3"), nil)
	wantError(t, a.Check(ctx, "hash", "S3", time.Now()), nil)
	if log.String() != "" {
		t.Errorf("log:\n%s", log.String())
	}
}

// TestRedisSpaces: what begins so and nothing else, whatever stands beside it, in one piece of a scan or many.
func TestRedisSpaces(t *testing.T) {
	_, client := startRedis(t)
	store := NewRedis(client, 0)
	for _, key := range []string{"ws-emit::secret::a", "ws-emit::secret::ab", "ws-emit::secret::a*b", "ws-emit::secret::b", "ws-emit::secret::", "ws-emit::secret::\xff", "ws-emit::other", "x"} {
		if err := client.Set(t.Context(), key, "S", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 * scanCount {
		if err := client.Set(t.Context(), fmt.Sprint("filler", i), "S", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for begin, want := range map[string][]string{"": {"", "a", "a*b", "ab", "b", "\xff"}, "a": {"a", "a*b", "ab"}, "a*": {"a*b"}, "c": nil, "[a]": nil} {
		if got, err := store.Spaces(t.Context(), begin); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", begin, got, err, want)
		}
	}
}

func TestRedisThatIsStopped(t *testing.T) {
	server, client := startRedis(t)
	store := NewRedis(client, time.Second)
	wantError(t, store.Set(t.Context(), "dir", "S1"), nil)
	var log syncLog
	a := newAuthorizer(t, Config{Store: store, Timeout: time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	check := func() error { return a.Check(t.Context(), "dir", "S1", time.Now()) }
	wantError(t, check(), nil)

	wantError(t, server.Signal(syscall.SIGSTOP), nil)
	start := time.Now()
	wantError(t, check(), ErrUnavailable)
	if took := time.Since(start); took < 900*time.Millisecond || took > 5*time.Second {
		t.Errorf("the first check took %v", took)
	}
	start = time.Now()
	for i := range 1000 {
		wantError(t, a.Check(t.Context(), fmt.Sprint("dir", i), "S1", time.Now()), ErrUnavailable)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("1,000 checks of a stopped Redis took %v", took)
	}
	wantError(t, server.Signal(syscall.SIGCONT), nil)
	eventually(t, func() bool { return check() == nil })
	if text := log.String(); strings.Count(text, "\n") != 2 || strings.Contains(text, "S1") {
		t.Errorf("log:\n%s", text)
	}
}

func TestRedisErrorsHaveNoSecret(t *testing.T) {
	// Redis quotes the arguments of a command that it does not know.
	server, client := startRedis(t, "--rename-command", "SET", "", "--rename-command", "GET", "")
	store := NewRedis(client, time.Second)
	err := store.Set(t.Context(), "dir", "top-secret")
	if text := fmt.Sprint(err); !strings.Contains(text, "ERR") || strings.Contains(text, "top-secret") {
		t.Errorf("the error is %q", text)
	}
	if err := client.Set(t.Context(), "dir", "top-secret", 0).Err(); !strings.Contains(fmt.Sprint(err), "top-secret") {
		t.Errorf("Redis does not quote it, this test proves nothing: %v", err)
	}
	var log syncLog
	a := newAuthorizer(t, Config{Store: store, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	err = a.Check(t.Context(), "dir", "top-secret", time.Now())
	wantError(t, err, ErrUnavailable)
	if strings.Contains(err.Error(), "top-secret") || strings.Contains(log.String(), "top-secret") {
		t.Errorf("the error is %q, log:\n%s", err, log.String())
	}
	wantError(t, server.Kill(), nil)
	eventually(t, func() bool {
		err = store.Set(t.Context(), "dir", "top-secret")
		return err != nil && !strings.Contains(err.Error(), "ERR")
	})
	if strings.Contains(err.Error(), "top-secret") {
		t.Errorf("the error is %q", err)
	}
}
