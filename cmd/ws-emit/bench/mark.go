package bench

import "bytes"

// mark is what a message carries. In its data it is text of a fixed length, all numbers hexadecimal:
//
//	ws-bench:RRRRRRRR:EEEE:OOOOOOOO:SSSSSSSS:TTTTTTTTTTTTTTTT;
type mark struct {
	run      uint32
	emitter  uint16
	room     uint32
	sequence uint32 // from 1, for each emitter and room
	sent     int64  // ns after the start of the run
}

const (
	markStart  = "ws-bench:"
	markLength = len(markStart) + 8 + 1 + 4 + 1 + 8 + 1 + 8 + 1 + 16 + 1

	dataStart, dataEnd = `{"bench":"`, `"}`

	minSize = len(dataStart) + markLength + len(dataEnd) // of the data of a message
)

// appendHex appends the last digits of a number.
func appendHex(dst []byte, n uint64, digits int) []byte {
	for i := digits - 1; i >= 0; i-- {
		dst = append(dst, "0123456789abcdef"[n>>(4*i)&15])
	}
	return dst
}

// appendData appends the data of a message: a JSON object of size bytes with the mark in it, or of as many as the mark needs.
func appendData(dst []byte, m mark, size int) []byte {
	start := len(dst)
	dst = append(dst, dataStart...)
	dst = appendMark(dst, m)
	for len(dst)-start < size-len(dataEnd) {
		dst = append(dst, 'x')
	}
	return append(dst, dataEnd...)
}

func appendMark(dst []byte, m mark) []byte {
	dst = append(dst, markStart...)
	dst = append(appendHex(dst, uint64(m.run), 8), ':')
	dst = append(appendHex(dst, uint64(m.emitter), 4), ':')
	dst = append(appendHex(dst, uint64(m.room), 8), ':')
	dst = append(appendHex(dst, uint64(m.sequence), 8), ':')
	return append(appendHex(dst, uint64(m.sent), 16), ';')
}

// findMark finds the first mark in a text, whatever is around it, and returns what is behind.
func findMark(text []byte) (m mark, rest []byte, ok bool) {
	at := bytes.Index(text, []byte(markStart))
	if at < 0 || len(text)-at < markLength {
		return m, nil, false
	}
	rest = text[at+len(markStart):]
	ok = true
	field := func(digits int, end byte) uint64 {
		n, valid := parseHex(rest[:digits])
		ok = ok && valid && rest[digits] == end
		rest = rest[digits+1:]
		return n
	}
	m.run = uint32(field(8, ':'))
	m.emitter = uint16(field(4, ':'))
	m.room = uint32(field(8, ':'))
	m.sequence = uint32(field(8, ':'))
	m.sent = int64(field(16, ';'))
	return m, rest, ok
}

// parseHex is that of strconv for lower case, without an allocation.
func parseHex(digits []byte) (n uint64, ok bool) {
	for _, d := range digits {
		switch {
		case d >= '0' && d <= '9':
			n = n<<4 | uint64(d-'0')
		case d >= 'a' && d <= 'f':
			n = n<<4 | uint64(d-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}
