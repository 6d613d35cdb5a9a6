package peer

// zishang3 is the third version of zishang2, which has moved to modules of other names. It has nothing to set that would matter here either.
func zishang3() *Peer {
	const name = "zishang3"
	return &Peer{
		Name:    name,
		Title:   "zishang520/socket.io (Go)",
		About:   "zishang520/socket.io v3, in Go",
		Install: installGo(name, "github.com/zishang520/socket.io/servers/socket/v3"),
		Command: listenOn(name),
	}
}
