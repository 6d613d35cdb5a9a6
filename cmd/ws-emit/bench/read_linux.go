package bench

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const (
	// readBatch is how many sockets are read before others may have the worker.
	readBatch = 64
	// rest is the pause of a reader after it has read everything: being woken for each socket would cost more than reading it. What comes first
	// is read at once, so this adds to the latency of what follows it, and no more than this.
	rest = 100 * time.Microsecond

	// edge is EPOLLET, which package syscall has as a negative number: something is told once, when it happens.
	edge = 1 << 31
	once = syscall.EPOLLONESHOT
	ends = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
)

// readers read all sockets of plain TCP. A goroutine for each socket would cost more than what it reads.
type readers struct {
	all     []*reader
	running sync.WaitGroup
}

// reader reads many sockets. It waits as goroutines do for a network: in a system call of its own it would keep a processor of the runtime,
// and keep the runtime busy taking it away.
type reader struct {
	load *load

	// Immutable after open; -1 is not open.
	sockets int      // epoll: what has something to read
	timer   int      // timerfd: the rest is over
	wake    *os.File // epoll: sockets, only while the reader does not rest, and timer

	// Owned by run.
	events  []syscall.EpollEvent
	resting bool

	mu    sync.Mutex // guards the following, and the sockets in it
	slots []*socket  // nil where one has ended
}

func newReaders(l *load) (*readers, error) {
	rs := &readers{}
	for range runtime.GOMAXPROCS(0) {
		r := &reader{load: l, sockets: -1, timer: -1, events: make([]syscall.EpollEvent, readBatch)}
		rs.all = append(rs.all, r)
		raw, err := r.open()
		if err != nil {
			rs.close()
			return nil, fmt.Errorf("bench: wait for sockets: %w", err)
		}
		rs.running.Go(func() { r.run(raw) }) // ends when close says so
	}
	return rs, nil
}

func (r *reader) open() (raw syscall.RawConn, err error) {
	if r.sockets, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	const monotonic = 1 // CLOCK_MONOTONIC
	timer, _, failed := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, monotonic, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if failed != 0 {
		return nil, failed
	}
	r.timer = int(timer)
	wake, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err := syscall.SetNonblock(wake, true); err != nil { // or package os would block a thread to wait for it
		return nil, errors.Join(err, syscall.Close(wake))
	}
	r.wake = os.NewFile(uintptr(wake), "epoll")
	if err := r.wake.SetReadDeadline(time.Time{}); err != nil {
		return nil, err // it can not be waited for
	}
	for fd, events := range map[int]uint32{r.sockets: syscall.EPOLLIN | once, r.timer: syscall.EPOLLIN | edge} {
		if err := syscall.EpollCtl(wake, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: events, Fd: int32(fd)}); err != nil {
			return nil, err
		}
	}
	return r.wake.SyscallConn()
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
	slot := len(r.slots)
	r.slots = append(r.slots, s)
	if err = s.consumeFirst(w); err == nil {
		err = syscall.EpollCtl(r.sockets, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{
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
	_ = tcp.Close() // the copy is open
	return fd, nil
}

// run reads whatever has something to read, until it is told to stop and there is nothing left.
func (r *reader) run(raw syscall.RawConn) {
	_ = raw.Read(func(wake uintptr) bool { r.look(int(wake)); return false }) // ended by close
	r.readAll()                                                               // what the server has ended before is still seen
}

// look is called when there may be something to do.
func (r *reader) look(wake int) {
	happened := r.wait(wake)
	if r.resting && !slices.ContainsFunc(happened, func(e syscall.EpollEvent) bool { return int(e.Fd) == r.timer }) {
		return
	}
	if r.resting = r.readAll() > 0; r.resting {
		r.startTimer()
		return
	}
	must(syscall.EpollCtl(wake, syscall.EPOLL_CTL_MOD, r.sockets, &syscall.EpollEvent{Events: syscall.EPOLLIN | once, Fd: int32(r.sockets)}))
}

// wait returns what has happened; it does not wait for it.
func (r *reader) wait(epoll int) []syscall.EpollEvent {
	for {
		n, err := syscall.EpollWait(epoll, r.events, 0)
		if !errors.Is(err, syscall.EINTR) {
			must(err)
			return r.events[:n]
		}
	}
}

// startTimer starts the rest.
func (r *reader) startTimer() {
	type itimerspec struct{ interval, value syscall.Timespec }
	_, _, failed := syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, uintptr(r.timer), 0,
		uintptr(unsafe.Pointer(&itimerspec{value: syscall.NsecToTimespec(rest.Nanoseconds())})), 0, 0, 0)
	if failed != 0 {
		panic(failed)
	}
}

// must is for what can only fail if this file is wrong: the descriptors are ours.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// readAll reads all sockets that have something, and returns how many those were.
func (r *reader) readAll() (all int) {
	for {
		ready := r.wait(r.sockets)
		all += len(ready)
		if len(ready) > 0 {
			r.read(ready)
		}
		if len(ready) < readBatch {
			return all
		}
	}
}

func (r *reader) read(ready []syscall.EpollEvent) {
	w := r.load.pool.take()
	defer r.load.pool.put(w)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range ready {
		if s := r.slots[e.Fd]; s != nil {
			if err := s.readSome(w, e.Events&ends != 0); err != nil {
				r.endLocked(int(e.Fd), err)
			}
		}
	}
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
	s := r.slots[slot]
	r.slots[slot] = nil
	_ = syscall.Close(int(s.fd)) // whatever is wrong with it
	s.client.ended(err)
}

// close ends all sockets, and waits for those who read them.
func (rs *readers) close() {
	for _, r := range rs.all {
		if r.wake != nil {
			_ = r.wake.SetReadDeadline(time.Unix(1, 0)) // it was possible before
		}
	}
	rs.running.Wait()
	for _, r := range rs.all {
		r.mu.Lock()
		for slot, s := range r.slots {
			if s != nil {
				r.endLocked(slot, nil)
			}
		}
		r.mu.Unlock()
		if r.wake != nil {
			_ = r.wake.Close()
		}
		for _, fd := range []int{r.timer, r.sockets} {
			if fd >= 0 {
				_ = syscall.Close(fd) // it is open
			}
		}
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
