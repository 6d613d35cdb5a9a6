package peer

import (
	"context"
)

// floor is what nobody gets below who does not join writes: one write(2) for each client and message, one after the other.
func floor() *Peer {
	const name = "floor"
	return &Peer{
		Name:  name,
		About: "one write(2) for each client and message, and nothing else",
		Install: func(ctx context.Context, dir string) (string, error) {
			_, err := installGo(name, rootModule)(ctx, dir)
			return "of this checkout", err
		},
		Command: listenOn(name),
	}
}
