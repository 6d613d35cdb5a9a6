package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The parts of `ws-emit --help` that are not made from the table of settings and from the commands. The manual page has them, too.
const (
	aboutText = `ws-emit sends events from backends to browsers. A browser joins rooms with the stock Socket.IO
client; what a backend then emits to such a room, every browser in it gets at once.
`

	examplesText = `  Serve pages of http://localhost:7788, and backends that know the secret:
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

  From a shell, and what a browser would get of it:
    SECRET=mysecret ws-emit emit time update '{"time": 1700000000}'
    ws-emit listen time

  A room-space: its rooms take only who knows its secret, here {room: "orders::42", secret: "S1"}:
    redis-cli SET ws-emit::secret::orders S1
    ws-emit roomspace set orders S1
`

	settingsText = `  Flags win over variables, variables over the file of --config, and that over defaults.
  The variable of --max-queue is WS_EMIT_MAX_QUEUE, and so on. Those of the Python server stand in
  brackets; they hold where the other one is not set. An empty variable counts as not set.

  LIST      words separated by blanks or commas. The flag may be repeated; in the file it may be a
            YAML list. The entries of WS_EMIT_ROOMSPACE are separated by blanks only; in the file,
            roomspace may be a YAML map of SPACE: SECRET.
  SIZE      bytes: 1000000, 512kB, 1MB (a million), 1MiB (1,048,576)
  DURATION  500ms, 25s, 1m30s

  Others on this machine can see a command line: give secrets in a file or in the environment.
`
)

// helpWidth is where lines of the table are wrapped, helpIndent where the text of a setting begins.
const (
	helpWidth  = 100
	helpIndent = 34
)

// helpOf is what --help prints of a command.
func helpOf(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return rootHelp(cmd)
	}
	var b strings.Builder
	b.WriteString(cmd.Short + ".\n")
	if cmd.Example != "" {
		b.WriteString("\nExamples:\n" + cmd.Example + "\n")
	}
	b.WriteString("\nUsage:\n  " + cmd.UseLine() + "\n")
	if cmd.Long != "" {
		b.WriteString("\n" + cmd.Long + "\n")
	}
	b.WriteString(commandRows(cmd))
	b.WriteString("\nFlags:\n")
	for _, f := range typedFlags(cmd) {
		b.WriteString(row(typedForm(f), typedUsage(f)))
	}
	b.WriteString(row("  -h, --help", "print this"))
	return b.String()
}

func rootHelp(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(aboutText)
	b.WriteString("\nUsage:\n  ws-emit [flags]              serve\n  ws-emit COMMAND [flags] ...  do something else; ws-emit COMMAND --help explains it\n")
	b.WriteString(commandRows(root))
	b.WriteString("\nExamples:\n" + examplesText)
	b.WriteString("\nSettings:\n" + settingsText)
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

// commandRows lists the commands below one.
func commandRows(cmd *cobra.Command) string {
	var b strings.Builder
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			fmt.Fprintf(&b, "  %-12s %s\n", c.Name(), c.Short)
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\nCommands:\n" + b.String()
}

// typedFlags are the flags of a command below ws-emit, apart from --help.
func typedFlags(cmd *cobra.Command) (flags []*pflag.Flag) {
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" {
			flags = append(flags, f)
		}
	})
	return flags
}

// typedForm and typedUsage are the columns for a flag that is no row of the table. What stands for its value is quoted with ` in its usage.
func typedForm(f *pflag.Flag) string {
	takes, _ := pflag.UnquoteUsage(f)
	return flagForm(&setting{name: f.Name, short: f.Shorthand, takes: takes})
}

func typedUsage(f *pflag.Flag) string {
	_, usage := pflag.UnquoteUsage(f)
	if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" {
		usage += " (default " + f.DefValue + ")"
	}
	return usage
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
