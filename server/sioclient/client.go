package sioclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// closeTimeout bounds the goodbye of Close.
const closeTimeout = time.Second

// Client is one socket in one namespace of a server, over a session of its own. Its methods may be called concurrently.
type Client struct {
	// Immutable after Dial.
	cfg     Config
	poller  *poller // nil when the handshake was on WebSocket
	engine  handshake
	ctx     context.Context // ends with Abort
	cancel  context.CancelFunc
	replied chan packet   // the answer to CONNECT, and no more
	writing chan struct{} // of one: full while somebody writes, or switches the transport
	ready   chan struct{} // of one: there may be events for Next
	room    chan struct{} // of one: there may be room for events
	leaving chan struct{} // closed by leave
	done    chan struct{} // closed by run
	pongs   sync.WaitGroup

	// Owned by run.
	lastName     string  // of the last event
	partial      *packet // its attachments have not all come
	partialSize  int64
	pingDeadline time.Time

	mu      sync.Mutex // guards the following
	sid     string
	ws      *WebSocket // nil on long-polling
	upgrade *upgrade   // nil unless one is under way
	acks    map[int64]chan<- Args
	nextID  int64
	events  []Event
	queued  int64 // bytes of events
	left    bool
	err     error // why it ended, or is about to
}

// handshake is the payload of an open packet (Engine.IO protocol, "Handshake").
type handshake struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int64    `json:"pingInterval"` // ms
	PingTimeout  int64    `json:"pingTimeout"`  // ms
	MaxPayload   int64    `json:"maxPayload"`   // bytes
}

// Dial connects, and returns once the server has acknowledged the namespace. ctx bounds that, and nothing afterwards. The caller has to
// call Close or Abort in the end, also when the client has ended by itself.
//
// Errors: *ConnectError when the server refused the namespace, *StatusError when it answered HTTP with another status than it should, and
// whatever ended the session (see Err).
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Client{
		cfg:     cfg,
		replied: make(chan packet, 1),
		writing: make(chan struct{}, 1),
		ready:   make(chan struct{}, 1),
		room:    make(chan struct{}, 1),
		leaving: make(chan struct{}),
		done:    make(chan struct{}),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	first, err := c.open(ctx)
	if err != nil {
		c.free()
		return nil, err
	}
	go c.run(first) // Close and Abort make it end and wait for it
	if err := c.connect(ctx); err != nil {
		c.Abort()
		return nil, err
	}
	if cfg.upgrades() && slices.Contains(c.engine.Upgrades, string(TransportWebSocket)) {
		if err := c.Upgrade(ctx); err != nil && c.Err() != nil {
			c.Abort()
			return nil, err
		}
	}
	return c, nil
}

// open makes the Engine.IO handshake. It returns what came with it.
func (c *Client) open(ctx context.Context) ([]Message, error) {
	transport := c.cfg.Transports[0]
	url, err := c.cfg.endpoint(transport, "")
	if err != nil {
		return nil, err
	}
	var messages []Message
	if transport == TransportWebSocket {
		messages = make([]Message, 1)
		if c.ws, err = dialWebSocket(ctx, url, &c.cfg); err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { c.ws.Close() })
		messages[0], err = c.ws.Read()
		if !stop() {
			err = ctx.Err()
		}
	} else {
		c.poller = newPoller(&c.cfg)
		c.poller.url = url
		messages, err = c.poller.get(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	if first := messages[0]; first.Binary || len(first.Data) == 0 || first.Data[0] != engineOpen {
		return nil, fmt.Errorf("%w: no open packet", ErrProtocol)
	}
	if err := json.Unmarshal(messages[0].Data[1:], &c.engine); err != nil || c.engine.SID == "" {
		return nil, fmt.Errorf("%w: malformed open packet", ErrProtocol)
	}
	if c.poller != nil {
		if c.poller.url, err = c.cfg.endpoint(TransportPolling, c.engine.SID); err != nil {
			return nil, err
		}
	}
	return messages[1:], nil
}

// connect asks for the namespace and waits for the answer.
func (c *Client) connect(ctx context.Context) error {
	auth, err := c.cfg.auth()
	if err != nil {
		return err
	}
	if err := c.write(ctx, Message{Data: appendPacket(sioConnect, c.cfg.Namespace, noID, 0, auth)}); err != nil {
		return err
	}
	var p packet
	select {
	case p = <-c.replied:
	case <-c.done:
		return c.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
	if p.kind == sioConnectError {
		refusal := &ConnectError{Payload: p.data}
		var payload struct{ Message string }
		if json.Unmarshal(p.data, &payload) == nil {
			refusal.Message = payload.Message
		}
		return refusal
	}
	var payload struct{ SID string }
	if err := json.Unmarshal(p.data, &payload); err != nil || payload.SID == "" {
		return fmt.Errorf("%w: malformed answer to CONNECT", ErrProtocol)
	}
	c.mu.Lock()
	c.sid = payload.SID
	c.mu.Unlock()
	return nil
}

// SID is the public id of the socket.
func (c *Client) SID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sid
}

// EngineSID is the id of the session. It is a secret: who knows it can act for this client.
func (c *Client) EngineSID() string { return c.engine.SID }

// Transport is the transport in use.
func (c *Client) Transport() Transport {
	if c.webSocket() != nil {
		return TransportWebSocket
	}
	return TransportPolling
}

func (c *Client) webSocket() *WebSocket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ws
}

