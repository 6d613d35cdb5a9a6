package emitter

import "encoding/json"

// Message is one emit: an event for the sockets of some rooms of one namespace.
type Message struct {
	// Namespace is "/" when empty.
	Namespace string
	// Rooms are the rooms whose members get the event, each socket once however many of them it is in. None means every socket of the
	// namespace. A socket's public sid is a room too.
	Rooms []string
	// Except are rooms (or public sids) whose members do not get it.
	Except []string
	// Event is the name of the event.
	Event string
	// Args are the arguments of the event, each one JSON value. After Validate they are compact, valid JSON and valid UTF-8.
	Args []json.RawMessage
	// Attachments are the binary parts. In Args the i-th of them is {"_placeholder":true,"num":i} (Socket.IO protocol, "Packet
	// encoding"). Without attachments such an object is plain data.
	Attachments [][]byte
}
