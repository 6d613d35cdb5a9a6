package interop

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// emit posts a message, as any backend may, and fails unless it is accepted.
func (s *server) emit(t testing.TB, message object) {
	t.Helper()
	body, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, s.url()+"/emit", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+emitSecret)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || string(answer) != "OK\n" {
		t.Fatalf("POST /emit answers %s %q", resp.Status, answer)
	}
}

// scenario is what a user does with a client, whichever it is.
type scenario struct {
	name string
	run  func(t *testing.T, d *driver, offer []string, last string)
}

var scenarios = []scenario{
	{"rooms", testRooms},
	{"arguments", testArguments},
	{"secrets", testSecrets},
	{"namespaces", testNamespaces},
	{"own room", testOwnRoom},
	{"restart", testRestart},
	{"shutdown", testShutdown},
}

// TestClients runs each scenario with each client over each transport.
func TestClients(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			for _, tr := range transports {
				t.Run(tr.name, func(t *testing.T) {
					t.Parallel()
					for _, s := range scenarios {
						t.Run(s.name, func(t *testing.T) {
							s.run(t, startDriver(t, k.command(t)), tr.offer, tr.last)
						})
					}
				})
			}
		})
	}
}

func testRooms(t *testing.T, d *driver, offer []string, last string) {
	s := startServer(t)
	c := d.connect(t, "c", s.url(), connectOptions{offer: offer})
	c.expectConnect(t, "/")
	c.expectTransport(t, last)

	// Without an ack, and with the room's name alone. Packets are handled in
	// order, so the ack of the join that follows says that it has happened.
	c.emit(t, "/", "join", "time")
	c.emit(t, "/", "join", object{"room": "news"})
	c.expectAck(t, object{"ok": true, "room": "sport"}, "/", "join", object{"room": "sport"})

	s.emit(t, object{"event": "update", "room": "time", "data": object{"time": 111111}})
	c.expect(t, "/", "update", object{"time": 111111})
	s.emit(t, object{"event": "update", "room": "elsewhere", "data": "not for us"})
	s.emit(t, object{"event": "both", "room": []string{"time", "news"}, "data": "once"})
	c.expect(t, "/", "both", "once")
	s.emit(t, object{"event": "all", "data": "no room"})
	c.expect(t, "/", "all", "no room")
	s.emit(t, object{"event": "all", "room": []string{}, "data": "no room either"})
	c.expect(t, "/", "all", "no room either")

	c.expectAck(t, object{"ok": true, "room": "time"}, "/", "leave", object{"room": "time"})
	c.expectAck(t, object{"ok": true, "room": "sport"}, "/", "leave", "sport")
	s.emit(t, object{"event": "update", "room": "time", "data": "we left"})
	s.emit(t, object{"event": "update", "room": "sport", "data": "we left"})
	s.emit(t, object{"event": "update", "room": "news", "data": "we stayed"})
	c.expect(t, "/", "update", "we stayed")

	c.expectAck(t, object{"ok": false, "room": "", "error": "invalid"}, "/", "join", "")
	c.expectAck(t, object{"ok": false, "room": "~other", "error": "invalid"}, "/", "join", "~other")

	// What nobody listens to is ignored, and does not end anything.
	c.emit(t, "/", "chat", "hello?", 1, nil)
	s.emit(t, object{"event": "update", "room": "news", "data": "still here"})
	c.expect(t, "/", "update", "still here")
}

