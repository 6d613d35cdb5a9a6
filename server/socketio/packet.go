package socketio

import "encoding/json"

// PacketType says what a packet is for (Socket.IO protocol, "Exchange protocol").
type PacketType uint8

const (
	PacketConnect      PacketType = iota // '0', both ways; payload: from a client its auth, if any; from the server {"sid":...}
	PacketDisconnect                     // '1', both ways; no payload
	PacketEvent                          // '2', both ways; payload: array, the name of the event first
	PacketAck                            // '3', both ways; payload: array, with the id of the event that it answers
	PacketConnectError                   // '4', server -> client; payload {"message":...}
	PacketBinaryEvent                    // '5', an event followed by attachments; only on the wire, see Packet
	PacketBinaryAck                      // '6', an ack followed by attachments; only on the wire, see Packet
)

// String returns the protocol's name of the type.
func (t PacketType) String() string {
	names := [...]string{"CONNECT", "DISCONNECT", "EVENT", "ACK", "CONNECT_ERROR", "BINARY_EVENT", "BINARY_ACK"}
	if int(t) < len(names) {
		return names[t]
	}
	return "unknown"
}

// NoID stands in Packet.ID for "without an id".
const NoID = -1

const (
	// MaxAttachments is the number of binary attachments that a packet may have. The reference parser refuses more, in browsers too.
	MaxAttachments = 10
	// MaxNamespace is the length of the longest namespace accepted, in bytes.
	MaxNamespace = 255
	// maxID is the largest id that a JavaScript number holds exactly.
	maxID = 1<<53 - 1
)

// Packet is one Socket.IO packet. There are no binary types here: an event or an ack with attachments is an event or an ack, and the codec
// chooses the form on the wire.
type Packet struct {
	Type PacketType
	// Namespace begins with '/', and is "/" for the main namespace. Empty means "/" when encoding.
	Namespace string
	// ID asks for an ack (event), or names the event that is answered (ack): 0 to 2^53-1, or NoID.
	ID int64
	// Data is the payload: an object for CONNECT and CONNECT_ERROR, an array for EVENT and ACK, nil when there is none.
	Data json.RawMessage
	// Attachments are the binary parts, to which {"_placeholder":true,"num":i} in Data refers. Nothing here checks that those numbers exist.
	Attachments [][]byte
}

// reserved reports whether an event may not have this name: it means something to the libraries on either side, and stock clients end
// the connection when it comes over the wire.
func reserved[S string | []byte](event S) bool {
	switch string(event) {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}
