package emitter_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ws-emit/ws-emit/emitter"
)

// decodes are bodies with one message, and the message as EncodeJSON writes it.
var decodes = []struct{ name, body, want string }{
	{"only an event", `{"event":"e"}`, `{"namespace":"/","event":"e"}`},
	{"the README's", `{"event":"update","room":"time","data":{"time":111111},"secret":"123"}`,
		`{"namespace":"/","room":["time"],"event":"update","args":[{"time":111111}]}`},
	{"a list of rooms", `{"event":"e","room":["a","b"],"data":[1, 2]}`, `{"namespace":"/","room":["a","b"],"event":"e","args":[[1,2]]}`},
	{"no room: null", `{"event":"e","room":null}`, `{"namespace":"/","event":"e"}`},
	{"no room: empty", `{"event":"e","room":""}`, `{"namespace":"/","event":"e"}`},
	{"no room: empty list", `{"event":"e","room":[ ]}`, `{"namespace":"/","event":"e"}`},
	{"data null", `{"event":"e","data":null}`, `{"namespace":"/","event":"e"}`},
	{"data false", `{"event":"e","data":false}`, `{"namespace":"/","event":"e","args":[false]}`},
	{"data zero", `{"event":"e","data":0}`, `{"namespace":"/","event":"e","args":[0]}`},
	{"data empty", `{"event":"e","data":""}`, `{"namespace":"/","event":"e","args":[""]}`},
	{"args", `{"event":"e","args":[ 1 , null, "x y", {"a" : [ ]} ]}`, `{"namespace":"/","event":"e","args":[1,null,"x y",{"a":[]}]}`},
	{"args empty", `{"event":"e","args":[]}`, `{"namespace":"/","event":"e"}`},
	{"args null", `{"event":"e","args":null,"data":1}`, `{"namespace":"/","event":"e","args":[1]}`},
	{"data null beside args", `{"event":"e","args":[1],"data":null}`, `{"namespace":"/","event":"e","args":[1]}`},
	{"namespace", `{"event":"e","namespace":"/a"}`, `{"namespace":"/a","event":"e"}`},
	{"namespace null", `{"event":"e","namespace":null}`, `{"namespace":"/","event":"e"}`},
	{"namespace empty", `{"event":"e","namespace":""}`, `{"namespace":"/","event":"e"}`},
	{"except", `{"event":"e","except":"a"}`, `{"namespace":"/","except":["a"],"event":"e"}`},
	{"except a list", `{"event":"e","except":["a","~b"]}`, `{"namespace":"/","except":["a","~b"],"event":"e"}`},
	{"except nobody", `{"event":"e","except":""}`, `{"namespace":"/","event":"e"}`},
	{"secret of any kind", `{"event":"e","secret":{"a":1}}`, `{"namespace":"/","event":"e"}`},
	{"huge numbers", `{"event":"e","data":[1e400,12345678901234567890123,-0,1.10]}`,
		`{"namespace":"/","event":"e","args":[[1e400,12345678901234567890123,-0,1.10]]}`},
	{"unicode", `{"event":"ß","room":"日本","data":"😀 <&>"}`, `{"namespace":"/","room":["日本"],"event":"ß","args":["😀 <&>"]}`},
	{"escapes in a key", `{"\u0065vent":"e"}`, `{"namespace":"/","event":"e"}`},
	{"escapes in names", `{"event":"\u0065\n\ud83d\ude00","room":"\"\\"}`, `{"namespace":"/","room":["\"\\"],"event":"e\n😀"}`},
	{"escapes in data stay", `{"event":"e","data":"\u0041\/\ud83d\ude00"}`, `{"namespace":"/","event":"e","args":["\u0041\/\ud83d\ude00"]}`},
	{"a lone surrogate in data stays", `{"event":"e","data":"\ud800"}`, `{"namespace":"/","event":"e","args":["\ud800"]}`},
	{"an escaped backslash before u", `{"event":"\\ud800"}`, `{"namespace":"/","event":"\\ud800"}`},
	{"the replacement character itself", `{"event":"\ufffd"}`, `{"namespace":"/","event":"` + "\uFFFD" + `"}`},
	{"a placeholder is data", `{"event":"e","data":{"_placeholder":true,"num":5}}`,
		`{"namespace":"/","event":"e","args":[{"_placeholder":true,"num":5}]}`},
	{"a key twice inside data is the sender's", `{"event":"e","data":{"a":1,"a":2}}`, `{"namespace":"/","event":"e","args":[{"a":1,"a":2}]}`},
	{"white space everywhere", " \r\n\t{ \"event\" : \"e\" ,\n \"room\" : [ \"a\" , \"b\" ] , \"data\" : { \"a b\" : 1 } } \n",
		`{"namespace":"/","room":["a","b"],"event":"e","args":[{"a b":1}]}`},
}

