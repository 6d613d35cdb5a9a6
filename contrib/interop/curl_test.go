package interop

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// curl runs the real program and returns the answer's status and body.
func curl(t testing.TB, input string, args ...string) (status, body string) {
	t.Helper()
	args = append([]string{"--silent", "--show-error", "--noproxy", "*", "--write-out", "\n%{http_code}"}, args...)
	out := run(t, strings.NewReader(input), need(t, "curl"), args...)
	i := strings.LastIndexByte(out, '\n')
	return out[i+1:], out[:i]
}

const (
	asJSONType   = "Content-Type: application/json"
	asNDJSONType = "Content-Type: application/x-ndjson"
	asBearer     = "Authorization: Bearer " + emitSecret
)

// event is what a client receives.
type event struct {
	name string
	args []any
}

// withSecret puts the emit secret into a message.
func withSecret(message string) string {
	return strings.Replace(message, "{", `{"secret":"`+emitSecret+`",`, 1)
}

// accepted is posted to /emit and answered with 200.
var accepted = []struct {
	name, input string
	args        []string
	body        string // exactly, or any when empty
	want        []event
}{
	{
		name: "single", input: withSecret(`{"event":"update","room":"r","data":{"time":1}}`), args: []string{"-H", asJSONType},
		body: "OK\n", want: []event{{"update", []any{object{"time": 1}}}},
	},
	{
		name: "bearer", input: `{"event":"update","room":"r","data":[1,2]}`, args: []string{"-H", asJSONType, "-H", asBearer},
		body: "OK\n", want: []event{{"update", []any{[]any{1, 2}}}},
	},
	{
		name: "charset", input: `{"event":"update","data":"ü 🎉"}`, args: []string{"-H", asJSONType + "; charset=utf-8", "-H", asBearer},
		body: "OK\n", want: []event{{"update", []any{"ü \U0001f389"}}},
	},
	{
		name: "list", input: `[{"event":"a","room":"r","data":1},{"event":"b","room":"nobody"},{"event":"c","args":[2,"3"]}]`,
		args: []string{"-H", asJSONType, "-H", asBearer},
		body: "OK\n", want: []event{{"a", []any{1}}, {"c", []any{2, "3"}}},
	},
	{
		name: "NDJSON", input: "{\"event\":\"a\",\"room\":\"r\",\"data\":1}\n{\"event\":\"b\",\"room\":\"r\",\"data\":2}\n",
		args: []string{"-H", asNDJSONType, "-H", asBearer},
		body: "OK\n", want: []event{{"a", []any{1}}, {"b", []any{2}}},
	},
	{
		name: "chunked", input: `{"event":"update","room":"r","data":"` + strings.Repeat("x", 100_000) + `"}`,
		args: []string{"-H", asJSONType, "-H", asBearer, "-H", "Transfer-Encoding: chunked"},
		body: "OK\n", want: []event{{"update", []any{strings.Repeat("x", 100_000)}}},
	},
	{
		name: "JSON answer", input: `{"event":"update","room":"r","data":3}`,
		args: []string{"-H", asJSONType, "-H", asBearer, "-H", "Accept: application/json"},
		want: []event{{"update", []any{3}}},
	},
}

