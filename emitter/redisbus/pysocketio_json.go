package redisbus

import (
	"bytes"
	"encoding/base64"
	"encoding/json"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/internal/jsonscan"
)

// pythonJSON is a message of python-socketio in JSON.
type pythonJSON struct {
	limits  emitter.Limits
	members [memberCount]jsonscan.Value
}

var _ pythonSource = (*pythonJSON)(nil)

func parsePythonJSON(payload []byte, rules *rules) (pythonSource, DropReason, error) {
	p := &rules.python
	*p = pythonJSON{limits: rules.limits}
	var fault *jsonscan.SyntaxError
	isObject := jsonscan.Kind(payload) == '{'
	if isObject {
		fault = jsonscan.ParseMembers(payload, jsonscan.Python, func(key, value jsonscan.Value) {
			name, _ := key.Chars()
			// As in Python, the last one of equal keys counts.
			if member := pythonMemberOf(name); member != memberCount {
				p.members[member] = value
			}
		})
	} else {
		_, fault = jsonscan.Parse(payload, jsonscan.Python)
	}
	switch {
	case fault != nil:
		reason, err := syntaxReason(payload, fault)
		return nil, reason, err
	case !isObject:
		return nil, DropMalformed, nil
	}
	return p, "", nil
}

func (p *pythonJSON) shape(member pythonMember) memberShape {
	switch v := &p.members[member]; {
	case v.IsNull():
		return shapeNull
	case v.Kind() == '[':
		return shapeList
	}
	return shapeOther
}

func (p *pythonJSON) chars(member pythonMember) (chars []byte, ok bool) {
	return p.members[member].Chars()
}

func (p *pythonJSON) names(member pythonMember) (names []string, ok bool) {
	v := p.members[member]
	if v.Kind() != '[' {
		return appendNameOf(make([]string, 0, 1), v, p.limits)
	}
	for element := range v.Elements() {
		if names, ok = appendNameOf(names, element, p.limits); !ok {
			return nil, false
		}
	}
	return names, true
}

func (p *pythonJSON) data() (args []json.RawMessage, attachments [][]byte, reason DropReason) {
	data := p.members[memberData]
	if data.Raw == nil {
		return nil, nil, DropMalformed
	}
	if len(data.Raw) > maxText(p.limits) {
		return nil, nil, DropTooLarge
	}
	switch p.members[memberBinary].Kind() {
	case 't':
		return p.binary(data)
	case 'f', 'n', 0:
		args, reason = p.args(data)
		return args, nil, reason
	}
	return nil, nil, DropBinary
}

// args returns the arguments that a value of data stands for, which are written over it. Since 5.15.1 it is the list of them; before, a tuple
// came as a list too, and anything else was the only argument. None is no argument at all.
func (p *pythonJSON) args(data jsonscan.Value) (args []json.RawMessage, reason DropReason) {
	switch {
	case data.IsNull():
		return nil, ""
	case data.Kind() != '[':
		return []json.RawMessage{data.CompactInPlace()}, ""
	}
	args, ok := arguments(data, p.limits)
	if !ok {
		return nil, DropTooLarge
	}
	if len(args) == 1 && string(args[0]) == "null" {
		for element := range data.Elements() {
			if element.IsNull() { // NaN is not
				return nil, ""
			}
		}
	}
	return args, ""
}

// binary reads data that is a list of the value with placeholders and the attachments in base64.
func (p *pythonJSON) binary(data jsonscan.Value) (args []json.RawMessage, attachments [][]byte, reason DropReason) {
	if data.Kind() != '[' {
		return nil, nil, DropBinary
	}
	var value jsonscan.Value
	for element := range data.Elements() {
		if value.Raw == nil {
			value = element
			continue
		}
		if len(attachments) == emitter.MaxAttachments {
			return nil, nil, DropBinary
		}
		attachment, ok := decodeBase64(element)
		if !ok {
			return nil, nil, DropBinary
		}
		attachments = append(attachments, attachment)
	}
	if value.Raw == nil {
		return nil, nil, DropBinary
	}
	if len(attachments) == 0 && bytes.Contains(value.Raw, []byte(`"_placeholder"`)) {
		return nil, nil, DropBinary // stands for an attachment that is not there; Validate looks only where there are any
	}
	args, reason = p.args(value)
	return args, attachments, reason
}

// strictBase64 has no place for bits or bytes that mean nothing, apart from line ends.
var strictBase64 = base64.StdEncoding.Strict()

func decodeBase64(v jsonscan.Value) (attachment []byte, ok bool) {
	text, ok := v.Chars()
	if !ok || bytes.ContainsAny(text, "\r\n") {
		return nil, false
	}
	attachment, err := strictBase64.AppendDecode(make([]byte, 0, strictBase64.DecodedLen(len(text))), text)
	return attachment, err == nil
}