func TestParseJSON(t *testing.T) {
	for _, tt := range decodes {
		t.Run(tt.name, func(t *testing.T) {
			for _, body := range []string{tt.body, tt.want} {
				batch, info, err := emitter.ParseJSON([]byte(body), emitter.Limits{})
				if err != nil || len(info.Ignored) != 0 {
					t.Fatalf("ParseJSON(%s): ignored %q, error %v", body, info.Ignored, err)
				}
				if got := encode(t, batch); got != tt.want {
					t.Errorf("ParseJSON(%s)\n got %s\nwant %s", body, got, tt.want)
				}
			}
		})
	}
}

func TestParseJSONBatch(t *testing.T) {
	batch, info, err := emitter.ParseJSON([]byte(`[ {"event":"a","x":1}, {"event":"b","x":2,"Event":"c"} ]`), emitter.Limits{})
	if err != nil || !slices.Equal(info.Ignored, []string{"x", "Event"}) {
		t.Fatalf("ignored %q, error %v", info.Ignored, err)
	}
	if got, want := encode(t, batch), `[{"namespace":"/","event":"a"},{"namespace":"/","event":"b"}]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParseNDJSON(t *testing.T) {
	body := "\n{\"event\":\"a\"}\r\n \t\r\n  {\"event\":\"b\"} \n\n{\"event\":\"c\"}"
	batch, _, err := emitter.ParseNDJSON([]byte(body), emitter.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"namespace":"/","event":"a"},{"namespace":"/","event":"b"},{"namespace":"/","event":"c"}]`
	if got := encode(t, batch); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

var refusals = []struct{ name, body, want string }{
	{"empty", "", `is empty`},
	{"white space", " \n", `is empty`},
	{"not JSON", `{"event":"secret payload`, `is not valid JSON at byte 24`},
	{"trailing garbage", `{"event":"e"}x`, `is not valid JSON at byte 14`},
	{"two objects", "{\"event\":\"e\"}\n{\"event\":\"f\"}", `is not valid JSON at byte 15`},
	{"byte order mark", "\uFEFF{\"event\":\"e\"}", `begins with a byte order mark`},
	{"too deep", `{"event":"e","data":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, `is not valid JSON at byte 10020`},
	{"number", `1`, `must be an object`},
	{"null", `null`, `must be an object`},
	{"string", `"event"`, `must be an object`},
	{"empty list", `[]`, `there is no message`},
	{"list of numbers", `[1]`, `message 0: must be an object`},
	{"list in list", `[{"event":"e"},[{"event":"e"}]]`, `message 1: must be an object`},
	{"no event", `{}`, `event: is missing`},
	{"other case", `{"Event":"e"}`, `event: is missing`},
	{"event null", `{"event":null}`, `event: is missing`},
	{"event empty", `{"event":""}`, `event: is empty`},
	{"event number", `{"event":5}`, `event: must be a string`},
	{"event reserved", `{"event":"disconnect"}`, `event: is a reserved name`},
	{"event reserved, escaped", `{"event":"c\u006fnnect"}`, `event: is a reserved name`},
	{"event long", `{"event":"` + strings.Repeat("e", 256) + `"}`, `event: is longer than 255 bytes`},
	{"event lone surrogate", `{"event":"a\ud800\u0041"}`, `event: is not valid Unicode`},
	{"event low surrogate", `{"event":"\udc00"}`, `event: is not valid Unicode`},
	{"event swapped surrogates", `{"event":"\udc00\ud800"}`, `event: is not valid Unicode`},
	{"key lone surrogate", `{"event":"e","\ud800":1}`, `has a key that is not valid Unicode`},
	{"key twice", `{"event":"e","event":"e"}`, `event: is there twice`},
	{"key twice, escaped", `{"event":"e","\u0065vent":"e"}`, `event: is there twice`},
	{"null key twice", `{"event":"e","room":null,"room":"a"}`, `room: is there twice`},
	{"secret twice", `{"event":"e","secret":"a","secret":"a"}`, `secret: is there twice`},
	{"unknown key twice", `{"event":"e","x":1,"x":2}`, `has an unknown key twice`},
	{"many keys", `{"event":"e"` + manyKeys(64) + `}`, `has more than 64 keys`},
	{"room number", `{"event":"e","room":5}`, `room: must be a string or a list of strings`},
	{"room object", `{"event":"e","room":{"a":1}}`, `room: must be a string or a list of strings`},
	{"room in list number", `{"event":"e","room":["a",5]}`, `room[1]: must be a string`},
	{"room in list null", `{"event":"e","room":["a",null]}`, `room[1]: must be a string`},
	{"room in list empty", `{"event":"e","room":["a","b",""]}`, `room[2]: is empty`},
	{"room long", `{"event":"e","room":"` + strings.Repeat("é", 128) + `"}`, `room: is longer than 255 bytes`},
	{"rooms", `{"event":"e","room":[` + strings.Repeat(`"a",`, 1000) + `"a"]}`, `room: has more than 1000 rooms`},
	{"except true", `{"event":"e","except":true}`, `except: must be a string or a list of strings`},
	{"except in list", `{"event":"e","except":["a",["b"]]}`, `except[1]: must be a string`},
	{"namespace number", `{"event":"e","namespace":1}`, `namespace: must be a string`},
	{"namespace without slash", `{"event":"e","namespace":"a"}`, `namespace: must begin with "/"`},
	{"namespace comma", `{"event":"e","namespace":"/a,b"}`, `namespace: must not contain "," or "?"`},
	{"namespace query", `{"event":"e","namespace":"/a?b"}`, `namespace: must not contain "," or "?"`},
	{"namespace long", `{"event":"e","namespace":"/` + strings.Repeat("a", 255) + `"}`, `namespace: is longer than 255 bytes`},
	{"args object", `{"event":"e","args":{}}`, `args: must be a list`},
	{"data and args", `{"event":"e","args":[],"data":1}`, `args: and data cannot both be given`},
	{"UTF-8 in data", "{\"event\":\"e\",\"data\":\"\xff\"}", `is not valid UTF-8 at byte 22`},
	{"UTF-8 in room", "{\"event\":\"e\",\"room\":\"a\xc3\"}", `is not valid UTF-8 at byte 23`},
	{"UTF-8 in event", "{\"event\":\"\xed\xa0\x80\"}", `is not valid UTF-8 at byte 11`},
	{"UTF-8 in an unknown key", "{\"\x80\":1,\"event\":\"e\"}", `is not valid UTF-8 at byte 3`},
	{"too large", `{"event":"e","data":"` + strings.Repeat("x", 512<<10) + `"}`, `is larger than 524288 bytes`},
	{"too many", `[` + strings.Repeat(`{"event":"e"},`, 1000) + `{"event":"e"}]`, `more than 1000 messages`},
	{"the third of a batch", `[{"event":"e"},{"event":"e"},{"event":"e","room":["a",""]}]`, `message 2: room[1]: is empty`},
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"k%d":0`, i)
	}
	return b.String()
}

