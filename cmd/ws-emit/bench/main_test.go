package bench

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/ws-emit/ws-emit/emitter/redisbus"
	"github.com/ws-emit/ws-emit/server"
)

func TestMain(m *testing.M) {
	redis.SetLogger(redisbus.ClientLog{Logger: slog.New(slog.DiscardHandler)}) // it would write to standard error
	goleak.VerifyTestMain(m)
}

const emitSecret = "emit-4pY7"

// patience is the time that anything in a test may take, which is far more than it should: the machine may be busy.
const patience = 60 * time.Second

// startServer runs a server until the test ends, and returns its URL.
func startServer(t testing.TB, cfg server.Config) string {
	t.Helper()
	cfg.Address, cfg.EmitSecret, cfg.ShutdownTimeout = "127.0.0.1:0", emitSecret, 200*time.Millisecond
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
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return "http://" + s.Addr().String()
}

// startRedis runs redis-server until the test ends, and returns its URL.
func startRedis(t testing.TB) string {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("redis-server is not installed")
		}
		t.Skip("needs redis-server, which is not installed")
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "redis")
	cmd := exec.Command("redis-server", "--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "", "--appendonly", "no")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket})
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for client.Ping(ctx).Err() != nil {
		if !pause(ctx, 10*time.Millisecond) {
			t.Fatal("redis-server does not answer")
		}
	}
	return "unix://" + socket
}

// mustRun runs a bench that has something to report.
func mustRun(t testing.TB, cfg Config) *Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := Run(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatal("the bench does not end")
	}
	return r
}
