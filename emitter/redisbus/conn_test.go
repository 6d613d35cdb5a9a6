package redisbus

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestConnNoticesSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer func() { _, _ = near.Close(), far.Close() }()
		pings := 0
		c := &conn{Conn: near, silence: 5 * time.Second, ping: func() error { pings++; return nil }, beforeRead: func() {}}
		start := time.Now()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, errSilent) || pings != 1 || time.Since(start) != 10*time.Second {
			t.Errorf("%v after %v and %d pings", err, time.Since(start), pings)
		}
	})
}

// TestConnIsNotSilentWhileBytesCome: a message that comes slowly is no silence, and is not given up in its middle.
func TestConnIsNotSilentWhileBytesCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer func() { _, _ = near.Close(), far.Close() }()
		pings := 0
		c := &conn{Conn: near, silence: 5 * time.Second, ping: func() error { pings++; return nil }, beforeRead: func() {}}
		go func() {
			for range 10 {
				time.Sleep(9 * time.Second) // in the bubble
				_, _ = far.Write([]byte("x"))
			}
		}()
		if n, err := io.ReadFull(c, make([]byte, 10)); n != 10 || err != nil || pings != 10 {
			t.Errorf("%d bytes, %d pings, %v", n, pings, err)
		}
	})
}
