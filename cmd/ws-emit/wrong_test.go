package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestWrongInput: what is wrong stops the start with exit status 2 and one line that says where it stands and what would be right.
func TestWrongInput(t *testing.T) {
	secret := write(t, "secret", "s\n")
	empty := write(t, "empty", "\n")
	secretVariable := []string{"SECRET=s"}
	file := func(text string) []string { return []string{"--config", write(t, "c.yaml", text)} }
	for _, tt := range []struct {
		args    []string
		environ []string
		want    string // in the line
	}{
		{args: []string{"--address", "nowhere"}, want: `address "nowhere": want host:port`},
		{args: []string{"-a", "127.0.0.1:99999999"}, want: `address "127.0.0.1:99999999": no such port`},
		{args: []string{"--address", ""}, want: "--address: is empty: want a value"},
		{args: []string{"--path="}, want: "--path: is empty"},
		{args: []string{"--config", ""}, want: "--config: is empty"},
		{args: file(`address: ""`), want: "c.yaml: address: is empty"},
		{environ: []string{"ADDRESS=8899"}, want: `address "8899"`},
		{args: []string{"--path", "live"}, want: `path "live": want /name/`},
		{args: []string{"--path", "/emit/"}, want: `path "/emit/" is taken`},
		{args: []string{"--namespaces", "chat"}, want: `namespace "chat": want / or /name`},
		{args: []string{"--namespaces", ""}, want: "--namespaces: is empty"},
		{args: []string{"--transports", "webtransport"}, want: `transport "webtransport": want polling or websocket`},
		{args: []string{"--trusted-proxies", "10.0.0.0/99"}, want: `--trusted-proxies: "10.0.0.0/99": want an address or a network`},
		{args: []string{"--trusted-proxies", "lb.example"}, want: `--trusted-proxies: "lb.example"`},
		{args: []string{"--metrics=maybe"}, want: `--metrics: "maybe": want on or off`},
		{args: []string{"--cors"}, want: "flag needs an argument: --cors"},
		{args: []string{"--cors", "http://a/"}, want: `origin "http://a/"`},
		{args: []string{"--cors", "example.org"}, want: `origin "example.org"`},
		{args: []string{"--cors", "*", "http://a"}, want: "* stands alone"},
		{args: []string{"--cors", "*", "--cors-credentials"}, want: "list the origins, or turn credentials off"},
		{args: []string{"--cors", "*", "--cors-credentials", "on"}, want: "list the origins, or turn credentials off"},
		{args: []string{"--cors-credentials", "perhaps"}, want: `--cors-credentials: "perhaps": want on, off or auto`},
		{args: []string{"--secret", "a", "--secret-file", secret}, want: "--secret and --secret-file are both given"},
		{environ: []string{"WS_EMIT_SECRET=a", "WS_EMIT_SECRET_FILE=b"}, want: "WS_EMIT_SECRET and WS_EMIT_SECRET_FILE are both given"},
		{args: []string{"--secret-file", "missing"}, want: "--secret-file: open missing: "},
		{args: []string{"--secret-file", empty}, want: "is empty"},
		{environ: []string{"SECRET= s"}, want: "ws-emit: --secret begins or ends with a blank"},
		{args: []string{"--secret", "correct", "horse"}, want: "an argument that belongs to no flag"},
		{args: []string{"--redis", "localhost"}, want: "--redis: not a Redis URL"},
		{environ: []string{"REDIS=http://localhost"}, want: "REDIS: the scheme of a Redis URL must be redis"},
		{args: []string{"--redis-channels", "a=b"}, want: `--redis-channels: channel "a": dialect must be`},
		{args: []string{"--redis-methods", "emit,join"}, want: `--redis-methods: "join": want some of emit enter_room leave_room close_room disconnect`},
		{args: []string{"--pickle", "auto"}, want: `--pickle: "auto": want on or off`},
		{args: []string{"--pickle"}, want: "flag needs an argument: --pickle"},
		{args: []string{"--roomspace", "no-secret"}, want: "--roomspace: want SPACE=SECRET"},
		{args: []string{"--roomspace", "a=b", "--roomspace", "a=c"}, want: `--roomspace: room-space "a" has two secrets`},
		{args: []string{"--roomspace", "~a=b"}, want: `room-space "~a"`},
		{args: []string{"--max-rooms", "0"}, want: `--max-rooms: "0": want a whole number, more than 0`},
		{args: []string{"--max-queue", "lots"}, want: `--max-queue: "lots" is not a size`},
		{args: []string{"--max-queue", "-1"}, want: `--max-queue: "-1": want more than 0`},
		{args: []string{"--max-queue", "1kB"}, want: "--max-queue (1000) is less than 64 KiB"},
		{args: []string{"--max-queue", "1GiB"}, want: "--max-backlog (268435456, for all clients) is less than --max-queue (1073741824, for one)"},
		{args: []string{"--max-queue", "32MiB"}, want: "--max-pending (16777216) is less than --max-queue (33554432)"},
		{args: []string{"--max-payload", "10"}, want: "--max-payload (10) is less than 1 KiB"},
		{args: []string{"--ping-interval", "soon"}, want: `--ping-interval: "soon" is not a duration`},
		{args: []string{"--ping-interval", "25"}, want: `--ping-interval: "25" is not a duration`},
		{args: []string{"--ping-timeout", "0s"}, want: `--ping-timeout: "0s": want more than 0`},
		{args: []string{"--ping-timeout", "1us"}, want: "--ping-timeout is less than a millisecond"},
		{environ: []string{"WS_EMIT_WRITE_TIMEOUT=-1s"}, want: `WS_EMIT_WRITE_TIMEOUT: "-1s": want more than 0`},
		{args: []string{"--log-format", "xml"}, want: `--log-format: "xml": want text or json`},
		{args: []string{"--config", "missing.yaml"}, want: "--config: open missing.yaml: "},
		{args: []string{"--config", t.TempDir()}, want: "is a directory"},
		{environ: []string{"WS_EMIT_CONFIG=missing.yaml"}, want: "WS_EMIT_CONFIG: open missing.yaml: "},
		{args: file("max-que: 1MiB"), want: `c.yaml: unknown setting "max-que"`},
		{args: file("config: other.yaml"), want: `c.yaml: unknown setting "config"`},
		{args: file("a: b: c"), want: "c.yaml: wrong"},
		{args: file("path: /a/\npath: /b/"), want: "c.yaml: wrong in line 2"},
		{args: file("secret: 0123"), want: "c.yaml: secret: is not text: put it in quotes"},
		{args: file("roomspace: {a: 1}"), want: "c.yaml: roomspace: a: is not text: put it in quotes"},
		{args: file("roomspace: {a=b: c}"), want: `c.yaml: roomspace: "a=b": a name with = cannot be given here`},
		{args: file("address: [a, b]"), want: "c.yaml: address: want one value, not a list"},
		{args: file("address: {a: b}"), want: "c.yaml: address: want one value"},
		{args: file("cors: []"), want: "c.yaml: cors: is an empty list"},
		{args: file("cors: [[a]]"), want: "c.yaml: cors: want one value"},
		{args: file("ping-interval: 25"), want: `c.yaml: ping-interval: "25" is not a duration`},
		{args: []string{"--no-such-flag"}, want: "unknown flag: --no-such-flag"},
		{args: []string{"-x"}, want: "unknown shorthand flag: 'x'"},
		{args: []string{"serve"}, want: `unknown command "serve"`},
		{args: []string{"version", "x"}, want: "want ws-emit version; see ws-emit version --help"},
		{args: []string{"version", "--no-such-flag"}, want: "unknown flag: --no-such-flag; see ws-emit version --help"},
		{args: []string{"help", "serve"}, want: "there is no such command; see ws-emit --help"},
		{args: []string{"emit"}, want: "want ws-emit emit ROOM EVENT [JSON]; see ws-emit emit --help"},
		{args: []string{"emit", "room"}, want: "want ws-emit emit"},
		{args: []string{"emit", "room", "event", "1", "2"}, want: "want ws-emit emit"},
		{args: []string{"emit", "room", "event", "-5"}, want: "put -- before what begins with -"},
		{args: []string{"emit", "", "event"}, want: "the ROOM is empty: that would be everybody, and wants --all"},
		{args: []string{"emit", "--all"}, want: "want ws-emit emit"},
		{args: []string{"emit", "--all", ""}, environ: secretVariable, want: "there is no EVENT"},
		{args: []string{"emit", "--room", "news", "update", `{"title":"x"}`}, environ: secretVariable, want: "the EVENT is JSON: ROOM is missing, to which --room only adds"},
		{args: []string{"emit", "news", ` [1]`}, environ: secretVariable, want: "the EVENT is JSON: ROOM or EVENT is missing"},
		{args: []string{"emit", "--all", `{"title":"x"}`}, environ: secretVariable, want: "the EVENT is JSON: EVENT is missing"},
		{args: []string{"emit", "--all", "", `{"title":"x"}`}, environ: secretVariable, want: "the EVENT is JSON: EVENT is missing"},
		{args: []string{"emit", "--all", "room", "event", "1"}, want: "--all and a ROOM contradict each other"},
		{args: []string{"emit", "--all", "--room", "room", "event"}, want: "--all and --room contradict each other"},
		{args: []string{"emit", "--all", "room", "event"}, environ: secretVariable, want: "the JSON is wrong at byte 1; for plain text there is --text"},
		{args: []string{"emit", "room", "event", `{"a":`}, environ: secretVariable, want: "the JSON is wrong at byte 5"},
		{args: []string{"emit", "room", "event", ""}, environ: secretVariable, want: "the JSON is wrong at byte 0"},
		{args: []string{"emit", "--args", "room", "event", "{}"}, environ: secretVariable, want: "--args: the JSON is not a list"},
		{args: []string{"emit", "--args", "room", "event"}, environ: secretVariable, want: "--text and --args are about JSON, and there is none"},
		{args: []string{"emit", "--args", "--text", "room", "event", "1"}, want: "--text and --args contradict each other"},
		{args: []string{"emit", "--text", "room", "event", "\xff"}, environ: secretVariable, want: "the text is not valid UTF-8"},
		{args: []string{"emit", "--batch", "room"}, want: "with --batch all of a message stands in its line"},
		{args: []string{"emit", "--batch", "--except", "room"}, want: "with --batch all of a message stands in its line"},
		{args: []string{"emit", "room", "connect"}, environ: secretVariable, want: "event: "},
		{args: []string{"emit", "--namespace", "chat", "room", "event"}, environ: secretVariable, want: "namespace: "},
		{args: []string{"emit", "room", "event"}, want: "there is no emit secret: want one in SECRET, --secret-file or --secret, or instead Redis, in --redis or as WS_EMIT_URL=redis://HOST"},
		{args: []string{"emit", "--secret-file", "missing", "room", "event"}, want: "--secret-file: open missing: "},
		{args: []string{"emit", "--url", "localhost:8899", "room", "event"}, environ: secretVariable, want: "must be an absolute http or https URL"},
		{args: []string{"emit", "--url", "ftp://h", "room", "event"}, environ: secretVariable, want: "the scheme of a Redis URL must be redis"},
		{args: []string{"emit", "--redis", "none", "room", "event"}, want: "want the URL of Redis"},
		{args: []string{"emit", "--redis", "redis://h", "--url", "http://h", "room", "event"}, want: "--url and --redis are both given: want one"},
		{environ: []string{"WS_EMIT_URL=ftp://h"}, args: []string{"emit", "room", "event"}, want: "the scheme of a Redis URL must be redis"},
		{args: []string{"roomspace"}, want: "want ws-emit roomspace set|get|delete|list; see ws-emit roomspace --help"},
		{args: []string{"roomspace", "put", "a"}, want: "want ws-emit roomspace set|get|delete|list"},
		{args: []string{"roomspace", "set"}, want: "want ws-emit roomspace set SPACE [SECRET]"},
		{args: []string{"roomspace", "get", "a", "b"}, want: "want ws-emit roomspace get SPACE"},
		{args: []string{"roomspace", "list", "--redis", "none"}, want: "redis is none: want its URL in --redis"},
		{args: []string{"roomspace", "list"}, environ: []string{"REDIS=nowhere"}, want: "REDIS: not a Redis URL"},
		{args: []string{"completion"}, want: "want ws-emit completion bash|zsh|fish|powershell"},
		{args: []string{"completion", "csh"}, want: "want ws-emit completion bash|zsh|fish|powershell"},
	} {
		var stdout, stderr bytes.Buffer
		status := run(tt.args, tt.environ, &stdout, &stderr)
		said := stderr.String()
		if status != exitUsage || stdout.Len() > 0 {
			t.Errorf("%q %q: exit status %d, stdout %q", tt.args, tt.environ, status, &stdout)
		}
		if !strings.HasPrefix(said, "ws-emit: ") || strings.Count(said, "\n") != 1 || !strings.Contains(said, tt.want) {
			t.Errorf("%q %q: said %q, want one line with %q", tt.args, tt.environ, said, tt.want)
		}
	}
}
