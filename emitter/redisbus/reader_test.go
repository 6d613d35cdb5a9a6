package redisbus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ws-emit/ws-emit/emitter"
)

// seqOf returns the number in a message of pythonMessage.
func seqOf(tb testing.TB, arg string) int {
	tb.Helper()
	var n int
	if _, err := fmt.Sscanf(arg, `{"seq":%d,`, &n); err != nil {
		tb.Fatalf("argument %s: %v", arg, err)
	}
	return n
}

// awaitSeq takes messages from..to-1 and checks their order.
func awaitSeq(tb testing.TB, sink recorder, from, to int) {
	tb.Helper()
	for want := from; want < to; want++ {
		if got := seqOf(tb, await(tb, sink, "message")); got != want {
			tb.Fatalf("message %d, want %d", got, want)
		}
	}
}

// publishScript publishes a message with the next number, so that the numbers are in the order in which Redis took them.
var publishScript = redis.NewScript(`
	local n = redis.call('INCR', 'n')
	local head, tail = ARGV[2], ARGV[3]
	return redis.call('PUBLISH', ARGV[1], head .. (n - 1) .. tail)`)

func TestOrderOf100Publishers(t *testing.T) {
	server, sink := startRedis(t), newRecorder()
	h := run(t, Config{Options: server.options()}, sink)
	h.awaitUp()
	const publishers, each = 100, 50
	head, tail, _ := strings.Cut(pythonMessage(12345), "12345")
	c := server.client()
	var wg sync.WaitGroup
	for range publishers {
		wg.Go(func() {
			for range each {
				if err := publishScript.Run(t.Context(), c, nil, "socketio", head, tail).Err(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	awaitSeq(t, sink, 0, publishers*each)
	wg.Wait()
	h.noMoreGaps()
}

func TestAllDefaultChannels(t *testing.T) {
	server, sink := startRedis(t), newRecorder()
	h := run(t, Config{Options: server.options()}, sink)
	h.awaitUp()
	c := server.client()
	for channel, payload := range map[string]string{
		"socketio":       python(`"data": ["a"]`),
		"flask-socketio": python(`"data": ["b"]`),
		"ws-emit":        `{"event": "e", "data": "c"}`,
		"socket.io#/#":   `["emitter", {"type": 2, "data": ["e", "d"], "nsp": "/"}, {}]`,
	} {
		if n, err := c.Publish(t.Context(), channel, payload).Result(); n != 1 || err != nil {
			t.Fatalf("%s: %d receivers, %v", channel, n, err)
		}
	}
	got := []string{await(t, sink, "message"), await(t, sink, "message"), await(t, sink, "message"), await(t, sink, "message")}
	slices.Sort(got)
	if want := []string{`"a"`, `"b"`, `"c"`, `"d"`}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestKilledConnectionIsOneGap(t *testing.T) {
	server, sink := startRedis(t), newRecorder()
	h := run(t, Config{Options: server.options(), RetryMin: time.Millisecond}, sink)
	h.awaitUp()
	c := server.client()
	const kills = 5
	before := connectionsOf(t, c)
	for i := range kills {
		if n, err := c.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Result(); n != 1 || err != nil {
			t.Fatalf("%d connections killed, %v", n, err)
		}
		h.awaitLog("redis is away, trying again until it is back")
		h.awaitGap(GapConnection)
		if err := h.Ready(); err != nil {
			t.Fatalf("Ready: %v", err)
		}
		server.publishAll(i, i+1)
		awaitSeq(t, sink, i, i+1)
	}
	// One of the reader and one of publishAll: the client does not connect anew behind the reader's back, which would wait for a Redis that
	// is away before it tells of the loss.
	if n := connectionsOf(t, c) - before; n != 2*kills {
		t.Errorf("%d connections, want %d", n, 2*kills)
	}
	h.noMoreGaps()
	if len(h.up) > 0 {
		t.Error("OnUp was called again")
	}
}

// connectionsOf returns how many connections Redis has accepted.
func connectionsOf(tb testing.TB, c *redis.Client) int {
	tb.Helper()
	info, err := c.InfoMap(tb.Context(), "stats").Result()
	if err != nil {
		tb.Fatal(err)
	}
	n, err := strconv.Atoi(info["Stats"]["total_connections_received"])
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

func TestRestartOfRedis(t *testing.T) {
	server, sink := startRedis(t), newRecorder()
	h := run(t, Config{Options: server.options(), RetryMin: time.Millisecond, RetryMax: 10 * time.Millisecond}, sink)
	h.awaitUp()
	server.kill()
	h.awaitLog("redis is away, trying again until it is back")
	if err := await(t, h.away, "loss"); err == nil {
		t.Error("away for no reason")
	}
	if err := h.Ready(); !errors.Is(err, ErrNotSubscribed) {
		t.Errorf("Ready: %v, want %v", err, ErrNotSubscribed)
	}
	server.start()
	h.awaitGap(GapConnection)
	if line := await(t, h.logs, "log line"); line != "redis is back" {
		t.Errorf("logged %q between away and back", line)
	}
	server.publishAll(0, 10)
	awaitSeq(t, sink, 0, 10)
	h.noMoreGaps()
	if len(h.away) > 0 {
		t.Errorf("away again for %v", <-h.away)
	}
}

func TestRedisAbsentAtStart(t *testing.T) {
	server, sink := newRedis(t), newRecorder()
	h := run(t, Config{Options: server.options(), RetryMin: time.Millisecond, RetryMax: 10 * time.Millisecond}, sink)
	h.awaitLog("redis is away, trying again until it is back")
	if err := h.Ready(); !errors.Is(err, ErrNotSubscribed) {
		t.Errorf("Ready: %v, want %v", err, ErrNotSubscribed)
	}
	server.start()
	h.awaitUp()
	server.publishAll(0, 10)
	awaitSeq(t, sink, 0, 10)
	h.noMoreGaps()
}

func TestStoppedRedisIsSilent(t *testing.T) {
	server, sink := startRedis(t), newRecorder()
	h := run(t, Config{Options: server.options(), Silence: time.Second, RetryMin: time.Millisecond}, sink)
	h.awaitUp()
	stopped := time.Now()
	server.signal(syscall.SIGSTOP)
	h.awaitLog("redis is away, trying again until it is back")
	if d := time.Since(stopped); d < time.Second {
		t.Errorf("given up after %v, sooner than it could answer", d)
	}
	if err := h.Ready(); !errors.Is(err, ErrNotSubscribed) {
		t.Errorf("Ready: %v, want %v", err, ErrNotSubscribed)
	}
	server.signal(syscall.SIGCONT)
	h.awaitGap(GapSilent)
	if err := h.Ready(); err != nil {
		t.Errorf("Ready: %v", err)
	}
	server.publishAll(0, 10)
	awaitSeq(t, sink, 0, 10)
	h.noMoreGaps()
}

func TestBlackHole(t *testing.T) {
	server, sink := startRedis(t), newRecorder()
	proxy := startProxy(t, server.socket)
	opt, err := ParseURL("redis://" + proxy.ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	h := run(t, Config{Options: opt, Silence: time.Second, RetryMin: time.Millisecond}, sink)
	h.awaitUp()
	proxy.swallowAll()
	server.publishAll(100, 110)
	h.awaitGap(GapSilent)
	server.publishAll(0, 10)
	awaitSeq(t, sink, 0, 10)
	h.noMoreGaps()
}

// gate is a sink that takes nothing before it is opened.
type gate struct {
	recorder
	open chan struct{}
}

func (g gate) Emit(ctx context.Context, batch []emitter.Message) (emitter.Receipt, error) {
	select {
	case <-g.open:
		return g.recorder.Emit(ctx, batch)
	case <-ctx.Done():
		return emitter.Receipt{}, ctx.Err()
	}
}

func TestSlowSinkLosesNothingWithinTheBound(t *testing.T) {
	server, sink := startRedis(t), gate{newRecorder(), make(chan struct{})}
	h := run(t, Config{Options: server.options(), QueueBytes: 16 << 20}, sink)
	h.awaitUp()
	const n = 40_000
	server.publishAll(0, n)
	close(sink.open)
	awaitSeq(t, sink.recorder, 0, n)
	if err := h.Ready(); err != nil {
		t.Errorf("Ready: %v", err)
	}
	h.noMoreGaps()
}

func TestOverflowIsAGap(t *testing.T) {
	server, sink := startRedis(t), gate{newRecorder(), make(chan struct{})}
	h := run(t, Config{Options: server.options(), QueueBytes: 1 << 20}, sink)
	h.awaitUp()
	c := server.client()
	connections := func() string {
		list, err := c.Do(t.Context(), "CLIENT", "LIST", "TYPE", "PUBSUB").Text()
		if err != nil {
			t.Fatal(err)
		}
		id, _, _ := strings.Cut(list, " ")
		return id
	}
	before := connections()
	const n = 100_000 // 20 MB, of which the reader leaves nothing to wait in Redis
	server.publishAll(0, n)
	h.awaitGap(GapOverflow)
	if err := h.Ready(); !errors.Is(err, ErrOverflow) {
		t.Errorf("Ready: %v, want %v", err, ErrOverflow)
	}
	// The last one is told apart from the others by its size: it never fits.
	if err := c.Publish(t.Context(), "socketio", strings.Repeat("x", 2<<20)).Err(); err != nil {
		t.Fatal(err)
	}
	h.awaitLog("redis message dropped")
	lost := h.dropped(DropOverflow)
	if used, limit := h.Queued(); used > limit || used < limit/2 {
		t.Errorf("%d of %d bytes in the queue", used, limit)
	}
	close(sink.open)
	h.awaitLog("redis messages are no longer lost")
	server.publishAll(n, n+1)
	got, last := 0, -1
	for last != n {
		seq := seqOf(t, await(t, sink.recorder, "message"))
		if seq <= last {
			t.Fatalf("message %d after %d", seq, last)
		}
		got, last = got+1, seq
	}
	if got+lost != n+1 || h.dropped(DropTooLarge) != 1 {
		t.Errorf("%d messages came, %d were counted as lost, want %d in all", got, lost, n+1)
	}
	if after := connections(); after != before {
		t.Errorf("connection %s, was %s", after, before)
	}
	if err := h.Ready(); !errors.Is(err, ErrOverflow) {
		t.Errorf("Ready: %v, want %v for some time", err, ErrOverflow)
	}
	h.noMoreGaps()
}

func TestRefusedSubscription(t *testing.T) {
	server, sink := startRedis(t), newRecorder()
	c := server.client()
	acl := func(rule string) {
		t.Helper()
		if err := c.Do(t.Context(), "ACL", "SETUSER", "default", rule).Err(); err != nil {
			t.Fatal(err)
		}
	}
	acl("resetchannels")
	h := run(t, Config{Options: server.options(), RetryMin: time.Millisecond, RetryMax: 10 * time.Millisecond}, sink)
	h.awaitLog("redis is away, trying again until it is back")
	if err, ok := errors.AsType[redis.Error](await(t, h.away, "refusal")); !ok || !strings.HasPrefix(err.Error(), "NOPERM ") {
		t.Errorf("away for %v, want what Redis says", err)
	}
	acl("allchannels")
	h.awaitUp()
	acl("resetchannels") // cuts off who is subscribed
	h.awaitLog("redis is away, trying again until it is back")
	acl("allchannels")
	h.awaitGap(GapConnection)
	server.publishAll(0, 10)
	awaitSeq(t, sink, 0, 10)
	h.noMoreGaps()
}

// TestHostileServer: what is no reply of Redis ends a connection and nothing else.
func TestHostileServer(t *testing.T) {
	for _, reply := range []string{"*0\r\n", "*1\r\n:1\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n$1\r\ny\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n", "+what\r\n!\r\n", "$-9\r\n", "\x00"} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var served atomic.Int32
		thrice := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				buf := make([]byte, 4096)
				for {
					n, err := c.Read(buf)
					if err != nil {
						break
					}
					answer := "-ERR unknown command\r\n"
					if strings.Contains(string(buf[:n]), "subscribe") {
						answer = reply
						if served.Add(1) == 3 {
							close(thrice)
						}
					}
					_, _ = c.Write([]byte(answer))
				}
				_ = c.Close()
			}
		})
		opt, _ := ParseURL("redis://" + ln.Addr().String())
		h := run(t, Config{Options: opt, Silence: 50 * time.Millisecond, RetryMin: time.Millisecond, RetryMax: time.Millisecond}, newRecorder())
		await(t, thrice, fmt.Sprintf("third attempt after %q", reply))
		h.noMoreGaps()
		if len(h.up) > 0 {
			t.Errorf("%q is taken for a subscription", reply)
		}
		_ = ln.Close()
		wg.Wait()
	}
}

// TestStopWhileConnecting: Run returns at once, also from the middle of a handshake with a server that does not answer.
func TestStopWhileConnecting(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	for _, scheme := range []string{"redis://", "rediss://"} {
		opt, err := ParseURL(scheme + ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		h := run(t, Config{Options: opt, Silence: time.Hour}, newRecorder())
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err != nil { // HELLO or the client's handshake
			t.Fatal(err)
		}
		h.stop()
		_ = c.Close()
	}
}

func TestClosedSinkEndsRun(t *testing.T) {
	server := startRedis(t)
	up := make(chan struct{})
	r, err := New(Config{Options: server.options(), OnUp: func() { close(up) }})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- r.Run(t.Context(), sinkFunc(func(context.Context, []emitter.Message) (emitter.Receipt, error) {
			return emitter.Receipt{}, emitter.ErrClosed
		}))
	}()
	await(t, up, "subscription")
	server.publishAll(0, 1)
	if err := await(t, done, "end of Run"); !errors.Is(err, emitter.ErrClosed) {
		t.Errorf("Run: %v, want %v", err, emitter.ErrClosed)
	}
	if err := r.Ready(); !errors.Is(err, ErrNotSubscribed) {
		t.Errorf("Ready: %v, want %v", err, ErrNotSubscribed)
	}
}
