package socketio

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/ws-emit/ws-emit/server/engineio"
	"github.com/ws-emit/ws-emit/server/frame"
	"github.com/ws-emit/ws-emit/server/internal/metrics"
)

// Config configures a Server. The zero value of a field is its default.
type Config struct {
	// Handler is told what happens. It must be set.
	Handler Handler
	// Namespaces that exist; "/" alone.
	Namespaces []string
	// ConnectTimeout is how long a session may be connected to no namespace; 45 s.
	ConnectTimeout time.Duration
	// NodeID stands in the public sids: NodeIDLen base64url characters; random ones.
	NodeID string
	// Engine configures the sessions. Its Handler is replaced.
	Engine engineio.Config
	// Metrics counts. Nil is off.
	Metrics *metrics.Set
}

// Server serves the protocol over HTTP: it is an engineio.Server.
type Server struct {
	*engineio.Server
	cfg Config
}

// New returns a server. It starts nothing.
func New(cfg Config) (*Server, error) {
	if cfg.Handler == nil {
		return nil, errors.New("socketio: Config.Handler is not set")
	}
	if cfg.NodeID == "" {
		cfg.NodeID = NewNodeID()
	}
	if len(cfg.NodeID) != NodeIDLen {
		return nil, errors.New("socketio: Config.NodeID has the wrong length")
	}
	if cfg.ConnectTimeout < 0 {
		return nil, errors.New("socketio: Config.ConnectTimeout is negative")
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 45 * time.Second
	}
	cfg.Namespaces = slices.Clone(cfg.Namespaces)
	if len(cfg.Namespaces) == 0 {
		cfg.Namespaces = []string{"/"}
	}
	s := &Server{cfg: cfg}
	cfg.Engine.Handler = s.handler()
	var err error
	s.Server, err = engineio.New(cfg.Engine)
	return s, err
}

func (s *Server) handler() engineio.Handler { return (*sessions)(s) }

// sessions is a Server as engineio sees it.
type sessions Server

// client is a session with its sockets. It is used by one goroutine at a time.
type client struct {
	decoder Decoder
	sockets []*Socket // few: one for each namespace
	data    any       // of the Handler
}

// Open implements engineio.Handler.
func (s *sessions) Open(session *engineio.Session) {
	session.Data = &client{decoder: Decoder{MaxBytes: s.cfg.Engine.MaxPayload}}
	session.EndIn(s.cfg.ConnectTimeout, engineio.ReasonConnectTimeout)
}

// Message implements engineio.Handler. A client that breaks the protocol loses its connection.
func (s *sessions) Message(session *engineio.Session, m engineio.Message) (wait func()) {
	c := session.Data.(*client)
	take := c.decoder.AddText
	if m.Binary {
		take = c.decoder.AddBinary
	}
	packet, complete, err := take(m.Data)
	if err != nil {
		s.cfg.Metrics.Ignored("malformed")
		session.Finish(engineio.ReasonParseError)
		return nil
	}
	if !complete {
		return nil
	}
	return s.packet(session, c, packet, m.Arrived)
}

func (s *sessions) packet(session *engineio.Session, c *client, p Packet, arrived time.Time) (wait func()) {
	i := slices.IndexFunc(c.sockets, func(k *Socket) bool { return k.namespace == p.Namespace })
	if p.Type == PacketConnect && i < 0 {
		s.connect(session, c, p)
		return nil
	}
	if p.Type == PacketConnect || i < 0 {
		// A second CONNECT, or a packet without one ("Connection to a namespace").
		s.cfg.Metrics.Ignored("not_connected")
		session.Finish(engineio.ReasonParseError)
		return nil
	}
	socket := c.sockets[i]
	switch p.Type {
	case PacketDisconnect:
		c.sockets = slices.Delete(c.sockets, i, i+1)
		if len(c.sockets) == 0 {
			session.EndIn(s.cfg.ConnectTimeout, engineio.ReasonConnectTimeout)
		}
		s.cfg.Handler.Disconnect(socket, engineio.ReasonClient)
	case PacketEvent:
		name, args, err := SplitEvent(p.Data)
		if err != nil {
			session.Finish(engineio.ReasonParseError)
			return nil
		}
		return s.cfg.Handler.Event(socket, Event{name, args, p.Attachments, p.ID, arrived})
	case PacketAck:
		args, err := SplitArray(p.Data)
		if err != nil {
			session.Finish(engineio.ReasonParseError)
			return nil
		}
		s.cfg.Handler.Ack(socket, p.ID, args, p.Attachments)
	}
	return nil
}

// connect answers a CONNECT. The socket is known before the client is told of it.
func (s *sessions) connect(session *engineio.Session, c *client, p Packet) {
	if !slices.Contains(s.cfg.Namespaces, p.Namespace) {
		s.cfg.Metrics.Connect("invalid_namespace")
		session.Send(frame.One(EncodeConnectError(p.Namespace, "Invalid namespace")))
		return
	}
	socket := &Socket{session: session, client: c, id: newID(s.cfg.NodeID), namespace: p.Namespace}
	var auth json.RawMessage
	if len(p.Data) > 0 {
		auth = p.Data
	}
	if err := s.cfg.Handler.Connect(socket, auth, EncodeConnect(p.Namespace, socket.id)); err != nil {
		s.cfg.Metrics.Connect("refused")
		session.Send(frame.One(EncodeConnectError(p.Namespace, err.Error())))
		return
	}
	c.sockets = append(c.sockets, socket)
	session.EndIn(0, "")
	s.cfg.Metrics.Connect("ok")
}

// Close implements engineio.Handler.
func (s *sessions) Close(session *engineio.Session, why engineio.CloseReason) {
	c := session.Data.(*client)
	if len(c.sockets) == 0 {
		return
	}
	socket := c.sockets[0]
	c.sockets = c.sockets[1:]
	defer s.Close(session, why) // a panic must not keep the Handler from being told of the others
	s.cfg.Handler.Disconnect(socket, why)
}
