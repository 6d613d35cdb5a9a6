package peer

import (
	"context"
	"os"
	"path/filepath"
)

// socketioxide is the server in Rust, below axum, built for release with what costs only time to build, and with its defaults.
//
// Its queue for a client has 128 packets by default; what is emitted while it is full is not sent to that client.
func socketioxide() *Peer {
	const (
		name    = "socketioxide"
		program = "socketioxide-peer"
	)
	return &Peer{
		Name:  name,
		About: "socketioxide, in Rust, with axum",
		Install: func(ctx context.Context, dir string) (string, error) {
			if err := need("cargo"); err != nil {
				return "", err
			}
			dir, err := home(dir, name)
			if err != nil {
				return "", err
			}
			source, err := sources(ctx, name)
			if err != nil {
				return "", err
			}
			// Its own folder, so that what is there of cargo's configuration is taken.
			if _, err := command(ctx, source, nil, "cargo", "build", "--quiet", "--release", "--locked", "--target-dir", dir); err != nil {
				return "", err
			}
			if _, err := os.Stat(filepath.Join(dir, "release", program)); err != nil {
				return "", err
			}
			return command(ctx, source, nil, "sh", "-c", `sed -n 's/^socketioxide = "=\(.*\)"$/\1/p' Cargo.toml`)
		},
		Command: func(dir string, port int) (argv, env []string) {
			return []string{filepath.Join(dir, name, "release", program), address(port)}, nil
		},
	}
}
