package redisbus

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tinylib/msgp/msgp"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/internal/jsonscan"
)

// nodeWant is what a payload of a Node means.
type nodeWant struct {
	Method              string
	Namespace, Event    string
	Rooms, Except, Args []string
	Change              []string
	Close               bool
	Attachments         []string // base64
}

func nodeWantOf(m emitter.Message) nodeWant {
	w := nodeWant{
		Method: m.Method.String(), Namespace: m.Namespace, Event: m.Event, Rooms: m.Rooms, Except: m.Except, Change: m.Change, Close: m.Close,
	}
	for _, arg := range m.Args {
		w.Args = append(w.Args, string(arg))
	}
	for _, a := range m.Attachments {
		w.Attachments = append(w.Attachments, base64.StdEncoding.EncodeToString(a))
	}
	return w
}

func (w nodeWant) equal(o nodeWant) bool {
	return w.Method == o.Method && w.Namespace == o.Namespace && w.Event == o.Event && w.Close == o.Close && slices.Equal(w.Rooms, o.Rooms) &&
		slices.Equal(w.Except, o.Except) && slices.Equal(w.Change, o.Change) && slices.Equal(w.Args, o.Args) && slices.Equal(w.Attachments, o.Attachments)
}

// packJSON returns JSON as MessagePack, with the members of objects in their order.
func packJSON(tb testing.TB, text string) []byte {
	tb.Helper()
	v, fault := jsonscan.Parse([]byte(text), jsonscan.JSON)
	if fault != nil {
		tb.Fatalf("%s: %v", text, fault)
	}
	return appendPacked(tb, nil, v)
}

func appendPacked(tb testing.TB, b []byte, v jsonscan.Value) []byte {
	tb.Helper()
	switch v.Kind() {
	case '[':
		n := uint32(0)
		for range v.Elements() {
			n++
		}
		b = msgp.AppendArrayHeader(b, n)
		for e := range v.Elements() {
			b = appendPacked(tb, b, e)
		}
		return b
	case '{':
		n := uint32(0)
		for range v.Members() {
			n++
		}
		b = msgp.AppendMapHeader(b, n)
		for key, value := range v.Members() {
			b = appendPacked(tb, appendPacked(tb, b, key), value)
		}
		return b
	}
	raw := string(v.Raw)
	switch raw[0] {
	case '"':
		var text string
		if err := json.Unmarshal([]byte(raw), &text); err != nil {
			tb.Fatal(err)
		}
		return msgp.AppendString(b, text)
	case 't', 'f':
		return msgp.AppendBool(b, raw == "true")
	case 'n':
		return msgp.AppendNil(b)
	}
	if whole, err := strconv.ParseInt(raw, 10, 64); err == nil {
		return msgp.AppendInt64(b, whole)
	}
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return msgp.AppendFloat64(b, f)
}

// nodeDecode decodes a payload that came on a channel whose namespace has no "#" in it.
func nodeDecode(channel string, payload []byte) ([]emitter.Message, DropReason) {
	key, rest, _ := strings.Cut(channel, "#")
	namespace, _, _ := strings.Cut(rest, "#")
	route := nodeRoute{namespace: namespace, prefix: key + "#" + namespace + "#"}
	decode := route.decodeBroadcast
	if strings.HasSuffix(key, "-request") {
		decode = route.decodeRequest
	}
	got, reason, _ := decode(nil, published{channel, bytes.Clone(payload)}, &rules{})
	return got, reason
}

// checkNode checks what payloads mean, as JSON and in MessagePack.
func checkNode(t *testing.T, channel string, tests map[string]nodeWant) {
	t.Helper()
	for text, want := range tests {
		for encoding, payload := range map[string][]byte{"JSON": []byte(text), "MessagePack": packJSON(t, text)} {
			got, reason := nodeDecode(channel, payload)
			if reason != "" || len(got) != 1 || !nodeWantOf(got[0]).equal(want) {
				t.Errorf("%s in %s: %+v (%s), want %+v", text, encoding, got, reason, want)
			}
		}
	}
}

