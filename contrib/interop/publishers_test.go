package interop

import (
	"maps"
	"testing"
)

// audience is one client of each kind on each transport, all in the room "r".
type audience struct {
	clients []*client
	sids    []string
}

func startAudience(t testing.TB, s *server) *audience {
	t.Helper()
	a := &audience{}
	for _, k := range kinds {
		d := startDriver(t, k.command(t))
		for _, tr := range transports {
			c := d.connect(t, k.name+"/"+tr.name, s.url(), connectOptions{offer: tr.offer, namespaces: []string{"/", "/chat"}})
			a.sids = append(a.sids, c.expectConnect(t, "/", "/chat")["/"])
			c.expectTransport(t, tr.last)
			c.join(t, "/", "r")
			c.join(t, "/chat", "r")
			a.clients = append(a.clients, c)
		}
	}
	return a
}

func (a *audience) expect(t testing.TB, namespace, event string, args ...any) {
	t.Helper()
	for _, c := range a.clients {
		c.expect(t, namespace, event, args...)
	}
}

// subscribed waits until the server listens on a channel: what is published
// before is lost, as Redis has it.
func (r *redis) subscribed(t testing.TB, channels ...string) {
	t.Helper()
	for _, channel := range channels {
		eventually(t, "the server subscribes to "+channel, func() bool {
			return r.cli(t, "PUBSUB", "NUMSUB", channel) == channel+"\n1"
		})
	}
}

// publication is one emit of a Python publisher.
type publication struct {
	event   string
	args    []any
	options object // over the default, the room "r"
	want    []any  // the arguments that arrive, when they differ
}

func publications() []publication {
	text := "grüße, 日本 \U0001f389 \u2028 \"quoted\" \x1e <&>"
	large := make([]byte, 100_000)
	for i := range large {
		large[i] = byte(i * 7)
	}
	return []publication{
		{event: "text", args: []any{text}},
		{event: "object", args: []any{object{"time": 1639178370, "ü": []any{nil, true, 1.5}}}},
		{event: "number", args: []any{0}},
		{event: "false", args: []any{false}},
		{event: "empty text", args: []any{""}},
		{event: "none", args: []any{nil}, want: []any{}},
		{event: "several", args: []any{1, text, nil, []any{2}}},
		{event: "list", args: []any{[]any{1, "two"}}},
		{event: "empty list", args: []any{[]any{}}},
		{event: "no arguments", args: []any{}},
		{event: "binary", args: []any{bin(0, 1, 254, 255)}},
		{event: "empty binary", args: []any{bin()}},
		{event: "large binary", args: []any{bin(large...)}},
		{event: "nested binary", args: []any{object{"a": bin(1), "b": []any{bin(2, 3), text}}, "and", bin(4)}},
		{event: "text after binary", args: []any{"in order"}},
		{event: "rooms", args: []any{"once"}, options: object{"room": []string{"nobody", "r", "r2"}}},
	}
}

// TestPythonPublishers publishes with the libraries that backends have, to
// every kind of client at once.
func TestPythonPublishers(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	s := startServer(t, "--redis", r.url(), "--namespaces", "/,/chat")
	r.subscribed(t, "socketio", "flask-socketio")
	a := startAudience(t, s)
	script := startDriver(t, pythonScript(t, "publish.py", r.url()))
	cases := publications()
	for _, with := range []string{"python-socketio", "flask-socketio"} {
		t.Run(with, func(t *testing.T) {
			publish := func(event string, args []any, options object) {
				t.Helper()
				script.order(t, object{"do": "emit", "with": with, "event": event, "args": args, "options": options})
			}
			// All are published before the first is read, so that order counts.
			for _, tt := range cases {
				options := object{"room": "r"}
				maps.Copy(options, tt.options)
				publish(tt.event, tt.args, options)
			}
			for _, tt := range cases {
				want := tt.want
				if want == nil {
					want = tt.args
				}
				a.expect(t, "/", tt.event, want...)
			}

			publish("everybody", []any{1}, object{})
			a.expect(t, "/", "everybody", 1)
			publish("chat", []any{2}, object{"namespace": "/chat", "room": "r"})
			a.expect(t, "/chat", "chat", 2)
			publish("chat", []any{3}, object{"namespace": "/chat"})
			a.expect(t, "/chat", "chat", 3)

			for i, c := range a.clients {
				publish("one", []any{i}, object{"room": a.sids[i]})
				c.expect(t, "/", "one", i)
			}
			publish("but one", []any{4}, object{"room": "r", "skip_sid": a.sids[0]})
			publish("but two", []any{5}, object{"room": "r", "skip_sid": a.sids[:2]})
			publish("nobody", []any{6}, object{"room": "nobody"})
			publish("marker", []any{7}, object{"room": "r"})
			for i, c := range a.clients {
				if i > 0 {
					c.expect(t, "/", "but one", 4)
				}
				if i > 1 {
					c.expect(t, "/", "but two", 5)
				}
				c.expect(t, "/", "marker", 7)
			}
		})
	}
}

