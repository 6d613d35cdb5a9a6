package engineio

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/ws-emit/ws-emit/server/internal/metrics"
)

// Transport is a way to carry packets.
type Transport string

// The transports.
const (
	Polling   Transport = "polling"
	WebSocket Transport = "websocket"
)

// Config configures a Server. The zero value of a field is its default.
type Config struct {
	// Handler is told what happens. It must be set.
	Handler Handler
	// PingInterval is the pause between a PONG and the next PING; 25 s. PingTimeout is how long a PONG may take; 20 s.
	PingInterval, PingTimeout time.Duration
	// UpgradeTimeout is how long an upgrade may take; 10 s.
	UpgradeTimeout time.Duration
	// BodyTimeout is how long the body of a POST may take; 30 s.
	BodyTimeout time.Duration
	// MaxPayload is the largest message or POST body that is read, in bytes; 1,000,000.
	MaxPayload int64
	// MaxQueue is how many bytes may wait for one session; over it, it ends as a slow consumer; 1 MiB. MaxBacklog is how many may wait for all
	// together; over it, the session whose oldest byte is oldest ends; 256 MiB.
	MaxQueue, MaxBacklog int64
	// WriteTimeout is how long a session may let nothing be written while something waits; 10 s.
	WriteTimeout time.Duration
	// Transports are those that are allowed; both.
	Transports []Transport
	// ClientAddr finds out the address of a client; that of the network connection.
	ClientAddr func(*http.Request) netip.Addr
	// Wake is called when [Server.Behind] has become false. It must not block. Optional.
	Wake func()
	// Logger is told of bugs. Nil is off.
	Logger *slog.Logger
	// Metrics counts. Nil is off.
	Metrics *metrics.Set
}

func (c Config) withDefaults() (Config, error) {
	setDefault(&c.PingInterval, 25*time.Second)
	setDefault(&c.PingTimeout, 20*time.Second)
	setDefault(&c.UpgradeTimeout, 10*time.Second)
	setDefault(&c.BodyTimeout, 30*time.Second)
	setDefault(&c.WriteTimeout, 10*time.Second)
	setDefault(&c.MaxPayload, 1_000_000)
	setDefault(&c.MaxQueue, 1<<20)
	setDefault(&c.MaxBacklog, 256<<20)
	if c.ClientAddr == nil {
		c.ClientAddr = PeerAddr
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if len(c.Transports) == 0 {
		c.Transports = []Transport{Polling, WebSocket}
	}
	if c.Handler == nil {
		return c, fmt.Errorf("engineio: Config.Handler is not set")
	}
	for _, t := range c.Transports {
		if t != Polling && t != WebSocket {
			return c, fmt.Errorf("engineio: unknown transport %q", t)
		}
	}
	for name, n := range map[string]int64{
		"PingInterval": int64(c.PingInterval), "PingTimeout": int64(c.PingTimeout), "UpgradeTimeout": int64(c.UpgradeTimeout),
		"BodyTimeout": int64(c.BodyTimeout), "WriteTimeout": int64(c.WriteTimeout),
		"MaxPayload": c.MaxPayload, "MaxQueue": c.MaxQueue, "MaxBacklog": c.MaxBacklog,
	} {
		if n <= 0 {
			return c, fmt.Errorf("engineio: Config.%s is negative", name)
		}
	}
	if c.MaxBacklog < c.MaxQueue {
		return c, fmt.Errorf("engineio: Config.MaxBacklog is less than MaxQueue")
	}
	return c, nil
}

// PeerAddr is the address at the other end of the network connection; the zero Addr where that has none.
func PeerAddr(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap().WithZone("")
}

func setDefault[T int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}
