package socketio

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"github.com/ws-emit/ws-emit/server/frame"
)

// engineMessage is the packet type that Engine.IO puts in front of every packet of ours (Engine.IO protocol, "Protocol", message).
const engineMessage = '4'

// onStack is the size of the packets that are put together without an allocation, in bytes.
const onStack = 512

// EncodeConnect encodes the answer to a CONNECT that was accepted: sid is the public id of the socket.
func EncodeConnect(namespace, sid string) *frame.Frame {
	return encodeObject(PacketConnect, namespace, `{"sid":`, sid)
}

// EncodeConnectError encodes the answer to a CONNECT that was refused; the client sees message.
func EncodeConnectError(namespace, message string) *frame.Frame {
	return encodeObject(PacketConnectError, namespace, `{"message":`, message)
}

// EncodeDisconnect encodes the end of a socket.
func EncodeDisconnect(namespace string) *frame.Frame {
	return Encode(Packet{Type: PacketDisconnect, Namespace: namespace, ID: NoID})
}

// EncodeEvent encodes an event that wants no ack. Each of args is one JSON value, compact, valid JSON and valid UTF-8: it is spliced in as it
// is. With attachments, args must name them as Packet says.
//
// Errors: ErrReservedEvent and ErrTooManyAttachments, each of which would make every client that receives it end its connection.
func EncodeEvent(namespace, event string, args []json.RawMessage, attachments [][]byte) (*frame.Frame, error) {
	if reserved(event) {
		return nil, ErrReservedEvent
	}
	if len(attachments) > MaxAttachments {
		return nil, ErrTooManyAttachments
	}
	b := appendHeader(make([]byte, 0, onStack), PacketEvent, len(attachments), namespace, NoID)
	b = append(b, '[')
	b = appendString(b, event)
	for _, arg := range args {
		b = append(b, ',')
		b = append(b, arg...)
	}
	b = append(b, ']')
	return newFrame(b, attachments), nil
}

// EncodeAck encodes the answer to the event with that id. For args and attachments the same holds as for EncodeEvent.
//
// Errors: ErrTooManyAttachments.
func EncodeAck(namespace string, id int64, args []json.RawMessage, attachments [][]byte) (*frame.Frame, error) {
	if len(attachments) > MaxAttachments {
		return nil, ErrTooManyAttachments
	}
	b := appendHeader(make([]byte, 0, onStack), PacketAck, len(attachments), namespace, id)
	b = append(b, '[')
	for i, arg := range args {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, arg...)
	}
	b = append(b, ']')
	return newFrame(b, attachments), nil
}

// Encode encodes any packet, as a client sends them too; its data is spliced in as it is. It checks nothing.
func Encode(p Packet) *frame.Frame {
	b := appendHeader(make([]byte, 0, onStack), p.Type, len(p.Attachments), p.Namespace, p.ID)
	return newFrame(append(b, p.Data...), p.Attachments)
}

// encodeObject encodes a packet whose payload is an object with one string in it: open is all that stands before the string.
func encodeObject(t PacketType, namespace, open, value string) *frame.Frame {
	b := appendHeader(make([]byte, 0, onStack), t, 0, namespace, NoID)
	b = append(b, open...)
	b = appendString(b, value)
	return newFrame(append(b, '}'), nil)
}

// appendHeader begins a packet: all that stands before its payload.
func appendHeader(b []byte, t PacketType, attachments int, namespace string, id int64) []byte {
	if attachments > 0 {
		t += PacketBinaryEvent - PacketEvent
	}
	b = append(b, engineMessage, '0'+byte(t))
	if attachments > 0 {
		b = strconv.AppendInt(b, int64(attachments), 10)
		b = append(b, '-')
	}
	if namespace != "" && namespace != "/" {
		b = append(b, namespace...)
		b = append(b, ',')
	}
	if id != NoID {
		b = strconv.AppendInt(b, id, 10)
	}
	return b
}

// newFrame copies what it is given.
func newFrame(text []byte, attachments [][]byte) *frame.Frame {
	if len(attachments) == 0 {
		return frame.New(frame.Packet{Data: text})
	}
	packets := make([]frame.Packet, 1, 1+MaxAttachments)
	packets[0].Data = bytes.Clone(text) // else every text would be on the heap: packets may be
	for _, a := range attachments {
		packets = append(packets, frame.Packet{Binary: true, Data: a})
	}
	return frame.New(packets...)
}

// appendString appends s as a JSON string. It escapes no more than JSON asks for ('<' stays '<'); what is not valid UTF-8 is replaced.
func appendString(dst []byte, s string) []byte {
	if isPlain(s) {
		dst = append(dst, '"')
		dst = append(dst, s...)
		return append(dst, '"')
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	// A string can always be encoded, and a bytes.Buffer written to.
	_ = enc.Encode(s)
	return append(dst, bytes.TrimSuffix(buf.Bytes(), []byte{'\n'})...)
}

// isPlain reports whether s is a JSON string as it is, once in quotes.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' {
			return false
		}
	}
	return utf8.ValidString(s)
}
