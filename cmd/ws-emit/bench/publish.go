package bench

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"github.com/redis/go-redis/v9"
	"github.com/tinylib/msgp/msgp"

	wsemit "github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/redisbus"
)

// Channels that are usual; for node, what the names of all channels begin with.
const (
	pythonChannel = "flask-socketio"
	nodePrefix    = "socket.io"
)

func (l *load) newPublishers() ([]sender, func(), error) {
	cfg := &l.cfg
	options, err := redisbus.ParseURL(cfg.Redis)
	if err != nil {
		return nil, nil, fmt.Errorf("the URL of Redis: %w", err)
	}
	options.MaxRetries = -1             // what is sent again could come twice
	options.PoolSize = cfg.Emitters + 1 // after as many failures as that, go-redis would go on trying by itself, and longer than Close
	client := redis.NewClient(options)
	if err := client.Ping(context.Background()).Err(); err != nil {
		client.Close()
		return nil, nil, fmt.Errorf("connect to Redis: %w", err)
	}
	closeAll := func() { _ = client.Close() }
	if cfg.By == ByRedisJSON {
		publisher, err := redisbus.NewPublisher(redisbus.PublisherConfig{Client: client, Channel: cfg.Channel})
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		return many(cfg.Emitters, func() sender { return &jsonPublisher{cfg, publisher} }), closeAll, nil
	}
	encode := newPythonEncoder(cfg)
	if cfg.By == ByRedisNode {
		encode = newNodeEncoder(cfg)
	}
	return many(cfg.Emitters, func() sender { return &publisher{client: client, encode: encode} }), closeAll, nil
}

func many(n int, create func() sender) (all []sender) {
	for range n {
		all = append(all, create())
	}
	return all
}

// jsonPublisher emits as a backend in Go does.
type jsonPublisher struct {
	cfg       *Config
	publisher *redisbus.Publisher
}

func (p *jsonPublisher) send(ctx context.Context, room int, data []byte) error {
	done, err := p.publisher.Emit(ctx, wsemit.Message{
		Namespace: p.cfg.Namespace, Rooms: []string{p.cfg.room(room)}, Event: p.cfg.Event, Args: []json.RawMessage{data},
	})
	if err == nil && done.Subscribers == 0 {
		return errNobody
	}
	return err
}

var errNobody = &refusedError{"no server listens to this channel of Redis"}

// encoder makes what is published of a message, and says where.
type encoder func(dst []byte, room int, data []byte) (channel string, payload []byte)

// publisher emits as other libraries do.
type publisher struct {
	client  *redis.Client
	encode  encoder
	payload []byte
}

func (p *publisher) send(ctx context.Context, room int, data []byte) error {
	channel, payload := p.encode(p.payload[:0], room, data)
	p.payload = payload
	n, err := p.client.Publish(ctx, channel, payload).Result()
	if err == nil && n == 0 {
		return errNobody
	}
	return err
}

// newPythonEncoder writes what python-socketio does since 5.15.1: JSON with a list of arguments.
func newPythonEncoder(cfg *Config) encoder {
	channel := cfg.Channel
	if channel == "" {
		channel = pythonChannel
	}
	text := newTemplate(`{"method": "emit", "event": "{event}", "data": [{data}], "binary": false, "namespace": "{namespace}", "room": "{room}", `+
		`"skip_sid": null, "callback": null, "host_id": "{host}"}`, markEvent, markRoom, markData, "{namespace}", "{host}").
		bind(values{markEvent: inString(cfg.Event), "{namespace}": inString(cfg.Namespace), "{host}": randomHex(16)})
	rooms := make([]template, cfg.Rooms)
	for i := range rooms {
		rooms[i] = text.bind(values{markRoom: inString(cfg.room(i))})
	}
	return func(dst []byte, room int, data []byte) (string, []byte) {
		return channel, rooms[room].append(dst, data)
	}
}

// newNodeEncoder writes what @socket.io/redis-emitter does: MessagePack of [uid, packet, options], on a channel for each room.
func newNodeEncoder(cfg *Config) encoder {
	prefix := cfg.Channel
	if prefix == "" {
		prefix = nodePrefix
	}
	uid := randomHex(3)
	return func(b []byte, room int, data []byte) (string, []byte) {
		name := cfg.room(room)
		b = msgp.AppendArrayHeader(b, 3)
		b = msgp.AppendString(b, uid)
		b = msgp.AppendMapHeader(b, 3)
		b = msgp.AppendInt(msgp.AppendString(b, "type"), 2) // EVENT
		b = msgp.AppendArrayHeader(msgp.AppendString(b, "data"), 2)
		b = msgp.AppendString(b, cfg.Event)
		b = msgp.AppendMapHeader(b, 1)
		b = msgp.AppendString(b, "bench")
		b = msgp.AppendStringFromBytes(b, data[len(dataStart):len(data)-len(dataEnd)])
		b = msgp.AppendString(msgp.AppendString(b, "nsp"), cfg.Namespace)
		b = msgp.AppendMapHeader(b, 3)
		b = msgp.AppendArrayHeader(msgp.AppendString(b, "rooms"), 1)
		b = msgp.AppendString(b, name)
		b = msgp.AppendMapHeader(msgp.AppendString(b, "flags"), 0)
		b = msgp.AppendArrayHeader(msgp.AppendString(b, "except"), 0)
		return prefix + "#" + cfg.Namespace + "#" + name + "#", b
	}
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return hex.EncodeToString(b)
}
