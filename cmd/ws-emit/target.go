package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/redisbus"
	"github.com/ws-emit/ws-emit/server"
)

const (
	// envURL is the variable for --url of commands that talk to a server.
	envURL = envPrefix + "URL"
	// defaultURL is that of a server with default settings on this machine, whose POST /emit is at emitPath.
	defaultURL, emitPath = "http://localhost:8899", "/emit"
)

// targetFlags say where messages go.
type targetFlags struct {
	url     string
	channel string
}

func (f *targetFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", "`URL` of the server's POST /emit, or of Redis (default "+defaultURL+emitPath+") ["+envURL+"]")
	addFlag(flags, nameSecret, "the emit `SECRET` of the server; others on this machine can see it here [SECRET]")
	addFlag(flags, nameSecretFile, "`FILE` that the emit secret stands in")
	addFlag(flags, nameRedis, "publish to the Redis at `URL`, instead of asking a server")
	flags.StringVar(&f.channel, "channel", "", "Redis channel `NAME` on which the servers expect plain JSON (default ws-emit)")
	addFlag(flags, nameConfig, "the server's configuration `FILE`, for its secret")
}

// target is where messages go.
type target struct {
	// send hands on messages, and returns once they are accepted.
	send func(ctx context.Context, batch ...emitter.Message) (sent, error)
	// close ends all connections.
	close func()
}

// sent is what became of messages.
type sent struct {
	messages  int
	receivers int // clients that get them, or -1 where nobody knows
	servers   int // that get them by Redis, otherwise 0
}

// add adds what became of further messages.
func (s *sent) add(more sent) {
	s.messages += more.messages
	s.servers = more.servers
	if s.receivers += more.receivers; more.receivers < 0 || s.receivers < 0 {
		s.receivers = -1
	}
}

func (s sent) String() string {
	switch {
	case s.servers > 0:
		return plural(s.servers, "server")
	case s.receivers >= 0:
		return plural(s.receivers, "receiver")
	}
	return "accepted"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// open finds out where messages go. It connects to nothing yet.
func (f *targetFlags) open(cmd *cobra.Command, environ []string) (*target, error) {
	o, _, err := load(cmd.Flags(), environ)
	if err != nil {
		return nil, err
	}
	if f.url != "" && cmd.Flags().Changed(nameRedis) {
		return nil, errors.New("--url and --redis are both given: want one")
	}
	where := cmp.Or(f.url, lookup(environ, envURL), defaultURL)
	if cmd.Flags().Changed(nameRedis) {
		where = o.server.Redis
	}
	if scheme, _, found := strings.Cut(where, "://"); !found && !cmd.Flags().Changed(nameRedis) || scheme == "http" || scheme == "https" {
		return openServer(where, o.server.EmitSecret)
	}
	return openRedis(where, f.channel)
}

// openServer makes a target of POST /emit. A URL without a path is that of the server.
func openServer(where, secret string) (*target, error) {
	if secret == "" {
		return nil, errors.New("there is no emit secret: want one in SECRET, --secret-file or --secret, or instead Redis, in --redis or as " + envURL + "=redis://HOST")
	}
	if u, err := url.Parse(where); err == nil && strings.Trim(u.Path, "/") == "" {
		u.Path = emitPath
		where = u.String()
	}
	client, err := emitter.NewClient(emitter.ClientConfig{URL: where, Secret: secret})
	if err != nil {
		return nil, withoutPackage(err)
	}
	send := func(ctx context.Context, batch ...emitter.Message) (sent, error) {
		answer, err := client.Emit(ctx, batch...)
		return sent{messages: answer.Accepted, receivers: answer.Receivers}, err
	}
	return &target{send, func() {}}, nil
}

// openRedis makes a target of a Redis channel. That nobody listens there is an error: the messages are gone.
func openRedis(where, channel string) (*target, error) {
	if where == "" || where == server.NoRedis {
		return nil, errors.New("want the URL of Redis")
	}
	options, err := redisOnce(where)
	if err != nil {
		return nil, err
	}
	publisher, err := redisbus.NewPublisher(redisbus.PublisherConfig{Options: options, Channel: channel})
	if err != nil {
		return nil, withoutPackage(err)
	}
	send := func(ctx context.Context, batch ...emitter.Message) (sent, error) {
		done, err := publisher.Emit(ctx, batch...)
		if err == nil && done.Subscribers == 0 {
			err = errors.New("no server listens to this channel of Redis, so nobody gets it")
		}
		return sent{messages: done.Accepted, receivers: -1, servers: done.Subscribers}, explainTLS(options, err)
	}
	return &target{send, func() { _ = publisher.Close() }}, nil
}

// lookup returns the value of a variable, "" where it is not set.
func lookup(environ []string, name string) string {
	for _, e := range environ {
		if value, found := strings.CutPrefix(e, name+"="); found {
			return value
		}
	}
	return ""
}
