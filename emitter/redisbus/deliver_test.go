package redisbus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws-emit/ws-emit/emitter"
)

// script is a sink that answers as its lines say, one line a call, and accepts everything after the last. It records the events that it
// accepted.
type script struct {
	answers []answer
	calls   []int // the sizes of the batches
	events  []string
}

type answer struct {
	accepted int
	err      error
}

func (s *script) Emit(_ context.Context, batch []emitter.Message) (emitter.Receipt, error) {
	s.calls = append(s.calls, len(batch))
	a := answer{accepted: len(batch)}
	if len(s.answers) > 0 {
		a, s.answers = s.answers[0], s.answers[1:]
	}
	for _, m := range batch[:a.accepted] {
		s.events = append(s.events, m.Event)
	}
	return emitter.Receipt{Accepted: a.accepted}, a.err
}

// deliverTo delivers payloads to a sink in a bubble, until the sink has been called for all of them. It returns the drops.
func deliverTo(t *testing.T, sink emitter.Sink, payloads ...string) (drops map[DropReason]int, err error) {
	t.Helper()
	drops = make(map[DropReason]int)
	r, err := New(Config{Options: newOptions(t), OnDrop: func(reason DropReason) { drops[reason]++ }})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range payloads {
		if lost, _ := r.queue.push([]item{{r.channels["ws-emit"], "ws-emit", []byte(p)}}); lost > 0 {
			t.Fatal("queue is full")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.deliver(ctx, sink) }()
	time.Sleep(time.Hour) // in the bubble: lets all waits pass
	synctest.Wait()
	used, _ := r.Queued()
	cancel()
	if err = <-done; err == nil && used != 0 {
		t.Errorf("%d bytes are still charged", used)
	}
	return drops, err
}

func jsonEmit(event string) string { return fmt.Sprintf(`{"event": %q}`, event) }

func TestDeliver(t *testing.T) {
	tests := []struct {
		name    string
		answers []answer
		events  string
		drops   map[DropReason]int
	}{
		{"accepted", nil, "a b c d", nil},
		{"busy", []answer{{0, emitter.ErrBusy}, {0, emitter.ErrBusy}}, "a b c d", nil},
		{"timeout", []answer{{0, fmt.Errorf("emit: %w", context.DeadlineExceeded)}}, "a b c d", nil},
		{"busy half-way", []answer{{2, emitter.ErrBusy}, {1, emitter.ErrBusy}}, "a b c d", nil},
		{"busy after all", []answer{{4, emitter.ErrBusy}}, "a b c d", nil},
		{"too large after all", []answer{{0, emitter.ErrTooLarge}, {2, emitter.ErrTooLarge}}, "a b c d", nil},
		{"batch too large", []answer{{0, emitter.ErrTooLarge}, {0, emitter.ErrTooLarge}}, "a b c d", nil},
		{"first too large", []answer{{0, emitter.ErrTooLarge}, {0, emitter.ErrTooLarge}, {0, emitter.ErrTooLarge}}, "b c d", map[DropReason]int{DropTooLarge: 1}},
		{"last too large", []answer{{3, emitter.ErrTooLarge}, {0, emitter.ErrTooLarge}}, "a b c", map[DropReason]int{DropTooLarge: 1}},
		{"failure", []answer{{1, errors.New("broken")}}, "a", map[DropReason]int{DropSink: 3}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink := &script{answers: test.answers}
				drops, err := deliverTo(t, sink, jsonEmit("a"), jsonEmit("b"), jsonEmit("c"), jsonEmit("d"))
				if err != nil {
					t.Error(err)
				}
				if got := strings.Join(sink.events, " "); got != test.events {
					t.Errorf("events %s, want %s (calls of %v)", got, test.events, sink.calls)
				}
				if fmt.Sprint(drops) != fmt.Sprint(map[DropReason]int(test.drops)) {
					t.Errorf("drops %v, want %v", drops, test.drops)
				}
			})
		})
	}
}

func TestDeliverToClosedSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := deliverTo(t, &script{answers: []answer{{0, emitter.ErrBusy}, {0, emitter.ErrClosed}}}, jsonEmit("a"))
		if !errors.Is(err, emitter.ErrClosed) {
			t.Errorf("%v, want %v", err, emitter.ErrClosed)
		}
	})
}

// TestDeliverBatches: what waits goes in few calls, and no payload is torn apart.
func TestDeliverBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var payloads []string
		for range 1000 {
			payloads = append(payloads, jsonEmit("e"))
		}
		sink := &script{}
		if _, err := deliverTo(t, sink, payloads...); err != nil || !slices.Equal(sink.calls, []int{256, 256, 256, 232}) {
			t.Errorf("calls of %v, %v", sink.calls, err)
		}
		big := `{"event": "e", "data": "` + strings.Repeat("x", 200<<10) + `"}`
		list := "[" + strings.Repeat(jsonEmit("e")+",", 299) + jsonEmit("e") + "]"
		sink = &script{}
		if _, err := deliverTo(t, sink, big, big, big, list, jsonEmit("e")); err != nil || !slices.Equal(sink.calls, []int{2, 301, 1}) {
			t.Errorf("calls of %v, %v", sink.calls, err)
		}
	})
}

