package emitter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"unicode/utf16"
)

// The functions of this file walk over JSON that json.Valid has accepted, without decoding it. On anything else they may panic. They
// do not recurse, so deep nesting costs no stack.

// skipSpace returns the index of the first byte from i on that is not white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// skipString returns the index after the string that begins at i.
func skipString(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// skipScalar returns the index after the number, true, false or null that begins at i.
func skipScalar(b []byte, i int) int {
	for i < len(b) && !isSpace(b[i]) && b[i] != ',' && b[i] != ']' && b[i] != '}' {
		i++
	}
	return i
}

// skipValue returns the index after the value that begins at i, and whether there is white space inside it, outside of its strings.
func skipValue(b []byte, i int) (end int, spaced bool) {
	depth := 0
	for {
		switch c := b[i]; {
		case c == '"':
			i = skipString(b, i)
		case c == '{' || c == '[':
			depth++
			i++
		case c == '}' || c == ']':
			depth--
			i++
		case isSpace(c):
			spaced = true
			i++
		case c == ',' || c == ':':
			i++
		default:
			i = skipScalar(b, i)
		}
		if depth == 0 {
			return i, spaced
		}
	}
}

// value is one JSON value inside a body.
type value struct {
	raw    json.RawMessage
	spaced bool // has white space inside, outside of its strings
}

func valueAt(b []byte, i int) value {
	end, spaced := skipValue(b, i)
	return value{raw: b[i:end:end], spaced: spaced}
}

// isNull also reports true for a value that is absent.
func (v value) isNull() bool { return len(v.raw) == 0 || v.raw[0] == 'n' }

// compact returns the value without its white space.
func (v value) compact() json.RawMessage {
	if v.spaced {
		return compact(v.raw)
	}
	return v.raw
}

// elements yields the values of a list, which begins at the first byte.
func elements(list []byte) iter.Seq[value] {
	return func(yield func(value) bool) {
		for i := skipSpace(list, 1); list[i] != ']'; {
			v := valueAt(list, i)
			if !yield(v) {
				return
			}
			i = skipSpace(list, i+len(v.raw))
			if list[i] == ',' {
				i = skipSpace(list, i+1)
			}
		}
	}
}

// members yields the keys, in their quotes, and the values of an object, which begins at the first byte.
func members(object []byte) iter.Seq2[[]byte, value] {
	return func(yield func([]byte, value) bool) {
		for i := skipSpace(object, 1); object[i] != '}'; {
			end := skipString(object, i)
			key := object[i:end]
			colon := skipSpace(object, end)
			i = skipSpace(object, colon+1)
			v := valueAt(object, i)
			if !yield(key, v) {
				return
			}
			i = skipSpace(object, i+len(v.raw))
			if object[i] == ',' {
				i = skipSpace(object, i+1)
			}
		}
	}
}

var errLoneSurrogate = errors.New("emitter: lone surrogate in a string")

// unquote returns the value of a string, quotes included. It fails where there is none: an escaped half of a surrogate pair is JSON but
// no character.
func unquote(quoted []byte) (string, error) {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), nil
	}
	if hasLoneSurrogate(inner) {
		return "", errLoneSurrogate
	}
	var s string
	err := json.Unmarshal(quoted, &s)
	return s, err
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

// maxBinaryDepth bounds how deep the arguments of a message with attachments may be nested. The stock client looks for placeholders by
// recursion, and ends the connection where its stack ends: in Chromium at a depth of between 5,000 and 10,000.
const maxBinaryDepth = 1000

// checkPlaceholders returns what is wrong with a value of a message that has count attachments, or "". The num of each placeholder must
// be an integer from 0 up to count (Socket.IO protocol, "Packet encoding"); the stock client ends the connection over one that is not.
// Where a key is there twice, each must be right: which one counts is up to the reader.
func checkPlaceholders(b []byte, count int) (reason string) {
	// open is an object or list whose end has not been reached.
	type open struct{ placeholder, goodNum, badNum bool }
	var stack []open
	for i := 0; i < len(b); {
		switch b[i] {
		case '{', '[':
			if len(stack) == maxBinaryDepth {
				return fmt.Sprintf("is nested deeper than %d levels, beside attachments", maxBinaryDepth)
			}
			stack = append(stack, open{})
			i++
		case '}', ']':
			top := stack[len(stack)-1]
			if top.placeholder && (!top.goodNum || top.badNum) {
				return "has a placeholder whose num is not the index of an attachment"
			}
			stack = stack[:len(stack)-1]
			i++
		case '"':
			end := skipString(b, i)
			colon := skipSpace(b, end)
			if colon == len(b) || b[colon] != ':' { // not a key
				i = end
				continue
			}
			key, _ := unquote(b[i:end]) // no key that matters has a lone surrogate
			i = skipSpace(b, colon+1)
			scalar := b[i:skipScalar(b, i)]
			top := &stack[len(stack)-1]
			switch key {
			case "_placeholder":
				top.placeholder = top.placeholder || string(scalar) == "true"
			case "num":
				num, err := strconv.ParseUint(string(scalar), 10, 31)
				good := err == nil && int(num) < count
				top.goodNum, top.badNum = top.goodNum || good, top.badNum || !good
			}
		default:
			i++
		}
	}
	return ""
}
