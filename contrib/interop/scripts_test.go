package interop

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// emitScript is a script of examples/emit that users copy.
type emitScript struct {
	file    string
	from    string // what the title that it emits ends with
	byRedis bool
	command func(t testing.TB, file string) []string
}

var emitScripts = []emitScript{
	{"emit.sh", "curl", false, with("sh", "curl")},
	{"emit-redis.sh", "redis-cli", true, with("sh", "redis-cli")},
	{"emit.py", "Python", false, with("python3")},
	{"emit-redis.py", "python-socketio", true, withPythonPackages},
	{"emit-redis-flask.py", "Flask-SocketIO", true, withPythonPackages},
	{"emit.mjs", "Node", false, with("node")},
	{"emit-redis.mjs", "redis-emitter", true, withNodePackages},
	{"emit.php", "PHP", false, with("php")},
	{"emit-redis.php", "PHP", true, with("php")},
	{"emit.rb", "Ruby", false, with("ruby")},
	{"emit-redis.rb", "Ruby", true, with("ruby")},
	{"emit.pl", "Perl", false, with("perl")},
	{"emit-redis.pl", "Perl", true, with("perl")},
	{"go", "Go", false, built},
	{"go-redis", "Go", true, built},
	{"Emit.java", "Java", false, withJava},
}

// with runs a script by the first of the programs; it needs them all.
func with(programs ...string) func(testing.TB, string) []string {
	return func(t testing.TB, file string) []string {
		t.Helper()
		for _, p := range programs {
			need(t, p)
		}
		return []string{need(t, programs[0]), file}
	}
}

func withPythonPackages(t testing.TB, file string) []string {
	t.Helper()
	return []string{pythonIn(t, "python"), file}
}

// withNodePackages runs a copy of the script beside the packages that it
// imports, as Node wants it.
func withNodePackages(t testing.TB, file string) []string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Symlink(nodePackages(t, "node-publishers"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, filepath.Base(file))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{need(t, "node"), file}
}

// withJava runs a source file, which takes the compiler. `make setup` does not
// install one: it is large for one script.
func withJava(t testing.TB, file string) []string {
	t.Helper()
	if _, err := exec.LookPath("javac"); err != nil {
		t.Skip("there is no Java compiler (package default-jdk-headless), and make setup does not install it")
	}
	return []string{need(t, "java"), file}
}

func built(t testing.TB, file string) []string {
	t.Helper()
	path, err := build(filepath.Join("examples", "emit", filepath.Base(file)))
	if err != nil {
		t.Fatal(err)
	}
	return []string{path}
}

// run runs the script with only what it documents in its environment.
func (e emitScript) run(t testing.TB, env ...string) (string, error) {
	t.Helper()
	// Java compiles first, which takes a busy machine long.
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	command := e.command(t, filepath.Join("..", "..", "examples", "emit", e.file))
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(clean(os.Environ()), env...)
	said, err := cmd.CombinedOutput()
	return string(said), err
}

// forEachScript runs test for all scripts by HTTP, or for all by Redis.
func forEachScript(t *testing.T, byRedis bool, test func(*testing.T, emitScript)) {
	t.Helper()
	for _, e := range emitScripts {
		if e.byRedis == byRedis {
			t.Run(e.file, func(t *testing.T) { test(t, e) })
		}
	}
}

// expectEmitted runs the script, and waits for what it emits as a member of
// the room.
func (e emitScript) expectEmitted(t testing.TB, d *driver, s *server, env ...string) {
	t.Helper()
	c := d.connect(t, t.Name(), s.url(), connectOptions{})
	c.expectConnect(t, "/")
	c.join(t, "/", "news")
	defer c.disconnect(t, "/")
	if said, err := e.run(t, env...); err != nil {
		t.Fatalf("ends with %v: %s", err, said)
	}
	c.expect(t, "/", "update", object{"title": "Grüße from " + e.from})
}

// TestEmitScripts runs each of them as it stands.
func TestEmitScripts(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	s := startServer(t, "--redis", r.url())
	d := startDriver(t, kinds[0].command(t))
	forEachScript(t, true, func(t *testing.T, e emitScript) { e.expectEmitted(t, d, s, "REDIS="+r.url()) })
	forEachScript(t, false, func(t *testing.T, e emitScript) {
		url := "WS_EMIT_URL=" + s.url() + "/emit"
		// Whoever copies it must see that it went wrong.
		said, err := e.run(t, url, "SECRET=not "+emitSecret)
		if err == nil || !strings.Contains(said, "403") && !strings.Contains(said, "Incorrect secret") {
			t.Errorf("with a wrong secret it ends with %v and says %q, want an error that says why", err, said)
		}
		e.expectEmitted(t, d, s, url, "SECRET="+emitSecret)
	})
}

