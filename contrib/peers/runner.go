package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
	"github.com/ws-emit/ws-emit/contrib/peers/peer"
	"github.com/ws-emit/ws-emit/contrib/peers/report"
	"github.com/ws-emit/ws-emit/contrib/peers/scenario"
)

// runWithin bounds one scenario on one server: what takes longer has stalled.
const runWithin = 3 * time.Minute

// starter starts a server, as peer.Start does.
type starter func(ctx context.Context, p *peer.Peer, dir string, args, env []string) (*peer.Server, func(), error)

// runner measures.
type runner struct {
	rounds    int
	seed      uint64 // of the order of servers
	peers     []*peer.Peer
	scenarios []scenario.Scenario
	targets   []scenario.Target
	dir       string // where servers are installed
	out       string
	start     starter
	progress  io.Writer

	comparison report.Comparison
}

// job is one scenario on one server.
type job struct {
	round    int
	scenario *scenario.Scenario
	peer     *peer.Peer
}

// run installs, measures, and writes what came of it. When ctx ends, it writes what there is.
func (r *runner) run(ctx context.Context, stdout io.Writer) error {
	for _, dir := range []string{r.dir, r.logs(), r.raw()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	r.comparison.Rounds, r.comparison.Seed = r.rounds, r.seed
	for _, s := range r.scenarios {
		about := report.Scenario{Name: s.Name, About: s.About, Rounds: roundsOf(r.rounds, &s), Metrics: s.Metrics}
		r.comparison.Scenarios = append(r.comparison.Scenarios, about)
	}
	if err := r.measure(ctx, r.install(ctx)); err != nil {
		return err
	}
	r.comparison.Interrupted = ctx.Err() != nil
	return r.conclude(stdout)
}

// install makes peers ready, and returns those that can be compared.
func (r *runner) install(ctx context.Context) (ready []*peer.Peer) {
	for _, p := range r.peers {
		r.say("install %s", p.Name)
		about := report.Peer{Name: p.Name, Title: p.Title, About: p.About}
		version, err := p.Install(ctx, r.dir)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			about.Missing = err.Error()
			r.say("  it cannot be installed: %v", err)
		} else {
			about.Version = version
			ready = append(ready, p)
		}
		r.comparison.Peers = append(r.comparison.Peers, about)
	}
	return ready
}

// measure does all jobs, until ctx ends. An error is that results cannot be kept.
func (r *runner) measure(ctx context.Context, ready []*peer.Peer) error {
	r.say("order of servers by -seed %d", r.seed)
	jobs := jobsOf(r.rounds, r.scenarios, ready, r.seed)
	for i, j := range jobs {
		text := ""
		if left, ok := r.remaining(jobs[i:]); ok {
			text = fmt.Sprintf(", about %v left", left.Round(time.Second))
		}
		r.say("%d/%d round %d: %s, %s%s", i+1, len(jobs), j.round, j.scenario.Name, j.peer.Name, text)
		run, reports := r.do(ctx, j)
		if ctx.Err() != nil {
			return nil // what was measured last is not complete
		}
		r.say("  %s", outcome(&run, j.scenario))
		r.comparison.Runs = append(r.comparison.Runs, run)
		if err := writeJSON(filepath.Join(r.raw(), fileName(j)+".json"), rawRun{run, reports}); err != nil {
			return err
		}
	}
	return nil
}

// roundsOf is how many of the rounds a scenario is in.
func roundsOf(rounds int, s *scenario.Scenario) int {
	if s.Rounds > 0 {
		return min(rounds, s.Rounds)
	}
	return rounds
}

