package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Parts of the manual page that --help has no place for.
const (
	environmentText = `Each setting has a variable, see SETTINGS. NOTIFY_SOCKET and WATCHDOG_USEC come from systemd, which is told when
the server listens and stops, and that it is alive. These are for commands:`

	filesText = `/etc/default/ws-emit is where the systemd unit looks for variables. There is no configuration file unless --config
names one.`

	exitText = `0 after a signal or when a command has done its work; 1 when the server could not go on or a command failed; 2 when
what was asked for cannot be. 1 and 2 come with one line on standard error.

SIGTERM and SIGINT end the server in order: it stops accepting, and gives clients and open requests the time of
--shutdown-timeout. A second signal ends it at once.`
)

func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man",
		Short: "Print the manual page",
		Example: `  ws-emit man | man -l -
  ws-emit man > /usr/local/share/man/man1/ws-emit.1`,
		Args:              arguments(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), manual(cmd.Root()))
			return err
		},
	}
}

// manual returns the manual page of ws-emit, made from the same parts as its --help.
func manual(root *cobra.Command) string {
	var p page
	p.line(`.TH WS\-EMIT 1 "" "` + escapeRoff("ws-emit "+newVersion().number) + `"`)
	p.line(".nr HY 0", ".nh", ".ad l") // nothing is hyphenated: it may be a flag
	p.section("Name")
	p.line(`ws\-emit \- send events from backends to browsers`)
	p.section("Synopsis")
	p.line(`\fBws\-emit\fR [\fIflags\fR]`)
	forAll(root, func(cmd *cobra.Command) {
		if cmd.HasParent() && cmd.IsAvailableCommand() && !cmd.HasSubCommands() {
			p.line(".br", emphasize(cmd.UseLine()))
		}
	})
	p.section("Description")
	p.prose(aboutText)
	p.section("Commands")
	forAll(root, func(cmd *cobra.Command) {
		if cmd.HasParent() && cmd.IsAvailableCommand() {
			p.command(cmd)
		}
	})
	p.section("Settings")
	p.example(settingsText)
	o := defaults()
	for _, g := range groups {
		p.line(".SS " + g.title)
		for i := range g.settings {
			p.entry(flagForm(&g.settings[i]), explain(&g.settings[i], &o))
		}
	}
	p.section("Environment")
	p.prose(environmentText)
	for _, v := range commandVariables {
		p.entry(v.name, v.usage)
	}
	p.section("Files")
	p.prose(filesText)
	p.section("Exit status")
	p.prose(exitText)
	p.section("Examples")
	p.example(examplesText)
	p.section("See also")
	p.line(`\fBcurl\fR(1), \fBredis\-cli\fR(1), \fBsystemd.exec\fR(5)`)
	return p.text.String()
}

// page is a manual page in the language of man(7).
type page struct{ text strings.Builder }

func (p *page) line(lines ...string) {
	for _, l := range lines {
		p.text.WriteString(l + "\n")
	}
}

func (p *page) section(title string) { p.line(".SH " + strings.ToUpper(title)) }

// command writes what --help says of a command below ws-emit.
func (p *page) command(cmd *cobra.Command) {
	p.line(`.SS "` + escapeRoff(cmd.CommandPath()) + `"`)
	p.prose(cmd.Short + ".")
	if cmd.HasSubCommands() {
		p.prose(cmd.Long)
		return // each has a part of its own
	}
	p.line(".PP", emphasize(cmd.UseLine()))
	p.prose(cmd.Long)
	for _, f := range typedFlags(cmd) {
		p.entry(typedForm(f), typedUsage(f))
	}
	if cmd.Example != "" {
		p.prose("Examples:")
		p.example(cmd.Example)
	}
}

// prose writes paragraphs, which have empty lines between them. One that begins with a blank is an example.
func (p *page) prose(text string) {
	for block := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n\n") {
		switch {
		case strings.TrimSpace(block) == "":
		case strings.HasPrefix(block, " "):
			p.example(block)
		default:
			p.line(".PP", escapeRoff(strings.Join(strings.Fields(block), " ")))
		}
	}
}

// example writes lines as they are.
func (p *page) example(text string) {
	p.line(".PP", ".EX")
	for l := range strings.Lines(text) {
		p.line(escapeRoff(strings.TrimRight(l, "\n")))
	}
	p.line(".EE")
}

// entry writes a flag or a variable, and what it means.
func (p *page) entry(form, text string) {
	p.line(".TP", emphasize(strings.TrimSpace(form)), escapeRoff(text))
}

// emphasize makes flags and words of the command bold, and what stands for something else, in capitals, italic.
func emphasize(form string) string {
	words := strings.Fields(form)
	for i, w := range words {
		font := "B"
		if strings.ToUpper(w) == w && !strings.HasPrefix(w, "-") && !strings.HasPrefix(w, envPrefix) {
			font = "I"
		}
		words[i] = `\f` + font + escapeRoff(w) + `\fR`
	}
	return strings.Join(words, " ")
}

// escapeRoff makes a line that is shown as it is, with characters that can be copied into a shell.
func escapeRoff(line string) string {
	var b strings.Builder
	for i, r := range line {
		switch special := roffCharacters[r]; {
		case special != "":
			b.WriteString(special)
		case i == 0 && r == '.':
			b.WriteString(`\&.`)
		case r > 0x7e:
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

var roffCharacters = map[rune]string{
	'\\': `\(rs`, '-': `\-`, '\'': `\(aq`, '`': `\(ga`, '^': `\(ha`, '~': `\(ti`, '"': `\(dq`,
}
