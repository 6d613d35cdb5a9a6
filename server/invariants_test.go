package server_test

// The invariants of design.md, part 4, as far as they show outside. Packages below have tests of the same names for what does not.

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

// message makes a message as a Sink takes it.
func message(room, event string, args ...any) emitter.Message {
	m, err := emitter.NewMessage(event, nil, args...)
	if err != nil {
		panic(err) // the arguments stand in this package
	}
	m.Namespace = "/"
	if room != "" {
		m.Rooms = []string{room}
	}
	return m
}

// send emits in the process of the server.
func (n *node) send(messages ...emitter.Message) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := n.Emit(ctx, messages)
	return err
}

// heard is what one client hears.
type heard struct {
	mu     sync.Mutex // guards the following
	events []string   // their arguments
	want   int
	full   chan struct{} // closed when there are as many as wanted
}

func newHeard(want int) *heard { return &heard{want: want, full: make(chan struct{})} }

func (h *heard) event(e sioclient.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.events = append(h.events, string(e.Raw)); len(h.events) == h.want {
		close(h.full)
	}
}

// all waits until there are as many events as wanted.
func (h *heard) all(t testing.TB) []string {
	t.Helper()
	select {
	case <-h.full:
	case <-soon(t).Done():
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.events) != h.want {
		t.Fatalf("%d events, want %d", len(h.events), h.want)
	}
	return slices.Clone(h.events)
}

// Emits from 16 backends at once, half of them over HTTP, reach all clients of a room in one and the same order, whatever their transport.
func TestInvariant1_OneOrderForAllClients(t *testing.T) {
	const emitters, each = 16, 50
	n := start(t, server.Config{})
	var clients []*heard
	for _, transports := range transports {
		for range 4 {
			h := newHeard(emitters * each)
			clients = append(clients, h)
			join(t, n.client(t, sioclient.Config{Transports: transports, OnEvent: h.event}), "r", "")
		}
	}
	poster := n.poster(t)
	parallel(t, emitters, emitters, func(e int) error {
		for i := range each {
			emit := n.send
			if e%2 == 0 {
				emit = poster
			}
			if err := emit(message("r", "e", e, i)); err != nil {
				return err
			}
		}
		return nil
	})
	want := clients[0].all(t)
	checkNumbering(t, want, emitters, each)
	for i, c := range clients[1:] {
		if got := c.all(t); !slices.Equal(got, want) {
			t.Errorf("client %d heard another order than client 0", i+1)
		}
	}
}

