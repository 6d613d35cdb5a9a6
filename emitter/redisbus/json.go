package redisbus

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

// document is valid JSON that is walked over without decoding it. Its values are spans of it.
type document struct {
	b []byte
	// nonFinite are the places of the nulls that were NaN, Infinity or -Infinity, in ascending order. Python writes these; nobody else
	// reads them.
	nonFinite []int
}

// span is a value of a document, b[start:end], without the white space around it. The zero span is a value that is not there.
type span struct{ start, end int }

func (s span) absent() bool { return s == span{} }

var errNotUTF8 = errors.New("redisbus: not valid UTF-8")
var errNotJSON = errors.New("redisbus: not valid JSON")

// parseDocument checks b. Like Python it takes non-finite numbers, which become null, as JSON.stringify would write them.
func parseDocument(b []byte) (document, error) {
	if !utf8.Valid(b) {
		return document{}, errNotUTF8
	}
	if json.Valid(b) {
		return document{b: b}, nil
	}
	d := replaceNonFinite(b)
	if len(d.nonFinite) == 0 || !json.Valid(d.b) {
		return document{}, errNotJSON
	}
	return d, nil
}

// replaceNonFinite writes null for each non-finite number outside of strings. What was not JSON apart from these is not JSON afterwards
// either: null is no part of any longer token.
func replaceNonFinite(b []byte) document {
	out := make([]byte, 0, len(b)+len(b)/8)
	var places []int
	for i := 0; i < len(b); {
		switch b[i] {
		case '"':
			end := i + 1
			for end < len(b) && b[end] != '"' {
				if b[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(b))
			out = append(out, b[i:end]...)
			i = end
		case 'N', 'I', '-':
			n := nonFiniteLen(b[i:])
			if n == 0 {
				out = append(out, b[i])
				i++
				continue
			}
			places = append(places, len(out))
			out = append(out, "null"...)
			i += n
		default:
			out = append(out, b[i])
			i++
		}
	}
	return document{b: out, nonFinite: places}
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
			for i < len(d.b) && strings.IndexByte(",]} \n\r\t", d.b[i]) < 0 {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
}

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
