//go:build unix

package bench

import (
	"net"
	"syscall"
	"testing"
)

// TestSlowWindow: what the network keeps for a slow client is little, so that the server notices that it is slow.
func TestSlowWindow(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for slow, most := range map[int]int{0: 1 << 30, 1: 2 * slowBuffer} { // Linux counts its own needs, too
		run := &load{cfg: Config{Clients: 1, Slow: slow}}
		conn, err := run.dialer(0).Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		raw, err := conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Control(func(fd uintptr) {
			n, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
			if err != nil || n > most || slow == 0 && n <= 2*slowBuffer {
				t.Errorf("%d slow clients: a buffer of %d bytes, %v", slow, n, err)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
}
