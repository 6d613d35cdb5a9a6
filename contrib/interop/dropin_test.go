package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The tests of this file take ws-emit for the Python server, as somebody does
// who replaces the program and nothing else: its flags, variables, environment
// file and unit, and what its documentation says about curl, Redis and nginx.

// pythonName is the name under which the Python server was installed.
const pythonName = "ws-emit.py"

// installAs puts ws-emit into a folder under the name of the Python server.
func installAs(t testing.TB, folder string) string {
	t.Helper()
	path, err := wsEmitProgram()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	installed := filepath.Join(folder, pythonName)
	if err := os.Symlink(path, installed); err != nil {
		t.Fatal(err)
	}
	return installed
}

// startDropIn starts ws-emit in place of the Python server, with nothing in its
// environment but what is given. HERE stands for an address that is free.
func startDropIn(t testing.TB, environ []string, args ...string) *server {
	t.Helper()
	s := &server{addr: freeAddress(t)}
	place := func(words []string) (placed []string) {
		for _, w := range words {
			placed = append(placed, strings.ReplaceAll(w, "HERE", s.addr))
		}
		return placed
	}
	s.args = place(args)
	s.process = start(t, func(cmd *exec.Cmd) {
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, place(environ)...)
		cmd.Dir = "/tmp"
	}, installAs(t, t.TempDir()), s.args...)
	s.listens(t)
	return s
}

// listens waits until the server answers.
func (s *server) listens(t testing.TB) {
	t.Helper()
	eventually(t, "the server listens", func() bool {
		if !s.process.running() {
			t.Fatalf("%s %q ended at once: %v", pythonName, s.args, s.process.err)
		}
		resp, err := http.Get(s.url() + "/livez")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return true
	})
}

const openSession = "/socket.io/?EIO=4&transport=polling"

// expectOrigins asks for a session as browsers with pages of these origins do.
func (s *server) expectOrigins(t testing.TB, accepted, refused []string) {
	t.Helper()
	for _, origin := range accepted {
		status, body := curl(t, "", "-H", "Origin: "+origin, s.url()+openSession)
		var session struct{ SID string }
		if err := json.Unmarshal([]byte(strings.TrimPrefix(body, "0")), &session); status != "200" || err != nil || session.SID == "" {
			t.Errorf("%q: origin %s gets %s %q, want a session", s.args, origin, status, body)
		}
		// The server gives sessions some time when it stops; this one ends now.
		curl(t, "1", "--data-binary", "@-", "-H", "Content-Type: text/plain", s.url()+openSession+"&sid="+session.SID)
	}
	for _, origin := range refused {
		status, body := curl(t, "", "-H", "Origin: "+origin, s.url()+openSession)
		if status != "400" || body != `"Not an accepted origin."` {
			t.Errorf("%q: origin %s gets %s %q, want to be refused", s.args, origin, status, body)
		}
	}
}

// expectEmit posts an event with a secret, and gets what the Python server
// answered.
func (s *server) expectEmit(t testing.TB, secret, status, body string) {
	t.Helper()
	message := fmt.Sprintf(`{"event": "update", "room": "time", "data": {"time": 1}, "namespace": null, "secret": %q}`, secret)
	gotStatus, gotBody := curl(t, message, "-d", "@-", "-H", asJSONType, "-X", "POST", s.url()+"/emit")
	if gotStatus != status || body != "" && gotBody != body {
		t.Errorf("%q: POST /emit answers %s %q, want %s %q", s.args, gotStatus, gotBody, status, body)
	}
}