// checkNodeDrops checks why payloads are dropped, as JSON and in MessagePack.
func checkNodeDrops(t *testing.T, channel string, tests map[DropReason][]string) {
	t.Helper()
	for want, texts := range tests {
		for _, text := range texts {
			for encoding, payload := range map[string][]byte{"JSON": []byte(text), "MessagePack": packJSON(t, text)} {
				if got, reason := nodeDecode(channel, payload); len(got) > 0 || reason != want {
					t.Errorf("%.200s in %s: %+v (%s), want %s", text, encoding, got, reason, want)
				}
			}
		}
	}
}

// packet returns a broadcast to everybody with these members of the packet instead of, or after, the usual ones.
func packet(members string) string {
	return `["emitter", {"type": 2, "data": ["e", "x"], "nsp": "/"` + members + `}, {"rooms": [], "except": [], "flags": {}}]`
}

// options returns a broadcast with these options.
func options(members string) string {
	return `["emitter", {"type": 2, "data": ["e", "x"], "nsp": "/"}, {` + members + `}]`
}

// wantNode is what a broadcast means, with a change.
func wantNode(change func(*nodeWant)) nodeWant {
	w := nodeWant{Method: "emit", Namespace: "/", Event: "e", Args: []string{`"x"`}}
	change(&w)
	return w
}

func TestDecodeNode(t *testing.T) {
	plain := wantNode(func(*nodeWant) {})
	args := func(args ...string) nodeWant { return wantNode(func(w *nodeWant) { w.Args = args }) }
	rooms := func(rooms ...string) nodeWant { return wantNode(func(w *nodeWant) { w.Rooms = rooms }) }
	except := func(rooms ...string) nodeWant { return wantNode(func(w *nodeWant) { w.Except = rooms }) }
	checkNode(t, "socket.io#/#", map[string]nodeWant{
		packet(""):                                    plain,
		packet(`, "type": 5`):                         plain, // the last one counts, and a type of binary is no reason to have any
		packet(`, "nsp": null`):                       plain,
		packet(`, "nsp": ""`):                         plain,
		packet(`, "id": null`):                        plain,
		packet(`, "data": ["e", "x"], "a":1`):         plain,
		`[null, {"data": ["e", "x"], "type": 2}, {}]`: plain,
		`[{"a": [1]}, {"data": ["e", "x"], "type": 2}, {"flags": 1}]`:                plain,
		packet(`, "data": ["e"]`):                                                    args(),
		packet(`, "data": ["e", null]`):                                              args("null"),
		packet(`, "data": ["e", 1, -1.5, "a\"é", true, {"b": [{}], "c": null}, []]`): args("1", "-1.5", `"a\"é"`, "true", `{"b":[{}],"c":null}`, "[]"),
		packet(`, "data": ["e", {"_placeholder": true, "num": 7}]`):                  args(`{"_placeholder":true,"num":7}`), // plain without binary
		packet(`, "data": ["e", {"__proto__": {"a": 1}}]`):                           args(`{"__proto__":{"a":1}}`),
		options(``):                                                       plain,
		options(`"rooms": null, "except": null`):                          plain,
		options(`"rooms": "", "except": "", "flags": ""`):                 plain,
		options(`"rooms": [], "except": [], "flags": []`):                 plain,
		options(`"rooms": ["a", "b"]`):                                    rooms("a", "b"),
		options(`"rooms": "abc"`):                                         rooms("abc"),
		options(`"rooms": {"0": "a", "2": "b"}`):                          rooms("a", "b"),
		options(`"rooms": [42, -7, "x"]`):                                 rooms("42", "-7", "x"),
		options(`"rooms": [-0]`):                                          rooms("0"),
		options(`"rooms": ["", "a", "` + strings.Repeat("b", 256) + `"]`): rooms("a"),
		options(`"rooms": ["a"], "rooms": ["b"]`):                         rooms("b"),
		options(`"except": ["a", "b"]`):                                   except("a", "b"),
		options(`"except": [""]`):                                         plain,
		options(`"flags": {"volatile": true, "compress": false, "local": true, "timeout": 500, "broadcast": true, "binary": false}`): plain,
	})
	checkNode(t, "socket.io#/admin#", map[string]nodeWant{
		packet(`, "nsp": "/admin"`): wantNode(func(w *nodeWant) { w.Namespace = "/admin" }),
	})
}

