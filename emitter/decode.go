package emitter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ws-emit/ws-emit/emitter/internal/jsonscan"
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
	return AppendJSON(nil, body, limits)
}

// AppendJSON is ParseJSON for who has a place for the messages: they are appended to dst.
func AppendJSON(dst []Message, body []byte, limits Limits) ([]Message, Info, error) {
	limits = limits.withDefaults()
	if jsonscan.Kind(body) == '[' {
		doc, err := scanJSON(body, limits.MaxBatch)
		if err != nil {
			return dst, Info{}, err
		}
		return doc.appendMessages(dst, limits)
	}
	var o object
	if err := o.scan(body); err != nil {
		return dst, Info{}, err
	}
	all := append(dst, Message{})
	if err := o.decode(&all[len(dst)], limits); err != nil {
		return dst, Info{}, err
	}
	return all, Info{Ignored: appendIgnored(nil, &o)}, nil
}

// ParseNDJSON is [ParseJSON] for a body with one object on each line, always a batch. Empty lines are passed over and have no index.
func ParseNDJSON(body []byte, limits Limits) ([]Message, Info, error) {
	return AppendNDJSON(nil, body, limits)
}

// AppendNDJSON is ParseNDJSON for who has a place for the messages: they are appended to dst.
func AppendNDJSON(dst []Message, body []byte, limits Limits) ([]Message, Info, error) {
	limits = limits.withDefaults()
	doc, err := scanNDJSON(body, limits.MaxBatch)
	if err != nil {
		return dst, Info{}, err
	}
	return doc.appendMessages(dst, limits)
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
	fields  [numFields]jsonscan.Value
	unknown []string
	fault   *InputError // why it can be no message, or nil
}

// scanJSON returns errors about syntax only: they tell nothing but what the sender can see in his own body.
func scanJSON(body []byte, maxBatch int) (document, error) {
	if jsonscan.Kind(body) != '[' {
		doc := document{objects: make([]object, 1)}
		if err := doc.objects[0].scan(body); err != nil {
			return document{}, err
		}
		return doc, nil
	}
	list, fault := jsonscan.Parse(body, jsonscan.JSON)
	if fault != nil {
		return document{}, syntaxError(body, fault)
	}
	doc := document{batch: true}
	for v := range list.Elements() {
		if exceeds(len(doc.objects)+1, maxBatch) {
			doc.tooMany = true
			break
		}
		_ = doc.add(v.Raw) // its syntax is right
	}
	return doc, nil
}

func scanNDJSON(body []byte, maxBatch int) (document, error) {
	doc := document{batch: true}
	for line := range bytes.Lines(body) {
		if line = bytes.TrimRight(line, " \t\r\n"); len(line) == 0 {
			continue
		}
		if exceeds(len(doc.objects)+1, maxBatch) {
			doc.tooMany = true
			break
		}
		if err := doc.add(line); err != nil {
			err.Index = len(doc.objects) - 1
			return document{}, err
		}
	}
	return doc, nil
}

// add scans one more object.
func (d *document) add(text []byte) *InputError {
	d.objects = append(d.objects, object{})
	return d.objects[len(d.objects)-1].scan(text)
}

// syntaxError says why a text is none that is taken.
func syntaxError(text []byte, fault *jsonscan.SyntaxError) *InputError {
	switch {
	case bytes.HasPrefix(text, []byte("\uFEFF")):
		return inputError("", "begins with a byte order mark")
	case jsonscan.Kind(text) == 0:
		return inputError("", "is empty")
	}
	return inputError("", "is "+fault.Error())
}

// scan sorts the members of an object. It returns errors about syntax; what else is wrong it notes as the object's fault.
func (o *object) scan(text []byte) *InputError {
	if jsonscan.Kind(text) != '{' {
		o.fault = inputError("", "must be an object")
		if _, fault := jsonscan.Parse(text, jsonscan.JSON); fault != nil {
			return syntaxError(text, fault)
		}
		return nil
	}
	keys := 0
	fault := jsonscan.ParseMembers(text, jsonscan.JSON, func(key, v jsonscan.Value) {
		if keys++; keys > maxKeys {
			o.fault = inputError("", fmt.Sprintf("has more than %d keys", maxKeys))
			return
		}
		o.member(key, v)
	})
	if fault != nil {
		return syntaxError(text, fault)
	}
	return nil
}

