package redisbus

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ws-emit/ws-emit/emitter"
)

const requests = "socket.io-request#/#"

func TestDecodeNodeRequest(t *testing.T) {
	want := func(method emitter.Method, change func(*nodeWant)) nodeWant {
		w := nodeWant{Method: method.String(), Namespace: "/"}
		change(&w)
		return w
	}
	rooms := func(method emitter.Method, rooms, except, names []string) nodeWant {
		return want(method, func(w *nodeWant) { w.Rooms, w.Except, w.Change = rooms, except, names })
	}
	names := func(names ...string) []string { return names }
	disconnect := func(closes bool, rooms ...string) nodeWant {
		return want(emitter.MethodDisconnect, func(w *nodeWant) { w.Rooms, w.Close = rooms, closes })
	}
	checkNode(t, requests, map[string]nodeWant{
		`{"type": 2, "opts": {"rooms": ["a"], "except": ["b"]}, "rooms": ["c", "d"]}`:  rooms(emitter.MethodEnterRoom, names("a"), names("b"), names("c", "d")),
		`{"type": 3, "opts": {"rooms": ["a"], "except": []}, "rooms": ["c"]}`:          rooms(emitter.MethodLeaveRoom, names("a"), nil, names("c")),
		`{"rooms": ["c"], "uid": "u", "type": 2, "opts": {"rooms": [], "except": []}}`: rooms(emitter.MethodEnterRoom, nil, nil, names("c")),
		`{"type": 2, "opts": {"rooms": {"1": "a"}}, "rooms": "c"}`:                     rooms(emitter.MethodEnterRoom, names("a"), nil, names("c")),
		`{"type": 2, "opts": {"rooms": [7]}, "rooms": [8, ""]}`:                        rooms(emitter.MethodEnterRoom, names("7"), nil, names("8")),
		`{"type": 3, "opts": {"rooms": []}, "rooms": ["~x"]}`:                          rooms(emitter.MethodLeaveRoom, nil, nil, names("~x")),
		`{"type": 4, "opts": {"rooms": ["a", "b"], "except": []}, "close": true}`:      disconnect(true, "a", "b"),
		`{"type": 4, "opts": {"rooms": ["a"], "except": []}, "close": false}`:          disconnect(false, "a"),
		`{"type": 4, "opts": {"rooms": ["a"], "except": []}}`:                          disconnect(false, "a"),
		// everybody
		`{"type": 4, "opts": {"rooms": [], "except": []}, "close": null}`: disconnect(false),
		`{"type": 4, "opts": {"rooms": []}}`:                              disconnect(false),
		// a single socket
		`{"requestId": "r", "type": 2, "sid": "~s", "room": "c"}`:                            rooms(emitter.MethodEnterRoom, names("~s"), nil, names("c")),
		`{"requestId": "r", "type": 3, "sid": "~s", "room": "c"}`:                            rooms(emitter.MethodLeaveRoom, names("~s"), nil, names("c")),
		`{"requestId": "r", "type": 4, "sid": "~s", "close": true}`:                          disconnect(true, "~s"),
		`{"requestId": "r", "type": 4, "sid": "~s", "opts": null}`:                           disconnect(false, "~s"),
		`{"requestId": "r", "type": 4, "sid": "~s", "opts": {"rooms": ["a"], "except": ""}}`: disconnect(false, "a"),
	})
	got, reason := nodeDecode("app-request#/admin#", []byte(`{"type": 4, "opts": {"rooms": ["a"]}}`))
	if len(got) != 1 || reason != "" || got[0].Namespace != "/admin" {
		t.Errorf("%+v (%s)", got, reason)
	}
}

// everybody is a request with these members for all sockets.
func everybody(members string) string {
	return `{"opts": {"rooms": [], "except": []}, ` + members + `}`
}

