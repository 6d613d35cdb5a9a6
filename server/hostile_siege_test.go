package server_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

var siegeSeed = flag.Uint64("siege", 0, "seed of TestInvariant5_Siege; 0 is a new one each time")

// siege is a server in a process of its own, and what attacks it.
type siege struct {
	*child
	http *http.Client // of attackers that speak HTTP well

	mu   sync.Mutex // guards the following
	kept []net.Conn // connections that the server is to end
}

// attacker is one attack. What it does follows from its random numbers.
type attacker struct {
	*siege
	*rand.Rand
}

// Thousands of hostile connections (under -race: fewer), each of some kind of those in attacks, while others send a byte now and then. Meanwhile a good
// client on each transport hears each emit, once and in order. Afterwards the server is the same process, has had no panic, has ended what it was to end,
// serves new clients, and uses as many goroutines and files and as much memory as before.
func TestInvariant5_Siege(t *testing.T) {
	s := &siege{http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}}
	s.child = startChild(t, server.Config{
		HeaderTimeout: 2 * time.Second, ConnectTimeout: 2 * time.Second, WriteTimeout: 2 * time.Second,
		PingInterval: 2 * time.Second, PingTimeout: 8 * time.Second, MaxRooms: 50, RoomSecrets: map[string]string{"s": "S"},
	})
	pid := s.cmd.Process.Pid
	good := s.goodClients(t)
	parallel(t, 60, 16, func(i int) error { return s.comeAndGo(t.Context(), i) }) // what is needed once is there
	var before usage
	until(t, "only the good clients are left", func() bool {
		before = s.usage(t)
		return s.metric(t, "wsemit_sessions") == float64(len(good.clients))
	})
	slow := s.slowClients(t, scaled(20, 8))
	emits := s.keepEmitting(t)
	s.attackAll(t, scaled(8000, 2000))
	s.waitForKept(t)
	slow.ended(t)
	good.check(t, []int{emits()})
	s.backTo(t, before, len(good.clients))
	if err := s.cmd.Process.Signal(syscall.Signal(0)); err != nil || s.cmd.Process.Pid != pid {
		t.Errorf("the server is not the same process: %v", err)
	}
	for name, ways := range transports {
		c := s.client(t, sioclient.Config{Transports: ways})
		join(t, c, "new "+name, "")
		s.emit(t, `{"event":"hello","room":"new `+name+`"}`)
		next(t, c, "hello", `[]`)
	}
}

// goodClients connects a client on each transport, which hears what keepEmitting emits. Attackers emit too, even to everybody.
func (s *siege) goodClients(t *testing.T) *crowd {
	t.Helper()
	c := &crowd{}
	for _, ways := range everyWay() {
		y := newTally(1)
		c.tallies = append(c.tallies, y)
		c.clients = append(c.clients, s.client(t, sioclient.Config{Transports: ways, OnEvent: func(e sioclient.Event) {
			if e.Name == "good" {
				y.event(e)
			}
		}}))
		join(t, c.clients[len(c.clients)-1], "good", "")
	}
	return c
}

// keepEmitting emits to the good clients until the function that it returns is called, which tells how often.
func (s *siege) keepEmitting(t *testing.T) (stop func() int) {
	t.Helper()
	emit := s.poster(t)
	end, ended := make(chan struct{}), make(chan error, 1)
	count := 0 // of this goroutine, until it has ended
	go func() {
		again := time.NewTicker(5 * time.Millisecond)
		defer again.Stop()
		var err error
		for err == nil {
			select {
			case <-end:
				ended <- nil
				return
			case <-again.C:
				if err = emit(message("good", "good", 0, count)); err == nil {
					count++
				}
			}
		}
		ended <- err
	}()
	stop = sync.OnceValue(func() int {
		close(end)
		if err := <-ended; err != nil {
			t.Errorf("after %d emits: %v", count, err)
		}
		return count
	})
	t.Cleanup(func() { stop() })
	return stop
}

// attackAll makes each kind of attack once, and then many by chance.
func (s *siege) attackAll(t *testing.T, count int) {
	t.Helper()
	seed := *siegeSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("again with -args -siege=%d", seed)
	weights := 0
	for _, a := range attacks {
		weights += a.weight
	}
	took := time.Now()
	parallel(t, count, 32, func(i int) error {
		a := &attacker{s, rand.New(rand.NewPCG(seed, uint64(i)))}
		kind := i
		if i >= len(attacks) {
			kind = 0
			for w := a.IntN(weights); w >= attacks[kind].weight; kind++ {
				w -= attacks[kind].weight
			}
		}
		if err := attacks[kind].run(a); err != nil {
			return fmt.Errorf("attack %d, %s: %w", i, attacks[kind].name, err)
		}
		return nil
	})
	t.Logf("%d attacks in %v", count, time.Since(took))
}

// keep leaves a connection open, for the server to end; it closes those of which there are too many.
func (s *siege) keep(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) < 1000 {
		s.kept = append(s.kept, c)
	} else {
		_ = c.Close()
	}
}

// waitForKept waits until the server has ended all connections that were left open.
func (s *siege) waitForKept(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.kept {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		var timeout net.Error
		if _, err := io.Copy(io.Discard, c); errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("a connection of %v is still open", c.LocalAddr())
		}
		_ = c.Close()
	}
	t.Logf("the server ended %d connections that were left open", len(s.kept))
}

