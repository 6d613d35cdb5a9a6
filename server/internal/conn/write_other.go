//go:build !unix

package conn

import (
	"net"
	"syscall"
)

// Without a non-blocking descriptor every connection is written by its drainer and read with a buffer of its own.

func rawConn(net.Conn) syscall.RawConn { return nil }

func descriptor(syscall.RawConn) int { return none }

func tryWrite(int, []byte) (int, error) { return 0, nil }

func readDescriptor(int, []byte) (int, error) { return 0, net.ErrClosed }
