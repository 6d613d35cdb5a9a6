package redisbus

import (
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/redisbus/internal/pickle"
)

// pythonPickle is a message of python-socketio in a pickle, which is how it published before 5.14.0.
type pythonPickle struct {
	members [memberCount]pickle.Value
	present [memberCount]bool
	limits  emitter.Limits
	budget  int    // how much may still be written, in bytes
	digits  []byte // of the last name that was an integer
}

var _ pythonSource = (*pythonPickle)(nil)

func parsePythonPickle(payload []byte, rules *rules) (pythonSource, DropReason, error) {
	doc, err := pickle.Decode(payload, maxPickled(rules.limits, len(payload)))
	switch {
	case errors.Is(err, pickle.ErrNotData):
		return nil, DropPickle, err
	case errors.Is(err, pickle.ErrTooLarge):
		return nil, DropTooLarge, err
	case err != nil, doc.Root().Kind() != pickle.Dict:
		return nil, DropMalformed, err
	}
	p := &pythonPickle{limits: rules.limits, budget: pickleBudget(rules.limits, len(payload))}
	for key, value := range doc.Root().Members() {
		name, _ := key.Text()
		if member := pythonMemberOf(name); member != memberCount {
			p.members[member], p.present[member] = value, true
		}
	}
	return p, "", nil
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
	chars, ok = p.members[member].Text()
	return chars, ok && utf8.Valid(chars)
}

func (p *pythonPickle) names(member pythonMember) (names []string, ok bool) {
	v := p.members[member]
	if p.shape(member) != shapeList {
		return p.appendName(make([]string, 0, 1), v)
	}
	names = make([]string, 0, min(v.Len(), maxNames(p.limits)))
	for element := range v.Elements() {
		if names, ok = p.appendName(names, element); !ok {
			return nil, false
		}
	}
	return names, true
}

func (p *pythonPickle) appendName(names []string, v pickle.Value) (appended []string, ok bool) {
	if v.Kind() == pickle.Int {
		if !p.spend(v.IntBytes()) {
			return nil, false
		}
		p.digits = v.AppendInt(p.digits[:0])
		return appendName(names, string(p.digits), maxNames(p.limits))
	}
	chars, ok := v.Text()
	switch {
	case !ok:
		return nil, false
	case len(chars) > emitter.MaxRoomBytes: // to look at it would cost as much as it is long
		return names, true
	case !utf8.Valid(chars), !p.spend(len(chars)):
		return nil, false
	}
	return appendName(names, string(chars), maxNames(p.limits))
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
		if n > maxArgs(p.limits) {
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
