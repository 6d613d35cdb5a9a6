package server_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/server"
)

// Emitting to 1,000 WebSockets allocates no more than emitting to one: an event is encoded once, and a receiver costs nothing. Both ends of the connections
// are in this process, but reading them allocates nothing.
func TestInvariant10_NoAllocationForAReceiver(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget, so what is taken from them is allocated")
	}
	const receivers = 1000
	n := start(t, server.Config{})
	var readers sync.WaitGroup
	defer readers.Wait()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for i := range receivers {
		w, err := dialSocket(n.url, "", "40", `420["join","many"]`)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, w)
		if i == 0 {
			if err := w.write(`421["join","one"]`); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []string{"0{", "40{", "430["} {
			if _, err := expect(w, want); err != nil {
				t.Fatal(err)
			}
		}
		readers.Go(func() {
			buf := make([]byte, 4096)
			for err := error(nil); err == nil; {
				_, err = w.Conn.Read(buf)
			}
		})
	}
	emitTo := func(room string, want int) float64 {
		m := message(room, "update", map[string]int{"time": 111111})
		emit := func() {
			receipt, err := n.Emit(context.Background(), []emitter.Message{m})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := receipt.Receivers(context.Background()); err != nil || got != want {
				t.Fatalf("%d receivers, %v; want %d", got, err, want)
			}
		}
		for range 10 { // what is needed once
			emit()
		}
		return testing.AllocsPerRun(50, emit)
	}
	one, many := emitTo("one", 1), emitTo("many", receivers)
	t.Logf("%v allocations for one receiver, %v for %d", one, many, receivers)
	// Some may be of timers, of garbage collection and of a backlog where a reader did not get to run.
	if many > one+receivers/20 {
		t.Errorf("%v allocations for one receiver, %v for %d", one, many, receivers)
	}
}
