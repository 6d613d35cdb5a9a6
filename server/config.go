package server

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/redisbus"
	"github.com/ws-emit/ws-emit/roomspace"
	"github.com/ws-emit/ws-emit/server/engineio"
)

const (
	// DefaultRedis is tried when Config.Redis is empty.
	DefaultRedis = "redis://localhost:6379/0"
	// NoRedis as Config.Redis means that there is none.
	NoRedis = "none"
)

// Toggle is a setting that has a default of its own in each situation.
type Toggle string

// The positions of a Toggle.
const (
	Auto Toggle = ""
	On   Toggle = "on"
	Off  Toggle = "off"
)

// Config configures a Server. The zero value of a field is its default; a negative number is an error. Sizes are in bytes.
type Config struct {
	// Address to listen on; "0.0.0.0:8899". Port 0 is any free one.
	Address string
	// Path of the Socket.IO endpoint; "/socket.io/". It begins and ends with a slash.
	Path string
	// Namespaces that clients may connect to; "/" alone. Each begins with a slash.
	Namespaces []string
	// Transports that clients may use; "polling" and "websocket".
	Transports []string

	// Origins from which browsers may connect, exactly as they send them, or "*" alone for any; "http://localhost:7788".
	Origins []string
	// Credentials allows browsers to send cookies from these origins. Auto is On with a list of origins and Off with "*"; On with "*" is an error.
	Credentials Toggle
	// TrustedProxies are peers whose X-Forwarded-For is believed; none.
	TrustedProxies []netip.Prefix

	// EmitSecret is what backends have to give to POST /emit and /roomspaces; without one these answer 404.
	EmitSecret string
	// EmitTimeout is how long POST /emit may wait for room before it answers 503; 5 s.
	EmitTimeout time.Duration
	// MaxEmitBody is the largest body of POST /emit; 8 MiB.
	MaxEmitBody int64

	// Redis is the URL of a Redis server, for room-space secrets and for messages. Empty tries DefaultRedis, and goes on without it as long as nothing
	// answers there; NoRedis never tries.
	Redis string
	// RedisChannels are the pub/sub channels that are listened to; those of redisbus.DefaultChannels.
	RedisChannels []redisbus.Channel
	// RedisMethods are what publishers on these channels may ask for; all of emitter.Methods.
	RedisMethods []emitter.Method
	// Pickle says whether the pickles of python-socketio before 5.14 are decoded, into data only. Auto is On.
	Pickle Toggle
	// RedisTimeout is how long Redis may take to answer when a secret is checked; 2 s.
	RedisTimeout time.Duration
	// RedisQueue bounds the messages from Redis that wait for the hub; 64 MiB.
	RedisQueue int64
	// RedisSilence is how long Redis may send nothing before it is asked for an answer, and how long it may take over that; 5 s.
	RedisSilence time.Duration

	// RoomSecrets are room-spaces with a fixed secret, which cannot be changed while the server runs.
	RoomSecrets map[string]string
	// MaxRooms is how many rooms a client may be in, in each namespace; 1,000.
	MaxRooms int

	// PingInterval is the pause between heartbeats, 25 s; PingTimeout how long a client may take to answer, 20 s.
	PingInterval, PingTimeout time.Duration
	// ConnectTimeout is how long a client may take to connect to a namespace; 45 s.
	ConnectTimeout time.Duration
	// MaxPayload is the largest message that a client may send; 1,000,000.
	MaxPayload int64
	// MaxQueue is how much may wait for one client; over it, the client is ended as a slow consumer; 1 MiB. An emit may have half of it.
	MaxQueue int64
	// MaxBacklog is how much may wait for all clients together; over it, the client that has waited longest is ended; 256 MiB.
	MaxBacklog int64
	// MaxPending is how much may have been accepted and not yet been handed to the clients; more has to wait; 16 MiB.
	MaxPending int64
	// WriteTimeout is how long a client may let nothing be written while something waits for it; 10 s.
	WriteTimeout time.Duration
	// HeaderTimeout is how long the header of a request may take; 10 s.
	HeaderTimeout time.Duration
	// ShutdownTimeout is how long clients are given to leave when the server stops; 10 s.
	ShutdownTimeout time.Duration

	// Logger is told of starts, stops and changes of state; connections at level Debug. Nil is off.
	Logger *slog.Logger
	// Registerer takes the metrics. Nil is off. Two servers need two.
	Registerer prometheus.Registerer
	// Gatherer serves them at /metrics. Nil is off.
	Gatherer prometheus.Gatherer
}

