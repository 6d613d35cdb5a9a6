package emitter

import "encoding/json"

// Message is one thing that a backend wants done to the sockets of some rooms of one namespace: most often that they get an event.
type Message struct {
	// Method is what is to be done. The zero value is MethodEmit.
	Method Method
	// Namespace is "/" when empty.
	Namespace string
	// Rooms are the rooms whose members are meant, each socket once however many of them it is in. None means every socket of the
	// namespace, except with MethodCloseRoom, which needs one. A socket's public sid is a room too.
	Rooms []string
	// Except are rooms (or public sids) whose members are not meant.
	Except []string
	// Change are the rooms that the sockets enter or leave, of MethodEnterRoom and MethodLeaveRoom only. No socket enters a room whose name
	// begins with "~": such are the sids.
	Change []string
	// Close says that MethodDisconnect ends the whole connection and not only the socket's part in the namespace.
	Close bool
	// Event is the name of the event. It, Args and Attachments are of MethodEmit only.
	Event string
	// Args are the arguments of the event, each one JSON value. After Validate they are compact, valid JSON and valid UTF-8.
	Args []json.RawMessage
	// Attachments are the binary parts. In Args the i-th of them is {"_placeholder":true,"num":i} (Socket.IO protocol, "Packet
	// encoding"). Without attachments such an object is plain data.
	Attachments [][]byte
}
