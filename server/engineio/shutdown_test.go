package engineio

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ws-emit/ws-emit/server/frame"
)

// shutdown starts a Shutdown, and returns once it has begun. The channel is closed at its end.
func (n *site) shutdown(t *testing.T, ctx context.Context, spread time.Duration) <-chan struct{} {
	t.Helper()
	done := make(chan struct{})
	go func() { // ends when the sessions have, for which each test waits
		defer close(done)
		n.Shutdown(ctx, spread)
	}()
	until(t, "the shutdown begins", n.isClosing)
	return done
}

func wait(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("Shutdown does not return")
	}
}

func TestShutdownOfNothing(t *testing.T) {
	n := start(t, Config{}, &fake{})
	wait(t, n.shutdown(t, t.Context(), patience))
	n.Shutdown(t.Context(), patience) // and again
}

// While sessions still end, new ones are refused, and those that are left are served.
func TestShutdownRefusesNewSessions(t *testing.T) {
	f, open := gate()
	n := start(t, Config{}, f)
	c := n.client(t, polls)
	c.say("4wait")
	done := n.shutdown(t, t.Context(), 0)
	wantAnswer(t, 503, body(errClosing))(n.get(""))
	if _, err := n.dial(""); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("the WebSocket is answered with %v", err)
	}
	resp, err := n.http.Client().Get(n.url(Polling, ""))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.Header.Get("Retry-After") == "" || !resp.Close {
		t.Errorf("the answer has the header %v", resp.Header)
	}
	wantAnswer(t, 200, "1")(n.get(c.SID()))
	select {
	case <-done:
		t.Error("Shutdown returned before Close was called")
	default:
	}
	close(open)
	wait(t, done)
	c.wantClosed(t, ReasonShutdown)
}

// Clients get what was queued, and then the end.
func TestShutdownWritesWhatWaits(t *testing.T) {
	for name, start := range map[string]func(testing.TB, Config, *fake) *site{"TCP": start, "TLS": startTLS} {
		t.Run(name, func(t *testing.T) {
			n := start(t, Config{}, &fake{})
			waits, ws, upgraded := n.client(t, polls), n.client(t, opensWS), n.client(t, upgrades)
			queued := n.client(t, polls)
			upgraded.say("4done")
			upgraded.told.want(t, "4done")
			get := waits.waitingGET(t.Context())
			packet := "4" + strings.Repeat("x", 10_000) // not more than MaxQueue, together
			for _, c := range []*client{ws, upgraded, queued} {
				for range 90 {
					c.send(packet)
				}
			}
			done := n.shutdown(t, t.Context(), 0)
			wantAnswer(t, 200, "1")((<-get).all())
			for _, c := range []*client{ws, upgraded} {
				for range 90 {
					c.wantHear(packet)
				}
				c.wantClose(1001)
				c.wire.wantEOF(t)
				_ = c.wire.Close()
			}
			for range 90 {
				queued.wantHear(packet)
			}
			queued.wantHear("1")
			wait(t, done)
			n.wantAllClosedBy(t, ReasonShutdown)
		})
	}
}

// Sessions end spread over the time, not at the same moment.
func TestShutdownSpreads(t *testing.T) {
	const spread = 500 * time.Millisecond
	var ended [4]atomic.Int32
	var began time.Time
	n := start(t, Config{}, &fake{close: func(*Session, CloseReason) {
		ended[min(int(4*time.Since(began)/spread), 3)].Add(1)
	}})
	var clients []*client
	for range 100 {
		clients = append(clients, n.client(t, opensWS))
	}
	began = time.Now()
	done := n.shutdown(t, t.Context(), spread)
	if err := each(len(clients), len(clients), func(i int) error {
		p, err := clients[i].wire.hear()
		if err != (closed{1001}) {
			return fmt.Errorf("got %q and %w", p, err)
		}
		return clients[i].wire.Close()
	}); err != nil {
		t.Error(err)
	}
	wait(t, done)
	if d := time.Since(began); d < spread*9/10 {
		t.Errorf("it took %v, want %v", d, spread)
	}
	// None can be early; on a busy machine some are late.
	if n := ended[0].Load(); n > 26 {
		t.Errorf("%d of 100 ended in the first quarter", n)
	}
	if n := ended[3].Load(); n < 20 {
		t.Errorf("%d of 100 ended in the last quarter", n)
	}
}

// Clients that do not read, or do not come for what waits, hold it up until ctx ends and no longer.
func TestShutdownIsBounded(t *testing.T) {
	for name, start := range map[string]func(testing.TB, Config, *fake) *site{"TCP": start, "TLS": startTLS} {
		t.Run(name, func(t *testing.T) {
			n := start(t, Config{MaxQueue: 64 << 20, WriteTimeout: patience, PingTimeout: patience, PingInterval: patience}, &fake{})
			f := frame.New(frame.Packet{Data: make([]byte, 1<<20)})
			for _, by := range ways {
				c := n.client(t, by)
				c.say("4ready")
				c.told.want(t, "4ready")
				for range 32 { // more than the kernel takes
					c.Send(frame.One(f))
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			done := n.shutdown(t, ctx, 0)
			<-ctx.Done()
			wait(t, done)
			n.wantAllClosedBy(t, ReasonShutdown)
			if n.Len() != 0 || n.Backlog() != 0 {
				t.Errorf("%d sessions and %d bytes are left", n.Len(), n.Backlog())
			}
		})
	}
}

// A ctx that ends while sessions are being ended one after the other ends the rest at once.
func TestShutdownSpreadIsBounded(t *testing.T) {
	n := start(t, Config{}, &fake{})
	for range 60 {
		n.client(t, polls)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	wait(t, n.shutdown(t, ctx, 10*patience))
	n.wantAllClosedBy(t, ReasonShutdown)
}

// Sessions that begin, upgrade and end while the server shuts down are ended all the same.
func TestShutdownDuringEverything(t *testing.T) {
	n := start(t, Config{}, &fake{})
	begun := make(chan struct{}, 1000)
	stormed := make(chan error, 1)
	go func() { // ends when all clients have been refused
		stormed <- each(8, 8, func(i int) error {
			for {
				k, err := n.handshake()
				if err != nil {
					if n.isClosing() {
						return nil
					}
					return err
				}
				if i%2 == 0 {
					if w, err := n.probed(k.SID()); err == nil {
						_ = w.say("5", "4a")
						_ = w.Close()
					}
				} else {
					_, _, _ = n.post(k.SID(), "4a\x1e1")
				}
				select {
				case begun <- struct{}{}:
				default:
				}
			}
		})
	}()
	for range 50 {
		<-begun
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	wait(t, n.shutdown(t, ctx, 0))
	if n.Len() != 0 {
		t.Errorf("%d sessions are left", n.Len())
	}
	if err := <-stormed; err != nil {
		t.Error(err)
	}
}
