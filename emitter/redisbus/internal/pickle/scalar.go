package pickle

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
)

// Limits of integers. Writing binary as decimal takes time that grows with the square of the length.
const (
	maxIntBytes  = 255  // in binary, which is what LONG1 can hold
	maxIntDigits = 4300 // what Python reads
)

// maxFloatDigits is more than Python writes of any float.
const maxFloatDigits = 64

// checkScalar checks the argument of an opcode that makes a scalar which is not a text.
func checkScalar(op opcode, arg []byte) error {
	switch op {
	case opInt, opLong:
		return checkDecimal(decimal(op, arg))
	case opLong1, opLong4:
		if len(arg) > maxIntBytes {
			return tooLarge("integer too long")
		}
	case opFloat:
		if _, ok := parseFloat(arg); !ok {
			return malformed("a float is no number")
		}
	case opBinUnicode, opShortBinUnicode, opBinUnicode8:
		if !validText(arg) {
			return malformed("a string is not UTF-8")
		}
	}
	return nil
}

// scalar returns the opcode of a scalar, and its argument. It is [opNone] for the zero Value, of a container and of a text.
func (v Value) scalar() (op opcode, arg []byte) {
	if v.p == nil || v.r&(containerBit|textBit) != 0 {
		return opNone, nil
	}
	arg, _, _ = argumentAt(v.p.b, int(v.r)) // has been checked
	return opcode(v.p.b[v.r]), arg
}

// Kind returns the type of a value.
func (v Value) Kind() Kind {
	switch {
	case v.r&containerBit != 0:
		return v.p.container(v.r).kind
	case v.r&textBit != 0:
		return v.p.texts[v.r&^textBit].kind
	}
	switch op, arg := v.scalar(); op {
	case opNewTrue, opNewFalse:
		return Bool
	case opInt:
		if isBool(arg) {
			return Bool
		}
		return Int
	case opLong, opBinInt, opBinInt1, opBinInt2, opLong1, opLong4:
		return Int
	case opFloat, opBinFloat:
		return Float
	case opBinUnicode, opShortBinUnicode, opBinUnicode8:
		return Text
	case opBinBytes, opShortBinBytes, opBinBytes8, opByteArray8:
		return Bytes
	}
	return None
}

// Bool returns a boolean.
func (v Value) Bool() bool {
	op, arg := v.scalar()
	return op == opNewTrue || op == opInt && string(arg) == "01"
}

// isBool reports whether the argument of INT is a boolean.
func isBool(arg []byte) bool { return string(arg) == "00" || string(arg) == "01" }

// AppendInt appends an integer in decimal.
func (v Value) AppendInt(dst []byte) []byte {
	switch op, arg := v.scalar(); op {
	case opBinInt:
		return strconv.AppendInt(dst, int64(int32(binary.LittleEndian.Uint32(arg))), 10)
	case opBinInt1:
		return strconv.AppendUint(dst, uint64(arg[0]), 10)
	case opBinInt2:
		return strconv.AppendUint(dst, uint64(binary.LittleEndian.Uint16(arg)), 10)
	case opLong1, opLong4:
		return appendLong(dst, arg)
	case opInt, opLong:
		return append(dst, decimal(op, arg)...)
	}
	return append(dst, '0')
}

// appendLong appends an integer that is little-endian in two's complement, and at most maxIntBytes long.
func appendLong(dst, arg []byte) []byte {
	var le [maxIntBytes + 1]byte
	n := copy(le[:], arg)
	if n > 0 && arg[n-1] >= 0x80 {
		dst = append(dst, '-')
		carry := 1
		for i := range n {
			carry += int(^le[i])
			le[i] = byte(carry)
			carry >>= 8
		}
	}
	var words [len(le) / 8]uint64
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(le[8*i:])
	}
	return appendWords(dst, words[:(n+7)/8])
}

// appendWords appends an integer that is little-endian in words, and changes these. It allocates nothing, as math/big would.
func appendWords(dst []byte, words []uint64) []byte {
	const digits, base = 19, 1e19 // the largest power of 10 in a word
	var parts [maxIntBytes/7 + 1]uint64
	n := 0
	for {
		for len(words) > 0 && words[len(words)-1] == 0 {
			words = words[:len(words)-1]
		}
		if len(words) == 0 {
			break
		}
		var rest uint64
		for i := len(words) - 1; i >= 0; i-- {
			words[i], rest = bits.Div64(rest, words[i], base)
		}
		parts[n] = rest
		n++
	}
	if n == 0 {
		return append(dst, '0')
	}
	dst = strconv.AppendUint(dst, parts[n-1], 10)
	for n--; n > 0; n-- {
		var part [20]byte
		s := strconv.AppendUint(part[:0], parts[n-1], 10)
		for range digits - len(s) {
			dst = append(dst, '0')
		}
		dst = append(dst, s...)
	}
	return dst
}

// decimal returns the digits in the argument of INT or LONG. Of a boolean it is one of them.
func decimal(op opcode, arg []byte) []byte {
	if op == opInt && isBool(arg) {
		return arg[1:]
	}
	if op == opLong {
		return bytes.TrimSuffix(arg, []byte("L"))
	}
	return arg
}

// checkDecimal checks that digits are an integer as JSON has it, too.
func checkDecimal(s []byte) error {
	digits := bytes.TrimPrefix(s, []byte("-"))
	switch {
	case len(digits) > maxIntDigits:
		return tooLarge("integer too long")
	case len(digits) == 0, digits[0] == '0' && len(s) > 1, !isDigits(digits):
		return malformed("an integer is no number")
	}
	return nil
}

func isDigits(s []byte) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// parseIndex returns the index of a memo.
func parseIndex(s []byte) (index uint32, ok bool) {
	if len(s) > 10 || !isDigits(s) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(s), 10, 32)
	return uint32(n), err == nil
}

// Float returns a float, which can be infinite or NaN.
func (v Value) Float() float64 {
	op, arg := v.scalar()
	switch op {
	case opBinFloat:
		return math.Float64frombits(binary.BigEndian.Uint64(arg))
	case opFloat:
		f, _ := parseFloat(arg)
		return f
	}
	return 0
}

// parseFloat reads what repr() writes.
func parseFloat(s []byte) (f float64, ok bool) {
	switch string(s) {
	case "nan", "-nan":
		return math.NaN(), true
	case "inf":
		return math.Inf(1), true
	case "-inf":
		return math.Inf(-1), true
	}
	if len(s) > maxFloatDigits || len(bytes.Trim(s, "0123456789+-.eE")) > 0 {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(s), 64)
	if err != nil && !math.IsInf(f, 0) { // larger than a float can be, Python makes it infinite as well
		return 0, false
	}
	return f, true
}

// IntBytes returns how many bytes AppendInt appends at most.
func (v Value) IntBytes() int {
	switch op, arg := v.scalar(); op {
	case opLong1, opLong4:
		return 3*len(arg) + 2 // a byte has less than 3 digits
	case opInt, opLong:
		return len(arg)
	}
	return len("-2147483648")
}
