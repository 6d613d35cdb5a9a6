package conn

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ws-emit/ws-emit/server/frame"
)

// bursts reads a connection in bursts, so that it gets stuck again and again: after each it lets others go on.
type bursts struct {
	net.Conn
	rnd *rand.Rand
}

func (b *bursts) Read(p []byte) (int, error) {
	for range b.rnd.IntN(100) {
		runtime.Gosched()
	}
	return b.Conn.Read(p[:min(len(p), 1+b.rnd.IntN(8<<10))])
}

// sendRandomly sends messages of numbered, in runs of random length.
func sendRandomly(t *testing.T, m *member, sender, messages int) {
	rnd := rand.New(rand.NewPCG(uint64(sender), 3))
	var runs frame.Runs
	for seq := 0; seq < messages; {
		var r *frame.Run
		for range 1 + rnd.IntN(5) {
			if seq == messages {
				break
			}
			size := rnd.IntN(500)
			if rnd.IntN(50) == 0 {
				size = rnd.IntN(100_000)
			}
			r = runs.Extend(r, frame.Text(numbered(sender, seq, size)))
			seq++
		}
		if !m.Send(r) {
			t.Errorf("sender %d: the connection has ended with %q", sender, m.Reason())
			return
		}
		runs.Reset()
	}
}

// Invariant 4: however many send, and however the peer reads, it gets every message once, those of one sender in order, and no frame is torn apart.
func TestSendInOrder(t *testing.T) {
	for name, connect := range map[string]func(testing.TB, *Group) *member{
		"tcp": func(t testing.TB, g *Group) *member { return tcp(t, g, nil) },
		"tls": func(t testing.TB, g *Group) *member { return secure(t, g, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			const senders, messages = 8, 800
			m := connect(t, start(t, testConfig()))
			var sending sync.WaitGroup
			for s := range senders {
				sending.Go(func() { sendRandomly(t, m, s, messages) })
			}
			m.r = bufio.NewReader(&bursts{m.peer, rand.New(rand.NewPCG(4, 4))})
			var got inOrder
			for range senders * messages {
				f, err := readFrame(m.r)
				if !got.check(t, f, err) {
					break
				}
			}
			sending.Wait()
			if t.Failed() {
				return
			}
			m.idle()
			m.hear("4last")
			m.want(ws.OpText, "4last")
		})
	}
}

// stuck sends more than the kernel takes, however it adapts its buffers, and returns how many messages that was.
func (m *member) stuck() (sent int) {
	m.t.Helper()
	for sent = range 100 {
		if !m.hear(numbered(0, sent, 200_000)) {
			m.t.Fatalf("ended with %q", m.Reason())
		}
	}
	if m.group.Backlog() == 0 {
		m.t.Fatal("nothing waits")
	}
	return sent + 1
}

// What gets stuck in the middle of a frame goes on there, before everything that came later.
func TestSendStuckInTheMiddle(t *testing.T) {
	m := tcp(t, start(t, testConfig()), nil)
	huge := numbered(0, 0, 6<<20)
	m.hear(huge)
	if waits := m.group.Backlog(); waits != int64(len(huge))+10+frame.Overhead {
		t.Fatalf("%d bytes wait", waits)
	}
	for seq := range 200 {
		m.hear(numbered(0, 1+seq, 10))
	}
	var got inOrder
	for range 201 {
		f, err := readFrame(m.r)
		if !got.check(t, f, err) {
			return
		}
	}
}

// A member that has recovered is written directly again, and has no write deadline any more.
func TestSendDirectAgain(t *testing.T) {
	cfg := testConfig()
	cfg.WriteTimeout = 500 * time.Millisecond
	m := tcp(t, start(t, cfg), nil)
	m.hear(numbered(0, 0, 6<<20)) // more than the kernel takes
	if m.group.Backlog() == 0 {
		t.Fatal("nothing waits")
	}
	var got inOrder
	if f, err := readFrame(m.r); !got.check(t, f, err) {
		return
	}
	m.idle()
	<-time.After(cfg.WriteTimeout + cfg.WriteTimeout/4) // a deadline that was left would be over
	if !m.hear("4again") || m.group.Backlog() != 0 {
		t.Fatalf("not written directly: ended with %q, %d bytes wait", m.Reason(), m.group.Backlog())
	}
	m.want(ws.OpText, "4again")
}

// A run of which a part was written goes on with the frame, and the byte, where it stopped.
func TestSendRunStuckInTheMiddle(t *testing.T) {
	m := tcp(t, start(t, testConfig()), nil)
	var runs frame.Runs
	var r *frame.Run
	const messages = 4000
	for seq := range messages {
		r = runs.Extend(r, frame.Text(numbered(0, seq, 1000)))
	}
	m.Send(r)
	runs.Reset()
	if m.group.Backlog() == 0 {
		t.Fatal("nothing waits")
	}
	var got inOrder
	for range messages {
		f, err := readFrame(m.r)
		if !got.check(t, f, err) {
			return
		}
	}
}

