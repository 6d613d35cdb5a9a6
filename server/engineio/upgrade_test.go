package engineio

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// window is how many messages may be on their way to one client of a storm.
const window = 32

// storm is one client that upgrades while messages are sent to it all the time.
type storm struct {
	n        *site
	told     *told
	overlaps bool // packet 5 does not wait for the GET

	credit chan struct{} // a token for each message that may be sent
	stop   chan struct{}
	sent   chan int // how many it were, once
	next   int      // the number of the next message to be received
}

// run upgrades once. Each message must arrive once and in order.
func (s *storm) run() error {
	var err error
	if s.told, err = s.n.handshake(); err != nil {
		return err
	}
	s.credit, s.stop, s.sent = make(chan struct{}, 1<<16), make(chan struct{}), make(chan int, 1)
	for range window {
		s.credit <- struct{}{}
	}
	var sender sync.WaitGroup
	sender.Go(s.send)
	defer sender.Wait()
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			close(s.stop)
		}
	}
	defer stop()
	w, err := s.upgrade()
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }()
	for range 3 * window {
		if err := s.receiveFrom(w); err != nil {
			return err
		}
	}
	stop()
	for total := <-s.sent; s.next < total; {
		if err := s.receiveFrom(w); err != nil {
			return err
		}
	}
	if err := w.say("4last", "1"); err != nil {
		return err
	}
	if p, err := w.hear(); err != (closed{1000}) {
		return fmt.Errorf("got %q and %w, want the end", p, err)
	}
	for _, want := range []string{"4by POST", "4right behind", "bAAEC", "4last"} {
		if got := <-s.told.messages; got != want {
			return fmt.Errorf("the Handler got %q, want %q", got, want)
		}
	}
	return nil
}

func (s *storm) send() {
	for i := 0; ; i++ {
		select {
		case <-s.credit:
			s.told.send("4" + strconv.Itoa(i))
		case <-s.stop:
			s.sent <- i
			return
		}
	}
}

func (s *storm) received(packet string) error {
	if want := "4" + strconv.Itoa(s.next); packet != want {
		return fmt.Errorf("got %q, want %q", packet, want)
	}
	s.next++
	s.credit <- struct{}{}
	return nil
}

func (s *storm) receiveFrom(w *wire) error {
	p, err := w.hear()
	if err != nil {
		return fmt.Errorf("after %d messages: %w", s.next, err)
	}
	return s.received(p)
}

// poll makes GETs until pause is closed, or one ends without messages.
func (s *storm) poll(pause <-chan struct{}) error {
	for {
		select {
		case <-pause:
			return nil
		default:
		}
		status, body, err := s.n.get(s.told.SID())
		switch {
		case err != nil:
			return err
		case status == http.StatusBadRequest && s.overlaps:
			return nil // packet 5 was faster
		case status != http.StatusOK:
			return fmt.Errorf("GET: %d %q", status, body)
		case body == "6":
			return nil
		}
		for p := range strings.SplitSeq(body, "\x1e") {
			if err := s.received(p); err != nil {
				return fmt.Errorf("GET: %w", err)
			}
		}
	}
}

func (s *storm) upgrade() (*wire, error) {
	polled, pause := make(chan error, 1), make(chan struct{})
	go func() { polled <- s.poll(pause) }() // ends before the upgrade is done
	if status, body, err := s.n.post(s.told.SID(), "4by POST"); err != nil || status != http.StatusOK {
		close(pause)
		return nil, errors.Join(fmt.Errorf("POST: %d %q %w", status, body, err), <-polled)
	}
	w, err := s.n.probed(s.told.SID())
	close(pause)
	if err != nil {
		return nil, errors.Join(err, <-polled)
	}
	if !s.overlaps {
		if err := <-polled; err != nil {
			return nil, err
		}
	}
	// All in one write: what stands right behind packet 5 is of the session.
	if err := w.say("5", "4right behind", "bAAEC"); err != nil {
		return nil, err
	}
	if s.overlaps {
		if err := <-polled; err != nil {
			return nil, err
		}
	}
	return w, nil
}

func TestUpgradesLoseNothing(t *testing.T) {
	count := 1000
	if raceEnabled {
		count = 300
	}
	for _, overlaps := range []bool{false, true} {
		name := "packet 5 after the last GET"
		if overlaps {
			name = "packet 5 while a GET is answered"
		}
		t.Run(name, func(t *testing.T) {
			n := start(t, Config{}, &fake{})
			if err := each(count, 4, func(int) error { return (&storm{n: n, overlaps: overlaps}).run() }); err != nil {
				t.Error(err)
			}
			n.wantAllClosedBy(t, ReasonClient)
		})
	}
	t.Run("TLS", func(t *testing.T) {
		n := startTLS(t, Config{}, &fake{})
		if err := each(count/5, 4, func(i int) error { return (&storm{n: n, overlaps: i%2 == 0}).run() }); err != nil {
			t.Error(err)
		}
		n.wantAllClosedBy(t, ReasonClient)
	})
}

