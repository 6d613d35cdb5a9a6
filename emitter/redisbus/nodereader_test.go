package redisbus

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ws-emit/ws-emit/emitter"
)

// messages is a sink that passes on messages.
type messages chan emitter.Message

func (m messages) Emit(_ context.Context, batch []emitter.Message) (emitter.Receipt, error) {
	for _, message := range batch {
		m <- message
	}
	return emitter.Receipt{Accepted: len(batch)}, nil
}

// publish publishes a payload and checks how many subscriptions of the reader got it.
func (s *redisServer) publish(channel string, payload []byte, receivers int64) {
	s.tb.Helper()
	c := s.client()
	defer func() { _ = c.Close() }()
	if n, err := c.Publish(s.tb.Context(), channel, payload).Result(); n != receivers || err != nil {
		s.tb.Fatalf("%q: %d receivers, %v, want %d", channel, n, err, receivers)
	}
}

// TestNodePublishers: broadcasts and requests come in, in the order in which they were published.
func TestNodePublishers(t *testing.T) {
	server, sink := startRedis(t), make(messages, 100)
	h := run(t, Config{Options: server.options(), Namespaces: []string{"/", "/admin"}}, sink)
	h.awaitUp()
	var want []nodeWant
	for _, v := range readVectors[nodeVector](t, "node.json") {
		if !strings.HasPrefix(v.Channel, "socket.io") || strings.Contains(v.Channel, "#/nsp#") {
			continue
		}
		server.publish(v.Channel, v.Payload, 1)
		if v.Want != nil {
			want = append(want, *v.Want)
		}
	}
	for _, w := range want {
		if got := nodeWantOf(await(t, sink, "message")); !got.equal(w) {
			t.Errorf("%+v, want %+v", got, w)
		}
	}
	if n := h.dropped(DropRequest); n == 0 {
		t.Error("no request was counted")
	}
	h.noMoreGaps()
	if len(sink) > 0 {
		t.Errorf("one more message: %+v", <-sink)
	}
}

// TestNodesDoNotCountReaders: a Node asks Redis how many others there are, and waits for an answer of each.
func TestNodesDoNotCountReaders(t *testing.T) {
	server := startRedis(t)
	h := run(t, Config{Options: server.options(), Namespaces: []string{"/", "/admin"}}, make(messages, 1))
	h.awaitUp()
	c := server.client()
	channels := []string{"socket.io-request#/#", "socket.io-request#/admin#", "socket.io#/#", "socket.io-response#/#"}
	counts, err := c.PubSubNumSub(t.Context(), channels...).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, channel := range channels {
		if counts[channel] != 0 {
			t.Errorf("%s: %d members", channel, counts[channel])
		}
	}
	if n, err := c.PubSubNumPat(t.Context()).Result(); n != 4 || err != nil {
		t.Errorf("%d patterns, %v, want 4", n, err)
	}
	h.noMoreGaps()
}

// TestNodePatternsAreLiteral: what means something in a pattern of Redis means nothing in a key or a namespace.
func TestNodePatternsAreLiteral(t *testing.T) {
	const key, namespace = `k?[x]*\`, `/a*b[c]\`
	server, sink := startRedis(t), make(messages, 10)
	h := run(t, Config{Options: server.options(), Channels: []Channel{{key, DialectNode}}, Namespaces: []string{"/", namespace}}, sink)
	h.awaitUp()
	text := func(event string) []byte {
		return packJSON(t, fmt.Sprintf(`["emitter", {"type": 2, "data": [%q], "nsp": %q}, {}]`, event, namespace))
	}
	for _, channel := range []string{
		`kxx*\#/a*b[c]\#`, `k?[x]*\#/aXb[c]\#`, `k?[x]*\#/a*bc\#`, `k?[x]*\#/a*b[c]#`, `k?[x]*#/#`, `kyx\#/#`, `k?[x]*\-request#/aab[c]\#`, `k?[x]*\-request#/a*b[c]\#x`,
	} {
		server.publish(channel, text("no"), 0)
	}
	server.publish(key+"#"+namespace+"#", text("a"), 1)
	server.publish(key+"#"+namespace+"#r*#", text("b"), 1)
	server.publish(key+"-request#"+namespace+"#", []byte(`{"type": 4, "opts": {"rooms": ["r"]}}`), 1)
	for i, want := range []nodeWant{
		{Method: "emit", Namespace: namespace, Event: "a"},
		{Method: "emit", Namespace: namespace, Event: "b", Rooms: []string{"r*"}},
		{Method: "disconnect", Namespace: namespace, Rooms: []string{"r"}},
	} {
		if got := nodeWantOf(await(t, sink, "message")); !got.equal(want) {
			t.Errorf("message %d: %+v, want %+v", i, got, want)
		}
	}
	h.noMoreGaps()
}

