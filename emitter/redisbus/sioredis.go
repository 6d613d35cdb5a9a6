package redisbus

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/tinylib/msgp/msgp"

	"github.com/ws-emit/ws-emit/emitter"
)

// nodeRoute decodes what is published for one namespace in the formats of @socket.io/redis-adapter.
type nodeRoute struct {
	namespace string
	prefix    string            // what the names of the channels for broadcasts begin with
	prefixes  map[string]string // the same for all namespaces of the Reader
}

// nodeDocument is a payload of a Node as JSON, and the attachments of its placeholders.
type nodeDocument struct {
	document
	attachments [][]byte
}

// nodeBroadcast are the members of a broadcast that mean something here.
type nodeBroadcast struct {
	nodeDocument
	kind, data, nsp, id span // of the packet
	rooms, except       span // of the options
}

// decodeBroadcast decodes what redis-adapter 6 to 8, redis-emitter 4 and 5, socket.io-emitter 1 to 3 and their likes in other languages
// publish, in MessagePack or as JSON:
//
//	[uid, {"type":2,"data":[event,arg,...],"nsp":N}, {"rooms":[R,...],"except":[R,...],"flags":{...}}]
//
// on the channel KEY#N#, or KEY#N#R# for a single room. It is stricter than the adapter, where that would pass on what makes clients
// disconnect, and more lenient with what publishers in other languages write for an empty list or a packet with binary. Flags make no
// difference: each message is sent as any other, however volatile, and a receiver of the adapter does not look at "local" either.
func (r nodeRoute) decodeBroadcast(dst []emitter.Message, in published, rules *rules) ([]emitter.Message, DropReason, error) {
	b, reason := parseBroadcast(in.body, rules)
	if reason != "" {
		return dst, reason, b.err
	}
	m := emitter.Message{Namespace: r.namespace, Attachments: b.attachments}
	reason = cmp.Or(b.checkType(), r.checkNamespace(&b, in.channel), b.readData(&m), b.readTargets(&m, b.rooms, b.except), r.narrow(&m, in.channel))
	if reason != "" {
		return dst, reason, nil
	}
	if err := m.ValidateParsed(rules.limits); err != nil {
		if reason = validateReason(err); reason == DropMalformed {
			reason = DropBinary // the arguments are valid JSON, it can only be about attachments
		}
		return dst, reason, err
	}
	if !b.isNull(b.id) {
		reason = DropAck
	}
	return append(dst, m), reason, nil
}

// parseBroadcast finds the members of a broadcast.
func parseBroadcast(payload []byte, rules *rules) (b nodeBroadcast, reason DropReason) {
	var parts [3]span
	if len(payload) > 0 && payload[0] == '[' {
		b.document, parts, reason = jsonParts(payload, rules.limits)
	} else {
		b.nodeDocument, parts, reason = msgpackParts(payload, rules.limits)
	}
	packet, opts := parts[1], parts[2]
	switch {
	case reason != "":
		return b, reason
	case b.first(packet) != '{', b.first(opts) != '{':
		return b, DropMalformed
	case packet.end-packet.start > maxText(rules.limits):
		return b, DropTooLarge
	}
	for key, value := range b.members(packet) {
		// As in JavaScript, the last one of equal keys counts.
		switch name, _ := b.chars(key); string(name) {
		case "type":
			b.kind = value
		case "data":
			b.data = value
		case "nsp":
			b.nsp = value
		case "id":
			b.id = value
		}
	}
	b.rooms, b.except = b.targets(opts)
	return b, ""
}

// jsonParts returns the elements of a list of three.
func jsonParts(payload []byte, limits emitter.Limits) (d document, parts [3]span, reason DropReason) {
	if d, reason = parseDocument(payload, limits); reason != "" {
		return d, parts, reason
	}
	n := 0
	for element := range d.elements(d.root()) {
		if n == len(parts) {
			return d, parts, DropMalformed
		}
		parts[n] = element
		n++
	}
	if n < len(parts) {
		return d, parts, DropMalformed
	}
	return d, parts, ""
}

// msgpackParts is jsonParts for MessagePack. Only the second element may have attachments.
func msgpackParts(payload []byte, limits emitter.Limits) (d nodeDocument, parts [3]span, reason DropReason) {
	if looksPickled(payload) {
		return d, parts, DropPickle
	}
	n, rest, err := msgp.ReadArrayHeaderBytes(payload)
	if err != nil || int(n) != len(parts) {
		return d, parts, DropMalformed
	}
	r := msgpackReader{limit: maxText(limits)}
	r.buf = make([]byte, 0, min(len(payload)+len(payload)/4+64, r.limit))
	for i := range parts {
		start := len(r.buf)
		r.textOnly = i != 1
		if rest, reason = r.value(rest, 1); reason != "" {
			return d, parts, reason
		}
		parts[i] = span{start, len(r.buf)}
	}
	if len(rest) > 0 {
		return d, parts, DropMalformed
	}
	d.b, d.limits, d.attachments = r.buf, limits, r.attachments
	return d, parts, ""
}

