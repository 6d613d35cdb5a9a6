package peer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// socketioxide is the server in Rust, below axum, built for release with what costs only time to build, and with its defaults.
//
// Its queue for a client has 128 packets by default; what is emitted while that is full does not go to that client. Who emits is told so only
// after the others have got it, so that there is nothing to be done about it.
func socketioxide() *Peer {
	const (
		name    = "socketioxide"
		program = "socketioxide-peer"
	)
	return &Peer{
		Name:  name,
		Title: "socketioxide (Rust)",
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
			if _, err := command(ctx, source, nil, "cargo", "build", "--quiet", "--release", "--locked", "--target-dir", dir); err != nil {
				return "", err
			}
			return cargoVersion(source, name)
		},
		Command: func(dir string, port int) (argv, env []string) {
			return []string{filepath.Join(dir, name, "release", program), address(port)}, nil
		},
	}
}

// cargoVersion is the version that Cargo.toml pins a package to.
func cargoVersion(source, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(source, "Cargo.toml"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if version, ok := strings.CutPrefix(strings.TrimSpace(line), name+` = "=`); ok {
			return strings.TrimSuffix(version, `"`), nil
		}
	}
	return "", fmt.Errorf("no pinned version of %s in Cargo.toml", name)
}