// jobsOf are all jobs in their order. That of the servers is by chance in each round, so that none has always the same one before it.
func jobsOf(rounds int, scenarios []scenario.Scenario, peers []*peer.Peer, seed uint64) (jobs []job) {
	chance := rand.New(rand.NewPCG(seed, 0))
	for round := range rounds {
		for i := range scenarios {
			if round >= roundsOf(rounds, &scenarios[i]) {
				continue
			}
			var some []*peer.Peer
			for _, p := range peers {
				if scenarios[i].For(p.Name) {
					some = append(some, p)
				}
			}
			chance.Shuffle(len(some), func(a, b int) { some[a], some[b] = some[b], some[a] })
			for _, p := range some {
				jobs = append(jobs, job{round + 1, &scenarios[i], p})
			}
		}
	}
	return jobs
}

// do measures one scenario on one server.
func (r *runner) do(ctx context.Context, j job) (report.Run, []*bench.Report) {
	run := report.Run{Round: j.round, Scenario: j.scenario.Name, Peer: j.peer.Name, Began: time.Now().Truncate(time.Second), Load: loadAverage()}
	began := time.Now()
	within, cancel := context.WithTimeoutCause(ctx, runWithin, fmt.Errorf("it did not end within %v", runWithin))
	defer cancel()
	result, err := r.serve(within, j)
	if cause := context.Cause(within); err != nil && cause != nil {
		err = cause
	}
	run.Seconds = time.Since(began).Seconds()
	if err != nil {
		run.Error = err.Error()
		return run, nil
	}
	run.Values, run.Failure, run.TooSlow, run.Note = result.Values, result.Failure, result.TooSlow, result.Note
	return run, result.Reports
}

// serve starts a server, puts it under load and stops it. Its log is kept.
func (r *runner) serve(ctx context.Context, j job) (result scenario.Result, err error) {
	var args, env []string
	if j.peer.Name == scenario.Ours {
		args, env = slices.Clone(j.scenario.Args), j.scenario.Env
	}
	if j.scenario.Before != nil {
		more, after, err := j.scenario.Before(ctx, r.logs())
		if err != nil {
			return result, err
		}
		defer after()
		args = append(args, more...)
	}
	defer func() { err = errors.Join(err, r.keepLog(j)) }()
	server, stop, err := r.start(ctx, j.peer, r.dir, args, env)
	if err != nil {
		return result, err
	}
	defer stop()
	return j.scenario.Run(ctx, server)
}

// keepLog keeps what a server has written, if it has.
func (r *runner) keepLog(j job) error {
	err := os.Rename(filepath.Join(r.dir, j.peer.Name+".log"), filepath.Join(r.logs(), fileName(j)+".log"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (r *runner) logs() string { return filepath.Join(r.out, "logs") }
func (r *runner) raw() string  { return filepath.Join(r.out, "runs") }

func fileName(j job) string { return fmt.Sprintf("%d-%s-%s", j.round, j.scenario.Name, j.peer.Name) }

// remaining estimates how long jobs will take, by those that are done. ok is false as long as there are none.
func (r *runner) remaining(jobs []job) (_ time.Duration, ok bool) {
	done, seconds := r.comparison.Runs, 0.0
	for _, j := range jobs {
		best := []func(*report.Run) bool{
			func(d *report.Run) bool { return d.Scenario == j.scenario.Name && d.Peer == j.peer.Name },
			func(d *report.Run) bool { return d.Scenario == j.scenario.Name },
			func(*report.Run) bool { return true },
		}
		for _, like := range best {
			if mean, found := meanSeconds(done, like); found {
				seconds += mean
				break
			}
		}
	}
	return time.Duration(seconds * float64(time.Second)), len(done) > 0
}

func meanSeconds(runs []report.Run, like func(*report.Run) bool) (mean float64, found bool) {
	sum, n := 0.0, 0
	for i := range runs {
		if like(&runs[i]) {
			sum += runs[i].Seconds
			n++
		}
	}
	if n == 0 {
		return 0, false
	}
	return sum / float64(n), true
}

func (r *runner) say(format string, args ...any) {
	fmt.Fprintf(r.progress, format+"\n", args...) // who does not listen to progress misses it
}