// Emit sends an event. It returns when the event has been written, or posted. An argument of type []byte is sent as a binary attachment, any
// other as JSON.
func (c *Client) Emit(event string, args ...any) error {
	messages, err := encodeEvent(c.cfg.Namespace, noID, event, args)
	if err != nil {
		return err
	}
	return c.write(c.ctx, messages...)
}

// EmitAck sends an event as Emit does, and waits until it has been acknowledged, ctx ends or the client does.
func (c *Client) EmitAck(ctx context.Context, event string, args ...any) (Args, error) {
	reply := make(chan Args, 1)
	c.mu.Lock()
	id := c.nextID
	c.nextID++
	if c.acks == nil {
		c.acks = make(map[int64]chan<- Args)
	}
	c.acks[id] = reply
	c.mu.Unlock()
	defer c.forgetAck(id)

	messages, err := encodeEvent(c.cfg.Namespace, id, event, args)
	if err != nil {
		return Args{}, err
	}
	if err := c.write(ctx, messages...); err != nil {
		return Args{}, err
	}
	select {
	case args := <-reply:
		return args, nil
	case <-ctx.Done():
		return Args{}, ctx.Err()
	case <-c.done:
	}
	select { // it may have come just before the end
	case args := <-reply:
		return args, nil
	default:
		return Args{}, c.Err()
	}
}

func (c *Client) forgetAck(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.acks, id)
}

// Join asks to join a room, and waits for the answer. An empty secret is not sent. A refusal is no error: it is a reply that is not OK.
func (c *Client) Join(ctx context.Context, room, secret string) (JoinReply, error) {
	return c.roomRequest(ctx, "join", room, secret)
}

// Leave asks to leave a room, and waits for the answer.
func (c *Client) Leave(ctx context.Context, room string) (JoinReply, error) {
	return c.roomRequest(ctx, "leave", room, "")
}

func (c *Client) roomRequest(ctx context.Context, event, room, secret string) (JoinReply, error) {
	request := struct {
		Room   string `json:"room"`
		Secret string `json:"secret,omitempty"`
	}{room, secret}
	args, err := c.EmitAck(ctx, event, request)
	if err != nil {
		return JoinReply{}, err
	}
	var reply JoinReply
	return reply, args.Decode(&reply)
}

// Send writes Engine.IO packets as they are, in one go: for tests that want to say what no client would, or many things at once.
func (c *Client) Send(messages ...Message) error { return c.write(c.ctx, messages...) }

