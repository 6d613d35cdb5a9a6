package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ws-emit/ws-emit/contrib/peers/report"
	"github.com/ws-emit/ws-emit/contrib/peers/scenario"
)

var update = flag.Bool("update", false, "write the golden files")

type values = map[string]float64

const (
	cpu       = "CPU per delivery"
	delivered = "delivered"
)

// comparison is of three rounds in which the machine gets slower: figures double from the first to the third, ratios do not.
func comparison() *report.Comparison {
	broadcast := []scenario.Metric{scenario.CPUPerDelivery, scenario.Delivered, scenario.PostP99}
	c := &report.Comparison{
		Date: time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC), Command: "make peers", Rounds: 3,
		Machine: report.Machine{CPU: "Test CPU @ 2.00GHz", Cores: 2, Kernel: "6.1.0", Go: "1.26.0", Node: "20.1.0"},
		Peers: []report.Peer{
			{Name: "ws-emit", Title: "ws-emit", About: "ws-emit", Version: "1.2.3"}, {Name: "floor", Title: "floor", Version: "of this checkout", About: "one write for each"}, {Name: "node", Title: "Socket.IO (Node)", About: "Socket.IO for Node", Version: "4.8.4, ws 8.1.0"},
			{Name: "zishang2", Title: "zishang520/socket.io (Go)", About: "zishang520/socket.io v2"}, {Name: "python", Title: "ws-emit (Python)", About: "ws-emit in Python"},
			{Name: "socketioxide", About: "socketioxide <Rust>", Missing: "cargo is\nnot installed"},
		},
		Scenarios: []report.Scenario{
			{Name: "sequential", About: "1 emitter", Rounds: 3, Metrics: broadcast},
			{Name: "parallel", About: "16 emitters", Rounds: 3, Metrics: broadcast},
			{Name: "idle", About: "10,000 idle clients", Rounds: 3, Metrics: []scenario.Metric{scenario.Memory, scenario.Acknowledged}},
			{Name: "connect", About: "10,000 clients", Rounds: 3, Metrics: []scenario.Metric{scenario.CPUPerConnect, scenario.Acknowledged}},
		},
	}
	for round := 1; round <= 3; round++ {
		slow := float64(round+1) / 2
		add := func(of, peer string, v values, failure string) {
			c.Runs = append(c.Runs, report.Run{Round: round, Scenario: of, Peer: peer, Values: v, Failure: failure})
		}
		add("sequential", "ws-emit", values{cpu: 4.5 * slow, delivered: 100, "POST p99": 12}, "")
		add("sequential", "floor", values{cpu: 4 * slow, delivered: 100, "POST p99": 10}, "")
		add("sequential", "node", values{cpu: 9 * slow, delivered: 100, "POST p99": 30}, "")
		add("sequential", "python", values{cpu: 45 * slow, delivered: 100, "POST p99": 50}, "")
		add("parallel", "ws-emit", values{cpu: 1.8 * slow, delivered: 100, "POST p99": 40}, "")
		add("parallel", "floor", values{cpu: 4 * slow, delivered: 100, "POST p99": 90}, "")
		add("parallel", "zishang2", values{cpu: 39 * slow, delivered: 38.2, "POST p99": 400}, "38.2 % delivered: 494,400 lost")
		add("idle", "ws-emit", values{"memory per connection": 7.25, "acknowledged": 100}, "")
		add("idle", "node", values{"memory per connection": 14.5, "acknowledged": 100}, "")
		add("connect", "ws-emit", values{"CPU per connect": 100 * slow, "acknowledged": 100}, "")
		c.Runs = append(c.Runs, report.Run{Round: round, Scenario: "connect", Peer: "node", Error: "start node: it ended at once"})
	}
	return c
}

// golden compares with a file of testdata.
func golden(t *testing.T, name string, write func(io.Writer) error) {
	t.Helper()
	var got bytes.Buffer
	if err := write(&got); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s is not as expected (go test -update writes it anew):\n%s", name, got.Bytes())
	}
}

