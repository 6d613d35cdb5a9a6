package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ws-emit/ws-emit/roomspace"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

const (
	// joinTimeout bounds connecting and joining all rooms.
	joinTimeout = 20 * time.Second
	// The time between two attempts to connect doubles from one to the other, less up to half of it at random.
	retryMin, retryMax = 200 * time.Millisecond, 10 * time.Second
)

// listener prints the events of rooms. run may be called once.
type listener struct {
	// Immutable.
	cfg    sioclient.Config
	rooms  []string
	secret string            // of all spaces that are not in spaces
	spaces map[string]string // space -> secret
	count  int               // 0 is no end
	out    io.Writer         // events
	notes  io.Writer         // changes of state, one line each

	// Owned by run.
	joined bool      // at any time
	told   bool      // that there is no connection
	since  time.Time // there is none

	// Owned by the goroutine of the client that is connected, and by run when there is none.
	printed  int
	writeErr error
	finished chan struct{} // closed when nothing more is to be printed
}

// fatalError is one that trying again does not help against.
type fatalError struct{ error }

func (e fatalError) Unwrap() error { return e.error }

// run prints events until ctx ends, the count is reached, or it cannot go on. A timeout of 0 is none.
func (l *listener) run(ctx context.Context, timeout time.Duration) error {
	l.finished = make(chan struct{})
	limited := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	for delay := retryMin; ; delay = min(2*delay, retryMax) {
		joined, err := l.session(limited)
		switch {
		case l.writeErr != nil && hungUp(l.writeErr):
			return nil
		case l.writeErr != nil:
			return fmt.Errorf("write: %w", l.writeErr)
		case l.isFinished(), ctx.Err() != nil:
			return nil
		case limited.Err() != nil:
			return l.timedOut(timeout, err)
		case errors.As(err, new(fatalError)), !l.joined && hopeless(err):
			return withoutPackage(err)
		}
		if joined {
			delay = retryMin
		}
		l.lost(joined, err)
		select {
		case <-time.After(delay/2 + rand.N(delay/2)):
		case <-limited.Done():
		}
	}
}

// timedOut is how run ends when the time is over.
func (l *listener) timedOut(timeout time.Duration, err error) error {
	switch {
	case !l.joined && err != nil && !errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("not connected within %v: %w", timeout, withoutPackage(err))
	case !l.joined:
		return fmt.Errorf("not connected within %v", timeout)
	case l.count > 0:
		return fmt.Errorf("%d of %d events within %v", l.printed, l.count, timeout)
	}
	return nil
}

func (l *listener) isFinished() bool {
	select {
	case <-l.finished:
		return true
	default:
		return false
	}
}

// session connects, joins the rooms and prints until the connection or ctx ends, or all is printed. joined says that it came so far.
func (l *listener) session(ctx context.Context) (joined bool, err error) {
	cfg := l.cfg
	cfg.OnEvent = l.event
	joining, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	c, err := sioclient.Dial(joining, cfg)
	if request := new(url.Error); errors.As(err, &request) {
		err = request.Err // the URL is told anyway
	}
	if err != nil {
		return false, fmt.Errorf("cannot connect to %s: %w", cfg.URL, err)
	}
	defer c.Close()
	for _, room := range l.rooms {
		if err := l.join(joining, c, room); err != nil {
			return false, err
		}
	}
	l.up(c)
	select {
	case <-c.Done():
		return true, c.Err()
	case <-l.finished:
	case <-ctx.Done():
	}
	return true, nil
}

// join joins a room.
func (l *listener) join(ctx context.Context, c *sioclient.Client, room string) error {
	secret := ""
	if name, err := roomspace.Parse(room); err == nil && name.Space != "" {
		secret = l.secret
		if own, ok := l.spaces[name.Space]; ok {
			secret = own
		}
	}
	reply, err := c.Join(ctx, room, secret)
	if err != nil {
		return fmt.Errorf("join room %q: %w", room, err)
	}
	if reply.OK {
		return nil
	}
	err = fmt.Errorf("room %q is refused: %s", room, refusal(reply.Error, secret != ""))
	if temporary := reply.Error == "limit" || reply.Error == "unavailable"; temporary && l.joined {
		return err
	}
	return fatalError{err}
}

// refusal explains the answer to a join. A server does not say whether the secret or the room-space is the wrong one.
func refusal(code string, hadSecret bool) string {
	switch code {
	case "denied":
		if hadSecret {
			return "denied (the secret is wrong, or the server has none for this room-space)"
		}
		return "denied (it needs the secret of its room-space: --secret or " + envJoinSecret + ")"
	case "invalid":
		return "invalid (no room that can be joined)"
	case "limit":
		return "limit (too many rooms, or too many wrong secrets from here)"
	case "unavailable":
		return "unavailable (the server cannot check secrets now)"
	}
	return fmt.Sprintf("%q", code)
}

// hopeless reports whether an error of the first attempt to connect will stay. A server that is not there may still be starting.
func hopeless(err error) bool {
	if status := new(sioclient.StatusError); errors.As(err, &status) {
		return status.Status < 500 && status.Status != http.StatusTooManyRequests
	}
	if name := new(net.DNSError); errors.As(err, &name) {
		return name.IsNotFound
	}
	for _, known := range []error{sioclient.ErrProtocol, sioclient.ErrTooLarge, http.ErrSchemeMismatch} {
		if errors.Is(err, known) {
			return true
		}
	}
	return errors.As(err, new(*sioclient.ConnectError)) || errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(tls.RecordHeaderError))
}

// up is called when all rooms are joined.
func (l *listener) up(c *sioclient.Client) {
	if l.joined {
		l.note("connected again as %s, what was emitted in the last %v is missing", c.SID(), time.Since(l.since).Round(time.Millisecond))
	} else {
		l.note("connected as %s, listening to %s", c.SID(), listed(l.rooms, shortNames))
	}
	l.joined, l.told = true, false
}

// lost is called after each loss and each attempt that failed.
func (l *listener) lost(joined bool, err error) {
	if joined {
		l.since = time.Now()
	}
	if l.told {
		return
	}
	l.told = true
	if joined {
		err = fmt.Errorf("the connection is lost: %w", err)
	}
	l.note("%s; trying again", oneLine(withoutPackage(err)))
}

// note writes one line about what has changed.
func (l *listener) note(format string, args ...any) {
	fmt.Fprintf(l.notes, "ws-emit: "+format+"\n", args...)
}

// event prints one event. It is called by the client's goroutine: while a line waits to be written nothing is read.
func (l *listener) event(e sioclient.Event) {
	if l.isFinished() {
		return
	}
	var line strings.Builder
	writeEvent(&line, e)
	_, l.writeErr = io.WriteString(l.out, line.String())
	l.printed++
	if l.writeErr != nil || l.printed == l.count {
		close(l.finished)
	}
}
