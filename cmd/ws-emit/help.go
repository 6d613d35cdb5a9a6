package main

import (
	"fmt"
	"strings"
)

const helpIntro = `ws-emit sends events from backends to browsers. A browser joins rooms with the stock Socket.IO
client; what a backend then emits to such a room, every browser in it gets at once.

Usage:
  ws-emit [flags]       serve
  ws-emit version       print the version, the commit and the Go version
  ws-emit completion    print a script that completes flags in a shell

Examples:
  Serve pages of http://localhost:7788, and backends that know the secret:
    SECRET=mysecret ws-emit --cors http://localhost:7788

  In a page:
    <script src="http://localhost:8899/socket.io/socket.io.js"></script>
    <script>
      const socket = io("http://localhost:8899")
      socket.on("connect", () => socket.emit("join", {room: "time"}, console.log))
      socket.on("update", data => console.log(data.time))
    </script>

  In a backend, by HTTP or by Redis:
    curl http://localhost:8899/emit \
      -H 'Authorization: Bearer mysecret' -H 'Content-Type: application/json' \
      -d '{"event": "update", "room": "time", "data": {"time": 1700000000}}'
    redis-cli PUBLISH ws-emit \
      '{"event": "update", "room": "time", "data": {"time": 1700000000}}'

  A room-space: its rooms take only who knows its secret, here {room: "orders::42", secret: "S1"}:
    redis-cli SET ws-emit::secret::orders S1

Settings:
  Flags win over variables, variables over the file of --config, and that over defaults.
  The variable of --max-queue is WS_EMIT_MAX_QUEUE, and so on. Those of the Python server stand in
  brackets; they hold where the other one is not set. An empty variable counts as not set.

  LIST      words separated by blanks or commas. The flag may be repeated; in the file it may be a
            YAML list. The entries of WS_EMIT_ROOMSPACE are separated by blanks only; in the file,
            roomspace may be a YAML map of SPACE: SECRET.
  SIZE      bytes: 1000000, 512kB, 1MB (a million), 1MiB (1,048,576)
  DURATION  500ms, 25s, 1m30s

  Others on this machine can see a command line: give secrets in a file or in the environment.
`

// helpWidth is where lines of the table are wrapped, helpIndent where the text of a setting begins.
const (
	helpWidth  = 100
	helpIndent = 34
)

func helpText() string {
	var b strings.Builder
	b.WriteString(helpIntro)
	o := defaults()
	for _, g := range groups {
		fmt.Fprintf(&b, "\n%s:\n", g.title)
		for i := range g.settings {
			s := &g.settings[i]
			b.WriteString(row(flagForm(s), explain(s, &o)))
		}
		if g.title == "Other" {
			b.WriteString(row("  -h, --help", "print this"))
			b.WriteString(row("      --version", "print the version"))
		}
	}
	return b.String()
}

// flagForm is the left column: "  -a, --address HOST:PORT".
func flagForm(s *setting) string {
	short := "    "
	if s.short != "" {
		short = "-" + s.short + ", "
	}
	return strings.TrimRight("  "+short+"--"+s.name+" "+s.takes, " ")
}

// explain is the right column: the meaning, the default, and the Python server's variable.
func explain(s *setting, o *options) string {
	text := s.usage
	byDefault := s.byDefault
	if byDefault == "" && !s.secret {
		byDefault = s.value(o).String()
	}
	if byDefault != "" {
		text += " (default " + byDefault + ")"
	}
	if s.old != "" {
		text += " [" + s.old + "]"
	}
	return text
}

// row returns the lines of one setting.
func row(left, text string) string {
	line := fmt.Sprintf("%-*s", helpIndent-1, left)
	var b strings.Builder
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > helpWidth {
			b.WriteString(line + "\n")
			line = strings.Repeat(" ", helpIndent-1)
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
	return b.String()
}
