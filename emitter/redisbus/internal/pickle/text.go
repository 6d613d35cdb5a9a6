package pickle

import (
	"encoding/hex"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Text returns text. It is in UTF-8, where half of a surrogate pair, which Python takes for a character, has three bytes that no UTF-8 has
// (see [Surrogate]). ok is unset for any other kind. The result must not be changed and stands until the next call of a method of any Value.
func (v Value) Text() (text []byte, ok bool) {
	switch op, arg := v.scalar(); op {
	case opBinUnicode, opShortBinUnicode, opBinUnicode8:
		return arg, true
	case opUnicode, opString, opBinString, opShortBinString:
		text = v.Bytes()
		return text, op == opUnicode || utf8.Valid(text)
	}
	return nil, false
}

// Bytes returns bytes, a bytearray, or text as Text does. The result must not be changed and stands until the next call of a method of any
// Value.
func (v Value) Bytes() []byte {
	op, arg := v.scalar()
	switch op {
	case opUnicode, opString:
		text, _ := v.p.unescape(op, arg)
		return text
	case opBinUnicode, opShortBinUnicode, opBinUnicode8, opBinBytes, opShortBinBytes, opBinBytes8, opByteArray8, opBinString, opShortBinString:
		return arg
	}
	return nil
}

// Surrogate returns the index of the first half of a surrogate pair in text, or -1. It has three bytes there.
func Surrogate(text []byte) int {
	for i := 0; i+2 < len(text); i++ {
		if text[i] == 0xed && text[i+1] >= 0xa0 {
			return i
		}
	}
	return -1
}

// validText reports whether s is UTF-8 that may have halves of surrogate pairs.
func validText(s []byte) bool {
	for !utf8.Valid(s) {
		i := Surrogate(s)
		if i < 0 || s[i+2]&0xc0 != 0x80 || s[i+1] > 0xbf || !utf8.Valid(s[:i]) {
			return false
		}
		s = s[i+3:]
	}
	return true
}

// unescape returns the text of the argument of UNICODE or STRING, which stands until the next call.
func (p *Pickle) unescape(op opcode, arg []byte) (text []byte, ok bool) {
	if op == opString {
		return p.unquote(arg)
	}
	return p.rawUnicode(arg)
}

// rawUnicode reads Python's raw-unicode-escape: Latin-1 with \uXXXX and \UXXXXXXXX. A backslash before another one is nothing special.
func (p *Pickle) rawUnicode(s []byte) (text []byte, ok bool) {
	text = slices.Grow(p.text[:0], 2*len(s))
	for i := 0; i < len(s); {
		if s[i] != '\\' || i+1 == len(s) {
			text = utf8.AppendRune(text, rune(s[i]))
			i++
			continue
		}
		digits := 0
		switch s[i+1] {
		case 'u':
			digits = 4
		case 'U':
			digits = 8
		default:
			text = utf8.AppendRune(append(text, '\\'), rune(s[i+1]))
			i += 2
			continue
		}
		i += 2
		if len(s)-i < digits {
			return nil, false
		}
		r, err := strconv.ParseUint(string(s[i:i+digits]), 16, 32)
		if err != nil || r > utf8.MaxRune {
			return nil, false
		}
		text = appendCharacter(text, rune(r))
		i += digits
	}
	p.text = text
	return text, true
}

// appendCharacter appends a character of Python.
func appendCharacter(text []byte, r rune) []byte {
	if r >= 0xd800 && r < 0xe000 {
		return append(text, 0xed, 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f))
	}
	return utf8.AppendRune(text, r)
}

// unquote reads a str of Python 2 as repr() writes it.
func (p *Pickle) unquote(s []byte) (text []byte, ok bool) {
	if len(s) < 2 || s[0] != '\'' && s[0] != '"' || s[len(s)-1] != s[0] {
		return nil, false
	}
	quote := s[0]
	s = s[1 : len(s)-1]
	text = slices.Grow(p.text[:0], len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == quote {
			return nil, false
		}
		if s[i] != '\\' {
			text = append(text, s[i])
			continue
		}
		if i++; i == len(s) {
			return nil, false
		}
		switch s[i] {
		case '\\', '\'', '"':
			text = append(text, s[i])
		case 'n':
			text = append(text, '\n')
		case 'r':
			text = append(text, '\r')
		case 't':
			text = append(text, '\t')
		case 'x':
			if len(s)-i < 3 {
				return nil, false
			}
			var b [1]byte
			if _, err := hex.Decode(b[:], s[i+1:i+3]); err != nil {
				return nil, false
			}
			text = append(text, b[0])
			i += 2
		default:
			return nil, false
		}
	}
	p.text = text
	return text, true
}
