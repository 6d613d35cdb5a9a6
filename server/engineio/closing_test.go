package engineio

import (
	"testing"
	"time"
)

// A session that ends while the Handler is told of its beginning is closed after that, once.
func TestEndWhileOpening(t *testing.T) {
	for _, transport := range []Transport{Polling, WebSocket} {
		t.Run(string(transport), func(t *testing.T) {
			f := &fake{}
			opened := make(chan *told, 1)
			f.open = func(s *Session) {
				s.End(ReasonServer)
				k := f.of(s.SID())
				select {
				case why := <-k.closed:
					t.Error("Close was called before Open had returned")
					k.closed <- why
				case <-time.After(50 * time.Millisecond): // by then it would have been
				}
				opened <- k
			}
			n := start(t, Config{}, f)
			_ = hearOpen(n, transport) // whatever the client gets, its session is over
			k := <-opened
			k.wantClosed(t, ReasonServer)
		})
	}
}

// What waits behind something when the session is finished is not handled any more.
func TestFinishWhileWaiting(t *testing.T) {
	f, open := gate()
	n := start(t, Config{}, f)
	c := n.client(t, polls)
	c.say("4wait", "4later", "4much later")
	c.told.want(t, "4wait")
	c.Finish(ReasonServer)
	close(open)
	until(t, "the session is no longer busy", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return !c.busy
	})
	c.wantHear("1")
	c.wantClosed(t, ReasonServer)
	if len(c.messages) != 0 {
		t.Errorf("the Handler got %q", <-c.messages)
	}
}
