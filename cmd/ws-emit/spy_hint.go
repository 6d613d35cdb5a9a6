package main

import "github.com/ws-emit/ws-emit/emitter/redisbus"

// hints say in plain words why a server drops a payload, and what would help.
var hints = map[redisbus.DropReason]string{
	redisbus.DropMalformed: "not what is spoken on this channel, which may need another dialect (--redis-channels NAME=DIALECT)",
	redisbus.DropEncoding:  "text in it is not valid UTF-8",
	redisbus.DropMethod:    "it asks for something that is not known, or that --redis-methods does not allow",
	redisbus.DropNamespace: "its namespace is missing, is none (/ or /NAME), is not that of the channel, or not one of --namespaces",
	redisbus.DropRoom:      "it names no room where one is needed, one that cannot be (empty, over 255 bytes), or another one than the channel",
	redisbus.DropEvent:     "its event is missing, is no text, is too long, or is a name that Socket.IO keeps for itself (connect, disconnect, ...)",
	redisbus.DropBinary:    "its binary parts and their places do not fit each other, or are too many",
	redisbus.DropTooLarge:  "it is larger than a server takes (half of --max-queue), or has too many rooms or messages",
	redisbus.DropOverflow:  "it came faster than it was taken (--redis-queue)",
	redisbus.DropSink:      "the server failed over it",
	redisbus.DropInternal:  "the decoder failed over it: please report this payload",
	redisbus.DropAck:       "the publisher asked for an ack, which it will not get",
	redisbus.DropForeign:   "it is about one socket, of another server: the ids of sockets here begin with ~",
	redisbus.DropDuplicate: "the same message comes once more: it was published for each of its rooms, or is heard by the pattern of another namespace too; one copy counts",
	redisbus.DropRequest:   "only a member of the Node cluster answers this",
}

// hint explains a reason.
func (s *spy) hint(d redisbus.Decoded) string {
	if d.Reason != redisbus.DropPickle {
		return hints[d.Reason]
	}
	switch {
	case d.Dialect != redisbus.DialectPython:
		return "a Python pickle, on a channel where none is taken"
	case !s.pickle:
		return "a Python pickle, and --pickle is off"
	}
	return "a Python pickle that is damaged, or more than plain data: one that would make objects or run something"
}
