package interop

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// pythons are the interpreters that backends of the Python ws-emit run in:
// what they publish depends on the age of their packages.
var pythons = []struct {
	name string
	path func(t testing.TB) string
}{
	{"python", func(t testing.TB) string { return pythonIn(t, "python") }},
	{"python-5.13", func(t testing.TB) string { return pythonIn(t, "python-5.13") }},
	{"python of Debian", func(t testing.TB) string { return debianPython(t, "")[0] }},
}

// javascript are the clients that pages have; those of the originals had the
// older one.
var javascript = kinds[:2]

// TestOriginalTime: the example time of the Python ws-emit, with its own
// backend: a page that joins as soon as it is connected sees each second.
func TestOriginalTime(t *testing.T) {
	t.Parallel()
	for _, python := range pythons {
		t.Run(python.name, func(t *testing.T) {
			path := python.path(t)
			r := startRedis(t)
			s := startServer(t, "--redis", r.url())
			r.subscribed(t, "flask-socketio")
			var clients []*client
			for _, k := range javascript {
				c := startDriver(t, k.command(t)).connect(t, k.name, s.url(), connectOptions{})
				c.expectConnect(t, "/")
				c.emit(t, "/", "join", object{"room": "time"})
				clients = append(clients, c)
			}
			start(t, nil, path, "python/time_backend.py", r.url())
			for _, c := range clients {
				last := 0.0
				for range 3 {
					n := c.next(t, "update")
					if n.Event != "update" || len(n.Args) != 1 {
						t.Fatalf("%s got %s", c.name, abridged(n))
					}
					about, _ := n.Args[0].(map[string]any)
					now, ok := about["time"].(float64)
					if !ok || len(about) != 1 || now <= last || now < 1_600_000_000 {
						t.Fatalf("%s got %s after the time %.0f", c.name, abridged(n), last)
					}
					last = now
				}
			}
		})
	}
}

// TestOriginalDir2web: the example dir2web of the Python ws-emit, with its own
// backend: pages join with the secret that the backend has put into Redis.
func TestOriginalDir2web(t *testing.T) {
	t.Parallel()
	for _, python := range pythons {
		t.Run(python.name, func(t *testing.T) {
			path := python.path(t)
			r := startRedis(t)
			s := startServer(t, "--redis", r.url())
			r.subscribed(t, "flask-socketio")
			dir, beside := t.TempDir(), t.TempDir()
			write := func(name, text string) {
				t.Helper()
				// Put in place at once: otherwise who looks meanwhile sees two changes.
				part := filepath.Join(beside, "part")
				if err := os.WriteFile(part, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(part, filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			write("a.txt", "one")
			web := startOriginalDir2web(t, path, r, dir)
			secret := web.get(t, "/_secret")

			// Joining as those pages do: nobody tells them whether it went well.
			var clients []*client
			for _, k := range javascript {
				c := startDriver(t, k.command(t)).connect(t, k.name, s.url(), connectOptions{})
				c.expectConnect(t, "/")
				c.emit(t, "/", "join", object{"room": "dir::_rescan", "secret": secret})
				c.emit(t, "/", "join", object{"room": "dir::a.txt", "secret": secret})
				clients = append(clients, c)
			}
			stranger := startDriver(t, javascript[0].command(t)).connect(t, "stranger", s.url(), connectOptions{})
			stranger.expectConnect(t, "/")
			stranger.emit(t, "/", "join", object{"room": "dir::a.txt", "secret": "a guess"})
			stranger.emit(t, "/", "join", object{"room": "dir::_rescan"})
			stranger.join(t, "/", "public")
			for _, room := range []string{"dir::a.txt", "dir::_rescan"} {
				eventually(t, "both pages are in "+room, func() bool { return s.receivers(t, room) == len(clients) })
			}

			expect := func(event string, data any) {
				t.Helper()
				for _, c := range clients {
					c.expectAfterCensus(t, event, data)
				}
			}
			write("a.txt", "one and two")
			expect("update", object{"file": "a.txt", "data": "modified"})
			if got := web.get(t, "/a.txt"); got != "one and two" {
				t.Errorf("the file is %q", got)
			}
			write("b.txt", "")
			expect("rescan", object{"data": "modified"})
			var names []string
			if err := json.Unmarshal([]byte(web.get(t, "/_list")), &names); err != nil || len(names) != 2 {
				t.Errorf("the list is %q, %v", names, err)
			}
			if err := os.Remove(filepath.Join(dir, "b.txt")); err != nil {
				t.Fatal(err)
			}
			expect("rescan", object{"data": "modified"})

			s.emit(t, object{"event": "marker", "room": "public"})
			stranger.expect(t, "/", "marker")
		})
	}
}

// expectAfterCensus is expect, but for what server.receivers has emitted.
func (c *client) expectAfterCensus(t testing.TB, event string, data any) {
	t.Helper()
	c.wait(t, event, func() bool {
		for len(c.notes) > 0 && c.notes[0].Event == "census" {
			c.notes = c.notes[1:]
		}
		return len(c.notes) > 0
	})
	c.expect(t, "/", event, data)
}

// site is what a backend serves.
type site string

func startOriginalDir2web(t testing.TB, python string, r *redis, dir string) site {
	t.Helper()
	addr := freeAddress(t)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, python, "python/dir2web_backend.py", r.url(), port, dir)
	eventually(t, "the backend listens", func() bool {
		if !p.running() {
			t.Fatalf("the backend ended at once: %v", p.err)
		}
		return listening(addr)
	})
	return site("http://" + addr)
}

func (s site) get(t testing.TB, path string) string {
	t.Helper()
	resp, err := http.Get(string(s) + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s answers %s: %v", path, resp.Status, err)
	}
	return string(body)
}
