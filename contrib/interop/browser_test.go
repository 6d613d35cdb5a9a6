package interop

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// browser is a page in Chromium.
type browser struct {
	d *driver
}

func startBrowser(t testing.TB) *browser {
	t.Helper()
	return &browser{startDriver(t, nodeScript(t, "browser.mjs", chromium(t)))}
}

// chromium returns the path of the system's Chromium; distributions have two
// names for it.
func chromium(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path
	}
	if path, err := exec.LookPath("chromium-browser"); err == nil {
		return path
	}
	return need(t, "chromium")
}

func (b *browser) open(t testing.TB, url string) {
	t.Helper()
	b.d.order(t, object{"do": "open", "url": url})
}

// has waits until the text of an element has a part, and returns it whole.
func (b *browser) has(t testing.TB, selector, part string) string {
	t.Helper()
	return b.text(t, object{"do": "text", "selector": selector, "has": part})
}

// changes waits until the text of an element is another one, and returns it.
func (b *browser) changes(t testing.TB, selector, from string) string {
	t.Helper()
	return b.text(t, object{"do": "text", "selector": selector, "not": from})
}

func (b *browser) text(t testing.TB, order object) string {
	t.Helper()
	var text string
	if err := json.Unmarshal(b.d.order(t, order), &text); err != nil {
		t.Fatal(err)
	}
	return text
}

// screenshot leaves a picture for people to look at.
func (b *browser) screenshot(t testing.TB, name string) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("artifacts", name+".png"))
	if err != nil {
		t.Fatal(err)
	}
	b.d.order(t, object{"do": "screenshot", "path": path})
	t.Logf("screenshot: %s", path)
}

func (b *browser) expectNoProblems(t testing.TB) {
	t.Helper()
	if got := string(b.d.order(t, object{"do": "problems"})); got != "[]" {
		t.Errorf("scripts of the page threw %s", got)
	}
}

// startTime starts the time example at addr, whose origin the server accepts.
// It emits to the server every second.
func startTime(t testing.TB, addr string, s *server, args ...string) {
	t.Helper()
	path, err := timeProgram()
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"--address", addr, "--url", s.url()}, args...)
	p := start(t, func(cmd *exec.Cmd) { cmd.Env = append(clean(os.Environ()), "SECRET="+emitSecret) }, path, args...)
	eventually(t, "the time example listens", func() bool {
		if !p.running() {
			t.Fatalf("the time example ended at once: %v", p.err)
		}
		return listening(addr)
	})
}

// needBundle ends a test that cannot run with a server that has no client to
// serve.
func needBundle(t testing.TB, s *server) {
	t.Helper()
	resp, err := http.Get(s.url() + "/socket.io/socket.io.js")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		unavailable(t, "this build of ws-emit has no browser client; `make build` with npm gives it one")
	}
}

// TestBrowserTime looks at the page of the time example, as its users do.
func TestBrowserTime(t *testing.T) {
	t.Run("by HTTP", func(t *testing.T) { testBrowserTime(t, "time-http", "none") })
	t.Run("by Redis", func(t *testing.T) {
		r := startRedis(t)
		testBrowserTime(t, "time-redis", r.url(), "--redis", r.url())
	})
}

func testBrowserTime(t *testing.T, name, redis string, args ...string) {
	addr := freeAddress(t)
	s := startServer(t, "--cors", "http://"+addr, "--redis", redis)
	needBundle(t, s)
	startTime(t, addr, s, args...)
	b := startBrowser(t)
	b.open(t, "http://"+addr)

	b.has(t, "#state", "connected over websocket")
	shown := b.has(t, "#time", ":")
	for range 2 {
		shown = b.changes(t, "#time", shown)
	}
	s.emit(t, object{"event": "message", "room": "time", "data": object{"text": "grüße from a backend"}})
	b.has(t, "#message", "grüße from a backend")
	b.screenshot(t, name)

	// The server goes and comes back; so does the page, by itself.
	s.process.kill()
	b.has(t, "#state", "disconnected")
	shown = b.has(t, "#time", ":")
	b.screenshot(t, name+"-disconnected")
	s.start(t)
	b.has(t, "#state", "connected over websocket")
	b.changes(t, "#time", shown)
	b.expectNoProblems(t)
}

