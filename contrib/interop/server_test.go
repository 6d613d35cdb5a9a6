package interop

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// emitSecret is the secret of POST /emit in every test.
const emitSecret = "correct horse"

// build makes a program; dir is its folder from the top of the repository. The
// go command finds the module that the folder belongs to.
func build(dir string) (string, error) {
	out := filepath.Join(programs, filepath.Base(dir))
	cmd := exec.Command("go", "build", "-o", out, ".")
	cmd.Dir = filepath.Join("..", "..", dir)
	if b, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", dir, err, b)
	}
	return out, nil
}

// programs is the folder for what build makes; TestMain owns it.
var programs string

// program returns what the environment names, and builds it where it names
// nothing.
func program(env, dir string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		if path := os.Getenv(env); path != "" {
			return filepath.Abs(path)
		}
		return build(dir)
	})
}

var (
	wsEmitProgram      = program("WS_EMIT_BIN", "cmd/ws-emit")
	conformanceProgram = program("WS_EMIT_CONFORMANCE_BIN", "contrib/conformance")
	timeProgram        = program("WS_EMIT_TIME_BIN", "examples/time")
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "ws-emit-interop")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programs = dir
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// server is a running ws-emit.
type server struct {
	process *process
	addr    string
	args    []string
}

// startServer starts ws-emit with an emit secret and without Redis, unless the
// arguments say otherwise: of a flag given twice the last one counts.
func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	s := &server{addr: freeAddress(t)}
	s.args = append([]string{"--address", s.addr, "--secret", emitSecret, "--redis", "none"}, args...)
	s.start(t)
	return s
}

// start starts the server again after its process has ended, on its old port.
func (s *server) start(t testing.TB) {
	t.Helper()
	path, err := wsEmitProgram()
	if err != nil {
		t.Fatal(err)
	}
	s.process = start(t, func(cmd *exec.Cmd) { cmd.Env = clean(os.Environ()) }, path, s.args...)
	eventually(t, "the server is ready", func() bool {
		if !s.process.running() {
			t.Fatalf("ws-emit %q ended at once: %v", s.args, s.process.err)
		}
		resp, err := http.Get(s.url() + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

func (s *server) url() string { return "http://" + s.addr }

// clean takes out the variables that would configure the server.
func clean(env []string) []string {
	var kept []string
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		switch name {
		case "REDIS", "ADDRESS", "CORS", "SECRET", "FLASK_SECRET":
			continue
		}
		if !strings.HasPrefix(name, "WS_EMIT_") {
			kept = append(kept, e)
		}
	}
	return kept
}

// redis is a running redis-server.
type redis struct {
	port string
}

func startRedis(t testing.TB) *redis {
	t.Helper()
	path := need(t, "redis-server")
	addr := freeAddress(t)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	// TCP, not a unix socket: Flask-SocketIO knows the former only.
	start(t, nil, path, "--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir(),
		"--save", "", "--appendonly", "no", "--loglevel", "warning")
	eventually(t, "Redis listens", func() bool { return listening(addr) })
	return &redis{port: port}
}

func (r *redis) url() string { return "redis://127.0.0.1:" + r.port + "/0" }

// cli runs redis-cli and returns what it prints, without the last newline.
func (r *redis) cli(t testing.TB, args ...string) string {
	t.Helper()
	args = append([]string{"-p", r.port}, args...)
	return strings.TrimSuffix(run(t, nil, need(t, "redis-cli"), args...), "\n")
}
