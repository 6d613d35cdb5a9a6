package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/redisbus"
	"github.com/ws-emit/ws-emit/server"
)

const (
	spyExample = `  ws-emit spy                                  what publishers send by Redis, and what it means
  ws-emit spy --redis redis://10.0.0.7 --full  all of it
  ws-emit spy --json | jq 'select(.dropped)'   what a server drops`

	spyText = `Each payload is one line on standard output: when it came, the channel, the dialect that is spoken
there, its size, and what a server with the same settings makes of it:

  12:00:01.000 ws-emit json 68B  emit update to time in /: {"time":1700000000}
  12:00:02.000 socketio python 41B  dropped (event): ... Payload: "{\"method\": \"emit\"}"

With --json each line is an object: time, channel, dialect, bytes, messages (method, namespace,
rooms, except, change, close, event, args), dropped (the reason), hint and error, and payload, or
payload_base64 where it is not text. Binary arguments are {"$binary":"BASE64"}. The reason "ack"
drops the ack that was asked for, not the message.

The settings are those of the server, with their variables and --config. It only listens, but to
Redis it is one more server: who asks how many got a message is told one more. Standard error has a
line when Redis is there, away and back, and when something is missing.

Exit status: 0 after an interrupt, after --count payloads and when nobody reads the output any more;
1 when it cannot go on or Redis refuses at first, 2 for what cannot be asked.`
)

func newSpyCommand(environ []string) *cobra.Command {
	var count string
	var s spy
	cmd := &cobra.Command{
		Use:     "spy",
		Short:   "Show what publishers send by Redis, what it means, and why it is dropped",
		Example: spyExample,
		Long:    spyText,
		Args:    arguments(0, 0),

		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, _, err := load(cmd.Flags(), environ)
			if err != nil {
				return usageError{err}
			}
			if count != "" {
				if err := (countValue{&s.count}).set([]string{count}); err != nil {
					return usageError{fmt.Errorf("--count: %w", err)}
				}
			}
			s.out, s.notes = cmd.OutOrStdout(), cmd.ErrOrStderr()
			ctx, release := untilSignal(cmd.Context())
			defer release()
			return s.run(ctx, o.server)
		},
	}
	flags := cmd.Flags()
	addSpySettings(flags)
	flags.BoolVar(&s.full, "full", false, "shorten nothing")
	flags.BoolVar(&s.json, "json", false, "print JSON, with all that is known")
	flags.StringVar(&count, "count", "", "end after this `NUMBER` of payloads")
	return cmd
}

// addSpySettings adds flags for the settings of the server that matter here.
func addSpySettings(flags *pflag.FlagSet) {
	o := defaults().server
	addFlag(flags, nameRedis, "`URL` of Redis: redis://, rediss:// (TLS), unix:// (default "+server.DefaultRedis+") [REDIS]")
	addFlag(flags, "redis-channels", "`LIST` of channels, as NAME or NAME=DIALECT (default "+channelsValue{&o.RedisChannels}.String()+")")
	addFlag(flags, "redis-methods", "`LIST` of what may be asked for (default "+methodNames(o.RedisMethods)+")")
	addFlag(flags, "pickle", "turn the reading of Python pickles `on|off` (default on)")
	addFlag(flags, "namespaces", "`LIST` of namespaces that messages may be for (default /)")
	addFlag(flags, nameConfig, "configuration `FILE` of the server")
}

// spy shows what is published. run may be called once.
type spy struct {
	// Immutable.
	full, json bool
	count      int            // 0 is no end
	out        io.Writer      // payloads
	pickle     bool           // is on; set by run
	options    *redis.Options // set by run

	// Owned by the reader's goroutine that connects, and by run after that has ended.
	up      bool  // at any time
	refused error // by Redis, before that

	// Owned by the reader's goroutine that decodes, and by run after that has ended.
	shown    int
	writeErr error
	stop     context.CancelFunc

	mu    sync.Mutex // guards the following
	notes io.Writer  // changes of state, one line each
}

