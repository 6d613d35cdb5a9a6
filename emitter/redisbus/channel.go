package redisbus

import (
	"errors"
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
	// DialectNode is what @socket.io/redis-adapter and the emitters for it publish, in Node and other languages. They write to many
	// channels, of which the name of a Channel is what all begin with; it is their option "key".
	DialectNode Dialect = "node"
)

// Channel is a Redis channel and the dialect that is spoken there, or with DialectNode a family of channels.
type Channel struct {
	Name    string
	Dialect Dialect
}

// String returns NAME=DIALECT, which ParseChannel reads.
func (c Channel) String() string { return c.Name + "=" + string(c.Dialect) }

// The channels that have another dialect than python when none is given.
const (
	jsonChannel = "ws-emit"
	nodeChannel = "socket.io"
)

// DefaultChannels returns the channels that a [Reader] listens to when none are given: the defaults of Flask-SocketIO, of python-socketio
// and of Socket.IO's Redis adapter for Node, and "ws-emit" for plain JSON.
func DefaultChannels() []Channel {
	return []Channel{{"flask-socketio", DialectPython}, {"socketio", DialectPython}, {nodeChannel, DialectNode}, {jsonChannel, DialectJSON}}
}

// ParseChannel reads NAME or NAME=DIALECT. Without a dialect it is json for the channel "ws-emit", node for "socket.io" and python for all
// others. The last "=" counts, so a name that has one needs a dialect.
func ParseChannel(s string) (Channel, error) {
	c := Channel{Name: s, Dialect: DialectPython}
	if i := strings.LastIndexByte(s, '='); i >= 0 {
		c.Name, c.Dialect = s[:i], Dialect(s[i+1:])
	} else if s == jsonChannel {
		c.Dialect = DialectJSON
	} else if s == nodeChannel {
		c.Dialect = DialectNode
	}
	if _, err := newChannels(c, nil); err != nil {
		return Channel{}, err
	}
	return c, nil
}

// decoder appends the messages of a payload to dst, checked by Validate, or says why there are none, with an error where that says more. It
// owns the payload and may write over it, and with DropAck there is a message all the same.
type decoder func(dst []emitter.Message, p published, rules *rules) ([]emitter.Message, DropReason, error)

// published is a payload and the channel that it came on.
type published struct {
	channel string
	body    []byte
}

// rules are what a decoder may let through, and memory that it uses again. One goroutine decodes with them.
type rules struct {
	limits emitter.Limits
	pickle bool
	python pythonJSON
}

// channel is one subscription: to a channel, or by a pattern to all channels that begin with a text.
type channel struct {
	name    string // the channel or the pattern, as Redis is told; for logs too, since what a pattern stands for can tell of a payload
	dialect Dialect
	decode  decoder

	pattern bool   // subscribed to with PSUBSCRIBE
	text    string // what the channel is called, or begins with, literally
	open    bool   // text is only the beginning
}

// matches reports whether a channel is meant by the subscription.
func (c *channel) matches(name string) bool {
	return name == c.text || c.open && strings.HasPrefix(name, c.text)
}

// overlaps reports whether there is a channel that both subscriptions are for. Redis would deliver its messages twice.
func (c *channel) overlaps(o *channel) bool { return c.matches(o.text) || o.matches(c.text) }

// maxChannelBytes bounds the name of a Channel, so that what it becomes is shorter than maxName.
const maxChannelBytes = 1000

// newChannels returns what is to be subscribed to for a Channel.
func newChannels(c Channel, namespaces []string) ([]*channel, error) {
	if c.Name == "" {
		return nil, errors.New("redisbus: channel without a name")
	}
	if len(c.Name) > maxChannelBytes {
		return nil, fmt.Errorf("redisbus: the name of a channel is longer than %d bytes", maxChannelBytes)
	}
	switch c.Dialect {
	case DialectPython:
		return []*channel{{name: c.Name, text: c.Name, dialect: c.Dialect, decode: decodePython}}, nil
	case DialectJSON:
		return []*channel{{name: c.Name, text: c.Name, dialect: c.Dialect, decode: decodeJSON}}, nil
	case DialectNode:
		prefixes := make(map[string]string)
		for _, namespace := range namespaces {
			prefixes[namespace] = c.Name + "#" + namespace + "#"
		}
		var all []*channel
		for _, namespace := range namespaces {
			route := nodeRoute{namespace: namespace, prefix: prefixes[namespace], prefixes: prefixes}
			all = append(all, route.channels(c.Name+"-request#"+namespace+"#")...)
		}
		return all, nil
	}
	return nil, fmt.Errorf("redisbus: channel %q: dialect must be %s, %s or %s", c.Name, DialectPython, DialectJSON, DialectNode)
}

// channels returns the two subscriptions for a namespace, whose requests are on one channel. That is subscribed to by a pattern too: a Node
// that asks all others for an answer waits for as many as PUBSUB NUMSUB counts there, and that does not count patterns.
func (r nodeRoute) channels(requests string) []*channel {
	return []*channel{
		{name: escapeGlob(r.prefix) + "*", text: r.prefix, open: true, pattern: true, dialect: DialectNode, decode: r.decodeBroadcast},
		{name: escapeGlob(requests), text: requests, pattern: true, dialect: DialectNode, decode: r.decodeRequest},
	}
}

// globEscaper escapes what means something in the patterns of Redis.
var globEscaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)

// escapeGlob returns the pattern that matches s alone.
func escapeGlob(s string) string { return globEscaper.Replace(s) }

// checkNamespace refuses a namespace that no message can have.
func checkNamespace(namespace string) error {
	m := emitter.Message{Namespace: namespace, Event: "e"}
	if err := m.Validate(emitter.Limits{}); err != nil || namespace == "" {
		return fmt.Errorf("redisbus: namespace %q: want / or /name", namespace)
	}
	return nil
}
