package interop

import "testing"

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