// TestDecodeNodeRequestDrops: above all, nothing that is not plainly for everybody is for everybody.
func TestDecodeNodeRequestDrops(t *testing.T) {
	checkNodeDrops(t, requests, map[DropReason][]string{
		DropRequest: {
			`{"uid": "u", "requestId": "r", "type": 0, "rooms": ["a"]}`, `{"requestId": "r", "rooms": []}`, `{"uid": "u", "requestId": "r", "type": 1}`,
			`{"uid": "u", "requestId": "r", "type": 5, "opts": {"rooms": [], "except": []}}`, `{"uid": "u", "type": 6, "data": ["ping"]}`,
			`{"uid": "u", "requestId": "r", "type": 7, "packet": {"type": 2, "data": ["e"], "nsp": "/"}, "opts": {"rooms": [], "except": []}}`,
			// of Socket.IO 2
			`{"requestid": "r", "type": 4, "sid": "s", "room": "c"}`, `{"requestid": "r", "type": 2}`, `{"requestid": "r", "type": 6, "sid": "s", "close": true}`,
		},
		DropMalformed: {
			`[]`, `1`, `{}`, `"x"`, `{"type": null}`, `{"type": "2"}`, `{"type": 4.5, "opts": {}}`, `{"type": [4], "opts": {}}`,
			`{"type": 4}`, `{"type": 4, "close": true}`, `{"type": 4, "opts": null}`, `{"type": 4, "opts": []}`, `{"type": 4, "opts": ""}`,
			`{"type": 4, "opts": "a"}`, `{"type": 4, "opts": 1, "sid": "s"}`, `{"type": 4, "opts": false, "sid": "s"}`, `{"type": 4, "sid": 5}`, `{"type": 4, "sid": null}`,
			everybody(`"type": 4, "close": 1`), everybody(`"type": 4, "close": "true"`), everybody(`"type": 4, "close": []`),
			`{"type": 2, "rooms": ["a"]}`,
			// of the sharded adapter
			`{"type": 4, "data": {"opts": {"rooms": ["a"], "except": [], "flags": {}}, "rooms": ["b"]}, "uid": "u", "nsp": "/"}`,
		},
		// Anybody may have joined a room that is called like a socket of another server.
		DropForeign: {`{"type": 2, "sid": "s", "room": "c"}`, `{"type": 3, "sid": "s", "room": "c"}`, `{"type": 4, "sid": "s"}`},
		DropMethod:  {`{"type": 8, "requestId": "r", "clientCount": 1}`, `{"type": 9, "opts": {}}`, `{"type": -4, "opts": {}}`, `{"type": 44, "opts": {}}`},
		DropRoom: {
			`{"type": 4, "opts": {"rooms": 1}}`, `{"type": 4, "opts": {"rooms": true}}`, `{"type": 4, "opts": {"rooms": [null]}}`,
			`{"type": 4, "opts": {"rooms": [""]}}`, `{"type": 4, "opts": {"rooms": {"a": "b"}}}`, `{"type": 4, "opts": {"except": 1}}`,
			`{"type": 4, "opts": {"rooms": ["` + strings.Repeat("x", 256) + `"]}}`, `{"type": 4, "sid": ""}`, `{"type": 4, "sid": "~` + strings.Repeat("x", 256) + `"}`,
			everybody(`"type": 2`), everybody(`"type": 2, "rooms": []`), everybody(`"type": 2, "rooms": ""`), everybody(`"type": 2, "rooms": [""]`),
			everybody(`"type": 2, "rooms": null`), everybody(`"type": 2, "rooms": [[]]`), everybody(`"type": 3, "rooms": true`),
			everybody(`"type": 2, "rooms": {}`), everybody(`"type": 2, "rooms": ["~sid"]`), // is another socket
			// not plainly everybody
			`{"type": 4, "opts": {}}`, `{"type": 4, "opts": {"except": ["a"]}}`, `{"type": 4, "opts": {"room": "a"}}`, `{"type": 4, "opts": {"rooms": null}}`,
			`{"type": 4, "opts": {"rooms": ""}}`, `{"type": 4, "opts": {"rooms": {}}}`, `{"type": 4, "opts": {"rooms": []}, "sid": "~x"}`,
			`{"type": 4, "opts": {"rooms": []}, "sid": ""}`, `{"type": 2, "opts": {}, "rooms": ["a"]}`, `{"type": 3, "opts": {"rooms": ""}, "rooms": ["a"]}`,
			`{"type": 2, "opts": {"rooms": []}, "sid": "~x", "rooms": ["a"]}`,
			`{"type": 2, "sid": "~s"}`, `{"type": 2, "sid": "~s", "rooms": ["a"]}`,
		},
	})
	for payload, want := range map[string]DropReason{
		"":                                      DropMalformed,
		"{":                                     DropMalformed,
		"\x81\xa4type\x04":                      DropMalformed,
		"\x81\xa4type\x04\x00":                  DropMalformed,
		"\x80":                                  DropMalformed,
		"\x80\x04\x95":                          DropPickle,
		`{"type": 4, "opts": "` + "\xff" + `"}`: DropEncoding,
		// binary stands for nothing, and however much of it there is in an event is not for us to count
		"\x83\xa4type\x07\xa9requestId\xa1r\xa6packet\x9c" + strings.Repeat("\xc4\x01\xff", 12): DropRequest,
		"\x82\xa4type\x04\xa4opts\x81\xa5rooms\x91\xc4\x01a":                                    DropRoom,
		"\x82\xa4type\x04\xa4opts\xc4\x00":                                                      DropMalformed,
	} {
		if got, reason := nodeDecode(requests, []byte(payload)); len(got) > 0 || reason != want {
			t.Errorf("%q: %+v (%s), want %s", payload, got, reason, want)
		}
	}
}

func FuzzDecodeNodeRequest(f *testing.F) {
	for _, v := range readVectors[nodeVector](f, "node.json") {
		f.Add(v.Payload)
	}
	for _, text := range []string{
		`{"type": 2, "opts": {"rooms": {"1": "a"}, "except": [5]}, "rooms": "c"}`, `{"requestId": "r", "type": 4, "sid": "~s", "close": true}`,
		`{"type": 3, "opts": {"rooms": ["\ud800"]}, "rooms": [NaN], "requestid": 1}`,
	} {
		f.Add([]byte(text))
	}
	f.Add(packJSON(f, `{"type": 4, "opts": {"rooms": ["a"], "except": []}, "close": true, "uid": "u"}`))
	route := nodeRoute{namespace: "/", prefix: "socket.io#/#"}
	f.Fuzz(func(t *testing.T, payload []byte) {
		var got []emitter.Message
		var reason DropReason
		if n, most := allocated(func() { got, reason, _ = route.decodeRequest(nil, published{requests, payload}, &rules{}) }), uint64(64*(len(payload)+1024)); n > most {
			t.Fatalf("%d bytes allocated for %d", n, len(payload))
		}
		if (len(got) == 1) != (reason == "") || len(got) > 1 {
			t.Fatalf("%d messages, reason %q", len(got), reason)
		}
		checkNodeMessages(t, got)
		for _, m := range got {
			if m.Method == emitter.MethodEmit || m.Method == emitter.MethodCloseRoom {
				t.Fatalf("method %s", m.Method)
			}
			if len(m.Rooms) == 0 && !bytes.Contains(payload, []byte("opts")) && !bytes.Contains(payload, []byte(`\u`)) {
				t.Fatalf("%s of everybody", m.Method)
			}
		}
	})
}
