package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// TestCompletion: what a shell is told when it asks how a command line may go on.
func TestCompletion(t *testing.T) {
	for _, tt := range []struct {
		typed string
		want  string // the words, with blanks between them
	}{
		{"roo", "roomspace"},
		{"completion ", "bash fish powershell zsh"},
		{"help roomspace s", "set"},
		{"roomspace ", "delete get list set"},
		{"roomspace get ", ""},
		{"roomspace get --red", "--redis"},
		{"emit --te", "--text"},
		{"--log-", "--log-format"},
		{"--log-format ", "text json"},
		{"--log-format=", "text json"},
		{"--log-format j", "json"},
		{"--pickle ", "on off"},
		{"--cors-credentials=", "on off auto"},
		{"--cors A --metrics=o", "on off"},
		{"--transports ", "polling websocket"},
		{"--transports websocket,", "websocket,polling"},
		{"--redis-methods emit,enter_room,e", ""},
		{"--redis-methods emit,enter_room,l", "emit,enter_room,leave_room"},
		{"--redis-channels ws", "ws-emit=json"},
		{"--redis n", "none"},
		{"--max-queue ", ""},
	} {
		words := strings.Split(tt.typed, " ")
		var stdout, stderr bytes.Buffer
		if status := run(append([]string{"__completeNoDesc"}, words...), nil, &stdout, &stderr); status != 0 {
			t.Errorf("%q: exit status %d, said %s", tt.typed, status, &stderr)
		}
		said, directive, _ := strings.Cut(stdout.String(), ":")
		if got := strings.Join(strings.Fields(said), " "); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.typed, got, tt.want)
		}
		if noFiles := "4"; strings.TrimSpace(directive) != noFiles {
			t.Errorf("%q: directive %s, want %s: there are no files to propose", tt.typed, directive, noFiles)
		}
	}
}

// TestCompletionScripts: the shells that are here understand their scripts.
func TestCompletionScripts(t *testing.T) {
	for shell := range shells {
		var script, stderr bytes.Buffer
		if status := run([]string{"completion", shell}, nil, &script, &stderr); status != 0 || !strings.Contains(script.String(), "ws-emit") {
			t.Errorf("%s: exit status %d, said %s", shell, status, &stderr)
		}
		if _, err := exec.LookPath(shell); err != nil || shell == "powershell" {
			continue
		}
		check := exec.Command(shell, "-n")
		check.Stdin = &script
		if said, err := check.CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("%s: %v, said %s", shell, err, said)
		}
	}
}
