package bench

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Transport is a transport of Engine.IO, by its name in the protocol.
type Transport string

const (
	WebSocket Transport = "websocket"
	Polling   Transport = "polling"
)

// Way is how messages get to the server.
type Way string

const (
	ByHTTP        Way = "http"         // POST to Config.EmitURL
	ByRedisJSON   Way = "redis:json"   // the plain JSON of ws-emit
	ByRedisPython Way = "redis:python" // as python-socketio and Flask-SocketIO do
	ByRedisNode   Way = "redis:node"   // as @socket.io/redis-emitter does
	ByNothing     Way = "none"         // the clients are idle
)

// Ways are all of them.
func Ways() []Way { return []Way{ByHTTP, ByRedisJSON, ByRedisPython, ByRedisNode, ByNothing} }

// What stands in the texts of a Config for what differs from message to message: the name of a room and of an event as the inside of a JSON
// string, the data as a JSON value, and the number of a client.
const (
	markRoom   = "{room}"
	markEvent  = "{event}"
	markData   = "{data}"
	markClient = "{client}"
)

// Defaults of a Config.
const (
	DefaultPath     = "/socket.io/"
	DefaultRoom     = "bench"
	DefaultEvent    = "bench"
	DefaultJoin     = "join"
	DefaultJoinData = `{"room":"` + markRoom + `"}`
	DefaultEmitBody = `{"event":"` + markEvent + `","room":"` + markRoom + `","data":` + markData + `}`
	DefaultClients  = 1000
	DefaultParallel = 32
	DefaultSize     = 100
	DefaultDuration = 10 * time.Second
	DefaultPatience = 10 * time.Second
	DefaultTimeout  = 30 * time.Second
)

// Most that can be asked for: what a mark has room for.
const (
	maxEmitters = 1 << 16
	maxRooms    = 1<<31 - 1
	maxSize     = 1 << 30
)

// Config says what load to make. Only URL is needed.
type Config struct {
	// URL is where clients connect to: http://HOST:PORT or https://HOST:PORT.
	URL string
	// Path of the Socket.IO endpoint. Default: DefaultPath.
	Path string
	// Namespace of Socket.IO. Default: "/".
	Namespace string
	// Protocol is for servers that speak something else over WebSocket; Path, Namespace, JoinEvent, JoinData and NoJoinAck are not for those.
	// Default: Socket.IO, and Engine.IO below it.
	Protocol Protocol
	// Transport of the clients. Default: WebSocket.
	Transport Transport
	// TLS is for URLs of https. Default: that of crypto/tls, which takes no certificate that the system does not know.
	TLS *tls.Config
	// Header is added to the requests of clients.
	Header http.Header

	// Clients is how many connect. Default: DefaultClients.
	Clients int
	// ConnectRate is how many begin to connect each second; 0 is as fast as they can.
	ConnectRate float64
	// Parallel is how many connect at the same time. Default: DefaultParallel.
	Parallel int
	// Timeout bounds connecting with all joins, for one client. Default: DefaultTimeout.
	Timeout time.Duration
	// Slow is how many of the clients stop reading once they have joined. They are told apart from the others, and not expected to get
	// anything.
	Slow int

	// Rooms is how many rooms there are; emitters take them in turns. Default: 1.
	Rooms int
	// RoomsPerClient is how many of them each client joins. Default: 1.
	RoomsPerClient int
	// Room is the name of the one room, or what the names of several begin with. Default: DefaultRoom.
	Room string
	// JoinEvent is the event by which a client joins, and JoinData its argument: JSON with {room} and {client}. Defaults: DefaultJoin and
	// DefaultJoinData.
	JoinEvent, JoinData string
	// NoJoinAck is for servers that acknowledge no join: a client counts from the moment when it has asked. What such a server emits before
	// it has let everybody in is lost by this count, so there is a pause of a second before the first emit.
	NoJoinAck bool

	// By is the way of the messages. Default: ByHTTP.
	By Way
	// Emitters is how many emit, each one message after the other. Default: 1.
	Emitters int
	// Rate is how many messages all emitters together send each second; 0 is as fast as they can.
	Rate float64
	// Size of the data of a message, in bytes. Less than the mark needs is as much as that needs. Default: DefaultSize.
	Size int
	// Event is the name of the event. Default: DefaultEvent.
	Event string
	// Count ends the emitters after so many messages, Duration after a time; whatever comes first. Default where both are 0: DefaultDuration.
	Count    int64
	Duration time.Duration
	// Patience bounds the wait for messages that are under way when the last one has been emitted. Default: DefaultPatience.
	Patience time.Duration

	// EmitURL is where ByHTTP posts to. Default: /emit of URL.
	EmitURL string
	// EmitBody is what it posts: JSON with {event}, {room} and {data}. Default: DefaultEmitBody.
	EmitBody string
	// EmitHeader is added to these requests.
	EmitHeader http.Header
	// Redis is the URL for the ways by Redis, and Channel another channel than what is usual for that way (for node: another prefix).
	Redis, Channel string

	// PID is the process of the server, on this machine, to be measured too, without those that it has started; 0 is none.
	PID int
	// Progress is told how things stand a few times a second, by one goroutine at a time. It may be nil.
	Progress func(Progress)
}

