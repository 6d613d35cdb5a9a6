package redisbus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ws-emit/ws-emit/emitter"
)

// python returns an emit with these members instead of, or after, the usual ones.
func python(members string) string {
	return `{"method": "emit", "event": "e", "data": ["x"], "namespace": "/", ` + members + `}`
}

// wantPython is what an emit of python means, with a change.
func wantPython(change func(*wantMessage)) wantMessage {
	w := wantMessage{Namespace: "/", Event: "e", Args: []string{`"x"`}}
	change(&w)
	return w
}

func checkPython(t *testing.T, tests map[string]wantMessage) {
	t.Helper()
	for payload, want := range tests {
		got, reason, _ := decodePython(nil, published{body: []byte(payload)}, &rules{})
		if reason != "" || len(got) != 1 || !wantOf(got[0]).equal(want) {
			t.Errorf("%s: %+v (%s), want %+v", payload, got, reason, want)
		}
	}
}

// method returns a message with a method and these members.
func method(name, members string) string {
	return `{"method": "` + name + `", "namespace": "/n", "host_id": "h", ` + members + `}`
}

func TestDecodePythonMethods(t *testing.T) {
	want := func(method string, rooms, change []string) wantMessage {
		return wantMessage{Method: method, Namespace: "/n", Rooms: rooms, Change: change}
	}
	tests := map[string]wantMessage{
		method("disconnect", `"sid": "~s"`):                                   want("disconnect", []string{"~s"}, nil),
		method("disconnect", `"sid": "~s", "room": "r", "callback": [1]`):     want("disconnect", []string{"~s"}, nil),
		method("disconnect", `"sid": "~s", "namespace": null`):                {Method: "disconnect", Namespace: "/", Rooms: []string{"~s"}},
		method("disconnect", `"sid": "~s", "namespace": ""`):                  {Method: "disconnect", Namespace: "/", Rooms: []string{"~s"}},
		`{"method": "disconnect", "sid": "~s"}`:                               {Method: "disconnect", Namespace: "/", Rooms: []string{"~s"}},
		method("enter_room", `"sid": "~s", "room": "r"`):                      want("enter_room", []string{"~s"}, []string{"r"}),
		method("enter_room", `"sid": "~s", "room": 7`):                        want("enter_room", []string{"~s"}, []string{"7"}),
		method("leave_room", `"sid": "~s", "room": "r", "event": "e"`):        want("leave_room", []string{"~s"}, []string{"r"}),
		method("close_room", `"room": "r", "sid": "~s"`):                      want("close_room", []string{"r"}, nil),
		method("close_room", `"room": -7, "data": ["x"], "skip_sid": ["~t"]`): want("close_room", []string{"-7"}, nil),
	}
	checkPython(t, tests)
	checkPickles(t, tests)
}

func TestDecodePythonMethodDrops(t *testing.T) {
	long := strings.Repeat("r", emitter.MaxRoomBytes+1)
	for want, payloads := range map[DropReason][]string{
		DropRoom: {
			method("disconnect", `"room": "r"`), method("disconnect", `"sid": null`), method("disconnect", `"sid": ""`), method("disconnect", `"sid": 1`),
			method("disconnect", `"sid": ["~s"]`), method("disconnect", `"sid": "~`+long+`"`), method("enter_room", `"sid": "~s"`),
			method("enter_room", `"sid": "", "room": "r"`), method("enter_room", `"room": "r"`), method("enter_room", `"sid": null, "room": "r"`),
			method("enter_room", `"sid": "~s", "room": ""`), method("enter_room", `"sid": "~s", "room": null`),
			method("enter_room", `"sid": "~s", "room": ["r"]`), method("enter_room", `"sid": "~s", "room": "~t"`),
			method("enter_room", `"sid": "~s", "room": "`+long+`"`), method("leave_room", `"sid": "~s", "room": true`),
			method("leave_room", `"sid": "~s"`), method("leave_room", `"room": "r"`), method("close_room", `"sid": "~s"`),
			method("close_room", `"room": ""`), method("close_room", `"room": null`), method("close_room", `"room": []`),
			method("close_room", `"room": ["r"]`), method("close_room", `"room": ["r", "s"]`), method("close_room", `"room": 1.5`),
		},
		// Anybody may have joined a room that is called like a socket of another server.
		DropForeign: {
			method("disconnect", `"sid": "s"`), method("enter_room", `"sid": "s", "room": "r"`), method("leave_room", `"sid": "s", "room": "r"`),
		},
		DropNamespace: {
			method("disconnect", `"sid": "~s", "namespace": 1`), method("disconnect", `"sid": "~s", "namespace": "n"`),
			method("enter_room", `"sid": "~s", "room": "r", "namespace": null`), method("leave_room", `"sid": "~s", "room": "r", "namespace": ""`),
			`{"method": "close_room", "room": "r"}`,
		},
		DropMethod: {
			method("callback", `"sid": "~s", "id": 1, "args": [1]`), method("Emit", `"event": "e", "data": 1`), method("", `"event": "e", "data": 1`),
			method("unknown", `"event": "e", "data": 1`), method("emit", `"method": null`), method("emit", `"method": ["emit"]`), `{"event": "e"}`,
		},
	} {
		for _, payload := range payloads {
			for _, body := range []string{payload, pickled(t, payload)} {
				got, reason, _ := decodePython(nil, published{body: []byte(body)}, &rules{pickle: true})
				if len(got) > 0 || reason != want {
					t.Errorf("%.300q: %+v (%s), want %s", body, got, reason, want)
				}
			}
		}
	}
}

