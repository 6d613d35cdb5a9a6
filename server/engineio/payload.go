package engineio

import (
	"bytes"
	"encoding/base64"
	"errors"
	"unicode/utf8"

	"github.com/ws-emit/ws-emit/server/frame"
)

const separator = 0x1e

var errPayload = errors.New("engineio: malformed payload")

// decodePayload splits the body of a POST into packets (Engine.IO protocol, "Packet encoding", "HTTP long-polling"). They refer to the body.
// An empty body, an empty packet, invalid base64 and invalid UTF-8 are errors.
func decodePayload(body []byte) ([]frame.Packet, error) {
	if !utf8.Valid(body) {
		return nil, errPayload
	}
	packets := make([]frame.Packet, 0, 1+bytes.Count(body, []byte{separator}))
	for part := range bytes.SplitSeq(body, []byte{separator}) {
		switch {
		case len(part) == 0:
			return nil, errPayload
		case part[0] == 'b':
			data, err := base64.StdEncoding.AppendDecode(nil, part[1:])
			if err != nil {
				return nil, errPayload
			}
			packets = append(packets, frame.Packet{Binary: true, Data: data})
		default:
			packets = append(packets, frame.Packet{Data: part})
		}
	}
	return packets, nil
}
