package jsonscan

import (
	"bytes"
	"encoding/json"
	"iter"
	"strconv"
	"unicode/utf16"
)

// Value is one JSON value. The zero Value is one that is not there.
type Value struct {
	// Raw is the value as it is written, without white space around it.
	Raw json.RawMessage

	spaced    bool // has white space inside, outside of its strings
	nonFinite bool // is, or has inside, a number that is not finite
}

// Kind returns the first byte of the value, which tells what it is: '{', '[', '"', 't', 'f', 'n', or the beginning of a number, which is 'N', 'I'
// or "-I" for one that is not finite. For a value that is not there it is 0.
func (v Value) Kind() byte {
	if len(v.Raw) == 0 {
		return 0
	}
	return v.Raw[0]
}

// IsNull reports whether the value is null or not there.
func (v Value) IsNull() bool { return len(v.Raw) == 0 || v.Raw[0] == 'n' }

// Elements yields the values of a list.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		w := walk{b: v.Raw, dialect: Python, deepest: maxDepth}
		w.elements(0, yield)
	}
}

// Members yields the keys, which are strings, and the values of an object.
func (v Value) Members() iter.Seq2[Value, Value] {
	return func(yield func(key, value Value) bool) {
		w := walk{b: v.Raw, dialect: Python, deepest: maxDepth}
		w.members(0, yield)
	}
}

// SkipSpace returns the index of the first byte from i on that is not white space.
func SkipSpace(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

// Compact returns the value as compact JSON: without white space, and with null for numbers that are not finite, as JSON.stringify would write
// them. It is the value itself where that is so already, else in memory of its own.
func (v Value) Compact() json.RawMessage {
	switch {
	case v.nonFinite:
		return appendCompact(make([]byte, 0, len(v.Raw)+len(v.Raw)/3+1), v.Raw) // "null" is longer than "NaN"
	case v.spaced:
		return appendCompact(make([]byte, 0, len(v.Raw)), v.Raw)
	}
	return v.Raw
}

// CompactInPlace is Compact, but may write over the value.
func (v Value) CompactInPlace() json.RawMessage {
	if v.spaced && !v.nonFinite {
		out := appendCompact(v.Raw[:0], v.Raw)
		return out[:len(out):len(out)]
	}
	return v.Compact()
}

// appendCompact appends a value to dst, which may begin where the value does as long as nothing in it becomes longer.
func appendCompact(dst, b []byte) []byte {
	start := 0
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == '"':
			i = SkipString(b, i)
		case isSpace(c):
			dst = append(dst, b[start:i]...)
			i = SkipSpace(b, i)
			start = i
		case c == 'N', c == 'I', c == '-' && b[i+1] == 'I':
			dst = append(append(dst, b[start:i]...), "null"...)
			i = endOfNumber(b, i)
			start = i
		default:
			i++
		}
	}
	return append(dst, b[start:]...)
}

// SkipString returns the index after the string of a valid text that begins at i.
func SkipString(b []byte, i int) int {
	w := walk{b: b}
	return w.text(i)
}

func endOfNumber(b []byte, i int) int {
	w := walk{b: b, dialect: Python}
	return w.scalar(i)
}

// Chars returns the value of a string, which must not be changed. It copies only where something is escaped. ok is unset where the value is no
// string, or where an escaped half of a surrogate pair stands in it: that is JSON but no character.
func (v Value) Chars() (chars []byte, ok bool) {
	if v.Kind() != '"' {
		return nil, false
	}
	inner := v.Raw[1 : len(v.Raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	if hasLoneSurrogate(inner) {
		return nil, false
	}
	var text string
	err := json.Unmarshal(v.Raw, &text)
	return []byte(text), err == nil
}

// Text is Chars in a string of its own.
func (v Value) Text() (text string, ok bool) {
	chars, ok := v.Chars()
	return string(chars), ok
}

// Integer returns the text of a number without a fraction and an exponent.
func (v Value) Integer() (text string, ok bool) {
	if c := v.Kind(); v.nonFinite || c != '-' && !isDigit(c) || bytes.ContainsAny(v.Raw, ".eE") {
		return "", false
	}
	if string(v.Raw) == "-0" {
		return "0", true // as in Python and JavaScript
	}
	return string(v.Raw), true
}

func hasLoneSurrogate(inner []byte) bool {
	for i := 0; i < len(inner); i++ {
		if inner[i] != '\\' {
			continue
		}
		r := escapedRune(inner[i:])
		if r < 0 {
			i++ // an escape of two bytes
			continue
		}
		i += 5
		if !utf16.IsSurrogate(r) {
			continue
		}
		if utf16.DecodeRune(r, escapedRune(inner[i+1:])) == '\uFFFD' {
			return true
		}
		i += 6
	}
	return false
}

// escapedRune returns the code unit of the \uXXXX that b begins with, or -1.
func escapedRune(b []byte) rune {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}
