package redisbus

import (
	"strings"
	"testing"
)

func TestDecodeJSON(t *testing.T) {
	for payload, events := range map[string]string{
		`{"event": "a", "room": "r", "data": [1, 2]}`:                 "a",
		`{"event": "a", "secret": "ignored", "other": 1}`:             "a",
		"{\n  \"event\": \"a\"\n}\n":                                  "a",
		`[{"event": "a"}, {"event": "b"}]`:                            "a b",
		"{\"event\": \"a\"}\n{\"event\": \"b\"}\n":                    "a b",
		"\n{\"event\": \"a\", \"secret\": 1}\r\n\n{\"event\": \"b\"}": "a b",
	} {
		got, reason, _ := decodeJSON(nil, published{body: []byte(payload)}, &rules{})
		var names []string
		for _, m := range got {
			names = append(names, m.Event)
		}
		if reason != "" || strings.Join(names, " ") != events {
			t.Errorf("%q: %q (%s), want %q", payload, names, reason, events)
		}
	}
	got, _, _ := decodeJSON(nil, published{body: []byte(`{"event": "a", "room": ["r", "s"], "data": [1, 2], "namespace": "/n", "except": "x"}`)}, &rules{})
	want := wantMessage{Namespace: "/n", Event: "a", Rooms: []string{"r", "s"}, Except: []string{"x"}, Args: []string{"[1,2]"}}
	if len(got) != 1 || !wantOf(got[0]).equal(want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestDecodeJSONDrops(t *testing.T) {
	for payload, want := range map[string]DropReason{
		"":                                       DropMalformed,
		"\n":                                     DropMalformed,
		"null":                                   DropMalformed,
		"[]":                                     DropMalformed,
		`{"event": "a"`:                          DropMalformed,
		`{"event": "a"} {"event": "b"}`:          DropMalformed,
		"{\"event\": \"a\"}\n{":                  DropMalformed,
		`{"event": "a", "data": NaN}`:            DropMalformed,
		`{"data": 1}`:                            DropEvent,
		`[{"event": "a"}, {"event": "connect"}]`: DropEvent,
		`{"event": "a", "room": 1}`:              DropRoom,
		`{"event": "a", "except": [1]}`:          DropRoom,
		`{"event": "a", "namespace": "n"}`:       DropNamespace,
		`{"event": "a", "data": "` + strings.Repeat("x", 1<<20) + `"}`:    DropTooLarge,
		`[` + strings.Repeat(`{"event": "a"},`, 1000) + `{"event": "a"}]`: DropTooLarge,
		"\x80\x04\x95": DropPickle,
	} {
		got, reason, _ := decodeJSON(nil, published{body: []byte(payload)}, &rules{})
		if len(got) > 0 || reason != want {
			t.Errorf("%.100q: %+v (%s), want %s", payload, got, reason, want)
		}
	}
}

// TestDecodeJSONMemory: a list of arguments that is far too long is dropped before it is taken apart.
func TestDecodeJSONMemory(t *testing.T) {
	payload := []byte(`{"event": "e", "args": [0` + strings.Repeat(",0", 1<<20) + `]}`)
	var reason DropReason
	if n := allocated(func() { _, reason, _ = decodeJSON(nil, published{body: payload}, &rules{}) }); reason != DropTooLarge || n > 48<<20 {
		t.Errorf("%q, %d bytes allocated for %d", reason, n, len(payload))
	}
}

func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(`{"event": "a", "room": ["r"], "data": {"b": [1, null]}, "namespace": "/n", "except": "x", "secret": "s"}`))
	f.Add([]byte("[{\"event\": \"a\"},\n{\"event\": \"b\", \"args\": [1, \"2\"]}]"))
	f.Add([]byte("{\"event\": \"a\"}\n\n{\"event\": \"b\"}\n"))
	for _, v := range readVectors[pythonVector](f, "python-socketio.json") {
		f.Add([]byte(v.Payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, reason, _ := decodeJSON(nil, published{body: payload}, &rules{})
		if (len(got) > 0) != (reason == "") {
			t.Fatalf("%d messages, reason %q", len(got), reason)
		}
		checkMessages(t, got)
	})
}

// plainEmit is 200 bytes of plain JSON.
var plainEmit = []byte(`{"event": "update", "room": "orders::42", "namespace": "/", "data": {"id": 42, "status": "on its way", "eta": "2026-11-20T20:00:00Z", ` +
	`"lines": [1, 2.5, null, true], "note": "gr\u00fc\u00dfe"}, "x": 12345}`)
