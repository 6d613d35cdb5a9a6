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
	cfg      Config
	goodbyes map[string]*frame.Frame // DISCONNECT of each namespace
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
	s := &Server{cfg: cfg, goodbyes: make(map[string]*frame.Frame)}
	for _, namespace := range cfg.Namespaces {
		s.goodbyes[namespace] = EncodeDisconnect(namespace)
	}
	cfg.Engine.Handler = s.handler()
	var err error
	s.Server, err = engineio.New(cfg.Engine)
	return s, err
}

// Goodbye returns the DISCONNECT of a namespace, the same frame each time.
func (s *Server) Goodbye(namespace string) *frame.Frame {
	if f := s.goodbyes[namespace]; f != nil {
		return f
	}
	return EncodeDisconnect(namespace) // nobody is connected to it
}

func (s *Server) handler() engineio.Handler { return (*sessions)(s) }

// sessions is a Server as engineio sees it.
type sessions Server

// Open implements engineio.Handler.
func (s *sessions) Open(session *engineio.Session) {
	session.Data = &client{server: s, decoder: Decoder{MaxBytes: s.cfg.Engine.MaxPayload}}
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
	socket, gone := c.find(p.Namespace)
	switch {
	case p.Type == PacketConnect:
		// A client connects to a namespace where it is when it has not heard of it: our DISCONNECT of an earlier socket has crossed its CONNECT, and
		// it took that for the end of the new one.
		if socket != nil {
			s.disconnect(c, socket)
		}
		s.connect(session, c, p)
		return nil
	case gone: // the client may not have heard of it when it sent this
		s.cfg.Metrics.Ignored("disconnected")
		return nil
	case socket == nil: // "Connection to a namespace": CONNECT comes first
		s.cfg.Metrics.Ignored("not_connected")
		session.Finish(engineio.ReasonParseError)
		return nil
	}
	switch p.Type {
	case PacketDisconnect:
		s.disconnect(c, socket)
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

// disconnect ends a socket that its client has left.
func (s *sessions) disconnect(c *client, socket *Socket) {
	ended := c.end(socket)
	c.remove(socket)
	if ended {
		s.cfg.Handler.Disconnect(socket, engineio.ReasonClient)
	}
}

// connect answers a CONNECT. The socket is known before the client is told of it, and can be disconnected from then on.
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
	c.add(socket)
	accepted := false
	defer func() {
		if !accepted { // or the Handler has panicked
			c.remove(socket)
		}
	}()
	if err := s.cfg.Handler.Connect(socket, auth, EncodeConnect(p.Namespace, socket.id)); err != nil {
		s.cfg.Metrics.Connect("refused")
		session.Send(frame.One(EncodeConnectError(p.Namespace, err.Error())))
		return
	}
	accepted = true
	c.settle(socket)
	s.cfg.Metrics.Connect("ok")
}

// Close implements engineio.Handler.
func (s *sessions) Close(session *engineio.Session, why engineio.CloseReason) {
	c := session.Data.(*client)
	socket, ended := c.take()
	if socket == nil {
		return
	}
	defer s.Close(session, why) // a panic must not keep the Handler from being told of the others
	if ended {
		s.cfg.Handler.Disconnect(socket, why)
	}
}
