package socketio

import (
	"encoding/json"
	"time"

	"github.com/ws-emit/ws-emit/server/engineio"
	"github.com/ws-emit/ws-emit/server/frame"
)

// Handler is told what happens to sockets. Calls for the sockets of one session come one at a time and in order; calls for different sessions come
// concurrently.
type Handler interface {
	// Connect is called when a client wants to connect to a namespace that exists. auth is what it gave, nil if nothing, and valid during the call. The
	// client may go on once it gets reply: the Handler sends it to the session, after everything is ready for the socket and before anything else for it.
	// It may instead return an error, whose text the client gets in a CONNECT_ERROR.
	Connect(s *Socket, auth json.RawMessage, reply *frame.Frame) error
	// Event is called for each event. It may return something to wait for, during which no further call comes for the session (engineio.Handler).
	Event(s *Socket, e Event) (wait func())
	// Ack is called for each answer of the client to an event that was sent with an id. args are valid during the call.
	Ack(s *Socket, id int64, args []json.RawMessage, attachments [][]byte)
	// Disconnect is called once for each socket for which Connect returned nil. Where the server disconnects the socket, it is called by Outlet.Disconnect:
	// it must not block then, and another call for the session may be under way, even one for the same socket.
	Disconnect(s *Socket, why engineio.CloseReason)
}

// Event is one event of a client. It is valid during the call only: what is waited for must keep a copy.
type Event struct {
	Name string
	// Args are the arguments, each one JSON value.
	Args []json.RawMessage
	// Attachments are the binary parts, see Packet.
	Attachments [][]byte
	// ID is what the client wants to be answered with, or NoID.
	ID int64
	// Arrived is when it was read from the network.
	Arrived time.Time
}
