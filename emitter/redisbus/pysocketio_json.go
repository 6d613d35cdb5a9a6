package redisbus

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/ws-emit/ws-emit/emitter"
)

// pythonJSON is a message of python-socketio in JSON.
type pythonJSON struct {
	document
	members [memberCount]span
}

var _ pythonSource = (*pythonJSON)(nil)

func parsePythonJSON(payload []byte, rules *rules) (pythonSource, DropReason, error) {
	doc, reason := parseDocument(payload, rules.limits)
	if reason != "" {
		return nil, reason, doc.err
	}
	root := doc.root()
	if doc.first(root) != '{' {
		return nil, DropMalformed, nil
	}
	p := &pythonJSON{document: doc}
	for key, value := range doc.members(root) {
		name, _ := doc.chars(key)
		// As in Python, the last one of equal keys counts.
		if member := pythonMemberOf(name); member != memberCount {
			p.members[member] = value
		}
	}
	return p, "", nil
}

func (p *pythonJSON) shape(member pythonMember) memberShape {
	switch s := p.members[member]; {
	case p.isNull(s):
		return shapeNull
	case p.first(s) == '[':
		return shapeList
	}
	return shapeOther
}

func (p *pythonJSON) chars(member pythonMember) (chars []byte, ok bool) {
	return p.document.chars(p.members[member])
}

func (p *pythonJSON) names(member pythonMember) (names []string, ok bool) {
	s := p.members[member]
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

func (p *pythonJSON) data() (args []json.RawMessage, attachments [][]byte, reason DropReason) {
	data := p.members[memberData]
	if data.absent() {
		return nil, nil, DropMalformed
	}
	if data.end-data.start > maxText(p.limits) {
		return nil, nil, DropTooLarge
	}
	switch p.first(p.members[memberBinary]) {
	case 't':
		return p.binary(data)
	case 'f', 'n', 0:
		args, reason = p.args(data)
		return args, nil, reason
	}
	return nil, nil, DropBinary
}

// args returns the arguments that a value of data stands for. Since 5.15.1 it is the list of them; before, a tuple came as a list too, and
// anything else was the only argument. None is no argument at all.
func (p *pythonJSON) args(data span) (args []json.RawMessage, reason DropReason) {
	if p.isNull(data) {
		return nil, ""
	}
	if p.first(data) != '[' {
		return []json.RawMessage{p.raw(data)}, ""
	}
	args, ok := p.document.args(data)
	switch {
	case !ok:
		return nil, DropTooLarge
	case len(args) > 1:
		return args, ""
	}
	for element := range p.elements(data) {
		if p.isNull(element) { // NaN is not
			return nil, ""
		}
	}
	return args, ""
}

// binary reads data that is a list of the value with placeholders and the attachments in base64.
func (p *pythonJSON) binary(data span) (args []json.RawMessage, attachments [][]byte, reason DropReason) {
	if p.first(data) != '[' {
		return nil, nil, DropBinary
	}
	var value span
	for element := range p.elements(data) {
		if value.absent() {
			value = element
			continue
		}
		if len(attachments) == emitter.MaxAttachments {
			return nil, nil, DropBinary
		}
		attachment, ok := p.base64(element)
		if !ok {
			return nil, nil, DropBinary
		}
		attachments = append(attachments, attachment)
	}
	if value.absent() {
		return nil, nil, DropBinary
	}
	if len(attachments) == 0 && bytes.Contains(p.raw(value), []byte(`"_placeholder"`)) {
		return nil, nil, DropBinary // stands for an attachment that is not there; Validate looks only where there are any
	}
	args, reason = p.args(value)
	return args, attachments, reason
}

// strictBase64 has no place for bits or bytes that mean nothing, apart from line ends.
var strictBase64 = base64.StdEncoding.Strict()

func (p *pythonJSON) base64(s span) (attachment []byte, ok bool) {
	text, ok := p.text(s)
	if !ok || strings.ContainsAny(text, "\r\n") {
		return nil, false
	}
	attachment, err := strictBase64.DecodeString(text)
	return attachment, err == nil
}