func (o *object) member(key, v jsonscan.Value) {
	name, ok := key.Chars()
	f := fieldOf(name)
	switch {
	case !ok:
		o.fault = inputError("", "has a key that is not valid Unicode")
	case f == numFields:
		if slices.Contains(o.unknown, string(name)) {
			o.fault = inputError("", "has an unknown key twice")
		}
		o.unknown = append(o.unknown, string(name))
	case o.fields[f].Raw != nil:
		o.fault = inputError(f.String(), "is there twice")
	default:
		o.fields[f] = v
	}
}

// messages builds and validates all messages of a document.
func (d *document) messages(l Limits) ([]Message, Info, error) {
	return d.appendMessages(nil, l)
}

func (d *document) appendMessages(dst []Message, l Limits) ([]Message, Info, error) {
	if d.tooMany {
		return dst, Info{}, &InputError{Index: -1, Reason: fmt.Sprintf("more than %d messages", l.MaxBatch), Err: ErrTooLarge}
	}
	if len(d.objects) == 0 {
		return dst, Info{}, inputError("", "there is no message")
	}
	all := slices.Grow(dst, len(d.objects))
	var info Info
	for i := range d.objects {
		all = append(all, Message{})
		if err := d.objects[i].decode(&all[len(dst)+i], l); err != nil {
			if d.batch {
				err.Index = i
			}
			return dst, Info{}, err
		}
		info.Ignored = appendIgnored(info.Ignored, &d.objects[i])
	}
	return all, info, nil
}

// appendIgnored appends the unknown keys of an object, as far as they are told about.
func appendIgnored(names []string, o *object) []string {
	for _, key := range o.unknown {
		if len(key) > maxKeyBytes {
			key = strings.ToValidUTF8(key[:maxKeyBytes], "")
		}
		if len(names) < maxIgnored && !slices.Contains(names, key) {
			names = append(names, key)
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
	if o.fields[fieldEvent].IsNull() {
		return inputError("event", "is missing")
	}
	if m.Event, err = decodeString("event", o.fields[fieldEvent]); err != nil {
		return err
	}
	if v := o.fields[fieldNamespace]; !v.IsNull() {
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
	if m.Args, err = decodeArgs(o.fields[fieldData], o.fields[fieldArgs], l); err != nil {
		return err
	}
	return m.validateRest(l)
}

func decodeString(field string, v jsonscan.Value) (string, *InputError) {
	text, ok := v.Text()
	switch {
	case v.Kind() != '"':
		return "", inputError(field, "must be a string")
	case !ok:
		return "", inputError(field, "is not valid Unicode")
	}
	return text, nil
}

// decodeRooms returns nil for what means no room: null, "", an empty list and nothing at all.
func decodeRooms(field string, v jsonscan.Value, limit int) ([]string, *InputError) {
	if v.IsNull() {
		return nil, nil
	}
	switch v.Kind() {
	case '"':
		room, err := decodeString(field, v)
		if err != nil || room == "" {
			return nil, err
		}
		return []string{room}, nil
	case '[':
		var rooms []string
		for e := range v.Elements() {
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

func decodeArgs(data, args jsonscan.Value, l Limits) ([]json.RawMessage, *InputError) {
	switch {
	case !data.IsNull() && !args.IsNull():
		return nil, inputError("args", "and data cannot both be given")
	case !data.IsNull():
		return []json.RawMessage{data.Compact()}, nil
	case args.IsNull():
		return nil, nil
	case args.Kind() != '[':
		return nil, inputError("args", "must be a list")
	}
	var list []json.RawMessage
	size := 0
	for v := range args.Elements() {
		arg := v.Compact()
		if size += len(arg) + 1; exceeds(int64(size), l.MaxBytes) {
			return nil, tooLarge(l) // before there are more of them than bytes may be
		}
		list = append(list, arg)
	}
	return list, nil
}
