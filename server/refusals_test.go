package server_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

// longRoom is as long as the name of a room may be.
var longRoom = strings.Repeat("x", 255)

// joins are what a client asks one after the other, what it is told, and the result that is counted. It may be in three rooms.
var joins = []struct{ args, answer, counted string }{
	{`"join","a"`, `{"ok":true,"room":"a"}`, "public"},
	{`"join",{"room":"a"}`, `{"ok":true,"room":"a"}`, "public"},
	{`"join",{"room":"a:b","secret":"not looked at"}`, `{"ok":true,"room":"a:b"}`, "public"},
	{`"leave","a:b"`, `{"ok":true,"room":"a:b"}`, ""},
	{`"leave",{"room":"nothing to leave"}`, `{"ok":true,"room":"nothing to leave"}`, ""},
	{`"leave","~nobody"`, `{"ok":true,"room":"~nobody"}`, ""},
	{`"join","` + longRoom + `"`, `{"ok":true,"room":"` + longRoom + `"}`, "public"},
	{`"join","` + longRoom + `y"`, `{"ok":false,"room":null,"error":"invalid"}`, "invalid"},
	{`"join",{"room":"s::1","secret":"S"}`, `{"ok":true,"room":"s::1"}`, "ok"},
	{`"join",{"room":"s::1::2","secret":"S"}`, `{"ok":false,"room":"s::1::2","error":"limit"}`, "ok"}, // the secret is right, but it is the fourth room
	{`"join","d"`, `{"ok":false,"room":"d","error":"limit"}`, "public"},
	{`"join","a"`, `{"ok":true,"room":"a"}`, "public"}, // is in it
	{`"join",{"room":"s::2","secret":"T"}`, `{"ok":false,"room":"s::2","error":"denied"}`, "denied"},
	{`"join",{"room":"s::2"}`, `{"ok":false,"room":"s::2","error":"denied"}`, "denied"},
	{`"join",{"room":"s::2","secret":""}`, `{"ok":false,"room":"s::2","error":"denied"}`, "denied"},
	{`"join",{"room":"s::2","secret":{"S":"S"}}`, `{"ok":false,"room":"s::2","error":"denied"}`, "denied"},
	{`"join","s::2"`, `{"ok":false,"room":"s::2","error":"denied"}`, "denied"},
	{`"join",{"room":"none::2","secret":"S"}`, `{"ok":false,"room":"none::2","error":"denied"}`, "denied"},
	{`"join",""`, `{"ok":false,"room":"","error":"invalid"}`, "invalid"},
	{`"join","::2"`, `{"ok":false,"room":"::2","error":"invalid"}`, "invalid"},
	{`"join","~2"`, `{"ok":false,"room":"~2","error":"invalid"}`, "invalid"},
	{`"join","~u::2"`, `{"ok":false,"room":"~u::2","error":"invalid"}`, "invalid"},
	{`"join",7`, `{"ok":false,"room":null,"error":"invalid"}`, "invalid"},
	{`"join",null`, `{"ok":false,"room":null,"error":"invalid"}`, "invalid"},
	{`"join"`, `{"ok":false,"room":null,"error":"invalid"}`, "invalid"},
	{`"join",["a"]`, `{"ok":false,"room":null,"error":"invalid"}`, "invalid"},
	{`"join",{"ROOM":"a"}`, `{"ok":false,"room":null,"error":"invalid"}`, "invalid"},
	{`"join",{"room":["a"]}`, `{"ok":false,"room":null,"error":"invalid"}`, "invalid"},
	{`"join",{"room":"\ud800"}`, `{"ok":false,"room":null,"error":"invalid"}`, "invalid"}, // half of a surrogate pair is not UTF-8
	{`"join","\udc00x"`, `{"ok":false,"room":null,"error":"invalid"}`, "invalid"},
	{` "join" , { "room" : "a" , "more" : [1] } , 2 `, `{"ok":true,"room":"a"}`, "public"},
	{`"leave"`, `{"ok":false,"room":null,"error":"invalid"}`, ""},
	{`"leave",false`, `{"ok":false,"room":null,"error":"invalid"}`, ""},
	{`"leave","` + longRoom + `y"`, `{"ok":false,"room":null,"error":"invalid"}`, ""},
}

