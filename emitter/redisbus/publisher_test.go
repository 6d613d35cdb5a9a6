package redisbus

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ws-emit/ws-emit/emitter"
)

func newPublisher(tb testing.TB, cfg PublisherConfig) *Publisher {
	tb.Helper()
	p, err := NewPublisher(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return p
}

func numbered(from, to int) []emitter.Message {
	var batch []emitter.Message
	for i := from; i < to; i++ {
		batch = append(batch, emitter.Message{Event: "e", Args: []json.RawMessage{fmt.Appendf(nil, `{"seq":%d,"t":1}`, i)}})
	}
	return batch
}

// newTap subscribes to the channel and passes on what is published.
func newTap(tb testing.TB, server *redisServer, channel string) func() string {
	tb.Helper()
	sub := server.client().Subscribe(tb.Context(), channel)
	tb.Cleanup(func() { _ = sub.Close() })
	if _, err := sub.ReceiveTimeout(tb.Context(), patience); err != nil {
		tb.Fatal(err)
	}
	return func() string {
		tb.Helper()
		m, err := sub.ReceiveTimeout(tb.Context(), patience)
		if err != nil {
			tb.Fatal(err)
		}
		return m.(*redis.Message).Payload
	}
}

// TestPublisherReachesReader: what the publisher writes is what the reader reads, whole and in order.
func TestPublisherReachesReader(t *testing.T) {
	server := startRedis(t)
	got := make(chan emitter.Message, 10000)
	sink := sinkFunc(func(_ context.Context, batch []emitter.Message) (emitter.Receipt, error) {
		for _, m := range batch {
			got <- m
		}
		return emitter.Receipt{Accepted: len(batch)}, nil
	})
	h := run(t, Config{Options: server.options(), Namespaces: []string{"/", "/n"}}, sink)
	h.awaitUp()
	p := newPublisher(t, PublisherConfig{Options: server.options()})

	m := emitter.Message{
		Namespace: "/n", Rooms: []string{"a", "b\u2028<"}, Except: []string{"c"}, Event: "é",
		Args: []json.RawMessage{[]byte(`{"b": [1, 2.50], "a": "x y"}`), []byte("null")},
	}
	if done, err := p.Emit(t.Context(), m); err != nil || done != (Published{1, 1}) {
		t.Fatalf("%+v, %v", done, err)
	}
	want := `{/n [a b` + "\u2028" + `<] [c] é [{"b":[1,2.50],"a":"x y"} null]}`
	if m := await(t, got, "message"); fmt.Sprintf("{%s %s %s %s %s}", m.Namespace, m.Rooms, m.Except, m.Event, m.Args) != want {
		t.Errorf("got %s, want %s", fmt.Sprintf("{%s %s %s %s %s}", m.Namespace, m.Rooms, m.Except, m.Event, m.Args), want)
	}

	const total = 2500
	if done, err := p.Emit(t.Context(), numbered(0, total)...); err != nil || done != (Published{total, 1}) {
		t.Fatalf("%+v, %v", done, err)
	}
	for i := range total {
		if seq := seqOf(t, string(await(t, got, "message").Args[0])); seq != i {
			t.Fatalf("message %d, want %d", seq, i)
		}
	}
	if n := len(h.drops); n > 0 {
		t.Errorf("dropped: %v", h.drops)
	}
}

func TestPublisherPayloads(t *testing.T) {
	server := startRedis(t)
	const channel = "elsewhere"
	next := newTap(t, server, channel)
	p := newPublisher(t, PublisherConfig{Options: server.options(), Channel: channel, Limits: emitter.Limits{MaxBatch: 2}})
	emit := func(batch ...emitter.Message) {
		t.Helper()
		if done, err := p.Emit(t.Context(), batch...); err != nil || done != (Published{len(batch), 1}) {
			t.Fatalf("%+v, %v", done, err)
		}
	}
	wants := func(want ...string) {
		t.Helper()
		for _, w := range want {
			if payload := next(); payload != w {
				t.Errorf("published %.80s, want %.80s", payload, w)
			}
		}
	}
	seq := func(i int) string { return fmt.Sprintf(`{"namespace":"/","event":"e","args":[{"seq":%d,"t":1}]}`, i) }
	emit(numbered(0, 1)...)
	emit(numbered(1, 4)...)
	wants(seq(0), "["+seq(1)+","+seq(2)+"]", seq(3))

	// Two that are too much together.
	large := emitter.Message{Event: "e", Args: []json.RawMessage{[]byte(`"` + strings.Repeat("x", 512<<10-100) + `"`)}}
	emit(large, large, numbered(0, 1)[0])
	object := `{"namespace":"/","event":"e","args":[` + string(large.Args[0]) + `]}`
	wants("["+object+","+object+"]", seq(0))
	p.parts = payloadMessages
	emit(large, large, large)
	wants("["+object+","+object+"]", object)
}

func TestPublisherNobodyListens(t *testing.T) {
	server := startRedis(t)
	client := server.client()
	p := newPublisher(t, PublisherConfig{Client: client})
	if done, err := p.Emit(t.Context(), numbered(0, 3)...); err != nil || done != (Published{3, 0}) {
		t.Errorf("%+v, %v", done, err)
	}
	if done, err := p.Emit(t.Context()); err != nil || done != (Published{}) {
		t.Errorf("nothing: %+v, %v", done, err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Errorf("Close closed a client that is not the publisher's: %v", err)
	}
}

// TestPublisherRefuses: nothing of a batch is published when one message of it cannot be.
func TestPublisherRefuses(t *testing.T) {
	server := startRedis(t)
	next := newTap(t, server, jsonChannel)
	p := newPublisher(t, PublisherConfig{Options: server.options()})
	attached, err := emitter.NewMessage("e", nil, []byte("binary"))
	if err != nil {
		t.Fatal(err)
	}
	for want, m := range map[string]emitter.Message{
		"message 1: event: is empty":                         {},
		"message 1: attachments cannot be sent as JSON":      attached,
		"message 1: args[0]: is not valid JSON":              {Event: "e", Args: []json.RawMessage{[]byte("{")}},
		"message 1: method: disconnect cannot be sent as JS": {Method: emitter.MethodDisconnect, Rooms: []string{"a"}},
		"message 1: is larger than 524288 bytes":             {Event: "e", Args: []json.RawMessage{[]byte(`"` + strings.Repeat("x", 512<<10) + `"`)}},
	} {
		done, err := p.Emit(t.Context(), numbered(0, 1)[0], m, numbered(2, 3)[0])
		var input *emitter.InputError
		if !errors.As(err, &input) || !strings.HasPrefix(err.Error(), want) || done != (Published{}) {
			t.Errorf("%+v, %v, want %s", done, err, want)
		}
	}
	if _, err := p.Emit(t.Context(), emitter.Message{Event: "last"}); err != nil {
		t.Fatal(err)
	}
	if payload := next(); payload != `{"namespace":"/","event":"last"}` {
		t.Errorf("%s was published", payload)
	}
}

func TestPublisherErrors(t *testing.T) {
	server := startRedis(t)
	for name, cfg := range map[string]PublisherConfig{
		"neither": {}, "both": {Options: server.options(), Client: server.client()},
	} {
		if _, err := NewPublisher(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	p := newPublisher(t, PublisherConfig{Options: server.options(), Limits: emitter.Limits{MaxBatch: 1}})
	c := server.client()
	if err := c.Do(t.Context(), "ACL", "SETUSER", "default", "-publish").Err(); err != nil {
		t.Fatal(err)
	}
	if done, err := p.Emit(t.Context(), numbered(0, 1)...); err == nil || !strings.HasPrefix(err.Error(), "publish: NOPERM") || done != (Published{}) {
		t.Errorf("not allowed: %+v, %v", done, err)
	}
	server.kill()
	if done, err := p.Emit(t.Context(), numbered(0, 1)...); err == nil || done != (Published{}) {
		t.Errorf("no Redis: %+v, %v", done, err)
	}
	server.start()
	if done, err := p.Emit(t.Context(), numbered(0, 1)...); err != nil || done != (Published{1, 0}) {
		t.Errorf("Redis is back: %+v, %v", done, err)
	}
}

// TestPublisherStopsHalfWay: the number of messages that Redis took is told, and an error quotes none of them.
func TestPublisherStopsHalfWay(t *testing.T) {
	answers := []string{":3\r\n", ":2\r\n", "-ERR unknown command 'publish', with args beginning with: 'ws-emit' '{\"event\":\"hidden\"}'\r\n"}
	p := newPublisher(t, PublisherConfig{Options: scriptedOptions(t, answers), Limits: emitter.Limits{MaxBatch: 2}})
	done, err := p.Emit(t.Context(), numbered(0, 7)...)
	if done.Accepted != 4 || err == nil || err.Error() != "publish: redis knows no command PUBLISH" {
		t.Errorf("%+v, %v", done, err)
	}
}

// scriptedOptions return a client's way to a Redis that answers each PUBLISH with the next answer.
func scriptedOptions(tb testing.TB, answers []string) *redis.Options {
	tb.Helper()
	opt := newOptions(tb)
	opt.Dialer = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() { // ends when the client closes
			defer func() { _ = server.Close() }()
			lines := bufio.NewScanner(server)
			lines.Buffer(nil, 1<<20)
			for lines.Scan() {
				var answer string
				switch strings.ToLower(lines.Text()) {
				case "hello":
					answer = "-ERR unknown command\r\n"
				case "publish":
					for range 4 { // its channel and its payload are still to come, each after its length
						lines.Scan()
					}
					answer, answers = answers[0], answers[1:]
				default:
					continue
				}
				if _, err := io.WriteString(server, answer); err != nil {
					return
				}
			}
		}()
		return client, nil
	}
	return opt
}
