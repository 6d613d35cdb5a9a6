package interop

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
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
func (e emitScript) run(t testing.TB, secret string, s *server, r *redis) (string, error) {
	t.Helper()
	// Java compiles first, which takes a busy machine long.
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	command := e.command(t, filepath.Join("..", "..", "examples", "emit", e.file))
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(clean(os.Environ()), "WS_EMIT_URL="+s.url()+"/emit", "SECRET="+secret, "REDIS="+r.url())
	said, err := cmd.CombinedOutput()
	return string(said), err
}

// TestEmitScripts runs each of them as it stands.
func TestEmitScripts(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	s := startServer(t, "--redis", r.url())
	d := startDriver(t, kinds[0].command(t))
	for _, e := range emitScripts {
		t.Run(e.file, func(t *testing.T) {
			c := d.connect(t, e.file, s.url(), connectOptions{})
			c.expectConnect(t, "/")
			c.join(t, "/", "news")
			defer c.disconnect(t, "/")
			if !e.byRedis {
				// Whoever copies it must see that it went wrong.
				said, err := e.run(t, "not "+emitSecret, s, r)
				if err == nil || !strings.Contains(said, "403") && !strings.Contains(said, "Incorrect secret") {
					t.Errorf("with a wrong secret it ends with %v and says %q, want an error that says why", err, said)
				}
			}
			if said, err := e.run(t, emitSecret, s, r); err != nil {
				t.Fatalf("ends with %v: %s", err, said)
			}
			c.expect(t, "/", "update", object{"title": "Grüße from " + e.from})
		})
	}
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