// backTo waits until the server has only the sessions that it should, has handed out everything, and uses no more than before, but for 10 goroutines and
// files, as of connections that net/http keeps, and 8 MiB in pools.
func (s *siege) backTo(t *testing.T, before usage, sessions int) {
	t.Helper()
	if n := s.metric(t, `wsemit_sessions_ended_total{reason="internal error"}`); n != 0 {
		t.Errorf("%v sessions ended by a panic", n)
	}
	var now usage
	defer func() {
		t.Logf("before %+v, after %+v", before, now)
		if t.Failed() {
			s.stacks(t)
		}
	}()
	until(t, "the server uses no more than before", func() bool {
		now = s.usage(t)
		return s.metric(t, "wsemit_sessions") == float64(sessions) && s.metric(t, backlog) == 0 &&
			now.Goroutines <= before.Goroutines+10 && now.Files <= before.Files+10 && now.Memory <= before.Memory+8<<20
	})
}

// metric asks the server for a value; what it has not counted yet is 0.
func (s *siege) metric(t *testing.T, name string) float64 {
	t.Helper()
	req, err := http.NewRequestWithContext(soon(t), http.MethodGet, s.url+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	status, text := do(t, req)
	if status != http.StatusOK || !strings.Contains(text, "\nwsemit_sessions ") {
		t.Fatalf("metrics: %d %.200s", status, text)
	}
	_, value, found := strings.Cut(text, "\n"+name+" ")
	if !found {
		return 0
	}
	value, _, _ = strings.Cut(value, "\n")
	n, err := strconv.ParseFloat(value, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// slowClients are connections that send a byte now and then, so that a timeout which starts again with each byte never comes.
type slowClients struct {
	mu   sync.Mutex // guards the following
	left map[net.Conn]string
}

// slowClients begins count connections of each kind. Their bytes are written until the test ends.
func (s *siege) slowClients(t *testing.T, count int) *slowClients {
	t.Helper()
	slow := &slowClients{left: map[net.Conn]string{}}
	for name, begin := range s.slowBeginnings() {
		parallel(t, count, 16, func(int) error {
			c, err := begin()
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			slow.mu.Lock()
			defer slow.mu.Unlock()
			slow.left[c] = name
			return nil
		})
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		again := time.NewTicker(200 * time.Millisecond)
		defer again.Stop()
		for {
			select {
			case <-end:
				return
			case <-again.C:
				slow.write()
			}
		}
	}()
	t.Cleanup(func() {
		close(end)
		<-ended
		for c := range slow.left {
			_ = c.Close()
		}
	})
	return slow
}

// write writes a byte to each, and forgets those where that is not possible any more.
func (c *slowClients) write() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.left {
		if _, err := io.WriteString(conn, " "); err != nil {
			_ = conn.Close()
			delete(c.left, conn)
		}
	}
}

// ended waits until the server has ended all.
func (c *slowClients) ended(t *testing.T) {
	t.Helper()
	var kinds map[string]int
	defer func() {
		if len(kinds) > 0 {
			t.Logf("still open: %v", kinds)
		}
	}()
	until(t, "slow clients have been ended", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		kinds = map[string]int{}
		for _, name := range c.left {
			kinds[name]++
		}
		return len(kinds) == 0
	})
}

// slowBeginnings are where such a client stops writing as others do. A body may take 30 s, an upgrade 10 s, the rest has a short timeout here.
func (s *siege) slowBeginnings() map[string]func() (net.Conn, error) {
	body := " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer " + emitSecret + "\r\nContent-Length: 100000\r\n\r\n "
	socket := func(then string) func() (net.Conn, error) {
		return func() (net.Conn, error) {
			w, err := dialSocket(s.url, "", "40")
			if err != nil {
				return nil, err
			}
			_, err = io.WriteString(w, then)
			return w.Conn, err
		}
	}
	return map[string]func() (net.Conn, error){
		"header":       func() (net.Conn, error) { return s.say("GET /livez HTTP/1.1\r\nHost: x\r\nX: ") },
		"request line": func() (net.Conn, error) { return s.say("GET /livez") },
		"handshake":    func() (net.Conn, error) { return s.say(strings.TrimSuffix(handshake(s.url, ""), "\r\n") + "X: ") },
		"emit":         func() (net.Conn, error) { return s.say("POST /emit" + body) },
		"space":        func() (net.Conn, error) { return s.say("PUT /roomspaces/x" + body) },
		"poll": func() (net.Conn, error) {
			p, err := s.poll()
			if err != nil {
				return nil, err
			}
			defer p.close()
			return s.say("POST " + p.path() + body)
		},
		"unknown session": func() (net.Conn, error) { return s.say("POST /socket.io/?EIO=4&transport=polling&sid=x" + body) },
		"frame":           socket("\x81\xfe\xff\xffmask"),
		"fragment":        socket("\x01\xfe\xff\xffmask"),
		"upgrade": func() (net.Conn, error) {
			p, err := s.poll()
			if err != nil {
				return nil, err
			}
			defer p.close()
			w, err := dialSocket(s.url, p.sid, "2probe")
			if err != nil {
				return nil, err
			}
			_, err = io.WriteString(w, "\x81\xfe\xff\xffmask")
			return w.Conn, err
		},
	}
}
