//go:build unix

package conn

import "syscall"

// readDescriptor reads what there is at once; syscall.EAGAIN is that there is nothing.
func readDescriptor(fd int, b []byte) (int, error) { return ignoringEINTR(syscall.Read, fd, b) }