// Next returns the next event, waiting for it if there is none. ctx bounds that. After the last event of a client that has ended it returns
// what Err does. It may be called whenever OnEvent is nil.
func (c *Client) Next(ctx context.Context) (Event, error) {
	for {
		ended := false
		select {
		case <-c.done:
			ended = true
		default:
		}
		if e, ok := c.take(); ok {
			return e, nil
		}
		if ended {
			return Event{}, c.Err()
		}
		select {
		case <-c.ready:
		case <-c.done:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

// take takes the first event out of the queue.
func (c *Client) take() (Event, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.events) == 0 {
		return Event{}, false
	}
	e := c.events[0]
	c.events[0] = Event{}
	c.events = c.events[1:]
	c.queued -= e.size()
	notify(c.room)
	if len(c.events) > 0 {
		notify(c.ready) // somebody else may wait
	}
	return e, true
}

// notify makes one receiver of a channel of one go on, now or later.
func notify(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// Done is closed when the client has ended and its goroutine is about to.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err says why the client ended, and nil before Done is closed. ErrClosed, ErrDisconnected, ErrEngineClosed, ErrPingTimeout, ErrProtocol and
// ErrTooLarge are to be tested with errors.Is, *CloseError (a WebSocket close frame) and *StatusError (long-polling) with errors.As; else it is
// the error of the connection.
func (c *Client) Err() error {
	select {
	case <-c.done:
	default:
		return nil
	}
	return c.reason()
}

// reason says why the client ended or is about to, and nil if it is not.
func (c *Client) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close disconnects from the namespace, closes the session, and waits until the client has ended: at most about a second when the server
// does not answer. What it says to the server may get lost; it has no error. It may be called several times.
func (c *Client) Close() {
	if c.leave(ErrClosed) {
		ctx, cancel := context.WithTimeout(c.ctx, closeTimeout)
		c.goodbye(ctx)
		cancel()
		c.free()
	}
	<-c.done
}

// goodbye says that this side goes, and on a WebSocket waits for the answer.
func (c *Client) goodbye(ctx context.Context) {
	disconnect := Message{Data: appendPacket(sioDisconnect, c.cfg.Namespace, noID, 0, nil)}
	ws := c.webSocket()
	if ws == nil {
		_ = c.write(ctx, disconnect, Message{Data: []byte{engineClose}})
		return
	}
	if c.write(ctx, disconnect) != nil || ws.WriteClose(1000, "") != nil {
		return
	}
	select {
	case <-c.done:
	case <-ctx.Done():
	}
}

// Abort ends the client without a word to the server, as if the machine had gone, and waits until it has ended. It may be called several times.
func (c *Client) Abort() {
	c.leave(ErrClosed)
	c.free()
	<-c.done
}

// leave notes why the client ends, unless it is ending already, and reports whether it is the first to do so.
func (c *Client) leave(why error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = why
	}
	if c.left {
		return false
	}
	c.left = true
	close(c.leaving)
	return true
}

// free makes everything that waits for the network return.
func (c *Client) free() {
	c.cancel()
	c.mu.Lock()
	ws, probed := c.ws, (*WebSocket)(nil)
	if c.upgrade != nil {
		probed = c.upgrade.ws
	}
	c.mu.Unlock()
	for _, ws := range []*WebSocket{ws, probed} {
		if ws != nil {
			ws.Close()
		}
	}
	if c.poller != nil {
		c.poller.free()
	}
}

// write writes messages in one go. ctx bounds the wait for other writers only: what has been begun is finished, or ends the client.
func (c *Client) write(ctx context.Context, messages ...Message) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer func() { <-c.writing }()
	if err := c.writeNow(messages); err != nil {
		if c.leave(err) {
			c.free()
		}
		return c.reason()
	}
	return nil
}

// acquire takes the right to write.
func (c *Client) acquire(ctx context.Context) error {
	if err := c.Err(); err != nil {
		return err
	}
	select {
	case c.writing <- struct{}{}:
		return nil
	case <-c.done:
		return c.Err()
	case <-ctx.Done():
		if c.ctx.Err() != nil {
			return c.reason()
		}
		return ctx.Err()
	}
}

func (c *Client) writeNow(messages []Message) error {
	if ws := c.webSocket(); ws != nil {
		return ws.Write(messages...)
	}
	ctx, cancel := context.WithTimeout(c.ctx, writeTimeout)
	defer cancel()
	return c.poller.post(ctx, messages)
}

// isTimeout reports whether a read ended at its deadline.
func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
