package redisbus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ws-emit/ws-emit/emitter"
)

// What one PUBLISH carries at most: as many messages as a server takes in one list by default, and, unless it is a single message, as
// many bytes. Redis keeps each payload once for each subscriber that has not read it.
const (
	payloadMessages = 1000
	payloadBytes    = 1 << 20
)

// PublisherConfig configures a [Publisher]. Either Options or Client is needed.
type PublisherConfig struct {
	// Options say where Redis is, see [ParseURL]. The publisher makes a client of its own with them, which never sends a command again:
	// where a connection broke, that could emit twice. It is closed by Close.
	Options *redis.Options
	// Client is used instead of Options, and not closed. Its own MaxRetries hold: with the default of go-redis a message can be published
	// twice when a connection breaks.
	Client redis.UniversalClient
	// Channel is where the servers expect plain JSON. Default "ws-emit".
	Channel string
	// Limits are those of the servers, which drop what is over them and tell nobody. The defaults are those of a server. A batch may
	// have more messages than MaxBatch, it is published in parts.
	Limits emitter.Limits
}

// Publisher emits through Redis pub/sub, in plain JSON ([DialectJSON]). It is for backends: every server that listens to the channel gets
// the messages. Its methods may be called concurrently.
type Publisher struct {
	// Immutable after NewPublisher.
	client  redis.UniversalClient
	closes  bool // the client is ours
	channel string
	limits  emitter.Limits
	parts   int // messages in one payload
}

// NewPublisher checks the configuration. It does not connect.
func NewPublisher(cfg PublisherConfig) (*Publisher, error) {
	p := &Publisher{client: cfg.Client, channel: cfg.Channel, limits: cfg.Limits, parts: cfg.Limits.MaxBatch}
	switch {
	case (cfg.Options == nil) == (cfg.Client == nil):
		return nil, errors.New("redisbus: a publisher needs either Options or Client")
	case cfg.Client == nil:
		opt := *cfg.Options
		opt.MaxRetries = -1
		opt.ContextTimeoutEnabled = true
		p.client, p.closes = redis.NewClient(&opt), true
	}
	if p.channel == "" {
		p.channel = jsonChannel
	}
	if p.parts == 0 {
		p.parts = payloadMessages
	} else if p.parts < 0 {
		p.parts = math.MaxInt
	}
	return p, nil
}

// Published is what Redis says about a batch.
type Published struct {
	// Accepted is the number of messages that Redis took, the first ones of the batch: all of them when there was no error.
	Accepted int
	// Subscribers is to how many subscribers Redis passed them on; the fewest, where the batch took several payloads. 0 means that nobody
	// listens to the channel, and that the messages are gone. Each node of ws-emit is one subscriber, and so is everybody else who
	// listens; in a Redis Cluster only those on the node that was asked are counted. How many sockets get the messages is not known, nor
	// whether a server drops one. It is 0 for an empty batch, and of no meaning with an error.
	Subscribers int
}

// Emit publishes a batch, and returns once Redis has it. It blocks until then, until ctx's deadline or the timeouts of the options. The
// messages of one call are published in order, and after those of a call that has returned; a long batch takes several payloads, and each
// payload is accepted as a whole.
//
// Errors: [*emitter.InputError] for a message that cannot be published (nothing was sent): one that the servers would drop, one with
// attachments, and one with another method than emit, for both of which plain JSON has no words. Other errors are those of Redis and the
// connection. After them Accepted says how many messages Redis is known to have taken; it may have taken more, where its answer did not
// arrive.
func (p *Publisher) Emit(ctx context.Context, batch ...emitter.Message) (Published, error) {
	payloads, err := p.encode(batch)
	if err != nil || len(payloads) == 0 {
		return Published{}, err
	}
	done := Published{Subscribers: math.MaxInt}
	for _, part := range payloads {
		n, err := p.client.Publish(ctx, p.channel, part.body).Result()
		if err != nil {
			return Published{Accepted: done.Accepted}, publishError(err)
		}
		done.Accepted += part.messages
		done.Subscribers = min(done.Subscribers, int(n))
	}
	return done, nil
}

// Close closes the connections, unless the client was given.
func (p *Publisher) Close() error {
	if !p.closes {
		return nil
	}
	return p.client.Close()
}

// payload is what one PUBLISH carries.
type payload struct {
	body     []byte
	messages int
}

// encode checks a batch and divides it into payloads: an object each where it is a single message, else lists.
func (p *Publisher) encode(batch []emitter.Message) ([]payload, error) {
	var all []payload
	var list payload
	for i, m := range batch {
		object, err := p.encodeMessage(m)
		if err != nil {
			if input, ok := errors.AsType[*emitter.InputError](err); ok {
				input.Index = i
			}
			return nil, err
		}
		if list.messages == p.parts || list.messages > 0 && len(list.body)+len(object) > payloadBytes {
			all = append(all, list.closed())
			list = payload{}
		}
		list.body = append(append(list.body, ','), object...)
		list.messages++
	}
	if list.messages > 0 {
		all = append(all, list.closed())
	}
	return all, nil
}

// closed makes JSON of objects with a comma before each.
func (l payload) closed() payload {
	if l.messages == 1 {
		return payload{l.body[1:], 1}
	}
	l.body[0] = '['
	return payload{append(l.body, ']'), l.messages}
}

func (p *Publisher) encodeMessage(m emitter.Message) ([]byte, error) {
	if err := m.Validate(p.limits); err != nil {
		return nil, err
	}
	return emitter.EncodeJSON(m)
}

// publishError adds what was done to an error of Redis. The text of one about an unknown command quotes the payload.
func publishError(err error) error {
	var reply redis.Error
	if errors.As(err, &reply) && strings.HasPrefix(reply.Error(), "ERR unknown command") {
		return errors.New("publish: redis knows no command PUBLISH")
	}
	return fmt.Errorf("publish: %w", err)
}
