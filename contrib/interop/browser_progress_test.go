package interop

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

var progressProgram = program("WS_EMIT_PROGRESS_BIN", "examples/progress")

// gate is a named pipe: a step of a build that reads it waits until the test
// lets it go on.
type gate string

func newGate(t testing.TB) gate {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gate")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return gate(path)
}

// open lets the build go on. It waits until the build reads the gate.
func (g gate) open(t testing.TB) {
	t.Helper()
	f, err := os.OpenFile(string(g), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// startBuild starts build.sh with these steps.
func startBuild(t testing.TB, s *server, steps ...string) *process {
	t.Helper()
	sh := need(t, "sh")
	need(t, "curl")
	env := append(clean(os.Environ()), "SECRET="+emitSecret, "URL="+s.url())
	args := append([]string{filepath.Join("..", "..", "examples", "progress", "build.sh")}, steps...)
	return start(t, func(cmd *exec.Cmd) { cmd.Env = env }, sh, args...)
}

func (p *process) expectExit(t testing.TB, status int) {
	t.Helper()
	<-p.exited
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) || p.cmd.ProcessState.ExitCode() != status {
		t.Errorf("%s ended with %v, want exit status %d", p.cmd.Path, p.err, status)
	}
}

// TestBrowserProgress watches builds, as somebody does who waits for them.
func TestBrowserProgress(t *testing.T) {
	addr := freeAddress(t)
	s := startServer(t, "--cors", "http://"+addr)
	needBundle(t, s)
	startExample(t, progressProgram, addr, nil, "--url", s.url())
	b := startBrowser(t)
	b.open(t, "http://"+addr)
	b.has(t, "#state", "live")
	b.has(t, "#step", "waiting")
	b.screenshots(t, "progress-waiting")

	compiled, tested := newGate(t), newGate(t)
	build := startBuild(t, s, "echo fetching; echo '12 packages, <b>none</b> \"new\"' # fetch", "echo compiling; cat "+string(compiled)+" # compile",
		"echo ok parser; cat "+string(tested)+"; echo ok server # test", "echo ws-emit.tar.gz # pack")
	b.has(t, "#percent", "25 %")
	b.has(t, "#step", "compile")
	b.has(t, "#log", `12 packages, <b>none</b> "new"`)
	b.has(t, "#log", "compiling")
	compiled.open(t)
	b.has(t, "#percent", "50 %")
	b.has(t, "#log", "ok parser")
	b.screenshots(t, "progress-running")

	// A page that comes in the middle shows the next step.
	b.open(t, "http://"+addr)
	b.has(t, "#state", "live")
	b.has(t, "#step", "waiting")
	tested.open(t)
	b.has(t, "#percent", "100 %")
	b.has(t, "#step", "done")
	b.has(t, `#bar[aria-valuenow="100"] div[style="width: 100%;"]`, "")
	if got, want := b.has(t, "#log", "tar"), "testok serverpackws-emit.tar.gz"; got != want {
		t.Errorf("the log is %q, want %q", got, want)
	}
	build.expectExit(t, 0)
	b.screenshots(t, "progress-done")

	build = startBuild(t, s, "echo fetching # fetch", "echo 'parser_test.go:12: got 3, want 4'; exit 2 # test", "echo never # pack")
	b.has(t, "#step", "failed: test")
	b.has(t, "#percent", "33 %")
	if got, want := b.has(t, "#log", "exit status"), "fetchfetchingtestparser_test.go:12: got 3, want 4failed with exit status 2"; got != want {
		t.Errorf("the log is %q, want that of this build alone, %q", got, want)
	}
	build.expectExit(t, 2)
	b.screenshots(t, "progress-failed")
	b.expectNoProblems(t)
}
