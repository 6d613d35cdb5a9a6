package redisbus

import (
	"bytes"
	"encoding/json"

	"github.com/ws-emit/ws-emit/emitter"
)

// decodeJSON decodes what POST /emit takes: an object, a list of them, or NDJSON. A secret in it is ignored, who may publish is for Redis
// to decide. Either all messages of a payload are good or none is passed on.
func decodeJSON(dst []emitter.Message, payload []byte, limits emitter.Limits) ([]emitter.Message, DropReason) {
	if looksPickled(payload) {
		return dst, DropPickle
	}
	parse := emitter.ParseJSON
	if bytes.IndexByte(payload, '\n') >= 0 && !json.Valid(payload) {
		parse = emitter.ParseNDJSON
	}
	batch, _, err := parse(payload, limits)
	if err != nil {
		return dst, validateReason(err)
	}
	return append(dst, batch...), ""
}
