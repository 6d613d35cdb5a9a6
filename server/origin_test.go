package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ws-emit/ws-emit/server"
)

const polling, websocket = "/socket.io/?EIO=4&transport=polling", "/socket.io/?EIO=4&transport=websocket"

// fetch makes a request as a browser would and returns the whole answer; the body is closed.
func (n *node) fetch(t testing.TB, method, path string, header http.Header) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(soon(t), method, n.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	res, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res
}

const same = "same" // stands for the origin of the server itself

// originCases are which Origin headers are accepted and which are not.
var originCases = map[string]struct {
	cfg                server.Config
	accepted, rejected [][]string
}{
	"listed": {
		server.Config{Origins: []string{"http://a.example", "https://b.example:8443"}},
		[][]string{{}, {"http://a.example"}, {"https://b.example:8443"}, {same}},
		[][]string{
			{"null"}, {"*"}, {""}, {"https://a.example"}, {"http://a.example:80"}, {"http://a.example/"}, {"http://a.example.evil"}, {"http://sub.a.example"},
			{"HTTP://A.EXAMPLE"}, {"https://b.example"}, {"http://evil"}, {"a.example"}, {"http://a.example", "http://a.example"},
			{"http://evil", "http://a.example"}, {"http://a.example", "http://evil"}, {"http://a.example http://evil"}, {"http://a.example, http://evil"},
			{"http://\xff"}, {"http://127.0.0.1"}, {"http://evil@a.example"}, {"http://[::1"}, {"http://"}, {"//"},
		},
	},
	"any": {
		server.Config{Origins: []string{"*"}},
		[][]string{{}, {"http://a.example"}, {"http://evil"}, {"null"}, {same}},
		[][]string{{"http://a", "http://b"}},
	},
	"default": {
		server.Config{},
		[][]string{{}, {"http://localhost:7788"}, {same}},
		[][]string{{"http://127.0.0.1:7788"}, {"http://localhost"}, {"null"}},
	},
}

// From which web sites a browser may connect: the same for long-polling and for WebSocket, which is not subject to CORS.
func TestOrigins(t *testing.T) {
	for name, c := range originCases {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			c.cfg.Registerer = registry
			n := start(t, c.cfg)
			ask := func(sent []string, path string) int {
				h := http.Header{}
				for _, o := range sent {
					h.Add("Origin", strings.ReplaceAll(o, same, n.url))
				}
				if path == websocket {
					for key, value := range map[string]string{
						"Connection": "Upgrade", "Upgrade": "websocket", "Sec-Websocket-Version": "13", "Sec-Websocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
					} {
						h.Set(key, value)
					}
				}
				return n.originRequest(t, path, h)
			}
			for _, sent := range c.accepted {
				if status := ask(sent, polling); status != http.StatusOK {
					t.Errorf("%q by long-polling: %d", sent, status)
				}
				if status := ask(sent, websocket); status != http.StatusSwitchingProtocols {
					t.Errorf("%q by WebSocket: %d", sent, status)
				}
			}
			for _, sent := range c.rejected {
				for _, path := range []string{polling, websocket} {
					if status := ask(sent, path); status != http.StatusBadRequest {
						t.Errorf("%q: %d, want 400", sent, status)
					}
				}
			}
			if got := metrics(t, registry)[`wsemit_requests_refused_total{reason="origin"}`]; int(got) != 2*len(c.rejected) {
				t.Errorf("%v refusals counted, want %d", got, 2*len(c.rejected))
			}
		})
	}
}

// originRequest makes a request with header fields that a client library might not send, and returns its status.
func (n *node) originRequest(t testing.TB, path string, h http.Header) int {
	t.Helper()
	var request strings.Builder
	request.WriteString("GET " + path + " HTTP/1.1\r\nHost: " + strings.TrimPrefix(n.url, "http://") + "\r\n")
	for key, values := range h {
		for _, v := range values {
			request.WriteString(key + ": " + v + "\r\n")
		}
	}
	c := say(t, n, request.String()+"\r\n")
	defer c.Close()
	res := readResponse(t, c)
	return res.StatusCode
}