func TestDecodePythonData(t *testing.T) {
	plain := wantPython(func(*wantMessage) {})
	args := func(args ...string) wantMessage { return wantPython(func(w *wantMessage) { w.Args = args }) }
	binary := func(args, attachments []string) wantMessage {
		return wantPython(func(w *wantMessage) { w.Args, w.Attachments = args, attachments })
	}
	p0 := `{"_placeholder":true,"num":0}`
	checkPython(t, map[string]wantMessage{
		// data
		python(`"data": "y"`):                              args(`"y"`),
		python(`"data": {"a" : [1, "b "]}`):                args(`{"a":[1,"b "]}`),
		python(`"data": 1`):                                args(`1`),
		python(`"data": false`):                            args(`false`),
		python(`"data": null`):                             args(),
		python(`"data": [null]`):                           args(),
		python(`"data": [null, null]`):                     args(`null`, `null`),
		python(`"data": [[null]]`):                         args(`[null]`),
		python(`"data": []`):                               args(),
		python(`"data": [ ]`):                              args(),
		python(`"data": [ [1, 2] , "z" ]`):                 args(`[1,2]`, `"z"`),
		python(`"data": "\ud83d\ude00\u00e9"`):             args(`"\ud83d\ude00\u00e9"`),
		python(`"data": "\ud83d"`):                         args(`"\ud83d"`),
		python(`"data": {"_placeholder": true, "num": 7}`): args(`{"_placeholder":true,"num":7}`), // plain without binary
		// NaN and infinity
		python(`"data": NaN`):                          args(`null`),
		python(`"data": [NaN]`):                        args(`null`),
		python(`"data": [Infinity, -Infinity, -1]`):    args(`null`, `null`, `-1`),
		python(`"data": {"a": [NaN, "NaN", "\"NaN"]}`): args(`{"a":[null,"NaN","\"NaN"]}`),
		python(`"data": ["-Infinity\\", Infinity]`):    args(`"-Infinity\\"`, `null`),
		python(`"callback": null, "x": NaN`):           plain,
		// binary
		python(`"binary": true, "data": [[{"_placeholder": true, "num": 0}], "AQL/"]`):  binary([]string{p0}, []string{"AQL/"}),
		python(`"binary": true, "data": [{"_placeholder": true, "num": 0}, "AQL\/"]`):   binary([]string{p0}, []string{"AQL/"}),
		python(`"binary": true, "data": [{"f": {"num": 0, "_placeholder": true}}, ""]`): binary([]string{`{"f":{"num":0,"_placeholder":true}}`}, []string{""}),
		python(`"binary": true, "data": ["text", "AQ=="]`):                              binary([]string{`"text"`}, []string{"AQ=="}),
		python(`"binary": true, "data": [null]`):                                        args(),
		python(`"binary": true, "data": [["_placeholder is no key"]]`):                  args(`"_placeholder is no key"`),
		// a room that a pickle cannot be told of
		python(`"room": -0`):       wantPython(func(w *wantMessage) { w.Rooms = []string{"0"} }),
		python(`"room": [-0, -1]`): wantPython(func(w *wantMessage) { w.Rooms = []string{"0", "-1"} }),
	})
}