// WithDefaults returns the configuration with every default filled in, or an error that says which field is wrong.
func (c Config) WithDefaults() (Config, error) {
	orDefault(&c.Address, "0.0.0.0:8899")
	orDefault(&c.Path, "/socket.io/")
	orDefault(&c.EmitTimeout, 5*time.Second)
	orDefault(&c.MaxEmitBody, 8<<20)
	orDefault(&c.RedisTimeout, roomspace.DefaultTimeout)
	orDefault(&c.RedisQueue, 64<<20)
	orDefault(&c.RedisSilence, 5*time.Second)
	orDefault(&c.MaxRooms, 1000)
	orDefault(&c.PingInterval, 25*time.Second)
	orDefault(&c.PingTimeout, 20*time.Second)
	orDefault(&c.ConnectTimeout, 45*time.Second)
	orDefault(&c.MaxPayload, 1_000_000)
	orDefault(&c.MaxQueue, 1<<20)
	orDefault(&c.MaxBacklog, 256<<20)
	orDefault(&c.MaxPending, 16<<20)
	orDefault(&c.WriteTimeout, 10*time.Second)
	orDefault(&c.HeaderTimeout, 10*time.Second)
	orDefault(&c.ShutdownTimeout, 10*time.Second)
	c.Namespaces = listOr(c.Namespaces, "/")
	c.Transports = listOr(c.Transports, string(engineio.Polling), string(engineio.WebSocket))
	c.Origins = listOr(c.Origins, "http://localhost:7788")
	c.RedisChannels = listOr(c.RedisChannels, redisbus.DefaultChannels()...)
	c.RedisMethods = listOr(c.RedisMethods, emitter.Methods()...)
	if c.Pickle == Auto {
		c.Pickle = On
	}
	c.TrustedProxies = slices.Clone(c.TrustedProxies)
	c.RoomSecrets = maps.Clone(c.RoomSecrets)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("server: %w", err)
	}
	return c, nil
}

func (c *Config) check() error {
	return errors.Join(c.checkNumbers(), c.checkAddress(), c.checkNames(), c.checkOrigins(), c.checkRedis(), c.checkSizes())
}

func (c *Config) checkNumbers() error {
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"EmitTimeout", int64(c.EmitTimeout)}, {"MaxEmitBody", c.MaxEmitBody}, {"RedisTimeout", int64(c.RedisTimeout)},
		{"RedisQueue", c.RedisQueue}, {"RedisSilence", int64(c.RedisSilence)}, {"MaxRooms", int64(c.MaxRooms)},
		{"PingInterval", int64(c.PingInterval)}, {"PingTimeout", int64(c.PingTimeout)}, {"ConnectTimeout", int64(c.ConnectTimeout)},
		{"MaxPayload", c.MaxPayload}, {"MaxQueue", c.MaxQueue}, {"MaxBacklog", c.MaxBacklog}, {"MaxPending", c.MaxPending},
		{"WriteTimeout", int64(c.WriteTimeout)}, {"HeaderTimeout", int64(c.HeaderTimeout)}, {"ShutdownTimeout", int64(c.ShutdownTimeout)},
	} {
		if f.value < 0 {
			return fmt.Errorf("%s is negative", f.name)
		}
	}
	for name, d := range map[string]time.Duration{"PingInterval": c.PingInterval, "PingTimeout": c.PingTimeout} {
		if d < time.Millisecond {
			return fmt.Errorf("%s is less than a millisecond, the unit in which clients are told of it", name)
		}
	}
	if c.PingInterval+c.PingTimeout > maxHeartbeat {
		return fmt.Errorf("PingInterval and PingTimeout together are more than %v, the longest time that a browser can wait", maxHeartbeat)
	}
	return nil
}

// maxHeartbeat is the longest timer of JavaScript.
const maxHeartbeat = (1<<31 - 1) * time.Millisecond

func (c *Config) checkAddress() error {
	host, port, err := net.SplitHostPort(c.Address)
	if err != nil {
		return fmt.Errorf("address %q: want host:port, or :port", c.Address)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return fmt.Errorf("address %q: no such port", c.Address)
	}
	if _, err := netip.ParseAddr(host); err != nil && strings.Trim(host, "0123456789.") == "" && host != "" {
		return fmt.Errorf("address %q: not an IP address", c.Address)
	}
	if p := path.Clean("/" + c.Path); p == "/" || p+"/" != c.Path || (&url.URL{Path: p}).EscapedPath() != p {
		return fmt.Errorf("path %q: want /name/, of characters that need no escape", c.Path)
	}
	for _, taken := range []string{"/emit/", "/roomspaces/", "/livez/", "/readyz/", "/metrics/"} {
		if strings.HasPrefix(c.Path, taken) {
			return fmt.Errorf("path %q is taken", c.Path)
		}
	}
	return nil
}

