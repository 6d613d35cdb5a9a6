package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell is a peer whose server is a script.
func shell(script string) *Peer {
	return &Peer{Name: "shell", Command: func(string, int) (argv, env []string) {
		return []string{"sh", "-c", script, "shell"}, []string{"OWN=own"}
	}}
}

// TestStart: the floor is installed, listens when Start returns, serves, and is gone after stop.
func TestStart(t *testing.T) {
	dir := install(t, floor())
	s, stop, err := Start(t.Context(), floor(), dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if group, err := syscall.Getpgid(s.PID); err != nil || group != s.PID {
		t.Errorf("process %d is of group %d, %v", s.PID, group, err)
	}
	works(t, s)
	stop()
	stop()
	if c, err := net.Dial("tcp", s.address()); err == nil {
		c.Close()
		t.Error("it listens still")
	}
	if err := syscall.Kill(s.PID, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process is there still: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "floor.log")); err != nil {
		t.Error(err)
	}
}

// TestStartTellsWhy: of a server that ends the end of its log is told, here with what was added to its command and its environment.
func TestStartTellsWhy(t *testing.T) {
	_, _, err := Start(t.Context(), shell(`echo "$@ $OWN $MORE" >&2; exit 3`), t.TempDir(), []string{"--fast", "x"}, []string{"MORE=more"})
	if err == nil || !strings.Contains(err.Error(), "--fast x own more") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
	_, _, err = Start(t.Context(), &Peer{Name: "none", Command: func(string, int) (argv, env []string) {
		return []string{filepath.Join(t.TempDir(), "nothing")}, nil
	}}, t.TempDir(), nil, nil)
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestStartEndsWithContext: a server that does not come up is killed with what it has started, and so is one that runs.
func TestStartEndsWithContext(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	held, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, _, err = Start(ctx, shell(`sleep 1000 >"$1" & wait`), t.TempDir(), []string{pipe}, nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := held.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := held.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("what the server had started holds the pipe still: %v", err)
	}

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	s, stop, err := Start(ctx, floor(), install(t, floor()), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	stop() // only waits now
	if err := syscall.Kill(s.PID, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process is there still: %v", err)
	}
}

// TestInstallTellsWhy: a peer that cannot be installed names what is missing.
func TestInstallTellsWhy(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, p := range All() {
		missing := map[string]string{"node": "node is not installed", "python": "python3 is not installed", "socketioxide": "cargo is not installed"}[p.Name]
		if missing == "" {
			missing = `"go": executable file not found`
		}
		if _, err := p.Install(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("%s: got %v, want %s", p.Name, err, missing)
		}
	}
}