// A page from another site is told so, as the Python server does it, and gets no CORS header.
func TestOriginRefusal(t *testing.T) {
	n := start(t, server.Config{})
	req, err := http.NewRequestWithContext(soon(t), http.MethodGet, n.url+polling, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "http://evil")
	if status, text := do(t, req); status != http.StatusBadRequest || text != `"Not an accepted origin."` {
		t.Errorf("%d %s", status, text)
	}
	res := n.fetch(t, http.MethodGet, polling, http.Header{"Origin": {"http://evil"}})
	if got := corsHeaders(res.Header); len(got) > 0 {
		t.Errorf("CORS headers: %v", got)
	}
	if got := res.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("Content-Type %s", got)
	}
}

func corsHeaders(h http.Header) (list []string) {
	for key, values := range h {
		if strings.HasPrefix(key, "Access-Control-") {
			list = append(list, key+": "+strings.Join(values, "|"))
		}
	}
	slices.Sort(list)
	return list
}

// What browsers are told about what pages may do: CORS headers, on the path of the protocol only.
func TestCORS(t *testing.T) {
	const origin, allow = "http://a.example", "Access-Control-Allow-Origin: http://a.example"
	const credentials = "Access-Control-Allow-Credentials: true"
	list := []string{origin}
	preflight := http.Header{
		"Origin": {origin}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"content-type,x-mine"},
	}
	simple := http.Header{"Origin": {origin}}
	evil := http.Header{"Origin": {"http://evil"}}
	evilPreflight := http.Header{"Origin": {"http://evil"}, "Access-Control-Request-Method": {"POST"}}
	for _, c := range []struct {
		name         string
		cfg          server.Config
		method, path string
		header       http.Header
		status       int
		want         []string
	}{
		{"simple", server.Config{Origins: list}, "GET", polling, simple, 200, []string{credentials, allow}},
		{"simple, credentials on", server.Config{Origins: list, Credentials: server.On}, "GET", polling, simple, 200, []string{credentials, allow}},
		{"simple, credentials off", server.Config{Origins: list, Credentials: server.Off}, "GET", polling, simple, 200, []string{allow}},
		{"simple, any", server.Config{Origins: []string{"*"}}, "GET", polling, simple, 200, []string{"Access-Control-Allow-Origin: *"}},
		{"simple, any, credentials off", server.Config{Origins: []string{"*"}, Credentials: server.Off}, "GET", polling, simple, 200, []string{"Access-Control-Allow-Origin: *"}},
		{"an error can be read too", server.Config{Origins: list}, "GET", polling + "&sid=none", simple, 400, []string{credentials, allow}},
		{"the bundle", server.Config{Origins: list}, "GET", "/socket.io/none.js", simple, 404, []string{credentials, allow}},
		{"another site", server.Config{Origins: list}, "GET", polling, evil, 400, nil},
		{"no page", server.Config{Origins: list}, "GET", polling, http.Header{}, 200, nil},
		{"another site asks first", server.Config{Origins: list}, "OPTIONS", polling, evilPreflight, 204, nil},
		{
			"ask first", server.Config{Origins: list}, "OPTIONS", polling, preflight, 204,
			[]string{credentials, "Access-Control-Allow-Headers: content-type,x-mine", "Access-Control-Allow-Methods: POST", allow},
		},
		{
			"ask first, any", server.Config{Origins: []string{"*"}}, "OPTIONS", polling, preflight, 204,
			[]string{"Access-Control-Allow-Headers: content-type,x-mine", "Access-Control-Allow-Methods: POST", "Access-Control-Allow-Origin: *"},
		},
		{"emit", server.Config{Origins: list}, "OPTIONS", "/emit", preflight, 405, nil},
		{"emit, without asking", server.Config{Origins: []string{"*"}}, "POST", "/emit", simple, 415, nil},
		{"room-spaces", server.Config{Origins: []string{"*"}}, "OPTIONS", "/roomspaces/a", preflight, 405, nil},
		{"health", server.Config{Origins: []string{"*"}}, "GET", "/livez", simple, 200, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := start(t, c.cfg).fetch(t, c.method, c.path, c.header)
			if got := corsHeaders(res.Header); res.StatusCode != c.status || !slices.Equal(got, c.want) {
				t.Errorf("%d %q, want %d %q", res.StatusCode, got, c.status, c.want)
			}
			// A cache must not give one site what was meant for another.
			if len(c.want) > 1 && !strings.Contains(strings.Join(res.Header.Values("Vary"), ","), "Origin") {
				t.Errorf("Vary: %q", res.Header.Values("Vary"))
			}
		})
	}
}
