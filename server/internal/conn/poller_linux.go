package conn

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// poller waits for all descriptors at once, with epoll. A connection that says nothing costs 8 bytes here; waiting for it as package net does would
// take a goroutine.
//
// Descriptors are watched edge-triggered: an event tells that something has come, and no call is needed to hear of the next. An event may reach the next connection
// with the same number, which then finds nothing to read.
type poller struct {
	group *Group

	mu      sync.Mutex // guards the following
	file    *os.File   // of epoll; nil before the first watch
	epoll   int        // its descriptor
	readers []*reader  // by descriptor
	stopped bool
}

const events = syscall.EPOLLIN | syscall.EPOLLRDHUP | 1<<31 // EPOLLET, which package syscall has with the wrong sign

// watch has a reader told when there is something to read, or is already. It returns false when that cannot be.
func (p *poller) watch(fd int, r *reader) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped || !p.startLocked() {
		return false
	}
	if fd >= len(p.readers) {
		p.readers = append(p.readers, make([]*reader, fd+1-len(p.readers))...)
	}
	p.readers[fd] = r
	err := syscall.EpollCtl(p.epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: events, Fd: int32(fd)})
	if err != nil {
		p.readers[fd] = nil
	}
	return err == nil
}

// forget must be called before a descriptor is closed, which ends the watching.
func (p *poller) forget(fd int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if fd < len(p.readers) {
		p.readers[fd] = nil
	}
}

// stop makes the goroutine of the poller end.
func (p *poller) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if p.file != nil {
		_ = p.file.Close()
	}
}

func (p *poller) startLocked() bool {
	if p.file != nil {
		return true
	}
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	_ = syscall.SetNonblock(epoll, true) // so that os takes it for what can be waited for
	file := os.NewFile(uintptr(epoll), "epoll")
	if file.SetReadDeadline(time.Time{}) != nil { // it does not
		_ = file.Close()
		return false
	}
	p.file, p.epoll = file, epoll
	p.group.goroutines.Go(p.run)
	return true
}

// run tells readers until stop. No thread is blocked meanwhile: the runtime waits for this descriptor with its own epoll.
func (p *poller) run() {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return
	}
	var found [keptWorkers]syscall.EpollEvent
	var ready []*reader
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			n, _ = ignoringEINTRWait(int(fd), found[:])
			return n != 0
		})
		if err != nil || n < 0 {
			return
		}
		ready = p.readyOf(found[:n], ready[:0])
		for i, r := range ready {
			p.group.workers.submit(r)
			ready[i] = nil
		}
		runtime.Gosched() // to them: where very much comes at the same time, few workers with a buffer each do it
	}
}

// readyOf appends those that no worker has yet.
func (p *poller) readyOf(found []syscall.EpollEvent, ready []*reader) []*reader {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range found {
		e := &found[i]
		r := p.readers[e.Fd]
		if r != nil && r.ready(e.Events&^syscall.EPOLLIN != 0) {
			ready = append(ready, r)
		}
	}
	return ready
}

func ignoringEINTRWait(epoll int, found []syscall.EpollEvent) (int, error) {
	for {
		n, err := syscall.EpollWait(epoll, found, 0)
		if err != syscall.EINTR {
			return n, err
		}
	}
}
