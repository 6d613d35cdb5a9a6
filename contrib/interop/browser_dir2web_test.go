package interop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var dir2webProgram = program("WS_EMIT_DIR2WEB_BIN", "examples/dir2web")

// startExample starts a program that serves a page at addr, and is given the
// emit secret.
func startExample(t testing.TB, program func() (string, error), addr string, env []string, args ...string) *process {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	env = append(append(clean(os.Environ()), "SECRET="+emitSecret), env...)
	p := start(t, func(cmd *exec.Cmd) { cmd.Env = env }, path, append([]string{"--address", addr}, args...)...)
	eventually(t, "the example listens", func() bool {
		if !p.running() {
			t.Fatalf("%s ended at once: %v", filepath.Base(path), p.err)
		}
		return listening(addr)
	})
	return p
}

func (b *browser) click(t testing.TB, selector string) {
	t.Helper()
	b.d.order(t, object{"do": "click", "selector": selector})
}

// screenshots leaves pictures in a wide window, and on a phone in the dark.
func (b *browser) screenshots(t testing.TB, name string) {
	t.Helper()
	b.screenshot(t, name)
	b.d.order(t, object{"do": "look", "width": 390, "height": 780, "dark": true})
	b.screenshot(t, name+"-phone-dark")
	b.d.order(t, object{"do": "look", "width": 900, "height": 600})
}

// receivers is how many sockets an event goes to that no page knows.
func (s *server) receivers(t testing.TB, room string) int {
	t.Helper()
	body, err := json.Marshal(object{"event": "census", "room": room})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, s.url()+"/emit", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+emitSecret)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Receivers *int }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Receivers == nil {
		t.Fatalf("POST /emit answers %s without the receivers: %v", resp.Status, err)
	}
	return *answer.Receivers
}

// shown is a folder and the page that shows it.
type shown struct {
	*browser
	s       *server
	dir     string
	addr    string
	program *process
}

func (p *shown) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (p *shown) remove(t testing.TB, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(p.dir, name)); err != nil {
		t.Fatal(err)
	}
}

// choose clicks the name of a file in the list.
func (p *shown) choose(t testing.TB, name string) {
	t.Helper()
	p.click(t, fmt.Sprintf("nav span:text-is(%q)", name))
	p.has(t, "#name", name)
}

// live waits until the page has joined.
func (p *shown) live(t testing.TB) {
	t.Helper()
	p.has(t, "#state[data-state=connected]", "live")
}

// updates is what the page says of how many events it got. It would begin anew
// if the page were loaded again.
func (p *shown) updates(t testing.TB) int {
	t.Helper()
	var n int
	if text := p.has(t, "#count", "update"); text != "no updates" {
		if _, err := fmt.Sscanf(text, "%d update", &n); err != nil {
			t.Fatalf("#count is %q", text)
		}
	}
	return n
}

// showFolder opens the page of a folder with two files.
func showFolder(t testing.TB, b *browser, s *server, addr string, env ...string) *shown {
	t.Helper()
	needBundle(t, s)
	p := &shown{browser: b, s: s, dir: filepath.Join(t.TempDir(), "sites", "site"), addr: addr}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p.write(t, "build.log", "compile\n")
	p.write(t, "notes.txt", "first version\n")
	p.program = startExample(t, dir2webProgram, addr, env, "--url", s.url(), p.dir)
	p.open(t, "http://"+addr)
	return p
}

// TestBrowserDir2web: files appear, change and vanish on the page while it
// stays loaded.
func TestBrowserDir2web(t *testing.T) {
	b := startBrowser(t)
	t.Run("without Redis", func(t *testing.T) { testBrowserDir2web(t, b, "dir2web", "none") })
	t.Run("with Redis", func(t *testing.T) { testBrowserDir2web(t, b, "dir2web-redis", startRedis(t).url()) })
}

