package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The modules that the servers are in.
const (
	rootModule  = "github.com/ws-emit/ws-emit"
	peersModule = rootModule + "/contrib/peers"
)

// need finds a program that a peer cannot do without.
func need(program string) error {
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("%s is not installed", program)
	}
	return nil
}

// command runs a program in a folder, and returns what it wrote to standard output. An error holds the end of what it wrote to standard
// error.
func command(ctx context.Context, dir string, env []string, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		said := bytes.TrimSpace(stderr.Bytes())
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(argv[0]), err, said[max(0, len(said)-logTail):])
	}
	return strings.TrimSpace(stdout.String()), nil
}

// aboutModule is a field of what the go command knows of a module, as seen from a folder; "" is the current one.
func aboutModule(ctx context.Context, dir, module, field string) (string, error) {
	text, err := command(ctx, dir, nil, "go", "list", "-m", "-f", "{{."+field+"}}", module)
	if err == nil && text == "" {
		err = errors.New("this has to run in the module contrib/peers")
	}
	return text, err
}

// sources is the folder in contrib/peers/servers of a peer.
func sources(ctx context.Context, name string) (string, error) {
	dir, err := aboutModule(ctx, "", peersModule, "Dir")
	return filepath.Join(dir, "servers", name), err
}

// home is the folder of a peer, made if it is not there.
func home(dir, name string) (string, error) {
	dir, err := filepath.Abs(filepath.Join(dir, name))
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// goBuild builds a program of Go as our releases are built.
func goBuild(ctx context.Context, source, program string) error {
	_, err := command(ctx, source, []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-o", program, ".")
	return err
}

// installGo builds the server of a peer that is a library of Go, whose version is that of a module.
func installGo(name, module string) func(ctx context.Context, dir string) (string, error) {
	return func(ctx context.Context, dir string) (string, error) {
		dir, err := home(dir, name)
		if err != nil {
			return "", err
		}
		source, err := sources(ctx, name)
		if err != nil {
			return "", err
		}
		if err := goBuild(ctx, source, filepath.Join(dir, name)); err != nil {
			return "", err
		}
		return aboutModule(ctx, source, module, "Version")
	}
}

// listenOn is the command of the servers of Go in contrib/peers/servers.
func listenOn(name string) func(dir string, port int) (argv, env []string) {
	return func(dir string, port int) (argv, env []string) {
		return []string{filepath.Join(dir, name, name), "-a", address(port)}, nil
	}
}

// address is that of a server.
func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// installedFrom reports whether what a folder has was installed from the same file, such as a lock file.
func installedFrom(dir, file string) bool {
	wanted, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	got, err := os.ReadFile(filepath.Join(dir, stamp))
	return err == nil && bytes.Equal(got, wanted)
}

// stamp is the copy of the file that something was installed from.
const stamp = ".installed-from"

// copyFile copies a small file.
func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}