func (n *site) wantAllClosedBy(t *testing.T, want CloseReason) {
	t.Helper()
	for _, k := range n.handler.bySID {
		k.wantClosed(t, want)
	}
}

// The GET that waits when the probe comes is answered with a NOOP, and so is one that comes a little later.
func TestProbeEndsGETs(t *testing.T) {
	n := start(t, Config{}, &fake{})
	c := n.client(t, polls)
	get := c.waitingGET(t.Context())
	w, err := n.probed(c.SID())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	wantAnswer(t, 200, "6")((<-get).all())
	wantAnswer(t, 200, "6")(n.get(c.SID()))
	c.send("4by polling")
	wantAnswer(t, 200, "4by polling")(n.get(c.SID()))
	c.say("4hello")
	c.told.want(t, "4hello")
	c.send("4by WebSocket")
	if err := w.say("5"); err != nil {
		t.Fatal(err)
	}
	c.wire = w
	c.wantHear("4by WebSocket")
}

// A probe alone changes nothing: the session goes on by polling, and loses nothing.
func TestProbeWithoutUpgrade(t *testing.T) {
	for name, cfg := range map[string]Config{
		"times out": {UpgradeTimeout: 50 * time.Millisecond, PingInterval: time.Second},
		"is closed": {},
	} {
		t.Run("it "+name, func(t *testing.T) {
			n := start(t, cfg, &fake{})
			c := n.client(t, polls)
			w, err := n.probed(c.SID())
			if err != nil {
				t.Fatal(err)
			}
			for i := range 10 {
				c.send(fmt.Sprintf("4%d", i))
			}
			if name == "is closed" {
				_ = w.Close()
			} else {
				w.wantEOF(t)
			}
			for i := range 10 {
				c.wantHear(fmt.Sprintf("4%d", i))
			}
			c.say("4hello")
			c.told.want(t, "4hello")
			c.wantAlive(t)
			c.upgradesAgain()
		})
	}
}

// upgradesAgain upgrades as soon as the attempt before has been forgotten.
func (c *client) upgradesAgain() {
	c.t.Helper()
	until(c.t, "the upgrade is forgotten", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return !c.upgrading
	})
	c.upgrade()
	c.say("4again")
	c.told.want(c.t, "4again")
	c.send("4yes")
	c.wantHear("4yes")
}

// A WebSocket that never says anything is given up too.
func TestSilentProbe(t *testing.T) {
	n := start(t, Config{UpgradeTimeout: 50 * time.Millisecond, PingInterval: time.Second}, &fake{})
	c := n.client(t, polls)
	w, err := n.dial(c.SID())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	w.wantEOF(t)
	c.upgradesAgain()
}

func TestTwoUpgradesAtOnce(t *testing.T) {
	n := start(t, Config{}, &fake{})
	c := n.client(t, polls)
	first, err := n.probed(c.SID())
	if err != nil {
		t.Fatal(err)
	}
	second, err := n.dial(c.SID())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	if p, err := second.hear(); err != (closed{1002}) {
		t.Errorf("got %q and %v", p, err)
	}
	if err := first.say("5"); err != nil {
		t.Fatal(err)
	}
	c.wire = first
	c.closeLater()
	c.say("4a")
	c.told.want(t, "4a")
	third, err := n.dial(c.SID()) // after the upgrade it is the same
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = third.Close() }()
	if p, err := third.hear(); err != (closed{1002}) {
		t.Errorf("got %q and %v", p, err)
	}
	c.send("4b")
	c.wantHear("4b")
	wantAnswer(t, 400, body(ErrBadRequest))(n.get(c.SID()))
	wantAnswer(t, 400, body(ErrBadRequest))(n.post(c.SID(), "4x"))
	c.wantAlive(t)
}

// A session that began with WebSocket has one already.
func TestUpgradeOfAWebSocket(t *testing.T) {
	n := start(t, Config{}, &fake{})
	c := n.client(t, opensWS)
	w, err := n.dial(c.SID())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	if p, err := w.hear(); err != (closed{1002}) {
		t.Errorf("got %q and %v", p, err)
	}
	c.say("4a")
	c.told.want(t, "4a")
}

