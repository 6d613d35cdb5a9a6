package redisbus

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/ws-emit/ws-emit/emitter"
)

// DropReason says why a payload, or a part of it, was not passed on. It is used as a metric label.
type DropReason string

// What a payload can be dropped for.
const (
	DropMalformed DropReason = "malformed" // not the format of the channel
	DropEncoding  DropReason = "encoding"  // not valid UTF-8, or half of a surrogate pair in a name
	DropPickle    DropReason = "pickle"    // a Python pickle where none is taken, or one that is not plain data
	DropMethod    DropReason = "method"    // a method, request or packet that is not known or not allowed
	DropNamespace DropReason = "namespace" // missing or no namespace, not that of the channel, or not one of the Reader
	DropRoom      DropReason = "room"      // names no room, or not that of the channel, or what should name rooms is of a wrong type
	DropEvent     DropReason = "event"     // missing, not a string, too long or a reserved name
	DropBinary    DropReason = "binary"    // attachments and placeholders that do not fit each other, or too many attachments
	DropTooLarge  DropReason = "too_large" // larger than the limits, the queue or the sink
	DropOverflow  DropReason = "overflow"  // no room in the queue: part of a GapOverflow
	DropSink      DropReason = "sink"      // the sink failed in a way of its own
	DropInternal  DropReason = "internal"  // a decoder panicked
	// DropAck: only the ack that the publisher asked for is dropped, the event is delivered.
	DropAck DropReason = "ack"
	// DropRequest: what the Nodes of a cluster ask each other for answers, in which a Reader takes no part. Like DropAck it is not logged.
	DropRequest DropReason = "request"
	// DropForeign: about a socket of another server. It is not logged either.
	DropForeign DropReason = "foreign"
	// DropDuplicate: the same message comes on the channel of another of its rooms, or by the pattern of its own namespace. It is not logged
	// either.
	DropDuplicate DropReason = "duplicate"
)

// GapReason says why messages that nobody has seen are missing. It is used as a metric label.
type GapReason string

// What makes a gap.
const (
	GapConnection GapReason = "connection" // the connection was lost
	GapSilent     GapReason = "silent"     // the peer neither sent anything nor answered a PING, the connection was given up
	GapOverflow   GapReason = "overflow"   // the queue was full
)

// isSID reports whether a name can be the sid of a socket here. No client can join a room with such a name, so what is meant for one socket is
// not for whoever has joined a room that is called like it.
func isSID(name string) bool { return strings.HasPrefix(name, "~") }

// validateReason maps an error of [emitter.Message.Validate], or of the decoders of package emitter, to a reason.
func validateReason(err error) DropReason {
	if errors.Is(err, emitter.ErrTooLarge) {
		return DropTooLarge
	}
	var input *emitter.InputError
	if !errors.As(err, &input) {
		return DropMalformed
	}
	field, _, _ := strings.Cut(input.Field, "[")
	switch field {
	case "namespace":
		return DropNamespace
	case "method":
		return DropMethod
	case "room", "except", "change":
		return DropRoom
	case "event":
		return DropEvent
	}
	return DropMalformed
}

const dropLogInterval = time.Second

// dropLog counts drops and logs at most one each dropLogInterval. It may be used concurrently.
type dropLog struct {
	// Immutable.
	logger *slog.Logger
	onDrop func(DropReason)

	mu         sync.Mutex // guards the following
	next       time.Time
	suppressed int
}

// drop counts one payload of size bytes, and logs it when the last line is long enough ago.
func (d *dropLog) drop(reason DropReason, channel string, size int) {
	d.onDrop(reason)
	now := time.Now()
	d.mu.Lock()
	if now.Before(d.next) {
		d.suppressed++
		d.mu.Unlock()
		return
	}
	suppressed := d.suppressed
	d.suppressed, d.next = 0, now.Add(dropLogInterval)
	d.mu.Unlock()
	d.logger.Warn("redis message dropped", "reason", reason, "channel", channel, "bytes", size, "suppressed", suppressed)
}
