package redisbus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ws-emit/ws-emit/emitter"
)

// document is valid JSON that is walked over without decoding it. Its values are spans of it.
type document struct {
	b []byte
	// nonFinite are the places of the nulls that were NaN, Infinity or -Infinity, in ascending order. Python writes these; nobody else
	// reads them.
	nonFinite []int
	limits    emitter.Limits // of what is read
	err       error          // why it is none
}

// span is a value of a document, b[start:end], without the white space around it. The zero span is a value that is not there.
type span struct{ start, end int }

func (s span) absent() bool { return s == span{} }

var errNotUTF8 = errors.New("redisbus: not valid UTF-8")
var errNotJSON = errors.New("redisbus: not valid JSON")

// parseDocument checks b. Like Python it takes non-finite numbers, which become null, as JSON.stringify would write them.
func parseDocument(b []byte, limits emitter.Limits) (document, DropReason) {
	d := document{b: b, limits: limits}
	switch {
	case !utf8.Valid(b):
		d.err = errNotUTF8
		return d, DropEncoding
	case json.Valid(b):
		return d, ""
	}
	d.replaceNonFinite()
	switch {
	case len(d.nonFinite) == 0:
		d.err = syntaxError(b)
		return d, DropMalformed
	case !json.Valid(d.b):
		d.err = errNotJSON // at a place that is another one in b
		return d, DropMalformed
	}
	return d, ""
}

// syntaxError says where what is not JSON is not. The error of encoding/json quotes it.
func syntaxError(b []byte) error {
	var raw json.RawMessage
	var syntax *json.SyntaxError
	if errors.As(json.Unmarshal(b, &raw), &syntax) {
		return fmt.Errorf("%w at byte %d", errNotJSON, syntax.Offset)
	}
	return errNotJSON
}

// replaceNonFinite writes null for each non-finite number outside of strings. What was not JSON apart from these is not JSON afterwards
// either: null is no part of any longer token.
func (d *document) replaceNonFinite() {
	n, growth := 0, 0
	for s := range nonFinites(d.b) {
		n++
		growth += len("null") - (s.end - s.start)
	}
	if n == 0 {
		return
	}
	out := make([]byte, 0, len(d.b)+growth)
	d.nonFinite = make([]int, 0, n)
	done := 0
	for s := range nonFinites(d.b) {
		out = append(out, d.b[done:s.start]...)
		d.nonFinite = append(d.nonFinite, len(out))
		out = append(out, "null"...)
		done = s.end
	}
	d.b = append(out, d.b[done:]...)
}

// nonFinites returns the places of non-finite numbers outside of strings, in what may be JSON or not.
func nonFinites(b []byte) iter.Seq[span] {
	return func(yield func(span) bool) {
		for i := 0; i < len(b); i++ {
			switch b[i] {
			case '"':
				for i++; i < len(b) && b[i] != '"'; i++ {
					if b[i] == '\\' {
						i++
					}
				}
			case 'N', 'I', '-':
				n := nonFiniteLen(b[i:])
				if n == 0 {
					continue
				}
				if !yield(span{i, i + n}) {
					return
				}
				i += n - 1
			}
		}
	}
}

// nonFiniteLen returns the length of the non-finite number that b begins with, or 0.
func nonFiniteLen(b []byte) int {
	for _, s := range []string{"NaN", "Infinity", "-Infinity"} {
		if len(b) >= len(s) && string(b[:len(s)]) == s {
			return len(s)
		}
	}
	return 0
}

// root returns the whole document as a value.
func (d *document) root() span {
	start := d.skipSpace(0)
	return span{start, d.valueEnd(start)}
}

// raw returns the text of a value. Appending to it does not reach into the document.
func (d *document) raw(s span) json.RawMessage { return d.b[s.start:s.end:s.end] }

// first returns the first byte of a value, which tells its type, or 0 when it is absent. A number that was not finite is 'N'.
func (d *document) first(s span) byte {
	if s.absent() {
		return 0
	}
	if len(d.nonFinite) > 0 {
		if _, was := slices.BinarySearch(d.nonFinite, s.start); was {
			return 'N'
		}
	}
	return d.b[s.start]
}

// isNull reports whether a value is null, or absent.
func (d *document) isNull(s span) bool {
	c := d.first(s)
	return c == 'n' || c == 0
}

