package engineio

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/ws-emit/ws-emit/server/internal/conn"
)

// hijackable is a request's connection, as net/http would give it away.
type hijackable struct {
	http.ResponseWriter
	nc net.Conn
	rw *bufio.ReadWriter
}

func (h *hijackable) Header() http.Header { return nil }

func (h *hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.nc, h.rw, nil }

// BenchmarkHandshake opens WebSockets, up to the OPEN packet: what it allocates beside net and net/http is garbage or kept for each client.
func BenchmarkHandshake(b *testing.B) {
	s, err := New(Config{Handler: silent{}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	r, err := http.NewRequest("GET", "/?EIO=4&transport=websocket", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Host, r.RemoteAddr = "x", "192.0.2.1:4711"
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
	}
	w := &hijackable{rw: bufio.NewReadWriter(bufio.NewReader(nil), nil)}
	answer := make([]byte, 1024)
	b.ReportAllocs()
	b.StopTimer()
	for range b.N {
		client, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		if w.nc, err = ln.Accept(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		s.ServeHTTP(w, r)
		b.StopTimer()
		if _, err := client.Read(answer); err != nil {
			b.Fatal(err)
		}
		_ = client.Close()
	}
	_ = ln.Close()
	s.Shutdown(ctx, 0)
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

// The answer to a PING costs no allocation, from the message of the WebSocket on.
func TestPongAllocates(t *testing.T) {
	n := start(t, Config{}, &fake{})
	c := n.client(t, opensWS)
	pong := conn.Message{Data: []byte("3")}
	if n := testing.AllocsPerRun(1000, func() { c.told.Received(pong) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