func TestDecodePythonMembers(t *testing.T) {
	plain := wantPython(func(*wantMessage) {})
	event := wantPython(func(w *wantMessage) { w.Event = "f" })
	rooms := func(rooms ...string) wantMessage { return wantPython(func(w *wantMessage) { w.Rooms = rooms }) }
	except := func(rooms ...string) wantMessage { return wantPython(func(w *wantMessage) { w.Except = rooms }) }
	tests := map[string]wantMessage{
		// members
		python(`"room": null, "skip_sid": null, "callback": null, "binary": null, "host_id": "h"`): plain,
		python(`"surplus": {"method": "close_room"}`):                                              plain,
		python(`"event": 1, "event": "f"`):                                                         event,
		python(`"\u0065vent": "f"`):                                                                event,
		python(`"Event": "F", "DATA": 1`):                                                          plain,
		python(`"namespace": "/admin"`):                                                            wantPython(func(w *wantMessage) { w.Namespace = "/admin" }),
		"\uFEFF \r\n\t" + python(`"room": null`) + " \n":                                           plain,
		// rooms
		python(`"room": "r"`):                                           rooms("r"),
		python(`"room": "r\u00e9\ud83d\ude00\ufffd"`):                   rooms("ré😀\uFFFD"),
		python(`"room": ["a", "b", 3]`):                                 rooms("a", "b", "3"),
		python(`"room": 123`):                                           rooms("123"),
		python(`"room": -5`):                                            rooms("-5"),
		python(`"room": 1000000000000000000000000000000`):               rooms("1000000000000000000000000000000"),
		python(`"room": ["", "a", "` + strings.Repeat("b", 256) + `"]`): rooms("a"),
		python(`"skip_sid": "s"`):                                       except("s"),
		python(`"skip_sid": ["s", "t"]`):                                except("s", "t"),
		python(`"skip_sid": []`):                                        plain,
		python(`"skip_sid": ""`):                                        plain,
	}
	checkPython(t, tests)
	checkPickles(t, tests)
}

