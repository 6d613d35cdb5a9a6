package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	startTimeout = 30 * time.Second // until a server listens
	startPoll    = 10 * time.Millisecond
	logTail      = 2000 // bytes of the log in an error
)

// Start starts a peer that Install has made ready in dir, with args and env added to its command, on a free port of 127.0.0.1, and waits
// until it listens. The server is of a process group of its own, which is killed by stop and when ctx ends; stop waits for that, and may be
// called again. An error holds the end of the log.
func Start(ctx context.Context, p *Peer, dir string, args, env []string) (*Server, func(), error) {
	raiseOpenFiles()
	if !p.Redis {
		return start(ctx, p, dir, args, env)
	}
	redis, stopRedis, err := StartRedis(ctx, p.Name+"-redis", dir)
	if err != nil {
		return nil, nil, err
	}
	s, stop, err := start(ctx, p, dir, args, append([]string{"REDIS=redis://" + redis}, env...))
	if err != nil {
		stopRedis()
		return nil, nil, err
	}
	return s, func() { stop(); stopRedis() }, nil
}

// StartRedis starts a Redis of our own, with nothing in it and that keeps nothing, as Start starts a peer, and returns its HOST:PORT. Its log
// goes to dir, and has its name.
func StartRedis(ctx context.Context, name, dir string) (address string, stop func(), err error) {
	if err := need("redis-server"); err != nil {
		return "", nil, err
	}
	redis := &Peer{Name: name, Command: func(_ string, port int) (argv, env []string) {
		return []string{"redis-server", "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--save", "", "--appendonly", "no"}, nil
	}}
	s, stop, err := start(ctx, redis, dir, nil, nil)
	if err != nil {
		return "", nil, err
	}
	return s.address(), stop, nil
}

func start(ctx context.Context, p *Peer, dir string, args, env []string) (*Server, func(), error) {
	port, err := freePort()
	if err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	s := &Server{Peer: p, URL: "http://127.0.0.1:" + strconv.Itoa(port)}
	stop, err := s.run(ctx, dir, port, args, env)
	if err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	return s, stop, nil
}

// run starts the process and waits until it listens.
func (s *Server) run(ctx context.Context, dir string, port int, args, env []string) (stop func(), err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, s.Peer.Name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own
	argv, own := s.Peer.Command(dir, port)
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, argv[0], append(argv[1:len(argv):len(argv)], args...)...)
	cmd.Env = append(append(os.Environ(), own...), env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	s.PID = cmd.Process.Pid
	exited := make(chan struct{})
	var exit error // set before exited is closed
	go func() {
		exit = cmd.Wait()
		close(exited)
	}()
	stop = func() {
		cancel()
		<-exited
	}
	if err := s.listens(ctx, exited); err != nil {
		stop()
		return nil, fmt.Errorf("%w (%v); %s", err, exit, tail(log.Name()))
	}
	return stop, nil
}

// listens waits until something accepts connections at the server's address.
func (s *Server) listens(ctx context.Context, exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("it does not listen after %v", startTimeout))
	defer cancel()
	again := time.NewTicker(startPoll)
	defer again.Stop()
	for {
		if c, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address()); err == nil {
			return c.Close()
		}
		select {
		case <-exited:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-again.C:
		}
	}
}

// address is HOST:PORT.
func (s *Server) address() string { return s.URL[len("http://"):] }

// freePort finds a port that nobody listens on, below those that the system gives to clients: one of those might be a connection's own
// before the server listens.
func freePort() (int, error) {
	const lowest, ports, tries = 12000, 20000, 100
	var err error
	for range tries {
		port := lowest + rand.IntN(ports)
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}

// raiseOpenFiles raises how many files this process and those that it starts may have open, as far as that is allowed. Without this call
// the go command's runtime would give them the limit that it was started with.
func raiseOpenFiles() {
	const most = 1 << 20 // the usual fs.nr_open: nobody may have more
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return
	}
	if r.Max < most && syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: most, Max: most}) == nil {
		return // as root
	}
	r.Cur = min(r.Max, most)
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &r) // the bench says what is not enough
}

// tail is the end of a log, for an error.
func tail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if about, err := f.Stat(); err == nil && about.Size() > logTail {
		_, _ = f.Seek(-logTail, io.SeekEnd)
	}
	text, err := io.ReadAll(f)
	if text = bytes.TrimSpace(text); err != nil || len(text) == 0 {
		return "it wrote nothing"
	}
	return "the end of what it wrote:\n" + string(text)
}