func TestParseJSONRefuses(t *testing.T) {
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			batch, _, err := emitter.ParseJSON([]byte(tt.body), emitter.Limits{})
			var input *emitter.InputError
			if !errors.As(err, &input) || err.Error() != tt.want || batch != nil {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			large := strings.HasPrefix(tt.name, "too large") || strings.HasPrefix(tt.name, "too many")
			if errors.Is(err, emitter.ErrTooLarge) != large {
				t.Errorf("matches ErrTooLarge: %v", !large)
			}
		})
	}
}

// TestParseJSONMemory: a list of arguments that is far too long is refused before it is taken apart.
func TestParseJSONMemory(t *testing.T) {
	body := []byte(`{"event":"e","args":[0` + strings.Repeat(",0", 2<<20) + `]}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := emitter.ParseJSON(body, emitter.Limits{})
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, emitter.ErrTooLarge) || n > 48<<20 {
		t.Errorf("%v, %d bytes allocated for %d", err, n, len(body))
	}
	if batch, _, err := emitter.ParseJSON(body, emitter.Limits{MaxBytes: -1}); err != nil || len(batch) != 1 || len(batch[0].Args) != 2<<20+1 {
		t.Errorf("without a limit: %d messages, %v", len(batch), err)
	}
	most := []byte(`{"event":"e","args":[0` + strings.Repeat(",0", 48) + `]}`) // 2 and 49 times 2
	for limit, want := range map[int64]error{100: nil, 99: emitter.ErrTooLarge, 97: emitter.ErrTooLarge} {
		if _, _, err := emitter.ParseJSON(most, emitter.Limits{MaxBytes: limit}); !errors.Is(err, want) {
			t.Errorf("limit of %d: %v, want %v", limit, err, want)
		}
	}
}

func TestParseNDJSONRefuses(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"nothing", "\n\r\n", `there is no message`},
		{"a broken line", "{\"event\":\"e\"}\n\n{\"event\"\n", `message 1: is not valid JSON at byte 8`},
		{"an object on two lines", "{\"event\":\n\"e\"}\n", `message 0: is not valid JSON at byte 9`},
		{"a list", "[{\"event\":\"e\"}]\n", `message 0: must be an object`},
		{"two on a line", `{"event":"e"}{"event":"e"}`, `message 0: is not valid JSON at byte 14`},
		{"a wrong one", "{\"event\":\"e\"}\n{\"event\":1}\n", `message 1: event: must be a string`},
		{"too many", strings.Repeat("{\"event\":\"e\"}\n", 1001), `more than 1000 messages`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := emitter.ParseNDJSON([]byte(tt.body), emitter.Limits{}); err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestParseJSONLimits(t *testing.T) {
	body := `[{"event":"e","room":["a","b"],"data":"12345678"},{"event":"e"}]`
	for _, tt := range []struct {
		limits emitter.Limits
		ok     bool
	}{
		{emitter.Limits{MaxRooms: 1}, false},
		{emitter.Limits{MaxRooms: 2}, true},
		{emitter.Limits{MaxBytes: 12}, false},
		{emitter.Limits{MaxBytes: 13}, true},
		{emitter.Limits{MaxBatch: 1}, false},
		{emitter.Limits{MaxBatch: 2}, true},
		{emitter.Limits{MaxRooms: -1, MaxBytes: -1, MaxBatch: -1}, true},
	} {
		if _, _, err := emitter.ParseJSON([]byte(body), tt.limits); (err == nil) != tt.ok {
			t.Errorf("%+v: error %v", tt.limits, err)
		}
	}
}

func TestIgnoredKeysAreBounded(t *testing.T) {
	body := `{"event":"e","` + strings.Repeat("é", 100) + `":1` + manyKeys(60) + `}`
	_, info, err := emitter.ParseJSON([]byte(body), emitter.Limits{})
	if err != nil || len(info.Ignored) != 16 || info.Ignored[0] != strings.Repeat("é", 32) {
		t.Errorf("ignored %q, error %v", info.Ignored, err)
	}
}

// Errors go into logs and answers: nothing of a body may stand in them.
func TestErrorsNeverQuoteTheBody(t *testing.T) {
	for _, body := range []string{
		`{"event":"MARK"`, `{"event":MARK}`, `{"event":"e","secret":"MARK","room":5}`, `{"event":{"MARK":1}}`, `{"event":"e","namespace":"MARK"}`,
		`{"event":"e","MARK":1,"MARK":2}`, `{"event":"e","room":["a",{"MARK":1}]}`, "{\"event\":\"MARK\xff\"}", `{"event":"e","data":"\MARK"}`,
	} {
		if _, _, err := emitter.ParseJSON([]byte(body), emitter.Limits{}); err == nil || strings.Contains(err.Error(), "MARK") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestEncodeJSONRefuses(t *testing.T) {
	for name, m := range map[string]emitter.Message{
		"attachments": {Event: "e", Attachments: [][]byte{{1}}},
		"disconnect":  {Method: emitter.MethodDisconnect, Rooms: []string{"MARK"}},
		"not JSON":    {Event: "e", Args: []json.RawMessage{[]byte(`{"MARK`)}},
	} {
		_, err := emitter.EncodeJSON(m)
		var input *emitter.InputError
		if !errors.As(err, &input) || strings.Contains(err.Error(), "MARK") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, tt := range decodes {
		f.Add([]byte(tt.body))
	}
	for _, tt := range refusals {
		if len(tt.body) < 1000 {
			f.Add([]byte(tt.body))
		}
	}
	f.Add([]byte("{\"event\":\"e\"}\n{\"event\":\"e\"}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, parse := range []func([]byte, emitter.Limits) ([]emitter.Message, emitter.Info, error){emitter.ParseJSON, emitter.ParseNDJSON} {
			batch, _, err := parse(body, emitter.Limits{})
			if err != nil {
				var input *emitter.InputError
				if !errors.As(err, &input) {
					t.Fatalf("error of type %T", err)
				}
				continue
			}
			checkArgs(t, batch)
			first := encode(t, batch)
			again, _, err := emitter.ParseJSON([]byte(first), emitter.Limits{MaxBytes: -1})
			if err != nil {
				t.Fatalf("%s: %v", first, err)
			}
			if second := encode(t, again); second != first {
				t.Fatalf("not stable:\n%s\n%s", first, second)
			}
			for _, m := range batch {
				if err := m.Validate(emitter.Limits{}); err != nil {
					t.Fatalf("accepted, but not valid: %v", err)
				}
			}
		}
	})
}

// checkArgs checks that arguments may be spliced into a packet.
func checkArgs(t *testing.T, batch []emitter.Message) {
	t.Helper()
	for _, m := range batch {
		for _, arg := range m.Args {
			if !json.Valid(arg) || !utf8.Valid(arg) || len(compact(t, arg)) != len(arg) {
				t.Fatalf("argument %q", arg)
			}
		}
	}
}

func encode(t testing.TB, batch []emitter.Message) string {
	t.Helper()
	raw, err := emitter.EncodeJSON(batch...)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func BenchmarkParseJSON(b *testing.B) {
	body := []byte(`{"event":"update","room":"roomspace::room-17","secret":"0123456789abcdef","data":{"time":1700000000,"user":"someone","text":"` +
		strings.Repeat("x", 71) + `"}}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := emitter.ParseJSON(body, emitter.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
