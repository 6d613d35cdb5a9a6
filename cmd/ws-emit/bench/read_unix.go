//go:build unix

package bench

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

// read waits until there is something to read, borrows a worker, and reads it: one system call each time. It is one call of RawConn.Read
// for as long as the connection lasts, since each call begins by forgetting that something may have come in the meantime.
func (s *socket) read() error {
	tcp, ok := s.conn.(*net.TCPConn)
	if !ok {
		return s.readBlocking()
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var end error
	if err := raw.Read(func(fd uintptr) (done bool) {
		done, end = s.readSome(int(fd))
		return done
	}); err == nil {
		return end
	}
	// It was told to end. What came together with the last message before that may have been the end of the connection.
	if err := tcp.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if err := raw.Read(func(fd uintptr) bool {
		_, end = s.readSome(int(fd))
		return true
	}); err != nil {
		return err
	}
	if end == nil {
		return net.ErrClosed
	}
	return end
}

// readSome reads what there is. A read that does not fill the buffer has taken all.
func (s *socket) readSome(fd int) (done bool, _ error) {
	pool := s.client.load.pool
	w := pool.take()
	defer pool.put(w)
	for {
		n, err := syscall.Read(fd, w.buf)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return false, nil
		case err != nil:
			return true, err
		case n == 0:
			return true, io.EOF
		}
		if err := s.consume(w, w.buf[:n]); err != nil {
			return true, err
		}
		if n < len(w.buf) {
			return false, nil
		}
	}
}
