package conn

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

var certificate = sync.OnceValues(func() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
})

// secure makes a WebSocket connection over TLS.
func secure(t testing.TB, g *Group, handle func(Message) CloseReason) *member {
	t.Helper()
	here, peer := tcpPair(t)
	return secureOver(t, g, here, peer, handle)
}

func secureOver(t testing.TB, g *Group, here, peer net.Conn, handle func(Message) CloseReason) *member {
	t.Helper()
	cert, err := certificate()
	if err != nil {
		t.Fatal(err)
	}
	server := tls.Server(here, &tls.Config{Certificates: []tls.Certificate{cert}})
	client := tls.Client(peer, &tls.Config{InsecureSkipVerify: true})
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	return websocket(t, g, server, client, handle)
}

func TestTLSClose(t *testing.T) {
	m := secure(t, start(t, testConfig()), nil)
	m.say("unread") // something that nobody has read yet must not make the close a reset
	m.hear("4a")
	m.Close(ReasonServer, nil, CloseFrame(ReasonServer))
	m.want(ws.OpText, "4a")
	m.want(ws.OpClose, "\x03\xe8")
	m.write(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
	_ = m.peer.Close()
	m.wantReason(ReasonServer)
}

// A peer that reads nothing blocks its drainer, within TLS, and nobody else.
func TestTLSStuck(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*member)
		want CloseReason
	}{
		"End":   {func(m *member) { m.End(ReasonServer) }, ReasonServer},
		"Close": {func(m *member) { m.Close(ReasonServer, nil, CloseFrame(ReasonServer)) }, ReasonSlowConsumer},
		"queue": {func(m *member) {
			for m.hear(numbered(0, 0, 100_000)) {
			}
		}, ReasonSlowConsumer},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			cfg.MaxQueue = 20 << 20
			cfg.WriteTimeout = 3 * time.Second
			m := secure(t, start(t, cfg), nil)
			for range 100 {
				m.hear(numbered(0, 0, 100_000))
			}
			m.wantAlive()
			c.end(m)
			m.wantReason(c.want)
		})
	}
}

// throttled is a peer that reads 2 KiB a second.
type throttled struct{ net.Conn }

func (c throttled) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	<-time.After(time.Duration(n) * time.Second / (2 << 10))
	return n, err
}

// What has not been written in time breaks a TLS stream: not more may be written at once than a slow peer can take.
func TestTLSProgressKeepsAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.WriteTimeout = 10 * time.Second
		g := start(t, cfg)
		here, peer := net.Pipe()
		m := secureOver(t, g, here, throttled{peer}, nil)
		const messages = 20
		for seq := range messages {
			m.hear(numbered(0, seq, 10_000))
		}
		var got inOrder
		for range messages {
			f, err := readFrame(m.r)
			if !got.check(t, f, err) {
				return
			}
		}
	})
}
