package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ws-emit/ws-emit/roomspace"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

const (
	listenExample = `  ws-emit listen time                          events of the room "time", and those for everybody
  ws-emit listen time news --count 1           the first event of either, then the end
  WS_EMIT_JOIN_SECRET=S1 ws-emit listen orders::42 orders::43 --url https://example.org`

	listenText = `Each event is one line on standard output:

  {"event":"update","args":[{"time":1700000000}]}
  {"event":"image","args":["a.png",{"$binary":"iVBORw0KGgo="}]}       binary, as base64

Socket.IO does not say which room an event was for. To know, run one ws-emit for each room; events
for the whole namespace come to all of them.

When the connection is lost it is made again and the rooms are joined again. What is emitted
meanwhile is missing. Standard error has one line for each such change.

Others on this machine can see a command line: give secrets in the environment.

Exit status: 0 after an interrupt, after --count events, after --timeout without --count, and when
nobody reads the output any more; 1 when a room is refused, when the server cannot be used, or when
--timeout is over too early; 2 for what cannot be asked.`

	// envJoinSecret is not the variable of --secret of the server: that one is for backends, and no listener sends it anywhere.
	envJoinSecret = envPrefix + "JOIN_SECRET"
	envRoomspace  = envPrefix + "ROOMSPACE"
)

// listenFlags are what is typed.
type listenFlags struct {
	url, path, namespace string
	transport            string
	secret               string
	spaces               []string
	count                string
	timeout              string
}

func newListenCommand(environ []string) *cobra.Command {
	var f listenFlags
	cmd := &cobra.Command{
		Use:     "listen ROOM...",
		Short:   "Join rooms as a browser does, and print their events",
		Example: listenExample,
		Long:    listenText,
		Args:    arguments(1, math.MaxInt),

		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, rooms []string) error {
			l, timeout, err := f.listener(rooms, environ)
			if err != nil {
				return usageError{err}
			}
			l.out, l.notes = cmd.OutOrStdout(), cmd.ErrOrStderr()
			ctx, release := untilSignal(cmd.Context())
			defer release()
			return l.run(ctx, timeout)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", "`URL` of the server (default "+defaultURL+") ["+envURL+"]")
	flags.StringVar(&f.path, "path", "/socket.io/", "`/NAME/` of the Socket.IO endpoint")
	flags.StringVar(&f.namespace, "namespace", "/", "Socket.IO namespace, such as `/NAME`")
	flags.StringVar(&f.transport, "transport", "", "the only transport, by its `NAME`: polling or websocket (default both, as browsers have it)")
	flags.StringVar(&f.secret, "secret", "", "`SECRET` of the room-spaces of these rooms ["+envJoinSecret+"]")
	flags.StringArrayVar(&f.spaces, "roomspace", nil, "`SPACE=SECRET` of one room-space; repeat it for more ["+envRoomspace+"]")
	flags.StringVar(&f.count, "count", "", "end after this `NUMBER` of events")
	flags.StringVar(&f.timeout, "timeout", "", "end after this `DURATION`, such as 500ms, 25s or 1m30s")
	transports := []cobra.Completion{string(sioclient.TransportPolling), string(sioclient.TransportWebSocket)}
	if err := cmd.RegisterFlagCompletionFunc("transport", cobra.FixedCompletions(transports, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // it is there, and nobody else has registered one
	}
	return cmd
}

// listener checks what is asked for. A timeout of 0 is none. The errors quote no secret.
func (f *listenFlags) listener(rooms, environ []string) (*listener, time.Duration, error) {
	l := &listener{rooms: rooms, secret: f.secret, spaces: make(map[string]string)}
	for _, room := range rooms {
		if _, err := roomspace.Parse(room); err != nil {
			return nil, 0, fmt.Errorf("room %q: %w", room, withoutPackage(err))
		}
	}
	if l.secret == "" {
		l.secret = lookup(environ, envJoinSecret)
	}
	spaces, origin := f.spaces, "--roomspace"
	if len(spaces) == 0 {
		spaces, origin = strings.Fields(lookup(environ, envRoomspace)), envRoomspace
	}
	if err := (spacesValue{&l.spaces}).set(spaces); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", origin, err)
	}
	if f.count != "" {
		if err := (countValue{&l.count}).set([]string{f.count}); err != nil {
			return nil, 0, fmt.Errorf("--count: %w", err)
		}
	}
	var timeout time.Duration
	if f.timeout != "" {
		if err := (durationValue{&timeout}).set([]string{f.timeout}); err != nil {
			return nil, 0, fmt.Errorf("--timeout: %w", err)
		}
	}
	where := cmp.Or(f.url, defaultURL)
	if other := lookup(environ, envURL); f.url == "" && strings.HasPrefix(other, "http") {
		where = other // of Redis it may be, too: that is for backends
	}
	var err error
	l.cfg, err = f.config(where)
	return l, timeout, err
}

// config is how to reach the server at a URL.
func (f *listenFlags) config(where string) (sioclient.Config, error) {
	cfg := sioclient.Config{Path: f.path, Namespace: f.namespace}
	u, err := url.Parse(where)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return cfg, errors.New("--url: want http://HOST:PORT or https://HOST:PORT") // there may be a password in it
	}
	// What backends emit to is no mistake here: the variable is the same.
	if path := strings.Trim(u.Path, "/"); path != "" && path != "emit" || u.RawQuery != "" {
		return cfg, errors.New("--url: want one without a path; give that with --path")
	}
	if u.User != nil {
		request := http.Request{Header: make(http.Header)}
		password, _ := u.User.Password()
		request.SetBasicAuth(u.User.Username(), password)
		cfg.Header, u.User = request.Header, nil
	}
	cfg.URL = u.Scheme + "://" + u.Host
	if !strings.HasPrefix(f.path, "/") {
		return cfg, fmt.Errorf("--path: %q: want /NAME/", f.path)
	}
	if !strings.HasPrefix(f.namespace, "/") || strings.ContainsAny(f.namespace, ",?") {
		return cfg, fmt.Errorf("--namespace: %q: want / or /NAME", f.namespace)
	}
	if f.transport != "" {
		transports := choiceValue{&f.transport, []string{string(sioclient.TransportPolling), string(sioclient.TransportWebSocket)}}
		if err := transports.set([]string{f.transport}); err != nil {
			return cfg, fmt.Errorf("--transport: %w", err)
		}
		cfg.Transports = []sioclient.Transport{sioclient.Transport(f.transport)}
	}
	return cfg, nil
}

// untilSignal returns a context that ends at the first signal; the next one has its usual effect. From then on a reader of standard output
// who has gone is an error of writing and no signal.
func untilSignal(ctx context.Context) (_ context.Context, release func()) {
	signal.Ignore(syscall.SIGPIPE)
	ctx, release = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, release)
	return ctx, release
}

// hungUp reports whether an error of writing says that nobody reads.
func hungUp(err error) bool { return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) }
