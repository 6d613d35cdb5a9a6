package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
	"github.com/ws-emit/ws-emit/contrib/peers/peer"
	"github.com/ws-emit/ws-emit/contrib/peers/report"
	"github.com/ws-emit/ws-emit/contrib/peers/scenario"
)

// fakes are servers that are only names, and what happened to them.
type fakes struct {
	happened []string
	running  int
	most     int // that ran at the same time
}

func (f *fakes) start(_ context.Context, p *peer.Peer, dir string, args, env []string) (*peer.Server, func(), error) {
	f.happened = append(f.happened, strings.TrimSpace(fmt.Sprintln("start", p.Name, args, env)))
	f.running++
	f.most = max(f.most, f.running)
	if err := os.WriteFile(filepath.Join(dir, p.Name+".log"), []byte("log of "+p.Name), 0o644); err != nil {
		return nil, nil, err
	}
	return &peer.Server{Peer: p}, func() { f.running-- }, nil
}

func fakePeer(name string) *peer.Peer {
	return &peer.Peer{Name: name, About: name, Install: func(context.Context, string) (string, error) { return "1", nil }}
}

// cost is the one metric of fake scenarios.
var cost = scenario.Metric{Name: "cost", Unit: "us"}

func fakeScenario(name string, run func(ctx context.Context, s *peer.Server) (scenario.Result, error)) scenario.Scenario {
	return scenario.Scenario{Name: name, About: name, Metrics: []scenario.Metric{cost}, Run: run}
}

func costs(us float64) scenario.Result {
	return scenario.Result{Values: map[string]float64{"cost": us}}
}

func newRunner(t *testing.T, f *fakes, peers []*peer.Peer, scenarios ...scenario.Scenario) *runner {
	t.Helper()
	return &runner{rounds: 2, peers: peers, scenarios: scenarios, dir: t.TempDir(), out: t.TempDir(), start: f.start, progress: io.Discard}
}