func testBrowserDir2web(t *testing.T, b *browser, name, redis string) {
	addr := freeAddress(t)
	s := startServer(t, "--cors", "http://"+addr, "--redis", redis)
	p := showFolder(t, b, s, addr)
	p.live(t)
	p.has(t, "#total", "2 files")
	p.screenshots(t, name+"-list")

	// Appear; a name is a name and no HTML.
	html := `<img src=x onerror=fail()> & "ü" %2e #1.txt`
	p.write(t, html, "<b>bold</b>")
	p.has(t, "#total", "3 files")
	if got, want := p.has(t, "#files", ""), html+"build.lognotes.txt"; got != want {
		t.Errorf("the list is %q, want %q", got, want)
	}
	p.choose(t, html)
	p.has(t, "#text", "<b>bold</b>")

	// Change.
	p.choose(t, "notes.txt")
	p.has(t, "#text", "first version")
	eventually(t, "the page joins the room of the file", func() bool { return s.receivers(t, "dir::notes.txt") == 1 })
	p.write(t, "notes.txt", "second version, with <script>fail()</script> and grüße\n")
	p.has(t, "#text", "second version")
	p.has(t, "#about", "changed at")
	p.write(t, "notes.txt", listing)
	p.has(t, "#text", "third version")
	p.screenshots(t, name)

	// Vanish, and appear again.
	p.remove(t, "notes.txt")
	p.has(t, "#say", "not in the folder")
	p.has(t, "#total", "2 files")
	p.screenshot(t, name+"-vanished")
	p.write(t, "notes.txt", "it is back\n")
	p.has(t, "#text", "it is back")
	p.has(t, "#total", "3 files")
	if n := p.updates(t); n < 6 {
		t.Errorf("the page got %d events, want at least one for each change: it was loaded again", n)
	}

	// ws-emit is started again; without Redis it has forgotten the secret.
	s.process.kill()
	p.has(t, "#state", "disconnected")
	p.write(t, "notes.txt", "changed while nobody could tell\n")
	p.write(t, "while away", "")
	s.start(t)
	p.live(t)
	p.has(t, "#total", "4 files")
	p.has(t, "#text", "while nobody could tell")
	eventually(t, "the page joins again", func() bool { return s.receivers(t, "dir::notes.txt") == 1 })
	p.write(t, "notes.txt", "and live again\n")
	p.has(t, "#text", "and live again")
	p.expectNoProblems(t)
}

// listing is what a file of some lines looks like.
var listing = "# Notes, third version\n\n" + strings.Repeat("Every line of this file is on the page as soon as it is written, however long it may be: "+
	"a long one is broken where the window ends.\n\n\tindented(\"by a tab\")\n\n", 5)

// TestBrowserDir2webLeave: who opens another file leaves the room of the first
// one; a page that had not left would still be told.
func TestBrowserDir2webLeave(t *testing.T) {
	addr := freeAddress(t)
	s := startServer(t, "--cors", "http://"+addr)
	p := showFolder(t, startBrowser(t), s, addr)
	p.live(t)
	joined := func(room string, want int) {
		t.Helper()
		eventually(t, fmt.Sprintf("%d pages are in %s", want, room), func() bool { return s.receivers(t, room) == want })
	}
	p.choose(t, "notes.txt")
	joined("dir::notes.txt", 1)
	p.choose(t, "build.log")
	joined("dir::build.log", 1)
	joined("dir::notes.txt", 0)
	joined("dir::_rescan", 1)

	update := object{"file": "build.log", "data": "modified"}
	before := p.updates(t)
	s.emit(t, object{"event": "update", "room": "dir::notes.txt", "data": update})
	s.emit(t, object{"event": "update", "room": "dir::build.log", "data": update})
	p.changes(t, "#about", "8 bytes") // the second one has come
	if n := p.updates(t); n != before+1 {
		t.Errorf("the page got %d events, want one: it is still in the room of a file that is not open", n-before)
	}

	// Who changes their mind while the page still asks for the secret has not
	// joined after they left.
	for range 5 {
		p.d.order(t, object{"do": "run", "script": `new Promise((done) => {
			location.hash = "notes.txt";
			setTimeout(() => { location.hash = "build.log"; done(); });
		})`})
		p.has(t, "#name", "build.log")
	}
	joined("dir::build.log", 1)
	joined("dir::notes.txt", 0)
	p.expectNoProblems(t)
}

