package peer

import (
	"context"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
)

// Peer is a server that can be compared. All its commands run on this machine.
type Peer struct {
	// Name is short and unique: ws-emit, floor, node, python, zishang2, zishang3, centrifuge, socketioxide.
	Name string
	// Title is a short name for people who do not know Name.
	Title string
	// About says in one line what it is.
	About string
	// Install makes ready what Start needs, in a folder of its own, and returns the version. It may take minutes, and does little when it
	// was done before. An error says why the peer cannot be installed here.
	Install func(ctx context.Context, dir string) (version string, err error)
	// Command is the server that listens on a port of 127.0.0.1, with its arguments, and the variables to add to the environment.
	Command func(dir string, port int) (argv, env []string)
	// Redis tells that the server cannot do without one: Start starts one for it, and says where it is in the variable REDIS.
	Redis bool
	// Configure tells a load how clients join and how emits are made, once URL is set. Nil is our way.
	Configure func(cfg *bench.Config)
}

// Server is a peer that runs.
type Server struct {
	Peer *Peer
	URL  string // http://127.0.0.1:PORT
	PID  int
}

// All are the peers, ours first and the others as in the table.
func All() []*Peer {
	return []*Peer{wsEmit(), floor(), node(), python(), zishang2(), zishang3(), centrifuge(), socketioxide()}
}

// Load is a load for the server: where it is, how to join, how to emit, and whose processor time and memory to measure.
func (s *Server) Load() bench.Config {
	cfg := bench.Config{URL: s.URL, PID: s.PID}
	if s.Peer.Configure != nil {
		s.Peer.Configure(&cfg)
	}
	return cfg
}