func readFile(t *testing.T, parts ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestServersRunAloneWithWhatTheirScenarioAddsToTheCommand(t *testing.T) {
	f := &fakes{}
	ok := func(context.Context, *peer.Server) (scenario.Result, error) { return costs(1), nil }
	some := fakeScenario("some", ok)
	some.Peers = []string{"ws-emit"}
	some.Args, some.Env = []string{"--metrics"}, []string{"A=b"}
	some.Before = func(context.Context, string) ([]string, func(), error) {
		f.happened = append(f.happened, "before")
		return []string{"--redis", "x"}, func() { f.happened = append(f.happened, fmt.Sprint("after with ", f.running)) }, nil
	}
	r := newRunner(t, f, []*peer.Peer{fakePeer("ws-emit"), fakePeer("b")}, fakeScenario("all", ok), some)
	r.rounds = 1
	if err := r.run(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	extra := []string{"before", "start ws-emit [--metrics --redis x] [A=b]", "after with 0"}
	slices.Sort(f.happened[:2]) // by chance
	want := slices.Concat([]string{"start b [] []", "start ws-emit [] []"}, extra)
	if !slices.Equal(f.happened, want) {
		t.Errorf("got  %q\nwant %q", f.happened, want)
	}
	if f.most != 1 {
		t.Errorf("%d servers ran at the same time", f.most)
	}
	if log := readFile(t, r.out, "logs", "1-all-b.log"); log != "log of b" {
		t.Errorf("kept log is %q", log)
	}
}

// The order of servers is that of a seed, and each is first at some time.
func TestOrderOfServersIsByChanceAndCanBeRepeated(t *testing.T) {
	const rounds = 50
	peers := []*peer.Peer{fakePeer("a"), fakePeer("b"), fakePeer("c")}
	order := func(seed uint64) (names []string) {
		for _, j := range jobsOf(rounds, []scenario.Scenario{fakeScenario("load", nil)}, peers, seed) {
			names = append(names, j.peer.Name)
		}
		return names
	}
	names := order(1)
	if !slices.Equal(names, order(1)) || slices.Equal(names, order(2)) {
		t.Error("the order is not that of the seed")
	}
	first := make(map[string]int)
	for round := range slices.Chunk(names, len(peers)) {
		first[round[0]]++
		if slices.Sort(round); !slices.Equal(round, []string{"a", "b", "c"}) {
			t.Errorf("a round of %q", round)
		}
	}
	if len(first) != len(peers) {
		t.Errorf("first were %v", first)
	}
}

func TestSomeScenariosHaveEnoughOfARound(t *testing.T) {
	long, short := fakeScenario("long", nil), fakeScenario("short", nil)
	long.Rounds = 1
	var got []string
	for _, j := range jobsOf(2, []scenario.Scenario{long, short}, []*peer.Peer{fakePeer("ws-emit")}, 1) {
		got = append(got, fileName(j))
	}
	if want := []string{"1-long-ws-emit", "1-short-ws-emit", "2-short-ws-emit"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatFailsIsShownAndTheOthersAreMeasured(t *testing.T) {
	f := &fakes{}
	missing := fakePeer("missing")
	missing.Install = func(context.Context, string) (string, error) { return "", errors.New("no compiler here") }
	load := fakeScenario("load", func(_ context.Context, s *peer.Server) (scenario.Result, error) {
		switch s.Peer.Name {
		case "lossy":
			r := costs(7)
			r.Failure = "38 % delivered"
			return r, nil
		case "dead":
			return scenario.Result{}, errors.New("no client could connect")
		}
		return costs(2), nil
	})
	r := newRunner(t, f, []*peer.Peer{fakePeer("ws-emit"), fakePeer("lossy"), fakePeer("dead"), missing}, load)
	r.targets = []scenario.Target{{Number: 1, Scenario: "load", Metric: "cost", Against: "missing", Compare: scenario.AtMost, Limit: 0.5}}
	var out bytes.Buffer
	if err := r.run(t.Context(), &out); err != nil {
		t.Errorf("faults of others are ours: %v", err)
	}
	for _, want := range []string{
		"missing: not here, it could not be installed: no compiler here", "7 us\n", "lossy, load: in 2 of 2 rounds, the last time: 38 % delivered",
		"dead, load: in 2 of 2 rounds, the last time: no client could connect", "-      at most 0.5x  not measured: missing cannot be installed here",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, &out)
		}
	}
	var raw rawRun
	if err := json.Unmarshal([]byte(readFile(t, r.out, "runs", "1-load-lossy.json")), &raw); err != nil || raw.Values["cost"] != 7 || raw.Failure == "" {
		t.Errorf("raw run is %+v, %v", raw, err)
	}
}

func TestExitStatusTellsWhatIsWrongWithUs(t *testing.T) {
	const lost = "1 lost"
	nothing := scenario.Result{}
	for name, c := range map[string]struct {
		ours, others scenario.Result
		limit        float64
		against      string
		want         string
	}{
		"fine":                {ours: costs(2), limit: 3},
		"loss":                {ours: scenario.Result{Values: costs(2).Values, Failure: lost}, limit: 3, want: "ws-emit, load, round 1: 1 lost"},
		"broken target":       {ours: costs(2), limit: 1, want: "1 of 1 targets do not hold"},
		"not measured":        {ours: nothing, limit: 3, want: "1 of 1 targets were not measured"},
		"no ratio":            {ours: costs(2), others: nothing, limit: 3, against: "other", want: "1 of 1 targets were not measured"},
		"ratio to a loser":    {ours: costs(2), others: scenario.Result{Values: costs(9).Values, Failure: lost}, limit: 3, against: "other", want: "not measured"},
		"peer too slow":       {ours: costs(2), others: scenario.Result{Failure: "too slow", TooSlow: true}, limit: 1, against: "other"},
		"peer not asked for":  {ours: costs(2), limit: 3, against: "nobody"},
		"peer not to be had":  {ours: costs(2), limit: 3, against: "missing"},
		"a note is no fault":  {ours: scenario.Result{Values: costs(2).Values, Note: "slow"}, limit: 3},
		"ratio does not hold": {ours: costs(2), others: costs(1), limit: 1, against: "other", want: "1 of 1 targets do not hold"},
	} {
		t.Run(name, func(t *testing.T) {
			load := fakeScenario("load", func(_ context.Context, s *peer.Server) (scenario.Result, error) {
				if s.Peer.Name == scenario.Ours {
					return c.ours, nil
				}
				return c.others, nil
			})
			missing := fakePeer("missing")
			missing.Install = func(context.Context, string) (string, error) { return "", errors.New("no compiler here") }
			r := newRunner(t, &fakes{}, []*peer.Peer{fakePeer("ws-emit"), fakePeer("other"), missing}, load)
			r.targets = []scenario.Target{{Number: 1, Scenario: "load", Metric: "cost", Against: c.against, Compare: scenario.AtMost, Limit: c.limit}}
			err := r.run(t.Context(), io.Discard)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestExitStatusTellsThatWeCannotBeInstalled(t *testing.T) {
	ours := fakePeer("ws-emit")
	ours.Install = func(context.Context, string) (string, error) { return "", errors.New("it does not compile") }
	r := newRunner(t, &fakes{}, []*peer.Peer{ours}, fakeScenario("load", nil))
	if err := r.run(t.Context(), io.Discard); err == nil || !strings.Contains(err.Error(), "ws-emit cannot be installed: it does not compile") {
		t.Errorf("got %v", err)
	}
}

// What takes long is run by its name and by all, with what it needs.
func TestScenariosByName(t *testing.T) {
	for list, want := range map[string]string{
		"":            "sequential,parallel,idle,connect,rooms,redis,order,slow",
		"all":         "sequential,parallel,idle,connect,rooms,redis,order,slow,overload,churn,leave,saturation,half,halfbest",
		"slow,churn":  "slow,churn",
		"halfbest":    "saturation,halfbest",
		"overload":    "overload",
		" idle ,slow": "idle,slow",
	} {
		some, err := pickScenarios(list, false)
		var names []string
		for _, s := range some {
			names = append(names, s.Name)
		}
		if got := strings.Join(names, ","); err != nil || got != want {
			t.Errorf("%q: got %s, %v, want %s", list, got, err, want)
		}
	}
}

func TestInterruptedRunWritesWhatThereIs(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	f := &fakes{}
	var measured []string // in the order of chance
	load := fakeScenario("load", func(ctx context.Context, s *peer.Server) (scenario.Result, error) {
		if measured = append(measured, s.Peer.Name); len(measured) == 2 {
			interrupt()
			return costs(99), nil // of half a load
		}
		return costs(2), nil
	})
	r := newRunner(t, f, []*peer.Peer{fakePeer("ws-emit"), fakePeer("b"), fakePeer("c")}, load)
	err := r.run(ctx, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("got %v, want that it was interrupted", err)
	}
	var c report.Comparison
	if err := json.Unmarshal([]byte(readFile(t, r.out, "comparison.json")), &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Runs) != 1 || c.Runs[0].Peer != measured[0] || len(measured) != 2 || !c.Interrupted {
		t.Errorf("kept %+v, want only what was complete", c.Runs)
	}
	if text := readFile(t, r.out, "table.txt"); !strings.Contains(text, "2 us") || !strings.Contains(text, "Interrupted") || strings.Contains(text, "99") {
		t.Errorf("table is:\n%s", text)
	}
	if f.running != 0 {
		t.Error("a server still runs")
	}
}

// TestOurServerIsMeasured starts the real server, by all that make peers does, under a load that is small.
func TestOurServerIsMeasured(t *testing.T) {
	load := fakeScenario("load", func(ctx context.Context, s *peer.Server) (scenario.Result, error) {
		cfg := s.Load()
		cfg.Clients, cfg.Count = 20, 50
		r, err := bench.Run(ctx, cfg)
		if err != nil {
			return scenario.Result{}, err
		}
		return scenario.Result{Values: map[string]float64{"cost": float64(r.Delivery.Delivered)}, Reports: []*bench.Report{r}}, nil
	})
	ours := peer.All()[0]
	if ours.Name != scenario.Ours {
		t.Fatalf("the first peer is %s", ours.Name)
	}
	r := newRunner(t, nil, []*peer.Peer{ours}, load)
	r.rounds, r.start = 1, peer.Start
	r.targets = []scenario.Target{{Number: 1, Scenario: "load", Metric: "cost", Compare: scenario.AtLeast, Limit: 1000, Always: true}}
	var out bytes.Buffer
	if err := r.run(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if log := readFile(t, r.out, "logs", "1-load-ws-emit.log"); !strings.Contains(log, "listen") {
		t.Errorf("the log of the server is %q", log)
	}
	var raw rawRun
	if err := json.Unmarshal([]byte(readFile(t, r.out, "runs", "1-load-ws-emit.json")), &raw); err != nil || len(raw.Reports) != 1 || raw.Reports[0].Delivery.Delivered != 1000 {
		t.Errorf("raw run is %+v, %v", raw, err)
	}
}

func TestRemainingTimeIsThatOfLikeRuns(t *testing.T) {
	a, b := fakeScenario("a", nil), fakeScenario("b", nil)
	x, y := fakePeer("x"), fakePeer("y")
	r := &runner{}
	jobs := []job{{2, &a, x}, {2, &a, y}, {2, &b, x}}
	if _, ok := r.remaining(jobs); ok {
		t.Error("an estimate without anything to go by")
	}
	r.comparison.Runs = []report.Run{{Scenario: "a", Peer: "x", Seconds: 2}, {Scenario: "a", Peer: "z", Seconds: 6}}
	if got, _ := r.remaining(jobs); got.Seconds() != 2+4+4 { // x itself, the mean of a, the mean of all
		t.Errorf("got %v", got)
	}
}

func TestNamesThatDoNotExistAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-peers", "ws-emit,nobody"}, {"-scenarios", "nothing"}, {"-rounds", "0"}, {"more"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-list", "-peers", "node, ws-emit", "-scenarios", "idle"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "ws-emit ") || !strings.Contains(out.String(), "\nidle ") || strings.Contains(out.String(), "sequential") {
		t.Errorf("list is:\n%s", &out)
	}
}
