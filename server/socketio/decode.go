package socketio

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"
)

// Decoder turns the messages of one session, one after the other, into packets. The zero value is ready to use. It is not safe for
// concurrent use, and must not be used after an error.
type Decoder struct {
	// MaxBytes bounds what one packet with attachments may hold, in bytes, text and attachments together. 0 means 1,000,000; negative means
	// no attachments at all. A packet without attachments is bounded by the transport (maxPayload).
	MaxBytes int64

	pending *pending
}

// pending is a packet whose attachments have not all come.
type pending struct {
	packet  Packet
	awaited int
	size    int64
}

const defaultMaxBytes = 1_000_000

// AddText takes a text message, without the Engine.IO packet type. It reports whether packet is complete: if not, attachments follow.
//
// A packet that is complete at once has Data that points into text: it is valid as long as text is. Nothing else refers to text after the call.
func (d *Decoder) AddText(text []byte) (packet Packet, complete bool, err error) {
	if d.pending != nil {
		return Packet{}, false, ErrBinaryExpected
	}
	packet, awaited, err := decode(text)
	if err != nil || awaited == 0 {
		return packet, err == nil, err
	}
	size := int64(len(text))
	if size > d.maxBytes() {
		return Packet{}, false, ErrTooLarge
	}
	// When the attachments have come, the caller's buffer holds something else.
	packet.Data = bytes.Clone(packet.Data)
	d.pending = &pending{packet: packet, awaited: awaited, size: size}
	return Packet{}, false, nil
}

// AddBinary takes a binary message: the next attachment of the packet that awaits some. It copies data. The packet of the last attachment is
// complete and belongs to the caller.
func (d *Decoder) AddBinary(data []byte) (packet Packet, complete bool, err error) {
	p := d.pending
	if p == nil {
		return Packet{}, false, ErrTextExpected
	}
	p.size += int64(len(data))
	if p.size > d.maxBytes() {
		return Packet{}, false, ErrTooLarge
	}
	// Never nil, so that an empty attachment stays one.
	p.packet.Attachments = append(p.packet.Attachments, append([]byte{}, data...))
	if len(p.packet.Attachments) < p.awaited {
		return Packet{}, false, nil
	}
	d.pending = nil
	return p.packet, true, nil
}

func (d *Decoder) maxBytes() int64 {
	if d.MaxBytes == 0 {
		return defaultMaxBytes
	}
	return d.MaxBytes
}

// decode reads a packet as the protocol's "Packet encoding", "Format", has it, and the number of attachments that follow it:
//
//	<packet type>[<# of binary attachments>-][<namespace>,][<acknowledgment id>][JSON-stringified payload without binary]
func decode(text []byte) (p Packet, attachments int, err error) {
	if len(text) == 0 {
		return Packet{}, 0, ErrEmptyPacket
	}
	p = Packet{Type: PacketType(text[0] - '0'), Namespace: "/", ID: NoID}
	rest := text[1:]
	switch p.Type {
	case PacketConnect, PacketDisconnect, PacketEvent, PacketAck:
	case PacketBinaryEvent, PacketBinaryAck:
		if attachments, rest, err = cutAttachments(rest); err != nil {
			return Packet{}, 0, err
		}
		p.Type -= PacketBinaryEvent - PacketEvent
	default: // also CONNECT_ERROR, which only a server sends
		return Packet{}, 0, ErrPacketType
	}
	if p.Namespace, rest, err = cutNamespace(rest); err != nil {
		return Packet{}, 0, err
	}
	if p.ID, rest, err = cutID(rest); err != nil {
		return Packet{}, 0, err
	}
	if len(rest) > 0 {
		p.Data = rest
	}
	if err := check(&p); err != nil {
		return Packet{}, 0, err
	}
	return p, attachments, nil
}

// cutAttachments reads "<n>-".
func cutAttachments(text []byte) (n int, rest []byte, err error) {
	digits := countDigits(text)
	if digits == 0 || digits == len(text) || text[digits] != '-' {
		return 0, nil, ErrAttachments
	}
	for _, c := range text[:digits] {
		n = n*10 + int(c-'0')
		if n > MaxAttachments {
			return 0, nil, ErrTooManyAttachments
		}
	}
	return n, text[digits+1:], nil
}

// cutNamespace reads "/<name>,", where the comma may be missing at the end of the packet. A query string is cut off: clients of earlier
// protocols put one there, and the Python server that we replace cuts it too.
func cutNamespace(text []byte) (namespace string, rest []byte, err error) {
	if len(text) == 0 || text[0] != '/' {
		return "/", text, nil
	}
	name, rest, _ := bytes.Cut(text, []byte{','})
	name, _, _ = bytes.Cut(name, []byte{'?'})
	if len(name) > MaxNamespace || !utf8.Valid(name) {
		return "", nil, ErrNamespace
	}
	return string(name), rest, nil
}