// TestRedisPlain publishes with redis-cli, in the form of POST /emit, and what
// is no emit between it.
func TestRedisPlain(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	s := startServer(t, "--redis", r.url(), "--namespaces", "/,/chat")
	r.subscribed(t, "ws-emit", "flask-socketio")
	a := startAudience(t, s)
	publish := func(channel, payload string) {
		t.Helper()
		if n := r.cli(t, "PUBLISH", channel, payload); n != "1" {
			t.Fatalf("PUBLISH %s reaches %s subscribers, want the server", channel, n)
		}
	}
	publish("ws-emit", `{"event":"update","room":"r","data":{"time":1}}`)
	publish("ws-emit", `not JSON`)
	publish("ws-emit", "{\"event\":\"update\",\"data\":\"\xff\"}")
	publish("ws-emit", `{"event":"connect","data":"a reserved name"}`)
	publish("ws-emit", `{"event":"update","room":5}`)
	publish("flask-socketio", `{"method":"emit"}`)
	publish("flask-socketio", `{"method":"emit","event":"update","data":[{"_placeholder":true,"num":-5},"AQ=="],"binary":true,"namespace":"/"}`)
	publish("ws-emit", `{"event":"update","room":["r","other"],"args":["ü 🎉",2]}`)
	publish("ws-emit", `{"event":"update","namespace":"/chat"}`)
	a.expect(t, "/", "update", object{"time": 1})
	a.expect(t, "/", "update", "ü \U0001f389", 2)
	a.expect(t, "/chat", "update")

	// The sample of a message that a Flask application writes.
	publish("flask-socketio", `{"method":"emit","event":"update","data":[{"time":1639178370}],"binary":false,`+
		`"namespace":"/","room":"r","skip_sid":null,"callback":null,"host_id":"x"}`)
	a.expect(t, "/", "update", object{"time": 1639178370})
}

// TestRedisSecrets: backends set the secrets of spaces in Redis.
func TestRedisSecrets(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	s := startServer(t, "--redis", r.url())
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			const key = "ws-emit::secret::dir"
			c := startDriver(t, k.command(t)).connect(t, "c", s.url(), connectOptions{})
			c.expectConnect(t, "/")
			ok := object{"ok": true, "room": "dir::a"}
			denied := object{"ok": false, "room": "dir::a", "error": "denied"}
			join := object{"room": "dir::a", "secret": "S1"}

			r.cli(t, "DEL", key)
			c.expectAck(t, denied, "/", "join", join)
			r.cli(t, "SET", key, "S1")
			c.expectAck(t, ok, "/", "join", join)
			// Another secret counts for the next join and takes nobody out.
			r.cli(t, "SET", key, "S2 \U0001f389")
			c.expectAck(t, denied, "/", "join", join)
			c.expectAck(t, ok, "/", "join", object{"room": "dir::a", "secret": "S2 \U0001f389"})
			r.cli(t, "SET", key, "")
			c.expectAck(t, denied, "/", "join", object{"room": "dir::a", "secret": ""})
			s.emit(t, object{"event": "update", "room": "dir::a", "data": "still in"})
			c.expect(t, "/", "update", "still in")
		})
	}
}
