package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ws-emit/ws-emit/contrib/peers/peer"
	"github.com/ws-emit/ws-emit/contrib/peers/scenario"
)

func main() {
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer release()
	context.AfterFunc(ctx, release) // a second signal ends at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// run is the command. An error is also that ws-emit is not as it should be.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	now := time.Now()
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(stderr)
	rounds := flags.Int("rounds", 3, "how often everything is measured")
	peers := flags.String("peers", "", "names of servers, with commas; all by default. Ratios and targets need ws-emit to be among them")
	scenarios := flags.String("scenarios", "", "names of scenarios, with commas, or all; by default those that do not take too long")
	out := flags.String("out", filepath.Join("results", now.Format("2006-01-02T15-04-05")), "folder for results")
	dir := flags.String("dir", filepath.Join("..", "..", "bin", "peers"), "folder where servers are installed")
	seed := flags.Uint64("seed", uint64(now.UnixNano()), "what the order of servers in each round comes from; by default another one each time")
	list := flags.Bool("list", false, "only list servers and scenarios")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *rounds < 1 {
		return errors.New("want flags only, and at least 1 round; see -help")
	}
	r := &runner{rounds: *rounds, seed: *seed, dir: *dir, out: *out, targets: scenario.Targets(), start: peer.Start, progress: stderr}
	var err error
	if r.peers, err = pick("server", *peers, peer.All(), func(p *peer.Peer) string { return p.Name }); err != nil {
		return err
	}
	if r.scenarios, err = pickScenarios(*scenarios, *list); err != nil {
		return err
	}
	if *list {
		return listAll(stdout, r.peers, r.scenarios)
	}
	r.comparison.Date, r.comparison.Command, r.comparison.Machine = now.Truncate(time.Second), commandLine(args), machine(ctx)
	return r.run(ctx, stdout)
}

// commandLine is what to type for the same again, at the top of the repository.
func commandLine(args []string) string {
	if len(args) == 0 {
		return "make peers"
	}
	return fmt.Sprintf("make peers PEERS='%s'", strings.Join(args, " "))
}

// pick takes those of all whose names are in a list with commas, in the order of all. An empty list is all, and so is "all".
func pick[T any](what, list string, all []T, name func(T) string) (some []T, _ error) {
	if list == "" || list == "all" {
		return all, nil
	}
	wanted := make(map[string]bool)
	for n := range strings.SplitSeq(list, ",") {
		wanted[strings.TrimSpace(n)] = true
	}
	var names []string
	for _, one := range all {
		names = append(names, name(one))
		if wanted[name(one)] {
			some = append(some, one)
			delete(wanted, name(one))
		}
	}
	for n := range wanted {
		return nil, fmt.Errorf("there is no %s %q: want some of %s", what, n, strings.Join(names, ","))
	}
	return some, nil
}

// pickScenarios takes those in a list with commas, with what they need, and without a list those that are not extra, unless these are wanted too.
func pickScenarios(list string, extra bool) ([]scenario.Scenario, error) {
	all := scenario.All()
	name := func(s scenario.Scenario) string { return s.Name }
	if list == "" && !extra {
		return slices.DeleteFunc(all, func(s scenario.Scenario) bool { return s.Extra }), nil
	}
	some, err := pick("scenario", list, all, name)
	if err != nil || len(some) == len(all) {
		return some, err
	}
	names := list
	for _, s := range some {
		if s.Needs != "" {
			names += "," + s.Needs
		}
	}
	return pick("scenario", names, all, name)
}

func listAll(w io.Writer, peers []*peer.Peer, scenarios []scenario.Scenario) error {
	var b strings.Builder
	for _, p := range peers {
		fmt.Fprintf(&b, "%-14s %s\n", p.Name, p.About)
	}
	b.WriteByte('\n')
	for _, s := range scenarios {
		fmt.Fprintf(&b, "%-14s %s\n", s.Name, s.About)
		if s.Extra {
			fmt.Fprintf(&b, "%-14s only when asked for\n", "")
		}
		if s.Peers != nil {
			fmt.Fprintf(&b, "%-14s for %s\n", "", strings.Join(s.Peers, ", "))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
