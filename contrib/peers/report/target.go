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
	// Broken says that it does not hold though it has no value: a round failed of what has to hold in each.
	Broken bool
	// Excused says that it was not measured because a server was not asked for, or cannot be installed here.
	Excused bool
	// Note says what there is to know of the value, or why there is none; "" is nothing.
	Note string
}

// Holds reports whether the target is reached.
func (t *Checked) Holds() bool {
	if !t.Measured || t.Broken {
		return false
	}
	if t.Compare == scenario.AtLeast {
		return t.Value >= t.Limit
	}
	return t.Value <= t.Limit
}

// verdict is what came of it in a few words.
func (t *Checked) verdict() string {
	text := "does not hold"
	switch {
	case t.Holds():
		text = "holds"
	case !t.Measured && !t.Broken:
		text = "not measured"
	}
	if t.Note != "" {
		text += ": " + t.Note
	}
	return text
}

// Check checks those targets whose scenarios were to be run, unless ws-emit was not. One is measured only if each round of ws-emit was.
func (c *Comparison) Check(targets []scenario.Target) (all []Checked) {
	if c.peer(scenario.Ours) == nil {
		return nil
	}
	for _, t := range targets {
		i := slices.IndexFunc(c.Scenarios, func(s Scenario) bool { return s.Name == t.Scenario })
		if i < 0 {
			continue
		}
		s := &c.Scenarios[i]
		done := Checked{Target: t, Unit: "x"}
		if t.Against == "" {
			done.Unit = unitOf(s.Metrics, t.Metric)
		}
		c.check(&done, s.Rounds)
		all = append(all, done)
	}
	return all
}

// check finds the value of a target in so many rounds.
func (c *Comparison) check(t *Checked, rounds int) {
	if t.Against != "" {
		switch p := c.peer(t.Against); {
		case p == nil:
			t.Excused, t.Note = true, t.Against+" was not asked for"
			return
		case p.Missing != "":
			t.Excused, t.Note = true, t.Against+" cannot be installed here"
			return
		}
	}
	values := c.values(t.Scenario, t.Metric, scenario.Ours)
	if len(values) < rounds || rounds == 0 {
		t.Broken = t.Always && len(c.of(t.Scenario, scenario.Ours)) > len(values)
		t.Note = fmt.Sprintf("ws-emit has a value in %d of %d rounds", len(values), rounds)
		return
	}
	if t.Always { // also where something went wrong
		t.Value, t.Measured = worst(values, t.Compare), true
		return
	}
	values, slow := c.sound(t.Scenario, t.Metric), 0
	if t.Against != "" {
		values, slow = c.race(t.Scenario, t.Metric, t.Against)
	}
	t.Value, t.Measured = median(values)
	switch {
	case slow > 0:
		t.Note = fmt.Sprintf("%s cannot keep the rate in %d of %d rounds", t.Against, slow, rounds)
	case len(values) < rounds:
		t.Note = fmt.Sprintf("nothing went wrong in %d of %d rounds, which count", len(values), rounds)
	}
}

// sound are our values of the rounds in which nothing went wrong.
func (c *Comparison) sound(of, metric string) (values []float64) {
	for _, r := range c.of(of, scenario.Ours) {
		if v, ok := r.Values[metric]; ok && r.Wrong() == "" {
			values = append(values, v)
		}
	}
	return values
}

// race is our ratios to a peer, with a 0 for each round in which we kept the rate and the peer did not: slow is how many.
func (c *Comparison) race(of, metric, against string) (ratios []float64, slow int) {
	ratios = c.ratios(of, metric, scenario.Ours, against)
	for _, a := range c.of(of, scenario.Ours) {
		for _, b := range c.of(of, against) {
			if a.Round == b.Round && a.Wrong() == "" && b.TooSlow {
				ratios = append(ratios, 0)
				slow++
			}
		}
	}
	return ratios, slow
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
		value := "-"
		if c.Measured {
			value = Amount(c.Value, c.Unit)
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s %s\t%s\n", c.Number, what, value, c.Compare, Amount(c.Limit, c.Unit), c.verdict())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return writeTrimmed(w, b.String())
}