// TestDropInCommandLines starts with the flags and variables of the Python
// server, one way after the other.
func TestDropInCommandLines(t *testing.T) {
	t.Parallel()
	const page = "http://localhost:7788"
	for _, tt := range []struct {
		name, args        string
		environ           []string
		accepted, refused []string
		secret            string // empty: there is no POST /emit
	}{
		{name: "all defaults", environ: []string{"ADDRESS=HERE"},
			accepted: []string{page}, refused: []string{"http://127.0.0.1:7788", "https://localhost:7788", "http://localhost:7788/"}},
		{name: "as from a shell", args: "-a HERE --cors http://localhost:7788 --secret 123",
			accepted: []string{page}, refused: []string{"http://127.0.0.1:7788"}, secret: "123"},
		{name: "secret alone", args: "--secret MySecret", environ: []string{"ADDRESS=HERE"}, accepted: []string{page}, secret: "MySecret"},
		{name: "all flags", args: "-v --redis redis://127.0.0.1:1/3 --address HERE --cors http://a http://b --secret S --flask-secret F",
			accepted: []string{"http://a", "http://b"}, refused: []string{"http://c", page}, secret: "S"},
		{name: "any order", args: "--cors http://a http://b --flask-secret F -a HERE -v",
			accepted: []string{"http://a", "http://b"}, refused: []string{page}},
		{name: "equals signs", args: "--address=HERE --cors=http://a --secret=S", accepted: []string{"http://a"}, refused: []string{page}, secret: "S"},
		{name: "any origin", args: "--cors * -a HERE", accepted: []string{"http://a", "https://b:8443", page}},
		{name: "variables", environ: []string{"REDIS=redis://127.0.0.1:1/0", "ADDRESS=HERE", "CORS=http://a http://b", "SECRET=123", "FLASK_SECRET=F"},
			accepted: []string{"http://a", "http://b"}, refused: []string{"http://c"}, secret: "123"},
		{name: "any origin by variable", environ: []string{"ADDRESS=HERE", "CORS=*"}, accepted: []string{"http://a"}},
		{name: "empty variables", environ: []string{"ADDRESS=HERE", "REDIS=", "SECRET=", "FLASK_SECRET="}, accepted: []string{page}},
		{name: "flags over variables", args: "-a HERE --cors http://b --secret flag", environ: []string{"ADDRESS=nowhere", "CORS=http://a", "SECRET=variable"},
			accepted: []string{"http://b"}, refused: []string{"http://a"}, secret: "flag"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := startDropIn(t, tt.environ, strings.Fields(tt.args)...)
			s.expectOrigins(t, tt.accepted, tt.refused)
			if tt.secret == "" {
				s.expectEmit(t, "", "404", "")
			} else {
				s.expectEmit(t, tt.secret, "200", "OK\n")
				s.expectEmit(t, tt.secret+"x", "403", "")
			}
		})
	}
}

// TestDropInUnit starts what a unit of the Python server starts, with the
// environment file beside it, as systemd reads both.
func TestDropInUnit(t *testing.T) {
	t.Parallel()
	root, addr := t.TempDir(), freeAddress(t)
	installAs(t, filepath.Join(root, "usr", "local", "bin"))
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("/etc/systemd/system/ws-emit.service", `[Unit]
Description=Events for web pages
After=redis.service

[Service]
DynamicUser=yes
WorkingDirectory=/tmp
ExecStart=/usr/local/bin/ws-emit.py
EnvironmentFile=-/etc/default/ws-emit

[Install]
WantedBy=multi-user.target
`)
	put("/etc/default/ws-emit", `# The file of the Python server.
ADDRESS="`+addr+`"

; two origins
CORS="http://a http://b"
SECRET='123'
REDIS=redis://127.0.0.1:1/0
`)
	u := readUnit(t, filepath.Join(root, "etc/systemd/system/ws-emit.service"))
	s := &server{addr: addr, args: strings.Fields(u["ExecStart"])[1:]}
	s.process = start(t, func(cmd *exec.Cmd) {
		cmd.Dir = u["WorkingDirectory"]
		cmd.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "LANG=C.UTF-8"},
			readEnvironment(t, filepath.Join(root, strings.TrimPrefix(u["EnvironmentFile"], "-")))...)
	}, filepath.Join(root, strings.Fields(u["ExecStart"])[0]), s.args...)
	s.listens(t)
	s.expectOrigins(t, []string{"http://a", "http://b"}, []string{"http://c", "http://localhost:7788"})
	s.expectEmit(t, "123", "200", "OK\n")
	s.expectEmit(t, "bad", "403", "")
	if status := s.process.stop(t); status != 0 {
		t.Errorf("exit status %d after SIGTERM", status)
	}
}

