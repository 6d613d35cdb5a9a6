package server_test

// Load with client and server in two processes, as each may have as many files open as one process. The numbers are those of the issue; under -race they are
// smaller, since everything takes several times as long then. The limits of memory and time of the server are its defaults unless a test says otherwise.

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

// scaled is a number of the issue, or the smaller one under -race.
func scaled(full, race int) int {
	if raceEnabled {
		return race
	}
	return full
}

// tally checks what one client hears of events that emitters number: of each emitter in order, none missing and none twice.
type tally struct {
	mu    sync.Mutex // guards the following
	next  []int      // of each emitter
	want  []int      // how many there are of each; nil while that is not known
	fault error      // the first one
	done  bool
	ended chan struct{} // closed when done
}

func newTally(emitters int) *tally {
	return &tally{next: make([]int, emitters), ended: make(chan struct{})}
}

func (y *tally) event(e sioclient.Event) {
	y.mu.Lock()
	defer y.mu.Unlock()
	from, i, err := numbers(string(e.Raw))
	switch {
	case y.fault != nil:
	case err != nil || from >= len(y.next):
		y.fault = fmt.Errorf("heard %s %.100s", e.Name, e.Raw)
	case i != y.next[from]:
		y.fault = fmt.Errorf("heard %d of emitter %d, want %d", i, from, y.next[from])
	default:
		y.next[from]++
	}
	y.checkLocked()
}

func (y *tally) checkLocked() {
	if !y.done && (y.fault != nil || slices.Equal(y.next, y.want)) {
		y.done = true
		close(y.ended)
	}
}

// complete waits until a client has heard as much as is wanted of each emitter, and says what was wrong.
func (y *tally) complete(ctx context.Context, c *sioclient.Client, want []int) error {
	y.mu.Lock()
	y.want = want
	y.checkLocked()
	y.mu.Unlock()
	var why error
	select {
	case <-y.ended:
	case <-c.Done():
		why = c.Err()
	case <-ctx.Done():
		why = ctx.Err()
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.done {
		return y.fault
	}
	return fmt.Errorf("heard %v, want %v: %w", y.next, want, why)
}

// crowd is clients that listen, closed with the test.
type crowd struct {
	clients []*sioclient.Client
	tallies []*tally
}

// gather connects clients, 32 at a time, which join a room and hear numbered events. The ways of transport take turns.
func gather(t testing.TB, n *node, size, emitters int, ways ...[]sioclient.Transport) *crowd {
	t.Helper()
	c := &crowd{clients: make([]*sioclient.Client, size), tallies: make([]*tally, size)}
	t.Cleanup(func() {
		parallel(t, size, 64, func(i int) error {
			if c.clients[i] != nil {
				c.clients[i].Abort()
			}
			return nil
		})
	})
	parallel(t, size, 32, func(i int) error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		y := newTally(emitters)
		client, err := sioclient.Dial(ctx, sioclient.Config{URL: n.url, Transports: ways[i%len(ways)], OnEvent: y.event})
		if err != nil {
			return fmt.Errorf("client %d: %w", i, err)
		}
		c.clients[i], c.tallies[i] = client, y
		reply, err := client.Join(ctx, "r", "")
		if err != nil || !reply.OK {
			return fmt.Errorf("client %d: join: %+v, %w", i, reply, err)
		}
		return nil
	})
	return c
}