// refused is posted to /emit and reaches nobody.
var refused = []struct {
	name, input string
	args        []string
	status      string
	body        string // exactly, or any when empty
	says        string // somewhere in the body
}{
	{name: "wrong secret", input: `{"event":"e","secret":"bad"}`, args: []string{"-H", asJSONType}, status: "403", body: "Incorrect secret\n"},
	{name: "no secret", input: `{"event":"e"}`, args: []string{"-H", asJSONType}, status: "403", body: "Incorrect secret\n"},
	{name: "wrong bearer", input: `{"event":"e"}`, args: []string{"-H", asJSONType, "-H", "Authorization: Bearer bad"}, status: "403", body: "Incorrect secret\n"},
	{name: "number as secret", input: `{"event":"e","secret":123}`, args: []string{"-H", asJSONType}, status: "403"},
	{name: "form", input: withSecret(`{"event":"e"}`), status: "415"},
	{name: "GET", args: []string{"-X", "GET"}, status: "405"},
	{name: "bad JSON", input: `{"event":`, args: []string{"-H", asJSONType, "-H", asBearer}, status: "400"},
	{name: "no event", input: `{"room":"r"}`, args: []string{"-H", asJSONType, "-H", asBearer}, status: "400", says: "event"},
	{name: "reserved event", input: `{"event":"connect"}`, args: []string{"-H", asJSONType, "-H", asBearer}, status: "400"},
	{name: "room of a wrong type", input: `{"event":"e","room":5}`, args: []string{"-H", asJSONType, "-H", asBearer}, status: "400", says: "room"},
	{name: "unknown namespace", input: `{"event":"e","namespace":"/none"}`, args: []string{"-H", asJSONType, "-H", asBearer}, status: "400", says: "namespace"},
	{name: "list, second is bad", input: `[{"event":"e","room":"r"},{"room":"r"}]`, args: []string{"-H", asJSONType, "-H", asBearer}, status: "400", says: "1"},
	{name: "NDJSON, second is bad", input: "{\"event\":\"e\",\"room\":\"r\"}\n{]\n", args: []string{"-H", asNDJSONType, "-H", asBearer}, status: "400", says: "1"},
	{name: "too much", input: `{"event":"e","data":"` + strings.Repeat("x", 20<<20) + `"}`, args: []string{"-H", asJSONType, "-H", asBearer}, status: "413"},
}

// TestCurl sends what a shell script would, and listens with one client of each
// kind and transport.
func TestCurl(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--namespaces", "/,/chat")
	a := startAudience(t, s)
	for _, tt := range accepted {
		t.Run(tt.name, func(t *testing.T) {
			status, body := curl(t, tt.input, append(tt.args, "--data-binary", "@-", s.url()+"/emit")...)
			if status != "200" || (tt.body != "" && body != tt.body) {
				t.Fatalf("answer %s %q, want 200 %q", status, body, tt.body)
			}
			for _, w := range tt.want {
				a.expect(t, "/", w.name, w.args...)
			}
		})
	}

	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			args := tt.args
			if tt.name != "GET" {
				args = append(args, "--data-binary", "@-")
			}
			status, body := curl(t, tt.input, append(args, s.url()+"/emit")...)
			if status != tt.status || (tt.body != "" && body != tt.body) || !strings.Contains(body, tt.says) {
				t.Errorf("answer %s %q, want %s %q with %q in it", status, body, tt.status, tt.body, tt.says)
			}
			if strings.Contains(body, emitSecret) || strings.Contains(body, "bad") && tt.status == "403" {
				t.Errorf("answer %q shows a secret", body)
			}
		})
	}
	// Nothing of what was refused has been sent, not even the good half of a
	// list.
	s.emit(t, object{"event": "marker", "room": "r"})
	a.expect(t, "/", "marker")
}

