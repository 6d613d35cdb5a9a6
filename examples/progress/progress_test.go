package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ws-emit/ws-emit/emitter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = `a "good" \secret`

// event is what the page gets.
type event struct {
	Build   string
	State   string
	Percent int
	Step    string
	Line    *string
}

func (e event) String() string {
	out := e.State + " " + e.Step
	if e.Line != nil {
		out += ": " + *e.Line
	}
	return out
}

// sink keeps what was emitted.
type sink struct {
	t *testing.T

	mu     sync.Mutex // guards the following
	events []event
	came   chan struct{} // gets something for each event, while there is room
}

func (s *sink) Emit(_ context.Context, batch []emitter.Message) (emitter.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range batch {
		var e event
		if err := json.Unmarshal(m.Args[0], &e); err != nil {
			s.t.Error(err)
		}
		if m.Event != "progress" || !slices.Equal(m.Rooms, []string{"b"}) {
			s.t.Errorf("event %q for rooms %q", m.Event, m.Rooms)
		}
		s.events = append(s.events, e)
		select {
		case s.came <- struct{}{}:
		default:
		}
	}
	return emitter.Receipt{}, nil
}

// command is build.sh with ws-emit at url.
func command(t *testing.T, url string, steps ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	for _, program := range []string{"sh", "curl", "iconv"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(err)
			}
			t.Skipf("%s is not installed", program)
		}
	}
	cmd := exec.Command("sh", append([]string{"build.sh"}, steps...)...)
	cmd.Env = append(os.Environ(), "URL="+url, "SECRET="+secret, "ROOM=b")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	return cmd, &out
}

// build runs build.sh with these steps to its end, and returns what the page
// would get, what was printed and the exit status.
func build(t *testing.T, steps ...string) (events []event, printed string, status int) {
	t.Helper()
	s := &sink{t: t}
	web := http.NewServeMux()
	web.Handle("/emit", emitter.NewHandler(emitter.HTTPConfig{Secret: secret, Sink: s}))
	server := httptest.NewServer(web)
	defer server.Close()
	cmd, out := command(t, server.URL+"/", steps...) // the URL as many write it
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	for _, e := range s.events {
		if e.Build == "" || e.Build != s.events[0].Build {
			t.Errorf("%v belongs to build %q, the first event to %q", e, e.Build, s.events[0].Build)
		}
	}
	return s.events, out.String(), cmd.ProcessState.ExitCode()
}

func expect(t *testing.T, got []event, percents []int, want ...string) {
	t.Helper()
	var lines []string
	var numbers []int
	for _, e := range got {
		lines, numbers = append(lines, e.String()), append(numbers, e.Percent)
	}
	if !slices.Equal(lines, want) {
		t.Errorf("emitted\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if !slices.Equal(numbers, percents) {
		t.Errorf("percents %v, want %v", numbers, percents)
	}
}

func TestBuild(t *testing.T) {
	events, printed, status := build(t, "echo one; echo two >&2; printf three # name of it", "true", `cat; echo "last"`)
	expect(t, events, []int{0, 0, 0, 0, 33, 66, 66, 100},
		"running name of it", "running name of it: one", "running name of it: two", "running name of it: three",
		"running true", `running cat; echo "last"`, `running cat; echo "last": last`, `done cat; echo "last"`)
	if status != 0 || printed != "one\ntwo\nthree\nlast\n" {
		t.Errorf("exit status %d, printed %q", status, printed)
	}
}

func TestBuildFails(t *testing.T) {
	events, _, status := build(t, "true", "echo oh; exit 7 # test", "echo never")
	expect(t, events, []int{0, 50 - 17, 33, 33}, "running true", "running test", "running test: oh", "failed test: failed with exit status 7")
	if status != 7 {
		t.Errorf("exit status %d, want that of the step, 7", status)
	}
}

// TestBuildOdd: what a build prints reaches the page as it is, but for what
// JSON or a terminal would trip over.
func TestBuildOdd(t *testing.T) {
	for name, tt := range map[string]struct{ print, want string }{
		"quotes":           {`"a" 'b' \c \" \n`, `"a" 'b' \c \" \n`},
		"HTML":             {`<b>&amp;</b>`, `<b>&amp;</b>`},
		"format":           {`100 % %s %d`, `100 % %s %d`},
		"blanks":           {"  a  \tb  ", "  a   b  "},
		"empty":            {"", ""},
		"not ASCII":        {"grüße 日本 🎉", "grüße 日本 🎉"},
		"not UTF-8":        {"a\xff\xc3(b", "a(b"},
		"colours":          {"\x1b[31mred\x1b[0m\r", "[31mred[0m"},
		"long":             {strings.Repeat("x", 5000), strings.Repeat("x", 2000)},
		"cut in character": {"x" + strings.Repeat("ü", 1000), "x" + strings.Repeat("ü", 999)},
		"dashes":           {"-n -e -", "-n -e -"},
		"an at sign":       {"@/etc/passwd", "@/etc/passwd"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PRINT", tt.print)
			events, _, _ := build(t, `printf '%s\n' "$PRINT" # s`)
			expect(t, events, []int{0, 0, 100}, "running s", "running s: "+tt.want, "done s")
		})
	}
}