// members returns the keys and values of an object.
func (d *document) members(object span) iter.Seq2[span, span] {
	return func(yield func(key, value span) bool) {
		for i := d.skipSpace(object.start + 1); d.b[i] != '}'; {
			key := span{i, d.valueEnd(i)}
			i = d.skipSpace(d.skipSpace(key.end) + 1) // over the colon
			value := span{i, d.valueEnd(i)}
			if !yield(key, value) {
				return
			}
			i = d.next(value.end)
		}
	}
}

// elements returns the values of a list.
func (d *document) elements(list span) iter.Seq[span] {
	return func(yield func(value span) bool) {
		for i := d.skipSpace(list.start + 1); d.b[i] != ']'; {
			value := span{i, d.valueEnd(i)}
			if !yield(value) {
				return
			}
			i = d.next(value.end)
		}
	}
}

// next returns the index of the value, or of the closing bracket, that follows a value which ends at i.
func (d *document) next(i int) int {
	i = d.skipSpace(i)
	if d.b[i] == ',' {
		i = d.skipSpace(i + 1)
	}
	return i
}

func (d *document) skipSpace(i int) int {
	for i < len(d.b) && isSpace(d.b[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// valueEnd returns the index after the value that begins at i. It does not recurse, so deep nesting costs no stack.
func (d *document) valueEnd(i int) int {
	for depth := 0; ; {
		switch c := d.b[i]; c {
		case '"':
			i = d.stringEnd(i)
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\n', '\r', '\t':
			i++
			continue
		default: // a number or a name
			for i < len(d.b) && !endsScalar(d.b[i]) {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
}

// endsScalar reports whether a number or a name has ended before c.
func endsScalar(c byte) bool { return c == ',' || c == ']' || c == '}' || isSpace(c) }

func (d *document) stringEnd(i int) int {
	for i++; d.b[i] != '"'; i++ {
		if d.b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// text returns the value of a string. ok is unset where it is not one, or where half of a surrogate pair stands in it: that is JSON but no
// character.
func (d *document) text(s span) (text string, ok bool) {
	chars, ok := d.chars(s)
	return string(chars), ok
}

// chars is text in bytes that must not be changed. It copies only where something is escaped.
func (d *document) chars(s span) (chars []byte, ok bool) {
	if d.first(s) != '"' {
		return nil, false
	}
	quoted := d.b[s.start:s.end]
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], true
	}
	var text string
	if err := json.Unmarshal(quoted, &text); err != nil {
		return nil, false
	}
	// encoding/json puts U+FFFD for half of a pair.
	replaced := strings.Count(text, "\uFFFD")
	return []byte(text), replaced == 0 || replaced == writtenFFFD(quoted)
}

// writtenFFFD counts the U+FFFD that stand in a string, as themselves or escaped.
func writtenFFFD(quoted []byte) int {
	s := string(quoted)
	n := strings.Count(s, "\uFFFD")
	for i := 0; i+5 < len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		if strings.EqualFold(s[i+1:i+6], "ufffd") {
			n++
		}
		i++
	}
	return n
}

// integer returns the text of a number without fraction and exponent.
func (d *document) integer(s span) (text string, ok bool) {
	switch c := d.first(s); {
	case c == '-', '0' <= c && c <= '9':
		raw := d.raw(s)
		if string(raw) == "-0" {
			raw = raw[1:] // as in Python and JavaScript
		}
		return string(raw), !bytes.ContainsAny(raw, ".eE")
	}
	return "", false
}

// appendName appends the name of a room. An integer stands for its digits.
func (d *document) appendName(names []string, s span) (appended []string, ok bool) {
	name, ok := d.text(s)
	if !ok {
		name, ok = d.integer(s)
	}
	if !ok {
		return nil, false
	}
	return appendName(names, name, maxNames(d.limits))
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

// args returns the values of a list as arguments. ok is unset when there are too many.
func (d *document) args(list span) (args []json.RawMessage, ok bool) {
	n := 2
	if list.end-list.start > 1024 { // of a short list they are not worth counting
		n = 0
		for range d.elements(list) {
			n++
		}
	}
	if n > maxArgs(d.limits) {
		return nil, false
	}
	args = make([]json.RawMessage, 0, n)
	for element := range d.elements(list) {
		args = append(args, d.raw(element))
	}
	return args, true
}
