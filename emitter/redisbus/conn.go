package redisbus

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	errSilent = errors.New("redisbus: redis sends nothing and does not answer")
	errRedial = errors.New("redisbus: connection is gone")
)

// dialError is an error of connecting, with TLS or without. It comes before anything was received.
type dialError struct{ err error }

func (e *dialError) Error() string { return "connect: " + e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// conn reads from a connection to Redis, after the login, and notices a deaf peer. Silence is counted in bytes and not in messages, so a long
// message on a slow line is no silence, and a read is never given up in the middle of a reply, after which the next one would be read from its
// middle.
type conn struct {
	net.Conn
	silence    time.Duration
	ping       func() error // asks for an answer
	beforeRead func()       // is called before what may wait
}

// Read waits for bytes. After a time of silence it asks for an answer, after a second one it returns errSilent.
func (c *conn) Read(p []byte) (int, error) {
	c.beforeRead()
	for asked := false; ; asked = true {
		if err := c.SetReadDeadline(time.Now().Add(c.silence)); err != nil {
			return 0, err
		}
		n, err := c.Conn.Read(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if asked {
			return 0, errSilent
		}
		if err := c.ping(); err != nil {
			return 0, err
		}
	}
}

// dialer connects as the options of the client say, and obeys ctx, which redis.NewDialer does not with TLS.
func dialer(opt *redis.Options) func(ctx context.Context, network, addr string) (net.Conn, error) {
	if opt.Dialer != nil {
		return opt.Dialer
	}
	plain := &net.Dialer{Timeout: opt.DialTimeout}
	if opt.TLSConfig == nil {
		return plain.DialContext
	}
	secure := &tls.Dialer{NetDialer: plain, Config: opt.TLSConfig}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		// The timeout of the net.Dialer does not cover the handshake.
		ctx, cancel := context.WithTimeout(ctx, opt.DialTimeout)
		defer cancel()
		return secure.DialContext(ctx, network, addr)
	}
}
