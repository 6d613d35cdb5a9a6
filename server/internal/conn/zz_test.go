package conn

import (
	"bytes"
	"testing"
	"time"
	"net"

	"github.com/gobwas/ws"
)

func TestZZFlood(t *testing.T) {
	cfg := testConfig()
	cfg.MaxQueue = 1 << 20
	cfg.WriteTimeout = 2*time.Second
	g := start(t, cfg)
	for range 20 {
		m := tcp(t, g, nil)
		_ = m.peer.(*net.TCPConn).SetReadBuffer(4096)
		b := bytes.Repeat(one(ws.OpPing, true, string(make([]byte, 125))), 500)
		began := time.Now()
		n := 0
		for {
			_ = m.peer.SetWriteDeadline(time.Now().Add(1500*time.Millisecond))
			if _, err := m.peer.Write(b); err != nil {
				t.Log(n, time.Since(began), err, m.Reason())
				break
			}
			n++
		}
		m.wantReason(ReasonSlowConsumer)
	}
}
