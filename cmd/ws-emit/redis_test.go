package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ws-emit/ws-emit/emitter/redisbus"
)

// startRedis starts a redis-server on a socket, with further arguments, and returns when that accepts connections. stop may be called again.
func startRedis(socket string, args ...string) (stop func(), err error) {
	args = append([]string{"--port", "0", "--unixsocket", socket, "--save", "", "--dir", filepath.Dir(socket)}, args...)
	cmd := exec.Command("redis-server", args...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	stop = sync.OnceFunc(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for log := bufio.NewScanner(out); log.Scan(); {
		if strings.Contains(strings.ToLower(log.Text()), "ready to accept connections") {
			go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
			return stop, nil
		}
	}
	stop()
	return nil, errors.New("redis-server did not start")
}

// redisProcess is a redis-server of a test.
type redisProcess struct {
	socket, url string
	client      *redis.Client
	start       func()
	stop        func()
}

func newRedisProcess(t *testing.T, args ...string) *redisProcess {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("redis-server is not installed")
		}
		t.Skip("needs redis-server, which is not installed")
	}
	dir, err := os.MkdirTemp("", "ws-emit") // paths of sockets must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &redisProcess{socket: filepath.Join(dir, "redis")}
	p.url = "unix://" + p.socket
	options, err := redisbus.ParseURL(p.url)
	if err != nil {
		t.Fatal(err)
	}
	p.client = redis.NewClient(options)
	t.Cleanup(func() { _ = p.client.Close() })
	p.start = func() {
		t.Helper()
		if p.stop, err = startRedis(p.socket, args...); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.stop)
	}
	p.start()
	return p
}

func (p *redisProcess) publish(t *testing.T, channel, payload string) {
	t.Helper()
	if n, err := p.client.Publish(t.Context(), channel, payload).Result(); err != nil || n != 1 {
		t.Fatalf("publish on %s: %d receivers, %v", channel, n, err)
	}
}