func (c *Config) checkNames() error {
	for _, n := range c.Namespaces {
		if !strings.HasPrefix(n, "/") || strings.ContainsAny(n, ",?") || len(n) > 255 || !utf8.ValidString(n) {
			return fmt.Errorf("namespace %q: want / or /name", n)
		}
	}
	for _, t := range c.Transports {
		if t != string(engineio.Polling) && t != string(engineio.WebSocket) {
			return fmt.Errorf("transport %q: want %s or %s", t, engineio.Polling, engineio.WebSocket)
		}
	}
	for space, secret := range c.RoomSecrets {
		if err := roomspace.ValidSpace(space); err != nil {
			return fmt.Errorf("room-space %q: %w", space, err)
		}
		if secret == "" || len(secret) > roomspace.MaxSecret || !utf8.ValidString(secret) {
			return fmt.Errorf("room-space %q: its secret is not 1 to %d bytes of UTF-8", space, roomspace.MaxSecret)
		}
	}
	for _, p := range c.TrustedProxies {
		if !p.IsValid() || p.Addr().Is4In6() {
			return fmt.Errorf("trusted proxy %s: want an IPv4 or IPv6 network", p)
		}
	}
	return nil
}

func (c *Config) checkOrigins() error {
	any := slices.Contains(c.Origins, "*")
	if any && len(c.Origins) > 1 {
		return errors.New("origins: * stands alone")
	}
	switch c.Credentials {
	case Auto, Off:
	case On:
		if any {
			return errors.New("origins: * together with credentials would let every web site act for its visitors; list the origins, or turn credentials off")
		}
	default:
		return fmt.Errorf("credentials %q: want on, off or nothing", c.Credentials)
	}
	for _, o := range c.Origins {
		u, err := url.Parse(o)
		if o != "*" && (err != nil || u.Scheme == "" || u.Host == "" || o != strings.ToLower(u.Scheme+"://"+u.Host) || strings.Contains(o, "*")) {
			return fmt.Errorf("origin %q: want scheme://host[:port] as browsers send it, in lower case and without a slash at the end, or * alone", o)
		}
	}
	return nil
}

func (c *Config) checkRedis() error {
	if _, err := redisbus.New(redisbus.Config{Options: &redis.Options{}, Channels: c.RedisChannels, Namespaces: c.Namespaces}); err != nil {
		return fmt.Errorf("redis-channels: %w", err)
	}
	for _, m := range c.RedisMethods {
		if _, known := emitter.ParseMethod(m.String()); !known {
			return fmt.Errorf("RedisMethods: there is no method %d", m)
		}
	}
	if c.Pickle != On && c.Pickle != Off {
		return fmt.Errorf("pickle %q: want on, off or nothing", c.Pickle)
	}
	if c.Redis == "" || c.Redis == NoRedis {
		return nil
	}
	_, err := redisbus.ParseURL(c.Redis)
	return err
}

// checkSizes makes sure that the limits fit each other: a message that is accepted must fit where it goes next.
func (c *Config) checkSizes() error {
	switch {
	case c.MaxBacklog < c.MaxQueue:
		return fmt.Errorf("MaxBacklog (%d, for all clients) is less than MaxQueue (%d, for one)", c.MaxBacklog, c.MaxQueue)
	case c.MaxPending < c.MaxQueue:
		return fmt.Errorf("MaxPending (%d) is less than MaxQueue (%d): an emit of half of that would never be accepted", c.MaxPending, c.MaxQueue)
	case c.MaxQueue < 64<<10:
		return fmt.Errorf("MaxQueue (%d) is less than 64 KiB", c.MaxQueue)
	case c.MaxPayload < 1024:
		return fmt.Errorf("MaxPayload (%d) is less than 1 KiB: a join would not fit", c.MaxPayload)
	case c.MaxEmitBody < 1024:
		return fmt.Errorf("MaxEmitBody (%d) is less than 1 KiB", c.MaxEmitBody)
	case c.Redis != NoRedis && c.RedisQueue < 2*c.MaxQueue:
		return fmt.Errorf("RedisQueue (%d) is less than twice MaxQueue (%d): the largest emit, as base64, would not fit", c.RedisQueue, c.MaxQueue)
	case strings.TrimSpace(c.EmitSecret) != c.EmitSecret || strings.ContainsFunc(c.EmitSecret, unicode.IsControl):
		return errors.New("EmitSecret begins or ends with a blank, or has a control character: no HTTP header can carry it")
	}
	return nil
}

// maxEmit is the largest message that is accepted.
func (c *Config) maxEmit() int64 { return c.MaxQueue / 2 }

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func listOr[T any](list []T, d ...T) []T {
	if len(list) == 0 {
		return d
	}
	return slices.Clone(list)
}
