package server_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

// ready waits until the server is ready.
func (n *node) ready(t testing.TB) {
	t.Helper()
	until(t, "ready", func() bool { return n.get(t, "/readyz") == "200 ok\n" })
}

func joinError(t testing.TB, c *sioclient.Client, room, secret string) string {
	t.Helper()
	reply, err := c.Join(soon(t), room, secret)
	if err != nil || reply.OK != (reply.Error == "") {
		t.Fatalf("join %q: %+v, %v", room, reply, err)
	}
	return reply.Error
}

// The secrets of room-spaces are what backends put into Redis; fixed ones win; PUT and DELETE change Redis.
func TestRedisSecrets(t *testing.T) {
	r := startRedis(t)
	n := start(t, server.Config{Redis: r.url(), RoomSecrets: map[string]string{"fixed": "F"}})
	n.ready(t)
	c := n.client(t, sioclient.Config{})
	expectJoin := func(room, secret, want string) {
		t.Helper()
		if got := joinError(t, c, room, secret); got != want {
			t.Errorf("join %q with %q: %q, want %q", room, secret, got, want)
		}
	}
	expectJoin("dir::a", "S1", "denied")
	r.set("dir", "S1")
	expectJoin("dir::a", "S1", "")
	r.set("dir", "S2")
	expectJoin("dir::b", "S1", "denied")
	expectJoin("dir::b", "S2", "")
	r.set("dir", "")
	expectJoin("dir::c", "S2", "denied")
	expectJoin("dir::c", "", "denied")
	r.set("fixed", "G")
	expectJoin("fixed::a", "G", "denied")
	expectJoin("fixed::a", "F", "")
	if err := r.client().LPush(soon(t), "ws-emit::secret::list", "S").Err(); err != nil {
		t.Fatal(err)
	}
	expectJoin("list::a", "S", "denied")

	if status, text := n.request(t, http.MethodPut, "/roomspaces/put", emitSecret, "text/plain", "S3"); status != http.StatusNoContent {
		t.Fatalf("PUT: %d %s", status, text)
	}
	if got, err := r.client().Get(soon(t), "ws-emit::secret::put").Result(); err != nil || got != "S3" {
		t.Errorf("in Redis: %q, %v", got, err)
	}
	expectJoin("put::a", "S3", "")
	if status, text := n.request(t, http.MethodDelete, "/roomspaces/put", emitSecret, "", ""); status != http.StatusNoContent {
		t.Fatalf("DELETE: %d %s", status, text)
	}
	expectJoin("put::b", "S3", "denied")
}

// What backends publish reaches clients, also binary, by every transport.
func TestRedisPublish(t *testing.T) {
	r := startRedis(t)
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{Redis: r.url(), Registerer: registry})
	n.ready(t)
	var clients []*sioclient.Client
	for _, name := range []string{"polling", "websocket", "upgrade"} {
		c := n.client(t, sioclient.Config{Transports: transports[name]})
		join(t, c, "time", "")
		clients = append(clients, c)
	}
	python := func(event, data, room, skip string, binary bool) string {
		return fmt.Sprintf(`{"method":"emit","event":%q,"data":%s,"binary":%v,"namespace":"/","room":%s,"skip_sid":%s,"callback":null,"host_id":"h"}`, event, data, binary, room, skip)
	}
	for _, c := range []struct{ channel, payload, name, args string }{
		{"flask-socketio", python("update", `[{"time":1639178370}]`, `"time"`, "null", false), "update", `[{"time":1639178370}]`},
		{"socketio", python("several", `["\u00e4",null,[1,2]]`, `["time","none"]`, "null", false), "several", `["\u00e4",null,[1,2]]`},
		{"socketio", python("to all", `[]`, "null", `"`+clients[0].SID()+`x"`, false), "to all", `[]`},
		{"ws-emit", `{"event":"plain","room":"time","data":"ä"}`, "plain", `["ä"]`},
		{"ws-emit", `[{"event":"one","room":"none"},{"event":"two","room":"time","args":[1,2]}]`, "two", `[1,2]`},
	} {
		r.publish(c.channel, c.payload)
		for _, client := range clients {
			next(t, client, c.name, c.args)
		}
	}
	r.publish("flask-socketio", python("binary", `[[{"_placeholder":true,"num":0}],"AAEC/w=="]`, `"time"`, "null", true))
	for _, client := range clients {
		e, err := client.Next(soon(t))
		if err != nil || e.Name != "binary" || len(e.Attachments) != 1 || string(e.Attachments[0]) != "\x00\x01\x02\xff" {
			t.Errorf("binary: %+v, %v", e, err)
		}
	}
	r.publish("socketio", python("to others", `[]`, `"time"`, `"`+clients[0].SID()+`"`, false))
	for _, client := range clients[1:] {
		next(t, client, "to others", `[]`)
	}
	for _, garbage := range []string{"", "{", "\x80\x04}.", `{"method":"disconnect","sid":"x"}`, python("connect", "[]", "null", "null", false)} {
		r.publish("flask-socketio", garbage)
	}
	r.publish("ws-emit", `{"event":"last","room":"time"}`)
	for _, client := range clients {
		next(t, client, "last", `[]`)
	}
	now := metrics(t, registry)
	if now[`wsemit_emits_total{result="ok",source="redis"}`] != 9 || now[`wsemit_source_drops_total{reason="method",source="redis"}`] != 1 {
		t.Errorf("counted %v", now)
	}
}

