package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/ws-emit/ws-emit/contrib/peers/scenario"
)

// column is a figure for a person in a hurry.
type column struct {
	scenario string
	metric   scenario.Metric
	title    string // in the table
	panel    string // in the picture; "" is not there
	note     string // below panel
}

func columns() []column {
	return []column{
		{"sequential", scenario.CPUPerDelivery, "CPU a message, 50/s", "CPU per delivered message", "50 messages a second, 1,000 clients"},
		{"parallel", scenario.CPUPerDelivery, "CPU a message, 16 emitters", "CPU per delivered message", "16 emitters at once, 1,000 clients"},
		{"parallel", scenario.Delivered, "delivered", "", ""},
		{"idle", scenario.Memory, "memory a connection", "Memory per idle connection", "from 100 to 10,000 clients"},
		{"connect", scenario.CPUPerConnect, "CPU a connect", "CPU per connect and join", "10,000 clients, 32 at a time"},
	}
}

// measured are those of the columns that somebody has a figure for.
func (c *Comparison) measured() (some []column) {
	for _, col := range columns() {
		for _, p := range c.Peers {
			if _, ok := c.figure(col.scenario, col.metric, p.Name); ok {
				some = append(some, col)
				break
			}
		}
	}
	return some
}

// WriteMarkdown writes the table in which a reader finds what counts: few columns, one line for each server.
func (c *Comparison) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	some := c.measured()
	b.WriteString("| server |")
	for _, col := range some {
		fmt.Fprintf(&b, " %s |", col.title)
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(some)) + "\n")
	for _, p := range c.Peers {
		if p.Missing != "" {
			continue
		}
		fmt.Fprintf(&b, "| %s |", bold(p.Name, markdownText(p.short())))
		for _, col := range some {
			fmt.Fprintf(&b, " %s |", bold(p.Name, c.shortCell(col, p.Name)))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "\n%s, %d cores of %s, `%s`. In brackets: how many times that of ws-emit.\n", c.summary(), c.Machine.Cores, c.Machine.CPU, c.Command)
	for i, note := range c.notes() {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "- %s.\n", strings.TrimRight(markdownText(note), "."))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// short is a peer with the first of its versions.
func (p *Peer) short() string {
	version, _, _ := strings.Cut(p.Version, ",")
	if version == "" || strings.Contains(version, " ") { // a text that is no version
		return p.Title
	}
	return p.Title + " " + version
}

// shortCell is a figure with its ratio, and what went wrong where there is no figure.
func (c *Comparison) shortCell(col column, peer string) string {
	text := c.cell(col.scenario, col.metric, peer)
	if text == "-" && c.wrong(col.scenario, peer) != "" {
		return "failed"
	}
	return text
}

// bold makes our line stand out.
func bold(peer, text string) string {
	if peer == scenario.Ours {
		return "**" + text + "**"
	}
	return text
}

// markdownText keeps a text within its cell.
func markdownText(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}
