package server_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ws-emit/ws-emit/server"
)

// What a client is told of its handshake, be it short or longer than what is read at once.
func TestHandshakeAnswers(t *testing.T) {
	n := start(t, server.Config{})
	good := handshake(n.url, "")
	without := func(line string) string { return strings.Replace(good, line+"\r\n", "", 1) }
	replaced := strings.NewReplacer
	for name, c := range map[string]struct {
		request string
		status  int
		header  string
		body    string
	}{
		"good":            {good, 101, "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=", ""},
		"without a slash": {replaced("/socket.io/", "/socket.io").Replace(good), 101, "Upgrade: websocket", ""},
		"other names":     {replaced("Upgrade: websocket", "uPGRADE: WebSocket").Replace(good), 101, "Upgrade: websocket", ""},
		"several lines":   {replaced("Connection: Upgrade", "Connection: keep-alive\r\nConnection: x, Upgrade").Replace(good), 101, "Connection: Upgrade", ""},
		"escaped":         {replaced("transport=websocket", "%74ransport=web%73ocket").Replace(good), 101, "", ""},
		"no key":          {without("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="), 400, "Content-Type: application/json", `{"code":3,"message":"Bad request"}`},
		"short key":       {replaced("AAAA==", "AA==").Replace(good), 400, "", `{"code":3,"message":"Bad request"}`},
		"no connection":   {without("Connection: Upgrade"), 400, "", `{"code":3,"message":"Bad request"}`},
		"old":             {replaced("Version: 13", "Version: 8").Replace(good), 426, "Upgrade: websocket", `{"code":3,"message":"Bad request"}`},
		"HTTP/1.0":        {replaced("HTTP/1.1", "HTTP/1.0").Replace(good), 400, "", `{"code":3,"message":"Bad request"}`},
		"transport":       {replaced("transport=websocket", "transport=x").Replace(good), 400, "", `{"code":0,"message":"Transport unknown"}`},
		"EIO":             {replaced("EIO=4", "EIO=3").Replace(good), 400, "", `{"code":5,"message":"Unsupported protocol version"}`},
		"sid":             {handshake(n.url, "x"), 400, "", `{"code":1,"message":"Session ID unknown"}`},
		"origin":          {replaced("Connection:", "Origin: http://evil\r\nConnection:").Replace(good), 400, "", `"Not an accepted origin."`},
		"another path":    {replaced("/socket.io/", "/other/").Replace(good), 404, "", "404 page not found"},
		"with a body":     {replaced("Connection:", "Content-Length: 1\r\nConnection:").Replace(good) + "x", 400, "", `{"code":3,"message":"Bad request"}`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, request := range []string{c.request, padded(c.request)} {
				conn := say(t, n, request)
				res, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				key, value, _ := strings.Cut(c.header, ": ")
				if res.StatusCode != c.status || res.Header.Get(key) != value {
					t.Errorf("%d, %v", res.StatusCode, res.Header)
				}
				if c.status == http.StatusSwitchingProtocols {
					continue
				}
				if body, err := io.ReadAll(res.Body); err != nil || strings.TrimSpace(string(body)) != c.body {
					t.Errorf("%q, %v", body, err)
				}
			}
		})
	}
}

// padded makes a request longer than what net/http reads at once.
func padded(request string) string {
	return strings.Replace(request, "\r\n", "\r\nX-Long: "+strings.Repeat("x", 5000)+"\r\n", 1)
}

// What stands right behind the handshake is heard.
func TestFirstPacketsWithTheHandshake(t *testing.T) {
	n := start(t, server.Config{})
	for _, request := range []string{handshake(n.url, ""), padded(handshake(n.url, ""))} {
		c, err := dialHost(n.url)
		if err != nil {
			t.Fatal(err)
		}
		w := &socketWire{c, bufio.NewReader(c)}
		t.Cleanup(w.close)
		if err := w.open(request + frames([]string{"40", `421["join","a"]`})); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"0{", "40{", `431[{"ok":true,"room":"a"}]`} {
			if _, err := expect(w, want); err != nil {
				t.Error(err)
			}
		}
	}
}
