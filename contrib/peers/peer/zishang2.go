package peer

// zishang2 is the server in Go that most use, at the last release of its second version. It has nothing to set that would matter here.
//
// It loses messages when several are emitted to a room at the same time (its issue 101).
func zishang2() *Peer {
	const name = "zishang2"
	return &Peer{
		Name:    name,
		About:   "zishang520/socket.io v2, in Go",
		Install: installGo(name, "github.com/zishang520/socket.io/v2"),
		Command: listenOn(name),
	}
}
