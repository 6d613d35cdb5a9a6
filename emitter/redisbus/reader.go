package redisbus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// receive keeps a subscription up until ctx ends. It never waits for anything but Redis.
func (r *Reader) receive(ctx context.Context) error {
	link := linkState{reader: r}
	defer r.setSubscribed(false)
	for delay := r.cfg.RetryMin; ; delay = min(2*delay, r.cfg.RetryMax) {
		err := r.listen(ctx, link.up)
		if ctx.Err() != nil {
			return nil
		}
		if link.down(err) {
			delay = r.cfg.RetryMin
		}
		if !sleep(ctx, delay/2+rand.N(delay/2+1)) {
			return nil
		}
	}
}

// linkState turns attempts and losses into one log line, and one gap, for each change. It is owned by receive.
type linkState struct {
	reader *Reader
	isUp   bool
	wasUp  bool // at any time
	told   bool // that Redis is away
	since  time.Time
	gap    GapReason
}

// up is called when Redis has confirmed all channels.
func (l *linkState) up() {
	cfg := &l.reader.cfg
	l.reader.setSubscribed(true)
	if l.wasUp {
		cfg.Logger.Info("redis is back", "away", time.Since(l.since).Round(time.Millisecond))
		cfg.OnGap(l.gap)
	} else {
		cfg.Logger.Info("listening to redis", "channels", cfg.Channels)
		cfg.OnUp()
	}
	l.isUp, l.wasUp, l.told = true, true, false
}

// down is called after each loss and each attempt that failed. It reports whether it was a loss.
func (l *linkState) down(err error) (lost bool) {
	lost = l.isUp
	if lost {
		l.reader.setSubscribed(false)
		l.isUp, l.since, l.gap = false, time.Now(), GapConnection
		if errors.Is(err, errSilent) {
			l.gap = GapSilent
		}
	}
	if !l.told {
		l.told = true
		err = printable(err)
		l.reader.cfg.Logger.Warn("redis is away, trying again until it is back", "err", err)
		l.reader.cfg.OnAway(err)
	}
	return lost
}

// printable returns an error that can be shown. The text of one about a reply to the login that go-redis cannot read quotes it.
func printable(err error) error {
	var dial *dialError
	var network net.Error
	var reply redis.Error
	for _, known := range []error{errSilent, errRedial, errSubscription, errReply, io.EOF, io.ErrUnexpectedEOF, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return err
		}
	}
	if errors.As(err, &dial) || errors.As(err, &network) || errors.As(err, &reply) {
		return err
	}
	return fmt.Errorf("unexpected reply (%T)", err)
}

var errSubscription = errors.New("redisbus: subscription changed")

// listen connects, subscribes and receives until something fails. It calls up when all channels are confirmed.
//
// go-redis connects, logs in and asks for the channels; from then on replies are read here. Each call has a client of its own that can connect
// once, because a redis.PubSub connects and subscribes anew by itself and keeps silent about what it missed.
func (r *Reader) listen(ctx context.Context, up func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	link := &conn{silence: r.cfg.Silence}
	client := redis.NewClient(r.clientOptions(func(c net.Conn) {
		link.Conn = c
		context.AfterFunc(ctx, func() { _ = c.Close() })
	}))
	defer func() { _ = client.Close() }()
	sub := client.Subscribe(ctx) // to nothing: with channels it would keep the error to itself
	defer func() { _ = sub.Close() }()
	waiting, err := r.subscribe(ctx, sub)
	if err != nil {
		return err
	}
	in := intake{reader: r}
	defer in.flush()
	link.ping, link.beforeRead = func() error { return sub.Ping(ctx) }, in.flush
	for replies := newReplies(link, r.queue.limit); ; {
		reply, err := replies.next()
		if err != nil {
			return err
		}
		switch reply.kind {
		case replyMessage, replyPatternMessage:
			in.add(reply)
		case replySubscribed, replyPatternSubscribed:
			confirmed := subscription{reply.kind, string(reply.channel)}
			if !waiting[confirmed] {
				return errSubscription
			}
			if delete(waiting, confirmed); len(waiting) == 0 {
				up()
			}
		}
	}
}

// subscription is what Redis confirms.
type subscription struct {
	kind replyKind
	name string // of the channel, or the pattern
}

// subscribe asks for all channels and patterns. It returns what Redis has to confirm.
func (r *Reader) subscribe(ctx context.Context, sub *redis.PubSub) (waiting map[subscription]bool, err error) {
	waiting = make(map[subscription]bool)
	for _, s := range []struct {
		kind     replyKind
		channels map[string]*channel
		ask      func(ctx context.Context, names ...string) error
	}{{replySubscribed, r.channels, sub.Subscribe}, {replyPatternSubscribed, r.patterns, sub.PSubscribe}} {
		if len(s.channels) == 0 {
			continue
		}
		for name := range s.channels {
			waiting[subscription{s.kind, name}] = true
		}
		if err := s.ask(ctx, slices.Sorted(maps.Keys(s.channels))...); err != nil {
			return nil, err
		}
	}
	return waiting, nil
}

// clientOptions returns options for a client that dials once, and calls dialed with the connection.
func (r *Reader) clientOptions(dialed func(net.Conn)) *redis.Options {
	opt := *r.cfg.Options
	opt.DialTimeout, opt.ReadTimeout, opt.WriteTimeout = r.cfg.Silence, r.cfg.Silence, r.cfg.Silence
	opt.MaxRetries = -1
	opt.MinIdleConns = 0
	opt.ContextTimeoutEnabled = true
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	dial, again := dialer(&opt), false
	opt.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if again {
			return nil, errRedial
		}
		again = true
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, &dialError{err}
		}
		dialed(c)
		return c, nil
	}
	return &opt
}

// intake collects messages until the network is read again, so that one lock and one waking of the goroutine that delivers are enough for all
// that came at once. It is owned by listen.
type intake struct {
	reader *Reader
	items  []item
}

// add takes a message, or drops it when it can never be in the queue.
func (in *intake) add(m reply) {
	r := in.reader
	ch := r.channels[string(m.channel)]
	if m.kind == replyPatternMessage {
		ch = r.patterns[string(m.pattern)]
	}
	if ch == nil || !ch.matches(string(m.channel)) { // what proxies take for a match may be none
		return // not subscribed to
	}
	it := item{ch, ch.text, m.payload}
	if ch.open {
		it.name = string(m.channel)
	}
	if it.cost() > r.queue.limit || m.size > int64(len(m.payload)) {
		r.drops.drop(DropTooLarge, ch.name, int(m.size))
		return
	}
	in.items = append(in.items, it)
}

// flush puts what has been collected into the queue, and drops that for which there is no room.
func (in *intake) flush() {
	r := in.reader
	lost, began := r.queue.push(in.items)
	clear(in.items)
	in.items = in.items[:0]
	if began {
		r.cfg.Logger.Warn("redis messages are being lost, the queue is full", "bytes", r.queue.limit)
		r.cfg.OnGap(GapOverflow)
	}
	for range lost {
		r.cfg.OnDrop(DropOverflow)
	}
}

// sleep waits, and reports whether it did so to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