// poster returns a function that emits through POST /emit.
func (n *node) poster(t testing.TB) func(...emitter.Message) error {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := emitter.NewClient(emitter.ClientConfig{
		URL: n.url + "/emit", Secret: emitSecret, HTTPClient: &http.Client{Transport: transport, Timeout: patience},
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(messages ...emitter.Message) error {
		_, err := c.Emit(context.Background(), messages...)
		return err
	}
}

// checkNumbering checks that events "emitter,number" are all there, and in order for each emitter.
func checkNumbering(t testing.TB, events []string, emitters, each int) {
	t.Helper()
	next := make([]int, emitters)
	for _, args := range events {
		e, i, err := numbers(args)
		if err != nil || e >= emitters || i != next[e] {
			t.Fatalf("heard %s, want number %d of this emitter", args, next[e])
		}
		next[e]++
	}
	for e, got := range next {
		if got != each {
			t.Errorf("%d events of emitter %d, want %d", got, e, each)
		}
	}
}

// numbers reads "emitter,number", after which more may follow.
func numbers(args string) (e, i int, err error) {
	left, right, _ := strings.Cut(args, ",")
	right, _, _ = strings.Cut(right, ",")
	e, err = strconv.Atoi(left)
	if err != nil {
		return 0, 0, err
	}
	i, err = strconv.Atoi(right)
	return e, i, err
}

// While others emit to a room, a client joins and leaves it: nothing comes before the ack of the join, everything that is accepted after it comes, and
// nothing comes after the ack of the leave. 10,000 times, by 32 clients at once on both transports (under -race: 2,000).
func TestInvariant1_JoinAckThenEvents(t *testing.T) {
	tries, clients := 10_000, 32
	if raceEnabled {
		tries = 2000
	}
	n := start(t, server.Config{})
	parallel(t, clients, clients, func(c int) error {
		transport := sioclient.TransportWebSocket
		if c%4 == 0 {
			transport = sioclient.TransportPolling
		}
		w, err := dialWire(n.url, transport)
		if err != nil {
			return err
		}
		defer w.close()
		if err := connect(w); err != nil {
			return err
		}
		room := "r" + strconv.Itoa(c)
		noise := n.noise(room)
		defer noise.stop()
		for i := range (tries + clients - 1) / clients {
			noise.on <- 20
			if err := n.joinHearLeave(w, room, i); err != nil {
				return fmt.Errorf("%s, try %d: %w", transport, i, err)
			}
		}
		return noise.stop()
	})
}

// noise emits events as somebody else would.
type noise struct {
	on   chan int // how many to emit, without a pause
	stop func() error
}

func (n *node) noise(room string) noise {
	on, ended := make(chan int), make(chan error, 1)
	go func() {
		var err error
		for count := range on {
			for range count {
				err = errors.Join(err, n.send(message(room, "noise")))
			}
		}
		ended <- err
	}()
	return noise{on, sync.OnceValue(func() error { close(on); return <-ended })}
}

// joinHearLeave joins, checks that an emit which is accepted after the ack arrives, and leaves.
func (n *node) joinHearLeave(w wire, room string, i int) error {
	ack, sent := strconv.Itoa(i), strconv.Itoa(i)
	if err := w.write(`42` + ack + `["join","` + room + `"]`); err != nil {
		return err
	}
	if _, err := expect(w, `43`+ack+`[{"ok":true`); err != nil { // an event before it fails here
		return err
	}
	if err := n.send(message(room, "after", i)); err != nil {
		return err
	}
	if err := skipNoise(w, `42["after",`+sent+`]`); err != nil {
		return err
	}
	if err := w.write(`42` + ack + `["leave","` + room + `"]`); err != nil {
		return err
	}
	return skipNoise(w, `43`+ack+`[{"ok":true,"room":"`+room+`"}]`) // an event after it fails the next try
}

func skipNoise(w wire, want string) error {
	for {
		got, err := w.read()
		switch {
		case err != nil:
			return fmt.Errorf("waiting for %s: %w", want, err)
		case got == want:
			return nil
		case got != `42["noise"]`:
			return fmt.Errorf("got %.100s, want %s", got, want)
		}
	}
}

// A client that does not wait for any answer loses nothing: 1,000 connections on which the WebSocket handshake, CONNECT and two joins are one write.
func TestInvariant2_HandlersBeforeReply(t *testing.T) {
	n := start(t, server.Config{RoomSecrets: map[string]string{"s": "S"}})
	requests := []string{`40`, `420["join",{"room":"a"}]`, `421["join",{"room":"s::b","secret":"S"}]`}
	answers := []string{`40{"sid":"~`, `430[{"ok":true,"room":"a"}]`, `431[{"ok":true,"room":"s::b"}]`}
	parallel(t, 1000, 16, func(i int) error {
		w, err := n.pipelined(i%4 == 0, requests)
		if err != nil {
			return err
		}
		defer w.close()
		for _, want := range answers {
			if _, err := expect(w, want); err != nil {
				return err
			}
		}
		return nil
	})
}

// pipelined opens a session and writes packets in one go: with the handshake where that is possible.
func (n *node) pipelined(polling bool, packets []string) (wire, error) {
	if polling {
		w, err := dialWire(n.url, sioclient.TransportPolling)
		if err != nil {
			return nil, err
		}
		return w, w.write(packets...)
	}
	w, err := dialSocket(n.url, "", packets...)
	if err != nil {
		return nil, err
	}
	_, err = expect(w, "0{")
	return w, err
}

// 1,000 packets in one write are handled one after the other: joins of public rooms, joins with a secret, and leaves are answered in their order, and
// what they add up to is what their order says.
func TestInvariant3_OneAtATimeInOrder(t *testing.T) {
	n := start(t, server.Config{RoomSecrets: map[string]string{"s": "S"}})
	for _, transport := range []sioclient.Transport{sioclient.TransportPolling, sioclient.TransportWebSocket} {
		t.Run(string(transport), func(t *testing.T) {
			w := openWire(t, n.url, transport)
			var requests, answers []string
			for i := range 1000 {
				request, answer := `"join","a"`, `"a"`
				switch i % 3 {
				case 1:
					request, answer = `"join",{"room":"s::b","secret":"S"}`, `"s::b"`
				case 2:
					request, answer = `"leave","a"`, `"a"`
				}
				requests = append(requests, fmt.Sprintf(`42%d[%s]`, i, request))
				answers = append(answers, fmt.Sprintf(`43%d[{"ok":true,"room":%s}]`, i, answer))
			}
			if err := connect(w); err != nil {
				t.Fatal(err)
			}
			if err := w.write(requests...); err != nil {
				t.Fatal(err)
			}
			for _, want := range answers {
				if _, err := expect(w, want); err != nil {
					t.Fatal(err)
				}
			}
			// The last one that names "a" is a join.
			if err := n.send(message("a", "in a"), message("s::b", "in b")); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{`42["in a"]`, `42["in b"]`} {
				if _, err := expect(w, want); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// Members that stay get each emit once, however often they are in its rooms, while other clients come, join, leave, change transport and vanish.
func TestInvariant4_ExactlyOnceUnderChurn(t *testing.T) {
	const emitters, each, churners = 4, 100, 12
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{Registerer: registry})
	var members []*heard
	for _, transports := range transports {
		h := newHeard(emitters * each)
		members = append(members, h)
		c := n.client(t, sioclient.Config{Transports: transports, OnEvent: h.event})
		join(t, c, "a", "")
		join(t, c, "b", "")
	}
	ctx, stop := context.WithCancel(t.Context())
	var churn sync.WaitGroup
	for i := range churners {
		churn.Go(func() {
			for ctx.Err() == nil {
				if err := n.comeAndGo(ctx, i); err != nil {
					t.Errorf("client that comes and goes: %v", err)
					return
				}
			}
		})
	}
	parallel(t, emitters, emitters, func(e int) error {
		for i := range each {
			m := message("a", "e", e, i)
			m.Rooms = append(m.Rooms, "b")
			if err := n.send(m); err != nil {
				return err
			}
		}
		return nil
	})
	for _, m := range members {
		checkNumbering(t, m.all(t), emitters, each)
	}
	stop()
	churn.Wait()
	for name := range metrics(t, registry) {
		if strings.Contains(name, "slow consumer") || strings.Contains(name, "internal error") {
			t.Errorf("counted %s", name)
		}
	}
}

// comeAndGo is one visit of a client, which ends in one of several ways.
func (n *node) comeAndGo(ctx context.Context, i int) error {
	ways := [][]sioclient.Transport{transports["polling"], transports["websocket"], transports["upgrade"]}
	dial, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := sioclient.Dial(dial, sioclient.Config{URL: n.url, Transports: ways[i%3], OnEvent: func(sioclient.Event) {}})
	if err != nil {
		return err
	}
	defer c.Close()
	for _, room := range []string{"a", "b"} {
		if _, err := c.Join(dial, room, ""); err != nil {
			return err
		}
	}
	switch i % 4 {
	case 0:
		c.Abort()
	case 1:
		_, err = c.Leave(dial, "a")
	case 2:
		err = c.Emit("leave", "b") // and gone before the answer
	}
	return err
}

// A batch is taken whole or not at all.
func TestInvariant4_AllOrNothing(t *testing.T) {
	n := start(t, server.Config{MaxPending: 1 << 20})
	c := n.client(t, sioclient.Config{})
	join(t, c, "r", "")
	large := `"` + strings.Repeat("x", 300<<10) + `"`
	var over []string // each can be taken, together they cannot
	for range 6 {
		over = append(over, `{"event":"x","room":"r","data":`+large+`}`)
	}
	for name, batch := range map[string]struct {
		body   string
		status int
	}{
		"one without an event":     {`[{"event":"x","room":"r"},{"room":"r"}]`, http.StatusBadRequest},
		"one to no namespace":      {`[{"event":"x","room":"r"},{"event":"x","namespace":"/none"}]`, http.StatusBadRequest},
		"one that is too large":    {`[{"event":"x","room":"r"},{"event":"x","data":[` + large + `,` + large + `]}]`, http.StatusRequestEntityTooLarge},
		"too many":                 {`[` + strings.Repeat(`{"event":"x","room":"r"},`, 1000) + `{"event":"x","room":"r"}]`, http.StatusRequestEntityTooLarge},
		"more than the hub takes":  {`[` + strings.Join(over, ",") + `]`, http.StatusRequestEntityTooLarge},
		"a wrong secret in one":    {`[{"event":"x","room":"r"},{"event":"x","room":"r","secret":"no"}]`, http.StatusForbidden},
		"cut off":                  {`[{"event":"x","room":"r"},{"event":"x","room":"r"}`, http.StatusBadRequest},
		"an event of the protocol": {`[{"event":"x","room":"r"},{"event":"disconnect","room":"r"}]`, http.StatusBadRequest},
	} {
		if status, text := n.post(t, "/emit", batch.body); status != batch.status {
			t.Errorf("%s: %d %.200s, want %d", name, status, text, batch.status)
		}
	}
	n.emit(t, `[{"event":"first","room":"r"},{"event":"second","room":"r"}]`)
	next(t, c, "first", `[]`) // and nothing before it
	next(t, c, "second", `[]`)
}
