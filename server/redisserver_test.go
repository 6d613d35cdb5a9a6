package server_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
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
)

// redisServer is a real redis-server on a socket of its own.
type redisServer struct {
	t      testing.TB
	socket string
	cmd    *exec.Cmd
}

// newRedis returns a server that is not running yet.
func newRedis(t testing.TB) *redisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("redis-server is not installed")
		}
		t.Skip("needs redis-server, which is not installed")
	}
	dir, err := os.MkdirTemp("", "ws-emit") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return &redisServer{t: t, socket: filepath.Join(dir, "s")}
}

func startRedis(t testing.TB) *redisServer {
	t.Helper()
	s := newRedis(t)
	s.start()
	return s
}

// start starts the server and waits until it accepts connections.
func (s *redisServer) start() {
	s.t.Helper()
	s.cmd = exec.Command("redis-server", "--port", "0", "--unixsocket", s.socket, "--save", "", "--dir", filepath.Dir(s.socket))
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.kill)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(strings.ToLower(lines.Text()), "ready to accept connections") {
			go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
			return
		}
	}
	s.t.Fatal("redis-server did not start")
}

func (s *redisServer) kill() {
	if s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}

func (s *redisServer) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

func (s *redisServer) url() string { return "unix://" + s.socket }

// client returns a client that is closed with the test.
func (s *redisServer) client() *redis.Client {
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: s.socket})
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// set gives a room-space a secret, as a backend does; none takes it away.
func (s *redisServer) set(space, secret string) {
	s.t.Helper()
	key := "ws-emit::secret::" + space
	c := s.client()
	err := c.Set(soon(s.t), key, secret, 0).Err()
	if secret == "" {
		err = c.Del(soon(s.t), key).Err()
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// publish publishes a payload, which somebody must hear.
func (s *redisServer) publish(channel, payload string) {
	s.t.Helper()
	heard, err := s.client().Publish(soon(s.t), channel, payload).Result()
	if err != nil || heard != 1 {
		s.t.Fatalf("publish to %s: %d hear it, %v", channel, heard, err)
	}
}

// slowRedis stands before a Redis and holds back its answers to GET, which that has given by then.
type slowRedis struct {
	ln     net.Listener
	socket string
	ctx    context.Context // ends with the test

	mu    sync.Mutex // guards the following
	gets  int
	delay time.Duration
	gate  chan struct{} // answers wait until it is closed
	conns map[net.Conn]bool
}

// startSlowRedis returns a proxy that does not delay anything yet.
func startSlowRedis(t testing.TB, behind *redisServer) *slowRedis {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &slowRedis{ln: ln, socket: behind.socket, ctx: ctx, gate: make(chan struct{}), conns: make(map[net.Conn]bool)}
	close(p.gate)
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
	t.Cleanup(func() { cancel(); _ = ln.Close(); p.closeAll(); wg.Wait() })
	return p
}

func (p *slowRedis) url() string { return "redis://" + p.ln.Addr().String() }

// setDelay makes each answer to a GET that long.
func (p *slowRedis) setDelay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// hold keeps the answers to GETs back until release is called.
func (p *slowRedis) hold() (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	gate := make(chan struct{})
	p.gate = gate
	return sync.OnceFunc(func() { close(gate) })
}

// asked is the number of GETs.
func (p *slowRedis) asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gets
}

// serve passes on requests and, one after the other, their answers: go-redis sends no request before it has the answer to the last.
func (p *slowRedis) serve(c net.Conn) {
	defer c.Close()
	up, err := net.Dial("unix", p.socket)
	if err != nil {
		return
	}
	defer up.Close()
	p.mu.Lock()
	p.conns[c], p.conns[up] = true, true
	p.mu.Unlock()
	get := make(chan bool, 1) // whether the request before was one
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		defer up.Close()
		p.copy(up, c, func(b []byte) {
			select {
			case <-get:
			default:
			}
			get <- bytes.Contains(bytes.ToLower(b), []byte("\r\nget\r\n"))
		})
	})
	p.copy(c, up, func([]byte) {
		select {
		case isGet := <-get:
			if isGet {
				p.wait()
			}
		default: // a message of pub/sub
		}
	})
	_ = c.Close()
}

// copy passes on bytes after showing them.
func (p *slowRedis) copy(to, from net.Conn, show func([]byte)) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		show(buf[:n])
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *slowRedis) wait() {
	p.mu.Lock()
	p.gets++
	delay, gate := p.delay, p.gate
	p.mu.Unlock()
	for _, until := range []<-chan struct{}{gate, after(delay)} {
		select {
		case <-until:
		case <-p.ctx.Done():
			return
		}
	}
}

func after(d time.Duration) <-chan struct{} {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	context.AfterFunc(ctx, cancel)
	return ctx.Done()
}

func (p *slowRedis) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}
