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
		c := &conn{Conn: near, silence: 5 * time.Second, ping: func() error { pings++; return nil }}
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
		c := &conn{Conn: near, silence: 5 * time.Second, ping: func() error { pings++; return nil }}
		go func() {
			for range 10 {
				time.Sleep(9 * time.Second) // in the bubble
				_, _ = far.Write([]byte("x"))
			}
		}()
		// As go-redis does before each reply.
		if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if n, err := io.ReadFull(c, make([]byte, 10)); n != 10 || err != nil || pings != 10 {
			t.Errorf("%d bytes, %d pings, %v", n, pings, err)
		}
	})
}

func TestConnKeepsDeadlinesInTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer func() { _, _ = near.Close(), far.Close() }()
		c := &conn{Conn: near, silence: time.Hour}
		start := time.Now()
		if err := c.SetReadDeadline(start.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		var timeout net.Error
		if _, err := c.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}
