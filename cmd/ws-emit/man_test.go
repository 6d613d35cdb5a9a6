package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestManual: the manual page, as groff shows it, has all that --help has, and groff finds no fault in it.
func TestManual(t *testing.T) {
	root := newRoot(nil, nil, io.Discard)
	text := strings.Join(strings.Fields(typeset(t, manual(root))), " ")
	contains := func(what string) {
		t.Helper()
		if !strings.Contains(text, strings.Join(strings.Fields(what), " ")) {
			t.Errorf("no %q", what)
		}
	}
	o := defaults()
	for _, s := range settings() {
		contains(flagForm(s) + " " + explain(s, &o))
	}
	forAll(root, func(cmd *cobra.Command) {
		if cmd == root {
			return
		}
		contains(cmd.Short)
		contains(cmd.Long)
		if cmd.HasSubCommands() {
			return
		}
		contains(cmd.UseLine())
		contains(cmd.Example)
		for _, f := range typedFlags(cmd) {
			contains(typedForm(f) + " " + typedUsage(f))
		}
	})
	contains(aboutText)
	contains(examplesText)
	contains(settingsText)
	contains("ws-emit - send events from backends to browsers")
}

// typeset runs a page through groff, which must have nothing to say about it.
func typeset(t *testing.T, page string) string {
	t.Helper()
	if _, err := exec.LookPath("groff"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("groff is not installed")
		}
		t.Skip("needs groff, which is not installed")
	}
	cmd := exec.Command("groff", "-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=120n")
	cmd.Stdin = strings.NewReader(page)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil || said.Len() > 0 {
		t.Fatalf("groff: %v\n%s", err, &said)
	}
	return string(out)
}

// TestRoff: characters that the language has its own use for are shown.
func TestRoff(t *testing.T) {
	const odd = `. 'a' "b" \fBc\fR -d ^e ~f ` + "`g` ü"
	var p page
	p.line(".TH X 1")
	p.example(odd + "\n.br\n'br")
	if got := typeset(t, p.text.String()); !strings.Contains(strings.ReplaceAll(got, "\n       ", "\n"), odd+"\n.br\n'br\n") {
		t.Errorf("shown as %s, want %s", got, odd)
	}
}
