package redisbus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/internal/jsonscan"
)

var (
	errNotUTF8 = errors.New("redisbus: not valid UTF-8")
	errNotJSON = errors.New("redisbus: not valid JSON")
)

// syntaxReason says what kind of payload it is that is not JSON.
func syntaxReason(b []byte, fault *jsonscan.SyntaxError) (DropReason, error) {
	if !utf8.Valid(b) {
		return DropEncoding, errNotUTF8
	}
	return DropMalformed, fmt.Errorf("%w at byte %d", errNotJSON, fault.Offset)
}

// appendNameOf appends the name of a room. An integer stands for its digits. ok is unset when it is none, or one too many.
func appendNameOf(names []string, v jsonscan.Value, limits emitter.Limits) (appended []string, ok bool) {
	name, ok := v.Text()
	if !ok {
		name, ok = v.Integer()
	}
	if !ok {
		return nil, false
	}
	return appendName(names, name, maxNames(limits))
}

// appendName appends a name, if a socket can be in a room that is called like this. ok is unset when there are too many.
func appendName(names []string, name string, most int) (appended []string, ok bool) {
	switch {
	case name == "", len(name) > emitter.MaxRoomBytes:
		return names, true
	case len(names) >= most:
		return nil, false
	}
	return append(names, name), true
}

// arguments returns the values of a list as arguments, which are written over it. ok is unset when there are too many.
func arguments(list jsonscan.Value, limits emitter.Limits) (args []json.RawMessage, ok bool) {
	n := 2
	if bytes.Count(list.Raw, []byte(",")) > 1000 { // else they are not worth counting
		n = 0
		for range list.Elements() {
			n++
		}
	}
	if n > maxArgs(limits) {
		return nil, false
	}
	args = make([]json.RawMessage, 0, n)
	for element := range list.Elements() {
		args = append(args, element.CompactInPlace())
	}
	return args, true
}
