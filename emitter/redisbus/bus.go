package redisbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/ws-emit/ws-emit/emitter"
)

// Config configures a [Reader]. It is copied; what it points to must not be changed afterwards.
type Config struct {
	// Options say where Redis is, see [ParseURL]. Required. The reader makes connections of its own with them; pool sizes, retries and
	// timeouts for reads and writes do not apply.
	Options *redis.Options
	// Channels are what to subscribe to. Default [DefaultChannels]. A channel may be there once, and not among those that a Channel with
	// DialectNode stands for as well.
	Channels []Channel
	// Namespaces are those that messages may be for; others are dropped with DropNamespace. With DialectNode each has channels of its own, and
	// only these are listened to. Default "/".
	Namespaces []string
	// Limits bound each message, and each list on a channel of plain JSON. A payload of more than 16 times MaxBytes and 3 KiB for each of
	// MaxRooms, where at least 1 MiB and 1,000 rooms are counted with, is dropped without a look at it: with the defaults one of 18 MiB.
	Limits emitter.Limits
	// Methods are what publishers may ask for; a message with another one is dropped with DropMethod. Default all of [emitter.Methods].
	Methods []emitter.Method
	// RejectPickle drops the pickles of python-socketio before 5.14, with DropPickle. They are decoded into plain data and never into
	// anything that runs.
	RejectPickle bool
	// QueueBytes bounds what waits for the sink, in bytes, with about 100 for each message on top of its payload. Default 64 MiB, also
	// for negative values: there is no reading without a bound.
	QueueBytes int64
	// Silence is how long Redis may send nothing before it is asked for an answer, and again how long it may take over the answer
	// before the connection is given up. It also bounds connecting. Default 5 s, also for negative values.
	Silence time.Duration
	// RetryMin and RetryMax bound the time between two attempts to connect, which doubles, less up to half of it at random. Default
	// 100 ms and 5 s, also for negative values.
	RetryMin, RetryMax time.Duration
	// GapHold is how long Ready tells of an overflow after it has ended. Default 30 s; negative: not at all.
	GapHold time.Duration

	// OnUp is called once, when Redis has confirmed the channels for the first time and Ready returns nil. OnAway is called when Redis is away,
	// at the start too, once until it is there again; the error says why, has no payload and no password in it, and is a [redis.Error] where
	// Redis has refused something. OnDrop is called for each payload that is dropped. OnGap is called when something has been missed: with
	// GapOverflow when an overflow begins, with the others when Redis is back, for until then more is missed. All four are optional, must
	// not block and may be called concurrently.
	OnUp   func()
	OnAway func(error)
	OnDrop func(DropReason)
	OnGap  func(GapReason)
	// OnDecoded is called for each payload that was taken from the queue, with what it means. It is optional, for those who want to watch:
	// it is called by one goroutine, which does nothing else meanwhile, and must not change what it gets.
	OnDecoded func(Decoded)
	// Logger is optional. It is never given a payload or a password.
	Logger *slog.Logger
}

// Decoded is a payload and what it means.
type Decoded struct {
	Channel string // on which it was published
	Dialect Dialect
	Payload string
	// Messages are what the sink gets. They are valid during the call only.
	Messages []emitter.Message
	// Reason says why there are no messages, or with DropAck what was left out. It is empty otherwise.
	Reason DropReason
	// Err says what exactly is wrong, where more is known than the reason: the place in the text, or the field as an *[emitter.InputError]. It
	// has nothing of the payload in it. It is nil otherwise.
	Err error
}