// run shows payloads until ctx ends, the count is reached or nobody reads any more.
func (s *spy) run(ctx context.Context, cfg server.Config) error {
	if cfg.Redis == server.NoRedis {
		return usageError{errors.New("--redis: none: there is nothing to listen to")}
	}
	if cfg.Redis == "" {
		cfg.Redis = server.DefaultRedis
	}
	options, err := redisbus.ParseURL(cfg.Redis)
	if err != nil {
		return usageError{withoutPackage(err)}
	}
	s.options = options
	s.pickle = cfg.Pickle != server.Off
	log := slog.New(spyLog{s})
	redis.SetLogger(redisbus.ClientLog{Logger: log})
	reader, err := redisbus.New(redisbus.Config{
		Options:      options,
		Channels:     cfg.RedisChannels,
		Namespaces:   cfg.Namespaces,
		Limits:       emitter.Limits{MaxBytes: cfg.MaxQueue / 2},
		Methods:      cfg.RedisMethods,
		RejectPickle: !s.pickle,
		QueueBytes:   cfg.RedisQueue,
		Silence:      cfg.RedisSilence,
		OnUp: func() {
			s.up = true
			s.note("listening to %s on %s", (channelsValue{&cfg.RedisChannels}).String(), describeRedis(cfg.Redis))
		},
		OnAway:    s.away,
		OnGap:     s.gap,
		OnDecoded: s.decoded,
		Logger:    log,
	})
	if err != nil {
		return usageError{withoutPackage(err)}
	}
	ctx, s.stop = context.WithCancel(ctx)
	defer s.stop()
	if err := reader.Run(ctx, discard{}); err != nil {
		return withoutPackage(err)
	}
	if s.refused != nil {
		return s.refused
	}
	if s.writeErr != nil && !hungUp(s.writeErr) {
		return fmt.Errorf("write: %w", s.writeErr)
	}
	return nil
}

// decoded shows one payload.
func (s *spy) decoded(d redisbus.Decoded) {
	if s.writeErr != nil || s.count > 0 && s.shown == s.count {
		return
	}
	show := s.asText
	if s.json {
		show = s.asJSON
	}
	_, s.writeErr = io.WriteString(s.out, show(d)+"\n")
	s.shown++
	if s.writeErr != nil || s.shown == s.count {
		s.stop()
	}
}

// away says why Redis is not there, and stops where waiting does not help.
func (s *spy) away(err error) {
	said := err.Error() + tlsHint(s.options, err.Error())
	if !s.up && refusedByRedis.MatchString(said) {
		s.refused = fmt.Errorf("redis refuses: %s", said)
		s.stop()
		return
	}
	s.note("redis is away, trying again until it is back: %s", said)
}

// gap says that something is missing. An overflow is in the log.
func (s *spy) gap(reason redisbus.GapReason) {
	if reason != redisbus.GapOverflow {
		s.note("redis is back; what was published while it was away is missing")
	}
}

// note writes one line about what has changed.
func (s *spy) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.notes, "ws-emit: "+format+"\n", args...)
}

// spyLog turns warnings of the reader into notes, without those about payloads that are shown anyway, and about what away says.
type spyLog struct{ *spy }

func (l spyLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }
func (l spyLog) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l spyLog) WithGroup(string) slog.Handler                    { return l }

func (l spyLog) Handle(_ context.Context, r slog.Record) error {
	var line strings.Builder
	line.WriteString(r.Message)
	said := false
	r.Attrs(func(a slog.Attr) bool {
		said = said || a.Key == "reason" || a.Key == "err"
		fmt.Fprintf(&line, " %s=%s", a.Key, word(a.Value.String()))
		return true
	})
	if !said {
		l.note("%s", line.String())
	}
	return nil
}

// discard is a sink that wants nothing.
type discard struct{}

func (discard) Emit(_ context.Context, batch []emitter.Message) (emitter.Receipt, error) {
	return emitter.Receipt{Accepted: len(batch)}, nil
}