// TestCurlReceivers: who asks for JSON is told how many sockets were meant.
func TestCurlReceivers(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	d := startDriver(t, kinds[0].command(t))
	receivers := func(message string) float64 {
		t.Helper()
		status, body := curl(t, message, "-H", asJSONType, "-H", asBearer, "-H", "Accept: application/json", "--data-binary", "@-", s.url()+"/emit")
		var answer struct {
			OK        bool
			Receivers *float64
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil || status != "200" || !answer.OK || answer.Receivers == nil {
			t.Fatalf("answer %s %q, want 200 with ok and receivers", status, body)
		}
		return *answer.Receivers
	}
	var clients []*client
	for _, tr := range transports {
		c := d.connect(t, tr.name, s.url(), connectOptions{offer: tr.offer})
		c.expectConnect(t, "/")
		c.expectTransport(t, tr.last)
		c.join(t, "/", tr.name)
		clients = append(clients, c)
	}
	for message, want := range map[string]float64{
		`{"event":"e"}`:                                     3,
		`{"event":"e","room":"polling"}`:                    1,
		`{"event":"e","room":["polling","upgrade","none"]}`: 2,
		`{"event":"e","room":"none"}`:                       0,
	} {
		if got := receivers(message); got != want {
			t.Errorf("%s has %v receivers, want %v", message, got, want)
		}
	}
	for _, c := range clients {
		c.disconnect(t, "/")
	}
	eventually(t, "the server sees that all have gone", func() bool { return receivers(`{"event":"e"}`) == 0 })
}

// TestCurlWithoutSecret: a server without an emit secret has no POST /emit.
func TestCurlWithoutSecret(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--secret", "")
	if status, body := curl(t, `{"event":"e"}`, "-H", asJSONType, "--data-binary", "@-", s.url()+"/emit"); status != "404" {
		t.Errorf("answer %s %q, want 404", status, body)
	}
}

// TestCurlRoomSpaces: a backend without Redis sets the secret of a space by
// HTTP.
func TestCurlRoomSpaces(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--roomspace", "fixed=S0")
	c := startDriver(t, kinds[0].command(t)).connect(t, "c", s.url(), connectOptions{})
	c.expectConnect(t, "/")
	ok := object{"ok": true, "room": "dir::a"}
	denied := object{"ok": false, "room": "dir::a", "error": "denied"}
	join := object{"room": "dir::a", "secret": "S1"}
	space := s.url() + "/roomspaces/dir"
	succeeds := func(args ...string) {
		t.Helper()
		if status, body := curl(t, "", args...); !strings.HasPrefix(status, "2") {
			t.Fatalf("curl %q answers %s %q", args, status, body)
		}
	}

	c.expectAck(t, denied, "/", "join", join)
	if status, _ := curl(t, "", "-X", "PUT", "-H", asJSONType, "--data", `{"secret":"S1"}`, space); status != "403" {
		t.Errorf("PUT without the emit secret answers %s, want 403", status)
	}
	c.expectAck(t, denied, "/", "join", join)
	succeeds("-X", "PUT", "-H", asBearer, "-H", asJSONType, "--data", `{"secret":"S1"}`, space)
	c.expectAck(t, ok, "/", "join", join)
	if status, body := curl(t, "", "-H", asBearer, space); status != "405" || strings.Contains(body, "S1") {
		t.Errorf("GET answers %s %q, want 405: a secret is never read back", status, body)
	}
	if status, _ := curl(t, "", "-X", "PUT", "-H", asBearer, "-H", asJSONType, "--data", `{"secret":"S2"}`, s.url()+"/roomspaces/fixed"); status != "409" {
		t.Errorf("PUT on a space of --roomspace answers %s, want 409", status)
	}
	succeeds("-X", "DELETE", "-H", asBearer, space)
	c.expectAck(t, denied, "/", "join", join)
}

// TestCurlOrigins: the origins of --cors, as the Python server answers them.
func TestCurlOrigins(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--cors", "http://a.example", "--cors", "http://b.example")
	const handshake = "/socket.io/?EIO=4&transport="
	webSocket := []string{"--max-time", "5", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket",
		"-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
	for _, tt := range []struct {
		origin, status string
	}{
		{"http://a.example", "200"},
		{"http://b.example", "200"},
		{s.url(), "200"}, // the page's own server
		{"", "200"},
		{"http://evil.example", "400"},
		{"http://a.example.evil.example", "400"},
		{"https://a.example", "400"},
		{"null", "400"},
	} {
		var header []string
		if tt.origin != "" {
			header = []string{"-H", "Origin: " + tt.origin}
		}
		status, body := curl(t, "", append(header, s.url()+handshake+"polling")...)
		if status != tt.status {
			t.Errorf("origin %q: answer %s %q, want %s", tt.origin, status, body, tt.status)
		}
		if tt.status == "200" {
			continue
		}
		if want := `"Not an accepted origin."`; body != want {
			t.Errorf("origin %q: body %q, want %s", tt.origin, body, want)
		}
		if status, _ := curl(t, "", slices.Concat(header, webSocket, []string{s.url() + handshake + "websocket"})...); status != tt.status {
			t.Errorf("origin %q: WebSocket answers %s, want %s", tt.origin, status, tt.status)
		}
	}
}