// TestBrowserWithoutBundle: where the server was built without the browser
// client, the page says so instead of staying empty.
func TestBrowserWithoutBundle(t *testing.T) {
	addr := freeAddress(t)
	s := startServer(t, "--cors", "http://"+addr)
	startTime(t, addr, s)
	b := startBrowser(t)
	b.d.order(t, object{"do": "open", "url": "http://" + addr, "without": "**/socket.io.js"})
	b.has(t, "#hint", "no browser client")
	b.screenshot(t, "time-without-bundle")
	b.expectNoProblems(t)
}

// loads are the ways in which a page may get the client from the server.
var loads = map[string]string{
	"script":   `<script src="%[1]s/socket.io/socket.io.js"></script><script>go(io)</script>`,
	"minified": `<script src="%[1]s/socket.io/socket.io.min.js"></script><script>go(io)</script>`,
	"module":   `<script type="module">import { io } from "%[1]s/socket.io/socket.io.esm.min.js"; go(io)</script>`,
}

const clientPage = `<!doctype html><title>interop</title><p id="log"></p><script>
const log = (...what) => document.getElementById("log").append(JSON.stringify(what) + "\n");
function go(io) {
	const socket = io(%q, {withCredentials: true, transports: %s});
	socket.on("connect", () => socket.emit("join", {room: "dir::a", secret: "S1"}, (answer) => log(answer)));
	socket.on("connect_error", (err) => log("connect_error", err.message));
	socket.onAny((event, ...args) => log(event, ...args.map((a) => a instanceof ArrayBuffer ? [...new Uint8Array(a)] : a)));
}
</script>`

// clientPages serves pages at /LOAD/TRANSPORT that connect to the server.
func clientPages(t testing.TB, s *server) http.Handler {
	t.Helper()
	pages := http.NewServeMux()
	for name, load := range loads {
		for _, tr := range transports {
			offer, err := json.Marshal(tr.offer)
			if err != nil {
				t.Fatal(err)
			}
			page := fmt.Sprintf(clientPage, s.url(), offer) + fmt.Sprintf(load, s.url())
			pages.HandleFunc("/"+name+"/"+tr.name, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				_, _ = io.WriteString(w, page) // the browser asks again
			})
		}
	}
	return pages
}

// TestBrowserBundle: a page of another origin, with credentials, gets the
// client from the server, joins a room-space and receives text and binary.
func TestBrowserBundle(t *testing.T) {
	r := startRedis(t)
	web := httptest.NewUnstartedServer(nil)
	_, port, err := net.SplitHostPort(web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	// localhost is another site than 127.0.0.1, so credentials and CORS count.
	origin := "http://localhost:" + port
	s := startServer(t, "--cors", origin, "--redis", r.url(), "--roomspace", "dir=S1")
	web.Config.Handler = clientPages(t, s)
	web.Start()
	defer web.Close()
	needBundle(t, s)
	r.subscribed(t, "socketio")
	python := line{publisher{name: "python-socketio"}, startDriver(t, pythonScript(t, "publish.py", r.url()))}
	b := startBrowser(t)
	for load := range loads {
		for _, tr := range transports {
			t.Run(load+" "+tr.name, func(t *testing.T) {
				b.open(t, origin+"/"+load+"/"+tr.name)
				b.has(t, "#log", `{"ok":true,"room":"dir::a"}`)
				s.emit(t, object{"event": "text", "room": "dir::a", "args": []any{"grüße 🎉", 2}})
				b.has(t, "#log", `["text","grüße `+"🎉"+`",2]`)
				python.emit(t, emission{event: "bytes", args: []any{bin(1, 2, 255)}, rooms: []string{"dir::a"}})
				b.has(t, "#log", `["bytes",[1,2,255]]`)
			})
		}
	}
	b.expectNoProblems(t)
}

// TestBrowserOrigin: a page of an origin that --cors does not have cannot
// connect, neither by polling nor by WebSocket.
func TestBrowserOrigin(t *testing.T) {
	s := startServer(t, "--cors", "http://allowed.example")
	needBundle(t, s)
	web := httptest.NewServer(clientPages(t, s))
	defer web.Close()
	b := startBrowser(t)
	for _, transport := range []string{"polling", "websocket"} { // an upgrade begins as polling
		t.Run(transport, func(t *testing.T) {
			b.open(t, web.URL+"/script/"+transport)
			b.has(t, "#log", `["connect_error",`)
		})
	}
}
