package redisbus

import (
	"encoding/binary"
	"math"
	"time"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"

	"github.com/ws-emit/ws-emit/emitter/internal/jsonscan"
)

// maxMsgpackDepth is how deep lists and maps may be nested in MessagePack.
const maxMsgpackDepth = 64

// msgpackReader writes MessagePack as JSON with attachments, in the forms that JSON.stringify and the Socket.IO parser of a Node would write
// the values in that its own MessagePack decoder makes of them. What is announced allocates nothing: memory grows with what is there.
//
// Its methods read the value that b begins with and return what follows it, or say why there is none. After that the reader is of no use.
type msgpackReader struct {
	argWriter
	// limit bounds the JSON, in bytes. A text is not written where there is no room for it, anything else goes up to 128 bytes beyond it. 0:
	// none.
	limit int
	// textOnly writes null for what would be an attachment.
	textOnly bool
}

// value reads a value of any type, inside of depth lists and maps.
func (r *msgpackReader) value(b []byte, depth int) (rest []byte, reason DropReason) {
	if r.limit > 0 && len(r.buf) > r.limit {
		return nil, DropTooLarge
	}
	var err error
	switch msgp.NextType(b) {
	case msgp.StrType:
		var s []byte
		if s, rest, err = msgp.ReadStringZC(b); err == nil {
			return rest, r.textOrBinary(s)
		}
	case msgp.BinType:
		var s []byte
		if s, rest, err = msgp.ReadBytesZC(b); err == nil {
			return rest, r.attachment(s)
		}
	case msgp.ArrayType:
		return r.list(b, depth)
	case msgp.MapType:
		return r.object(b, depth)
	case msgp.Float32Type, msgp.Float64Type:
		var f float64
		if f, rest, err = msgp.ReadFloat64Bytes(b); err == nil {
			r.float(f)
		}
	case msgp.ExtensionType, msgp.TimeType, msgp.Complex64Type, msgp.Complex128Type:
		return r.extension(b)
	default:
		return r.scalar(b)
	}
	if err != nil {
		return nil, DropMalformed
	}
	return rest, ""
}

// scalar reads what can be a key too, as JSON: an integer, true, false or null.
func (r *msgpackReader) scalar(b []byte) (rest []byte, reason DropReason) {
	var err error
	switch msgp.NextType(b) {
	case msgp.IntType:
		var n int64
		n, rest, err = msgp.ReadInt64Bytes(b)
		r.integer(n)
	case msgp.UintType:
		var n uint64
		n, rest, err = msgp.ReadUint64Bytes(b)
		r.unsigned(n)
	case msgp.BoolType:
		var yes bool
		if yes, rest, err = msgp.ReadBoolBytes(b); yes {
			r.raw("true")
		} else {
			r.raw("false")
		}
	case msgp.NilType:
		rest, err = msgp.ReadNilBytes(b)
		r.raw("null")
	default:
		return nil, DropMalformed
	}
	if err != nil {
		return nil, DropMalformed
	}
	return rest, ""
}

func (r *msgpackReader) list(b []byte, depth int) (rest []byte, reason DropReason) {
	n, rest, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil || depth == maxMsgpackDepth || uint64(n) > uint64(len(rest)) {
		return nil, DropMalformed
	}
	r.raw("[")
	for i := range n {
		if i > 0 {
			r.raw(",")
		}
		if rest, reason = r.value(rest, depth+1); reason != "" {
			return nil, reason
		}
	}
	r.raw("]")
	return rest, ""
}

// object reads a map. Where a key is there twice it is written twice, and the last one counts for whoever reads the JSON.
func (r *msgpackReader) object(b []byte, depth int) (rest []byte, reason DropReason) {
	n, rest, reason := mapHeader(b, depth)
	if reason != "" {
		return nil, reason
	}
	r.raw("{")
	for i := range n {
		if i > 0 {
			r.raw(",")
		}
		if rest, reason = r.key(rest); reason != "" {
			return nil, reason
		}
		r.raw(":")
		if rest, reason = r.value(rest, depth+1); reason != "" {
			return nil, reason
		}
	}
	r.raw("}")
	return rest, ""
}

// written is value, and returns what has been written for it.
func (r *msgpackReader) written(b []byte, depth int) (v jsonscan.Value, rest []byte, reason DropReason) {
	start := len(r.buf)
	rest, reason = r.value(b, depth)
	return jsonscan.Value{Raw: r.buf[start:len(r.buf):len(r.buf)]}, rest, reason
}

// mapHeader reads how many members a map has, which there is room for.
func mapHeader(b []byte, depth int) (n uint32, rest []byte, reason DropReason) {
	n, rest, err := msgp.ReadMapHeaderBytes(b)
	if err != nil || depth == maxMsgpackDepth || 2*uint64(n) > uint64(len(rest)) {
		return 0, nil, DropMalformed
	}
	return n, rest, ""
}

// key reads a key as text.
func (r *msgpackReader) key(b []byte) (rest []byte, reason DropReason) {
	switch msgp.NextType(b) {
	case msgp.StrType, msgp.BinType:
		s, rest, err := msgp.ReadMapKeyZC(b)
		if err != nil {
			return nil, DropMalformed
		}
		return rest, r.text(s)
	}
	r.raw(`"`)
	rest, reason = r.scalar(b)
	r.raw(`"`)
	return rest, reason
}

