package redisbus

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ws-emit/ws-emit/emitter/redisbus/internal/pickle"
)

// pickleWriter writes values of a pickle as json.dumps does, and bytes as attachments. Whatever is written is taken from the budget first.
type pickleWriter struct {
	argWriter
	p *pythonPickle
}

// The most that is written for a value which is not an integer, a string or a container.
const scalarBytes = 48

func (w *pickleWriter) arg(v pickle.Value) DropReason {
	reason := w.value(v)
	w.endArg()
	return reason
}

// value writes a value. It recurses as deep as the value is, which is bounded.
func (w *pickleWriter) value(v pickle.Value) DropReason {
	kind, n := v.Kind(), scalarBytes
	switch kind {
	case pickle.Text:
		return w.string(v.Bytes())
	case pickle.List, pickle.Tuple:
		return w.list(v)
	case pickle.Dict:
		return w.dict(v)
	case pickle.Int:
		n = v.IntBytes()
	}
	if n > w.p.budget {
		return DropTooLarge
	}
	w.reserve(n)
	start := len(w.buf)
	switch kind {
	case pickle.None:
		w.raw("null")
	case pickle.Bool:
		w.raw(strconv.FormatBool(v.Bool()))
	case pickle.Int:
		w.buf = v.AppendInt(w.buf)
	case pickle.Float:
		w.float(v.Float())
	case pickle.Bytes:
		b := v.Bytes()
		if reason := w.spend(len(b)); reason != "" {
			return reason
		}
		if !w.binary(b) {
			return DropBinary
		}
	}
	return w.spend(len(w.buf) - start)
}

// spend takes n bytes from the budget.
func (w *pickleWriter) spend(n int) DropReason {
	if !w.p.spend(n) {
		return DropTooLarge
	}
	return ""
}

// reserve makes room for n bytes. It doubles the buffer as far as the budget goes, so that no more than twice the budget is allocated on the
// way.
func (w *pickleWriter) reserve(n int) {
	if cap(w.buf)-len(w.buf) >= n {
		return
	}
	grown := make([]byte, len(w.buf), max(min(2*cap(w.buf), len(w.buf)+n+max(w.p.budget, 0)), len(w.buf)+n, 128))
	copy(grown, w.buf)
	w.buf = grown
}

// mark writes one byte of punctuation. Whether the budget had it is for the next spend to say.
func (w *pickleWriter) mark(c byte) {
	w.reserve(1)
	w.buf = append(w.buf, c)
	w.p.budget--
}

func (w *pickleWriter) list(list pickle.Value) DropReason {
	open := byte('[')
	for v := range list.Elements() {
		w.mark(open)
		open = ','
		if reason := w.value(v); reason != "" {
			return reason
		}
	}
	if open == '[' {
		w.mark(open)
	}
	w.mark(']')
	return w.spend(0)
}

func (w *pickleWriter) dict(dict pickle.Value) DropReason {
	open := byte('{')
	for key, v := range dict.Members() {
		w.mark(open)
		open = ','
		if reason := w.key(key); reason != "" {
			return reason
		}
		w.mark(':')
		if reason := w.value(v); reason != "" {
			return reason
		}
	}
	if open == '{' {
		w.mark(open)
	}
	w.mark('}')
	return w.spend(0)
}

// key writes the key of a dict as the string that json.dumps makes of it.
func (w *pickleWriter) key(key pickle.Value) DropReason {
	switch key.Kind() {
	case pickle.Text:
		return w.string(key.Bytes())
	case pickle.Bytes:
		b := key.Bytes()
		if !utf8.Valid(b) {
			return DropEncoding
		}
		return w.string(b)
	case pickle.Float:
		return w.string([]byte(pythonFloat(key.Float())))
	}
	w.mark('"')
	reason := w.value(key)
	w.mark('"')
	return reason
}

// pythonFloat returns what Python's repr() writes, or json.dumps for what is not finite.
func pythonFloat(f float64) string {
	switch abs := math.Abs(f); {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f != 0 && (abs < 1e-4 || abs >= 1e16):
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// string writes a string. Half of a surrogate pair is escaped, as json.dumps does it.
func (w *pickleWriter) string(s []byte) DropReason {
	// To look at a string costs as much as to write it.
	n := len(s) + len(`""`)
	if reason := w.spend(n); reason != "" {
		return reason
	}
	escapes := escapesLen(s)
	if reason := w.spend(escapes); reason != "" {
		return reason
	}
	w.reserve(n + escapes)
	w.raw(`"`)
	for i := pickle.Surrogate(s); i >= 0; i = pickle.Surrogate(s) {
		w.chars(s[:i])
		w.raw(`\u`)
		w.buf = strconv.AppendUint(w.buf, 0xd000|uint64(s[i+1]&0x3f)<<6|uint64(s[i+2]&0x3f), 16)
		s = s[i+3:]
	}
	w.chars(s)
	w.raw(`"`)
	return ""
}

// escapesLen returns how many bytes string writes for s more than s has, beside the quotes.
func escapesLen(s []byte) (n int) {
	for i, c := range s {
		switch {
		case c < ' ':
			n += len(`\u0000`) - 1
		case c == '"', c == '\\':
			n++
		case c == 0xed && s[i+1] >= 0xa0:
			n += len(`\ud800`) - 3
		}
	}
	return n
}
