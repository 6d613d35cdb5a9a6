//go:build unix

package conn

import (
	"io"
	"net"
	"sync"
	"syscall"
)

// attempt is one non-blocking write or read on a descriptor. It is pooled with its bound functions, so that it costs no allocation.
type attempt struct {
	buf     []byte
	n       int
	err     error
	writeFD func(fd uintptr) (done bool)
}

var attempts = sync.Pool{New: func() any {
	a := new(attempt)
	a.writeFD = a.write
	return a
}}

// write tries once, whatever comes of it: RawConn.Write returns at once.
func (a *attempt) write(fd uintptr) bool {
	a.n, a.err = ignoringEINTR(syscall.Write, int(fd), a.buf)
	return true
}

// rawConn returns access to the descriptor of a connection, or nil where there is none that can be written without blocking.
func rawConn(nc net.Conn) syscall.RawConn {
	switch nc := nc.(type) {
	case *net.TCPConn:
		return usable(nc.SyscallConn())
	case *net.UnixConn:
		return usable(nc.SyscallConn())
	}
	return nil
}

func usable(raw syscall.RawConn, err error) syscall.RawConn {
	if err != nil {
		return nil
	}
	return raw
}

// tryWrite writes what the descriptor takes at once. It returns how much that was; not having taken all is no error.
func tryWrite(raw syscall.RawConn, b []byte) (int, error) {
	a := attempts.Get().(*attempt)
	a.buf = b
	err := raw.Write(a.writeFD)
	n := max(a.n, 0)
	if err == nil && a.err != nil && a.err != syscall.EAGAIN {
		err = a.err
	}
	a.buf, a.n, a.err = nil, 0, nil
	attempts.Put(a)
	return n, err
}

func ignoringEINTR(call func(int, []byte) (int, error), fd int, b []byte) (int, error) {
	for {
		n, err := call(fd, b)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// readiness reads from a descriptor when there is something to read, and borrows a buffer only then.
type readiness struct {
	raw    syscall.RawConn
	buf    *[]byte // borrowed, while it holds something
	n      int
	err    error
	readFD func(fd uintptr) (done bool)
}

// newReadiness returns nil where there is no descriptor.
func newReadiness(raw syscall.RawConn) *readiness {
	if raw == nil {
		return nil
	}
	r := &readiness{raw: raw}
	r.readFD = r.read
	return r
}

func (r *readiness) read(fd uintptr) bool {
	buf := buffers.Get().(*[]byte)
	r.n, r.err = ignoringEINTR(syscall.Read, int(fd), *buf)
	if r.err == syscall.EAGAIN {
		buffers.Put(buf)
		return false // RawConn.Read waits until there is something
	}
	r.buf = buf
	return true
}

// wait blocks until something was read, and returns it; release gives the buffer back.
func (r *readiness) wait() ([]byte, error) {
	if err := r.raw.Read(r.readFD); err != nil {
		return nil, err
	}
	if r.n <= 0 && r.err == nil {
		return nil, io.EOF
	}
	return (*r.buf)[:max(r.n, 0)], r.err
}

func (r *readiness) release() {
	if r.buf != nil {
		buffers.Put(r.buf)
		r.buf = nil
	}
}
