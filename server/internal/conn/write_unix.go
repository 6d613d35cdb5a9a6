//go:build unix

package conn

import (
	"net"
	"syscall"
)

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

// descriptor returns the number behind access to a descriptor, or none without one.
func descriptor(raw syscall.RawConn) int {
	fd := none
	if raw != nil {
		_ = raw.Control(func(n uintptr) { fd = int(n) }) // fails once it is closed: then there is none
	}
	return fd
}

// tryWrite writes what a descriptor takes at once, which is in non-blocking mode as package net needs it. It returns how much that was; not having taken all is
// no error.
//
// It goes past RawConn.Write, and past the lock and the reset of deadlines that come with it for each write: Conn.mu keeps the descriptor open meanwhile, and
// a connection has a deadline only while it is draining.
func tryWrite(fd int, b []byte) (int, error) {
	n, err := ignoringEINTR(syscall.Write, fd, b)
	if err == syscall.EAGAIN {
		err = nil
	}
	return max(n, 0), err
}

func ignoringEINTR(call func(int, []byte) (int, error), fd int, b []byte) (int, error) {
	for {
		n, err := call(fd, b)
		if err != syscall.EINTR {
			return n, err
		}
	}
}
