package emitter

import (
	"fmt"
	"strconv"

	"github.com/ws-emit/ws-emit/emitter/internal/jsonscan"
)

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
			end := jsonscan.SkipString(b, i)
			colon := jsonscan.SkipSpace(b, end)
			if colon == len(b) || b[colon] != ':' { // not a key
				i = end
				continue
			}
			key, _ := jsonscan.Value{Raw: b[i:end]}.Chars() // no key that matters has half of a surrogate pair
			i = jsonscan.SkipSpace(b, colon+1)
			scalar := b[i:endOfScalar(b, i)]
			top := &stack[len(stack)-1]
			switch string(key) {
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

// endOfScalar returns the index after the number, true, false or null that begins at i.
func endOfScalar(b []byte, i int) int {
	for i < len(b) && b[i] > ' ' && b[i] != ',' && b[i] != ']' && b[i] != '}' {
		i++
	}
	return i
}
