package engineio

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/gobwas/ws"
)

// An idle WebSocket keeps nothing of the request that opened it: neither the request, nor what was read or written with (design: idle connections).
func TestIdleWebSocketKeepsNoRequest(t *testing.T) {
	for _, by := range []way{opensWS, upgrades} {
		t.Run(string(by), func(t *testing.T) {
			n := start(t, Config{}, &fake{})
			freed := make(chan string, 100)
			n.http.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Upgrade") != "" {
					notify := func(what string) { freed <- what }
					type held [100]byte
					value := new(held)
					runtime.AddCleanup(value, notify, "a value in the context")
					r = r.WithContext(context.WithValue(r.Context(), held{}, value))
					runtime.AddCleanup(r, notify, "the request")
					w = &hijacker{ResponseWriter: w, freed: notify}
				}
				n.ServeHTTP(w, r)
			})
			c := n.client(t, by)
			c.say("4a")
			c.told.want(t, "4a")
			left := map[string]bool{"the request": true, "a value in the context": true, "the bufio": true, "the ResponseWriter": true}
			until(t, "the memory is freed", func() bool {
				runtime.GC()
				for {
					select {
					case what := <-freed:
						delete(left, what)
					default:
						return len(left) == 0
					}
				}
			})
			c.wantAlive(t)
		})
	}
}

// hijacker tells when what it gave away is freed, and itself.
type hijacker struct {
	http.ResponseWriter
	freed func(string)
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err == nil {
		runtime.AddCleanup(rw, h.freed, "the bufio")
		runtime.AddCleanup(h, h.freed, "the ResponseWriter")
	}
	return nc, rw, err
}

// idleCost opens so many WebSockets and returns what an idle one costs: heap and stack, in bytes. The client's end is in it, with some 500 bytes of heap.
func idleCost(t testing.TB, conns int) (heap, stack float64) {
	t.Helper()
	s, err := New(Config{Handler: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	web := httptest.NewServer(s)
	before := memory()
	clients := make([]net.Conn, conns)
	for i := range clients {
		clients[i] = bare(t, web.Listener.Addr().String())
	}
	after := memory()
	for _, c := range clients {
		_ = c.Close()
	}
	s.Shutdown(ctx, 0)
	web.Close()
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	cost := func(before, after uint64) float64 { return (float64(after) - float64(before)) / float64(conns) }
	return cost(before.HeapAlloc, after.HeapAlloc), cost(before.StackInuse, after.StackInuse)
}

func memory() (m runtime.MemStats) {
	for range 4 { // a stack shrinks by half in each collection
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m
}

// It was 1,150 bytes when this was written: the Session, its Conn and its reader, and what net holds at both ends. There is no goroutine, so no stack.
func TestIdleCost(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector needs memory of its own")
	}
	if heap, stack := idleCost(t, 2000); heap+stack > 1400 {
		t.Errorf("an idle WebSocket costs %.0f bytes of heap and %.0f of stack", heap, stack)
	}
}

func BenchmarkIdle(b *testing.B) {
	for range b.N {
		heap, stack := idleCost(b, 2000)
		b.ReportMetric(heap, "heap-B/conn")
		b.ReportMetric(stack, "stack-B/conn")
	}
}

type silent struct{}

func (silent) Open(*Session)                    {}
func (silent) Message(*Session, Message) func() { return nil }
func (silent) Close(*Session, CloseReason)      {}

// bare opens a WebSocket, uses it, and keeps no buffer for it.
func bare(t testing.TB, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Write([]byte("GET /?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(nc)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(err, resp)
	}
	if f, err := readFrame(r); err != nil || f.Header.OpCode != ws.OpText {
		t.Fatal(err)
	}
	if _, err := nc.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewPingFrame(nil)))); err != nil { // so that something was read
		t.Fatal(err)
	}
	if f, err := readFrame(r); err != nil || f.Header.OpCode != ws.OpPong {
		t.Fatal(err)
	}
	return nc
}
