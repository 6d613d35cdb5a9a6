package redisbus

import (
	"fmt"
	"strings"

	"github.com/ws-emit/ws-emit/emitter"
)

// Dialect is a format of payloads.
type Dialect string

// The dialects.
const (
	DialectPython Dialect = "python" // python-socketio and Flask-SocketIO
	DialectJSON   Dialect = "json"   // the body of POST /emit: an object, a list of them or NDJSON; a secret in it is ignored
)

// Channel is a Redis channel and the dialect that is spoken there.
type Channel struct {
	Name    string
	Dialect Dialect
}

// jsonChannel is the channel that backends write plain JSON to.
const jsonChannel = "ws-emit"

// DefaultChannels returns the channels that a [Reader] listens to when none are given: the defaults of Flask-SocketIO and of
// python-socketio, and "ws-emit" for plain JSON.
func DefaultChannels() []Channel {
	return []Channel{{"flask-socketio", DialectPython}, {"socketio", DialectPython}, {jsonChannel, DialectJSON}}
}

// ParseChannel reads NAME or NAME=DIALECT. Without a dialect it is json for the channel "ws-emit" and python for all others. The last "="
// counts, so a name that has one needs a dialect.
func ParseChannel(s string) (Channel, error) {
	c := Channel{Name: s, Dialect: DialectPython}
	if i := strings.LastIndexByte(s, '='); i >= 0 {
		c.Name, c.Dialect = s[:i], Dialect(s[i+1:])
	} else if s == jsonChannel {
		c.Dialect = DialectJSON
	}
	if _, err := newChannel(c); err != nil {
		return Channel{}, err
	}
	return c, nil
}

// decoder appends the messages of a payload to dst, checked by Validate, or says why there are none. It owns the payload, and with
// DropAck there is a message all the same.
type decoder func(dst []emitter.Message, p published, rules *rules) ([]emitter.Message, DropReason)

// published is a payload and the channel that it came on.
type published struct {
	channel string
	body    []byte
}

// rules are what a decoder may let through.
type rules struct {
	limits emitter.Limits
	pickle bool
}

// channel is a Channel with its decoder.
type channel struct {
	name    string
	dialect Dialect
	decode  decoder
}

func newChannel(c Channel) (*channel, error) {
	if c.Name == "" {
		return nil, fmt.Errorf("redisbus: channel without a name")
	}
	switch c.Dialect {
	case DialectPython:
		return &channel{c.Name, c.Dialect, decodePython}, nil
	case DialectJSON:
		return &channel{c.Name, c.Dialect, decodeJSON}, nil
	}
	return nil, fmt.Errorf("redisbus: channel %q: dialect must be %s or %s", c.Name, DialectPython, DialectJSON)
}