func testArguments(t *testing.T, d *driver, offer []string, last string) {
	s := startServer(t)
	c := d.connect(t, "c", s.url(), connectOptions{offer: offer})
	c.expectConnect(t, "/")
	c.join(t, "/", "r")
	text := "grüße, 日本 \U0001f389 \u2028 \"quoted\" \\ \x1e \x00 <&>"
	c.join(t, "/", text)
	cases := []struct {
		name  string
		parts object
		want  []any
	}{
		{"none", object{}, nil},
		{"null", object{"data": nil}, nil},
		{"unicode", object{"data": text}, []any{text}},
		{"empty", object{"data": ""}, []any{""}},
		{"zero", object{"data": 0}, []any{0}},
		{"false", object{"data": false}, []any{false}},
		{"number", object{"data": -1.5e-7}, []any{-1.5e-7}},
		{"list", object{"data": []any{1, "2", nil}}, []any{[]any{1, "2", nil}}},
		{"empty list", object{"data": []any{}}, []any{[]any{}}},
		{"nested", object{"data": object{"a": []any{object{"é": nil}}}}, []any{object{"a": []any{object{"é": nil}}}}},
		{"several", object{"args": []any{1, text, nil, []any{2}, object{}}}, []any{1, text, nil, []any{2}, object{}}},
		// More than one read of a socket, and more than one fragment.
		{"large", object{"data": strings.Repeat("0123456789abcdé", 30_000)}, []any{strings.Repeat("0123456789abcdé", 30_000)}},
		{"event in unicode \U0001f389", object{"data": 1}, []any{1}},
		{"last", object{"room": text, "data": "a room in unicode"}, []any{"a room in unicode"}},
	}
	// All are sent before the first is read: their order is part of the test.
	for _, tt := range cases {
		message := object{"event": tt.name, "room": "r"}
		for k, v := range tt.parts {
			message[k] = v
		}
		s.emit(t, message)
	}
	for _, tt := range cases {
		c.expect(t, "/", tt.name, tt.want...)
	}
	c.expectTransport(t, last)
}

func testSecrets(t *testing.T, d *driver, offer []string, last string) {
	s := startServer(t, "--roomspace", "dir=S1")
	c := d.connect(t, "c", s.url(), connectOptions{offer: offer})
	c.expectConnect(t, "/")
	refused := func(room string) object { return object{"ok": false, "room": room, "error": "denied"} }

	c.expectAck(t, refused("dir::a"), "/", "join", object{"room": "dir::a", "secret": "wrong"})
	c.expectAck(t, refused("dir::a"), "/", "join", object{"room": "dir::a"})
	c.expectAck(t, refused("dir::a"), "/", "join", "dir::a")
	c.expectAck(t, refused("nobody::a"), "/", "join", object{"room": "nobody::a", "secret": "S1"})
	c.expectAck(t, object{"ok": false, "room": "::a", "error": "invalid"}, "/", "join", object{"room": "::a", "secret": "S1"})
	// Without an ack a refusal is silent.
	c.emit(t, "/", "join", object{"room": "dir::a", "secret": "wrong"})
	// One colon makes no space.
	c.join(t, "/", "dir:a")

	s.emit(t, object{"event": "update", "room": "dir::a", "data": "not in yet"})
	s.emit(t, object{"event": "update", "room": "dir:a", "data": "marker"})
	c.expect(t, "/", "update", "marker")

	c.expectAck(t, object{"ok": true, "room": "dir::a"}, "/", "join", object{"room": "dir::a", "secret": "S1"})
	c.emit(t, "/", "join", object{"room": "dir::b::c", "secret": "S1"})
	c.join(t, "/", "public")
	s.emit(t, object{"event": "update", "room": "dir::a", "data": 1})
	s.emit(t, object{"event": "update", "room": "dir::b::c", "data": 2})
	c.expect(t, "/", "update", 1)
	c.expect(t, "/", "update", 2)

	// Leaving takes no secret.
	c.expectAck(t, object{"ok": true, "room": "dir::a"}, "/", "leave", object{"room": "dir::a"})
	s.emit(t, object{"event": "update", "room": "dir::a", "data": "we left"})
	s.emit(t, object{"event": "update", "room": "dir::b::c", "data": 3})
	c.expect(t, "/", "update", 3)
	c.expectTransport(t, last)
}

