package pickle

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// opcode is one instruction. Its argument follows it.
type opcode byte

// The opcodes that make data, under the names of Python's pickletools.
const (
	opProto opcode = 0x80 // protocol number, first of all
	opFrame opcode = 0x95 // u64: bytes that belong together
	opStop  opcode = '.'

	opMark     opcode = '('
	opPop      opcode = '0'
	opNone     opcode = 'N'
	opNewTrue  opcode = 0x88
	opNewFalse opcode = 0x89

	opInt     opcode = 'I' // decimal line; "00" and "01" are booleans
	opLong    opcode = 'L' // decimal line, with or without an L at the end
	opBinInt  opcode = 'J' // i32
	opBinInt1 opcode = 'K' // u8
	opBinInt2 opcode = 'M' // u16
	opLong1   opcode = 0x8a
	opLong4   opcode = 0x8b // i32 length; both are little-endian in two's complement

	opFloat    opcode = 'F' // decimal line
	opBinFloat opcode = 'G' // big-endian

	opUnicode         opcode = 'V' // raw-unicode-escape line
	opBinUnicode      opcode = 'X'
	opShortBinUnicode opcode = 0x8c
	opBinUnicode8     opcode = 0x8d

	opBinBytes      opcode = 'B'
	opShortBinBytes opcode = 'C'
	opBinBytes8     opcode = 0x8e
	opByteArray8    opcode = 0x96

	opString         opcode = 'S' // str of Python 2: line as repr() writes it
	opBinString      opcode = 'T'
	opShortBinString opcode = 'U'

	opEmptyList  opcode = ']'
	opEmptyTuple opcode = ')'
	opEmptyDict  opcode = '}'
	opList       opcode = 'l' // this and the next two: from the mark
	opTuple      opcode = 't'
	opDict       opcode = 'd'
	opTuple1     opcode = 0x85
	opTuple2     opcode = 0x86
	opTuple3     opcode = 0x87
	opAppend     opcode = 'a'
	opAppends    opcode = 'e'
	opSetItem    opcode = 's'
	opSetItems   opcode = 'u'

	opPut        opcode = 'p' // decimal line
	opBinPut     opcode = 'q'
	opLongBinPut opcode = 'r'
	opMemoize    opcode = 0x94
	opGet        opcode = 'g' // decimal line
	opBinGet     opcode = 'h'
	opLongBinGet opcode = 'j'
)

// argument is the form of an argument. All lengths and integers are little-endian.
type argument uint8

const (
	argUnknown argument = iota // not an opcode that makes data
	argNone
	arg1 // byte
	arg2
	arg4
	arg8
	argLine   // up to a line feed
	argSized1 // length in one byte, then as many
	argSized4
	argSized8
)

// arguments is the white list: what is not in it is refused.
var arguments = [256]argument{
	opProto: arg1, opFrame: arg8, opStop: argNone,
	opMark: argNone, opPop: argNone, opNone: argNone, opNewTrue: argNone, opNewFalse: argNone,
	opInt: argLine, opLong: argLine, opBinInt: arg4, opBinInt1: arg1, opBinInt2: arg2, opLong1: argSized1, opLong4: argSized4,
	opFloat: argLine, opBinFloat: arg8,
	opUnicode: argLine, opBinUnicode: argSized4, opShortBinUnicode: argSized1, opBinUnicode8: argSized8,
	opBinBytes: argSized4, opShortBinBytes: argSized1, opBinBytes8: argSized8, opByteArray8: argSized8,
	opString: argLine, opBinString: argSized4, opShortBinString: argSized1,
	opEmptyList: argNone, opEmptyTuple: argNone, opEmptyDict: argNone, opList: argNone, opTuple: argNone, opDict: argNone,
	opTuple1: argNone, opTuple2: argNone, opTuple3: argNone, opAppend: argNone, opAppends: argNone, opSetItem: argNone, opSetItems: argNone,
	opPut: argLine, opBinPut: arg1, opLongBinPut: arg4, opMemoize: argNone, opGet: argLine, opBinGet: arg1, opLongBinGet: arg4,
}

// argumentAt returns the argument of the opcode at i, and the index after it. The length of an argument is compared with what is there
// before anything is done with it.
func argumentAt(b []byte, i int) (arg []byte, end int, err error) {
	start, n := i+1, uint64(0)
	rest := b[start:]
	switch arguments[b[i]] {
	case argUnknown:
		return nil, 0, fmt.Errorf("%w: opcode %#02x", ErrNotData, b[i])
	case argNone:
		return nil, start, nil
	case arg1:
		n = 1
	case arg2:
		n = 2
	case arg4:
		n = 4
	case arg8:
		n = 8
	case argLine:
		n := bytes.IndexByte(rest, '\n')
		if n < 0 {
			return nil, 0, malformed("it is cut off")
		}
		return rest[:n:n], start + n + 1, nil
	case argSized1:
		if len(rest) < 1 {
			return nil, 0, malformed("it is cut off")
		}
		start, n = start+1, uint64(rest[0])
	case argSized4:
		if len(rest) < 4 {
			return nil, 0, malformed("it is cut off")
		}
		start, n = start+4, uint64(binary.LittleEndian.Uint32(rest))
	case argSized8:
		if len(rest) < 8 {
			return nil, 0, malformed("it is cut off")
		}
		start, n = start+8, binary.LittleEndian.Uint64(rest)
	}
	if n > uint64(len(b)-start) {
		return nil, 0, malformed("it is cut off")
	}
	end = start + int(n)
	return b[start:end:end], end, nil
}