// TestEmitScriptsRedirected: a proxy that redirects, from http to https for
// instance, makes a GET of the POST in many a library, and the page that it
// ends at looks like success.
func TestEmitScriptsRedirected(t *testing.T) {
	t.Parallel()
	var delivered atomic.Bool
	web := http.NewServeMux()
	web.HandleFunc("/{status}", func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.PathValue("status"))
		http.Redirect(w, r, "/elsewhere/emit", status)
	})
	web.HandleFunc("/elsewhere/emit", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method == http.MethodPost && strings.Contains(string(body), "update") {
			delivered.Store(true)
		}
		_, _ = io.WriteString(w, "OK\n")
	})
	server := httptest.NewServer(web)
	t.Cleanup(server.Close)
	forEachScript(t, false, func(t *testing.T, e emitScript) {
		for _, status := range []string{"301", "302", "303", "307", "308"} {
			delivered.Store(false)
			said, err := e.run(t, "WS_EMIT_URL="+server.URL+"/"+status, "SECRET="+emitSecret)
			if err == nil && !delivered.Load() {
				t.Errorf("answered %s it ends well, and has delivered nothing; it says %q", status, said)
			}
		}
	})
}

// TestEmitScriptsPassword: a Redis may want a password, and a user.
func TestEmitScriptsPassword(t *testing.T) {
	t.Parallel()
	const password, coded = "correct:h@rse", "correct%3Ah%40rse"
	r := startRedis(t)
	r.cli(t, "ACL", "SETUSER", "backend", "on", ">"+password, ">simple", "+@all", "&*")
	r.cli(t, "ACL", "SETUSER", "default", "resetpass", ">simple")
	login := func(l string) string { return "REDIS=" + strings.Replace(r.url(), "//", "//"+l, 1) }
	s := startServer(t, "--redis", strings.TrimPrefix(login("backend:simple@"), "REDIS="))
	d := startDriver(t, kinds[0].command(t))
	forEachScript(t, true, func(t *testing.T, e emitScript) {
		for _, good := range []string{":simple@", "backend:simple@", "backend:" + coded + "@"} {
			if e.file == "emit-redis.sh" && strings.Contains(good, coded) {
				continue // it says that it cannot
			}
			e.expectEmitted(t, d, s, login(good))
		}
		for _, bad := range []string{"", ":wrong-one@", "backend:wrong-one@", "nobody:wrong-one@"} {
			if said, err := e.run(t, login(bad)); err == nil || strings.Contains(said, "wrong-one") {
				t.Errorf("with the login %q it ends with %v and says %q, want an error without the password", bad, err, said)
			}
		}
	})
}

// TestEmitScriptsPasswordHidden: everybody on the machine can read a command
// line.
func TestEmitScriptsPasswordHidden(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const tell = "#!/bin/sh\necho \"called with $*; in the environment $REDISCLI_AUTH\"\n"
	if err := os.WriteFile(filepath.Join(dir, "redis-cli"), []byte(tell), 0o755); err != nil {
		t.Fatal(err)
	}
	e := emitScript{file: "emit-redis.sh", command: with("sh")}
	said, err := e.run(t, "PATH="+dir+":"+os.Getenv("PATH"), "REDIS=redis://backend:pass:w@rd@cache.example:6380/0")
	called, environment, _ := strings.Cut(said, "; in the environment ")
	if err != nil || strings.Contains(called, "pass") || !strings.Contains(called, "redis://cache.example:6380/0") ||
		!strings.Contains(called, "backend") || environment != "pass:w@rd\n" {
		t.Errorf("ends with %v, redis-cli says %q", err, said)
	}
}

// TestEmitScriptsRedisAway: whoever copies it must see that it went wrong.
func TestEmitScriptsRedisAway(t *testing.T) {
	t.Parallel()
	away := "REDIS=redis://" + freeAddress(t) + "/0"
	forEachScript(t, true, func(t *testing.T, e emitScript) {
		if said, err := e.run(t, away); err == nil {
			t.Errorf("without a Redis it ends well, and says %q", said)
		}
	})
}

// TestEmitScriptsComplete: no script goes untested.
func TestEmitScriptsComplete(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(filepath.Join("..", "..", "examples", "emit"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		tested := slices.ContainsFunc(emitScripts, func(e emitScript) bool { return e.file == entry.Name() })
		if !tested && entry.Name() != "README.md" {
			t.Errorf("examples/emit/%s is not in emitScripts", entry.Name())
		}
	}
}

// TestUnitTriesAgain: an address that is not there yet is no reason for
// systemd to give up.
func TestUnitTriesAgain(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "contrib", "systemd", "ws-emit.service"))
	if err != nil {
		t.Fatal(err)
	}
	settings, service, _ := strings.Cut(string(text), "\n[Service]\n")
	if !strings.Contains(settings, "\nStartLimitIntervalSec=0\n") || !strings.Contains(service, "\nRestart=on-failure\n") {
		t.Error("the unit does not start the server again, or gives up after some tries")
	}
	path, err := wsEmitProgram()
	if err != nil {
		t.Fatal(err)
	}
	// An address for documents is nobody's.
	p := start(t, func(cmd *exec.Cmd) { cmd.Env = clean(os.Environ()) }, path, "--address", "192.0.2.1:8899", "--redis", "none")
	<-p.exited
	status := p.cmd.ProcessState.ExitCode()
	if status <= 0 || strings.Contains(service, "\nRestartPreventExitStatus="+strconv.Itoa(status)+"\n") {
		t.Errorf("ends with status %d, with which systemd does not start it again", status)
	}
}