// TestRedisNamespaces: publishers reach the sockets of each namespace, and what is for one that is not there is dropped.
func TestRedisNamespaces(t *testing.T) {
	r := startRedis(t)
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{Redis: r.url(), Registerer: registry, Namespaces: []string{"/", "/chat"}})
	n.ready(t)
	c := n.client(t, sioclient.Config{Namespace: "/chat"})
	for channel, payload := range map[string]string{
		"socket.io#/chat#": `["emitter",{"type":2,"data":["e"],"nsp":"/chat"},{"rooms":[],"except":[],"flags":{}}]`,
		"socketio":         `{"method":"emit","event":"e","data":[],"namespace":"/chat"}`,
		"ws-emit":          `{"event":"e","namespace":"/chat"}`,
	} {
		r.publish(channel, payload)
		next(t, c, "e", `[]`)
	}
	r.publish("ws-emit", `{"event":"e","namespace":"/none"}`)
	r.publish("ws-emit", `{"event":"last","namespace":"/chat"}`)
	next(t, c, "last", `[]`)
	if now := metrics(t, registry); now[`wsemit_source_drops_total{reason="namespace",source="redis"}`] != 1 {
		t.Errorf("counted %v", now)
	}
}

// TestRedisSocketOfAnotherServer: a client that calls a room like a socket of another server does not get what that socket is given.
func TestRedisSocketOfAnotherServer(t *testing.T) {
	const sid = "PySid0123456789abcde"
	r := startRedis(t)
	n := start(t, server.Config{Redis: r.url()})
	n.ready(t)
	c := n.client(t, sioclient.Config{})
	join(t, c, sid, "")
	for channel, payload := range map[string]string{
		"flask-socketio":       `{"method":"enter_room","sid":"` + sid + `","room":"orders::42","namespace":"/"}`,
		"socketio":             `{"method":"disconnect","sid":"` + sid + `","namespace":"/"}`,
		"socket.io-request#/#": `{"type":2,"sid":"` + sid + `","room":"orders::42"}`,
	} {
		r.publish(channel, payload)
		r.publish("ws-emit", `[{"event":"secret","room":"orders::42"},{"event":"end"}]`)
		next(t, c, "end", `[]`)
	}
}

// Redis stops for a while, without closing a connection: no client is dropped, public joins and emits by HTTP go on, fixed secrets too, and joins to other
// spaces answer that they are unavailable. Then it goes on, and so does everything. It stops for 8 s, which is many times all timeouts here; with
// WS_EMIT_TEST_LONG in the environment for 60 s with the timeouts of production.
func TestRedisStops(t *testing.T) {
	t.Parallel() // most of the time it waits
	stopFor, cfg := 8*time.Second, server.Config{RedisTimeout: 500 * time.Millisecond, RedisSilence: time.Second, PingInterval: 500 * time.Millisecond}
	if os.Getenv("WS_EMIT_TEST_LONG") != "" {
		stopFor, cfg = time.Minute, server.Config{PingInterval: 5 * time.Second}
	}
	r := startRedis(t)
	r.set("dir", "S")
	registry := prometheus.NewRegistry()
	cfg.Redis, cfg.Registerer, cfg.RoomSecrets, cfg.PingTimeout = r.url(), registry, map[string]string{"fixed": "F"}, patience
	n := start(t, cfg)
	n.ready(t)
	var clients []*sioclient.Client
	for range 10 {
		for _, transports := range transports {
			c := n.client(t, sioclient.Config{Transports: transports})
			join(t, c, "dir::a", "S")
			clients = append(clients, c)
		}
	}
	r.signal(syscall.SIGSTOP)
	end, pause := time.After(stopFor), time.NewTicker(50*time.Millisecond)
	defer pause.Stop()
	for round, stopped := 0, true; stopped; round++ {
		select {
		case <-end:
			stopped = false
		case <-pause.C:
		}
		c := clients[round%len(clients)]
		room := fmt.Sprint("r", round)
		join(t, c, room, "")
		if got := joinError(t, c, "dir::b", "S"); got != "unavailable" {
			t.Fatalf("round %d: join to a space while Redis does not answer: %q", round, got)
		}
		join(t, c, "fixed::a", "F")
		n.emit(t, `{"event":"e","room":"`+room+`"}`)
		next(t, c, "e", `[]`)
		join(t, n.client(t, sioclient.Config{}), room, "")
	}
	if got := n.get(t, "/readyz"); got != notConnected {
		t.Errorf("/readyz while Redis is away: %s", got)
	}
	r.signal(syscall.SIGCONT)
	n.ready(t)
	until(t, "a join to a space is let in", func() bool { return joinError(t, clients[0], "dir::b", "S") == "" })
	r.publish("ws-emit", `{"event":"again","room":"dir::a"}`)
	for _, c := range clients {
		next(t, c, "again", `[]`)
	}
	for name, value := range metrics(t, registry) {
		if strings.HasPrefix(name, "wsemit_sessions_ended_total") {
			t.Errorf("%s %v: a client was dropped", name, value)
		}
	}
}

