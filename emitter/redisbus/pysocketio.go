package redisbus

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/ws-emit/ws-emit/emitter"
)

// pythonEmit are the members of a python-socketio message that mean something here. Others, such as host_id, are ignored.
type pythonEmit struct {
	document
	method, event, data, binary, namespace, room, skipSID, callback span
}

// decodePython decodes what the RedisManager of python-socketio publishes as JSON, which is since 5.14.0, and what is written by hand
// after its example:
//
//	{"method":"emit","event":E,"data":D,"binary":B,"namespace":N,"room":R,"skip_sid":S,"callback":C,"host_id":H}
//
// Where python's own receivers would deliver to nobody, nothing is delivered here either: in an empty list of rooms, with an empty
// namespace or none.
func decodePython(dst []emitter.Message, in published, rules *rules) ([]emitter.Message, DropReason) {
	p, reason := parsePython(in.body)
	if reason != "" {
		return dst, reason
	}
	var m emitter.Message
	if reason := cmp.Or(p.readName(&m), p.readRooms(&m), p.readData(&m)); reason != "" {
		return dst, reason
	}
	if err := m.Validate(rules.limits); err != nil {
		reason := validateReason(err)
		if reason == DropMalformed {
			// The arguments are valid JSON, it can only be about attachments.
			reason = DropBinary
		}
		return dst, reason
	}
	if !p.isNull(p.callback) {
		reason = DropAck
	}
	return append(dst, m), reason
}

// parsePython finds the members of an emit.
func parsePython(payload []byte) (p pythonEmit, reason DropReason) {
	payload = bytes.TrimPrefix(payload, []byte("\uFEFF"))
	if looksPickled(payload) {
		return p, DropPickle
	}
	doc, err := parseDocument(payload)
	switch {
	case errors.Is(err, errNotUTF8):
		return p, DropEncoding
	case err != nil, doc.first(doc.root()) != '{':
		return p, DropMalformed
	}
	p.document = doc
	for key, value := range doc.members(doc.root()) {
		// As in Python, the last one of equal keys counts.
		switch name, _ := doc.chars(key); string(name) {
		case "method":
			p.method = value
		case "event":
			p.event = value
		case "data":
			p.data = value
		case "binary":
			p.binary = value
		case "namespace":
			p.namespace = value
		case "room":
			p.room = value
		case "skip_sid":
			p.skipSID = value
		case "callback":
			p.callback = value
		}
	}
	if method, _ := doc.chars(p.method); string(method) != "emit" {
		return p, DropMethod
	}
	return p, ""
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

// readName reads where and what: namespace and event.
func (p *pythonEmit) readName(m *emitter.Message) DropReason {
	var ok bool
	if m.Namespace, ok = p.text(p.namespace); !ok || m.Namespace == "" {
		return DropNamespace
	}
	if m.Event, ok = p.text(p.event); !ok {
		return DropEvent
	}
	return ""
}

// readRooms reads to whom. Without a room the message is for the whole namespace.
func (p *pythonEmit) readRooms(m *emitter.Message) DropReason {
	var ok bool
	if !p.isNull(p.room) {
		if m.Rooms, ok = p.names(p.room); !ok || len(m.Rooms) == 0 {
			return DropRoom
		}
	}
	if !p.isNull(p.skipSID) {
		if m.Except, ok = p.names(p.skipSID); !ok {
			return DropRoom
		}
	}
	return ""
}

// names reads one name or a list of them. An integer, which can be a room in Python, stands for its digits. Names that no socket can have
// are left out.
func (p *pythonEmit) names(s span) (names []string, ok bool) {
	if p.first(s) != '[' {
		return p.appendName(make([]string, 0, 1), s)
	}
	for element := range p.elements(s) {
		if names, ok = p.appendName(names, element); !ok {
			return nil, false
		}
	}
	return names, true
}

func (p *pythonEmit) appendName(names []string, s span) ([]string, bool) {
	name, ok := p.text(s)
	if !ok {
		if name, ok = p.integer(s); !ok {
			return nil, false
		}
	}
	if name == "" || len(name) > emitter.MaxRoomBytes {
		return names, true
	}
	return append(names, name), true
}

// integer returns the text of a number without fraction and exponent.
func (p *pythonEmit) integer(s span) (text string, ok bool) {
	switch c := p.first(s); {
	case c == '-', '0' <= c && c <= '9':
		raw := p.raw(s)
		return string(raw), !bytes.ContainsAny(raw, ".eE")
	}
	return "", false
}

// readData reads the arguments and the attachments.
func (p *pythonEmit) readData(m *emitter.Message) DropReason {
	if p.data.absent() {
		return DropMalformed
	}
	switch p.first(p.binary) {
	case 't':
		return p.readBinary(m)
	case 'f', 'n', 0:
		m.Args = p.args(p.data)
		return ""
	}
	return DropBinary
}

// args returns the arguments that a value of data stands for. Since 5.15.1 it is the list of them; before, a tuple came as a list too, and
// anything else was the only argument. None is no argument at all.
func (p *pythonEmit) args(data span) []json.RawMessage {
	if p.isNull(data) {
		return nil
	}
	args := make([]json.RawMessage, 0, 1)
	if p.first(data) != '[' {
		return append(args, p.raw(data))
	}
	null := false
	for element := range p.elements(data) {
		null = p.isNull(element)
		args = append(args, p.raw(element))
	}
	if len(args) == 1 && null {
		return nil
	}
	return args
}

// readBinary reads data that is a list of the value with placeholders and the attachments in base64.
func (p *pythonEmit) readBinary(m *emitter.Message) DropReason {
	if p.first(p.data) != '[' {
		return DropBinary
	}
	var value span
	for element := range p.elements(p.data) {
		if value.absent() {
			value = element
			continue
		}
		if len(m.Attachments) == emitter.MaxAttachments {
			return DropBinary
		}
		attachment, ok := p.base64(element)
		if !ok {
			return DropBinary
		}
		m.Attachments = append(m.Attachments, attachment)
	}
	if value.absent() {
		return DropBinary
	}
	if len(m.Attachments) == 0 && bytes.Contains(p.raw(value), []byte(`"_placeholder"`)) {
		return DropBinary // stands for an attachment that is not there; Validate looks only where there are any
	}
	m.Args = p.args(value)
	return ""
}

// strictBase64 has no place for bits or bytes that mean nothing, apart from line ends.
var strictBase64 = base64.StdEncoding.Strict()

func (p *pythonEmit) base64(s span) (attachment []byte, ok bool) {
	text, ok := p.text(s)
	if !ok || strings.ContainsAny(text, "\r\n") {
		return nil, false
	}
	attachment, err := strictBase64.DecodeString(text)
	return attachment, err == nil
}