func TestTableTargetsAndPictureAreAsTheyWere(t *testing.T) {
	c := comparison()
	golden(t, "table.txt", c.WriteText)
	golden(t, "table.md", c.WriteMarkdown)
	golden(t, "chart.svg", c.WriteSVG)
	golden(t, "targets.txt", func(w io.Writer) error { return report.WriteTargets(w, c.Check(targets())) })
}

func targets() []scenario.Target {
	return []scenario.Target{
		{Number: 1, Scenario: "sequential", Metric: cpu, Against: "floor", Compare: scenario.AtMost, Limit: 1.2},
		{Number: 1, Scenario: "sequential", Metric: cpu, Against: "node", Compare: scenario.AtMost, Limit: 0.4},
		{Number: 2, Scenario: "parallel", Metric: cpu, Against: "centrifuge", Compare: scenario.AtMost, Limit: 0.8},
		{Number: 2, Scenario: "parallel", Metric: delivered, Compare: scenario.AtLeast, Limit: 100, Always: true},
		{Number: 3, Scenario: "idle", Metric: "memory per connection", Compare: scenario.AtMost, Limit: 6},
		{Number: 5, Scenario: "rooms", Metric: "ratio", Compare: scenario.AtMost, Limit: 1.2},
	}
}

func TestRatioIsTheMedianOfTheRatiosWithinEachRound(t *testing.T) {
	c := comparison()
	// In the second round both are a hundred times slower, and the third has no floor: medians of the values say nothing about each other.
	c.Runs = []report.Run{
		{Round: 1, Scenario: "sequential", Peer: "ws-emit", Values: values{cpu: 2}},
		{Round: 1, Scenario: "sequential", Peer: "floor", Values: values{cpu: 4}},
		{Round: 2, Scenario: "sequential", Peer: "floor", Values: values{cpu: 400}},
		{Round: 2, Scenario: "sequential", Peer: "ws-emit", Values: values{cpu: 240}},
		{Round: 3, Scenario: "sequential", Peer: "ws-emit", Values: values{cpu: 1}},
		{Round: 3, Scenario: "sequential", Peer: "floor", Error: "it did not start"},
	}
	got := c.Check(targets())[0]
	if want := (0.5 + 0.6) / 2; math.Abs(got.Value-want) > 1e-9 || !got.Measured {
		t.Errorf("ratio %v, want %v", got.Value, want)
	}
}

func TestOneRoundWithALossIsEnoughToBreakATargetThatAlwaysHolds(t *testing.T) {
	c := comparison()
	for i := range c.Runs {
		if r := &c.Runs[i]; r.Round == 2 && r.Scenario == "parallel" && r.Peer == "ws-emit" {
			r.Values[delivered], r.Failure = 99.9, "99.9 % delivered: 1 lost"
		}
	}
	for _, target := range c.Check(targets()) {
		if target.Always && target.Holds() {
			t.Errorf("%s of %s holds with %v in one round", target.Metric, target.Scenario, target.Value)
		}
	}
	if got := c.Faults(); len(got) != 1 || got[0].Round != 2 {
		t.Errorf("faults of ws-emit are %v, want the one of round 2", got)
	}
	var text bytes.Buffer
	if err := c.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "ws-emit, parallel: in 1 of 3 rounds, the last time: 99.9 % delivered: 1 lost") {
		t.Errorf("the table hides the loss:\n%s", &text)
	}
}