func testNamespaces(t *testing.T, d *driver, offer []string, last string) {
	s := startServer(t, "--namespaces", "/,/chat,/news")
	c := d.connect(t, "c", s.url(), connectOptions{offer: offer, namespaces: []string{"/", "/chat", "/news"}})
	sids := c.expectConnect(t, "/", "/chat", "/news")
	if sids["/"] == sids["/chat"] {
		t.Errorf("both namespaces have the sid %s; each socket has one of its own", sids["/"])
	}
	c.expectTransport(t, last)
	c.join(t, "/", "r")
	c.join(t, "/chat", "r")

	// A room of the same name is another room in another namespace.
	s.emit(t, object{"event": "e", "room": "r", "data": "main"})
	s.emit(t, object{"event": "e", "room": "r", "namespace": "/chat", "data": "chat"})
	s.emit(t, object{"event": "e", "room": "r", "namespace": "/news", "data": "did not join there"})
	s.emit(t, object{"event": "e", "namespace": "/news", "data": "news"})
	c.expect(t, "/", "e", "main")
	c.expect(t, "/chat", "e", "chat")
	c.expect(t, "/news", "e", "news")
	s.emit(t, object{"event": "e", "data": "everybody in main"})
	c.expect(t, "/", "e", "everybody in main")

	other := d.connect(t, "other", s.url(), connectOptions{offer: offer, namespaces: []string{"/unknown"}})
	if n := other.next(t, "connect_error"); n.Note != "connect_error" || n.Message != "Invalid namespace" {
		t.Errorf("a namespace that does not exist: got %v, want connect_error Invalid namespace", n)
	}
}

// testOwnRoom: a socket is reachable, and can be left out, by its sid.
func testOwnRoom(t *testing.T, d *driver, offer []string, last string) {
	s := startServer(t)
	one := d.connect(t, "one", s.url(), connectOptions{offer: offer})
	sid := one.expectConnect(t, "/")["/"]
	two := d.connect(t, "two", s.url(), connectOptions{offer: offer})
	other := two.expectConnect(t, "/")["/"]
	two.expectAck(t, object{"ok": false, "room": sid, "error": "invalid"}, "/", "join", sid)

	s.emit(t, object{"event": "private", "room": sid, "data": 1})
	s.emit(t, object{"event": "others", "except": sid, "data": 2})
	s.emit(t, object{"event": "others", "except": []string{other}, "data": 3})
	s.emit(t, object{"event": "all", "data": 4})
	one.expect(t, "/", "private", 1)
	one.expect(t, "/", "others", 3)
	one.expect(t, "/", "all", 4)
	two.expect(t, "/", "others", 2)
	two.expect(t, "/", "all", 4)

	two.disconnect(t, "/")
	two.expectDisconnect(t, "/")
	s.emit(t, object{"event": "all", "data": 5})
	one.expect(t, "/", "all", 5)
	one.expectTransport(t, last)
}

// testRestart: the server dies and comes back; the client returns by itself,
// is in no room, and joins again as a page does on its connect event.
func testRestart(t *testing.T, d *driver, offer []string, last string) {
	s := startServer(t)
	c := d.connect(t, "c", s.url(), connectOptions{offer: offer})
	first := c.expectConnect(t, "/")["/"]
	c.expectTransport(t, last)
	c.join(t, "/", "time")
	s.emit(t, object{"event": "update", "room": "time", "data": "before"})
	c.expect(t, "/", "update", "before")

	s.process.kill()
	c.expectDisconnect(t, "/")
	s.start(t)
	if second := c.expectConnect(t, "/")["/"]; second == first {
		t.Errorf("the sid is %s as before the restart", second)
	}
	s.emit(t, object{"event": "update", "room": "time", "data": "not joined again yet"})
	c.join(t, "/", "time")
	s.emit(t, object{"event": "update", "room": "time", "data": "after"})
	c.expect(t, "/", "update", "after")
	c.expectTransport(t, last)
}

// testShutdown: SIGTERM ends the server with status 0 and the clients notice.
func testShutdown(t *testing.T, d *driver, offer []string, last string) {
	s := startServer(t)
	c := d.connect(t, "c", s.url(), connectOptions{offer: offer})
	c.expectConnect(t, "/")
	c.expectTransport(t, last)
	if status := s.process.stop(t); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
	c.expectDisconnect(t, "/")
}