// withDefaults returns a checked copy with all fields set.
func (c Config) withDefaults() (Config, error) {
	c.Path = cmp.Or(c.Path, DefaultPath)
	c.Namespace = cmp.Or(c.Namespace, "/")
	c.Transport = cmp.Or(c.Transport, WebSocket)
	c.Clients = cmp.Or(c.Clients, DefaultClients)
	c.Parallel = cmp.Or(c.Parallel, DefaultParallel)
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	c.Rooms = cmp.Or(c.Rooms, 1)
	c.RoomsPerClient = cmp.Or(c.RoomsPerClient, 1)
	c.Room = cmp.Or(c.Room, DefaultRoom)
	c.JoinEvent = cmp.Or(c.JoinEvent, DefaultJoin)
	c.JoinData = cmp.Or(c.JoinData, DefaultJoinData)
	c.By = cmp.Or(c.By, ByHTTP)
	c.Emitters = cmp.Or(c.Emitters, 1)
	if c.Size = cmp.Or(c.Size, DefaultSize); c.Size > 0 {
		c.Size = max(c.Size, minSize)
	}
	c.Event = cmp.Or(c.Event, DefaultEvent)
	c.EmitBody = cmp.Or(c.EmitBody, DefaultEmitBody)
	c.Patience = cmp.Or(c.Patience, DefaultPatience)
	if c.Count == 0 || c.By == ByNothing {
		c.Duration = cmp.Or(c.Duration, DefaultDuration)
	}
	if c.By == ByNothing {
		c.Emitters = 0
	}
	err := errors.Join(c.checkURLs(), c.checkNumbers())
	if c.Protocol == nil {
		settled := c
		c.Protocol = newSocketIO(&settled)
	}
	return c, err
}

func (c *Config) checkURLs() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("bench: the URL of the server must be http://HOST:PORT or https://HOST:PORT") // there may be a password in it
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return errors.New("bench: the URL of the server must have no path, no query and no user")
	}
	c.URL = u.Scheme + "://" + u.Host
	c.EmitURL = cmp.Or(c.EmitURL, c.URL+"/emit")
	if u, err := url.Parse(c.EmitURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("bench: the URL to emit to must begin with http:// or https://")
	}
	if !strings.HasPrefix(c.Path, "/") {
		return fmt.Errorf("bench: path %q must begin with a slash", c.Path)
	}
	if !strings.HasPrefix(c.Namespace, "/") || strings.ContainsAny(c.Namespace, ",?") {
		return fmt.Errorf("bench: namespace %q must begin with a slash and have no comma", c.Namespace)
	}
	return nil
}

func (c *Config) checkNumbers() error {
	switch {
	case c.Transport != WebSocket && c.Transport != Polling:
		return fmt.Errorf("bench: unknown transport %q", c.Transport)
	case c.Clients < 0 || c.Parallel < 0 || c.Slow < 0 || c.Rooms < 0 || c.RoomsPerClient < 0 || c.Emitters < 0 || c.Size < 0 || c.Count < 0 || c.PID < 0:
		return errors.New("bench: a number must not be negative")
	case c.Timeout < 0 || c.Duration < 0 || c.Patience < 0 || !(c.Rate >= 0) || !(c.ConnectRate >= 0):
		return errors.New("bench: a time or a rate must not be negative")
	case c.Protocol != nil && c.Transport != WebSocket:
		return errors.New("bench: another protocol is spoken over WebSocket only")
	case strings.Count(c.EmitBody, markData) != 1:
		return fmt.Errorf("bench: %s must stand once in what is posted", markData)
	case c.Slow > c.Clients:
		return errors.New("bench: more clients are to be slow than there are")
	case c.Slow > 0 && c.Transport != WebSocket:
		return errors.New("bench: only WebSocket clients can be slow")
	case c.RoomsPerClient > c.Rooms:
		return errors.New("bench: a client is to join more rooms than there are")
	case c.Emitters > maxEmitters || c.Rooms > maxRooms || c.Size > maxSize:
		return fmt.Errorf("bench: at most %d emitters, %d rooms and %d bytes", maxEmitters, maxRooms, maxSize)
	}
	for _, w := range Ways() {
		if c.By == w {
			return nil
		}
	}
	return fmt.Errorf("bench: unknown way to emit %q", c.By)
}

// room is the name of a room.
func (c *Config) room(i int) string {
	if c.Rooms == 1 {
		return c.Room
	}
	return fmt.Sprintf("%s-%d", c.Room, i)
}

// roomsOf are the names of the rooms of a client.
func (c *Config) roomsOf(client int) []string {
	names := make([]string, c.RoomsPerClient)
	for j := range names {
		names[j] = c.room(c.roomOf(client, j))
	}
	return names
}

// roomOf is the j-th room of a client.
func (c *Config) roomOf(client, j int) int {
	return int((int64(client)*int64(c.RoomsPerClient) + int64(j)) % int64(c.Rooms))
}

// slow reports whether a client is one of the slow ones: they are spread among the others.
func (c *Config) slow(client int) bool {
	return int64(client+1)*int64(c.Slow)/int64(c.Clients) != int64(client)*int64(c.Slow)/int64(c.Clients)
}