func (c Config) withDefaults() Config {
	if len(c.Channels) == 0 {
		c.Channels = DefaultChannels()
	}
	if len(c.Namespaces) == 0 {
		c.Namespaces = []string{"/"}
	}
	if len(c.Methods) == 0 {
		c.Methods = emitter.Methods()
	}
	if c.QueueBytes <= 0 {
		c.QueueBytes = 64 << 20
	}
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{{&c.Silence, 5 * time.Second}, {&c.RetryMin, 100 * time.Millisecond}, {&c.RetryMax, 5 * time.Second}} {
		if *d.value <= 0 {
			*d.value = d.fallback
		}
	}
	c.RetryMax = max(c.RetryMin, c.RetryMax)
	if c.GapHold == 0 {
		c.GapHold = 30 * time.Second
	}
	if c.OnUp == nil {
		c.OnUp = func() {}
	}
	if c.OnAway == nil {
		c.OnAway = func(error) {}
	}
	if c.OnDrop == nil {
		c.OnDrop = func(DropReason) {}
	}
	if c.OnGap == nil {
		c.OnGap = func(GapReason) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// What [Reader.Ready] returns while messages are missed.
var (
	ErrNotSubscribed = errors.New("redisbus: not connected to redis")
	ErrOverflow      = errors.New("redisbus: messages were lost, they came faster than they were taken")
)

// Reader is the source of messages from Redis pub/sub. Its methods may be called concurrently, Run only once.
type Reader struct {
	// Immutable after New.
	cfg      Config
	channels map[string]*channel // by name
	patterns map[string]*channel // by name
	rules    rules
	queue    *queue
	drops    *dropLog

	mu         sync.Mutex // guards the following
	subscribed bool
	gapUntil   time.Time // Ready tells of an overflow until then
}

var _ emitter.Source = (*Reader)(nil)

// New checks the configuration. It does not connect.
func New(cfg Config) (*Reader, error) {
	if cfg.Options == nil {
		return nil, errors.New("redisbus: Options are required")
	}
	cfg = cfg.withDefaults()
	cfg.Channels, cfg.Namespaces, cfg.Methods = slices.Clone(cfg.Channels), slices.Clone(cfg.Namespaces), slices.Clone(cfg.Methods)
	r := &Reader{
		cfg:      cfg,
		channels: make(map[string]*channel),
		patterns: make(map[string]*channel),
		rules:    rules{limits: cfg.Limits, pickle: !cfg.RejectPickle},
		queue:    newQueue(cfg.QueueBytes),
		drops:    &dropLog{logger: cfg.Logger, onDrop: cfg.OnDrop},
	}
	if err := r.addChannels(); err != nil {
		return nil, err
	}
	return r, nil
}

// addChannels makes the subscriptions, and refuses two for which Redis would deliver a message twice.
func (r *Reader) addChannels() error {
	slices.Sort(r.cfg.Namespaces)
	r.cfg.Namespaces = slices.Compact(r.cfg.Namespaces)
	for _, namespace := range r.cfg.Namespaces {
		if err := checkNamespace(namespace); err != nil {
			return err
		}
	}
	var all []*channel
	for i, c := range r.cfg.Channels {
		if slices.ContainsFunc(r.cfg.Channels[:i], func(o Channel) bool { return o.Name == c.Name }) {
			return fmt.Errorf("redisbus: channel %q is configured twice", c.Name)
		}
		subscriptions, err := newChannels(c, r.cfg.Namespaces)
		if err != nil {
			return err
		}
		// Those of one Channel may overlap, where a namespace has a "#" in its name: a message is for the one that it names.
		for _, s := range subscriptions {
			if slices.ContainsFunc(all, s.overlaps) {
				return fmt.Errorf("redisbus: channel %q is among those of another one", c.Name)
			}
		}
		all = append(all, subscriptions...)
	}
	for _, s := range all {
		if s.pattern {
			r.patterns[s.name] = s
		} else {
			r.channels[s.name] = s
		}
	}
	return nil
}

// Name implements [emitter.Source].
func (r *Reader) Name() string { return "redis" }

// Audience implements [emitter.Source]: each node subscribes for itself.
func (r *Reader) Audience() emitter.Audience { return emitter.EveryNode }

// Run reads messages and emits them to sink, in the order in which they came, until ctx ends or the sink is closed. While Redis is away it
// tries to connect, at the start too. It returns nil after ctx has ended, and an error that matches [emitter.ErrClosed] after the sink was
// closed. What waits then is not emitted.
func (r *Reader) Run(ctx context.Context, sink emitter.Sink) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.receive(ctx) })
	group.Go(func() error { return r.deliver(ctx, sink) })
	return group.Wait()
}

// Ready returns nil while everything that is published is heard: ErrNotSubscribed while Redis is away or has not confirmed all channels,
// and ErrOverflow from the begin of an overflow until GapHold after its end.
func (r *Reader) Ready() error {
	_, overflow := r.queue.state()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !r.subscribed:
		return ErrNotSubscribed
	case overflow, time.Now().Before(r.gapUntil):
		return ErrOverflow
	}
	return nil
}

// Queued returns how much waits for the sink or is with it, and the bound for that, in bytes.
func (r *Reader) Queued() (used, limit int64) {
	used, _ = r.queue.state()
	return used, r.queue.limit
}

func (r *Reader) setSubscribed(subscribed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subscribed = subscribed
}
