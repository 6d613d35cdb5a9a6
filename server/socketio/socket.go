package socketio

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"

	"github.com/ws-emit/ws-emit/server/engineio"
	"github.com/ws-emit/ws-emit/server/frame"
)

// Socket is one session in one namespace.
type Socket struct {
	// Data belongs to the Handler.
	Data any

	session   *engineio.Session
	client    *client
	id        string
	namespace string

	// Guarded by client.mu.
	settled bool // the Handler has accepted it
	gone    bool // it has ended
}

// ID is the public sid: '~', three characters that name the node, and 96 random bits. Unlike the session's it is no secret.
func (s *Socket) ID() string { return s.id }

// Namespace is the namespace, "/" or "/name".
func (s *Socket) Namespace() string { return s.namespace }

// Session is the session that it is part of. Frames are sent to it.
func (s *Socket) Session() *engineio.Session { return s.session }

// Outlet is the same session for who sends to its sockets and disconnects them.
func (s *Socket) Outlet() *Outlet { return (*Outlet)(s.session) }

// SessionData belongs to the Handler, and is one for all sockets of a session, also those that come after the others have disconnected.
func (s *Socket) SessionData() *any { return &s.client.data }

// AckFrame encodes the answer to an event; nil if the client did not ask for one.
func (s *Socket) AckFrame(e Event, args ...json.RawMessage) *frame.Frame {
	if e.ID == NoID {
		return nil
	}
	f, _ := EncodeAck(s.namespace, e.ID, args, nil) // it fails only for attachments
	return f
}

// NodeIDLen is the number of characters that name a node in a public sid.
const NodeIDLen = 3

// NewNodeID returns a random name for a node.
func NewNodeID() string { return random(NodeIDLen) }

func newID(node string) string { return "~" + node + random(16) }

// random returns n random base64url characters.
func random(n int) string {
	b := make([]byte, (n*6+7)/8)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)[:n]
}