func TestDecoderPanicDropsThePayload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drops := make(map[DropReason]int)
		r, err := New(Config{Options: newOptions(t), OnDrop: func(reason DropReason) { drops[reason]++ }})
		if err != nil {
			t.Fatal(err)
		}
		broken := &channel{decode: func([]emitter.Message, published, *rules) ([]emitter.Message, DropReason, error) { panic("oops") }}
		batch := r.decode(make([]emitter.Message, 1), item{broken, "c", []byte("x")})
		if len(batch) != 1 || drops[DropInternal] != 1 {
			t.Errorf("%d messages, drops %v", len(batch), drops)
		}
	})
}

// recordHandler keeps the attributes of log records.
type recordHandler struct {
	logHandler
	mu      *sync.Mutex
	records *[]map[string]any
}

func (h recordHandler) Handle(_ context.Context, r slog.Record) error {
	attrs := make(map[string]any)
	r.Attrs(func(a slog.Attr) bool {
		attrs[a.Key] = a.Value.Any()
		return true
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	*h.records = append(*h.records, attrs)
	return nil
}

func TestDropsAreLoggedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var records []map[string]any
		counted := 0
		log := dropLog{
			logger: slog.New(recordHandler{mu: new(sync.Mutex), records: &records}),
			onDrop: func(DropReason) { counted++ },
		}
		for range 100 {
			log.drop(DropMethod, "socketio", 7)
			time.Sleep(30 * time.Millisecond) // in the bubble
		}
		if counted != 100 || len(records) != 3 {
			t.Fatalf("%d counted, %d lines, want 100 and 3", counted, len(records))
		}
		first := records[0]
		if first["reason"] != DropMethod || first["channel"] != "socketio" || first["bytes"] != int64(7) || first["suppressed"] != int64(0) {
			t.Errorf("first line %v", first)
		}
		if records[1]["suppressed"] != int64(33) {
			t.Errorf("second line %v", records[1])
		}
	})
}

// TestDecodedErr: who watches is told what exactly is wrong, but nothing of the payload.
func TestDecodedErr(t *testing.T) {
	var decoded Decoded
	r, err := New(Config{Options: newOptions(t), OnDecoded: func(d Decoded) { decoded = d }})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		channel, payload string
		reason           DropReason
		err              string // "" for none
	}{
		{"ws-emit", `{"event": "secret"}`, "", ""},
		{"ws-emit", `[{"event": "secret"}, {"event": "secret", "room": ["secret", 1]}]`, DropRoom, "message 1: room[1]: must be a string"},
		{"ws-emit", `{"secret"}`, DropMalformed, "is not valid JSON at byte 10"},
		{"ws-emit", strings.Repeat(" ", maxPayload(emitter.Limits{})+1), DropTooLarge, "the payload is larger than 19843216 bytes"},
		{"socketio", python(`"room": null`), "", ""},
		{"socketio", python(`"callback": ["secret", "/", 1]`), DropAck, ""},
		{"socketio", python(`"event": "disconnect"`), DropEvent, "event: is a reserved name"},
		{"socketio", python(`"namespace": "secret"`), DropNamespace, `namespace: must begin with "/"`},
		{"socketio", python(`"event": ["secret"]`), DropEvent, ""},
		{"socketio", `{"secret"}`, DropMalformed, "redisbus: not valid JSON at byte 10"},
		{"socketio", `{"secret": NaN, "secret"}`, DropMalformed, "redisbus: not valid JSON at byte 25"},
		{"socketio", "secret\xff", DropEncoding, "redisbus: not valid UTF-8"},
		{"socketio", pickledEmit("csecret\nsecret\n"), DropPickle, "pickle: not plain data: opcode 0x63"},
		{"socketio", pickledEmit("(Vsecret\n"), DropMalformed, "pickle: malformed: a value is missing on the stack"},
		{"socket.io#/#", packet(`, "data": ["connect", "secret"]`), DropEvent, "event: is a reserved name"},
		{"socket.io#/#", packet(`, "data": ["secret", "secret`), DropMalformed, "redisbus: not valid JSON at byte 88"},
		{"socket.io#/#", packet(`, "data": ["secret", "` + strings.Repeat("secret", 100_000) + `"]`), DropTooLarge, "is larger than 524288 bytes"},
		{"socket.io-request#/#", everybody(`"type": 2, "rooms": ["~secret"]`), DropRoom, `change: must not begin with "~"`},
		{"socket.io-request#/#", `{"secret"}`, DropMalformed, "redisbus: not valid JSON at byte 10"},
	} {
		it := item{channel: r.channels[test.channel], name: test.channel, payload: []byte(test.payload)}
		if it.channel == nil {
			it.channel = cmp.Or(r.patterns[test.channel], r.patterns[test.channel+"*"])
		}
		r.decode(nil, it)
		var got string
		if decoded.Err != nil {
			got = decoded.Err.Error()
		}
		if decoded.Reason != test.reason || got != test.err {
			t.Errorf("%s: %.100s: dropped for %q, %q, want %q, %q", test.channel, test.payload, decoded.Reason, got, test.reason, test.err)
		}
	}
}