// readUnit returns the settings of a unit, those of all sections together.
func readUnit(t testing.TB, path string) map[string]string {
	t.Helper()
	unit := map[string]string{}
	for _, line := range readLines(t, path) {
		if name, value, ok := strings.Cut(line, "="); ok {
			unit[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return unit
}

// readEnvironment returns the variables of an environment file. systemd takes
// quotes around a value away.
func readEnvironment(t testing.TB, path string) (environ []string) {
	t.Helper()
	for _, line := range readLines(t, path) {
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			t.Fatalf("%s: %q is no variable", path, line)
		}
		for _, quote := range []string{`"`, `'`} {
			if len(value) > 1 && strings.HasPrefix(value, quote) && strings.HasSuffix(value, quote) {
				value = value[1 : len(value)-1]
			}
		}
		environ = append(environ, name+"="+value)
	}
	return environ
}

// readLines returns the lines of a file that say something.
func readLines(t testing.TB, path string) (lines []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for scan := bufio.NewScanner(f); scan.Scan(); {
		if line := strings.TrimSpace(scan.Text()); line != "" && !strings.ContainsAny(line[:1], "#;[") {
			lines = append(lines, line)
		}
	}
	return lines
}

// listeners are a client in the room time, one in time and news, and one in
// none.
func listeners(t *testing.T, s *server) (both, inTime, nowhere *client) {
	t.Helper()
	d := startDriver(t, kinds[1].command(t)) // of the generation that the pages of the Python server load
	var clients []*client
	for _, rooms := range [][]string{{"time", "news"}, {"time"}, nil} {
		c := d.connect(t, fmt.Sprint(rooms), s.url(), connectOptions{})
		c.expectConnect(t, "/")
		for _, room := range rooms {
			c.emit(t, "/", "join", object{"room": room})
		}
		// Events are handled in order, so by this answer the joins are done.
		c.call(t, "/", "leave", object{"room": "none"})
		clients = append(clients, c)
	}
	return clients[0], clients[1], clients[2]
}

// TestDropInEmit posts what a backend of the Python server posts.
func TestDropInEmit(t *testing.T) {
	t.Parallel()
	s := startDropIn(t, []string{"REDIS=none"}, "-a", "HERE", "--secret", "123")
	both, inTime, nowhere := listeners(t, s)
	file := filepath.Join(t.TempDir(), "x.json")
	post := func(message string, args ...string) (status, body string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(message), 0o600); err != nil {
			t.Fatal(err)
		}
		return curl(t, "", append(append([]string{"-d", "@" + file}, args...), "-X", "POST", s.url()+"/emit")...)
	}
	for _, tt := range []struct {
		message string
		get     []*client
		args    []any
	}{
		{"{\n\t\"event\": \"update\",\n\t\"room\": \"time\",\n\t\"data\": {\n\t\t\"time\": 111111\n\t},\n\t\"namespace\": null,\n\t\"secret\": \"123\"\n}\n",
			[]*client{both, inTime}, []any{object{"time": 111111}}},
		{`{"event":"update","data":1,"secret":"123"}`, []*client{both, inTime, nowhere}, []any{1}},
		{`{"event":"update","room":"","data":2,"secret":"123"}`, []*client{both, inTime, nowhere}, []any{2}},
		{`{"event":"update","room":[],"data":3,"secret":"123"}`, []*client{both, inTime, nowhere}, []any{3}},
		{`{"event":"update","room":["time","news"],"data":4,"secret":"123"}`, []*client{both, inTime}, []any{4}},
		{`{"event":"update","room":"news","data":null,"secret":"123"}`, []*client{both}, nil},
		{`{"event":"update","room":"news","secret":"123"}`, []*client{both}, nil},
		{`{"event":"update","room":"news","data":[1,2],"namespace":"","secret":"123","more":"keys"}`, []*client{both}, []any{[]any{1, 2}}},
		{`{"event":"update","room":"nobody","data":5,"secret":"123"}`, nil, nil},
		{`{"event":"end","secret":"123"}`, nil, nil},
	} {
		if status, body := post(tt.message, "-H", asJSONType); status != "200" || body != "OK\n" {
			t.Errorf("%s is answered %s %q, want 200 OK", tt.message, status, body)
		}
		for _, c := range tt.get {
			c.expect(t, "/", "update", tt.args...)
		}
	}
	for _, c := range []*client{both, inTime, nowhere} {
		c.expect(t, "/", "end") // and nothing that was not for it
	}
	for _, tt := range []struct {
		message string
		args    []string
		status  string
	}{
		{`{"event":"update","secret":"bad"}`, []string{"-H", asJSONType}, "403"},
		{`{"event":"update"}`, []string{"-H", asJSONType}, "403"},
		{`{"event":"update","secret":123}`, []string{"-H", asJSONType}, "403"},
		{`{"event":"update","secret":null}`, []string{"-H", asJSONType}, "403"},
		{`{}`, nil, "415"},
		{`{"event":`, []string{"-H", asJSONType}, "400"},
	} {
		status, body := post(tt.message, tt.args...)
		if status != tt.status || strings.Contains(body, "bad") {
			t.Errorf("%s is answered %s %q, want %s", tt.message, status, body, tt.status)
		}
	}
	if status, _ := curl(t, "", s.url()+"/emit"); status != "405" {
		t.Errorf("GET /emit is answered %s, want 405", status)
	}
	// Without an acknowledgement, as pages of the Python server ask.
	both.emit(t, "/", "leave", object{"room": "news"})
	both.call(t, "/", "leave", object{"room": "none"})
	post(`{"event":"update","room":"news","data":"for nobody","secret":"123"}`, "-H", asJSONType)
	post(`{"event":"end","secret":"123"}`, "-H", asJSONType)
	both.expect(t, "/", "end")
}

// TestDropInRoomSpaces sets secrets as a backend of the Python server does, and
// joins as its pages do.
func TestDropInRoomSpaces(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	s := startDropIn(t, nil, "--redis", r.url(), "-a", "HERE", "--secret", "123")
	r.subscribed(t, "flask-socketio")
	r.cli(t, "SET", "ws-emit::secret::dir", "S1")
	r.cli(t, "SET", "ws-emit::secret::number", "123")
	r.cli(t, "SET", "ws-emit::secret::empty", "")
	c := startDriver(t, kinds[1].command(t)).connect(t, "page", s.url(), connectOptions{})
	c.expectConnect(t, "/")
	for _, tt := range []struct {
		join  any
		room  string
		joins bool
	}{
		{object{"room": "dir::a", "secret": "S1"}, "dir::a", true},
		{object{"room": "dir::a::b", "secret": "S1"}, "dir::a::b", true},
		{object{"room": "dir:a"}, "dir:a", true},
		{object{"room": "public", "secret": "not asked for"}, "public", true},
		{object{"room": "dir::c", "secret": "wrong"}, "dir::c", false},
		{object{"room": "dir::d"}, "dir::d", false},
		{object{"room": "dir::e", "secret": ""}, "dir::e", false},
		{object{"room": "number::a", "secret": 123}, "number::a", false},
		{object{"room": "number::b", "secret": "123"}, "number::b", true},
		{object{"room": "unset::a", "secret": "S1"}, "unset::a", false},
		{object{"room": "empty::a", "secret": ""}, "empty::a", false},
		{object{"room": []string{"dir::f"}, "secret": "S1"}, "dir::f", false},
		{object{"secret": "S1"}, "undefined", false},
	} {
		c.emit(t, "/", "join", tt.join)
		c.call(t, "/", "leave", object{"room": "none"}) // by this answer the join is done; nothing else came
		s.emitAs(t, "123", object{"event": "update", "room": tt.room, "data": tt.room})
		s.emitAs(t, "123", object{"event": "marker"})
		if tt.joins {
			c.expect(t, "/", "update", tt.room)
		}
		c.expect(t, "/", "marker")
	}
	// A new secret counts from the next join on; members stay.
	r.cli(t, "SET", "ws-emit::secret::dir", "S2")
	c.emit(t, "/", "join", object{"room": "dir::g", "secret": "S1"})
	c.emit(t, "/", "join", object{"room": "dir::h", "secret": "S2"})
	c.call(t, "/", "leave", object{"room": "none"})
	s.emitAs(t, "123", object{"event": "update", "room": []string{"dir::g"}, "data": "old secret"})
	s.emitAs(t, "123", object{"event": "update", "room": []string{"dir::h"}, "data": "new secret"})
	s.emitAs(t, "123", object{"event": "update", "room": []string{"dir::a"}, "data": "member"})
	c.expect(t, "/", "update", "new secret")
	c.expect(t, "/", "update", "member")
	// And Redis brings what Flask-SocketIO publishes.
	r.cli(t, "PUBLISH", "flask-socketio", `{"method":"emit","event":"update","data":[{"time":1639178370}],"binary":false,`+
		`"namespace":"/","room":"public","skip_sid":null,"callback":null,"host_id":"x"}`)
	c.expect(t, "/", "update", object{"time": 1639178370})
}

// emitAs is emit with another secret.
func (s *server) emitAs(t testing.TB, secret string, message object) {
	t.Helper()
	message["secret"] = secret
	text, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	status, body := curl(t, string(text), "-d", "@-", "-H", asJSONType, s.url()+"/emit")
	if status != "200" {
		t.Fatalf("POST /emit answers %s %q", status, body)
	}
}

// TestDropInConnect compares what a client is told before it has joined.
func TestDropInConnect(t *testing.T) {
	t.Parallel()
	s := startDropIn(t, []string{"REDIS=none"}, "-a", "HERE", "--cors", "http://a", "http://b")
	_, open := curl(t, "", s.url()+openSession)
	for _, part := range []string{`"upgrades":["websocket"]`, `"pingInterval":25000`, `"pingTimeout":20000`, `"maxPayload":1000000`} {
		if !strings.Contains(open, part) {
			t.Errorf("the handshake is %s, want %s in it", open, part)
		}
	}
	headers := func(args ...string) string {
		t.Helper()
		_, all := curl(t, "", append(args, "-i", s.url()+openSession)...)
		return strings.ToLower(all)
	}
	for _, header := range []string{"access-control-allow-origin: http://a\r\n", "access-control-allow-credentials: true\r\n"} {
		if got := headers("-H", "Origin: http://a"); !strings.Contains(got, header) {
			t.Errorf("a page gets %q, want %q in it", got, header)
		}
	}
	if got := headers(); strings.Contains(got, "access-control") {
		t.Errorf("without an origin the answer is %q", got)
	}
	if got := headers("-X", "OPTIONS", "-H", "Origin: http://a", "-H", "Access-Control-Request-Method: POST"); !strings.Contains(got, "access-control-allow-methods:") {
		t.Errorf("OPTIONS is answered %q", got)
	}
	if _, got := curl(t, "", "-i", "-H", "Origin: http://a", s.url()+"/emit"); strings.Contains(strings.ToLower(got), "access-control") {
		t.Errorf("/emit answers %q, which pages may read", got)
	}
	if status, _ := curl(t, "", s.url()+"/socket.io/?EIO=3&transport=polling"); status != "400" {
		t.Errorf("a client of protocol 3 gets %s, want 400", status)
	}
	w, _ := endpoint{s.addr, socketPath}.openWebSocket(t)
	w.send(t, "40/other,")
	if got := w.message(t); !strings.HasPrefix(got, "44/other,") {
		t.Errorf("another namespace answers %s, want CONNECT_ERROR", got)
	}
}
