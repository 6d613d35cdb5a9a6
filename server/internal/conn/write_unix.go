//go:build unix

package conn

import (
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
