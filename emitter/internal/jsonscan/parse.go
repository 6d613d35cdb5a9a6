package jsonscan

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// maxDepth is how deep values may be nested, as in encoding/json.
const maxDepth = 10000

// SyntaxError says where a text is not JSON. It has nothing of the text in it.
type SyntaxError struct {
	Offset   int  // of the byte before which all was well, counted from 1
	Encoding bool // it is not valid UTF-8
}

func (e *SyntaxError) Error() string {
	if e.Encoding {
		return fmt.Sprintf("not valid UTF-8 at byte %d", e.Offset)
	}
	return fmt.Sprintf("not valid JSON at byte %d", e.Offset)
}

// Dialect is what is taken for JSON.
type Dialect bool

const (
	JSON   Dialect = false // RFC 8259, in valid UTF-8
	Python Dialect = true  // with NaN, Infinity and -Infinity as well
)

// Kind returns the first byte of b that is not white space, which tells what kind of value it can be, or 0.
func Kind(b []byte) byte {
	if i := SkipSpace(b, 0); i < len(b) {
		return b[i]
	}
	return 0
}

// Parse checks that b is one value, with white space around it or not, and returns it, as a part of b.
func Parse(b []byte, dialect Dialect) (Value, *SyntaxError) {
	w := walk{b: b, dialect: dialect, deepest: maxDepth}
	v, end := w.next(w.space(0))
	if fault := w.ends(end); fault != nil {
		return Value{}, fault
	}
	return v, nil
}

// ParseMembers is Parse for what [Kind] says can only be an object. It calls each with the keys, which are strings, and the values. They must not
// be relied on before it has returned nil.
func ParseMembers(b []byte, dialect Dialect, each func(key, value Value)) *SyntaxError {
	w := walk{b: b, dialect: dialect, deepest: maxDepth - 1}
	return w.ends(w.members(w.space(0), func(key, value Value) bool {
		each(key, value)
		return true
	}))
}

// ends returns what is wrong, up to the end of a value and after it.
func (w *walk) ends(i int) *SyntaxError {
	if i != bad {
		if i = w.space(i); i == len(w.b) {
			return nil
		}
		w.fail(i)
	}
	return &SyntaxError{Offset: min(w.fault+1, len(w.b)), Encoding: w.encoding}
}

// walk is the way over one value, or those inside of one. Those of its methods that return an index return that of what follows, or bad.
type walk struct {
	b       []byte
	dialect Dialect
	deepest int

	spaced, nonFinite bool // what it has met

	depth  int
	keyEnd int      // of the last key
	kinds  uint64   // of what is open, the innermost in the lowest bit: 1 is an object
	outer  []uint64 // kinds of more than 64

	fault    int // where it went wrong
	encoding bool
}

const bad = -1

func (w *walk) fail(i int) int {
	w.fault = i
	return bad
}

// value passes over the value that begins at i.
func (w *walk) value(i int) int {
	for {
		if i >= len(w.b) {
			return w.fail(i)
		}
		switch c := w.b[i]; c {
		case '"':
			i = w.text(i)
		case '{', '[':
			if i = w.open(i); i == bad {
				return bad
			}
			if i < len(w.b) && w.b[i] == c+2 { // its end
				w.pop()
				i++
				break
			}
			if c == '{' {
				if i = w.key(i); i == bad {
					return bad
				}
			}
			continue
		default:
			i = w.scalar(i)
		}
		if i == bad {
			return bad
		}
		if i = w.ended(i); i == bad || w.depth == 0 {
			return i
		}
	}
}

// open passes over an opening bracket.
func (w *walk) open(i int) int {
	if w.depth == w.deepest {
		return w.fail(i)
	}
	if w.depth%64 == 0 && w.depth > 0 {
		w.outer = append(w.outer, w.kinds)
	}
	w.depth++
	w.kinds <<= 1
	if w.b[i] == '{' {
		w.kinds |= 1
	}
	return w.space(i + 1)
}

func (w *walk) pop() {
	w.depth--
	w.kinds >>= 1
	if w.depth%64 == 0 && w.depth > 0 {
		w.kinds = w.outer[len(w.outer)-1]
		w.outer = w.outer[:len(w.outer)-1]
	}
}

// ended goes on after a value: over the ends of what it was the last one of, to the next value.
func (w *walk) ended(i int) int {
	for w.depth > 0 {
		i = w.space(i)
		if i == len(w.b) {
			return w.fail(i)
		}
		inObject := w.kinds&1 == 1
		switch c := w.b[i]; {
		case c == ',':
			i = w.space(i + 1)
			if inObject {
				return w.key(i)
			}
			return i
		case c == '}' && inObject, c == ']' && !inObject:
			w.pop()
			i++
		default:
			return w.fail(i)
		}
	}
	return i
}

// key passes over a key and its colon. The key itself ends at keyEnd.
func (w *walk) key(i int) (value int) {
	if i >= len(w.b) || w.b[i] != '"' {
		return w.fail(i)
	}
	if w.keyEnd = w.text(i); w.keyEnd == bad {
		return bad
	}
	if i = w.space(w.keyEnd); i == len(w.b) || w.b[i] != ':' {
		return w.fail(i)
	}
	return w.space(i + 1)
}

