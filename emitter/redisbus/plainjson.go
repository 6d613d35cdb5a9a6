package redisbus

import (
	"bytes"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/internal/jsonscan"
)

// decodeJSON decodes what POST /emit takes: an object, a list of them, or NDJSON. A secret in it is ignored, who may publish is for Redis
// to decide. Either all messages of a payload are good or none is passed on.
func decodeJSON(dst []emitter.Message, p published, rules *rules) ([]emitter.Message, DropReason, error) {
	if looksPickled(p.body) {
		return dst, DropPickle, nil
	}
	parse := emitter.AppendJSON
	if bytes.IndexByte(p.body, '\n') >= 0 {
		if _, fault := jsonscan.Parse(p.body, jsonscan.JSON); fault != nil {
			parse = emitter.AppendNDJSON
		}
	}
	batch, _, err := parse(dst, p.body, rules.limits)
	if err != nil {
		return dst, validateReason(err), err
	}
	return batch, "", nil
}
