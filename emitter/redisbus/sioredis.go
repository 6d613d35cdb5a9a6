package redisbus

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/tinylib/msgp/msgp"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/internal/jsonscan"
)

// nodeRoute decodes what is published for one namespace in the formats of @socket.io/redis-adapter.
type nodeRoute struct {
	namespace string
	prefix    string            // what the names of the channels for broadcasts begin with
	prefixes  map[string]string // the same for all namespaces of the Reader
}

// nodeBroadcast are the members of a broadcast that mean something here.
type nodeBroadcast struct {
	limits emitter.Limits

	kind, data, nsp, id jsonscan.Value // of the packet
	rooms, except       jsonscan.Value // of the options
	attachments         [][]byte       // of the placeholders in data
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
	b, reason, err := parseBroadcast(in.body, rules)
	if reason != "" {
		return dst, reason, err
	}
	m := emitter.Message{Namespace: r.namespace, Attachments: b.attachments}
	reason = cmp.Or(b.checkType(), r.checkNamespace(&b, in.channel), b.readData(&m), readTargets(&m, b.rooms, b.except, b.limits), r.narrow(&m, in.channel))
	if reason != "" {
		return dst, reason, nil
	}
	if err := m.ValidateParsed(rules.limits); err != nil {
		if reason = validateReason(err); reason == DropMalformed {
			reason = DropBinary // the arguments are valid JSON, it can only be about attachments
		}
		return dst, reason, err
	}
	if !b.id.IsNull() {
		reason = DropAck
	}
	return append(dst, m), reason, nil
}

// parseBroadcast finds the members of a broadcast.
func parseBroadcast(payload []byte, rules *rules) (b nodeBroadcast, reason DropReason, err error) {
	b.limits = rules.limits
	var parts [3]jsonscan.Value
	if len(payload) > 0 && payload[0] == '[' {
		parts, reason, err = jsonParts(payload)
	} else {
		parts, b.attachments, reason = msgpackParts(payload, rules.limits)
	}
	packet, opts := parts[1], parts[2]
	switch {
	case reason != "":
		return b, reason, err
	case packet.Kind() != '{', opts.Kind() != '{':
		return b, DropMalformed, nil
	case len(packet.Raw) > maxText(rules.limits):
		return b, DropTooLarge, nil
	}
	for key, value := range packet.Members() {
		// As in JavaScript, the last one of equal keys counts.
		switch name, _ := key.Chars(); string(name) {
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
	b.rooms, b.except = targets(opts)
	return b, "", nil
}

// jsonParts returns the elements of a list of three.
func jsonParts(payload []byte) (parts [3]jsonscan.Value, reason DropReason, err error) {
	list, fault := jsonscan.Parse(payload, jsonscan.Python)
	if fault != nil {
		reason, err = syntaxReason(payload, fault)
		return parts, reason, err
	}
	n := 0
	for element := range list.Elements() {
		if n == len(parts) {
			return parts, DropMalformed, nil
		}
		parts[n] = element
		n++
	}
	if n < len(parts) {
		return parts, DropMalformed, nil
	}
	return parts, "", nil
}

// msgpackParts is jsonParts for MessagePack. Only the second element may have attachments.
func msgpackParts(payload []byte, limits emitter.Limits) (parts [3]jsonscan.Value, attachments [][]byte, reason DropReason) {
	if looksPickled(payload) {
		return parts, nil, DropPickle
	}
	n, rest, err := msgp.ReadArrayHeaderBytes(payload)
	if err != nil || int(n) != len(parts) {
		return parts, nil, DropMalformed
	}
	r := msgpackReader{limit: maxText(limits)}
	r.buf = make([]byte, 0, min(len(payload)+len(payload)/4+64, r.limit))
	var ends [3]int
	for i := range parts {
		r.textOnly = i != 1
		if rest, reason = r.value(rest, 1); reason != "" {
			return parts, nil, reason
		}
		ends[i] = len(r.buf)
	}
	if len(rest) > 0 {
		return parts, nil, DropMalformed
	}
	start := 0
	for i, end := range ends {
		parts[i] = jsonscan.Value{Raw: r.buf[start:end:end]}
		start = end
	}
	return parts, r.attachments, ""
}

// The types of packets that are events (Socket.IO protocol, "Packet encoding"). Which one it becomes is for the encoder to say: there are
// publishers that write BINARY_EVENT without binary, and most never write it.
const (
	packetEvent       = "2"
	packetBinaryEvent = "5"
)

// checkType checks what a packet is.
func (b *nodeBroadcast) checkType() DropReason {
	switch kind, ok := b.kind.Integer(); {
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
	if !b.nsp.IsNull() {
		var ok bool
		if nsp, ok = b.nsp.Chars(); !ok {
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
	if b.data.Kind() != '[' {
		return DropMalformed
	}
	list, ok := arguments(b.data, b.limits)
	switch {
	case !ok:
		return DropTooLarge
	case len(list) == 0:
		return DropEvent
	}
	m.Args = list[1:]
	if m.Event, ok = (jsonscan.Value{Raw: list[0]}).Text(); !ok {
		return DropEvent
	}
	return ""
}

// targets returns the lists of rooms in the options of a broadcast or request.
func targets(opts jsonscan.Value) (rooms, except jsonscan.Value) {
	for key, value := range opts.Members() {
		switch name, _ := key.Chars(); string(name) {
		case "rooms":
			rooms = value
		case "except":
			except = value
		}
	}
	return rooms, except
}

// readTargets reads to whom. Without a room it is everybody; where rooms are named that nobody can be in, it is nobody.
func readTargets(m *emitter.Message, rooms, except jsonscan.Value, limits emitter.Limits) DropReason {
	var named, ok bool
	if m.Rooms, named, ok = readNames(rooms, limits); !ok || named && len(m.Rooms) == 0 {
		return DropRoom
	}
	if m.Except, _, ok = readNames(except, limits); !ok {
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

// readNames reads a list of names, or a single one. Null and an empty string are empty lists, and an object with integers for keys is the list
// of its values: so some languages write a list that has lost an element, while none writes an empty object. named tells whether there is any
// name; those that no socket can have are left out.
func readNames(v jsonscan.Value, limits emitter.Limits) (names []string, named, ok bool) {
	switch v.Kind() {
	case 0, 'n':
		return nil, false, true
	case '"':
		if len(v.Raw) == len(`""`) {
			return nil, false, true
		}
		names, ok = appendNameOf(nil, v, limits)
		return names, true, ok
	case '[':
		for element := range v.Elements() {
			named = true
			if names, ok = appendNameOf(names, element, limits); !ok {
				return nil, true, false
			}
		}
		return names, named, true
	case '{':
		for key, value := range v.Members() {
			named = true
			if digits, _ := key.Chars(); len(bytes.Trim(digits, "0123456789")) > 0 || len(digits) == 0 {
				return nil, true, false
			}
			if names, ok = appendNameOf(names, value, limits); !ok {
				return nil, true, false
			}
		}
		return names, named, named
	}
	return nil, true, false
}
