package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/ws-emit/ws-emit/contrib/peers/scenario"
)

// Checked is a target, and what came of it.
type Checked struct {
	scenario.Target
	Unit     string // of Value and Limit; "x" for a ratio
	Value    float64
	Measured bool // or Value means nothing
}

// Holds reports whether the target is reached.
func (t *Checked) Holds() bool {
	if t.Compare == scenario.AtLeast {
		return t.Measured && t.Value >= t.Limit
	}
	return t.Measured && t.Value <= t.Limit
}

// Check checks those targets whose scenarios were to be run.
func (c *Comparison) Check(targets []scenario.Target) (all []Checked) {
	for _, t := range targets {
		i := slices.IndexFunc(c.Scenarios, func(s Scenario) bool { return s.Name == t.Scenario })
		if i < 0 {
			continue
		}
		done := Checked{Target: t, Unit: "x"}
		values := c.ratios(t.Scenario, t.Metric, scenario.Ours, t.Against)
		if t.Against == "" {
			values = c.values(t.Scenario, t.Metric, scenario.Ours)
			done.Unit = unitOf(c.Scenarios[i].Metrics, t.Metric)
		}
		done.Value, done.Measured = median(values)
		if t.Always && done.Measured {
			done.Value = worst(values, t.Compare)
		}
		all = append(all, done)
	}
	return all
}

func worst(values []float64, compare scenario.Comparison) float64 {
	if compare == scenario.AtLeast {
		return slices.Min(values)
	}
	return slices.Max(values)
}

func unitOf(metrics []scenario.Metric, name string) string {
	for _, m := range metrics {
		if m.Name == name {
			return m.Unit
		}
	}
	return ""
}

// WriteTargets writes a list of targets for a terminal.
func WriteTargets(w io.Writer, targets []Checked) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "target\t\tvalue\tlimit\t\n")
	for _, c := range targets {
		what := c.Scenario + ": " + c.Metric
		if c.Against != "" {
			what += ", to " + c.Against
		}
		value, verdict := "-", "not measured"
		if c.Measured {
			value, verdict = Amount(c.Value, c.Unit), "does not hold"
		}
		if c.Holds() {
			verdict = "holds"
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s %s\t%s\n", c.Number, what, value, c.Compare, Amount(c.Limit, c.Unit), verdict)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return writeTrimmed(w, b.String())
}
