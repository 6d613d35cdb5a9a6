package redisbus

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/ws-emit/ws-emit/emitter"
)

// argWriter writes values that are not JSON yet as the arguments of a message: compact JSON, one argument after another in one buffer, and
// the binary parts beside it. What is written between two calls of endArg is one argument; punctuation is up to the caller (raw).
type argWriter struct {
	buf         []byte
	ends        []int // of the arguments
	attachments [][]byte
}

func (w *argWriter) raw(s string) { w.buf = append(w.buf, s...) }

func (w *argWriter) endArg() { w.ends = append(w.ends, len(w.buf)) }

// args returns the arguments, which share the writer's buffer.
func (w *argWriter) args() []json.RawMessage {
	if len(w.ends) == 0 {
		return nil
	}
	args := make([]json.RawMessage, len(w.ends))
	start := 0
	for i, end := range w.ends {
		args[i] = w.buf[start:end:end]
		start = end
	}
	return args
}

const hexDigits = "0123456789abcdef"

// text writes a string. Bytes that are not UTF-8 become U+FFFD.
func (w *argWriter) text(s []byte) {
	w.buf = append(slices.Grow(w.buf, len(s)+2), '"')
	w.chars(s)
	w.buf = append(w.buf, '"')
}

// textLen returns how many bytes text writes.
func textLen(s []byte) int {
	n := len(s) + len(`""`)
	for i := 0; i < len(s); {
		c, size := s[i], 1
		switch {
		case c >= utf8.RuneSelf:
			var r rune
			if r, size = utf8.DecodeRune(s[i:]); r == utf8.RuneError && size == 1 {
				n += len("\uFFFD") - 1
			}
		case c == '"', c == '\\':
			n++
		case c < ' ':
			n += len(`\u0000`) - 1
		}
		i += size
	}
	return n
}

// chars writes a part of a string, as text does.
func (w *argWriter) chars(s []byte) {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		w.buf = append(w.buf, s[start:i]...)
		switch {
		case c >= utf8.RuneSelf:
			w.buf = append(w.buf, "\uFFFD"...)
		case c == '"', c == '\\':
			w.buf = append(w.buf, '\\', c)
		default:
			w.buf = append(w.buf, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	w.buf = append(w.buf, s[start:]...)
}

func (w *argWriter) integer(n int64) { w.buf = strconv.AppendInt(w.buf, n, 10) }

func (w *argWriter) unsigned(n uint64) { w.buf = strconv.AppendUint(w.buf, n, 10) }

// float writes a number as JSON.stringify does: what is not finite becomes null, a whole number has no fraction.
func (w *argWriter) float(f float64) {
	switch abs := math.Abs(f); {
	case math.IsNaN(f), math.IsInf(f, 0):
		w.raw("null")
	case f == 0:
		w.raw("0") // -0 too
	case abs < 1e-6 || abs >= 1e21:
		w.buf = strconv.AppendFloat(w.buf, f, 'e', -1, 64)
	default:
		w.buf = strconv.AppendFloat(w.buf, f, 'f', -1, 64)
	}
}

// binary writes the placeholder of an attachment (Socket.IO protocol, "Packet encoding"), which is copied. ok is unset when there are more
// than a client takes.
func (w *argWriter) binary(b []byte) (ok bool) {
	if len(w.attachments) == emitter.MaxAttachments {
		return false
	}
	w.raw(`{"_placeholder":true,"num":`)
	w.integer(int64(len(w.attachments)))
	w.raw("}")
	w.attachments = append(w.attachments, slices.Clone(b))
	return true
}
