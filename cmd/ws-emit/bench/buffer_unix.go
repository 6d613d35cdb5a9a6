//go:build unix

package bench

import "syscall"

// setReceiveBuffer makes the window of a socket small. That has to be before it connects: the window that it has told the server of stays.
func setReceiveBuffer(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, slowBuffer)
	})
	if err != nil {
		return err
	}
	return failed
}