// TestNodeChannelsAreComparedAgain: what a proxy takes for a match may be none.
func TestNodeChannelsAreComparedAgain(t *testing.T) {
	r, err := New(Config{Options: newOptions(t)})
	if err != nil {
		t.Fatal(err)
	}
	in := intake{reader: r}
	add := func(pattern, channel string) int {
		kind := replyPatternMessage
		if pattern == "" {
			kind = replyMessage
		}
		in.add(reply{kind: kind, pattern: []byte(pattern), channel: []byte(channel)})
		return len(in.items)
	}
	for _, m := range []struct{ pattern, channel string }{
		{"socket.io#/#*", "socket.io#/x#"}, {"socket.io-request#/#", "socket.io-request#/#r#"}, {"socket.io#/#*", "SOCKET.IO#/#"},
		{"*", "socket.io#/#"}, {"", "socket.io#/#*"}, {"socketio", "socketio"},
	} {
		if add(m.pattern, m.channel) > 0 {
			t.Fatalf("%+v is accepted", m)
		}
	}
	if add("socket.io#/#*", "socket.io#/#r#") != 1 {
		t.Error("what is a match is not accepted")
	}
}

// TestNamespacesWithinEachOther: Redis delivers what is for two patterns twice, and still a message comes once.
func TestNamespacesWithinEachOther(t *testing.T) {
	server, sink := startRedis(t), make(messages, 10)
	h := run(t, Config{Options: server.options(), Namespaces: []string{"/", "/#x"}}, sink)
	h.awaitUp()
	server.publish("socket.io#/#x#r#", []byte(`["u", {"type": 2, "data": ["a"], "nsp": "/"}, {"rooms": ["x#r"]}]`), 2)
	server.publish("socket.io#/#x#r#", []byte(`["u", {"type": 2, "data": ["b"], "nsp": "/#x"}, {"rooms": ["r"]}]`), 2)
	server.publish("socket.io#/#y#r#", []byte(`["u", {"type": 2, "data": ["no"], "nsp": "/#x"}, {"rooms": ["r"]}]`), 1)
	server.publish("socket.io#/#x#r#", []byte(`["u", {"type": 2, "data": ["no"], "nsp": "/#y"}, {"rooms": ["r"]}]`), 2)
	server.publish("socket.io#/#", []byte(`["u", {"type": 2, "data": ["c"], "nsp": "/"}, {}]`), 1)
	var got []string
	for range 3 {
		m := await(t, sink, "message")
		got = append(got, m.Event+" "+m.Namespace+" "+strings.Join(m.Rooms, ","))
	}
	if want := []string{"a / x#r", "b /#x r", "c / "}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	// What comes by the pattern of the other one as well is no fault of anybody.
	if duplicates, faults := h.dropped(DropDuplicate), h.dropped(DropNamespace); duplicates != 2 || faults != 3 {
		t.Errorf("%d duplicates, %d in a wrong namespace, want 2 and 3", duplicates, faults)
	}
}

