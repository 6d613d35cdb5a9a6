package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/ws-emit/ws-emit/contrib/peers/scenario"
)

// WriteText writes the table for a terminal: a part for each scenario, a line for each server.
func (c *Comparison) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n%s\n", c.Command, c.Machine, c.summary())
	b.WriteString("Behind a figure is its ratio to ws-emit: the median of the ratios within each round in which nothing went wrong with either. " +
		"Of % it is the worst round.\n")
	for _, s := range c.Scenarios {
		if !c.ran(s.Name) {
			continue
		}
		fmt.Fprintf(&b, "\n%s: %s\n", s.Name, s.About)
		if err := c.writeScenario(&b, s); err != nil {
			return err
		}
	}
	if notes := c.notes(); len(notes) > 0 {
		b.WriteString("\n" + strings.Join(notes, "\n") + "\n")
	}
	return writeTrimmed(w, b.String())
}

func (c *Comparison) writeScenario(w io.Writer, s Scenario) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	header := "  "
	for _, m := range s.Metrics {
		header += "\t" + m.Name
	}
	fmt.Fprintln(t, header)
	for _, p := range c.Peers {
		if len(c.of(s.Name, p.Name)) == 0 {
			continue
		}
		line := "  " + p.Name
		for _, m := range s.Metrics {
			line += "\t" + c.cell(s.Name, m, p.Name)
		}
		fmt.Fprintln(t, line)
	}
	return t.Flush()
}

// cell is the figure of a metric, with its ratio to ours.
func (c *Comparison) cell(of string, m scenario.Metric, peer string) string {
	v, ok := c.figure(of, m, peer)
	if !ok {
		return "-"
	}
	text := Amount(v, m.Unit)
	if ratio, ok := median(c.ratios(of, m.Name, peer, scenario.Ours)); ok && peer != scenario.Ours && m.Unit != "%" {
		text += " (" + Amount(ratio, "x") + ")"
	}
	return text
}

// notes say what is missing, and what went wrong.
func (c *Comparison) notes() (notes []string) {
	if c.Interrupted {
		notes = append(notes, "Interrupted: not all rounds are complete.")
	}
	for _, p := range c.Peers {
		if p.Missing != "" {
			notes = append(notes, fmt.Sprintf("%s: not here, it could not be installed: %s", p.Name, oneLine(p.Missing)))
		}
	}
	for _, s := range c.Scenarios {
		for _, p := range c.Peers {
			if text := c.wrong(s.Name, p.Name); text != "" {
				notes = append(notes, fmt.Sprintf("%s, %s: %s", p.Name, s.Name, text))
			}
			if text := c.note(s.Name, p.Name); text != "" {
				notes = append(notes, fmt.Sprintf("%s, %s: %s", p.Name, s.Name, text))
			}
		}
	}
	return notes
}

// wrong says what a peer did wrong in a scenario, or "".
func (c *Comparison) wrong(scenario, peer string) string {
	return latest(c.of(scenario, peer), (*Run).Wrong)
}

// note says what else there is to say of a peer in a scenario, or "".
func (c *Comparison) note(scenario, peer string) string {
	return latest(c.of(scenario, peer), func(r *Run) string { return r.Note })
}

// latest is the latest text of runs, and how many have one.
func latest(runs []*Run, of func(*Run) string) string {
	have, text := 0, ""
	for _, r := range runs {
		if t := of(r); t != "" {
			have++
			text = oneLine(t)
		}
	}
	switch {
	case have == 0:
		return ""
	case len(runs) == 1:
		return text
	default:
		return fmt.Sprintf("in %d of %d rounds, the last time: %s", have, len(runs), text)
	}
}

const longest = 300 // bytes of a note

func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "..."
	}
	return text
}

// summary says when it was, and of how many rounds.
func (c *Comparison) summary() string {
	rounds := fmt.Sprintf("medians of %d rounds", c.Rounds)
	if c.Rounds == 1 {
		rounds = "1 round"
	}
	return c.Date.Format("2006-01-02 15:04 MST") + ", " + rounds
}

// String is the machine in one line.
func (m Machine) String() string {
	parts := []string{fmt.Sprintf("%d x %s", m.Cores, m.CPU)}
	for _, p := range []struct{ name, version string }{{"Linux", m.Kernel}, {"Go", m.Go}, {"Node", m.Node}, {"Python", m.Python}} {
		if p.version != "" {
			parts = append(parts, p.name+" "+p.version)
		}
	}
	return strings.Join(parts, ", ")
}
