package bench

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
)

const (
	// readBatch is how many sockets are read before others may have the worker.
	readBatch = 64
	// edge is EPOLLET, which package syscall has as a negative number: a socket is told of once, when something comes.
	edge = 1 << 31
	ends = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
	// stopping is what the pipe that ends a reader has in the place of the number of a socket.
	stopping = -1
)

// gather is the pause of a reader after it found little: being woken for each socket would cost more than reading it. What comes first is read
// at once, so this adds to the latency of what follows it, and no more than this.
var gather = syscall.Timespec{Nsec: 100_000}

// readers read all sockets of plain TCP. A goroutine for each socket would cost more than what it reads.
type readers struct {
	all     []*reader
	running sync.WaitGroup
}

// reader waits for many sockets.
type reader struct {
	// Immutable after newReaders.
	load  *load
	epoll int
	pipe  [2]int // closing the second one ends run

	mu      sync.Mutex // guards the following, and the sockets
	sockets []*socket  // nil where one has ended
}

func newReaders(l *load) (*readers, error) {
	rs := &readers{}
	for range runtime.GOMAXPROCS(0) {
		r := &reader{load: l, epoll: -1, pipe: [2]int{-1, -1}}
		rs.all = append(rs.all, r)
		err := r.open()
		if err != nil {
			rs.close()
			return nil, fmt.Errorf("bench: wait for sockets: %w", err)
		}
		rs.running.Go(r.run)
	}
	return rs, nil
}

func (r *reader) open() (err error) {
	if r.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		r.epoll = -1
		return err
	}
	if err := syscall.Pipe2(r.pipe[:], syscall.O_CLOEXEC); err != nil {
		r.pipe = [2]int{-1, -1}
		return err
	}
	return syscall.EpollCtl(r.epoll, syscall.EPOLL_CTL_ADD, r.pipe[0], &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: stopping})
}

// watch reads a socket from now on, and reports whether it does: others have to read for themselves.
func (rs *readers) watch(c *client) bool {
	s, ok := c.conn.(*socket)
	if !ok || s.slow {
		return false
	}
	tcp, ok := s.conn.(*net.TCPConn)
	if !ok {
		return false // with TLS, bytes that have been decrypted may wait where nobody sees them
	}
	fd, err := detach(tcp)
	if err != nil {
		return false
	}
	s.fd, s.conn = descriptor(fd), nil
	r := rs.all[c.index%len(rs.all)]
	w := r.load.pool.take()
	defer r.load.pool.put(w)
	r.mu.Lock()
	defer r.mu.Unlock()
	slot := len(r.sockets)
	r.sockets = append(r.sockets, s)
	if err = s.consumeFirst(w); err == nil {
		err = syscall.EpollCtl(r.epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{
			Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | edge, Fd: int32(slot),
		})
	}
	if err != nil {
		r.endLocked(slot, err)
	}
	return true
}

// detach takes a connection out of the hands of package net, which would go on waiting for it, too.
func detach(tcp *net.TCPConn) (fd int, _ error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed syscall.Errno
	if err := raw.Control(func(old uintptr) {
		var n uintptr
		n, _, failed = syscall.Syscall(syscall.SYS_FCNTL, old, syscall.F_DUPFD_CLOEXEC, 0)
		fd = int(n)
	}); err != nil {
		return 0, err
	}
	if failed != 0 {
		return 0, failed
	}
	return fd, tcp.Close()
}

// run reads whatever has something to read, until it is told to stop and there is nothing left.
func (r *reader) run() {
	events := make([]syscall.EpollEvent, readBatch)
	timeout := -1
	for {
		n, err := syscall.EpollWait(r.epoll, events, timeout)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			panic(err) // the descriptor and the events are ours
		}
		switch stop := r.read(events[:n]); {
		case stop:
			timeout = 0 // one more look: what the server has ended before is still seen
		case timeout == 0 && n == 0:
			return
		case timeout < 0 && n < readBatch/2:
			_ = syscall.Nanosleep(&gather, nil) // a signal may make it shorter
		}
	}
}

// read reads sockets, and reports whether it is told to stop.
func (r *reader) read(events []syscall.EpollEvent) (stop bool) {
	w := r.load.pool.take()
	defer r.load.pool.put(w)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		if e.Fd == stopping {
			stop = true
			_ = syscall.EpollCtl(r.epoll, syscall.EPOLL_CTL_DEL, r.pipe[0], nil) // it is there
			continue
		}
		if s := r.sockets[e.Fd]; s != nil {
			if err := s.readSome(w, e.Events&ends != 0); err != nil {
				r.endLocked(int(e.Fd), err)
			}
		}
	}
	return stop
}

// readSome reads what there is. A read that does not fill the buffer has taken all, but for the end of the connection.
func (s *socket) readSome(w *worker, ended bool) error {
	for {
		n, err := syscall.Read(int(s.fd), w.buf)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return nil
		case err != nil:
			return err
		case n == 0:
			return io.EOF
		}
		if err := s.consume(w, w.buf[:n]); err != nil {
			return err
		}
		if n < len(w.buf) && !ended {
			return nil
		}
	}
}

// endLocked ends a socket, with an error unless it is ended by us.
func (r *reader) endLocked(slot int, err error) {
	s := r.sockets[slot]
	r.sockets[slot] = nil
	_ = syscall.Close(int(s.fd)) // whatever is wrong with it
	s.client.ended(err)
}

// close ends all sockets, and waits for those who read them.
func (rs *readers) close() {
	for _, r := range rs.all {
		closeDescriptor(r.pipe[1])
	}
	rs.running.Wait()
	for _, r := range rs.all {
		r.mu.Lock()
		for slot, s := range r.sockets {
			if s != nil {
				r.endLocked(slot, nil)
			}
		}
		r.mu.Unlock()
		closeDescriptor(r.pipe[0])
		closeDescriptor(r.epoll)
	}
}

func closeDescriptor(fd int) {
	if fd >= 0 {
		_ = syscall.Close(fd) // it is open
	}
}

// descriptor is a socket that blocks nobody.
type descriptor int

var errDeaf = errors.New("the server does not read")

// Write writes little: it always fits unless the server does not read.
func (d descriptor) Write(b []byte) (int, error) {
	n, err := syscall.Write(int(d), b)
	if errors.Is(err, syscall.EAGAIN) || err == nil && n < len(b) {
		err = errDeaf
	}
	return max(n, 0), err
}