// members passes over the object that begins at i, and stops where yield says so.
func (w *walk) members(i int, yield func(key, value Value) bool) int {
	i = w.space(i + 1)
	if i < len(w.b) && w.b[i] == '}' {
		return i + 1
	}
	for more := true; more && i != bad; {
		start := i
		if i = w.key(i); i == bad {
			return bad
		}
		key := Value{Raw: w.b[start:w.keyEnd:w.keyEnd]}
		value, end := w.next(i)
		if end == bad || !yield(key, value) {
			return bad
		}
		i, more = w.separator(end, '}')
	}
	return i
}

// elements passes over the list that begins at i, and stops where yield says so.
func (w *walk) elements(i int, yield func(Value) bool) int {
	i = w.space(i + 1)
	if i < len(w.b) && w.b[i] == ']' {
		return i + 1
	}
	for more := true; more && i != bad; {
		element, end := w.next(i)
		if end == bad || !yield(element) {
			return bad
		}
		i, more = w.separator(end, ']')
	}
	return i
}

// next returns the value that begins at i, and the index after it.
func (w *walk) next(i int) (v Value, end int) {
	w.spaced, w.nonFinite = false, false
	if end = w.value(i); end == bad {
		return Value{}, bad
	}
	return Value{Raw: w.b[i:end:end], spaced: w.spaced, nonFinite: w.nonFinite}, end
}

// separator passes over what follows a member or an element: a comma, after which there are more, or the closing bracket.
func (w *walk) separator(i int, closing byte) (next int, more bool) {
	if i = w.space(i); i == len(w.b) {
		return w.fail(i), false
	}
	switch w.b[i] {
	case ',':
		return w.space(i + 1), true
	case closing:
		return i + 1, false
	}
	return w.fail(i), false
}

func (w *walk) space(i int) int {
	for i < len(w.b) && isSpace(w.b[i]) {
		w.spaced = true
		i++
	}
	return i
}

func isSpace(c byte) bool { return c <= ' ' && (c == ' ' || c == '\n' || c == '\t' || c == '\r') }

// text passes over a string.
func (w *walk) text(i int) int {
	i++
	start, high := i, uint64(highBits)
	for {
		for i+8 <= len(w.b) {
			x := binary.LittleEndian.Uint64(w.b[i:])
			if m := special(x) | x&high; m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		if i == len(w.b) {
			return w.fail(i)
		}
		switch c := w.b[i]; {
		case c == '"':
			if high == 0 && !utf8.Valid(w.b[start:i]) {
				return w.notUTF8(start)
			}
			return i + 1
		case c == '\\':
			if i = w.escape(i); i == bad {
				return bad
			}
		case c < ' ':
			return w.fail(i)
		case c >= utf8.RuneSelf:
			high = 0 // it is looked at when its end is known
			i++
		default:
			i++
		}
	}
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// special returns a number whose lowest bit that is set is in the first of eight bytes that a string has to be looked at for: a quote, a
// backslash or a control character.
func special(x uint64) uint64 {
	quote, backslash := x^'"'*lowBits, x^'\\'*lowBits
	return ((quote-lowBits)&^quote | (backslash-lowBits)&^backslash | (x-' '*lowBits)&^x) & highBits
}

// notUTF8 fails in the first bad byte from i on.
func (w *walk) notUTF8(i int) int {
	w.encoding = true
	for {
		r, size := utf8.DecodeRune(w.b[i:])
		if r == utf8.RuneError && size == 1 {
			return w.fail(i)
		}
		i += size
	}
}

// escape passes over an escape in a string.
func (w *walk) escape(i int) int {
	i++
	if i == len(w.b) {
		return w.fail(i)
	}
	switch w.b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		for end := i + 4; i < end; {
			if i++; i == len(w.b) || !isHex(w.b[i]) {
				return w.fail(i)
			}
		}
		return i + 1
	}
	return w.fail(i)
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// scalar passes over what is neither a string nor a list nor an object.
func (w *walk) scalar(i int) int {
	switch w.b[i] {
	case 't':
		return w.name(i, "true")
	case 'f':
		return w.name(i, "false")
	case 'n':
		return w.name(i, "null")
	case 'N':
		return w.notFinite(i, "NaN")
	case 'I':
		return w.notFinite(i, "Infinity")
	}
	return w.number(i)
}

func (w *walk) name(i int, name string) int {
	for j := range len(name) {
		if i+j == len(w.b) || w.b[i+j] != name[j] {
			return w.fail(i + j)
		}
	}
	return i + len(name)
}

// notFinite passes over a number that is not finite.
func (w *walk) notFinite(i int, name string) int {
	if w.dialect != Python {
		return w.fail(i)
	}
	w.nonFinite = true
	return w.name(i, name)
}

func (w *walk) number(i int) int {
	if w.b[i] == '-' {
		i++
		if i < len(w.b) && w.b[i] == 'I' {
			return w.notFinite(i, "Infinity")
		}
	}
	if i < len(w.b) && w.b[i] == '0' {
		i++
	} else if i = w.digits(i); i == bad {
		return bad
	}
	if i < len(w.b) && w.b[i] == '.' {
		if i = w.digits(i + 1); i == bad {
			return bad
		}
	}
	if i < len(w.b) && w.b[i]|0x20 == 'e' {
		i++
		if i < len(w.b) && (w.b[i] == '+' || w.b[i] == '-') {
			i++
		}
		return w.digits(i)
	}
	return i
}

// digits passes over one digit or more.
func (w *walk) digits(i int) int {
	start := i
	for i < len(w.b) && isDigit(w.b[i]) {
		i++
	}
	if i == start {
		return w.fail(i)
	}
	return i
}