// TestBrowserDir2webRefused: when the page cannot join, it says why and what
// to do, and shows the files all the same.
func TestBrowserDir2webRefused(t *testing.T) {
	addr := freeAddress(t)
	s := startServer(t, "--cors", "http://"+addr, "--roomspace", "dir=another secret")
	b := startBrowser(t)
	t.Run("wrong secret", func(t *testing.T) {
		p := showFolder(t, b, s, addr)
		p.has(t, "#hint", "refuses the secret of this page")
		p.has(t, "#hint", "SPACE_SECRET")
		p.has(t, "#state", "not live")
		p.choose(t, "notes.txt")
		p.has(t, "#text", "first version")
		p.screenshots(t, "dir2web-wrong-secret")
		p.expectNoProblems(t)
	})
	t.Run("as the message says", func(t *testing.T) {
		p := showFolder(t, b, s, addr, "SPACE_SECRET=another secret")
		p.live(t)
		p.write(t, "new", "")
		p.has(t, "#total", "3 files")
	})
	t.Run("wrong emit secret", func(t *testing.T) {
		p := showFolder(t, b, s, addr, "SECRET=wrong")
		p.has(t, "#hint", "another emit secret")
		p.has(t, "#state", "not live")
		p.has(t, "#total", "2 files")
	})
}

// TestBrowserDir2webGone: a page that dir2web no longer answers says so, and
// goes on when it answers again.
func TestBrowserDir2webGone(t *testing.T) {
	addr := freeAddress(t)
	s := startServer(t, "--cors", "http://"+addr)
	b := startBrowser(t)
	p := showFolder(t, b, s, addr)
	p.live(t)
	p.choose(t, "notes.txt")
	p.has(t, "#text", "first version")
	rename := func(path string) {
		if err := os.Rename(path, path+"2"); err != nil {
			t.Fatal(err)
		}
	}
	outer := t // until which the programs run
	for name, end := range map[string]func(){
		"killed": func() { // it tells nobody; the page finds out when somebody comes back to it
			p.program.kill()
			p.d.order(t, object{"do": "run", "script": `dispatchEvent(new Event("focus"))`})
		},
		"stopped":      func() { p.program.stop(t) },
		"moved":        func() { rename(p.dir) },
		"parent moved": func() { rename(filepath.Dir(p.dir)) },
	} {
		t.Run(name, func(t *testing.T) {
			end()
			p.has(t, "#state", "not live")
			p.has(t, "#hint", "dir2web does not answer")
			p.has(t, "#files", "notes.txt")
			if name == "stopped" {
				p.screenshots(t, "dir2web-gone")
			}
			<-p.program.exited
			if err := os.MkdirAll(p.dir, 0o755); err != nil {
				t.Fatal(err)
			}
			p.write(t, "notes.txt", "written while "+name)
			p.program = startExample(outer, dir2webProgram, addr, nil, "--url", s.url(), p.dir)
			p.live(t)
			p.has(t, "#text", "written while "+name)
			p.write(t, "notes.txt", "live again after "+name)
			p.has(t, "#text", "live again after "+name)
			p.d.order(t, object{"do": "run", "script": `document.querySelector("#hint").hidden || Promise.reject(new Error("the hint stays"))`})
		})
	}
	p.expectNoProblems(t)
}

// TestBrowserDir2webOddFiles: a name that is too long for a room, a large
// file, and what is no text.
func TestBrowserDir2webOddFiles(t *testing.T) {
	addr := freeAddress(t)
	s := startServer(t, "--cors", "http://"+addr)
	p := showFolder(t, startBrowser(t), s, addr)
	p.live(t)
	long := strings.Repeat("n", 251)
	p.write(t, long, "long name")
	p.write(t, "large", "begin "+strings.Repeat("ü", 200<<10)+" end")
	p.write(t, "picture", "\x89PNG\r\n\x1a\n\x00")
	p.write(t, "empty", "")
	p.has(t, "#total", "6 files")

	p.choose(t, long)
	p.has(t, "#text", "long name")
	p.has(t, "#hint", "too long for a room")
	p.screenshots(t, "dir2web-long-name")
	p.choose(t, "large")
	if text := p.has(t, "#text", "begin"); len(text) > 300<<10 || strings.Contains(text, "end") || strings.Contains(text, "\ufffd") {
		t.Errorf("shows %d bytes of a large file", len(text))
	}
	p.has(t, "#about", "the first 256 KiB of 400 KiB")
	p.choose(t, "picture")
	p.has(t, "#say", "no text: 9 bytes")
	p.has(t, "#say a", "Download")
	p.choose(t, "empty")
	p.has(t, "#about", "0 bytes")
	eventually(t, "the page joins", func() bool { return s.receivers(t, "dir::empty") == 1 })
	p.live(t)
	// The long name does not keep others from being told.
	p.write(t, long, "changed")
	p.write(t, "empty", "no more")
	p.has(t, "#text", "no more")
	p.expectNoProblems(t)
}