// A secret that is set while a GET of Redis is slow counts for a join that comes after it, though that shares GETs with others.
func TestSlowRedis_SecretSetMeanwhile(t *testing.T) {
	r := startRedis(t)
	slow := startSlowRedis(t, r)
	n := start(t, server.Config{Redis: slow.url(), RedisTimeout: patience})
	n.ready(t)
	const request = `420["join",{"room":"dir::a","secret":"S"}]`
	// A POST is answered when its packets have been taken, so the join has arrived then.
	before, after := openWire(t, n.url, sioclient.TransportPolling), openWire(t, n.url, sioclient.TransportPolling)
	release := slow.hold()
	defer release()
	if err := errors.Join(connect(before), connect(after), before.write(request)); err != nil {
		t.Fatal(err)
	}
	until(t, "Redis was asked", func() bool { return slow.asked() == 1 })
	r.set("dir", "S")
	if err := after.write(request); err != nil {
		t.Fatal(err)
	}
	release()
	if _, err := expect(before, `430[{"ok":false,"room":"dir::a","error":"denied"}]`); err != nil {
		t.Errorf("the join from before the secret was set: %v", err)
	}
	if _, err := expect(after, `430[{"ok":true,"room":"dir::a"}]`); err != nil {
		t.Errorf("the join from after it: %v", err)
	}
	if got := slow.asked(); got != 2 {
		t.Errorf("Redis was asked %d times, want 2", got)
	}
}

// 1,000 joins of one space, sent in one go by one client, are all acknowledged in order within 5 s when Redis takes 1 s for each GET. (Twice the time under
// -race.) Another client's join to a public room does not wait for them.
func TestSlowRedis_ThousandJoins(t *testing.T) {
	bound := 5 * time.Second
	if raceEnabled {
		bound *= 2
	}
	r := startRedis(t)
	r.set("dir", "S")
	slow := startSlowRedis(t, r)
	n := start(t, server.Config{Redis: slow.url()})
	n.ready(t)
	slow.setDelay(time.Second)
	other := n.client(t, sioclient.Config{})
	for _, transport := range []sioclient.Transport{sioclient.TransportPolling, sioclient.TransportWebSocket} {
		t.Run(string(transport), func(t *testing.T) {
			w := openWire(t, n.url, transport)
			if err := connect(w); err != nil {
				t.Fatal(err)
			}
			var requests []string
			for i := range 1000 {
				requests = append(requests, fmt.Sprintf(`42%d["join",{"room":"dir::%d","secret":"S"}]`, i, i))
			}
			began := time.Now()
			written := make(chan error, 1)
			go func() { written <- w.write(requests...) }() // a POST is answered when its packets have been taken
			join(t, other, "public", "")
			for i := range requests {
				if _, err := expect(w, fmt.Sprintf(`43%d[{"ok":true,"room":"dir::%d"}]`, i, i)); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(began); took > bound {
				t.Errorf("took %v, want at most %v", took, bound)
			} else {
				t.Logf("took %v", took)
			}
			if err := <-written; err != nil {
				t.Error(err)
			}
		})
	}
}

// While a join waits for Redis the heartbeat goes on, nobody else waits, the client is read only so far, and its end is its end.
func TestInvariant3_WhileAJoinWaits(t *testing.T) {
	r := startRedis(t)
	r.set("dir", "S")
	slow := startSlowRedis(t, r)
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{Redis: slow.url(), RedisTimeout: patience, Registerer: registry, PingInterval: 50 * time.Millisecond, PingTimeout: patience})
	n.ready(t)
	release := slow.hold()
	defer release()
	w := openWire(t, n.url, sioclient.TransportWebSocket).(*socketWire)
	leaver := openWire(t, n.url, sioclient.TransportWebSocket)
	for _, w := range []wire{w, leaver} {
		if err := errors.Join(connect(w), w.write(`420["join",{"room":"dir::a","secret":"S"}]`)); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "Redis was asked", func() bool { return slow.asked() == 1 })
	leaver.close()
	until(t, "the one that left has ended", func() bool { return metrics(t, registry)["wsemit_sessions"] == 1 })
	join(t, n.client(t, sioclient.Config{}), "public", "")

	for range 3 {
		if _, p, err := w.frame(); err != nil || p != "2" {
			t.Fatalf("%q, %v; want a PING", p, err)
		}
		if err := w.write("3"); err != nil {
			t.Fatal(err)
		}
	}

	// What waits behind the join is bounded: in the end it is not read any more, and the network, which takes some megabytes, is full.
	var sent int
	many := strings.Repeat(frames([]string{`42["leave","` + strings.Repeat("x", 200) + `"]`}), 1000)
	for err := error(nil); err == nil; { // until it waits for a second
		var wrote int
		if err = w.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		wrote, err = w.Write([]byte(many))
		if sent += wrote; sent > 64<<20 {
			t.Fatalf("%d bytes were taken of a client that should wait", sent)
		}
	}
	t.Logf("%d bytes were taken", sent)
	release()
	for answer := "2"; answer == "2"; { // it is too late to answer PINGs
		var err error
		if _, answer, err = w.frame(); err != nil || answer != "2" && answer != `430[{"ok":true,"room":"dir::a"}]` {
			t.Errorf("%s, %v; want the ack of the join", answer, err)
		}
	}
}

