package emitter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxKeys bounds what one object can cost while it is not known who sent it.
	maxKeys = 64
	// maxIgnored and maxKeyBytes bound what is told about unknown keys.
	maxIgnored  = 16
	maxKeyBytes = 64
)

// Info is what [ParseJSON] and [ParseNDJSON] learn beside the messages.
type Info struct {
	// Ignored are the unknown keys that were passed over, each once, the first 16 of all messages, each cut at 64 bytes.
	Ignored []string
}

// ParseJSON decodes the body of an emit: one object, or a list of objects, which is a batch. Every message has passed
// [Message.Validate]. Either all of them are valid or none is returned.
//
// The keys of an object are event, room, data, args, namespace, except and secret, in exactly this case and each at most once. The
// secret is passed over: who may emit is the caller's to decide. Other keys are ignored and reported.
//
// The arguments point into body, which must not be changed afterwards. Errors are of type [*InputError]; those about sizes and numbers
// match [ErrTooLarge].
func ParseJSON(body []byte, limits Limits) ([]Message, Info, error) {
	limits = limits.withDefaults()
	doc, err := scanJSON(body, limits.MaxBatch)
	if err != nil {
		return nil, Info{}, err
	}
	return doc.messages(limits)
}

// ParseNDJSON is [ParseJSON] for a body with one object on each line, always a batch. Empty lines are passed over and have no index.
func ParseNDJSON(body []byte, limits Limits) ([]Message, Info, error) {
	limits = limits.withDefaults()
	doc, err := scanNDJSON(body, limits.MaxBatch)
	if err != nil {
		return nil, Info{}, err
	}
	return doc.messages(limits)
}

// EncodeJSON returns a body that [ParseJSON] decodes: an object for one message, else a list. It fails for messages with attachments or
// another method than MethodEmit, for which the JSON form has no place, and for arguments that are not JSON; it checks nothing else.
func EncodeJSON(batch ...Message) ([]byte, error) {
	type object struct {
		Namespace string            `json:"namespace,omitempty"`
		Rooms     []string          `json:"room,omitempty"`
		Except    []string          `json:"except,omitempty"`
		Event     string            `json:"event"`
		Args      []json.RawMessage `json:"args,omitempty"`
	}
	objects := make([]object, len(batch))
	for i, m := range batch {
		if m.Method != MethodEmit {
			return nil, &InputError{Index: i, Field: "method", Reason: fmt.Sprintf("%s cannot be sent as JSON, only emit", m.Method)}
		}
		if len(m.Attachments) > 0 {
			return nil, &InputError{Index: i, Reason: "attachments cannot be sent as JSON"}
		}
		objects[i] = object{m.Namespace, m.Rooms, m.Except, m.Event, m.Args}
	}
	var body any = objects
	if len(objects) == 1 {
		body = objects[0]
	}
	raw, err := marshal(body)
	if err != nil {
		return nil, &InputError{Index: -1, Field: "args", Reason: "is not valid JSON", Err: err}
	}
	return raw, nil
}

// marshal is json.Marshal without the escapes for HTML.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// field is a key of the JSON form.
type field int

const (
	fieldEvent field = iota
	fieldRoom
	fieldData
	fieldArgs
	fieldNamespace
	fieldExcept
	fieldSecret
	numFields
)

var fieldNames = [numFields]string{"event", "room", "data", "args", "namespace", "except", "secret"}

func (f field) String() string { return fieldNames[f] }

// fieldOf returns the field of a key, or numFields for an unknown one.
func fieldOf(key []byte) field {
	for f, name := range fieldNames {
		if string(key) == name {
			return field(f)
		}
	}
	return numFields
}

// document is a body whose syntax is right, before anything else has been checked, so that a secret can be looked at first.
type document struct {
	objects []object
	batch   bool
	tooMany bool // there are more objects; those over the limit were not scanned
}

// object is one emit as it came. A field that is absent has no raw value.
type object struct {
	fields  [numFields]value
	unknown []string
	fault   *InputError // why it can be no message, or nil
}

// scanJSON returns errors about syntax only: they tell nothing but what the sender can see in his own body.
func scanJSON(body []byte, maxBatch int) (document, error) {
	if err := checkSyntax(body); err != nil {
		return document{}, err
	}
	i := skipSpace(body, 0)
	if body[i] != '[' {
		return document{objects: []object{scanObject(valueAt(body, i).raw)}}, nil
	}
	doc := document{batch: true}
	for v := range elements(body[i:]) {
		if !doc.add(v.raw, maxBatch) {
			break
		}
	}
	return doc, nil
}

func scanNDJSON(body []byte, maxBatch int) (document, error) {
	doc := document{batch: true}
	for line := range bytes.Lines(body) {
		line = bytes.TrimRight(line, " \t\r\n")
		i := skipSpace(line, 0)
		if i == len(line) {
			continue
		}
		if err := checkSyntax(line); err != nil {
			err.Index = len(doc.objects)
			return document{}, err
		}
		if !doc.add(line[i:], maxBatch) {
			break
		}
	}
	return doc, nil
}

// add reports false when there is no place for more.
func (d *document) add(raw []byte, maxBatch int) bool {
	if exceeds(len(d.objects)+1, maxBatch) {
		d.tooMany = true
		return false
	}
	d.objects = append(d.objects, scanObject(raw))
	return true
}