func TestDecodePythonDrops(t *testing.T) {
	placeholder := func(num string) string {
		return python(`"binary": true, "data": [[{"_placeholder": true` + num + `}], "AQ=="]`)
	}
	for want, payloads := range map[DropReason][]string{
		DropMalformed: {
			"", " ", "{", "[]", `"emit"`, "null", "1", "NaN", "\uFEFF", python(`"data": [1`), python(`"a": nan`), python(`"a": -NaN`),
			python(`"a": NaNNaN`), python(`"a": 1NaN`), python(`"a": "` + "\n" + `"`), python(`"a": 01`), python(`"a": 1`) + "x",
			`{"method": "emit", "event": "e", "namespace": "/"}`, `{NaN: 1}`, `{"a": "NaN`, `{"a": "NaN\`,
			strings.Repeat("[", 1<<20), python(`"data": ` + strings.Repeat(`{"a":`, 20000) + strings.Repeat("}", 20000)),
		},
		DropEncoding: {"\x93", python(`"data": "` + "\xff" + `"`), python(`"data": "` + "\xed\xa0\x80" + `"`)},
		DropPickle:   {"\x80\x04\x95", "\x80\x02}q\x00.", "(dp0\n.", "}q\x00(", "}.", "}("},
		DropMethod: {
			"{}", `{"event": "e", "data": 1, "namespace": "/"}`, python(`"method": "callback"`), python(`"method": null`),
			python(`"method": "Emit"`), python(`"method": ["emit"]`),
		},
		DropNamespace: {
			`{"method": "emit", "event": "e", "data": []}`, python(`"namespace": null`), python(`"namespace": ""`), python(`"namespace": 1`),
			python(`"namespace": "admin"`), python(`"namespace": "/a,b"`), python(`"namespace": NaN`),
		},
		DropEvent: {
			`{"method": "emit", "data": [], "namespace": "/"}`, python(`"event": null`), python(`"event": 1`), python(`"event": ""`),
			python(`"event": "connect"`), python(`"event": "disconn\u0065ct"`), python(`"event": ["a"]`), python(`"event": "\ud800"`),
			python(`"event": "` + strings.Repeat("e", 256) + `"`),
		},
		DropRoom: {
			python(`"room": []`), python(`"room": ""`), python(`"room": [""]`), python(`"room": true`), python(`"room": 1.5`), python(`"room": 1e3`),
			python(`"room": {}`), python(`"room": ["a", null]`), python(`"room": [["a"]]`), python(`"room": NaN`), python(`"room": [Infinity]`),
			python(`"room": "\udc00"`), python(`"room": "\ud83d\ud83d\ufffd"`), python(`"skip_sid": {}`), python(`"skip_sid": [null]`),
			python(`"room": [` + strings.Repeat(`"r",`, 1000) + `"r"]`),
		},
		DropBinary: {
			python(`"binary": 1`), python(`"binary": "true"`), python(`"binary": true, "data": []`),
			python(`"binary": true, "data": "AQ=="`), python(`"binary": true, "data": [[], 1]`), python(`"binary": true, "data": [[], "AQ"]`),
			python(`"binary": true, "data": [[], "AR=="]`), python(`"binary": true, "data": [[], "AQ==\n"]`),
			python(`"binary": true, "data": [[], "_w=="]`), python(`"binary": true, "data": [[{"_placeholder": true, "num": 0}]]`),
			python(`"binary": true, "data": [[]` + strings.Repeat(`, "AQ=="`, 11) + `]`),
			placeholder(""), placeholder(`, "num": 1`), placeholder(`, "num": -1`), placeholder(`, "num": 0.5`), placeholder(`, "num": "0"`),
			placeholder(`, "num": null`), placeholder(`, "num": 1e0`), placeholder(`, "num": 99999999999999999999`),
			placeholder(`, "num": 0, "n\u0075m": 1`),
		},
		DropTooLarge: {python(`"data": "` + strings.Repeat("x", 1<<20) + `"`)},
	} {
		for _, payload := range payloads {
			got, reason, _ := decodePython(nil, published{body: []byte(payload)}, &rules{})
			if len(got) > 0 || reason != want {
				t.Errorf("%.200q: %+v (%s), want %s", payload, got, reason, want)
			}
		}
	}
}

func TestDecodePythonAck(t *testing.T) {
	got, reason, _ := decodePython(nil, published{body: []byte(python(`"callback": ["sid1", "/", 1]`))}, &rules{})
	if len(got) != 1 || reason != DropAck {
		t.Fatalf("%+v (%s), want one message and %s", got, reason, DropAck)
	}
}

// checkMessages fails for what no sink must get.
func checkMessages(t *testing.T, messages []emitter.Message) {
	t.Helper()
	for _, m := range messages {
		before := wantOf(m)
		if err := m.Validate(emitter.Limits{}); err != nil {
			t.Fatalf("not valid: %v", err)
		}
		if !wantOf(m).equal(before) {
			t.Fatalf("not as Validate leaves it: %+v", before)
		}
		for _, arg := range m.Args {
			if !json.Valid(arg) || !utf8.Valid(arg) {
				t.Fatalf("argument %q", arg)
			}
		}
	}
}

func FuzzDecodePython(f *testing.F) {
	for _, v := range readVectors[pythonVector](f, "python-socketio.json") {
		f.Add([]byte(v.Payload))
	}
	for _, v := range readVectors[foreignVector](f, "other-formats.json") {
		f.Add(v.Payload)
	}
	for _, v := range readVectors[pickleVector](f, "python-pickle.json") {
		f.Add(v.Payload)
	}
	f.Add([]byte(python(`"data": [NaN, {"a": -Infinity}], "room": NaN`)))
	f.Add([]byte(python(`"room": ["\ud800", 5, ""], "skip_sid": "\ufffd"`)))
	f.Fuzz(func(t *testing.T, payload []byte) {
		checkAllocated(t, "payload", bytes.Clone(payload))
		got, reason, _ := decodePython(nil, published{body: bytes.Clone(payload)}, &rules{pickle: true})
		if (len(got) == 1) != (reason == "" || reason == DropAck) {
			t.Fatalf("%d messages, reason %q", len(got), reason)
		}
		checkMessages(t, got)
		if len(got) == 0 {
			return
		}
		if m := got[0]; m.Method != emitter.MethodEmit && len(m.Rooms) != 1 {
			t.Fatalf("to everybody: %+v", m)
		}
		// Compare with what encoding/json understands, where it understands all of it.
		var ref map[string]any
		if json.Unmarshal(bytes.TrimPrefix(payload, []byte("\uFEFF")), &ref) == nil {
			compareWithJSON(t, got[0], ref)
		}
	})
}

func compareWithJSON(t *testing.T, m emitter.Message, ref map[string]any) {
	t.Helper()
	if ref["method"] != m.Method.String() || ref["namespace"] != m.Namespace && m.Method != emitter.MethodDisconnect {
		t.Fatalf("%+v of %v", m, ref)
	}
	rooms := map[emitter.Method]string{emitter.MethodEmit: "room", emitter.MethodCloseRoom: "room"}[m.Method]
	if rooms == "" {
		rooms = "sid"
	}
	if room, one := ref[rooms].(string); one && (len(m.Rooms) != 1 || m.Rooms[0] != room) {
		t.Fatalf("rooms %q of %v", m.Rooms, ref[rooms])
	}
	if (ref[rooms] == nil) != (len(m.Rooms) == 0) {
		t.Fatalf("rooms %q of %v", m.Rooms, ref[rooms])
	}
	if m.Method == emitter.MethodEmit && ref["event"] != m.Event {
		t.Fatalf("event %q of %v", m.Event, ref["event"])
	}
}

// pythonMessage is an emit of about 200 bytes, as python-socketio writes it.
func pythonMessage(i int) string {
	return fmt.Sprintf(`{"method": "emit", "event": "update", "data": [{"seq": %d, "t": 1.5}], "binary": false, "namespace": "/", `+
		`"room": "time", "skip_sid": null, "callback": null, "host_id": "456834243bee448baec31a44f302c928"}`, i)
}
