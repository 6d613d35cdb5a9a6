package pickle

import (
	"encoding/hex"
	"strconv"
	"unicode/utf8"
)

// text is a string whose opcode does not say what it is: it may be escaped, or a str of Python 2, which can be bytes. It is read once: it
// can stand in the pickle, and be asked for, as often as there are bytes for it.
type text struct {
	start, end uint32 // in the payload, or when it was escaped in unescaped
	escaped    bool
	kind       Kind // Text or Bytes
}

// Text returns text. It is in UTF-8, where half of a surrogate pair, which Python takes for a character, has three bytes that no UTF-8 has
// (see [Surrogate]). ok is unset for any other kind. The result must not be changed.
func (v Value) Text() (text []byte, ok bool) {
	if v.r&containerBit == 0 && v.r&textBit != 0 {
		t := v.p.texts[v.r&^textBit]
		return v.p.text(t), t.kind == Text
	}
	switch op, arg := v.scalar(); op {
	case opBinUnicode, opShortBinUnicode, opBinUnicode8:
		return arg, true
	}
	return nil, false
}

// Bytes returns bytes, a bytearray, or text as Text does. The result must not be changed.
func (v Value) Bytes() []byte {
	if v.r&containerBit == 0 && v.r&textBit != 0 {
		return v.p.text(v.p.texts[v.r&^textBit])
	}
	switch op, arg := v.scalar(); op {
	case opBinUnicode, opShortBinUnicode, opBinUnicode8, opBinBytes, opShortBinBytes, opBinBytes8, opByteArray8:
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

var errEscape = malformed("a string is not escaped as it must be")

// readText reads the argument of UNICODE, STRING, BINSTRING or SHORT_BINSTRING, after which end is the next opcode.
func (p *Pickle) readText(op opcode, arg []byte, end int) (text, error) {
	line := arguments[op] == argLine
	if line {
		end-- // the line feed
	}
	t := text{start: uint32(end - len(arg)), end: uint32(end), kind: Text}
	if op == opString {
		if len(arg) < 2 || arg[0] != '\'' && arg[0] != '"' || arg[len(arg)-1] != arg[0] {
			return t, errEscape
		}
		arg = arg[1 : len(arg)-1]
		t.start, t.end = t.start+1, t.end-1
	}
	if line && !isPlain(arg) {
		if p.unescaped == nil {
			p.unescaped = make([]byte, 0, 2*(len(p.b)-int(t.start))) // Latin-1 takes two bytes in UTF-8, and nothing takes more
		}
		from, ok := len(p.unescaped), false
		if op == opUnicode {
			p.unescaped, ok = appendRawUnicode(p.unescaped, arg)
		} else {
			p.unescaped, ok = appendUnquoted(p.unescaped, arg, p.b[t.start-1])
		}
		if !ok {
			return t, errEscape
		}
		t.start, t.end, t.escaped = uint32(from), uint32(len(p.unescaped)), true
	}
	if op != opUnicode && !utf8.Valid(p.text(t)) {
		t.kind = Bytes
	}
	return t, nil
}

// isPlain reports whether a string that may be escaped stands for itself.
func isPlain(s []byte) bool {
	for _, c := range s {
		if c >= utf8.RuneSelf || c == '\\' || c == '\'' || c == '"' {
			return false
		}
	}
	return true
}

func (p *Pickle) text(t text) []byte {
	if t.escaped {
		return p.unescaped[t.start:t.end:t.end]
	}
	return p.b[t.start:t.end:t.end]
}

// appendRawUnicode appends what is in Python's raw-unicode-escape: Latin-1 with \uXXXX and \UXXXXXXXX. A backslash before another one is
// nothing special.
func appendRawUnicode(text, s []byte) (appended []byte, ok bool) {
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
	return text, true
}

// appendCharacter appends a character of Python.
func appendCharacter(text []byte, r rune) []byte {
	if r >= 0xd800 && r < 0xe000 {
		return append(text, 0xed, 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f))
	}
	return utf8.AppendRune(text, r)
}

// appendUnquoted appends what is in a str of Python 2 as repr() writes it, between its quotes.
func appendUnquoted(text, s []byte, quote byte) (appended []byte, ok bool) {
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
	return text, true
}