// check waits until all have heard everything.
func (c *crowd) check(t testing.TB, want []int) {
	t.Helper()
	ctx := soon(t)
	wrong := 0
	for i, y := range c.tallies {
		if err := y.complete(ctx, c.clients[i], want); err != nil {
			if wrong++; wrong <= 5 {
				t.Errorf("client %d, on %s: %v", i, c.clients[i].Transport(), err)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d clients did not hear everything once and in order", wrong, len(c.tallies))
	}
}

func everyWay() [][]sioclient.Transport {
	return [][]sioclient.Transport{transports["polling"], transports["websocket"], transports["upgrade"]}
}

// emitAll emits from several backends at once, as fast as the server takes it, and returns how many each has emitted: so many, or more while it goes on.
func emitAll(t testing.TB, emitters, each int, goOn func() bool, emit func(...emitter.Message) error) (emitted []int) {
	t.Helper()
	emitted = make([]int, emitters)
	parallel(t, emitters, emitters, func(e int) error {
		for i := 0; i < each || goOn(); i++ {
			if err := emit(message("r", "e", e, i)); err != nil {
				return err
			}
			emitted[e]++
		}
		return nil
	})
	return emitted
}

func noMore() bool { return false }

// 16 backends emit 400 events to 1,000 clients of all transports (under -race: 200 clients): all 400,000 arrive, once and in order.
func TestLoad_Delivery(t *testing.T) {
	clients, emitters, each := scaled(1000, 200), 16, 25
	n := startChild(t, server.Config{})
	crowd := gather(t, &n.node, clients, emitters, everyWay()...)
	began := time.Now()
	crowd.check(t, emitAll(t, emitters, each, noMore, n.poster(t)))
	t.Logf("%d deliveries in %v", clients*emitters*each, time.Since(began))
}

// 10,000 clients of all transports (under -race: 1,000) connect and join, 32 at a time, and all are acknowledged; then they hear an emit.
func TestLoad_Connect(t *testing.T) {
	clients := scaled(10_000, 1000)
	n := startChild(t, server.Config{})
	began := time.Now()
	crowd := gather(t, &n.node, clients, 1, everyWay()...)
	t.Logf("%d clients have joined after %v", clients, time.Since(began))
	crowd.check(t, emitAll(t, 1, 1, noMore, n.poster(t)))
}

// While 1,000 clients (under -race: 200) change from long-polling to WebSocket, four backends emit as fast as the server takes it; nothing is lost, doubled
// or out of order.
func TestLoad_Upgrades(t *testing.T) {
	const emitters, atLeast = 4, 50
	clients := scaled(1000, 200)
	n := startChild(t, server.Config{})
	crowd := gather(t, &n.node, clients, emitters, transports["polling"])
	var upgraded atomic.Bool
	upgrades := make(chan error, 1)
	began := time.Now()
	go func() {
		defer upgraded.Store(true)
		upgrades <- inParallel(clients, 32, func(i int) error {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			return crowd.clients[i].Upgrade(ctx)
		})
	}()
	emitted := emitAll(t, emitters, atLeast, func() bool { return !upgraded.Load() }, n.poster(t))
	if err := <-upgrades; err != nil {
		t.Error(err)
	}
	t.Logf("%d clients upgraded while %v were emitted, in %v", clients, emitted, time.Since(began))
	crowd.check(t, emitted)
	for i, c := range crowd.clients {
		if c.Transport() != sioclient.TransportWebSocket {
			t.Errorf("client %d is on %s", i, c.Transport())
		}
	}
}

// A member that reads nothing for a while delays nobody; when it reads again it goes on where it was, in order.
func TestLoad_StuckMemberRecovers(t *testing.T) {
	const each = 400
	n := startChild(t, server.Config{MaxQueue: 16 << 20, WriteTimeout: patience, PingTimeout: patience})
	crowd := gather(t, &n.node, 20, 1, everyWay()...)
	stuck := n.stuck(t, sioclient.TransportWebSocket, "r")
	polls := n.stuck(t, sioclient.TransportPolling, "r")
	filler := strings.Repeat("x", 32<<10) // 12.8 MB in all: more than the network takes
	emit := n.poster(t)
	for i := range each {
		if err := emit(message("r", "e", 0, i, filler)); err != nil {
			t.Fatal(err)
		}
	}
	crowd.check(t, []int{each}) // though the two have read nothing
	for _, w := range []wire{stuck, polls} {
		for i := range each {
			if _, err := expect(w, fmt.Sprintf(`42["e",0,%d,"xxx`, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// 200 clients that read one byte a second leave the times that POST /emit takes as they were, once they have been there for 3 s. Until then the server cannot
// know that they are not just late, and may hold up emitters. The bound on the 99th percentile is five times what it was and 50 ms: it would be seconds if
// one of them were waited for, and this machine may be busy with something else.
func TestLoad_SlowReaders(t *testing.T) {
	for name, cfg := range map[string]server.Config{
		"ended for what waits": {},
		"kept":                 {MaxQueue: 32 << 20, MaxBacklog: 4 << 30, MaxPending: 32 << 20, WriteTimeout: patience},
	} {
		t.Run(name, func(t *testing.T) { testSlowReaders(t, cfg) })
	}
}

func testSlowReaders(t *testing.T, cfg server.Config) {
	const slow, measured, size = 200, 1000, 2 << 10
	n := startChild(t, cfg)
	crowd := gather(t, &n.node, 10, 1, everyWay()...)
	emit, next := n.poster(t), 0
	one := func() time.Duration {
		began := time.Now()
		if err := emit(message("r", "e", 0, next, strings.Repeat("x", size))); err != nil {
			t.Fatal(err)
		}
		next++
		return time.Since(began)
	}
	before := p99(measured, one)
	ctx, stop := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	defer reading.Wait()
	defer stop()
	for range slow {
		w := n.stuck(t, sioclient.TransportWebSocket, "r").(*socketWire)
		reading.Go(func() { w.trickle(ctx) })
	}
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		one()
	}
	after := p99(measured, one)
	t.Logf("99 %% of %d emits took less than %v before and %v with %d slow readers; %d emitted in all; %s", measured, before, after, slow, next, n.backlogNow(t))
	if after > 5*before+50*time.Millisecond {
		t.Errorf("99 %% took less than %v, before %v", after, before)
	}
	crowd.check(t, []int{next})
}

// trickle reads one byte a second.
func (w *socketWire) trickle(ctx context.Context) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	defer context.AfterFunc(ctx, w.close)()
	for err := error(nil); err == nil; {
		select {
		case <-second.C:
			_, err = w.Conn.Read(make([]byte, 1))
		case <-ctx.Done():
			return
		}
	}
}

// p99 is the 99th percentile of n times.
func p99(n int, one func() time.Duration) time.Duration {
	took := make([]time.Duration, n)
	for i := range took {
		took[i] = one()
	}
	slices.Sort(took)
	return took[n*99/100]
}

// backlogNow is what the server says of slow clients.
func (c *child) backlogNow(t testing.TB) (lines string) {
	t.Helper()
	for line := range strings.Lines(c.get(t, "/metrics")) {
		if strings.HasPrefix(line, backlog+" ") || strings.HasPrefix(line, slowConsumers) {
			lines += strings.TrimSpace(line) + " "
		}
	}
	return lines
}
