package emitter_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/ws-emit/ws-emit/emitter"
)

func raws(args ...string) []json.RawMessage {
	var list []json.RawMessage
	for _, a := range args {
		list = append(list, json.RawMessage(a))
	}
	return list
}

func compact(t testing.TB, valid []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := json.Compact(&buf, valid); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestValidate(t *testing.T) {
	one := [][]byte{{1}}
	for _, tt := range []struct {
		name string
		msg  emitter.Message
		want string // the error
	}{
		{"least", emitter.Message{Event: "e"}, ""},
		{"longest names", emitter.Message{Event: strings.Repeat("e", 255), Namespace: "/" + strings.Repeat("n", 254),
			Rooms: []string{strings.Repeat("r", 255)}, Except: []string{strings.Repeat("x", 255)}}, ""},
		{"no event", emitter.Message{}, "event: is empty"},
		{"event UTF-8", emitter.Message{Event: "\xff"}, "event: is not valid UTF-8"},
		{"namespace UTF-8", emitter.Message{Event: "e", Namespace: "/\xff"}, "namespace: is not valid UTF-8"},
		{"room UTF-8", emitter.Message{Event: "e", Rooms: []string{"a", "\xff"}}, "room[1]: is not valid UTF-8"},
		{"except empty", emitter.Message{Event: "e", Except: []string{""}}, "except: is empty"},
		{"rooms", emitter.Message{Event: "e", Rooms: make([]string, 1001)}, "room: has more than 1000 rooms"},
		{"arg nil", emitter.Message{Event: "e", Args: []json.RawMessage{nil}}, "args[0]: is not valid JSON"},
		{"arg not JSON", emitter.Message{Event: "e", Args: raws("1", "{")}, "args[1]: is not valid JSON"},
		{"arg two values", emitter.Message{Event: "e", Args: raws("1 2")}, "args[0]: is not valid JSON"},
		{"arg UTF-8", emitter.Message{Event: "e", Args: raws("\"\xff\"")}, "args[0]: is not valid UTF-8"},
		{"attachments", emitter.Message{Event: "e", Attachments: make([][]byte, 10)}, ""},
		{"too many attachments", emitter.Message{Event: "e", Attachments: make([][]byte, 11)}, "has more than 10 attachments"},
		{"too large", emitter.Message{Event: "e", Attachments: [][]byte{make([]byte, 512<<10)}}, "is larger than 524288 bytes"},
		{"placeholder", emitter.Message{Event: "e", Args: raws(`[{"_placeholder":true,"num":0}]`), Attachments: one}, ""},
		{"placeholder later", emitter.Message{Event: "e", Args: raws(`1`, `{"num":0,"a":{"num":7},"_placeholder":true}`), Attachments: one}, ""},
		{"placeholder as a value", emitter.Message{Event: "e", Args: raws(`["_placeholder",{"a":"_placeholder"}]`), Attachments: one}, ""},
		{"no placeholder: not true", emitter.Message{Event: "e", Args: raws(`{"_placeholder":1,"num":9}`), Attachments: one}, ""},
		{"no placeholder without attachments", emitter.Message{Event: "e", Args: raws(`{"_placeholder":true,"num":9}`)}, ""},
		{"num too high", emitter.Message{Event: "e", Args: raws(`1`, `{"_placeholder":true,"num":1}`), Attachments: one}, "args[1]: " + badNum},
		{"num negative", emitter.Message{Event: "e", Args: raws(`{"_placeholder":true,"num":-1}`), Attachments: one}, "args[0]: " + badNum},
		{"num fraction", emitter.Message{Event: "e", Args: raws(`{"_placeholder":true,"num":0.5}`), Attachments: one}, "args[0]: " + badNum},
		{"num string", emitter.Message{Event: "e", Args: raws(`{"_placeholder":true,"num":"0"}`), Attachments: one}, "args[0]: " + badNum},
		{"num list", emitter.Message{Event: "e", Args: raws(`{"_placeholder":true,"num":[0]}`), Attachments: one}, "args[0]: " + badNum},
		{"num missing", emitter.Message{Event: "e", Args: raws(`{"a":{"_placeholder":true}}`), Attachments: one}, "args[0]: " + badNum},
		{"num huge", emitter.Message{Event: "e", Args: raws(`{"_placeholder":true,"num":18446744073709551616}`), Attachments: one}, "args[0]: " + badNum},
		{"num twice", emitter.Message{Event: "e", Args: raws(`{"_placeholder":true,"num":0,"num":4}`), Attachments: one}, "args[0]: " + badNum},
		{"placeholder escaped", emitter.Message{Event: "e", Args: raws(`{"_pl\u0061ceholder" : true , "n\u0075m" : 3 }`), Attachments: one}, "args[0]: " + badNum},
		{"deep", emitter.Message{Event: "e", Args: raws(nested(9000))}, ""},
		{"deep beside attachments", emitter.Message{Event: "e", Args: raws(nested(1000)), Attachments: one}, ""},
		{"too deep beside attachments", emitter.Message{Event: "e", Args: raws(`1`, nested(1001)), Attachments: one},
			"args[1]: is nested deeper than 1000 levels, beside attachments"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.msg.Validate(emitter.Limits{})
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if tt.msg.Namespace == "" {
					t.Error("the namespace is still empty")
				}
				return
			}
			var input *emitter.InputError
			if !errors.As(err, &input) || input.Index != -1 || err.Error() != tt.want {
				t.Fatalf("got %v, want %s", err, tt.want)
			}
			if errors.Is(err, emitter.ErrTooLarge) != (tt.name == "too large") {
				t.Error("matches ErrTooLarge")
			}
		})
	}
}

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

