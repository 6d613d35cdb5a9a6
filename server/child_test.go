package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ws-emit/ws-emit/server"
)

// childVar holds the configuration of a server that this binary is to run instead of the tests.
const childVar = "WS_EMIT_TEST_CHILD"

// child is a server in a process of its own: it has open files, goroutines and memory for itself, and is ended by what would end a server.
type child struct {
	node
	cmd   *exec.Cmd
	lines *bufio.Scanner // what it prints

	mu    sync.Mutex // guards the following
	stdin io.WriteCloser
}

// usage is what a child uses.
type usage struct {
	Goroutines int
	Memory     uint64 // bytes of heap and stacks, after garbage collection
	Files      int    // open ones; 0 where that cannot be known
}

// startChild runs a server in a child process until the test ends, which must then end in order. Logger and Registerer of cfg are replaced.
func startChild(t testing.TB, cfg server.Config) *child {
	t.Helper()
	cfg.Address, cfg.EmitSecret = "127.0.0.1:0", emitSecret
	cfg.Registerer, cfg.Gatherer, cfg.Logger = nil, nil, nil
	setTestDefaults(&cfg)
	c := &child{cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(os.Environ(), childVar+"="+toJSON(cfg))
	var stderr bytes.Buffer
	c.cmd.Stderr = &stderr
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.stdin.Close() // it ends, then
		for c.lines.Scan() {
		}
		if err := c.cmd.Wait(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
		if t.Failed() {
			t.Logf("the server said:\n%.20000s", &stderr)
		}
	})
	c.lines = bufio.NewScanner(stdout)
	c.lines.Buffer(nil, 1<<20)
	c.url = c.line(t)
	return c
}

// line returns the next line that the child prints.
func (c *child) line(t testing.TB) string {
	t.Helper()
	if !c.lines.Scan() {
		t.Fatal("the server has ended")
	}
	return c.lines.Text()
}

// usage asks the child what it uses.
func (c *child) usage(t testing.TB) (u usage) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := io.WriteString(c.stdin, "usage\n"); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(c.line(t)), &u); err != nil {
		t.Fatal(err)
	}
	return u
}

// stacks makes the child print the stacks of its goroutines with its log.
func (c *child) stacks(t testing.TB) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := io.WriteString(c.stdin, "stacks\n"); err != nil {
		t.Fatal(err)
	}
	c.line(t)
}

func isChild() bool { return os.Getenv(childVar) != "" }

// serveAsChild runs a server until standard input ends. It returns the exit status.
func serveAsChild() int {
	if err := runChild(os.Getenv(childVar)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func runChild(config string) error {
	var cfg server.Config
	if err := json.Unmarshal([]byte(config), &cfg); err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	cfg.Registerer, cfg.Gatherer = registry, registry
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := server.New(cfg)
	if err != nil {
		return err
	}
	if err := s.Listen(); err != nil {
		return err
	}
	fmt.Printf("http://%s\n", s.Addr())
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { // until standard input ends
		defer stop()
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			if in.Text() == "stacks" {
				_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
			}
			fmt.Println(toJSON(ownUsage()))
		}
	}()
	return s.Run(ctx)
}

// ownUsage is what this process uses.
func ownUsage() usage {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, _ := os.ReadDir("/proc/self/fd") // none elsewhere
	return usage{Goroutines: runtime.NumGoroutine(), Memory: m.HeapAlloc + m.StackInuse, Files: len(files)}
}
