package peer

// zishang2 is the server in Go that most use, at the last release of its second version. It has nothing to set that would matter here.
//
// It loses messages (its issue 101): of those that wait for a client while another is written, only the first is sent.
func zishang2() *Peer {
	const name = "zishang2"
	return &Peer{
		Name:    name,
		Title:   "zishang520/socket.io (Go)",
		About:   "zishang520/socket.io v2, in Go",
		Install: installGo(name, "github.com/zishang520/socket.io/v2"),
		Command: listenOn(name),
	}
}