// checkSyntax accepts one JSON value in valid UTF-8 and nothing else.
func checkSyntax(body []byte) *InputError {
	if json.Valid(body) && utf8.Valid(body) {
		return nil
	}
	if bytes.HasPrefix(body, []byte("\uFEFF")) {
		return inputError("", "begins with a byte order mark")
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return inputError("", "is empty")
	}
	var raw json.RawMessage
	var syntax *json.SyntaxError
	if err := json.Unmarshal(body, &raw); errors.As(err, &syntax) {
		// The text of the error quotes the body, its offset does not.
		return inputError("", fmt.Sprintf("is not valid JSON at byte %d", syntax.Offset))
	}
	valid := 0
	for rest := body; ; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size <= 1 {
			return inputError("", fmt.Sprintf("is not valid UTF-8 at byte %d", valid+1))
		}
		valid, rest = valid+size, rest[size:]
	}
}

// scanObject sorts the members of an object. What it finds wrong it notes as the object's fault.
func scanObject(raw []byte) object {
	var o object
	if raw[0] != '{' {
		o.fault = inputError("", "must be an object")
		return o
	}
	keys := 0
	for quoted, v := range members(raw) {
		if keys++; keys > maxKeys {
			o.fault = inputError("", fmt.Sprintf("has more than %d keys", maxKeys))
			return o
		}
		key, f := "", fieldOf(quoted[1:len(quoted)-1])
		if f == numFields { // or a known key with escapes
			var err error
			if key, err = unquote(quoted); err != nil {
				o.fault = inputError("", "has a key that is not valid Unicode")
				continue
			}
			f = fieldOf([]byte(key))
		}
		switch {
		case f == numFields:
			if slices.Contains(o.unknown, key) {
				o.fault = inputError("", "has an unknown key twice")
			}
			o.unknown = append(o.unknown, key)
		case o.fields[f].raw != nil:
			o.fault = inputError(f.String(), "is there twice")
		default:
			o.fields[f] = v
		}
	}
	return o
}

// messages builds and validates all messages of a document.
func (d *document) messages(l Limits) ([]Message, Info, error) {
	if d.tooMany {
		return nil, Info{}, &InputError{Index: -1, Reason: fmt.Sprintf("more than %d messages", l.MaxBatch), Err: ErrTooLarge}
	}
	if len(d.objects) == 0 {
		return nil, Info{}, inputError("", "there is no message")
	}
	batch := make([]Message, len(d.objects))
	for i := range d.objects {
		if err := d.objects[i].decode(&batch[i], l); err != nil {
			if d.batch {
				err.Index = i
			}
			return nil, Info{}, err
		}
	}
	return batch, Info{Ignored: d.ignored()}, nil
}

func (d *document) ignored() []string {
	var names []string
	for _, o := range d.objects {
		for _, key := range o.unknown {
			if len(key) > maxKeyBytes {
				key = strings.ToValidUTF8(key[:maxKeyBytes], "")
			}
			if len(names) < maxIgnored && !slices.Contains(names, key) {
				names = append(names, key)
			}
		}
	}
	return names
}

// decode makes a valid message of an object.
func (o *object) decode(m *Message, l Limits) *InputError {
	if o.fault != nil {
		return o.fault
	}
	var err *InputError
	if o.fields[fieldEvent].isNull() {
		return inputError("event", "is missing")
	}
	if m.Event, err = decodeString("event", o.fields[fieldEvent]); err != nil {
		return err
	}
	if v := o.fields[fieldNamespace]; !v.isNull() {
		if m.Namespace, err = decodeString("namespace", v); err != nil {
			return err
		}
	}
	if m.Rooms, err = decodeRooms("room", o.fields[fieldRoom], l.MaxRooms); err != nil {
		return err
	}
	if m.Except, err = decodeRooms("except", o.fields[fieldExcept], l.MaxRooms); err != nil {
		return err
	}
	if m.Args, err = decodeArgs(o.fields[fieldData], o.fields[fieldArgs]); err != nil {
		return err
	}
	return m.validateRest(l)
}

func decodeString(field string, v value) (string, *InputError) {
	if v.raw[0] != '"' {
		return "", inputError(field, "must be a string")
	}
	s, err := unquote(v.raw)
	if err != nil {
		return "", inputError(field, "is not valid Unicode")
	}
	return s, nil
}

// decodeRooms returns nil for what means no room: null, "", an empty list and nothing at all.
func decodeRooms(field string, v value, limit int) ([]string, *InputError) {
	if v.isNull() {
		return nil, nil
	}
	switch v.raw[0] {
	case '"':
		room, err := decodeString(field, v)
		if err != nil || room == "" {
			return nil, err
		}
		return []string{room}, nil
	case '[':
		var rooms []string
		for e := range elements(v.raw) {
			room, err := decodeString(field, e)
			if err != nil {
				err.Field = element(field, len(rooms))
				return nil, err
			}
			if rooms = append(rooms, room); exceeds(len(rooms), limit) {
				break // Validate says it
			}
		}
		return rooms, nil
	default:
		return nil, inputError(field, "must be a string or a list of strings")
	}
}

func decodeArgs(data, args value) ([]json.RawMessage, *InputError) {
	switch {
	case !data.isNull() && !args.isNull():
		return nil, inputError("args", "and data cannot both be given")
	case !data.isNull():
		return []json.RawMessage{data.compact()}, nil
	case args.isNull():
		return nil, nil
	case args.raw[0] != '[':
		return nil, inputError("args", "must be a list")
	}
	var list []json.RawMessage
	for v := range elements(args.raw) {
		list = append(list, v.compact())
	}
	return list, nil
}
