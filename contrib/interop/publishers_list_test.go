package interop

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// script is a program that publishes, and what it publishes with.
type script struct {
	name       string
	command    func(t testing.TB, url string) []string
	publishers []publisher
	kinds      []kind // the clients that listen; one kind is enough where another script has had them all
}

// publisher is a library that backends publish with, as a script drives it. In
// PHP, Ruby and Perl it is what such libraries put on the wire.
type publisher struct {
	name     string // also the script's name for it
	lacks    []feature
	want     map[string][]any // by event: what arrives where it is not what was given, nothing if nil
	controls []control
}

// feature is what not every publisher can say.
type feature string

const (
	binary     feature = "bytes"
	dates      feature = "dates"
	exceptSID  feature = "except sockets"
	exceptRoom feature = "except rooms of several sockets"
)

func (p publisher) can(f feature) bool { return !slices.Contains(p.lacks, f) }

// control is an order beside emit.
type control string

const (
	controlJoin       control = "join"
	controlLeave      control = "leave"
	controlClose      control = "close"
	controlDisconnect control = "disconnect"
)

var (
	ofPython  = []feature{dates, exceptRoom}
	ofJSON    = []feature{binary, dates}
	ofOldNode = []feature{exceptSID, exceptRoom}
	ofOld     = []feature{exceptSID, exceptRoom, dates}

	allControls = []control{controlJoin, controlLeave, controlClose, controlDisconnect}

	// To Python programs no argument and None are the same.
	noneIsNothing = map[string][]any{"null": {}}
	// Bytes are written as text, and are text to the reader when they may be.
	bytesAsText = map[string][]any{
		"empty bytes":  {""},
		"nested bytes": {object{"a": "\x01", "b": []any{"\x02\x03", text}}, "and", "\x04"},
	}
)

var scripts = []script{
	{"python", pythonPublisher("python"), []publisher{
		{"python-socketio", ofPython, noneIsNothing, allControls},
		{"flask-socketio", ofPython, noneIsNothing, []control{controlClose}},
	}, kinds},
	{"python-5.13", pythonPublisher("python-5.13"), []publisher{
		{"python-socketio", ofPython, noneIsNothing, allControls},
		{"flask-socketio", ofPython, noneIsNothing, []control{controlClose}},
		{"socket.io-emitter", ofOld, nil, nil},
	}, kinds[:1]},
	{"python of Debian", debianPython, []publisher{
		{"python-socketio", ofPython, noneIsNothing, []control{controlClose, controlDisconnect}},
		{"flask-socketio", ofPython, noneIsNothing, []control{controlClose}},
	}, kinds[:1]},
	{"node", nodePublisher, []publisher{
		{"redis-emitter-5", nil, nil, allControls},
		{"redis-emitter-5-json", []feature{binary}, nil, allControls},
		{"redis-emitter-4", nil, nil, allControls},
		{"redis-adapter-8", nil, nil, allControls},
		{"socket.io-emitter-3", ofOldNode, nil, nil},
		{"socket.io-emitter-2", ofOldNode, nil, nil},
		// Its bytes are in a format that was never made a standard.
		{"socket.io-emitter-1", ofOldNode, map[string][]any{"bytes": nil, "empty bytes": nil, "large bytes": nil, "nested bytes": nil}, nil},
	}, kinds[:1]},
	{"php", interpreter("php", "-d", "error_reporting=-1", "-d", "display_errors=stderr", "php/publish.php"), []publisher{
		{"plain", ofJSON, nil, nil},
		{"emitter", ofOld, override(bytesAsText, map[string][]any{"large bytes": nil}), nil},
		{"emitter-once", []feature{dates}, bytesAsText, nil},
	}, kinds[:1]},
	{"ruby", interpreter("ruby", "ruby/publish.rb"), []publisher{
		{"plain", ofJSON, nil, nil},
		{"emitter", ofOld, nil, nil},
	}, kinds[:1]},
	{"perl", interpreter("perl", "perl/publish.pl"), []publisher{
		{"plain", ofJSON, nil, nil},
		{"emitter", ofOld, bytesAsText, nil},
	}, kinds[:1]},
}

func override(values, with map[string][]any) map[string][]any {
	values = maps.Clone(values)
	maps.Copy(values, with)
	return values
}

// pythonIn returns the interpreter of an environment that `make setup` made.
func pythonIn(t testing.TB, folder string) string {
	t.Helper()
	python := filepath.Join(folder, ".venv", "bin", "python")
	if _, err := os.Stat(python); err != nil {
		unavailable(t, "contrib/interop/%s has no packages; `make setup` installs them", folder)
	}
	// Exec resolves a relative path against the folder of the process.
	python, err := filepath.Abs(python)
	if err != nil {
		t.Fatal(err)
	}
	return python
}

func pythonPublisher(folder string) func(testing.TB, string) []string {
	return func(t testing.TB, url string) []string {
		t.Helper()
		return []string{pythonIn(t, folder), "python/publish.py", url}
	}
}

// debianPython is the interpreter that Debian's packages are for.
func debianPython(t testing.TB, url string) []string {
	t.Helper()
	const python = "/usr/bin/python3"
	if out, err := exec.Command(python, "-c", "import flask_socketio, redis, socketio").CombinedOutput(); err != nil {
		unavailable(t, "%s lacks the packages of Debian; `make setup` installs them: %v: %s", python, err, out)
	}
	return []string{python, "python/publish.py", url}
}

// nodePackages returns the absolute path of a folder's packages.
func nodePackages(t testing.TB, folder string) string {
	t.Helper()
	packages := filepath.Join(folder, "node_modules")
	if _, err := os.Stat(filepath.Join(packages, ".package-lock.json")); err != nil {
		unavailable(t, "contrib/interop/%s has no packages; `make setup` installs them", folder)
	}
	packages, err := filepath.Abs(packages)
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

func nodePublisher(t testing.TB, url string) []string {
	t.Helper()
	nodePackages(t, "node-publishers")
	return []string{need(t, "node"), "node-publishers/publish.mjs", url}
}

func interpreter(program string, args ...string) func(testing.TB, string) []string {
	return func(t testing.TB, url string) []string {
		t.Helper()
		return slices.Concat([]string{need(t, program)}, args, []string{url})
	}
}
