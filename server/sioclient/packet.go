package sioclient

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Engine.IO packet types (Engine.IO protocol, "Protocol").
const (
	engineOpen    = '0'
	engineClose   = '1'
	enginePing    = '2'
	enginePong    = '3'
	engineMessage = '4'
	engineUpgrade = '5'
	engineNoop    = '6'
)

// Socket.IO packet types (Socket.IO protocol, "Exchange protocol").
const (
	sioConnect      = '0'
	sioDisconnect   = '1'
	sioEvent        = '2'
	sioAck          = '3'
	sioConnectError = '4'
	sioBinaryEvent  = '5'
	sioBinaryAck    = '6'
)

// maxAttachments is what stock clients take in one packet.
const maxAttachments = 10

// noID is the id of a packet without one.
const noID = -1

// packet is a Socket.IO packet. What is decoded points to the text that it was decoded from.
type packet struct {
	kind        byte // binary ones are sioEvent and sioAck
	namespace   string
	id          int64
	data        []byte
	awaited     int // attachments that have not come yet
	attachments [][]byte
}

// decodePacket decodes a packet without its attachments (Socket.IO protocol, "Packet encoding", "Format").
func decodePacket(text []byte) (packet, error) {
	if len(text) == 0 || text[0] < sioConnect || text[0] > sioBinaryAck {
		return packet{}, fmt.Errorf("%w: unknown packet type", ErrProtocol)
	}
	p := packet{kind: text[0], namespace: "/", id: noID}
	text = text[1:]
	if p.kind == sioBinaryEvent || p.kind == sioBinaryAck {
		number, rest, found := bytes.Cut(text, []byte{'-'})
		n, err := strconv.ParseUint(string(number), 10, 8)
		if !found || err != nil || n > maxAttachments {
			return packet{}, fmt.Errorf("%w: number of attachments", ErrProtocol)
		}
		p.awaited = int(n)
		p.kind -= sioBinaryEvent - sioEvent
		text = rest
	}
	if len(text) > 0 && text[0] == '/' {
		name, rest, _ := bytes.Cut(text, []byte{','})
		p.namespace = string(name)
		text = rest
	}
	digits := len(text) - len(bytes.TrimLeft(text, "0123456789"))
	if digits > 0 {
		id, err := strconv.ParseInt(string(text[:digits]), 10, 64)
		if err != nil {
			return packet{}, fmt.Errorf("%w: ack id", ErrProtocol)
		}
		p.id = id
	}
	p.data = text[digits:]
	if !validPayload(p.kind, p.data) {
		return packet{}, fmt.Errorf("%w: payload", ErrProtocol)
	}
	return p, nil
}

// validPayload reports whether a payload is JSON, of the type that goes with the packet.
func validPayload(kind byte, data []byte) bool {
	if len(data) == 0 {
		return kind == sioConnect || kind == sioDisconnect
	}
	var types string // first characters
	switch kind {
	case sioConnect:
		types = "{"
	case sioConnectError:
		types = `{"`
	case sioEvent, sioAck:
		types = "["
	}
	return strings.IndexByte(types, data[0]) >= 0 && json.Valid(data)
}

// splitName splits the array of an event into the name and what is left of its inside.
func splitName(data []byte) (name, rest []byte, err error) {
	inside := insideArray(data)
	end := 1
	for ; end < len(inside) && inside[end] != '"'; end++ {
		if inside[end] == '\\' {
			end++
		}
	}
	if len(inside) == 0 || inside[0] != '"' || end >= len(inside) {
		return nil, nil, fmt.Errorf("%w: event without a name", ErrProtocol)
	}
	name = inside[1:end]
	if bytes.IndexByte(name, '\\') >= 0 {
		var s string
		if err := json.Unmarshal(inside[:end+1], &s); err != nil {
			return nil, nil, fmt.Errorf("%w: name of an event", ErrProtocol)
		}
		name = []byte(s)
	}
	rest = bytes.TrimSpace(inside[end+1:])
	return name, bytes.TrimSpace(bytes.TrimPrefix(rest, []byte{','})), nil
}

// insideArray returns what stands between the brackets of an array.
func insideArray(data []byte) []byte {
	data = bytes.TrimSpace(data)
	return bytes.TrimSpace(data[1 : len(data)-1])
}

// encodeEvent encodes an event as the messages of a transport. An argument of type []byte becomes an attachment.
func encodeEvent(namespace string, id int64, event string, args []any) ([]Message, error) {
	list := make([]any, 1, 1+len(args))
	list[0] = event
	messages := make([]Message, 1)
	for _, arg := range args {
		if data, ok := arg.([]byte); ok {
			arg = map[string]any{"_placeholder": true, "num": len(messages) - 1}
			messages = append(messages, Message{Binary: true, Data: data})
		}
		list = append(list, arg)
	}
	data, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("encode event %q: %w", event, err)
	}
	messages[0].Data = appendPacket(sioEvent, namespace, id, len(messages)-1, data)
	return messages, nil
}

// appendPacket encodes an Engine.IO message with a Socket.IO packet in it.
func appendPacket(kind byte, namespace string, id int64, attachments int, data []byte) []byte {
	b := make([]byte, 0, 16+len(namespace)+len(data))
	if attachments > 0 {
		b = append(b, engineMessage, kind+sioBinaryEvent-sioEvent)
		b = strconv.AppendInt(b, int64(attachments), 10)
		b = append(b, '-')
	} else {
		b = append(b, engineMessage, kind)
	}
	if namespace != "/" {
		b = append(b, namespace...)
		b = append(b, ',')
	}
	if id != noID {
		b = strconv.AppendInt(b, id, 10)
	}
	return append(b, data...)
}

// separator stands between the packets of a long-polling payload (Engine.IO protocol, "Packet encoding").
const separator = 0x1e

func encodePayload(messages []Message) []byte {
	var b []byte
	for i, m := range messages {
		if i > 0 {
			b = append(b, separator)
		}
		if m.Binary {
			b = append(b, 'b')
			b = base64.StdEncoding.AppendEncode(b, m.Data)
		} else {
			b = append(b, m.Data...)
		}
	}
	return b
}

// decodePayload decodes in place: the messages point to payload.
func decodePayload(payload []byte) ([]Message, error) {
	if !utf8.Valid(payload) {
		return nil, fmt.Errorf("%w: payload is not UTF-8", ErrProtocol)
	}
	var messages []Message
	for part := range bytes.SplitSeq(payload, []byte{separator}) {
		switch {
		case len(part) == 0:
			return nil, fmt.Errorf("%w: empty packet", ErrProtocol)
		case part[0] == 'b':
			n, err := base64.StdEncoding.Decode(part[1:], part[1:])
			if err != nil {
				return nil, fmt.Errorf("%w: binary packet: %w", ErrProtocol, err)
			}
			messages = append(messages, Message{Binary: true, Data: part[1 : 1+n]})
		default:
			messages = append(messages, Message{Data: part})
		}
	}
	return messages, nil
}
