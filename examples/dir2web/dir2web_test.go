package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/ws-emit/ws-emit/emitter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	outside    = "what stands outside of the folder"
	emitSecret = "correct horse" // no word of any message
)

// write makes or changes a file, and the folders that it stands in.
func write(t *testing.T, text string, path ...string) {
	t.Helper()
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// someFolder has what a folder may have, beside a file that is not in it.
func someFolder(t *testing.T) folder {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "dir")
	write(t, outside, top, "x")
	write(t, "a", dir, "a.txt")
	write(t, "b", dir, "grüße & <b> %2e 100%.txt")
	write(t, "<script>", dir, "evil.html")
	write(t, "", dir, "empty")
	write(t, strings.Repeat("x", 1000), dir, "long")
	for _, hidden := range []string{".env", ".git/config", "sub/file", "_list", "_secret", "_rescan", "not\xffUTF-8"} {
		write(t, outside, dir, hidden)
	}
	for name, to := range map[string]string{"out": "../x", "absolute": filepath.Join(top, "x"), "in": "sub/file", "up": "..", "down": "sub"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return folder(dir)
}

// wsEmit is what dir2web sees of ws-emit.
type wsEmit struct {
	*httptest.Server
	status int // of PUT /roomspaces

	mu      sync.Mutex // guards the following
	secrets []string   // that were put
	batches [][]emitter.Message
	onEmit  func() // may be nil
}

func startWsEmit(t *testing.T, status int) *wsEmit {
	t.Helper()
	e := &wsEmit{status: status}
	mux := http.NewServeMux()
	mux.Handle("POST /emit", emitter.NewHandler(emitter.HTTPConfig{Secret: emitSecret, Sink: e}))
	mux.HandleFunc("PUT /roomspaces/dir", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "Bearer "+emitSecret || r.Header.Get("Content-Type") != "text/plain" {
			t.Errorf("PUT /roomspaces/dir with %v", r.Header)
		}
		e.mu.Lock()
		e.secrets = append(e.secrets, string(body))
		e.mu.Unlock()
		w.WriteHeader(e.status)
	})
	e.Server = httptest.NewServer(mux)
	t.Cleanup(e.Close)
	return e
}

func (e *wsEmit) Emit(_ context.Context, batch []emitter.Message) (emitter.Receipt, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.batches = append(e.batches, slices.Clone(batch))
	if e.onEmit != nil {
		e.onEmit()
	}
	return emitter.Receipt{}, nil
}

func (e *wsEmit) config() config {
	return config{address: "127.0.0.1:0", url: e.URL + "/", browserURL: e.URL + "/", secret: emitSecret, space: "dir", spaceSecret: "S1"}
}