// A target is measured only by rounds that were, and says so.
func TestTargetsNeedAllRoundsOfOurs(t *testing.T) {
	ours := func(change func(r *report.Run)) *report.Comparison {
		c := comparison()
		for i := range c.Runs {
			if r := &c.Runs[i]; r.Round == 2 && r.Peer == "ws-emit" {
				change(r)
			}
		}
		return c
	}
	verdicts := func(c *report.Comparison) string {
		var b strings.Builder
		if err := report.WriteTargets(&b, c.Check(targets())); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for name, c := range map[string]struct {
		of   *report.Comparison
		want []string
	}{
		"a round failed": {ours(func(r *report.Run) { r.Values, r.Error = nil, "it did not start" }), []string{
			"to floor      -      at most 1.2x    not measured: ws-emit has a value in 2 of 3 rounds",
			"delivered                        -      at least 100 %  does not hold: ws-emit has a value in 2 of 3 rounds",
		}},
		"a round lost some": {ours(func(r *report.Run) { r.Failure = "1 lost" }), []string{
			"to floor      1.12x    at most 1.2x    holds: nothing went wrong in 2 of 3 rounds, which count",
		}},
	} {
		got := verdicts(c.of)
		for _, want := range c.want {
			if !strings.Contains(strings.Join(strings.Fields(got), " "), strings.Join(strings.Fields(want), " ")) {
				t.Errorf("%s: %q is not in\n%s", name, want, got)
			}
		}
	}
	if got := verdicts(func() *report.Comparison { c := comparison(); c.Runs = c.Runs[:1]; return c }()); strings.Contains(got, "holds") {
		t.Errorf("something holds:\n%s", got)
	}
}

// A peer that cannot keep the rate has lost against us, if we can.
func TestPeersThatCannotKeepTheRateLose(t *testing.T) {
	c := comparison()
	for i := range c.Runs {
		if r := &c.Runs[i]; r.Scenario == "sequential" && r.Peer == "node" {
			r.Values, r.Failure, r.TooSlow = nil, "it cannot deliver 900 messages a second", true
		}
	}
	var text strings.Builder
	if err := report.WriteTargets(&text, c.Check(targets())); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "holds: node cannot keep the rate in 3 of 3 rounds") {
		t.Errorf("targets are\n%s", &text)
	}
}

func TestPictureIsXMLOfItsOwnWhateverPeersAreCalled(t *testing.T) {
	c := comparison()
	c.Peers[2].Name, c.Machine.CPU = `a<b>&"c"`, "<script>"
	for i := range c.Runs {
		if c.Runs[i].Peer == "node" {
			c.Runs[i].Peer = c.Peers[2].Name
		}
	}
	var picture bytes.Buffer
	if err := c.WriteSVG(&picture); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(picture.String(), "href") || strings.Contains(picture.String(), "<script") {
		t.Errorf("the picture needs something from elsewhere:\n%s", &picture)
	}
	decoder, texts := xml.NewDecoder(&picture), ""
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := token.(xml.CharData); ok {
			texts += string(text)
		}
	}
	for _, want := range []string{c.Peers[2].Name, "<script>"} {
		if !strings.Contains(texts, want) {
			t.Errorf("the picture does not say %s", want)
		}
	}
}

func TestNothingMeasuredIsNoError(t *testing.T) {
	c := comparison()
	c.Runs, c.Interrupted = nil, true
	for _, write := range []func(io.Writer) error{c.WriteText, c.WriteMarkdown, c.WriteSVG} {
		if err := write(io.Discard); err != nil {
			t.Error(err)
		}
	}
	for _, target := range c.Check(targets()) {
		if target.Measured || target.Holds() {
			t.Errorf("%s of %s was measured", target.Metric, target.Scenario)
		}
	}
}

func TestNumbersHaveThreeDigits(t *testing.T) {
	for _, n := range []struct {
		value float64
		unit  string
		want  string
	}{
		{0, "", "0"}, {0.3618, "us", "0.362 us"}, {0.00012, "x", "0x"}, {4.5, "us", "4.5 us"}, {4.567, "x", "4.57x"}, {38.24, "%", "38.2 %"},
		{100, "%", "100 %"}, {99.9999, "%", "99.9 %"}, {99.04, "%", "99 %"}, {655.4, "ms", "655 ms"}, {123456.7, "/s", "123,457 /s"},
		{-1234, "", "-1,234"}, {1000, "", "1,000"}, {9.999, "us", "10 us"}, {0.74, "x", "0.74x"},
	} {
		if got := report.Amount(n.value, n.unit); got != n.want {
			t.Errorf("%v %s is written %q, want %q", n.value, n.unit, got, n.want)
		}
	}
}
