package peer

import (
	"context"
)

// floor is one net.Conn.Write for each client and message, one after the other, and nothing else. It is no bound: who joins writes, or has a
// cheaper way to write than net.Conn, costs less.
func floor() *Peer {
	const name = "floor"
	return &Peer{
		Name:  name,
		Title: "floor: one write a message",
		About: "one net.Conn.Write for each client and message, and nothing else",
		Install: func(ctx context.Context, dir string) (string, error) {
			_, err := installGo(name, rootModule)(ctx, dir)
			return "of this checkout", err
		},
		Command: listenOn(name),
	}
}