// TestDecodeNodeChannelRoom: the room in the name of a channel.
func TestDecodeNodeChannelRoom(t *testing.T) {
	rooms := func(rooms ...string) nodeWant { return wantNode(func(w *nodeWant) { w.Rooms = rooms }) }
	for channel, tests := range map[string]map[string]nodeWant{
		"socket.io#/#a#": {
			options(`"rooms": ["a"]`): rooms("a"),
			// Who publishes a message once for each room has it delivered with the first one, to all of them.
			options(`"rooms": ["a", "b"]`): rooms("a", "b"),
			// The adapter would deliver these to everybody.
			options(`"rooms": []`):   rooms("a"),
			options(`"rooms": ""`):   rooms("a"),
			options(`"rooms": null`): rooms("a"),
		},
		"socket.io#/#a":     {options(`"rooms": ["a"]`): rooms("a")},
		"socket.io#/#42#":   {options(`"rooms": [42]`): rooms("42"), options(`"rooms": [42, 43]`): rooms("42", "43")},
		"socket.io#/#a#b#":  {options(`"rooms": ["a#b"]`): rooms("a#b"), options(`"rooms": []`): rooms("a#b")},
		"socket.io#/#a##":   {options(`"rooms": ["a#"]`): rooms("a#")},
		"socket.io#/#é *?#": {options(`"rooms": ["é *?"]`): rooms("é *?")},
		"a.b#/#x#":          {options(`"rooms": ["x"]`): rooms("x")},
	} {
		checkNode(t, channel, tests)
	}
	for channel, payloads := range map[string][]string{
		"socket.io#/#a#":    {options(`"rooms": ["b"]`), options(`"rooms": ["b", "c"]`), options(`"rooms": [""]`)},
		"socket.io#/#a#b#":  {options(`"rooms": ["a", "b"]`)},
		"socket.io#/##":     {options(`"rooms": [""]`), options(`"rooms": []`)},
		"socket.io#/#\xff#": {options(`"rooms": []`)},
		"socket.io#/#" + strings.Repeat("x", 256) + "#": {options(`"rooms": []`)},
	} {
		checkNodeDrops(t, channel, map[DropReason][]string{DropRoom: payloads})
	}
	checkNodeDrops(t, "socket.io#/#b#", map[DropReason][]string{DropDuplicate: {options(`"rooms": ["a", "b"]`), options(`"rooms": ["a", "b", "c"]`)}})
}