func (e *wsEmit) space(t *testing.T) *space {
	t.Helper()
	s, err := newSpace(e.config())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func startPages(t *testing.T, e *wsEmit) *httptest.Server {
	t.Helper()
	files := someFolder(t)
	web := httptest.NewServer(pages(e.config(), files, e.space(t), slog.New(slog.DiscardHandler)))
	t.Cleanup(web.Close)
	return web
}

// get sends a path as it is: HTTP clients tidy it up.
func get(t *testing.T, web *httptest.Server, path string, header ...string) (*http.Response, string) {
	t.Helper()
	return getFrom(t, web, "localhost", path, header...)
}

// getFrom calls the server by the name of host.
func getFrom(t *testing.T, web *httptest.Server, host, path string, header ...string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	request := "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n"
	for _, line := range header {
		request += line + "\r\n"
	}
	if _, err := io.WriteString(c, request+"\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestList(t *testing.T) {
	web := startPages(t, startWsEmit(t, 204))
	resp, body := get(t, web, "/_list")
	want := `["a.txt","empty","evil.html","grüße \u0026 \u003cb\u003e %2e 100%.txt","long"]` + "\n"
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" || body != want {
		t.Errorf("GET /_list: %s %s %s, want %s", resp.Status, resp.Header.Get("Content-Type"), body, want)
	}
	if names, err := folder(t.TempDir()).list(); err != nil || names == nil || len(names) > 0 {
		t.Errorf("an empty folder: %v, %v", names, err)
	}
}

func TestFile(t *testing.T) {
	web := startPages(t, startWsEmit(t, 204))
	for path, want := range map[string]string{
		"/a.txt":     "a",
		"/empty":     "",
		"/evil.html": "<script>",
		"/gr%C3%BC%C3%9Fe%20%26%20%3Cb%3E%20%252e%20100%25.txt": "b",
	} {
		resp, body := get(t, web, path, "Range: bytes=0-9")
		if resp.StatusCode/100 != 2 || body != want {
			t.Errorf("GET %s: %s %q, want %q", path, resp.Status, body, want)
		}
		// A browser that opens it must not run it.
		for name, want := range map[string]string{"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": "sandbox", "Cache-Control": "no-store"} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("GET %s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
	resp, body := get(t, web, "/long", "Range: bytes=0-9")
	if resp.StatusCode != 206 || body != "xxxxxxxxxx" || resp.Header.Get("Content-Range") != "bytes 0-9/1000" {
		t.Errorf("the beginning of a file: %s %q of %q", resp.Status, body, resp.Header.Get("Content-Range"))
	}
}

// TestOutside: nothing but the files of the folder is served, whatever a
// browser or anything else asks for.
func TestOutside(t *testing.T) {
	web := startPages(t, startWsEmit(t, 204))
	for _, path := range []string{
		"/../x", "/../../x", "/a.txt/../../x", "//x", "//etc/passwd", "/./../x",
		"/%2e%2e/x", "/%2e%2e%2fx", "/..%2fx", "/..%2Fx", "/%2e%2e%5cx", "/..%5cx", "/%252e%252e/x", "/..%00/x", "/%2fetc%2fpasswd",
		"/..", "/.", "/%2e%2e", "/%2e", "/%2f", "/%00", "/a.txt%00", "/a.txt/", "/a.txt%2f",
		"/.env", "/%2eenv", "/.git/config", "/.git%2fconfig", "/.git", "/sub/file", "/sub%2ffile", "/sub", "/_rescan",
		"/out", "/absolute", "/in", "/up", "/up/x", "/up%2fx", "/down", "/down/file", "/down%2ffile", "/not%ffUTF-8", "/nothing",
	} {
		resp, body := get(t, web, path)
		for range 5 { // a tidied path is answered with a redirect
			if resp.StatusCode/100 != 3 {
				break
			}
			resp, body = get(t, web, resp.Header.Get("Location"))
		}
		// "/.." tidied up is "/", the page.
		isPage := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html")
		if strings.Contains(body, outside) || strings.Contains(body, "root:") || resp.StatusCode == 200 && !isPage {
			t.Errorf("GET %s: %s %.60q", path, resp.Status, body)
		}
		if resp.StatusCode != 200 && resp.StatusCode != 404 && resp.StatusCode != 400 {
			t.Errorf("GET %s: %s, want 404", path, resp.Status)
		}
	}
	resp, err := http.Post(web.URL+"/a.txt", "text/plain", strings.NewReader("new"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 405 {
		t.Errorf("POST /a.txt: %s", resp.Status)
	}
}

// TestSecret: ws-emit knows the secret before the page does, each time.
func TestSecret(t *testing.T) {
	for status, want := range map[int]struct {
		status int
		has    string
	}{
		204: {200, "S1"},
		409: {200, "S1"}, // given with --roomspace, maybe the same one
		400: {503, "400 Bad Request"},
		403: {503, "another emit secret"},
		404: {503, "no emit secret"},
		503: {503, "503 Service Unavailable"},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			e := startWsEmit(t, status)
			web := startPages(t, e)
			for i := range 2 {
				resp, body := get(t, web, "/_secret")
				if resp.StatusCode != want.status || !strings.Contains(body, want.has) || want.status == 200 && body != want.has {
					t.Errorf("GET /_secret: %s %q, want %d %q", resp.Status, body, want.status, want.has)
				}
				if strings.Contains(body, emitSecret) || want.status != 200 && strings.Contains(body, "S1") {
					t.Errorf("GET /_secret tells a secret: %q", body)
				}
				if resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("X-Content-Type-Options") != "nosniff" ||
					!strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
					t.Errorf("GET /_secret has header %v", resp.Header)
				}
				if len(e.secrets) != i+1 || e.secrets[i] != "S1" {
					t.Errorf("ws-emit was told %q", e.secrets)
				}
			}
		})
	}
	e := startWsEmit(t, 204)
	web := startPages(t, e)
	e.Close()
	if resp, body := get(t, web, "/_secret"); resp.StatusCode != 503 || strings.Contains(body, "S1") {
		t.Errorf("with ws-emit away GET /_secret: %s %q", resp.Status, body)
	}
}

// TestNoSecret: the rules of a client do not say what to do.
func TestNoSecret(t *testing.T) {
	if _, err := newSpace(config{url: "http://localhost:8899"}); err == nil || err.Error() != "give the emit secret of ws-emit in SECRET" {
		t.Errorf("without a secret: %v", err)
	}
}

// TestHost: a name that is somebody else's may be made to point here, and then
// a browser takes the page of theirs for one of dir2web's own.
func TestHost(t *testing.T) {
	e := startWsEmit(t, 204)
	start := func(address, host string) *httptest.Server {
		c := e.config()
		c.address, c.host = address, host
		web := httptest.NewServer(pages(c, someFolder(t), e.space(t), slog.New(slog.DiscardHandler)))
		t.Cleanup(web.Close)
		return web
	}
	local, named, proxied, everywhere := start("localhost:7788", ""), start("files.lan:7788", ""), start("127.0.0.1:7788", "files.example"), start(":7788", "")
	for _, tt := range []struct {
		web  *httptest.Server
		host string
		ok   bool
	}{
		{local, "localhost:7788", true}, {local, "LOCALHOST:7788", true}, {local, "localhost", true},
		{local, "127.0.0.1:7788", true}, {local, "192.168.1.5:7788", true}, {local, "[::1]:7788", true}, {local, "[::1]", true},
		{local, "evil.example:7788", false}, {local, "evil.example", false}, {local, "localhost.evil.example:7788", false},
		{local, "127.0.0.1.evil.example:7788", false}, {local, "files.lan:7788", false}, {local, "", false}, {local, ":7788", false},
		{named, "files.lan:7788", true}, {named, "localhost:7788", true}, {named, "lan:7788", false},
		{proxied, "files.example", true}, {proxied, "127.0.0.1:7788", true}, {proxied, "evil.example", false},
		{everywhere, "localhost:7788", true}, {everywhere, "", false}, {everywhere, ":7788", false}, {everywhere, "evil.example:7788", false},
	} {
		e.secrets = nil
		for _, path := range []string{"/", "/_secret", "/_list", "/a.txt"} {
			resp, body := getFrom(t, tt.web, tt.host, path)
			if tt.ok && resp.StatusCode != 200 {
				t.Errorf("GET %s of %q: %s %s", path, tt.host, resp.Status, body)
			}
			if !tt.ok && (resp.StatusCode != 421 || !strings.Contains(body, "--host") || strings.Contains(body, "S1")) {
				t.Errorf("GET %s of %q: %s %.100q, want 421 and what to do", path, tt.host, resp.Status, body)
			}
		}
		if !tt.ok && len(e.secrets) > 0 {
			t.Errorf("a page of %q makes dir2web ask ws-emit", tt.host)
		}
	}
}

func TestPage(t *testing.T) {
	e := startWsEmit(t, 204)
	c := e.config()
	c.browserURL, c.space = "https://live.example/", `</script>"`
	answer := httptest.NewRecorder()
	pages(c, "/a/<b>", e.space(t), slog.Default()).ServeHTTP(answer, httptest.NewRequest("GET", "http://localhost/", nil))
	if body := answer.Body.String(); answer.Code != 200 || !strings.Contains(body, `const url = "https://live.example", space = "\u003c/script\u003e\""`) ||
		!strings.Contains(body, `<code title="/a/&lt;b&gt;">&lt;b&gt;</code>`) {
		t.Errorf("%d, and the page does not know where ws-emit is, the room-space or the folder", answer.Code)
	}
}

// TestTell: who looks at the list and who looks at a file is told.
func TestTell(t *testing.T) {
	e := startWsEmit(t, 204)
	files := someFolder(t)
	s := e.space(t)
	longestName := strings.Repeat("x", 250) // with dir:: 255 bytes
	seen := changes{list: true, files: map[string]struct{}{"a.txt": {}, longestName: {}, longestName + "x": {}}}
	if err := s.tell(t.Context(), seen, files); err != nil {
		t.Fatal(err)
	}
	expectMessages(t, e.batches, []string{`rescan dir::_rescan {"data":"modified"}`, `update dir::a.txt {"data":"modified","file":"a.txt"}`,
		`update dir::` + longestName + ` {"data":"modified","file":"` + longestName + `"}`})

	// When it is not known which files, all of them.
	e.batches = nil
	if err := s.tell(t.Context(), changes{list: true, any: true}, files); err != nil {
		t.Fatal(err)
	}
	if n := len(e.batches[0]); len(e.batches) != 1 || n != 6 {
		t.Errorf("%d messages in %d emits, want rescan and one for each of 5 files", n, len(e.batches))
	}

	// ws-emit takes so many at once, and no more.
	e.batches = nil
	many := changes{files: map[string]struct{}{}}
	for i := range perEmit + 1 {
		many.files[fmt.Sprint(i)] = struct{}{}
	}
	if err := s.tell(t.Context(), many, files); err != nil {
		t.Fatal(err)
	}
	if len(e.batches) != 2 || len(e.batches[0]) != perEmit || len(e.batches[1]) != 1 {
		t.Errorf("%d emits, want two", len(e.batches))
	}
}

func expectMessages(t *testing.T, batches [][]emitter.Message, want []string) {
	t.Helper()
	var got []string
	for _, batch := range batches {
		for _, m := range batch {
			got = append(got, fmt.Sprintf("%s %s %s", m.Event, strings.Join(m.Rooms, ","), m.Args[0]))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("emitted\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