// What a client is told of a join or leave, on the wire, and what is counted.
func TestInvariant7_JoinsAreAnswered(t *testing.T) {
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{
		Registerer: registry, MaxRooms: 3, Namespaces: []string{"/", "/other"},
		RoomSecrets: map[string]string{"s": "S"},
	})
	w := openWire(t, n.url, sioclient.TransportWebSocket)
	if err := connect(w); err != nil {
		t.Fatal(err)
	}
	for _, c := range joins {
		before := metrics(t, registry)
		if err := w.write(`421[` + c.args + `]`); err != nil {
			t.Fatal(err)
		}
		if got, err := expect(w, `431[`); err != nil || got != c.answer+`]` {
			t.Errorf("%.100s: %.100s, %v; want %.100s", c.args, got, err, c.answer)
		}
		want := []string{}
		if c.counted != "" {
			want = append(want, `wsemit_joins_total{result="`+c.counted+`"}`)
		}
		if got := changed(before, metrics(t, registry)); !slices.Equal(got, want) {
			t.Errorf("%.100s: counted %v, want %v", c.args, got, want)
		}
	}
	// Without an ack a refusal is silent, and every other event is ignored.
	if err := w.write(`42["join","::"]`, `42["emit","a"]`, `427["broadcast","a"]`, `42["leave"]`, `42["join","a"]`, `428["leave","a"]`); err != nil {
		t.Fatal(err)
	}
	if _, err := expect(w, `438[{"ok":true,"room":"a"}]`); err != nil {
		t.Error(err)
	}
	if got := metrics(t, registry)[`wsemit_packets_ignored_total{kind="event"}`]; got != 2 {
		t.Errorf("%v events counted as ignored, want 2", got)
	}
}

// changed returns what is counted more than before, by names; gauges apart.
func changed(before, after map[string]float64) []string {
	names := []string{}
	for name, value := range after {
		if value != before[name] && strings.Contains(name, "_total") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// After ten joins of a connection that failed every further one is refused unchecked, but only those that need a secret.
func TestInvariant7_FailedJoinsAreLimited(t *testing.T) {
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{Registerer: registry, RoomSecrets: map[string]string{"s": "S"}})
	c := n.client(t, sioclient.Config{})
	for i := range 12 {
		want := "denied"
		if i >= 10 {
			want = "limit"
		}
		if reply, err := c.Join(soon(t), "s::a", "wrong"); err != nil || reply.Error != want {
			t.Fatalf("join %d: %+v, %v; want %s", i, reply, err, want)
		}
	}
	if reply, err := c.Join(soon(t), "s::a", "S"); err != nil || reply.Error != "limit" {
		t.Errorf("the right secret afterwards: %+v, %v; want limit", reply, err)
	}
	join(t, c, "public", "")
	join(t, n.client(t, sioclient.Config{}), "s::a", "S")
	if got := metrics(t, registry); got[`wsemit_joins_total{result="denied"}`] != 10 || got[`wsemit_joins_total{result="limit"}`] != 3 {
		t.Errorf("counted %v", got)
	}
}

// What a client is told of a request that is refused, and what is counted.
func TestInvariant7_RequestsAreAnswered(t *testing.T) {
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{Registerer: registry})
	const refused = "wsemit_requests_refused_total"
	for _, c := range []struct {
		method, query, body string
		status              int
		answer, counted     string
	}{
		{"GET", "EIO=4&transport=polling&sid=none", "", 400, `{"code":1,"message":"Session ID unknown"}`, refused + `{reason="unknown_sid"}`},
		{"POST", "EIO=4&transport=polling&sid=none", "4", 400, `{"code":1,"message":"Session ID unknown"}`, refused + `{reason="unknown_sid"}`},
		{"GET", "EIO=4&transport=flash", "", 400, `{"code":0,"message":"Transport unknown"}`, refused + `{reason="unknown_transport"}`},
		{"GET", "EIO=4", "", 400, `{"code":0,"message":"Transport unknown"}`, refused + `{reason="unknown_transport"}`},
		{"GET", "EIO=3&transport=polling", "", 400, `{"code":5,"message":"Unsupported protocol version"}`, refused + `{reason="unsupported_version"}`},
		{"GET", "transport=polling", "", 400, `{"code":5,"message":"Unsupported protocol version"}`, refused + `{reason="unsupported_version"}`},
		{"POST", "EIO=4&transport=polling", "40", 400, `{"code":2,"message":"Bad handshake method"}`, refused + `{reason="bad_method"}`},
		{"DELETE", "EIO=4&transport=polling", "", 400, `{"code":2,"message":"Bad handshake method"}`, refused + `{reason="bad_method"}`},
		{"OPTIONS", "EIO=4&transport=polling", "", 400, `{"code":2,"message":"Bad handshake method"}`, refused + `{reason="bad_method"}`},
		{"GET", "EIO=4&transport=websocket", "", 400, `{"code":3,"message":"Bad request"}`, refused + `{reason="bad_request"}`},
	} {
		before := metrics(t, registry)
		req, err := http.NewRequestWithContext(soon(t), c.method, n.url+"/socket.io/?"+c.query, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		status, answer := do(t, req)
		if status != c.status || strings.TrimSpace(answer) != c.answer {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.query, status, answer, c.status, c.answer)
		}
		if got := changed(before, metrics(t, registry)); !slices.Equal(got, []string{c.counted}) {
			t.Errorf("%s %s: counted %v, want %s", c.method, c.query, got, c.counted)
		}
	}
}