func TestDecodeNodeDrops(t *testing.T) {
	checkNodeDrops(t, "socket.io#/#", map[DropReason][]string{
		DropMalformed: {
			`{}`, `[]`, `1`, `"x"`, `null`, `["emitter"]`, `[{"type": 2, "data": ["e"]}, {"rooms": []}]`, `["emitter", {"type": 2, "data": ["e"]}]`,
			`["emitter", {"type": 2, "data": ["e"]}, {}, 1]`, `["emitter", {"type": 2, "data": ["e"]}, null]`,
			`["emitter", {"type": 2, "data": ["e"]}, []]`, `["emitter", {"type": 2, "data": ["e"]}, ""]`, `["emitter", null, {}]`,
			`["emitter", [], {}]`, `["emitter", {}, {}]`, `["emitter", {"type": 2}, {}]`, packet(`, "data": "e"`), packet(`, "data": {"0": "e"}`), packet(`, "data": null`),
			packet(`, "type": null`), packet(`, "type": "2"`), packet(`, "type": 2.5`), packet(`, "type": [2]`), `["emitter", {"data": ["e"]}, {}]`,
			// what other adapters publish
			`{"type": 3, "data": {"packet": {"type": 2, "data": ["e"]}, "opts": {"rooms": [], "except": [], "flags": {}}}, "uid": "u", "nsp": "/"}`,
			`{"method": "emit", "event": "e", "data": [], "namespace": "/"}`,
		},
		DropMethod:    {packet(`, "type": 0`), packet(`, "type": 1`), packet(`, "type": 3`), packet(`, "type": 4`), packet(`, "type": 6`), packet(`, "type": -2`), packet(`, "type": 22`)},
		DropNamespace: {packet(`, "nsp": "/admin"`), packet(`, "nsp": "admin"`), packet(`, "nsp": 1`), packet(`, "nsp": ["/"]`), packet(`, "nsp": false`)},
		DropEvent: {
			packet(`, "data": []`), packet(`, "data": [1]`), packet(`, "data": [null, "e"]`), packet(`, "data": [["e"]]`), packet(`, "data": [""]`),
			packet(`, "data": ["connect"]`), packet(`, "data": ["connect_error", {}]`), packet(`, "data": ["disconnect"]`),
			packet(`, "data": ["disconnecting"]`), packet(`, "data": ["newListener"]`), packet(`, "data": ["removeListener"]`),
			packet(`, "data": ["` + strings.Repeat("e", 256) + `"]`),
		},
		DropRoom: {
			options(`"rooms": 42`), options(`"rooms": true`), options(`"rooms": [null]`), options(`"rooms": [["a"]]`), options(`"rooms": ["a", true]`),
			options(`"rooms": [1.5]`), options(`"rooms": {"a": "b"}`), options(`"rooms": {"0": "a", "b": "c"}`), options(`"rooms": {"": "a"}`),
			options(`"rooms": {}`), options(`"except": {}`), options(`"rooms": {"0": null}`),
			options(`"rooms": [""]`), options(`"rooms": {"0": ""}`), options(`"rooms": ["` + strings.Repeat("b", 256) + `"]`),
			options(`"rooms": "` + strings.Repeat("b", 256) + `"`), options(`"except": 1`), options(`"except": [null]`), options(`"except": {"a": 1}`),
			options(`"rooms": [` + strings.Repeat(`"r",`, 1000) + `"r"]`), options(`"except": [` + strings.Repeat(`"r",`, 10_000) + `"r"]`),
		},
		DropTooLarge: {packet(`, "data": ["e", "` + strings.Repeat("x", 600<<10) + `"]`), packet(`, "data": ["e"` + strings.Repeat(",null", 450_000) + `]`)},
	})
	checkNodeDrops(t, "socket.io#/admin#", map[DropReason][]string{DropNamespace: {packet(""), `["emitter", {"type": 2, "data": ["e"]}, {}]`}})
	for payload, want := range map[string]DropReason{
		"":                                       DropMalformed,
		"\xff":                                   DropMalformed,
		"[":                                      DropMalformed,
		packet("")[:40]:                          DropMalformed,
		packet("") + "x":                         DropMalformed,
		packet(`, "a": "` + "\xff" + `"`):        DropEncoding,
		packet(`, "data": ["\ud800"]`):           DropEvent,
		"\x80\x04\x95":                           DropPickle,
		"(dp0\n.":                                DropPickle,
		"\x93\xa1e\x80":                          DropMalformed,
		string(packJSON(t, packet(""))) + "\x00": DropMalformed,
		"\x93\xa1e\xc4\x00\x80":                  DropMalformed,
	} {
		if got, reason := nodeDecode("socket.io#/#", []byte(payload)); len(got) > 0 || reason != want {
			t.Errorf("%q: %+v (%s), want %s", payload, got, reason, want)
		}
	}
}

// binaryPacket returns a broadcast in MessagePack whose data is the event "e" and this value.
func binaryPacket(tb testing.TB, value string) []byte {
	tb.Helper()
	b := unhex(tb, "93 c0 82 a4 74797065 02 a4 64617461 92 a1 65"+value)
	return append(b, 0x80)
}

