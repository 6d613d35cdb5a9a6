package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/ws-emit/ws-emit/"

// mayImport is the import graph of design.md, part 2: what each package of ours may import of ours, tests apart. A name that ends in /... stands for all below.
var mayImport = map[string][]string{
	"cmd/...": {"cmd/...", "server", "server/...", "emitter", "emitter/...", "roomspace"},
	"server":  {"server/engineio", "server/frame", "server/internal/...", "server/rawws", "server/socketio", "emitter", "emitter/...", "roomspace"},

	"server/socketio":         {"server/engineio", "server/frame", "server/internal/metrics"},
	"server/engineio":         {"server/internal/conn", "server/frame", "server/internal/metrics"},
	"server/rawws":            {"server/internal/conn", "server/frame", "server/internal/metrics"},
	"server/internal/conn":    {"server/frame", "server/internal/metrics"},
	"server/internal/hub":     {"server/frame", "server/internal/metrics"},
	"server/internal/metrics": {},
	"server/frame":            {},
	"server/sioclient":        {}, // it checks the server, so it shares nothing with it

	"emitter":          {"emitter/internal/jsonscan"},
	"emitter/redisbus": {"emitter", "emitter/internal/jsonscan", "emitter/redisbus/internal/pickle"},
	"roomspace":        {},

	"emitter/internal/jsonscan":        {},
	"emitter/redisbus/internal/pickle": {},

	"contrib/conformance": {"server/engineio", "server/socketio", "server/frame"}, // both work without a hub; what they send is a frame
}

// mustNotNeed is what a package does not pull in, not even by way of another: a Go backend imports them.
var mustNotNeed = map[string][]string{
	"emitter":          {module + "server", module + "roomspace", "github.com/prometheus/", "github.com/redis/"},
	"emitter/redisbus": {module + "server", module + "roomspace", "github.com/prometheus/"},
	"roomspace":        {module + "server", module + "emitter", "github.com/prometheus/"},
	"server/sioclient": {module, "github.com/prometheus/", "github.com/redis/"},
	"server/frame":     {module, "github.com/prometheus/", "github.com/redis/"},
}

// goPackage is what `go list -json` says of a package.
type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func TestImports(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range goList(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		seen[name] = true
		allowed, known := rulesFor(name)
		if !known {
			t.Errorf("%s does not stand in the graph", name)
		}
		for _, imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, module); ok && !slices.ContainsFunc(allowed, func(a string) bool { return covers(a, ours) }) {
				t.Errorf("%s imports %s", name, ours)
			}
		}
		for _, dep := range p.Deps {
			for _, unwanted := range mustNotNeed[name] {
				if strings.HasPrefix(dep, unwanted) {
					t.Errorf("%s needs %s", name, dep)
				}
			}
		}
	}
	for name := range mustNotNeed {
		if !seen[name] {
			t.Errorf("there is no package %s", name)
		}
	}
}

// goList lists the packages of the module.
func goList(t *testing.T) (list []goPackage) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("the go command is not in PATH")
		}
		t.Skip("needs the go command, which is not in PATH")
	}
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./...")
	cmd.Dir = ".."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

func rulesFor(name string) (allowed []string, known bool) {
	if allowed, known = mayImport[name]; known {
		return allowed, true
	}
	for pattern, allowed := range mayImport {
		if covers(pattern, name) {
			return allowed, true
		}
	}
	return nil, false
}

// covers reports whether a pattern stands for a package.
func covers(pattern, name string) bool {
	if below, ok := strings.CutSuffix(pattern, "..."); ok {
		return strings.HasPrefix(name, below)
	}
	return name == pattern
}
