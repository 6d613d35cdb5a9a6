package redisbus

import (
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/ws-emit/ws-emit/emitter/redisbus/internal/pickle"
)

// pythonPickle is a message of python-socketio in a pickle, which is how it published before 5.14.0.
type pythonPickle struct {
	members [memberCount]pickle.Value
	present [memberCount]bool
	// budget is how much memory the message may still take, in bytes. One value of a pickle can stand in many places.
	budget int
}

var _ pythonSource = (*pythonPickle)(nil)

const (
	// A message may be larger than its pickle by this factor. Lists of dicts come to 10, where the keys stand in the pickle once.
	pickleGrowth = 16
	pickleSpare  = 1 << 10 // on top of the length of the pickle, in bytes

	nameBytes = 16 // memory for a name, beside its text
	argBytes  = 32 // memory for an argument, beside its text
)

func parsePythonPickle(payload []byte) (pythonSource, DropReason) {
	doc, err := pickle.Decode(payload)
	switch {
	case errors.Is(err, pickle.ErrNotData):
		return nil, DropPickle
	case errors.Is(err, pickle.ErrTooLarge):
		return nil, DropTooLarge
	case err != nil, doc.Root().Kind() != pickle.Dict:
		return nil, DropMalformed
	}
	p := &pythonPickle{budget: pickleGrowth * (len(payload) + pickleSpare)}
	for key, value := range doc.Root().Members() {
		name, _ := key.Text()
		if member := pythonMemberOf(name); member != memberCount {
			p.members[member], p.present[member] = value, true
		}
	}
	return p, ""
}

// spend takes n bytes from the budget, if they are there.
func (p *pythonPickle) spend(n int) bool {
	p.budget -= n
	return p.budget >= 0
}

func (p *pythonPickle) shape(member pythonMember) memberShape {
	switch p.members[member].Kind() {
	case pickle.None:
		return shapeNull
	case pickle.List, pickle.Tuple:
		return shapeList
	}
	return shapeOther
}

func (p *pythonPickle) chars(member pythonMember) (chars []byte, ok bool) {
	return pickledChars(p.members[member])
}

func pickledChars(v pickle.Value) (chars []byte, ok bool) {
	chars, ok = v.Text()
	return chars, ok && utf8.Valid(chars)
}

func (p *pythonPickle) names(member pythonMember) (names []string, ok bool) {
	v := p.members[member]
	if p.shape(member) != shapeList {
		return p.appendName(make([]string, 0, 1), v)
	}
	n := v.Len()
	if !p.spend(n * nameBytes) {
		return nil, false
	}
	names = make([]string, 0, n)
	for element := range v.Elements() {
		if names, ok = p.appendName(names, element); !ok {
			return nil, false
		}
	}
	return names, true
}

func (p *pythonPickle) appendName(names []string, v pickle.Value) ([]string, bool) {
	name, ok := pickledChars(v)
	if !ok {
		if v.Kind() != pickle.Int {
			return nil, false
		}
		name = v.AppendInt(nil)
	}
	if !p.spend(len(name)) {
		return nil, false
	}
	return appendName(names, string(name)), true
}

// data returns what a value stands for that is a tuple of the arguments, None for no argument, or else the only argument.
func (p *pythonPickle) data() (args []json.RawMessage, attachments [][]byte, reason DropReason) {
	if !p.present[memberData] {
		return nil, nil, DropMalformed
	}
	data := p.members[memberData]
	w := pickleWriter{p: p}
	switch data.Kind() {
	case pickle.None:
	case pickle.Tuple:
		n := data.Len()
		if !p.spend(n * argBytes) {
			return nil, nil, DropTooLarge
		}
		w.ends = make([]int, 0, n)
		for arg := range data.Elements() {
			if reason := w.arg(arg); reason != "" {
				return nil, nil, reason
			}
		}
	default:
		if reason := w.arg(data); reason != "" {
			return nil, nil, reason
		}
	}
	return w.args(), w.attachments, ""
}