const notConnected = "503 redis: redisbus: not connected to redis\n"

// When the server is ready, where Redis is used and where it is not.
func TestReadiness(t *testing.T) {
	t.Run("none", func(t *testing.T) {
		n := start(t, server.Config{})
		if got := n.get(t, "/readyz"); got != "200 ok\n" {
			t.Error(got)
		}
	})
	t.Run("configured", func(t *testing.T) {
		r := newRedis(t)
		n := start(t, server.Config{Redis: r.url()})
		if got := n.get(t, "/readyz"); got != notConnected {
			t.Errorf("before it is there: %s", got)
		}
		r.start()
		n.ready(t)
		r.kill()
		until(t, "not ready", func() bool { return n.get(t, "/readyz") == notConnected })
		r.start()
		n.ready(t)
		if got := n.get(t, "/livez"); got != "200 ok\n" {
			t.Error(got)
		}
	})
}

// Where no Redis is configured, secrets are in memory until there is one; then it is used, and required.
func TestReadiness_ByDefault(t *testing.T) {
	r := newRedis(t)
	seen := &transcript{}
	n := startWithDefaultRedis(t, server.Config{Logger: slog.New(slog.NewTextHandler(seen, nil))}, r)
	if got := n.get(t, "/readyz"); got != "200 ok\n" {
		t.Errorf("before it is there: %s", got)
	}
	c := n.client(t, sioclient.Config{})
	put := func(secret string) {
		t.Helper()
		if status, text := n.request(t, http.MethodPut, "/roomspaces/dir", emitSecret, "text/plain", secret); status != http.StatusNoContent {
			t.Fatalf("PUT: %d %s", status, text)
		}
	}
	put("S1")
	join(t, c, "dir::a", "S1")
	const dropped = "those in memory are dropped"
	if strings.Contains(seen.String(), dropped) {
		t.Error("told of Redis before it is there")
	}
	r.start()
	until(t, "it is used", func() bool { return joinError(t, c, "dir::b", "S1") == "denied" })
	put("S2")
	join(t, c, "dir::b", "S2")
	if got, err := r.client().Get(soon(t), "ws-emit::secret::dir").Result(); err != nil || got != "S2" {
		t.Errorf("in Redis: %q, %v", got, err)
	}
	r.publish("ws-emit", `{"event":"e","room":"dir::a"}`)
	next(t, c, "e", `[]`)
	n.ready(t)
	r.kill()
	until(t, "not ready, as it is required now", func() bool { return n.get(t, "/readyz") == notConnected })
	until(t, "joins to spaces are unavailable", func() bool { return joinError(t, c, "dir::c", "S2") == "unavailable" })
	if got := strings.Count(seen.String(), dropped); got != 1 {
		t.Errorf("told of the dropped secrets %d times:\n%s", got, seen)
	}
}

// startWithDefaultRedis starts a server without a configured Redis, which tries this one.
func startWithDefaultRedis(t testing.TB, cfg server.Config, r *redisServer) *node {
	t.Helper()
	return startNew(t, cfg, func(cfg server.Config) (*server.Server, error) {
		cfg.Redis = ""
		return server.NewWithDefaultRedis(cfg, r.url())
	})
}