// The types of packets that are events (Socket.IO protocol, "Packet encoding"). Which one it becomes is for the encoder to say: there are
// publishers that write BINARY_EVENT without binary, and most never write it.
const (
	packetEvent       = "2"
	packetBinaryEvent = "5"
)

// checkType checks what a packet is.
func (b *nodeBroadcast) checkType() DropReason {
	switch kind, ok := b.integer(b.kind); {
	case !ok:
		return DropMalformed
	case kind != packetEvent && kind != packetBinaryEvent:
		return DropMethod // one would disconnect the clients, others are nonsense
	}
	return ""
}

// checkNamespace checks which namespace a packet is for. Where the name of one begins with that of another one and a "#", Redis delivers its
// messages by the pattern of the other one as well.
func (r nodeRoute) checkNamespace(b *nodeBroadcast, channel string) DropReason {
	var nsp []byte
	if !b.isNull(b.nsp) {
		var ok bool
		if nsp, ok = b.chars(b.nsp); !ok {
			return DropNamespace
		}
	}
	if len(nsp) == 0 {
		nsp = []byte("/")
	}
	if string(nsp) == r.namespace {
		return ""
	}
	if prefix, ok := r.prefixes[string(nsp)]; ok && strings.HasPrefix(channel, prefix) {
		return DropDuplicate
	}
	return DropNamespace
}

// readData reads the event and its arguments.
func (b *nodeBroadcast) readData(m *emitter.Message) DropReason {
	if b.first(b.data) != '[' {
		return DropMalformed
	}
	named := false
	for event := range b.elements(b.data) {
		m.Event, named = b.text(event)
		break
	}
	if !named {
		return DropEvent
	}
	list, ok := b.args(b.data)
	if !ok {
		return DropTooLarge
	}
	m.Args = list[1:]
	return ""
}

// targets returns the lists of rooms in the options of a broadcast or request.
func (d *nodeDocument) targets(opts span) (rooms, except span) {
	for key, value := range d.members(opts) {
		switch name, _ := d.chars(key); string(name) {
		case "rooms":
			rooms = value
		case "except":
			except = value
		}
	}
	return rooms, except
}

// readTargets reads to whom. Without a room it is everybody; where rooms are named that nobody can be in, it is nobody.
func (d *nodeDocument) readTargets(m *emitter.Message, rooms, except span) DropReason {
	var named, ok bool
	if m.Rooms, named, ok = d.names(rooms); !ok || named && len(m.Rooms) == 0 {
		return DropRoom
	}
	if m.Except, _, ok = d.names(except); !ok {
		return DropRoom
	}
	return ""
}

// narrow applies the room in the name of the channel. Where the message names no room, it is for that one only, and where it names others, it
// is for nobody. Emitters of old publish a message for several rooms on the channel of each, with all of them in it: the copy on the channel
// of the first one is the message, so that who is in several gets it once, and the others are dropped.
func (r nodeRoute) narrow(m *emitter.Message, channel string) DropReason {
	suffix := strings.TrimPrefix(channel, r.prefix)
	if suffix == "" {
		return ""
	}
	room := strings.TrimSuffix(suffix, "#") // which version 5.0.0 of the adapter forgot
	switch slices.Index(m.Rooms, room) {
	case 0:
	case -1:
		if len(m.Rooms) > 0 {
			return DropRoom
		}
		m.Rooms = append(m.Rooms, room)
	default:
		return DropDuplicate
	}
	return ""
}

// names reads a list of names, or a single one. Null and an empty string are empty lists, and an object with integers for keys is the list of
// its values: so some languages write a list that has lost an element, while none writes an empty object. named tells whether there is any
// name; those that no socket can have are left out.
func (d *nodeDocument) names(s span) (names []string, named, ok bool) {
	switch d.first(s) {
	case 0, 'n':
		return nil, false, true
	case '"':
		if s.end-s.start == len(`""`) {
			return nil, false, true
		}
		names, ok = d.appendName(nil, s)
		return names, true, ok
	case '[':
		for element := range d.elements(s) {
			named = true
			if names, ok = d.appendName(names, element); !ok {
				return nil, true, false
			}
		}
		return names, named, true
	case '{':
		for key, value := range d.members(s) {
			named = true
			if digits, _ := d.chars(key); len(bytes.Trim(digits, "0123456789")) > 0 || len(digits) == 0 {
				return nil, true, false
			}
			if names, ok = d.appendName(names, value); !ok {
				return nil, true, false
			}
		}
		return names, named, named
	}
	return nil, true, false
}