// TestBuildAlone: a build is what it is, whether somebody can be told or not.
func TestBuildAlone(t *testing.T) {
	refusing := httptest.NewServer(http.NotFoundHandler())
	away := httptest.NewServer(nil)
	away.Close()
	defer refusing.Close()
	web := http.NewServeMux() // a proxy that wants https, say; what it redirects to is a page
	web.Handle("/emit", http.RedirectHandler("/page", http.StatusMovedPermanently))
	web.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "OK\n") })
	redirecting := httptest.NewServer(web)
	defer redirecting.Close()
	for name, url := range map[string]string{"refused": refusing.URL, "away": away.URL, "redirected": redirecting.URL} {
		t.Run(name, func(t *testing.T) {
			cmd, out := command(t, url, "echo one", "echo two; exit 3")
			var exit *exec.ExitError
			if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
				t.Errorf("ended with %v, want exit status 3", err)
			}
			if got := out.String(); strings.Count(got, "the page is not told") != 1 || !strings.Contains(got, "one\n") || !strings.Contains(got, "two\n") {
				t.Errorf("printed %q, want both lines, and once that the page is not told", got)
			}
			if strings.Contains(out.String(), "good") {
				t.Error("the secret is printed")
			}
		})
	}
}

// TestBuildStopped: a build that is stopped does not leave a bar that stands
// still, nor a step that goes on without it.
func TestBuildStopped(t *testing.T) {
	toScript := func(pid int) error { return syscall.Kill(pid, syscall.SIGTERM) }
	for name, tt := range map[string]struct {
		step   string
		stop   func(pid int) error
		status int
		last   []string // events
	}{
		// As from a terminal: everything that runs there gets it.
		"by Ctrl-C":                           {"echo begun; exec sleep 1000", func(pid int) error { return syscall.Kill(-pid, syscall.SIGINT) }, 130, nil},
		"by kill":                             {"echo begun; exec sleep 1000", toScript, 143, nil},
		"by kill, with more than one program": {"echo begun; sleep 1000; echo never", toScript, 143, nil},
		"by two kills": {"trap 'echo later' TERM; while :; do echo begun; sleep 1000 & wait; done", toScript, 143,
			[]string{"running s: later", "running s: begun"}},
		"by kill, with something to tidy up": {"trap 'echo tidy; exit' TERM; sleep 1000 & echo begun; wait", toScript, 143,
			[]string{"running s: tidy"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sink{t: t, came: make(chan struct{}, 10)}
			server := httptest.NewServer(emitter.NewHandler(emitter.HTTPConfig{Secret: secret, Sink: s}))
			defer server.Close()
			cmd, _ := command(t, server.URL, tt.step+" # s")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			// Every process of the build has the other end.
			alive, held, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer alive.Close()
			cmd.ExtraFiles = []*os.File{held}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			held.Close()
			defer time.AfterFunc(30*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }).Stop()
			for range 2 { // the step, and its first line
				<-s.came
			}
			if err := tt.stop(cmd.Process.Pid); err != nil {
				t.Fatal(err)
			}
			if name == "by two kills" {
				for range 2 {
					<-s.came
				}
				if err := tt.stop(cmd.Process.Pid); err != nil {
					t.Fatal(err)
				}
			}
			if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != tt.status {
				t.Errorf("ended with %v, want exit status %d", cmd.ProcessState, tt.status)
			}
			if err := alive.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := alive.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("the step goes on: %v", err)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			want := append(append([]string{"running s", "running s: begun"}, tt.last...), "failed s: stopped")
			expect(t, s.events, make([]int, len(want)), want...)
		})
	}
}

// TestBuildSecret: a command line can be read by everybody on the machine.
func TestBuildSecret(t *testing.T) {
	s := &sink{t: t}
	server := httptest.NewServer(emitter.NewHandler(emitter.HTTPConfig{Secret: secret, Sink: s}))
	defer server.Close()
	cmd, out := command(t, server.URL, "true")
	// A curl before the real one tells what it was called with.
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/curl", []byte("#!/bin/sh\nprintf 'args: %s\\n' \"$*\" >&2\ncat >/dev/null\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(cmd.Env, "PATH="+dir+":"+os.Getenv("PATH"))
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "args: ") || strings.Contains(got, "good") {
		t.Errorf("called curl with %q, want no secret", got)
	}
}

func TestPage(t *testing.T) {
	answer := httptest.NewRecorder()
	handler := pages(config{url: "https://live.example/", room: `</script>"`})
	handler.ServeHTTP(answer, httptest.NewRequest("GET", "/", nil))
	if body := answer.Body.String(); answer.Code != 200 || !strings.Contains(body, `const url = "https://live.example", room = "\u003c/script\u003e\""`) {
		t.Errorf("%d, and the page does not know where ws-emit is, or the room", answer.Code)
	}
	answer = httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest("GET", "/build.sh", nil))
	if answer.Code != 404 {
		t.Errorf("GET /build.sh answers %d", answer.Code)
	}
}
