package conn

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/ws-emit/ws-emit/server/frame"
)

// Whatever part of what next offers is written, the bytes come in order, once each, and what waits is known.
func TestBacklogAgainstModel(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		c := NewGroup(testConfig()).NewPolling(nil)
		c.state = draining // and nobody drains it
		var pushed, written bytes.Buffer
		var waits []time.Duration
		for step := range 400 {
			if rnd.IntN(3) == 0 {
				f := frame.Text(numbered(0, step, rnd.IntN(200)))
				done := rnd.IntN(f.Size())
				if c.backlog.len() > 0 {
					done = 0
				}
				c.mu.Lock()
				c.pushLocked(f, done, time.Duration(step))
				c.mu.Unlock()
				pushed.Write(f.WebSocket()[done:])
				waits = append(waits, time.Duration(step))
			} else if c.backlog.len() > 0 {
				limit, room := 1+rnd.IntN(300), 1+rnd.IntN(5)
				pieces := c.backlog.next(make(net.Buffers, 0, room), limit)
				offered := slices.Concat(pieces...)
				if len(offered) == 0 || len(offered) > limit || len(pieces) > room {
					t.Fatalf("seed %d: %d bytes in %d pieces, limits %d and %d", seed, len(offered), len(pieces), limit, room)
				}
				n := rnd.IntN(len(offered) + 1)
				written.Write(offered[:n])
				before := c.backlog.len()
				c.mu.Lock()
				c.writtenLocked(n)
				c.mu.Unlock()
				waits = waits[before-c.backlog.len():]
			}
			if c.backlog.len() != len(waits) || len(waits) > 0 && c.backlog.oldest() != waits[0] {
				t.Fatalf("seed %d: %d wait, want %d", seed, c.backlog.len(), len(waits))
			}
		}
		for c.backlog.len() > 0 {
			b := slices.Concat(c.backlog.next(make(net.Buffers, 0, 8), 1000)...)
			written.Write(b)
			c.writtenLocked(len(b))
		}
		if !bytes.Equal(written.Bytes(), pushed.Bytes()) {
			t.Fatalf("seed %d: other bytes", seed)
		}
		if c.group.total.Load() != 0 || c.group.young.Load() != 0 || c.charged != 0 || len(c.group.backlogs.conns) != 0 {
			t.Fatalf("seed %d: something is still charged", seed)
		}
	}
}

// A backlog that moves on and never gets empty needs no more room than what waits, and an empty one none.
func TestBacklogReusesItsRoom(t *testing.T) {
	var b backlog
	f := frame.Text("4")
	for range 100 {
		b.push(f, 0, 0)
	}
	for range 100_000 {
		b.pop()
		b.push(f, 0, 0)
	}
	if cap(b.items) > 1000 {
		t.Errorf("room for %d where 100 wait", cap(b.items))
	}
	for b.len() > 0 {
		b.pop()
	}
	if cap(b.items) > 16 {
		t.Errorf("room for %d where nothing waits", cap(b.items))
	}
}

// A frame that waits until those before it have been written: a share of the list, which is used again as long as it does not run empty.
func TestBacklogAllocatesNothing(t *testing.T) {
	b := waitingFrames(8)
	if n := testing.AllocsPerRun(1000, func() {
		b.push(first, 0, 1)
		b.pop()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func waitingFrames(n int) *backlog {
	b := new(backlog)
	for range 100 { // as many as it takes until it has moved once
		for range n {
			b.push(first, 0, 1)
		}
		for range n {
			if b.len() > n {
				b.pop()
			}
		}
	}
	return b
}

func BenchmarkBacklog(b *testing.B) {
	for _, waiting := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint("waiting=", waiting), func(b *testing.B) {
			list := waitingFrames(waiting)
			b.ReportAllocs()
			for b.Loop() {
				list.push(first, 0, 1)
				list.pop()
			}
		})
	}
}
