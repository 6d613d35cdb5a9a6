//go:build unix

package conn

import (
	"io"
	"syscall"
)

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