func TestSlowConsumerByMaxQueue(t *testing.T) {
	cfg := testConfig()
	cfg.MaxQueue = 100_000
	m := tcp(t, start(t, cfg), nil)
	for seq := 0; m.hear(numbered(0, seq, 1000)); seq++ {
		if waits := m.group.Backlog(); waits > cfg.MaxQueue {
			t.Fatalf("%d bytes wait", waits)
		}
	}
	m.wantReason(ReasonSlowConsumer)
	if m.hear("4") {
		t.Error("it still takes messages")
	}
	// What the kernel still holds for it is thrown away: nobody has to keep it.
	if _, err := io.Copy(io.Discard, m.peer); err == nil {
		t.Error("closed without a reset")
	}
}

func TestSlowConsumerByWriteTimeout(t *testing.T) {
	cfg := testConfig()
	cfg.WriteTimeout = 200 * time.Millisecond
	m := tcp(t, start(t, cfg), nil)
	m.hear(numbered(0, 0, 6<<20)) // more than the kernel takes
	m.wantReason(ReasonSlowConsumer)
}

// One byte in each WriteTimeout is progress, and enough.
func TestProgressKeepsAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.WriteTimeout = 10 * time.Second
		m := pipe(t, start(t, cfg), nil)
		m.hear(numbered(0, 0, 1000))
		m.hear(numbered(0, 1, 1000))
		for range 100 {
			<-time.After(9 * time.Second)
			if _, err := m.peer.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		m.wantAlive()
		<-time.After(11 * time.Second)
		m.wantReason(ReasonSlowConsumer)
	})
}

// Over MaxBacklog the member ends whose oldest byte is oldest, not the one that was sent to.
func TestEvictTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.MaxBacklog = 10_000
		g := start(t, cfg)
		var members []*member
		for range 3 {
			m := pipe(t, g, nil)
			m.hear(numbered(0, 0, 2900))
			members = append(members, m)
			<-time.After(time.Second)
		}
		last := pipe(t, g, nil)
		for i, m := range members {
			for _, alive := range members[i:] {
				alive.wantAlive()
			}
			last.hear(numbered(0, i, 2900))
			m.wantReason(ReasonSlowConsumer)
		}
		last.wantAlive()
		if waits := g.Backlog(); waits > cfg.MaxBacklog {
			t.Errorf("%d bytes wait", waits)
		}
	})
}

// Emitters are held up by what is on its way, but not by members that read slowly; they are told when they may go on.
func TestBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		woken := make(chan struct{}, 1)
		cfg := testConfig()
		cfg.MaxBacklog = 8 * 10_000
		cfg.Wake = func() { woken <- struct{}{} }
		g := start(t, cfg)
		m := pipe(t, g, nil)
		m.hear(numbered(0, 0, 9000))
		if g.Behind() {
			t.Fatal("behind with less than an eighth of MaxBacklog")
		}
		m.hear(numbered(0, 1, 9000))
		if !g.Behind() {
			t.Fatal("not behind with more than an eighth of MaxBacklog")
		}
		began := time.Now()
		<-woken
		if waited := time.Since(began); waited < youngFor || waited > youngFor+youngFor/4 {
			t.Errorf("woken after %v", waited)
		}
		m.hear(numbered(0, 2, 9000))
		if g.Behind() || g.young.Load() != 0 {
			t.Errorf("a member that reads slowly counts for %d", g.young.Load())
		}
		for range 3 {
			m.read()
		}
		m.idle()
		m.hear(numbered(0, 3, 12_000))
		if !g.Behind() {
			t.Error("a member that has recovered does not count")
		}
		m.read()
		<-woken
	})
}

// A member that reads all the time is never slow, even if something always waits for it.
func TestYoungWhileItMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, testConfig())
		m := pipe(t, g, nil)
		m.hear(numbered(0, 0, 40_000))
		for seq := range 20 {
			m.hear(numbered(0, seq+1, 40_000))
			<-time.After(time.Second / 2)
			m.read()
			synctest.Wait()
			if g.young.Load() != g.total.Load() {
				t.Fatalf("%d of %d bytes are young", g.young.Load(), g.total.Load())
			}
		}
	})
}

// The direct path costs no allocation for a run that members share (design: the hot path).
func TestSendAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget")
	}
	m := tcp(t, start(t, testConfig()), nil)
	if err := m.peer.(*net.TCPConn).SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	reading := make(chan struct{})
	go func() { // ends when the connection does
		defer close(reading)
		_, _ = io.CopyBuffer(io.Discard, struct{ io.Reader }{m.peer}, make([]byte, 64<<10))
	}()
	var runs frame.Runs
	var shared *frame.Run
	for range 2 { // two members share it
		shared = runs.Extend(runs.Extend(nil, first), second)
	}
	n := testing.AllocsPerRun(500, func() {
		if !m.Send(shared) {
			t.Fatalf("ended with %q", m.Reason())
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
	m.End(ReasonServer)
	<-reading
}

var first, second = frame.Text(numbered(0, 0, 100)), frame.Text(numbered(0, 1, 100))
