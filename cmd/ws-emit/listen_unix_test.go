//go:build unix

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ws-emit/ws-emit/server"
)

// command starts ws-emit as a process, whose standard error is in notes.
func command(t *testing.T, stdout *os.File, environ []string, args ...string) (cmd *exec.Cmd, notes printed) {
	t.Helper()
	cmd, notes = exec.Command("ws-emit", args...), newPrinted()
	cmd.Env = append(os.Environ(), environ...)
	cmd.Stdout, cmd.Stderr = stdout, notes
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return cmd, notes
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(); _ = w.Close() })
	return r, w
}

// TestListenProcess: a line is there as soon as its event is, an interrupt and a reader who goes are no failures.
func TestListenProcess(t *testing.T) {
	srv, _ := startServer(t, server.Config{RoomSecrets: map[string]string{"a": "S1"}})
	environ := []string{"WS_EMIT_JOIN_SECRET=S1"}
	args := []string{"listen", "a::1", "--url", "http://" + srv.Addr().String()}
	for name, end := range map[string]func(cmd *exec.Cmd, r *os.File){
		"interrupt":    func(cmd *exec.Cmd, _ *os.File) { _ = cmd.Process.Signal(os.Interrupt) },
		"nobody reads": func(_ *exec.Cmd, r *os.File) { _ = r.Close(); emitTo(t, srv, "second", []string{"a::1"}) },
	} {
		t.Run(name, func(t *testing.T) {
			r, w := pipe(t)
			cmd, notes := command(t, w, environ, args...)
			notes.want(t, "^ws-emit: connected as ")
			emitTo(t, srv, "first", []string{"a::1"})
			buf := make([]byte, 100)
			if n, err := r.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), `{"event":"first"`) {
				t.Fatalf("%q, %v", buf[:n], err)
			}
			end(cmd, r)
			if err := cmd.Wait(); err != nil {
				t.Errorf("ended with %v", err)
			}
			if len(notes) > 0 {
				t.Errorf("said %q", <-notes)
			}
		})
	}
}
