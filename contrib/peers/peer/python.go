package peer

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
)

// python is what ws-emit replaces: the server of the same name in Python, from its package, started as its documentation says.
//
// It takes eventlet, with which Flask-SocketIO is the fastest. It cannot do without Redis, to which it also publishes each emit; the
// processor time of Redis is not counted.
func python() *Peer {
	const name = "python"
	return &Peer{
		Name:  name,
		Title: "ws-emit (Python)",
		About: "ws-emit in Python: Flask-SocketIO with eventlet",
		Redis: true,
		Install: func(ctx context.Context, dir string) (string, error) {
			for _, program := range []string{"python3", "redis-server"} {
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
			return installPython(ctx, dir, filepath.Join(source, "requirements.txt"))
		},
		Command: func(dir string, port int) (argv, env []string) {
			bin := filepath.Join(dir, name, "bin")
			return []string{filepath.Join(bin, "python"), filepath.Join(bin, "ws-emit.py"), "-a", address(port), "--secret", secret}, nil
		},
		Configure: func(cfg *bench.Config) {
			cfg.EmitBody = strings.TrimSuffix(bench.DefaultEmitBody, "}") + `,"secret":"` + secret + `"}`
		},
	}
}

// installPython makes a virtual environment with the packages of a requirements.txt, unless it is there, and returns the versions.
func installPython(ctx context.Context, venv, requirements string) (string, error) {
	program := filepath.Join(venv, "bin", "python")
	if !installedFrom(venv, requirements) {
		if _, err := command(ctx, "", nil, "python3", "-m", "venv", "--clear", venv); err != nil {
			return "", err
		}
		if _, err := command(ctx, "", nil, program, "-m", "pip", "--quiet", "--disable-pip-version-check", "install",
			"--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", requirements); err != nil {
			return "", err
		}
		if err := copyFile(requirements, filepath.Join(venv, stamp)); err != nil {
			return "", err
		}
	}
	const versions = `import platform; from importlib.metadata import version as v
print(f"{v('ws-emit')}, Flask-SocketIO {v('flask-socketio')}, eventlet {v('eventlet')}, Python {platform.python_version()}")`
	return command(ctx, "", nil, program, "-c", versions)
}
