package server_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

func readResponse(t testing.TB, c net.Conn) *http.Response {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// request makes a request of a backend and returns status and body.
func (n *node) request(t testing.TB, method, path, secret, mediaType, body string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(soon(t), method, n.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if secret != "" {
		req.Header.Set("Authorization", "Bearer "+secret)
	}
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	return do(t, req)
}

// Backends set and delete the secrets of room-spaces by HTTP. It counts for the next join.
func TestRoomSpaces(t *testing.T) {
	n := start(t, server.Config{RoomSecrets: map[string]string{"fixed": "F"}})
	c := n.client(t, sioclient.Config{})
	refused := func(room, secret string) {
		t.Helper()
		if reply, err := c.Join(soon(t), room, secret); err != nil || reply.Error != "denied" {
			t.Errorf("join %q with %q: %+v, %v; want denied", room, secret, reply, err)
		}
	}
	const json, text = "application/json", "text/plain"
	change := func(want int, method, path, secret, mediaType, body string) {
		t.Helper()
		if status, text := n.request(t, method, path, secret, mediaType, body); status != want {
			t.Errorf("%s %s: %d %s, want %d", method, path, status, text, want)
		}
	}
	refused("dir::a", "S1")
	change(204, "PUT", "/roomspaces/dir", emitSecret, json, `{"secret":"S1"}`)
	join(t, c, "dir::a", "S1")
	change(204, "PUT", "/roomspaces/dir", emitSecret, text, "S2\n")
	refused("dir::b", "S1")
	join(t, c, "dir::b", "S2")
	change(204, "PUT", "/roomspaces/d%C3%AF%2Fr%3F", emitSecret, json, `{"secret":"S3"}`)
	join(t, c, "dï/r?::a", "S3")
	change(204, "DELETE", "/roomspaces/dir", emitSecret, "", "")
	refused("dir::c", "S2")
	refused("dir::c", "")
	// Who is in stays in.
	n.emit(t, `{"event":"e","room":"dir::a"}`)
	next(t, c, "e", `[]`)

	change(409, "PUT", "/roomspaces/fixed", emitSecret, json, `{"secret":"x"}`)
	change(409, "DELETE", "/roomspaces/fixed", emitSecret, "", "")
	join(t, c, "fixed::a", "F")
	for _, wrong := range []string{"", "x"} {
		change(403, "PUT", "/roomspaces/dir", wrong, json, `{"secret":"x"}`)
		change(403, "DELETE", "/roomspaces/fixed", wrong, "", "")
	}
	change(405, "GET", "/roomspaces/fixed", emitSecret, "", "")
	change(400, "PUT", "/roomspaces/a%3A%3Ab", emitSecret, json, `{"secret":"x"}`)
	change(400, "PUT", "/roomspaces/~a", emitSecret, json, `{"secret":"x"}`)
	change(400, "PUT", "/roomspaces/a", emitSecret, json, `{"secret":7}`)
	change(415, "PUT", "/roomspaces/a", emitSecret, "", `{"secret":"x"}`)
	change(413, "PUT", "/roomspaces/a", emitSecret, text, strings.Repeat("x", 5000))
	change(404, "PUT", "/roomspaces/", emitSecret, json, `{"secret":"x"}`)
	change(404, "PUT", "/roomspaces/a/b", emitSecret, json, `{"secret":"x"}`)
}

// What POST /emit answers here beside what package emitter tests: limits and namespaces are those of the server.
func TestEmit(t *testing.T) {
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{Registerer: registry, Gatherer: registry, Namespaces: []string{"/", "/x"}, MaxEmitBody: 200 << 10, MaxQueue: 128 << 10})
	const json = "application/json"
	for _, c := range []struct {
		secret, mediaType, body string
		status                  int
		answer                  string
	}{
		{emitSecret, json, `{"event":"e"}`, 200, "OK"},
		{"", json, `{"event":"e","secret":"` + emitSecret + `"}`, 200, "OK"},
		{emitSecret, "application/x-ndjson", `{"event":"e"}` + "\n" + `{"event":"f"}`, 200, "OK"},
		{emitSecret, json, `{"event":"e","namespace":"/x"}`, 200, "OK"},
		{emitSecret, json, `{"event":"e","namespace":"/y"}`, 400, "namespace"},
		{emitSecret, json, `[{"event":"e"},{"event":"connect"}]`, 400, "message 1: event: is a reserved name"},
		{emitSecret, json, `{"event":"e","data":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "65536"},
		{emitSecret, json, strings.Repeat(" ", 200<<10) + `{"event":"e"}`, 413, ""},
		{emitSecret, json, `{`, 400, ""},
		{emitSecret, "text/plain", `{}`, 415, ""},
		{"", json, `{"event":"e"}`, 403, "Incorrect secret"},
		{"x", json, `{"event":"e"}`, 403, "Incorrect secret"},
	} {
		status, answer := n.request(t, http.MethodPost, "/emit", c.secret, c.mediaType, c.body)
		if status != c.status || !strings.Contains(answer, c.answer) {
			t.Errorf("%.80s: %d %s, want %d %s", c.body, status, answer, c.status, c.answer)
		}
	}
	if status, _ := n.request(t, http.MethodGet, "/emit", emitSecret, "", ""); status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", status)
	}
	now := metrics(t, registry)
	if now[`wsemit_emits_total{result="ok",source="http"}`] != 5 || now[`wsemit_emit_requests_total{result="too_large"}`] != 2 {
		t.Errorf("counted %v", now)
	}
	if page := n.get(t, "/metrics"); !strings.Contains(page, `wsemit_emits_total{result="ok",source="http"} 5`) {
		t.Errorf("/metrics: %s", page)
	}
}

// Without an emit secret there is nothing for backends, and without a Gatherer no /metrics. Everything else is not found.
func TestNotFound(t *testing.T) {
	s, err := server.New(server.Config{Redis: server.NoRedis})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/emit", 404}, {"PUT", "/roomspaces/a", 404}, {"DELETE", "/roomspaces/a", 404}, {"GET", "/metrics", 404}, {"GET", "/", 404},
		{"GET", "/socket.io/x", 404}, {"GET", "/socket.io/../emit", 307}, {"GET", "/socket.iox/", 404}, {"GET", "/livez", 200}, {"HEAD", "/readyz", 200},
		{"POST", "/livez", 405}, {"GET", "/livez/x", 404},
	} {
		if status := answer(s.Handler(), c.method, c.path, nil).Code; status != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, status, c.status)
		}
	}
}

// The path of the endpoint is the operator's, with or without the slash at its end.
func TestPath(t *testing.T) {
	n := start(t, server.Config{Path: "/a/b.io/"})
	for path, want := range map[string]string{
		"/a/b.io/?EIO=4&transport=polling": "200 0{", "/a/b.io?EIO=4&transport=polling": "200 0{", "/socket.io/?EIO=4&transport=polling": "404 ",
		"/a/b.io/socket.io.js": "404 Not found. This server was built without the browser client",
	} {
		if strings.HasSuffix(path, ".js") && hasBundle() {
			want = "200 "
		}
		if got := n.get(t, path); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %.200s, want %s", path, got, want)
		}
	}
	join(t, n.client(t, sioclient.Config{Path: "/a/b.io/"}), "r", "")
}

func hasBundle() bool {
	_, err := os.Stat("client/socket.io.js")
	return err == nil
}

// The browser client is served as the reference server does, where this was built with it, else there is a hint. `make client` brings it.
func TestBundle(t *testing.T) {
	n := start(t, server.Config{})
	for _, path := range []string{"none.js", "README.md", "..%2fbundle.go", "socket.io.js/", "client/socket.io.js"} {
		if res := n.fetch(t, http.MethodGet, "/socket.io/"+path, http.Header{}); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
	if !hasBundle() {
		if got := n.get(t, "/socket.io/socket.io.min.js"); !strings.HasPrefix(got, "404 Not found. This server was built without the browser client: build it with `make`") {
			t.Errorf("no bundle: %s", got)
		}
		return
	}
	files, err := fs.Glob(os.DirFS("client"), "socket.io.*")
	if err != nil || len(files) < 3 {
		t.Fatalf("files in client: %v, %v", files, err)
	}
	for _, name := range files {
		content, err := os.ReadFile("client/" + name)
		if err != nil {
			t.Fatal(err)
		}
		n.checkBundle(t, "/socket.io/"+name, content)
	}
}

func (n *node) checkBundle(t *testing.T, path string, content []byte) {
	t.Helper()
	want := "application/javascript; charset=utf-8"
	if strings.HasSuffix(path, ".map") {
		want = "application/json; charset=utf-8"
	}
	for _, encoding := range []string{"", "gzip, br"} {
		res, body := n.download(t, http.MethodGet, path, http.Header{"Accept-Encoding": {encoding}})
		if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != want || !bytes.Equal(body, content) {
			t.Errorf("%s, encoding %q: %s, %d bytes of %s", path, encoding, res.Status, len(body), res.Header.Get("Content-Type"))
		}
		etag := res.Header.Get("ETag")
		again, body := n.download(t, http.MethodGet, path, http.Header{"Accept-Encoding": {encoding}, "If-None-Match": {etag}})
		if etag == "" || again.StatusCode != http.StatusNotModified || len(body) > 0 {
			t.Errorf("%s, encoding %q, with ETag %s: %s, %d bytes", path, encoding, etag, again.Status, len(body))
		}
	}
	if res, body := n.download(t, http.MethodHead, path, http.Header{}); res.StatusCode != http.StatusOK || len(body) > 0 {
		t.Errorf("HEAD %s: %s", path, res.Status)
	}
	if res, body := n.download(t, http.MethodGet, path, http.Header{"Range": {"bytes=0-9"}, "Accept-Encoding": {"gzip"}}); res.StatusCode != http.StatusPartialContent ||
		!bytes.Equal(body, content[:10]) {
		t.Errorf("a part of %s: %s %q", path, res.Status, body)
	}
	if res, _ := n.download(t, http.MethodPost, path, http.Header{}); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST %s: %s", path, res.Status)
	}
}

// download returns an answer and its body, decoded.
func (n *node) download(t *testing.T, method, path string, header http.Header) (*http.Response, []byte) {
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
	defer res.Body.Close()
	var body io.Reader = res.Body
	if zipped := res.Header.Get("Content-Encoding") == "gzip"; zipped && res.StatusCode == http.StatusOK {
		if body, err = gzip.NewReader(res.Body); err != nil {
			t.Fatal(err)
		}
	}
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return res, data
}

// TestListen: an address of IPv4 is one of IPv4 only.
func TestListen(t *testing.T) {
	for address, want := range map[string]string{"0.0.0.0:0": "0.0.0.0", "127.0.0.1:0": "127.0.0.1"} {
		s, err := server.New(server.Config{Address: address, Redis: server.NoRedis})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop() // Run listens, and then stops
		if err := s.Listen(); err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if got, _, _ := net.SplitHostPort(s.Addr().String()); got != want {
			t.Errorf("%s: listens on %s, want %s", address, got, want)
		}
		if err := s.Run(ctx); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}
