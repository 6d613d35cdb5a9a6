package redisbus

import (
	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/internal/jsonscan"
)

// nodeRequest are the members of a request that mean something here.
type nodeRequest struct {
	limits emitter.Limits

	kind, requestID, oldRequestID jsonscan.Value
	opts, rooms, close            jsonscan.Value
	sid, room                     jsonscan.Value // of a request for a single socket, up to redis-adapter 7
}

// The types of requests that change something (redis-adapter 6.1 and later). All others ask for an answer.
const (
	requestJoin       = "2"
	requestLeave      = "3"
	requestDisconnect = "4"
)

// decodeRequest decodes what redis-adapter 6 to 8 and redis-emitter 4 and 5 publish on the channel KEY-request#N#, as JSON or in
// MessagePack, to have the sockets of other nodes join or leave rooms or disconnect:
//
//	{"type":2 or 3,"opts":{"rooms":[R,...],"except":[R,...]},"rooms":[R,...]}   {"type":2 or 3,"sid":S,"room":R,"requestId":I}
//	{"type":4,"opts":{"rooms":[R,...],"except":[R,...]},"close":B}              {"type":4,"sid":S,"close":B,"requestId":I}
//
// Requests for an answer are left to the members of the cluster.
func (r nodeRoute) decodeRequest(dst []emitter.Message, in published, rules *rules) ([]emitter.Message, DropReason, error) {
	q, reason, err := parseRequest(in.body, rules)
	if reason != "" {
		return dst, reason, err
	}
	m := emitter.Message{Namespace: r.namespace}
	if m.Method, reason = q.method(); reason != "" {
		return dst, reason, nil
	}
	if reason := q.read(&m); reason != "" {
		return dst, reason, nil
	}
	if err := m.Validate(rules.limits); err != nil {
		return dst, validateReason(err), err
	}
	return append(dst, m), "", nil
}

// parseRequest finds the members of a request.
func parseRequest(payload []byte, rules *rules) (q nodeRequest, reason DropReason, err error) {
	q.limits = rules.limits
	var root jsonscan.Value
	if len(payload) > 0 && payload[0] == '{' {
		var fault *jsonscan.SyntaxError
		if root, fault = jsonscan.Parse(payload, jsonscan.Python); fault != nil {
			reason, err = syntaxReason(payload, fault)
		}
	} else {
		root, reason = msgpackDocument(payload, rules.limits)
	}
	switch {
	case reason != "":
		return q, reason, err
	case root.Kind() != '{':
		return q, DropMalformed, nil
	}
	for key, value := range root.Members() {
		switch name, _ := key.Chars(); string(name) {
		case "type":
			q.kind = value
		case "requestId":
			q.requestID = value
		case "requestid":
			q.oldRequestID = value
		case "opts":
			q.opts = value
		case "rooms":
			q.rooms = value
		case "close":
			q.close = value
		case "sid":
			q.sid = value
		case "room":
			q.room = value
		}
	}
	return q, "", nil
}

// msgpackDocument reads one value in MessagePack, without attachments.
func msgpackDocument(payload []byte, limits emitter.Limits) (v jsonscan.Value, reason DropReason) {
	if looksPickled(payload) {
		return v, DropPickle
	}
	r := msgpackReader{limit: maxText(limits), textOnly: true}
	rest, reason := r.value(payload, 0)
	switch {
	case reason != "":
		return v, reason
	case len(rest) > 0:
		return v, DropMalformed
	}
	return jsonscan.Value{Raw: r.buf}, ""
}

// method returns what is asked for.
func (q *nodeRequest) method() (emitter.Method, DropReason) {
	if q.oldRequestID.Raw != nil {
		return 0, DropRequest // up to version 5, where the types had other numbers
	}
	kind, ok := q.kind.Integer()
	switch {
	case q.kind.Raw == nil && q.requestID.Raw != nil:
		return 0, DropRequest // of a cluster in Go, which leaves out a 0
	case !ok:
		return 0, DropMalformed
	}
	switch kind {
	case requestJoin:
		return emitter.MethodEnterRoom, ""
	case requestLeave:
		return emitter.MethodLeaveRoom, ""
	case requestDisconnect:
		return emitter.MethodDisconnect, ""
	case "0", "1", "5", "6", "7": // the sockets, all rooms, the sockets with their data, an event for the servers, a broadcast with acks
		return 0, DropRequest
	}
	return 0, DropMethod
}

// read reads which sockets are meant, and what changes for them. Everybody is meant by an empty list of rooms alone, as a Node writes it,
// and never by what is missing, misspelt or beside the sid of one socket.
func (q *nodeRequest) read(m *emitter.Message) DropReason {
	change := q.rooms
	switch q.opts.Kind() {
	case '{':
		rooms, except := targets(q.opts)
		if reason := readTargets(m, rooms, except, q.limits); reason != "" {
			return reason
		}
		if len(m.Rooms) == 0 && (rooms.Kind() != '[' || !q.sid.IsNull()) {
			return DropRoom
		}
	case 0, 'n':
		sid, ok := q.sid.Text()
		switch {
		case !ok:
			return DropMalformed
		case sid == "":
			return DropRoom
		case !isSID(sid):
			return DropForeign
		}
		m.Rooms, change = []string{sid}, q.room
	default:
		return DropMalformed
	}
	if m.Method == emitter.MethodDisconnect {
		switch q.close.Kind() {
		case 't':
			m.Close = true
		case 'f', 'n', 0:
		default:
			return DropMalformed
		}
		return ""
	}
	var ok bool
	if m.Change, _, ok = readNames(change, q.limits); !ok {
		return DropRoom
	}
	return ""
}
