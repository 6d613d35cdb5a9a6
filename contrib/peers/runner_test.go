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

func TestServersTakeTurnsAtBeingFirstAndRunAlone(t *testing.T) {
	f := &fakes{}
	ok := func(context.Context, *peer.Server) (scenario.Result, error) { return costs(1), nil }
	some := fakeScenario("some", ok)
	some.Peers = []string{"ws-emit"}
	some.Args, some.Env = []string{"--metrics"}, []string{"A=b"}
	some.Before = func(context.Context, string) ([]string, func(), error) {
		f.happened = append(f.happened, "before")
		return []string{"--redis", "x"}, func() { f.happened = append(f.happened, fmt.Sprint("after with ", f.running)) }, nil
	}
	r := newRunner(t, f, []*peer.Peer{fakePeer("ws-emit"), fakePeer("a"), fakePeer("b")}, fakeScenario("all", ok), some)
	if err := r.run(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	extra := []string{"before", "start ws-emit [--metrics --redis x] [A=b]", "after with 0"}
	want := slices.Concat([]string{"start ws-emit [] []", "start a [] []", "start b [] []"}, extra, []string{"start a [] []", "start b [] []", "start ws-emit [] []"}, extra)
	if !slices.Equal(f.happened, want) {
		t.Errorf("got  %q\nwant %q", f.happened, want)
	}
	if f.most != 1 {
		t.Errorf("%d servers ran at the same time", f.most)
	}
	if log := readFile(t, r.out, "logs", "2-all-b.log"); log != "log of b" {
		t.Errorf("kept log is %q", log)
	}
}

func TestSomeScenariosHaveEnoughOfARound(t *testing.T) {
	long, short := fakeScenario("long", nil), fakeScenario("short", nil)
	long.Rounds = 1
	var got []string
	for _, j := range jobsOf(2, []scenario.Scenario{long, short}, []*peer.Peer{fakePeer("ws-emit")}) {
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
	r.targets = []scenario.Target{{Number: 1, Scenario: "load", Metric: "cost", Against: "lossy", Compare: scenario.AtMost, Limit: 0.5}}
	var out bytes.Buffer
	if err := r.run(t.Context(), &out); err != nil {
		t.Errorf("faults of others are ours: %v", err)
	}
	for _, want := range []string{
		"missing: not here, it could not be installed: no compiler here", "7 us (3.5x)", "lossy, load: in 2 of 2 rounds, the last time: 38 % delivered",
		"dead, load: in 2 of 2 rounds, the last time: no client could connect", "0.286x  at most 0.5x  holds",
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

func TestExitStatusTellsOfOurLossesAndBrokenTargets(t *testing.T) {
	for name, c := range map[string]struct {
		failure string
		limit   float64
		want    string
	}{
		"fine":          {"", 3, ""},
		"loss":          {"1 lost", 3, "ws-emit, load, round 1: 1 lost"},
		"broken target": {"", 1, "1 of 1 targets do not hold"},
	} {
		t.Run(name, func(t *testing.T) {
			load := fakeScenario("load", func(context.Context, *peer.Server) (scenario.Result, error) {
				r := costs(2)
				r.Failure = c.failure
				return r, nil
			})
			r := newRunner(t, &fakes{}, []*peer.Peer{fakePeer("ws-emit")}, load)
			r.targets = []scenario.Target{{Number: 1, Scenario: "load", Metric: "cost", Compare: scenario.AtMost, Limit: c.limit}}
			err := r.run(t.Context(), io.Discard)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestInterruptedRunWritesWhatThereIs(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	f := &fakes{}
	load := fakeScenario("load", func(ctx context.Context, s *peer.Server) (scenario.Result, error) {
		if s.Peer.Name == "b" {
			interrupt()
			return costs(99), nil // of half a load
		}
		return costs(2), nil
	})
	r := newRunner(t, f, []*peer.Peer{fakePeer("ws-emit"), fakePeer("b"), fakePeer("never")}, load)
	err := r.run(ctx, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("got %v, want that it was interrupted", err)
	}
	var c report.Comparison
	if err := json.Unmarshal([]byte(readFile(t, r.out, "comparison.json")), &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Runs) != 1 || c.Runs[0].Peer != "ws-emit" || !c.Interrupted {
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
