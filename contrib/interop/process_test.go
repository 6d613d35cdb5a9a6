package interop

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait. It is long because the machine may be busy with
// other tests: a wait that ends well ends as soon as it can.
const patience = 30 * time.Second

// need returns the path of a program that the test cannot do without.
func need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		unavailable(t, "%s is not installed; `make setup` installs it", program)
	}
	return path
}

// unavailable ends a test that cannot run here. In CI nothing is left out.
func unavailable(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// eventually waits for something that only asking can tell.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("waited %v in vain: %s", patience, what)
		case <-again.C:
		}
	}
}

// freeAddress returns a loopback address that nobody listens on. A program
// that is started again has to come back on the same port, so it cannot be
// left to choose one. The port is below those that the system gives to clients:
// one of those might be a connection's own before the program listens.
func freeAddress(t testing.TB) string {
	t.Helper()
	var err error
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12000+rand.IntN(20000))); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal(err)
	return ""
}

// listening reports whether something accepts connections at addr.
func listening(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// process is a program that a test started.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed after Wait returned
	err    error         // of Wait; read after exited
}

// start runs a program until the test ends. What it prints to standard error
// (and to standard output, unless the caller asked for that in configure) is
// logged with the test.
func start(t testing.TB, configure func(*exec.Cmd), program string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(program, args...)
	log := &testLog{t: t, name: filepath.Base(program)}
	// Of its own process group, so that Ctrl-C in a terminal reaches the tests
	// first and they end what they started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = log
	if configure != nil {
		configure(cmd)
	}
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	// A child of the program that keeps the pipes open must not hold Wait.
	cmd.WaitDelay = time.Second
	p := &process{cmd: cmd, exited: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.kill()
		log.close()
	})
	return p
}

// kill ends the process, and what it started, at once.
func (p *process) kill() {
	// The group; it is gone when the process has ended by itself.
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.exited
}

// stop asks the process to end and returns its exit status.
func (p *process) stop(t testing.TB) int {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("SIGTERM: %v", err)
	}
	select {
	case <-p.exited:
	case <-time.After(patience):
		t.Fatalf("%s did not end within %v of SIGTERM", p.cmd.Path, patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// testLog hands lines to the test's log for as long as the test runs.
type testLog struct {
	t    testing.TB
	name string

	mu     sync.Mutex // guards the following
	closed bool
	rest   []byte
}

func (l *testLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, b...)
	for {
		n, line, err := bufio.ScanLines(l.rest, false)
		if n == 0 || err != nil {
			return len(b), nil
		}
		if !l.closed {
			l.t.Logf("%s: %s", l.name, line)
		}
		l.rest = l.rest[n:]
	}
}

func (l *testLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

// run runs a program to its end and returns its standard output.
func run(t testing.TB, input io.Reader, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = input
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%s %q: %v: %s%s", program, args, err, out, exit.Stderr)
		}
		t.Fatalf("%s %q: %v", program, args, err)
	}
	return string(out)
}
