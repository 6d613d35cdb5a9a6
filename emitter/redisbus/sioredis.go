package redisbus

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"

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

	kind, nsp, id jsonscan.Value    // of the packet
	data          []json.RawMessage // of the packet: the event and its arguments
	noData        DropReason        // why there are none
	attachments   [][]byte          // of the placeholders in data
	rooms, except jsonscan.Value    // of the options
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
	b.limits, b.noData = rules.limits, DropMalformed
	if len(payload) > 0 && payload[0] == '[' {
		reason, err = b.parseJSON(payload)
	} else {
		reason = b.parseMsgpack(payload)
	}
	return b, reason, err
}

// parseJSON parses a list of three.
func (b *nodeBroadcast) parseJSON(payload []byte) (DropReason, error) {
	list, fault := jsonscan.Parse(payload, jsonscan.Python)
	if fault != nil {
		return syntaxReason(payload, fault)
	}
	var parts [3]jsonscan.Value
	n := 0
	for element := range list.Elements() {
		if n == len(parts) {
			return DropMalformed, nil
		}
		parts[n] = element
		n++
	}
	packet, opts := parts[1], parts[2]
	switch {
	case packet.Kind() != '{', opts.Kind() != '{':
		return DropMalformed, nil
	case len(packet.Raw) > maxText(b.limits):
		return DropTooLarge, nil
	}
	var data jsonscan.Value
	for key, value := range packet.Members() {
		// As in JavaScript, the last one of equal keys counts.
		switch name, _ := key.Chars(); string(name) {
		case "type":
			b.kind = value
		case "data":
			data = value
		case "nsp":
			b.nsp = value
		case "id":
			b.id = value
		}
	}
	b.rooms, b.except = targets(opts)
	if data.Kind() != '[' {
		return "", nil
	}
	var ok bool
	if b.data, ok = arguments(data, b.limits); !ok {
		b.noData = DropTooLarge
	}
	return "", nil
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
	if b.data == nil {
		return b.noData
	}
	if len(b.data) == 0 {
		return DropEvent
	}
	var ok bool
	if m.Event, ok = (jsonscan.Value{Raw: b.data[0]}).Text(); !ok {
		return DropEvent
	}
	m.Args = b.data[1:]
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
