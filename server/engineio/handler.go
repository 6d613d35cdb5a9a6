package engineio

import "time"

// Handler is told what happens to sessions. Calls for one session come one at a time and in order; calls for different sessions come concurrently.
type Handler interface {
	// Open is called for a new session, before its client learns of it: nothing may be sent to it yet.
	Open(*Session)
	// Message is called for each message. It may return something to wait for: that is run on a goroutine of its own, and while it runs no further call comes
	// for this session, but its heartbeat goes on. At most 256 messages and 64 KiB wait behind it; then the session is not read.
	Message(*Session, Message) (wait func())
	// Close is called once, after the session has ended.
	Close(*Session, CloseReason)
}

// Message is one message of a client.
type Message struct {
	// Binary is true for binary messages.
	Binary bool
	// Data is valid during the call only: what is waited for must keep a copy.
	Data []byte
	// Arrived is when the message was read from the network, which may be a while ago when others waited before it.
	Arrived time.Time
}
