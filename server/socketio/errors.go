package socketio

import "errors"

// What a Decoder answers when the peer broke the rules of the protocol: the connection has to be closed. None of them quotes what came.
var (
	ErrEmptyPacket    = errors.New("socketio: empty packet")
	ErrPacketType     = errors.New("socketio: unknown packet type, or not one that a client sends")
	ErrAttachments    = errors.New("socketio: malformed number of attachments")
	ErrNamespace      = errors.New("socketio: namespace too long or not valid UTF-8")
	ErrID             = errors.New("socketio: id missing, too large or not allowed here")
	ErrPayload        = errors.New("socketio: payload missing, malformed or not allowed here")
	ErrBinaryExpected = errors.New("socketio: text while attachments are awaited")
	ErrTextExpected   = errors.New("socketio: binary while no attachment is awaited")
	ErrTooLarge       = errors.New("socketio: packet and attachments are larger than allowed")
)

var (
	// ErrTooManyAttachments is answered in both directions: more than MaxAttachments.
	ErrTooManyAttachments = errors.New("socketio: too many attachments")
	// ErrReservedEvent is answered in both directions: a name that no event may have.
	ErrReservedEvent = errors.New("socketio: reserved event name")
)