// TestNodeReconnect: patterns are subscribed to again after a loss, before the reader is ready.
func TestNodeReconnect(t *testing.T) {
	server, sink := startRedis(t), newRecorder()
	h := run(t, Config{Options: server.options(), RetryMin: time.Millisecond}, sink)
	h.awaitUp()
	c := server.client()
	for i := range 3 {
		if n, err := c.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Result(); n != 1 || err != nil {
			t.Fatalf("%d connections killed, %v", n, err)
		}
		h.awaitLog("redis is away, trying again until it is back")
		h.awaitGap(GapConnection)
		if err := h.Ready(); err != nil {
			t.Fatalf("Ready: %v", err)
		}
		server.publish("socket.io#/#time#", nodeMessage(t, i), 1)
		awaitSeq(t, sink, i, i+1)
	}
	h.noMoreGaps()
}

// TestRefusedPattern: without all of its patterns a reader is not up.
func TestRefusedPattern(t *testing.T) {
	server := startRedis(t)
	c := server.client()
	acl := func(rules ...any) {
		t.Helper()
		if err := c.Do(t.Context(), append([]any{"ACL", "SETUSER", "default"}, rules...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	acl("resetchannels", "&socketio", "&flask-socketio", "&ws-emit", "&socket.io#/#*")
	h := run(t, Config{Options: server.options(), RetryMin: time.Millisecond, RetryMax: 10 * time.Millisecond}, make(messages, 1))
	h.awaitLog("redis is away, trying again until it is back")
	if len(h.up) > 0 {
		t.Fatal("up without the pattern of requests")
	}
	acl("&socket.io-request#/#")
	h.awaitUp()
	h.noMoreGaps()
}

func TestNodeBurst(t *testing.T) {
	server, sink := startRedis(t), gate{newRecorder(), make(chan struct{})}
	h := run(t, Config{Options: server.options()}, sink)
	h.awaitUp()
	c := server.client()
	const n = 50_000
	for from := 0; from < n; {
		pipe := c.Pipeline()
		for range 1000 {
			pipe.Publish(t.Context(), "socket.io#/#time#", packet(fmt.Sprintf(`, "data": ["e", {"seq": %d, "t": 1}]`, from)))
			from++
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	close(sink.open)
	awaitSeq(t, sink.recorder, 0, n)
	if err := h.Ready(); err != nil {
		t.Errorf("Ready: %v", err)
	}
	h.noMoreGaps()
}

// TestNodeDropsTellNoRoom: a log line tells the pattern and not the channel, whose name has a room in it. Who watches gets the channel.
func TestNodeDropsTellNoRoom(t *testing.T) {
	server := startRedis(t)
	var mu sync.Mutex
	var records []map[string]any
	decoded := make(chan Decoded, 10)
	up := make(chan struct{})
	r, err := New(Config{
		Options: server.options(), OnUp: func() { close(up) }, OnDecoded: func(d Decoded) { decoded <- d },
		Logger: slog.New(recordHandler{mu: &mu, records: &records}),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, make(messages, 10)) }()
	defer func() { cancel(); <-done }()
	await(t, up, "subscription")
	server.publish("socket.io-request#/#", []byte(`{"type": 1, "requestId": "r"}`), 1)
	server.publish("socket.io#/#secret-room#", []byte(`{"secret": "payload"}`), 1)
	if d := await(t, decoded, "request"); d.Channel != "socket.io-request#/#" || d.Dialect != DialectNode || d.Reason != DropRequest {
		t.Errorf("%+v", d)
	}
	if d := await(t, decoded, "message"); d.Channel != "socket.io#/#secret-room#" || d.Reason != DropMalformed {
		t.Errorf("%+v", d)
	}
	mu.Lock()
	defer mu.Unlock()
	last := records[len(records)-1]
	if len(records) != 2 || last["channel"] != "socket.io#/#*" || last["reason"] != DropMalformed || strings.Contains(fmt.Sprint(records), "secret") {
		t.Errorf("logged %v", records)
	}
}
