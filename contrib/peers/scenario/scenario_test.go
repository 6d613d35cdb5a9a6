package scenario

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
	"github.com/ws-emit/ws-emit/contrib/peers/peer"
)

func TestTargetsAreOfMetricsAndPeersThatThereAre(t *testing.T) {
	scenarios := All()
	var names []string
	for _, p := range peer.All() {
		names = append(names, p.Name)
	}
	for _, target := range Targets() {
		i := slices.IndexFunc(scenarios, func(s Scenario) bool { return s.Name == target.Scenario })
		if i < 0 {
			t.Errorf("there is no scenario %q", target.Scenario)
			continue
		}
		s := &scenarios[i]
		if s.Extra != (target.Number > 7) {
			t.Errorf("target %d is of %s, and Extra is %v", target.Number, s.Name, s.Extra)
		}
		if !slices.ContainsFunc(s.Metrics, func(m Metric) bool { return m.Name == target.Metric }) {
			t.Errorf("%s has no metric %q", s.Name, target.Metric)
		}
		for _, name := range []string{Ours, target.Against} {
			if name != "" && (!slices.Contains(names, name) || !s.For(name)) {
				t.Errorf("%s is not for %s", s.Name, name)
			}
		}
	}
	seen := make(map[string]bool)
	for _, s := range scenarios {
		if seen[s.Name] {
			t.Errorf("two scenarios are called %s", s.Name)
		}
		if s.Needs != "" && !seen[s.Needs] {
			t.Errorf("%s needs %s before it", s.Name, s.Needs)
		}
		seen[s.Name] = true
		for _, name := range s.Peers {
			if !slices.Contains(names, name) {
				t.Errorf("%s is for %s, who is no peer", s.Name, name)
			}
		}
	}
}

func TestMemoryHasSettledWhenItStaysForAWhile(t *testing.T) {
	var w window
	for _, s := range []struct {
		at      time.Duration
		rss     int64
		settled bool
	}{
		{0, 100_000, false}, {time.Second, 110_000, false}, {2 * time.Second, 110_300, false}, {2500 * time.Millisecond, 110_100, false},
		{2750 * time.Millisecond, 105_000, false}, // the one before did not last
		{4500 * time.Millisecond, 105_300, false}, {4750 * time.Millisecond, 105_300, true},
	} {
		if got := w.settled(s.at, s.rss); got != s.settled {
			t.Errorf("at %v with %d bytes settled is %v", s.at, s.rss, got)
		}
	}
	w = window{}
	for at := time.Duration(0); at < 10*time.Second; at += 250 * time.Millisecond {
		if w.settled(at, int64(100_000+at/time.Millisecond)) { // 1 % a second, slowly but always
			t.Fatalf("what always grows has settled at %v", at)
		}
	}
}

func TestFailureSaysFirstHowMuchWasDelivered(t *testing.T) {
	emitted := bench.Emit{Accepted: 10}
	whole := &bench.Report{Emit: emitted, Delivery: bench.Delivery{Expected: 10, Delivered: 10}}
	if got := failure(whole); got != "" {
		t.Errorf("nothing is wrong, and it says %q", got)
	}
	part := &bench.Report{Emit: emitted, Delivery: bench.Delivery{Expected: 1000, Delivered: 382, Lost: 618}}
	if got := failure(whole, part); got != "38.2 % delivered: 618 lost" {
		t.Errorf("got %q", got)
	}
	nearly := &bench.Report{Emit: emitted, Delivery: bench.Delivery{Expected: 10_000_000, Delivered: 9_999_999, Lost: 1}}
	if got := failure(nearly); got != "99.9 % delivered: 1 lost" {
		t.Errorf("got %q", got)
	}
	away := &bench.Report{Load: bench.Load{By: bench.ByNothing}, Connect: bench.Connect{Failed: 3}}
	if got := failure(away); got != "3 not connected" {
		t.Errorf("got %q", got)
	}
}

func TestCountersAreThoseOfRedis(t *testing.T) {
	const text = `# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.
process_cpu_seconds_total 1.25
wsemit_emits_total{result="ok",source="http"} 7
wsemit_emits_total{result="ok",source="redis"} 4e+05
wsemit_emits_total{result="invalid",source="redis"} 2
wsemit_source_drops_total{reason="malformed",source="redis"} 1
wsemit_source_drops_total{reason="encoding",source="redis"} 2
wsemit_source_gaps_total{reason="overflow",source="redis"} 1
`
	all, err := readMetrics(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := newCounters(all), (counters{emits: 400_000, drops: 3, gaps: 1, cpu: 1.25}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestMessagesFromRedisAreCounted publishes to the real server by a real Redis.
func TestMessagesFromRedisAreCounted(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("redis-server is not installed")
	}
	ours, dir := peer.All()[0], t.TempDir()
	if _, err := ours.Install(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	for _, s := range []Scenario{redis(), redisOrder()} {
		args, after, err := s.Before(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(after)
		server, stop, err := peer.Start(t.Context(), ours, dir, append(s.Args, args...), s.Env)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
		result, err := s.Run(t.Context(), server)
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		if result.Failure != "" {
			t.Errorf("%s: %s", s.Name, result.Failure)
		}
		for _, m := range s.Metrics {
			if v, ok := result.Values[m.Name]; !ok || m.Unit == "%" && v != 100 {
				t.Errorf("%s: %s is %v", s.Name, m.Name, v)
			}
		}
	}
}
