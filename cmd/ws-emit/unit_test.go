package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// files is where the unit and its environment file are.
const files = "../../contrib/systemd"

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(files, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestUnit: systemd finds no fault in the unit.
func TestUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("needs systemd-analyze, which comes with systemd: it is not installed, and make setup does not install it, in CI either")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	unit := strings.Replace(read(t, "ws-emit.service"), "ExecStart=/usr/local/bin/ws-emit\n", "ExecStart="+self+"\n", 1)
	path := filepath.Join(t.TempDir(), "ws-emit.service")
	if err := os.WriteFile(path, []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command("systemd-analyze", "verify", "--man=no", path).CombinedOutput()
	if err != nil || strings.Contains(string(said), filepath.Base(path)) {
		t.Errorf("%v: %s", err, said)
	}
	if !strings.Contains(unit, self) {
		t.Error("the unit does not start /usr/local/bin/ws-emit")
	}
}

// TestEnvironmentFile: as it is it changes nothing, and what it proposes is taken.
func TestEnvironmentFile(t *testing.T) {
	text := read(t, "ws-emit")
	for _, tt := range []struct {
		name string
		line *regexp.Regexp
	}{
		{"as it is", regexp.MustCompile(`(?m)^([A-Z_]+)="?([^"\n]*)"?$`)},
		{"with what is proposed", regexp.MustCompile(`(?m)^#?([A-Z_]+)="?([^"\n]*)"?$`)},
	} {
		var environ []string
		for _, line := range tt.line.FindAllStringSubmatch(text, -1) {
			environ = append(environ, line[1]+"="+line[2])
		}
		o, unknown, err := parse(nil, environ)
		if err != nil || len(unknown) > 0 || len(environ) < 3 {
			t.Errorf("%s: error %v, unknown %q in %q", tt.name, err, unknown, environ)
		}
		if diff := cmp.Diff(defaults().server, o.server, comparer); tt.name == "as it is" && diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.name, diff)
		}
	}
}
