package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
	"github.com/ws-emit/ws-emit/contrib/peers/report"
	"github.com/ws-emit/ws-emit/contrib/peers/scenario"
)

// rawRun is one run with the reports behind it, as it is kept.
type rawRun struct {
	report.Run
	Reports []*bench.Report `json:"reports"`
}

// outcome is a run in one line.
func outcome(run *report.Run, s *scenario.Scenario) string {
	if run.Error != "" {
		return "failed: " + run.Error
	}
	var parts []string
	for _, m := range s.Metrics {
		if v, ok := run.Values[m.Name]; ok {
			parts = append(parts, m.Name+" "+report.Amount(v, m.Unit))
		}
	}
	for _, text := range []string{run.Failure, run.Note} {
		if text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, ", ")
}

// conclude prints the table and the targets, keeps everything in files, and returns as an error what is wrong with ws-emit.
func (r *runner) conclude(stdout io.Writer) error {
	c := &r.comparison
	checked := c.Check(r.targets)
	text := func(w io.Writer) error {
		if err := c.WriteText(w); err != nil || len(checked) == 0 {
			return err
		}
		if _, err := io.WriteString(w, "\n"); err != nil {
			return err
		}
		return report.WriteTargets(w, checked)
	}
	if err := writeJSON(filepath.Join(r.out, "comparison.json"), c); err != nil {
		return err
	}
	for name, write := range map[string]func(io.Writer) error{"table.txt": text, "table.md": c.WriteMarkdown, "chart.svg": c.WriteSVG} {
		if err := writeFile(filepath.Join(r.out, name), write); err != nil {
			return err
		}
	}
	if err := text(stdout); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\nTable, picture, raw reports and logs are in %s\n", r.out)
	return verdict(c, checked)
}

// verdict is an error when ws-emit is not as it should be, or when not everything was measured.
func verdict(c *report.Comparison, checked []report.Checked) error {
	var wrong []error
	if c.Interrupted {
		wrong = append(wrong, errors.New("interrupted"))
	}
	for _, p := range c.Peers {
		if p.Name == scenario.Ours && p.Missing != "" {
			wrong = append(wrong, errors.New("ws-emit cannot be installed: "+p.Missing))
		}
	}
	for _, run := range c.Faults() {
		wrong = append(wrong, fmt.Errorf("ws-emit, %s, round %d: %s", run.Scenario, run.Round, run.Wrong()))
	}
	broken, unknown := 0, 0
	for _, t := range checked {
		switch {
		case t.Holds() || t.Excused:
		case t.Measured || t.Broken:
			broken++
		default:
			unknown++
		}
	}
	if broken > 0 {
		wrong = append(wrong, fmt.Errorf("%d of %d targets do not hold", broken, len(checked)))
	}
	if unknown > 0 {
		wrong = append(wrong, fmt.Errorf("%d of %d targets were not measured", unknown, len(checked)))
	}
	return errors.Join(wrong...)
}

func writeJSON(path string, v any) error {
	return writeFile(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(v)
	})
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