const badNum = "has a placeholder whose num is not the index of an attachment"

func TestValidateCompactsACopy(t *testing.T) {
	given := raws(` 1`, `{ "a b" : [ "<&>" ] }`, `2`, "3\n")
	m := emitter.Message{Event: "e", Args: given}
	if err := m.Validate(emitter.Limits{}); err != nil {
		t.Fatal(err)
	}
	if got, want := string(bytes.Join(rawBytes(m.Args), []byte("|"))), `1|{"a b":["<&>"]}|2|3`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if string(given[0]) != " 1" || string(given[3]) != "3\n" {
		t.Errorf("the caller's arguments were changed: %q", given)
	}
}

func rawBytes(args []json.RawMessage) [][]byte {
	list := make([][]byte, len(args))
	for i, a := range args {
		list[i] = a
	}
	return list
}

func FuzzValidate(f *testing.F) {
	f.Add([]byte(`{"_placeholder":true,"num":0}`), true)
	f.Add([]byte(` [ {"a" : "\\\"" } , 1e9 , "\ud800" ] `), false)
	f.Fuzz(func(t *testing.T, arg []byte, binary bool) {
		m := emitter.Message{Event: "e", Args: []json.RawMessage{arg}}
		if binary {
			m.Attachments = [][]byte{nil}
		}
		if m.Validate(emitter.Limits{}) != nil {
			return
		}
		checkArgs(t, []emitter.Message{m})
		if want := compact(t, arg); !bytes.Equal(m.Args[0], want) {
			t.Fatalf("%q became %q, want %q", arg, m.Args[0], want)
		}
		if binary {
			var v any
			if json.Unmarshal(m.Args[0], &v) == nil && !placeholdersGood(v, 1) {
				t.Fatalf("accepted %s", arg)
			}
		}
	})
}

// placeholdersGood does on decoded data what a client does.
func placeholdersGood(v any, count int) bool {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if !placeholdersGood(e, count) {
				return false
			}
		}
	case map[string]any:
		if v["_placeholder"] == true {
			num, ok := v["num"].(float64)
			return ok && num >= 0 && num < float64(count) && num == float64(int(num))
		}
		for _, e := range v {
			if !placeholdersGood(e, count) {
				return false
			}
		}
	}
	return true
}

func BenchmarkValidate(b *testing.B) {
	arg := json.RawMessage(`{"time":1700000000,"user":"someone","text":"` + strings.Repeat("x", 150) + `"}`)
	rooms, args := []string{"roomspace::room-17"}, []json.RawMessage{arg}
	b.SetBytes(int64(len(arg)))
	b.ReportAllocs()
	for b.Loop() {
		m := emitter.Message{Event: "update", Rooms: rooms, Args: args}
		if err := m.Validate(emitter.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