func TestDecodeNodeBinary(t *testing.T) {
	got, reason := nodeDecode("socket.io#/#", binaryPacket(t, "82 a1 61 c4 02 01ff a1 62 91 c7 01 00 09"))
	want := wantNode(func(w *nodeWant) {
		w.Args = []string{`{"a":{"_placeholder":true,"num":0},"b":[{"_placeholder":true,"num":1}]}`}
		w.Attachments = []string{"Af8=", "CQ=="}
	})
	if reason != "" || len(got) != 1 || !nodeWantOf(got[0]).equal(want) {
		t.Errorf("%+v (%s), want %+v", got, reason, want)
	}
	for value, want := range map[string]DropReason{
		"9b" + strings.Repeat("c4 00", 11): DropBinary,
		// what would look like a placeholder, beside a real one
		"92 c4 00 82 ac 5f706c616365686f6c646572 c3 a3 6e756d 01": DropBinary,
		"d8 00 03 0102ff 0000 00000000000000000000 00":            DropMalformed, // of msgpack-js, which has no extensions
	} {
		if got, reason := nodeDecode("socket.io#/#", binaryPacket(t, value)); len(got) > 0 || reason != want {
			t.Errorf("%s: %+v (%s), want %s", value, got, reason, want)
		}
	}
	// Binary that is no argument is no attachment: as a room or an event it is wrong, elsewhere it does not matter.
	for payload, want := range map[string]DropReason{
		"93 c4 01 ff 82 a4 74797065 02 a4 64617461 91 a1 65 81 a5 666c616773 c4 01 ff": "",
		"93 c0 82 a4 74797065 02 a4 64617461 91 a1 65 81 a5 726f6f6d73 91 c4 01 61":    DropRoom,
		"93 c0 82 a4 74797065 02 a4 64617461 91 a1 65 81 a5 726f6f6d73 91 a1 ff":       DropRoom,
		"93 c0 82 a4 74797065 02 a4 64617461 91 a1 ff 80":                              DropEvent,
		"93 c0 82 a4 74797065 02 a4 64617461 91 c4 01 65 80":                           DropEvent,
	} {
		got, reason := nodeDecode("socket.io#/#", unhex(t, payload))
		if reason != want || (len(got) == 1) != (want == "") || want == "" && len(got[0].Attachments) > 0 {
			t.Errorf("%s: %+v (%s), want %q", payload, got, reason, want)
		}
	}
}

func TestDecodeNodeAck(t *testing.T) {
	for _, payload := range [][]byte{[]byte(packet(`, "id": 7`)), packJSON(t, packet(`, "id": 0`))} {
		got, reason := nodeDecode("socket.io#/#", payload)
		if len(got) != 1 || reason != DropAck {
			t.Errorf("%q: %+v (%s), want one message and %s", payload, got, reason, DropAck)
		}
	}
}

func TestDecodeNodeLimits(t *testing.T) {
	route := nodeRoute{namespace: "/", prefix: "socket.io#/#"}
	for _, test := range []struct {
		limits emitter.Limits
		size   int // of the argument
		want   DropReason
	}{
		{emitter.Limits{MaxBytes: 100}, 90, ""},
		{emitter.Limits{MaxBytes: 100}, 100, DropTooLarge},
		{emitter.Limits{MaxBytes: 2200 << 10}, 2200<<10 - 10, ""},
		{emitter.Limits{MaxBytes: -1}, 2200 << 10, ""},
		{emitter.Limits{MaxBytes: 1 << 62}, 10, ""},
	} {
		text := packet(`, "data": ["e", "` + strings.Repeat("x", test.size-2) + `"]`)
		for _, payload := range [][]byte{[]byte(text), packJSON(t, text)} {
			if _, reason, _ := route.decodeBroadcast(nil, published{"socket.io#/#", payload}, &rules{limits: test.limits}); reason != test.want {
				t.Errorf("%d bytes within %+v: %q, want %q", test.size, test.limits, reason, test.want)
			}
		}
	}
	for limit, want := range map[int]DropReason{2000: "", -1: "", 1000: DropRoom} {
		text := options(`"rooms": [` + strings.Repeat(`"r",`, 1999) + `"r"]`)
		if _, reason, _ := route.decodeBroadcast(nil, published{"socket.io#/#", packJSON(t, text)}, &rules{limits: emitter.Limits{MaxRooms: limit}}); reason != want {
			t.Errorf("2000 of %d rooms: %q, want %q", limit, reason, want)
		}
	}
}

