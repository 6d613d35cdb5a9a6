package redisbus

import (
	"encoding/json"

	"github.com/tinylib/msgp/msgp"

	"github.com/ws-emit/ws-emit/emitter/internal/jsonscan"
)

// parseMsgpack is parseJSON for MessagePack. Only data may have attachments.
func (b *nodeBroadcast) parseMsgpack(payload []byte) DropReason {
	if looksPickled(payload) {
		return DropPickle
	}
	n, rest, err := msgp.ReadArrayHeaderBytes(payload)
	if err != nil || n != 3 {
		return DropMalformed
	}
	r := msgpackReader{limit: maxText(b.limits), textOnly: true}
	r.buf = make([]byte, 0, min(len(payload)+len(payload)/4+64, r.limit))
	rest, reason := r.value(rest, 1)
	if reason == "" {
		rest, reason = b.readPacket(&r, rest)
	}
	if reason == "" {
		rest, reason = b.readOptions(&r, rest)
	}
	if reason == "" && len(rest) > 0 {
		return DropMalformed
	}
	b.attachments = r.attachments
	return reason
}

// readPacket reads the second element of a broadcast.
func (b *nodeBroadcast) readPacket(r *msgpackReader, payload []byte) (rest []byte, reason DropReason) {
	n, rest, reason := mapHeader(payload, 1)
	for range n {
		var key []byte
		if key, rest, reason = r.name(rest); reason != "" {
			return nil, reason
		}
		if string(key) == "data" && msgp.NextType(rest) == msgp.ArrayType {
			if rest, reason = b.readList(r, rest); reason != "" {
				return nil, reason
			}
			continue
		}
		var value jsonscan.Value
		if value, rest, reason = r.written(rest, 2); reason != "" {
			return nil, reason
		}
		switch string(key) {
		case "type":
			b.kind = value
		case "data": // as in JavaScript, the last one of equal keys counts
			b.data, b.noData = nil, DropMalformed
		case "nsp":
			b.nsp = value
		case "id":
			b.id = value
		}
	}
	return rest, reason
}

// readList reads data.
func (b *nodeBroadcast) readList(r *msgpackReader, payload []byte) (rest []byte, reason DropReason) {
	n, rest, err := msgp.ReadArrayHeaderBytes(payload)
	if err != nil || uint64(n) > uint64(len(rest)) {
		return nil, DropMalformed
	}
	r.textOnly = false
	most := maxArgs(b.limits)
	b.data = make([]json.RawMessage, 0, min(int(n), 8))
	for range n {
		var value jsonscan.Value
		if value, rest, reason = r.written(rest, 3); reason != "" {
			return nil, reason
		}
		if len(b.data) < most {
			b.data = append(b.data, value.Raw)
		}
	}
	r.textOnly = true
	if int(n) > most {
		b.data, b.noData = nil, DropTooLarge
	}
	return rest, ""
}

// readOptions reads the third element of a broadcast.
func (b *nodeBroadcast) readOptions(r *msgpackReader, payload []byte) (rest []byte, reason DropReason) {
	n, rest, reason := mapHeader(payload, 1)
	for range n {
		var key []byte
		var value jsonscan.Value
		if key, rest, reason = r.name(rest); reason != "" {
			return nil, reason
		}
		if value, rest, reason = r.written(rest, 2); reason != "" {
			return nil, reason
		}
		switch string(key) {
		case "rooms":
			b.rooms = value
		case "except":
			b.except = value
		}
	}
	return rest, reason
}
