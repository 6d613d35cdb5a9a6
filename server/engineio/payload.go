package engineio

import (
	"bytes"
	"encoding/base64"
	"errors"
	"iter"
	"unicode/utf8"

	"github.com/ws-emit/ws-emit/server/frame"
)

const separator = 0x1e

var errPayload = errors.New("engineio: malformed payload")

// payload splits the body of a POST into packets (Engine.IO protocol, "Packet encoding", "HTTP long-polling"). They refer to the body. An empty body, an
// empty packet, invalid base64 and invalid UTF-8 are errors, after which nothing comes. It holds one packet at a time: a body can be very many.
func payload(body []byte) iter.Seq2[frame.Packet, error] {
	return func(yield func(frame.Packet, error) bool) {
		if !utf8.Valid(body) {
			yield(frame.Packet{}, errPayload)
			return
		}
		for part := range bytes.SplitSeq(body, []byte{separator}) {
			p, err := payloadPacket(part)
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

func payloadPacket(part []byte) (frame.Packet, error) {
	if len(part) == 0 {
		return frame.Packet{}, errPayload
	}
	if part[0] != 'b' {
		return frame.Packet{Data: part}, nil
	}
	data, err := base64.StdEncoding.AppendDecode(nil, part[1:])
	if err != nil {
		return frame.Packet{}, errPayload
	}
	return frame.Packet{Binary: true, Data: data}, nil
}