func cutID(text []byte) (id int64, rest []byte, err error) {
	digits := countDigits(text)
	if digits == 0 {
		return NoID, text, nil
	}
	for _, c := range text[:digits] {
		id = id*10 + int64(c-'0')
		if id > maxID {
			return 0, nil, ErrID
		}
	}
	return id, text[digits:], nil
}

func countDigits(text []byte) int {
	notDigit := func(c byte) bool { return c < '0' || c > '9' }
	if n := slices.IndexFunc(text, notDigit); n >= 0 {
		return n
	}
	return len(text)
}

// check tells whether id and payload are what the type wants (Socket.IO protocol, "Exchange protocol").
func check(p *Packet) error {
	switch p.Type {
	case PacketConnect, PacketDisconnect:
		if p.ID != NoID {
			return ErrID
		}
	case PacketAck:
		// An ack without an id answers nothing.
		if p.ID == NoID {
			return ErrID
		}
	}
	if p.Data == nil {
		if p.Type == PacketEvent || p.Type == PacketAck {
			return ErrPayload
		}
		return nil
	}
	want := byte('[')
	switch p.Type {
	case PacketConnect:
		want = '{'
	case PacketDisconnect:
		return ErrPayload
	}
	// json.Valid takes bytes that are not UTF-8, and long-polling has not looked at them.
	if p.Data[0] != want || !utf8.Valid(p.Data) || !json.Valid(p.Data) {
		return ErrPayload
	}
	if p.Type == PacketEvent {
		return checkEvent(p.Data)
	}
	return nil
}

// checkEvent takes a valid array and tells whether it begins with a name. The reference parser takes a number for a name, so we do.
func checkEvent(data []byte) error {
	name, _, err := next(data[1:])
	if err != nil {
		return err
	}
	switch c := name[0]; {
	case c == '-' || '0' <= c && c <= '9':
		return nil
	case c != '"':
		return ErrPayload
	}
	event, err := unquote(name)
	if err != nil {
		return err
	}
	if reserved(event) {
		return ErrReservedEvent
	}
	return nil
}

// SplitEvent splits the payload of an event into its name and its arguments, which point into data and are not decoded. A name that is a
// number is returned as it stands. data is an array as a Decoder returns it; what is not gives ErrPayload.
func SplitEvent(data json.RawMessage) (event string, args []json.RawMessage, err error) {
	all, err := SplitArray(data)
	if err != nil {
		return "", nil, err
	}
	if len(all) == 0 {
		return "", nil, ErrPayload
	}
	if all[0][0] != '"' {
		return string(all[0]), all[1:], nil
	}
	name, err := unquote(all[0])
	return string(name), all[1:], err
}

// SplitArray splits the payload of an event or an ack into its elements, as SplitEvent does.
func SplitArray(data json.RawMessage) ([]json.RawMessage, error) {
	if len(data) == 0 || data[0] != '[' {
		return nil, ErrPayload
	}
	rest := bytes.TrimLeft(data[1:], whitespace)
	if len(rest) > 0 && rest[0] == ']' {
		return nil, nil
	}
	elements := make([]json.RawMessage, 0, 4)
	for {
		element, after, err := next(rest)
		if err != nil {
			return nil, err
		}
		elements = append(elements, element)
		if after[0] == ']' {
			return elements, nil
		}
		rest = after[1:]
	}
}

const whitespace = " \t\r\n"

// next returns the first value of rest, which is the inside of an array, and what follows the value: that begins with ',' or ']'. It looks
// no closer than it needs to find the end of the value.
func next(rest []byte) (value, after []byte, err error) {
	depth := 0
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '"':
			n := stringEnd(rest[i:])
			if n < 0 {
				return nil, nil, ErrPayload
			}
			i += n - 1
			continue
		case '[', '{':
			depth++
			continue
		case '}':
			depth--
			continue
		case ']':
			if depth > 0 {
				depth--
				continue
			}
		case ',':
			if depth > 0 {
				continue
			}
		default:
			continue
		}
		value = bytes.Trim(rest[:i], whitespace)
		if len(value) == 0 {
			return nil, nil, ErrPayload
		}
		return value[:len(value):len(value)], rest[i:], nil
	}
	return nil, nil, ErrPayload
}

// stringEnd returns the length of the JSON string that text begins with, quotes included, or -1.
func stringEnd(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// unquote returns what a JSON string says. It allocates only when something in it is escaped.
func unquote(quoted []byte) ([]byte, error) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return nil, ErrPayload
	}
	return []byte(s), nil
}
