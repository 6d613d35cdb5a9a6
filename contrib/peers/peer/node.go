package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// node is the Socket.IO server of Node, by the people who made the protocol.
//
// Its pages "Performance tuning" and "Memory usage" advise bufferutil, and to let go of the request of a session. utf-8-validate is not
// needed: since Node 18.14 ws uses what Node has. Compression is off by default. Other WebSocket servers can be put below it, in C++; what
// most run is ws.
func node() *Peer {
	const name = "node"
	return &Peer{
		Name:  name,
		Title: "Socket.IO (Node)",
		About: "Socket.IO for Node, with ws and bufferutil",
		Install: func(ctx context.Context, dir string) (string, error) {
			for _, program := range []string{"node", "npm"} {
				if err := need(program); err != nil {
					return "", err
				}
			}
			dir, err := home(dir, name)
			if err != nil {
				return "", err
			}
			source, err := sources(ctx, name)
			if err != nil {
				return "", err
			}
			for _, file := range []string{"package.json", "package-lock.json", ".npmrc", "server.mjs"} {
				if err := copyFile(filepath.Join(source, file), filepath.Join(dir, file)); err != nil {
					return "", err
				}
			}
			if err := installPackages(ctx, dir); err != nil {
				return "", err
			}
			return nodeVersions(ctx, dir)
		},
		Command: func(dir string, port int) (argv, env []string) {
			return []string{"node", filepath.Join(dir, name, "server.mjs"), fmt.Sprint(port)}, []string{"NODE_ENV=production"}
		},
	}
}

// installPackages installs packages of npm from the lock file, unless they are there. No package runs a script of its own: bufferutil brings
// its binary. Without a network npm would try for more than a minute; one more try is enough.
func installPackages(ctx context.Context, dir string) error {
	lock, modules := filepath.Join(dir, "package-lock.json"), filepath.Join(dir, "node_modules")
	if installedFrom(modules, lock) {
		return nil
	}
	_, err := command(ctx, dir, nil, "npm", "ci", "--ignore-scripts", "--loglevel=error", "--fetch-retries=1", "--fetch-retry-mintimeout=2000")
	if err != nil {
		return err
	}
	return copyFile(lock, filepath.Join(modules, stamp))
}

// nodeVersions are those of what the server consists of.
func nodeVersions(ctx context.Context, dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return "", err
	}
	var lock struct {
		Packages map[string]struct{ Version string }
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return "", fmt.Errorf("package-lock.json: %w", err)
	}
	version := func(of string) string { return lock.Packages["node_modules/"+of].Version }
	node, err := command(ctx, dir, nil, "node", "--version")
	if err != nil {
		return "", err
	}
	buffers := "bufferutil " + version("bufferutil")
	const load = `require("node-gyp-build")(require("path").dirname(require.resolve("bufferutil/package.json")))`
	if _, err := command(ctx, dir, nil, "node", "-e", load); err != nil {
		buffers += " without its binary, which there is none of for this machine"
	}
	return fmt.Sprintf("%s, ws %s, %s, node %s", version("socket.io"), version("ws"), buffers, node), nil
}
