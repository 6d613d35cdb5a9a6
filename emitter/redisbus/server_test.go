package redisbus

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ws-emit/ws-emit/emitter"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// redisServer is a real redis-server on a socket of its own.
type redisServer struct {
	tb     testing.TB
	socket string
	cmd    *exec.Cmd
}

// newRedis returns a server that is not running yet.
func newRedis(tb testing.TB) *redisServer {
	tb.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			tb.Fatal("redis-server is not installed")
		}
		tb.Skip("needs redis-server, which is not installed")
	}
	dir, err := os.MkdirTemp("", "redisbus") // tb.TempDir can be too long for a socket
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return &redisServer{tb: tb, socket: filepath.Join(dir, "s")}
}

func startRedis(tb testing.TB) *redisServer {
	tb.Helper()
	s := newRedis(tb)
	s.start()
	return s
}

// start starts the server and waits until it accepts connections.
func (s *redisServer) start() {
	s.tb.Helper()
	s.cmd = exec.Command("redis-server", "--port", "0", "--unixsocket", s.socket, "--save", "", "--dir", filepath.Dir(s.socket))
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.tb.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(s.kill)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(strings.ToLower(lines.Text()), "ready to accept connections") {
			go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
			return
		}
	}
	s.tb.Fatal("redis-server did not start")
}

func (s *redisServer) kill() {
	if s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}

func (s *redisServer) signal(sig syscall.Signal) {
	s.tb.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.tb.Fatal(err)
	}
}

func (s *redisServer) options() *redis.Options {
	s.tb.Helper()
	opt, err := ParseURL("unix://" + s.socket)
	if err != nil {
		s.tb.Fatal(err)
	}
	return opt
}

// client returns a client that is closed with the test.
func (s *redisServer) client() *redis.Client {
	c := redis.NewClient(s.options())
	s.tb.Cleanup(func() { _ = c.Close() })
	return c
}

// publishAll publishes messages with these numbers, in order.
func (s *redisServer) publishAll(from, to int) {
	s.tb.Helper()
	c := s.client()
	defer func() { _ = c.Close() }()
	for from < to {
		pipe := c.Pipeline()
		for n := min(1000, to-from); n > 0; n-- {
			pipe.Publish(s.tb.Context(), "socketio", pythonMessage(from))
			from++
		}
		if _, err := pipe.Exec(s.tb.Context()); err != nil {
			s.tb.Fatal(err)
		}
	}
}

// proxy stands before a server. Once it swallows, the connections that it has stay open and nothing comes through them; new ones work.
type proxy struct {
	ln     net.Listener
	target string

	mu      sync.Mutex
	swallow map[net.Conn]bool
}

func startProxy(tb testing.TB, target string) *proxy {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &proxy{ln: ln, target: target, swallow: make(map[net.Conn]bool)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(c) })
		}
	})
	tb.Cleanup(func() { _ = ln.Close(); p.closeAll(); wg.Wait() })
	return p
}

func (p *proxy) serve(c net.Conn) {
	up, err := net.Dial("unix", p.target)
	if err != nil {
		_ = c.Close()
		return
	}
	p.mu.Lock()
	p.swallow[c], p.swallow[up] = false, false
	p.mu.Unlock()
	var wg sync.WaitGroup
	for from, to := range map[net.Conn]net.Conn{c: up, up: c} {
		wg.Go(func() {
			buf := make([]byte, 32<<10)
			for {
				n, err := from.Read(buf)
				if err != nil {
					_ = to.Close()
					return
				}
				p.mu.Lock()
				swallow := p.swallow[from]
				p.mu.Unlock()
				if !swallow {
					_, _ = to.Write(buf[:n])
				}
			}
		})
	}
	wg.Wait()
}

func (p *proxy) swallowAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.swallow {
		p.swallow[c] = true
	}
}

func (p *proxy) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.swallow {
		_ = c.Close()
	}
}

// harness runs a reader and tells what it does.
type harness struct {
	*Reader
	tb   testing.TB
	up   chan struct{}
	away chan error
	gaps chan GapReason
	logs chan string // the messages of log lines
	stop func()      // ends Run and waits for it

	mu    sync.Mutex
	drops map[DropReason]int
}

// logHandler passes the messages of log lines to a channel.
type logHandler struct{ lines chan string }

func (h logHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h logHandler) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h logHandler) WithGroup(string) slog.Handler            { return h }
func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	h.lines <- r.Message
	return nil
}

// run starts a reader on the server with this configuration, in which the callbacks and the logger are replaced.
func run(tb testing.TB, cfg Config, sink emitter.Sink) *harness {
	tb.Helper()
	h := &harness{
		tb: tb, up: make(chan struct{}, 10), away: make(chan error, 100), gaps: make(chan GapReason, 100),
		logs: make(chan string, 1000), drops: make(map[DropReason]int),
	}
	cfg.OnUp = func() { h.up <- struct{}{} }
	cfg.OnAway = func(err error) { h.away <- err }
	cfg.OnGap = func(reason GapReason) { h.gaps <- reason }
	cfg.OnDrop = func(reason DropReason) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.drops[reason]++
	}
	cfg.Logger = slog.New(logHandler{h.logs})
	var err error
	if h.Reader, err = New(cfg); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx, sink) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				tb.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			tb.Error("Run does not return")
		}
	})
	tb.Cleanup(h.stop)
	return h
}

// await returns the next value of a channel.
func await[V any](tb testing.TB, ch <-chan V, what string) (v V) {
	tb.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		tb.Fatalf("no %s", what)
	}
	return v
}

// awaitUp waits for the first subscription.
func (h *harness) awaitUp() {
	h.tb.Helper()
	await(h.tb, h.up, "subscription")
	if err := h.Ready(); err != nil {
		h.tb.Fatalf("Ready: %v", err)
	}
}

// awaitLog passes over log lines until this one.
func (h *harness) awaitLog(message string) {
	h.tb.Helper()
	for await(h.tb, h.logs, "log line: "+message) != message {
	}
}

// awaitGap waits for a gap and checks that it is the only one.
func (h *harness) awaitGap(want GapReason) {
	h.tb.Helper()
	if got := await(h.tb, h.gaps, "gap"); got != want {
		h.tb.Fatalf("gap %s, want %s", got, want)
	}
}

// noMoreGaps stops the reader and checks that no gap was told of that nobody waited for.
func (h *harness) noMoreGaps() {
	h.tb.Helper()
	h.stop()
	select {
	case gap := <-h.gaps:
		h.tb.Errorf("another gap: %s", gap)
	default:
	}
}

func (h *harness) dropped(reason DropReason) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.drops[reason]
}

// recorder is a sink that passes on the first argument of each message.
type recorder chan string

func newRecorder() recorder { return make(recorder, 200000) }

func (r recorder) Emit(ctx context.Context, batch []emitter.Message) (emitter.Receipt, error) {
	for _, m := range batch {
		r <- string(m.Args[0])
	}
	return emitter.Receipt{Accepted: len(batch)}, nil
}

// sinkFunc is a sink.
type sinkFunc func(ctx context.Context, batch []emitter.Message) (emitter.Receipt, error)

func (f sinkFunc) Emit(ctx context.Context, batch []emitter.Message) (emitter.Receipt, error) {
	return f(ctx, batch)
}
