package main

import (
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestHelp: each setting has its row, with its default, and every line fits.
func TestHelp(t *testing.T) {
	text := helpOf(newRoot(nil, nil, io.Discard))
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth {
			t.Errorf("%d characters: %s", n, line)
		}
	}
	joined := strings.Join(strings.Fields(text), " ")
	o := defaults()
	for _, s := range settings() {
		row := strings.TrimSpace(flagForm(s)) + " " + explain(s, &o)
		if !strings.Contains(joined, row) {
			t.Errorf("--%s: no row %q", s.name, row)
		}
		if len(flagForm(s)) >= helpIndent {
			t.Errorf("--%s: %q is wider than the column", s.name, flagForm(s))
		}
		known := s.name == nameSecretFile || s.name == nameConfig || s.name == "flask-secret" // what they are without is clear
		if !strings.Contains(row, "(default ") && !known {
			t.Errorf("--%s: no default in %q", s.name, row)
		}
		if s.old != "" && !strings.Contains(row, "["+s.old+"]") {
			t.Errorf("--%s: no %s in %q", s.name, s.old, row)
		}
	}
	for _, row := range []string{
		"-a, --address HOST:PORT where to listen; 0.0.0.0 is every address of IPv4, and no host of IPv6 too; port 0 is any free port (default 0.0.0.0:8899) [ADDRESS]",
		"(default 1MiB)", "(default 1MB)", "(default 25s)", "(default polling websocket)", "(default 1000)",
	} {
		if !strings.Contains(joined, row) {
			t.Errorf("no %q", row)
		}
	}
}
