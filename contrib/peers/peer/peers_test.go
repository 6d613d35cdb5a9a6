package peer

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
)

// needPeers leaves out what installs programs of others.
func needPeers(t *testing.T) {
	t.Helper()
	if os.Getenv("WS_EMIT_TEST_PEERS") == "" {
		t.Skip("this installs the servers of others by npm, pip and cargo: set WS_EMIT_TEST_PEERS=1 to run it")
	}
}

// install makes a peer ready, in a folder of the test.
func install(t *testing.T, p *Peer) (dir string) {
	t.Helper()
	dir = t.TempDir()
	version, err := p.Install(t.Context(), dir)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s cannot be installed: %v", p.Name, err)
		}
		t.Skipf("%s cannot be installed: %v", p.Name, err)
	}
	if version == "" {
		t.Errorf("%s has no version", p.Name)
	}
	t.Logf("%s is %s", p.Name, version)
	return dir
}

// running starts a peer for the time of the test.
func running(t *testing.T, p *Peer, dir string) *Server {
	t.Helper()
	s, stop, err := Start(t.Context(), p, dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return s
}

// loaded runs a load for a server.
func loaded(t *testing.T, cfg bench.Config) *bench.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r, err := bench.Run(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// addsUp checks that a report accounts for every message: all that were to be emitted were accepted, and each was delivered to each client that
// had connected, or is counted as lost.
func addsUp(t *testing.T, r *bench.Report, messages int64) {
	t.Helper()
	d := r.Delivery
	if r.Emit.Accepted != messages || d.Delivered <= 0 || d.Expected != messages*int64(r.Connect.Connected) || d.Delivered+d.Lost != d.Expected {
		t.Errorf("%d of %d messages were accepted, for %d clients; %d deliveries were expected, %d came, and %d were lost",
			r.Emit.Accepted, messages, r.Connect.Connected, d.Expected, d.Delivered, d.Lost)
	}
	if r.Server == nil || r.Server.RSSConnected <= 0 {
		t.Errorf("the process was not measured: %+v", r.Server)
	}
}

// works checks that a server brings every message to every client, unless it is one that loses some.
func works(t *testing.T, s *Server) {
	t.Helper()
	const clients, messages = 50, 100
	cfg := s.Load()
	cfg.Clients, cfg.Count = clients, messages
	r := loaded(t, cfg)
	addsUp(t, r, messages)
	err := r.Failure()
	if s.Peer.Name == zishang2().Name {
		t.Logf("as is known of it: %v", err)
	} else if err != nil {
		t.Errorf("%v (connect: %v, ended: %v)", err, r.Connect.Errors, r.Delivery.Ended)
	}
}

// TestPeers: each peer that can be installed here is started as the comparison does, and does what the others do.
func TestPeers(t *testing.T) {
	needPeers(t)
	for _, p := range All() {
		t.Run(p.Name, func(t *testing.T) { works(t, running(t, p, install(t, p))) })
	}
}

// TestBenchTellsLoss: a real server that loses messages is found out. zishang2 loses most of what several emit at the same time.
func TestBenchTellsLoss(t *testing.T) {
	needPeers(t)
	const clients, emitters, messages = 500, 16, 2000
	p := zishang2()
	cfg := running(t, p, install(t, p)).Load()
	cfg.Clients, cfg.Emitters, cfg.Count, cfg.Patience = clients, emitters, messages, 3*time.Second
	r := loaded(t, cfg)
	addsUp(t, r, messages)
	d := r.Delivery
	t.Logf("%d of %d delivered (%.1f %%), %v", d.Delivered, d.Expected, 100*float64(d.Delivered)/float64(d.Expected), r.Failure())
	if d.Lost <= 0 || r.Failure() == nil {
		t.Errorf("the report says of %d lost messages: %v", d.Lost, r.Failure())
	}
}