// Why a session ends is counted, each end once.
func TestInvariant7_EndsAreCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{Registerer: registry, Namespaces: []string{"/", "/x"}})
	for _, transport := range []sioclient.Transport{sioclient.TransportPolling, sioclient.TransportWebSocket} {
		for name, c := range map[string]struct {
			packets []string
			reason  string
		}{
			"goodbye":                      {[]string{"40", "41", "1"}, "client"},
			"a packet of no type":          {[]string{"x"}, "parse error"},
			"an empty message":             {[]string{"4"}, "parse error"},
			"an event before CONNECT":      {[]string{`42["join","a"]`}, "parse error"},
			"a CONNECT_ERROR":              {[]string{"40", "44"}, "parse error"},
			"an event without a name":      {[]string{"40", "42[]"}, "parse error"},
			"an event with a reserved one": {[]string{"40", `42["connect"]`}, "parse error"},
			"a PING":                       {[]string{"2"}, "parse error"},
		} {
			before := metrics(t, registry)
			w := openWire(t, n.url, transport)
			_ = w.write(c.packets...) // it may end before all has been written
			if p, err := readToEnd(w); err == nil {
				t.Errorf("%s: %q where the session should end", name, p)
			}
			w.close()
			want := `wsemit_sessions_ended_total{reason="` + c.reason + `"}`
			until(t, string(transport)+": "+name+": the end is counted", func() bool {
				return metrics(t, registry)[want] == before[want]+1
			})
		}
	}
	if now := metrics(t, registry); now["wsemit_sessions"] != 0 || now["wsemit_sockets"] != 0 {
		t.Errorf("%v sessions and %v sockets are left", now["wsemit_sessions"], now["wsemit_sockets"])
	}
}

// A long-polling client that says goodbye and is not heard of again has ended by itself, and is no slow consumer.
func TestInvariant7_GoodbyeByPolling(t *testing.T) {
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{Registerer: registry})
	w := openWire(t, n.url, sioclient.TransportPolling)
	if err := errors.Join(connect(w), w.write("41", "1")); err != nil {
		t.Fatal(err)
	}
	until(t, "the session has ended", func() bool { return metrics(t, registry)["wsemit_sessions"] == 0 })
	if now := metrics(t, registry); now[`wsemit_sessions_ended_total{reason="client"}`] != 1 {
		t.Errorf("counted %v", now)
	}
}

// readToEnd reads answers to CONNECT until the session ends.
func readToEnd(w wire) (string, error) {
	for {
		p, err := w.read()
		if err != nil || !strings.HasPrefix(p, `40{`) && p != "6" {
			return p, err
		}
		if p == "6" { // what a GET gets at the end of a polling session that said goodbye
			return "", io.EOF
		}
	}
}

// A namespace that does not exist is refused, and the session goes on.
func TestInvariant7_NamespacesAreAnswered(t *testing.T) {
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{Registerer: registry, Namespaces: []string{"/", "/x"}})
	_, err := sioclient.Dial(soon(t), sioclient.Config{URL: n.url, Namespace: "/y"})
	var refused *sioclient.ConnectError
	if !errors.As(err, &refused) || refused.Message != "Invalid namespace" {
		t.Errorf("namespace that does not exist: %v", err)
	}
	w := openWire(t, n.url, sioclient.TransportWebSocket)
	if err := w.write("40/y,", "40/x,", `42/x,1["join","a"]`, "40", `421["join","a"]`); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`44/y,{"message":"Invalid namespace"}`, `40/x,{"sid":"~`, `43/x,1[{"ok":true`, `40{"sid":"~`, `431[{"ok":true`} {
		if _, err := expect(w, want); err != nil {
			t.Fatal(err)
		}
	}
	n.emit(t, `[{"event":"e","namespace":"/x","room":"a"},{"event":"f","room":"a"}]`)
	for _, want := range []string{`42/x,["e"]`, `42["f"]`} {
		if _, err := expect(w, want); err != nil {
			t.Fatal(err)
		}
	}
	now := metrics(t, registry)
	if now[`wsemit_connects_total{result="invalid_namespace"}`] != 2 || now[`wsemit_connects_total{result="ok"}`] != 2 {
		t.Errorf("counted %v", now)
	}
}
