package redisbus

import (
	"bytes"
	"cmp"
	"encoding/json"

	"github.com/ws-emit/ws-emit/emitter"
)

// pythonMember is a member of a python-socketio message that means something here. Others, such as host_id, are ignored.
type pythonMember int

const (
	memberMethod pythonMember = iota
	memberEvent
	memberData
	memberBinary
	memberNamespace
	memberRoom
	memberSID
	memberSkipSID
	memberCallback
	memberCount
)

// pythonMemberOf returns the member of a name, or memberCount.
func pythonMemberOf(name []byte) pythonMember {
	switch string(name) {
	case "method":
		return memberMethod
	case "event":
		return memberEvent
	case "data":
		return memberData
	case "binary":
		return memberBinary
	case "namespace":
		return memberNamespace
	case "room":
		return memberRoom
	case "sid":
		return memberSID
	case "skip_sid":
		return memberSkipSID
	case "callback":
		return memberCallback
	}
	return memberCount
}

// memberShape is what a member is, as far as that matters for any of them.
type memberShape int

const (
	shapeNull memberShape = iota // or absent
	shapeList
	shapeOther
)

// pythonSource is a message of python-socketio in one of its encodings, as the rest of this file reads it.
type pythonSource interface {
	shape(pythonMember) memberShape
	// chars returns a member that is a string without half of a surrogate pair. They must not be changed.
	chars(pythonMember) (chars []byte, ok bool)
	// names returns a member that is one name or a list of them, if there are not too many. An integer, which can be a room in Python,
	// stands for its digits. Names that no socket can have are left out (appendName).
	names(pythonMember) (names []string, ok bool)
	// data returns the arguments and the attachments of an event.
	data() (args []json.RawMessage, attachments [][]byte, reason DropReason)
}

// decodePython decodes what the RedisManager of python-socketio publishes, as JSON since 5.14.0 and as a pickle before, and what is written
// by hand after its example:
//
//	{"method":"emit","event":E,"data":D,"binary":B,"namespace":N,"room":R,"skip_sid":S,"callback":C,"host_id":H}
//	{"method":"disconnect","sid":SID,"namespace":N,"host_id":H}
//	{"method":"enter_room","sid":SID,"room":R,"namespace":N,"host_id":H}, leave_room as well
//	{"method":"close_room","room":R,"namespace":N,"host_id":H}
//
// Where python's own receivers would deliver to nobody, nothing is delivered here either: in an empty list of rooms, with an empty
// namespace or none. The method callback is for python's servers only, an ack never goes out from here.
func decodePython(dst []emitter.Message, in published, rules *rules) ([]emitter.Message, DropReason, error) {
	p, reason, err := parsePython(bytes.TrimPrefix(in.body, []byte("\uFEFF")), rules)
	if reason != "" {
		return dst, reason, err
	}
	var m emitter.Message
	if reason := readPython(p, &m); reason != "" {
		return dst, reason, nil
	}
	if err := m.ValidateParsed(rules.limits); err != nil {
		reason := validateReason(err)
		if reason == DropMalformed {
			// The arguments are valid JSON, it can only be about attachments, or about the room to enter.
			if reason = DropRoom; m.Method == emitter.MethodEmit {
				reason = DropBinary
			}
		}
		return dst, reason, err
	}
	if m.Method == emitter.MethodEmit && p.shape(memberCallback) != shapeNull {
		reason = DropAck
	}
	return append(dst, m), reason, nil
}

// parsePython finds the members of a message.
func parsePython(body []byte, rules *rules) (pythonSource, DropReason, error) {
	switch {
	case !looksPickled(body):
		return parsePythonJSON(body, rules)
	case !rules.pickle:
		return nil, DropPickle, nil
	}
	return parsePythonPickle(body, rules)
}

// looksPickled reports whether a payload begins as a pickled dict of any protocol does. No JSON begins like this.
func looksPickled(b []byte) bool {
	if len(b) < 2 {
		return false
	}
	switch string(b[:2]) {
	case "(d", "}q", "}(", "}.": // protocols 0 and 1
		return true
	}
	return b[0] == 0x80 // PROTO, protocol 2 and later
}

// readPython reads a message that asks for any method.
func readPython(p pythonSource, m *emitter.Message) DropReason {
	method, _ := p.chars(memberMethod)
	var ok bool
	if m.Method, ok = emitter.ParseMethod(string(method)); !ok {
		return DropMethod
	}
	if reason := readNamespace(p, m); reason != "" {
		return reason
	}
	switch m.Method {
	case emitter.MethodEmit:
		return cmp.Or(readEvent(p, m), readRooms(p, m), readData(p, m))
	case emitter.MethodCloseRoom:
		return readRoom(p, &m.Rooms)
	case emitter.MethodEnterRoom, emitter.MethodLeaveRoom:
		return cmp.Or(readSID(p, m), readRoom(p, &m.Change))
	}
	return readSID(p, m)
}

// readNamespace reads the namespace. Only to disconnect python's servers need none.
func readNamespace(p pythonSource, m *emitter.Message) (reason DropReason) {
	namespace, ok := p.chars(memberNamespace)
	if m.Namespace = string(namespace); m.Namespace != "" {
		return ""
	}
	if m.Method == emitter.MethodDisconnect && (ok || p.shape(memberNamespace) == shapeNull) {
		return "" // which stands for "/"
	}
	return DropNamespace
}

func readEvent(p pythonSource, m *emitter.Message) DropReason {
	event, ok := p.chars(memberEvent)
	if !ok {
		return DropEvent
	}
	m.Event = string(event)
	return ""
}

// readRooms reads to whom an event goes. Without a room it is for the whole namespace.
func readRooms(p pythonSource, m *emitter.Message) DropReason {
	var ok bool
	if p.shape(memberRoom) != shapeNull {
		if m.Rooms, ok = p.names(memberRoom); !ok || len(m.Rooms) == 0 {
			return DropRoom
		}
	}
	if p.shape(memberSkipSID) != shapeNull {
		if m.Except, ok = p.names(memberSkipSID); !ok {
			return DropRoom
		}
	}
	return ""
}

func readData(p pythonSource, m *emitter.Message) (reason DropReason) {
	m.Args, m.Attachments, reason = p.data()
	return reason
}

// readSID reads which socket is meant. None is nobody, and never everybody.
func readSID(p pythonSource, m *emitter.Message) DropReason {
	sid, _ := p.chars(memberSID)
	switch {
	case len(sid) == 0:
		return DropRoom
	case !isSID(string(sid)):
		return DropForeign
	}
	m.Rooms = []string{string(sid)}
	return ""
}

// readRoom reads the one room that is entered, left or closed.
func readRoom(p pythonSource, rooms *[]string) DropReason {
	names, ok := p.names(memberRoom)
	if !ok || len(names) != 1 || p.shape(memberRoom) == shapeList {
		return DropRoom
	}
	*rooms = names
	return ""
}
