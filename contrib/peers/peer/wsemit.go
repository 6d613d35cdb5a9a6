package peer

import (
	"context"
	"net/http"
	"path/filepath"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
)

// secret is that of emits, for the servers which want one. It protects nothing: the server is reached from this machine only.
const secret = "compare"

// wsEmit is the server of this checkout, built as the Makefile does, with what it has by default and no Redis.
func wsEmit() *Peer {
	const name = "ws-emit"
	return &Peer{
		Name:  name,
		Title: "ws-emit",
		About: "ws-emit, of this checkout",
		Install: func(ctx context.Context, dir string) (string, error) {
			dir, err := home(dir, name)
			if err != nil {
				return "", err
			}
			root, err := aboutModule(ctx, "", rootModule, "Dir")
			if err != nil {
				return "", err
			}
			if err := goBuild(ctx, filepath.Join(root, "cmd", name), filepath.Join(dir, name)); err != nil {
				return "", err
			}
			version, err := command(ctx, root, nil, "git", "describe", "--tags", "--always", "--dirty")
			if err != nil { // no git, or the sources of a release
				return "of this checkout", ctx.Err()
			}
			return version, nil
		},
		Command: func(dir string, port int) (argv, env []string) {
			return []string{filepath.Join(dir, name, name), "-a", address(port), "--redis", "none"}, []string{"SECRET=" + secret}
		},
		Configure: func(cfg *bench.Config) {
			cfg.EmitHeader = http.Header{"Authorization": {"Bearer " + secret}}
		},
	}
}