// name reads a key without writing it. It is nil where it is no text.
func (r *msgpackReader) name(b []byte) (name, rest []byte, reason DropReason) {
	switch msgp.NextType(b) {
	case msgp.StrType, msgp.BinType:
		name, rest, err := msgp.ReadMapKeyZC(b)
		if err != nil {
			return nil, nil, DropMalformed
		}
		return name, rest, ""
	}
	rest, reason = r.scalar(b)
	return nil, rest, reason
}

// textOrBinary writes a string. Before MessagePack told them apart, binary was a string too.
func (r *msgpackReader) textOrBinary(s []byte) DropReason {
	if !utf8.Valid(s) {
		return r.attachment(s)
	}
	return r.text(s)
}

// text writes a string, if there is room for it.
func (r *msgpackReader) text(s []byte) DropReason {
	if free := r.limit - len(r.buf); r.limit > 0 && 8*len(s) > free && textLen(s) > free {
		return DropTooLarge
	}
	r.argWriter.text(s)
	return ""
}

func (r *msgpackReader) attachment(s []byte) DropReason {
	if r.textOnly {
		r.raw("null")
		return ""
	}
	if !r.binary(s) {
		return DropBinary
	}
	return ""
}

// The codes of MessagePack for extensions, where the size of what follows tells them apart.
const (
	codeExt8    = 0xc7
	codeExt16   = 0xc8
	codeExt32   = 0xc9
	codeFixExt1 = 0xd4
	codeFixExt8 = 0xd7
)

// The types of extensions that publishers write.
const (
	extTimestamp = -1 // a Date of notepack.io 3, as the MessagePack specification has it
	extNotepack  = 0  // notepack.io 2: undefined in one byte, a Date in eight, or an ArrayBuffer or typed array with its length
	extDate      = 13 // a Date of msgpack-lite
)

// extension reads what MessagePack has no type for: undefined, dates, and binary that is not a Buffer.
func (r *msgpackReader) extension(b []byte) (rest []byte, reason DropReason) {
	rest, err := msgp.Skip(b)
	if err != nil {
		return nil, DropMalformed
	}
	code, start := b[0], 2
	switch code {
	case codeExt8:
		start = 3
	case codeExt16:
		start = 4
	case codeExt32:
		start = 6
	}
	data := b[start : len(b)-len(rest)]
	switch kind := int8(b[start-1]); {
	case kind == extNotepack && code == codeFixExt1:
		r.raw("null")
	case kind == extNotepack && code == codeFixExt8:
		r.date(float64(int64(binary.BigEndian.Uint64(data))))
	case kind == extNotepack && code <= codeExt32:
		return rest, r.attachment(data)
	case kind == extTimestamp:
		return rest, r.timestamp(data)
	case kind == extDate:
		return rest, r.dateNumber(data)
	default:
		return nil, DropMalformed
	}
	return rest, ""
}

// timestamp writes a timestamp of 32, 64 or 96 bits (MessagePack specification, "Timestamp extension type").
func (r *msgpackReader) timestamp(data []byte) DropReason {
	var seconds int64
	var nanoseconds uint32
	switch len(data) {
	case 4:
		seconds = int64(binary.BigEndian.Uint32(data))
	case 8:
		both := binary.BigEndian.Uint64(data)
		seconds, nanoseconds = int64(both&(1<<34-1)), uint32(both>>34)
	case 12:
		nanoseconds, seconds = binary.BigEndian.Uint32(data), int64(binary.BigEndian.Uint64(data[4:]))
	default:
		return DropMalformed
	}
	r.date(float64(seconds)*1000 + float64(nanoseconds/1e6))
	return ""
}

// dateNumber writes a date whose milliseconds are a number in MessagePack.
func (r *msgpackReader) dateNumber(data []byte) DropReason {
	var ms float64
	var rest []byte
	var err error
	switch msgp.NextType(data) {
	case msgp.Float32Type, msgp.Float64Type:
		ms, rest, err = msgp.ReadFloat64Bytes(data)
	case msgp.IntType, msgp.UintType:
		var n int64
		n, rest, err = msgp.ReadInt64Bytes(data)
		ms = float64(n)
	default:
		return DropMalformed
	}
	if err != nil || len(rest) > 0 {
		return DropMalformed
	}
	r.date(ms)
	return ""
}

// maxDate is how many milliseconds a Date of JavaScript can be away from 1970.
const maxDate = 8.64e15

// date writes milliseconds since 1970 as Date.toJSON does.
func (r *msgpackReader) date(ms float64) {
	if math.IsNaN(ms) || math.Abs(ms) > maxDate {
		r.raw("null")
		return
	}
	t := time.UnixMilli(int64(ms)).UTC()
	switch year := t.Year(); {
	case year >= 0 && year <= 9999:
		r.buf = t.AppendFormat(r.buf, `"2006`)
	default:
		sign := `"+`
		if year < 0 {
			sign, year = `"-`, -year
		}
		r.raw(sign)
		for digit := 100_000; digit > 0; digit /= 10 { // always six
			r.integer(int64(year / digit % 10))
		}
	}
	r.buf = t.AppendFormat(r.buf, `-01-02T15:04:05.000Z"`)
}
