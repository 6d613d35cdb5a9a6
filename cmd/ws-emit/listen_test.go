package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

// soon is how long a test waits for what must happen; the machine may be busy.
const soon = 30 * time.Second

// printed passes on what is written, one line at a time.
type printed chan string

func newPrinted() printed { return make(printed, 1000) }

func (l printed) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		l <- strings.TrimSuffix(line, "\n")
	}
	return len(p), nil
}

// want takes the next line, which must match, and returns it.
func (l printed) want(t *testing.T, pattern string) string {
	t.Helper()
	select {
	case line := <-l:
		if !regexp.MustCompile(pattern).MatchString(line) {
			t.Fatalf("line %q, want %q", line, pattern)
		}
		return line
	case <-time.After(soon):
		t.Fatalf("no line %q", pattern)
	}
	return ""
}

// startServer runs a server on an address until stop is called or the test ends.
func startServer(t *testing.T, cfg server.Config) (srv *server.Server, stop func()) {
	t.Helper()
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	cfg.Redis, cfg.ShutdownTimeout = server.NoRedis, 100*time.Millisecond
	srv, err := server.New(cfg)
	if err == nil {
		err = srv.Listen()
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	t.Cleanup(stop)
	return srv, stop
}

func emitTo(t *testing.T, srv *server.Server, event string, rooms []string, args ...any) {
	t.Helper()
	m, err := emitter.NewMessage(event, rooms, args...)
	if err == nil {
		err = m.Validate(emitter.Limits{})
	}
	if err == nil {
		_, err = srv.Emit(t.Context(), []emitter.Message{m})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// listening is a listener that runs.
type listening struct {
	out, notes printed
	end        func() // as an interrupt does
	done       chan error
}

// wait returns how it ended.
func (l *listening) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-l.done:
		return err
	case <-time.After(soon):
		t.Fatal("it does not end")
		return nil
	}
}

func listenTo(t *testing.T, rooms []string, f listenFlags, timeout time.Duration) *listening {
	t.Helper()
	f.path, f.namespace = "/socket.io/", "/"
	l, _, err := f.listener(rooms, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	run := &listening{newPrinted(), newPrinted(), cancel, make(chan error, 1)}
	l.out, l.notes = run.out, run.notes
	var wg sync.WaitGroup
	wg.Go(func() { run.done <- l.run(ctx, timeout) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return run
}

func TestListen(t *testing.T) {
	for _, transport := range []string{"", "polling", "websocket"} {
		t.Run("transport "+transport, func(t *testing.T) {
			srv, _ := startServer(t, server.Config{RoomSecrets: map[string]string{"a": "S1", "b": "S2"}})
			l := listenTo(t, []string{"time", "a::1", "b::2"}, listenFlags{
				url: "http://" + srv.Addr().String(), transport: transport, secret: "S1", spaces: []string{"b=S2"},
			}, 0)
			l.notes.want(t, `^ws-emit: connected as ~\S+, listening to time, a::1, b::2$`)
			for _, room := range []string{"time", "a::1", "b::2"} {
				emitTo(t, srv, "update", []string{room}, map[string]int{"t": 1}, nil)
				l.out.want(t, `^\{"event":"update","args":\[\{"t":1\},null\]\}$`)
			}
			emitTo(t, srv, "elsewhere", []string{"news"})
			emitTo(t, srv, "everybody", nil)
			l.out.want(t, `^{"event":"everybody","args":\[\]}$`)

			emitTo(t, srv, "image", []string{"time"}, []byte{0, 255}, map[string]any{"_placeholder": true, "num": 0}, []byte("{"))
			l.out.want(t, `^{"event":"image","args":\[{"\$binary":"AP8="},{"\$binary":"AP8="},{"\$binary":"ew=="}\]}$`)
			emitTo(t, srv, "data", []string{"time"}, json.RawMessage(`{"_placeholder":true,"num":0}`))
			l.out.want(t, `^{"event":"data","args":\[{"_placeholder":true,"num":0}\]}$`)

			emitTo(t, srv, "\u202e\u009b\x7f<\U000e0001", []string{"time"}, json.RawMessage("\"\u009b2J\u2028é\u202e\""))
			l.out.want(t, `^{"event":"\\u202e\\u009b\\u007f<\\udb40\\udc01","args":\["\\u009b2J\\u2028é\\u202e"\]}$`)
			l.end()
			if err := l.wait(t); err != nil {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

// TestListenRefused: what cannot be joined or reached ends the command with exit status 1 and one line.
func TestListenRefused(t *testing.T) {
	srv, _ := startServer(t, server.Config{RoomSecrets: map[string]string{"a": "S1"}, MaxRooms: 1})
	url := "http://" + srv.Addr().String()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }))
	defer page.Close()
	for _, tt := range []struct {
		args    []string
		environ []string
		want    string
	}{
		{args: []string{"a::1", "--secret", "hunter2", "--url", url}, want: `room "a::1" is refused: denied (the secret is wrong, or the server has none for this room-space)`},
		{args: []string{"a::1", "--url", url}, want: `room "a::1" is refused: denied (it needs the secret of its room-space: --secret or WS_EMIT_JOIN_SECRET)`},
		{args: []string{"a::1"}, environ: []string{"WS_EMIT_URL=" + url + "/emit", "SECRET=S1", "WS_EMIT_SECRET=S1"}, want: "denied (it needs"},
		{args: []string{"b::1", "--secret", "S1", "--url", url}, want: `room "b::1" is refused: denied (the secret is wrong`},
		{args: []string{"one", "two", "--url", url}, want: `room "two" is refused: limit (too many rooms`},
		{args: []string{"time", "--namespace", "/none", "--url", url}, want: `cannot connect to ` + url + `: connect refused: "Invalid namespace"`},
		{args: []string{"time", "--path", "/none/", "--url", url}, want: "HTTP status 404"},
		{args: []string{"time", "--path", "/none/", "--transport", "websocket", "--url", url}, want: "HTTP status 404"},
		{args: []string{"time", "--url", page.URL}, want: "the server broke the protocol"},
		{args: []string{"time", "--url", "https" + strings.TrimPrefix(url, "http")}, want: "server gave HTTP response to HTTPS client"},
		{args: []string{"time", "--timeout", "10ms", "--count", "1", "--url", url}, want: " within 10ms"},
	} {
		var stdout, stderr bytes.Buffer
		status := run(append([]string{"listen"}, tt.args...), tt.environ, &stdout, &stderr)
		all := strings.Split(strings.TrimSuffix(stderr.String(), "\n"), "\n")
		last := all[len(all)-1]
		if status != exitFailure || stdout.Len() > 0 || !strings.HasPrefix(last, "ws-emit: ") || !strings.Contains(last, tt.want) {
			t.Errorf("%q: exit status %d, said %q, want %q", tt.args, status, last, tt.want)
		}
		if strings.Contains(stderr.String(), "hunter2") {
			t.Errorf("%q: the secret is told", tt.args)
		}
	}
}

func TestListenEnvironment(t *testing.T) {
	for _, tt := range []struct {
		flags       listenFlags
		environ     []string
		secret, own string
	}{
		{environ: []string{"WS_EMIT_JOIN_SECRET=S1", "WS_EMIT_ROOMSPACE=a=S2= b=S3"}, secret: "S1", own: "S2="},
		{flags: listenFlags{secret: "F1", spaces: []string{"a=F2"}}, environ: []string{"WS_EMIT_JOIN_SECRET=S1", "WS_EMIT_ROOMSPACE=a=S2"}, secret: "F1", own: "F2"},
		{environ: []string{"WS_EMIT_SECRET=x", "SECRET=x"}},
	} {
		tt.flags.path, tt.flags.namespace = "/socket.io/", "/"
		l, _, err := tt.flags.listener([]string{"a::1"}, append(tt.environ, "WS_EMIT_URL=redis://localhost"))
		if err != nil || l.secret != tt.secret || l.spaces["a"] != tt.own || l.cfg.URL != defaultURL {
			t.Errorf("%q: %+v, %v", tt.environ, l, err)
		}
	}
	f := listenFlags{url: "https://me:pass@h:1/emit", path: "/live/", namespace: "/n"}
	l, _, err := f.listener([]string{"a"}, nil)
	if err != nil || l.cfg.URL != "https://h:1" || l.cfg.Header.Get("Authorization") != "Basic bWU6cGFzcw==" || l.cfg.Path != "/live/" || l.cfg.Namespace != "/n" {
		t.Errorf("%+v, %v", l, err)
	}
}

// TestListenWrong: what cannot be asked is exit status 2, and quotes no secret.
func TestListenWrong(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "want ws-emit listen ROOM...; see ws-emit listen --help"},
		{[]string{"~x"}, `room "~x": `},
		{[]string{"::x"}, `room "::x": `},
		{[]string{"a", "--url", "localhost:8899"}, "--url: want http://HOST:PORT"},
		{[]string{"a", "--url", "http://u:hunter2@h/%"}, "--url: want http://HOST:PORT"},
		{[]string{"a", "--url", "http://h/live/"}, "--url: want one without a path"},
		{[]string{"a", "--path", "live"}, `--path: "live": want /NAME/`},
		{[]string{"a", "--namespace", "n"}, `--namespace: "n": want / or /NAME`},
		{[]string{"a", "--transport", "carrier"}, `--transport: "carrier": want polling or websocket`},
		{[]string{"a", "--roomspace", "hunter2"}, "--roomspace: want SPACE=SECRET"},
		{[]string{"a", "--count", "0"}, `--count: "0": want a whole number, more than 0`},
		{[]string{"a", "--timeout", "5"}, `--timeout: "5" is not a duration`},
		{[]string{"a", "--no-such"}, "unknown flag: --no-such; see ws-emit listen --help"},
	} {
		var stdout, stderr bytes.Buffer
		status := run(append([]string{"listen"}, tt.args...), nil, &stdout, &stderr)
		if said := stderr.String(); status != exitUsage || strings.Count(said, "\n") != 1 || !strings.Contains(said, tt.want) || strings.Contains(said, "hunter2") {
			t.Errorf("%q: exit status %d, said %q, want %q", tt.args, status, said, tt.want)
		}
	}
}

// TestListenReconnects: after a restart of the server the rooms are joined again, and each change is one line.
func TestListenReconnects(t *testing.T) {
	secrets := map[string]string{"a": "S1"}
	srv, stop := startServer(t, server.Config{RoomSecrets: secrets})
	address := srv.Addr().String()
	l := listenTo(t, []string{"time", "a::1"}, listenFlags{url: "http://" + address, secret: "S1"}, 0)
	l.notes.want(t, "^ws-emit: connected as ")
	for range 2 {
		stop()
		l.notes.want(t, "^ws-emit: the connection is lost: .*; trying again$")
		srv, stop = startServer(t, server.Config{RoomSecrets: secrets, Address: address})
		l.notes.want(t, `^ws-emit: connected again as ~\S+, what was emitted in the last \S+ is missing$`)
		for _, room := range []string{"time", "a::1"} {
			emitTo(t, srv, room, []string{room})
			l.out.want(t, room)
		}
	}
	stop()
	l.notes.want(t, "^ws-emit: the connection is lost: ")
	startServer(t, server.Config{RoomSecrets: map[string]string{"a": "S2"}, Address: address})
	if err := l.wait(t); err == nil || !strings.Contains(err.Error(), `room "a::1" is refused: denied`) {
		t.Errorf("after the secret has changed: %v", err)
	}
	if len(l.notes) > 0 {
		t.Errorf("one line more: %q", <-l.notes)
	}
}

// TestListenWaitsForServer: one that is not there yet may come.
func TestListenWaitsForServer(t *testing.T) {
	srv, stop := startServer(t, server.Config{})
	address := srv.Addr().String()
	stop()
	l := listenTo(t, []string{"time"}, listenFlags{url: "http://" + address}, 0)
	l.notes.want(t, "^ws-emit: cannot connect to http://"+address+": dial tcp .*: connection refused; trying again$")
	startServer(t, server.Config{Address: address})
	l.notes.want(t, "^ws-emit: connected as ")
}

func TestListenEnds(t *testing.T) {
	srv, stop := startServer(t, server.Config{})
	url := "http://" + srv.Addr().String()

	l := listenTo(t, []string{"time"}, listenFlags{url: url, count: "2"}, time.Hour)
	l.notes.want(t, "connected")
	for range 3 {
		emitTo(t, srv, "e", nil)
	}
	if err := l.wait(t); err != nil || len(l.out) != 2 {
		t.Errorf("--count 2: %v after %d events", err, len(l.out))
	}

	for timeout := time.Second; ; timeout *= 2 { // this machine may be slow
		counting := listenTo(t, []string{"time"}, listenFlags{url: url, count: "2"}, timeout)
		if err := counting.wait(t); err == nil || !strings.HasSuffix(err.Error(), "within "+timeout.String()) {
			t.Fatalf("--count 2 --timeout: %v", err)
		}
		l := listenTo(t, []string{"time"}, listenFlags{url: url}, timeout)
		err := l.wait(t)
		if len(l.notes) == 0 && timeout < soon {
			continue
		}
		if err != nil {
			t.Errorf("--timeout: %v", err)
		}
		break
	}
	stop()
	l = listenTo(t, []string{"time"}, listenFlags{url: url}, 10*time.Millisecond)
	if err := l.wait(t); err == nil || !strings.HasPrefix(err.Error(), "not connected within 10ms") {
		t.Errorf("--timeout without a server: %v", err)
	}
}

// failing is a writer that cannot write.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestListenOutput(t *testing.T) {
	srv, _ := startServer(t, server.Config{})
	broken := errors.New("disk full")
	for written, want := range map[error]error{io.ErrClosedPipe: nil, broken: broken} {
		f := listenFlags{url: "http://" + srv.Addr().String(), path: "/socket.io/", namespace: "/"}
		l, _, err := f.listener([]string{"time"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		notes := newPrinted()
		l.out, l.notes = failing{written}, notes
		done := make(chan error, 1)
		go func() { done <- l.run(t.Context(), time.Minute) }()
		notes.want(t, "connected")
		emitTo(t, srv, "e", nil)
		if err := <-done; !errors.Is(err, want) {
			t.Errorf("after %v: %v", written, err)
		}
	}
}

func FuzzWriteEvent(f *testing.F) {
	f.Add("e", `[{"_placeholder":true,"num":0},"{\"_placeholder\":true,\"num\":0}", {"num": 1, "_placeholder": true}]`, []byte("x"))
	f.Add("\x1b", "[\"\u009b\"]", []byte(nil))
	f.Fuzz(func(t *testing.T, name, args string, attachment []byte) {
		var list []any
		if json.Unmarshal([]byte(args), &list) != nil {
			return
		}
		raw := strings.TrimSpace(args)
		e := sioclient.Event{Name: name, Args: sioclient.Args{Raw: []byte(raw[1 : len(raw)-1])}}
		if attachment != nil {
			e.Attachments = [][]byte{attachment}
		}
		var b strings.Builder
		writeEvent(&b, e)
		line, ok := strings.CutSuffix(b.String(), "\n")
		if !ok || !json.Valid([]byte(line)) {
			t.Fatalf("not a line of JSON: %q", b.String())
		}
		for _, r := range line {
			if r < ' ' || r >= 0x7f && r <= 0x9f {
				t.Fatalf("control character in %q", line)
			}
		}
	})
}