// TestDecodeNodeMemory: what is far too much is dropped before it is taken apart.
func TestDecodeNodeMemory(t *testing.T) {
	for name, text := range map[string]string{
		"arguments": packet(`, "data": ["e"` + strings.Repeat(",1", 600_000) + `]`),
		"rooms":     options(`"rooms": [""` + strings.Repeat(`,"r"`, 100_000) + `]`),
		"except":    options(`"except": {"0": 1` + strings.Repeat(`,"1":2`, 100_000) + `}`),
	} {
		var reason DropReason
		if n := allocated(func() { _, reason = nodeDecode("socket.io#/#", []byte(text)) }); reason == "" || n > uint64(len(text))+1<<20 {
			t.Errorf("%s: %q, %d bytes allocated for %d", name, reason, n, len(text))
		}
	}
}

// nodeMessage is an emit of about 200 bytes.
func nodeMessage(tb testing.TB, i int) []byte {
	return packJSON(tb, fmt.Sprintf(`["emitter", {"type": 2, "data": ["update", {"seq": %d, "t": 1.5, "user": {"name": "someone", "id": 123456},
		"text": "a line of text that somebody has typed", "tags": ["one", "two", null, true]}], "nsp": "/"},
		{"rooms": ["time"], "flags": {"volatile": true}, "except": ["456834243bee448baec3"]}]`, i))
}

// checkNodeMessages fails for what no sink must get.
func checkNodeMessages(t *testing.T, messages []emitter.Message) {
	t.Helper()
	checkMessages(t, messages)
	for _, m := range messages {
		if m.Namespace != "/" {
			t.Fatalf("namespace %q", m.Namespace)
		}
	}
}

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func FuzzDecodeNode(f *testing.F) {
	for _, v := range readVectors[nodeVector](f, "node.json") {
		f.Add(v.Channel, v.Payload)
	}
	for _, text := range []string{packet(`, "id": 1, "data": ["e", NaN]`), options(`"rooms": {"0": "a", "2": 3}, "except": "b"`)} {
		f.Add("socket.io#/#a#", []byte(text))
		f.Add("socket.io#/#", bytes.ReplaceAll([]byte(text), []byte(" "), nil))
	}
	f.Add("socket.io#/#", binaryPacket(f, "95 c4 01 ff c7 01 00 09 d4 00 00 d7 ff 1d5353006553f100 c7 09 0d cb 4278bcfe5687b000"))
	f.Add("socket.io#/#time#", nodeMessage(f, 1))
	f.Fuzz(func(t *testing.T, channel string, payload []byte) {
		route := nodeRoute{namespace: "/", prefix: "socket.io#/#"}
		if !strings.HasPrefix(channel, route.prefix) {
			channel = route.prefix + channel
		}
		var got []emitter.Message
		var reason DropReason
		if n, most := allocated(func() {
			got, reason, _ = route.decodeBroadcast(nil, published{channel, bytes.Clone(payload)}, &rules{})
		}), uint64(64*(len(payload)+len(channel)+1024)); n > most {
			t.Fatalf("%d bytes allocated for %d", n, len(payload))
		}
		if (len(got) == 1) != (reason == "" || reason == DropAck) || len(got) > 1 {
			t.Fatalf("%d messages, reason %q", len(got), reason)
		}
		checkNodeMessages(t, got)
		if room := strings.TrimSuffix(channel[len(route.prefix):], "#"); len(got) == 1 && channel != route.prefix && got[0].Rooms[0] != room {
			t.Fatalf("rooms %q of the channel %q", got[0].Rooms, channel)
		}
	})
}
