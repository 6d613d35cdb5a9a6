package socketio

import (
	"slices"
	"sync"

	"github.com/ws-emit/ws-emit/server/engineio"
	"github.com/ws-emit/ws-emit/server/frame"
)

// client is a session with its sockets.
type client struct {
	// Immutable after Open.
	server *sessions

	// Used by one goroutine at a time, the one that calls the Handler.
	decoder Decoder
	data    any // of the Handler

	mu      sync.Mutex // guards the following, Socket.settled and Socket.gone; held while the session's timer is set
	sockets []*Socket  // few: one for each namespace
}

// find returns the socket of a namespace, nil if there is none. One that is gone was disconnected by the server, and stays until the client
// connects again.
func (c *client) find(namespace string) (socket *Socket, gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.sockets {
		if k.namespace == namespace {
			return k, k.gone
		}
	}
	return nil, false
}

// add adds a socket to a namespace that has none.
func (c *client) add(socket *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sockets = append(c.sockets, socket)
}

func (c *client) remove(socket *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sockets = slices.DeleteFunc(c.sockets, func(k *Socket) bool { return k == socket })
}

// settle takes back the connect timeout for a socket that the Handler has accepted, unless it is gone by now.
func (c *client) settle(socket *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !socket.gone {
		socket.settled = true
		socket.session.EndIn(0, "")
	}
}

// end marks a socket as gone, and reports whether it was not: then the Handler is to be told. After the last one the session falls under the
// connect timeout; one that is only connecting may yet be refused, and does not count.
func (c *client) end(socket *Socket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if socket.gone {
		return false
	}
	socket.gone = true
	if !slices.ContainsFunc(c.sockets, func(k *Socket) bool { return k.settled && !k.gone }) {
		socket.session.EndIn(c.server.cfg.ConnectTimeout, engineio.ReasonConnectTimeout)
	}
	return true
}

// take removes the first socket of a session that has ended; nil if there is none. It reports whether the Handler is to be told.
func (c *client) take() (socket *Socket, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sockets) == 0 {
		return nil, false
	}
	socket = c.sockets[0]
	c.sockets = c.sockets[1:]
	ended = !socket.gone
	socket.gone = true
	return socket, ended
}

// bySID returns the socket with that public sid, nil if there is none.
func (c *client) bySID(sid string) *Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.sockets {
		if k.id == sid {
			return k
		}
	}
	return nil
}

// namespaces returns those that the client is connected to.
func (c *client) namespaces() (list []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.sockets {
		if !k.gone {
			list = append(list, k.namespace)
		}
	}
	return list
}

// Outlet is where the frames for the sockets of a session leave. Its methods do not block; one goroutine may call them at a time.
type Outlet engineio.Session

func (o *Outlet) session() *engineio.Session { return (*engineio.Session)(o) }

// Send sends frames. It returns false when the session has ended.
func (o *Outlet) Send(r *frame.Run) bool { return o.session().Send(r) }

// Disconnect sends the last frames of a socket, named by its sid: the last one is a Goodbye. Its client may then connect to the namespace
// again; what it sent there before it had heard of this is ignored. The Handler is told.
func (o *Outlet) Disconnect(r *frame.Run, sid string) {
	c := o.session().Data.(*client)
	socket := c.bySID(sid)
	ended := socket != nil && c.end(socket) // before the client can answer
	o.Send(r)
	if ended {
		c.server.cfg.Handler.Disconnect(socket, engineio.ReasonServer)
	}
}

// End ends the session once what waits has been written, and with it a DISCONNECT for each namespace: a client that only lost its connection
// would come back.
func (o *Outlet) End() {
	c := o.session().Data.(*client)
	for _, namespace := range c.namespaces() {
		o.Send(frame.One((*Server)(c.server).Goodbye(namespace)))
	}
	o.session().Finish(engineio.ReasonServer)
}