// Many at once: one of them gets it, whatever the others do.
func TestManyUpgradesAtOnce(t *testing.T) {
	n := start(t, Config{}, &fake{})
	for range 20 {
		c := n.client(t, polls)
		wires := make(chan *wire, 8)
		if err := each(cap(wires), cap(wires), func(int) error {
			w, err := n.dial(c.SID())
			if err != nil {
				return err
			}
			if err := w.say("2probe"); err != nil {
				return w.Close()
			}
			if p, _ := w.hear(); p != "3probe" {
				return w.Close()
			}
			wires <- w
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if len(wires) != 1 {
			t.Fatalf("%d upgrades were begun", len(wires))
		}
		c.wire = <-wires
		c.closeLater()
		c.say("5", "4a")
		c.told.want(t, "4a")
	}
}

func TestGarbageOnTheProbe(t *testing.T) {
	n := start(t, Config{}, &fake{})
	for name, packets := range map[string][]string{
		"packet 5 before the probe": {"5"},
		"a message":                 {"4hello"},
		"a message after the probe": {"2probe", "4hello"},
		"a PING without probe":      {"2"},
		"another probe":             {"2probe2"},
		"packet 5 with something":   {"2probe", "5x"},
		"binary":                    {"bAQID"},
		"nothing":                   {""},
		"packet 1":                  {"1"},
		"a PONG":                    {"3probe"},
	} {
		t.Run(name, func(t *testing.T) {
			c := n.client(t, polls)
			w, err := n.dial(c.SID())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = w.Close() }()
			if err := w.say(packets...); err != nil {
				t.Fatal(err)
			}
			p, err := w.hear()
			if p == "3probe" {
				p, err = w.hear()
			}
			if err != (closed{1002}) {
				t.Errorf("got %q and %v", p, err)
			}
			_ = w.Close()
			if len(c.messages) != 0 {
				t.Errorf("the Handler got %q", <-c.messages)
			}
			c.send("4polling goes on")
			c.wantHear("4polling goes on")
			c.upgradesAgain()
		})
	}
}

// A client may probe twice.
func TestTwoProbes(t *testing.T) {
	n := start(t, Config{}, &fake{})
	c := n.client(t, polls)
	w, err := n.probed(c.SID())
	if err != nil {
		t.Fatal(err)
	}
	c.wire = w
	c.closeLater()
	c.say("2probe")
	c.wantHear("3probe")
	c.say("5", "4a")
	c.told.want(t, "4a")
}

func TestSessionEndsDuringTheProbe(t *testing.T) {
	n := start(t, Config{PingInterval: time.Second}, &fake{})
	for name, end := range map[string]func(c *client){
		"by the server": func(c *client) { c.End(ReasonServer) },
		"by the client": func(c *client) {
			c.say("1")
			wantAnswer(c.t, 200, "6")(c.n.get(c.SID()))
		},
		"by a broken rule": func(c *client) { wantAnswer(c.t, 400, body(ErrBadRequest))(c.n.post(c.SID(), "x")) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, probes := range []bool{false, true} {
				c := n.client(t, polls)
				dial := n.dial
				if probes {
					dial = n.probed
				}
				w, err := dial(c.SID())
				if err != nil {
					t.Fatal(err)
				}
				end(c)
				until(t, "the session is forgotten", func() bool { return n.session(c.SID()) == nil })
				if p, err := w.hear(); err == nil {
					t.Errorf("got %q", p)
				}
				_ = w.Close()
				<-c.closed
			}
		})
	}
}

// Packet 5 and the end of the session at the same moment: it ends either way, and once.
func TestUpgradeAndEndAtOnce(t *testing.T) {
	n := start(t, Config{}, &fake{})
	if err := each(100, 4, func(i int) error {
		k, err := n.handshake()
		if err != nil {
			return err
		}
		w, err := n.probed(k.SID())
		if err != nil {
			return err
		}
		defer func() { _ = w.Close() }()
		var wg sync.WaitGroup
		wg.Go(func() { k.End(ReasonServer) })
		_ = w.say("5", "4hello") // may be too late
		wg.Wait()
		if why := <-k.closed; why != ReasonServer {
			return fmt.Errorf("closed with %q", why)
		}
		for {
			if p, err := w.hear(); err != nil {
				return nil
			} else if p != "" {
				return fmt.Errorf("got %q", p)
			}
		}
	}); err != nil {
		t.Error(err)
	}
}

// A PING that a GET has brought may be answered by the WebSocket, and one that waits comes there.
func TestHeartbeatAcrossTheUpgrade(t *testing.T) {
	n := start(t, Config{PingInterval: 20 * time.Millisecond, PingTimeout: patience, UpgradeTimeout: patience}, &fake{})
	t.Run("fetched before", func(t *testing.T) {
		c := n.client(t, polls)
		c.wantHear("2")
		c.upgrade()
		for range 3 {
			c.say("3")
			c.wantHear("2")
		}
	})
	t.Run("waiting", func(t *testing.T) {
		c := n.client(t, polls)
		c.send("4before")
		n.pass(t, 100*time.Millisecond) // so that it waits
		c.upgrade()
		c.wantHear("4before", "2")
		for range 3 {
			c.say("3")
			c.wantHear("2")
		}
	})
}
