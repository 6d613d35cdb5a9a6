package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
	"github.com/ws-emit/ws-emit/emitter/redisbus"
	"github.com/ws-emit/ws-emit/server"
)

const (
	benchExample = `  SECRET=s ws-emit bench --pid $(pgrep -x ws-emit)         1,000 clients, one room, as fast as it goes
  SECRET=s ws-emit bench -c 5000 --rate 100 --html a.html  p99 at 500,000 deliveries a second?
  ws-emit bench -c 10000 --by none --pid 4711              what idle connections cost
  ws-emit bench --url http://localhost:3000 \
    --join-data '"{room}"' --emit-body '{"to":"{room}","ev":"{event}","arg":{data}}'`

	benchText = `All clients connect and join, then emitters emit, and then the clients have the time of --patience to
get what is still under way. What is missing after that is lost. Each message carries its emitter, a
number and the time when it should have been sent: latency is measured from then. At a given --rate
a server that answers an emit late so cannot hide what that costs the emits behind it.

It works with any server of Socket.IO 4 that lets clients join by an event and that can be told to
emit by HTTP: --join-event, --join-data, --emit-url, --emit-body and --emit-header say how. Joins
have to be acknowledged; where they are not, say --no-join-ack.

Ways: http; redis:json, redis:python (python-socketio, Flask-SocketIO) and redis:node (the emitter of
socket.io), which need --redis; none, for idle clients.

A server that answers an emit with 503 or 429 is behind and has lost nothing: the message is sent
again after the time of Retry-After, and the report has how often and how long that was.

The bench needs processor time itself, which it reports. On the machine of the server it takes that
from the server. Where the timer of the bench is about as late as messages are, the machine is too
busy to measure their latency.

Exit status: 0 when every message came once and in order; 1 when one was lost, doubled or out of
order, when a client could not connect or was disconnected, when no message was accepted or nobody
was to get one, and when there is nothing to report; 2 for what cannot be asked.`
)

// benchFlags are what is typed.
type benchFlags struct {
	cfg        bench.Config
	header     headerValue
	emitHeader headerValue
	by         string
	transport  string
	size       int64
	count      int
	json       bool
	html       string
	insecure   bool
	quiet      bool
	limits     bench.Limits // of this machine, for what is asked
}

func newBenchCommand(environ []string) *cobra.Command {
	f := benchFlags{by: string(bench.ByHTTP), transport: string(bench.WebSocket), size: bench.DefaultSize}
	f.cfg = bench.Config{
		Clients: bench.DefaultClients, Parallel: bench.DefaultParallel, Rooms: 1, RoomsPerClient: 1, Emitters: 1,
		Patience: bench.DefaultPatience, Timeout: bench.DefaultTimeout,
	}
	cmd := &cobra.Command{
		Use:               "bench",
		Short:             "Put a Socket.IO server under load, and count what arrives",
		Example:           benchExample,
		Long:              benchText,
		Args:              arguments(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.config(cmd, environ); err != nil {
				return usageError{err}
			}
			ctx, release := untilSignal(cmd.Context())
			defer release()
			return f.run(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.addLoad(cmd)
	f.addServer(cmd)
	return cmd
}

// addLoad adds the flags that say how much.
func (f *benchFlags) addLoad(cmd *cobra.Command) {
	flags := cmd.Flags()
	add := func(v value, name, short, usage string) { flags.VarP(typedValue{v}, name, short, usage) }
	add(countValue{&f.cfg.Clients}, "clients", "c", "`NUMBER` of clients")
	add(rateValue{&f.cfg.ConnectRate}, "connect-rate", "", "`NUMBER` of clients that connect each second (default as fast as they can)")
	add(countValue{&f.cfg.Parallel}, "parallel", "", "`NUMBER` of clients that connect at the same time")
	add(choiceValue{&f.transport, []string{"websocket", "polling"}}, "transport", "", "`NAME` of the clients' transport: websocket or polling")
	add(countValue{&f.cfg.Rooms}, "rooms", "", "`NUMBER` of rooms; emitters take them in turns")
	add(countValue{&f.cfg.RoomsPerClient}, "rooms-per-client", "", "`NUMBER` of rooms that each client joins")
	add(amountValue{&f.cfg.Slow}, "slow", "", "`NUMBER` of clients that stop reading once they have joined")
	add(choiceValue{&f.by, wayNames()}, "by", "", "`WAY` to emit: http, redis:json, redis:python, redis:node or none")
	add(countValue{&f.cfg.Emitters}, "emitters", "e", "`NUMBER` of emitters, each one message after the other")
	add(rateValue{&f.cfg.Rate}, "rate", "r", "`NUMBER` of messages each second, of all emitters together (default as fast as they can)")
	add(sizeValue{&f.size}, "size", "s", "`SIZE` of the data of a message, 70 bytes at least")
	add(amountValue{&f.count}, "count", "n", "end after this `NUMBER` of messages, or when a server that is behind accepts none for 30 s")
	add(durationValue{&f.cfg.Duration}, "duration", "d", "end after this `DURATION`; with --count, whatever comes first (default 10s without --count)")
	add(durationValue{&f.cfg.Patience}, "patience", "", "the `DURATION` that messages may be under way when the last one has been emitted")
	add(durationValue{&f.cfg.Timeout}, "timeout", "", "the `DURATION` that a client may take to connect and join")
	add(countValue{&f.cfg.PID}, "pid", "p", "`PID` of the server, on this machine, to report its processor time and memory, without those of processes that it has started (Linux only)")
	flags.Lookup("pid").DefValue = ""
	for _, name := range []string{"slow", "count", "duration", "rate", "connect-rate"} {
		flags.Lookup(name).DefValue = ""
	}
	flags.BoolVar(&f.json, "json", false, "print the report as JSON")
	flags.StringVar(&f.html, "html", "", "write the report with charts to an HTML `FILE`, too")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no notes and no progress on standard error")
	if err := cmd.MarkFlagFilename("html", "html"); err != nil {
		panic(err) // it is there
	}
	complete(cmd, "transport", "websocket", "polling")
	complete(cmd, "by", wayNames()...)
}

// addServer adds the flags that say where and how.
func (f *benchFlags) addServer(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.cfg.URL, "url", "", "`URL` of the server (default "+defaultURL+") ["+envURL+"]")
	flags.BoolVar(&f.insecure, "insecure", false, "take any certificate of an https server")
	flags.StringVar(&f.cfg.Path, "path", bench.DefaultPath, "`/NAME/` of the Socket.IO endpoint")
	flags.StringVar(&f.cfg.Namespace, "namespace", "/", "Socket.IO namespace, such as `/NAME`")
	flags.Var(&f.header, "header", "`NAME:VALUE` of a header of the clients' requests; repeat it for more")
	flags.StringVar(&f.cfg.Room, "room", bench.DefaultRoom, "`NAME` of the room; several are NAME-0, NAME-1 and so on")
	flags.StringVar(&f.cfg.JoinEvent, "join-event", bench.DefaultJoin, "`NAME` of the event by which clients join a room")
	flags.StringVar(&f.cfg.JoinData, "join-data", bench.DefaultJoinData, "its argument, a text of `JSON` with {room} and {client}, a number")
	flags.BoolVar(&f.cfg.NoJoinAck, "no-join-ack", false, "do not ask for an answer to joins, but wait a second after the last one")
	flags.StringVar(&f.cfg.Event, "event", bench.DefaultEvent, "`NAME` of the event that is emitted")
	flags.StringVar(&f.cfg.EmitURL, "emit-url", "", "`URL` to post emits to (default "+emitPath+" of --url)")
	flags.StringVar(&f.cfg.EmitBody, "emit-body", bench.DefaultEmitBody, "what is posted, a text of `JSON` with {event}, {room} and {data}")
	flags.Var(&f.emitHeader, "emit-header", "`NAME:VALUE` of a header of emits; repeat it for more (default the secret and JSON)")
	flags.StringVar(&f.cfg.Channel, "channel", "", "Redis channel `NAME`; for redis:node, what channels begin with (default what is usual)")
	addFlag(flags, nameSecret, "the emit `SECRET` of the server; others on this machine can see it here [SECRET]")
	addFlag(flags, nameSecretFile, "`FILE` that the emit secret stands in")
	addFlag(flags, nameRedis, "the Redis at `URL`, for the ways by Redis (default "+server.DefaultRedis+")")
	addFlag(flags, nameConfig, "the server's configuration `FILE`, for its secret and its Redis")
}

// config puts together what has been typed and what stands in the environment.
func (f *benchFlags) config(cmd *cobra.Command, environ []string) error {
	o, _, err := load(cmd.Flags(), environ)
	if err != nil {
		return err
	}
	where := defaultURL
	if other := lookup(environ, envURL); strings.HasPrefix(other, "http") {
		where = strings.TrimSuffix(other, emitPath) // it may be that of POST /emit, or of Redis: that is for backends
	}
	c := &f.cfg
	c.URL = cmp.Or(c.URL, where)
	c.By, c.Transport, c.Size, c.Count = bench.Way(f.by), bench.Transport(f.transport), int(f.size), int64(f.count)
	c.Header, c.EmitHeader = f.header.http, f.emitHeader.http
	if f.insecure {
		c.TLS = &tls.Config{InsecureSkipVerify: true} // as asked
	}
	c.Redis = cmp.Or(o.server.Redis, server.DefaultRedis)
	if o.server.EmitSecret != "" && c.EmitHeader == nil {
		c.EmitHeader = http.Header{"Authorization": {"Bearer " + o.server.EmitSecret}}
	}
	if f.limits, err = bench.CheckLimits(*c); err != nil {
		return withoutPackage(err)
	}
	return nil
}

// run runs the bench and writes its report.
func (f *benchFlags) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	redis.SetLogger(redisbus.ClientLog{Logger: slog.New(slog.DiscardHandler)}) // what is wrong is in the error
	page := new(htmlFile)
	if f.html != "" {
		if page, err = openHTML(f.html); err != nil {
			return err
		}
		defer page.close()
	}
	note := &benchProgress{out: stderr}
	if !f.quiet {
		note.limits(f.limits)
		if isTerminal(stderr) {
			f.cfg.Progress = note.progress
		}
	}
	report, err := bench.Run(ctx, f.cfg)
	note.clear()
	if err != nil {
		return withoutPackage(err)
	}
	write := report.WriteText
	if f.json {
		write = report.WriteJSON
	}
	if err := write(stdout); err != nil && !hungUp(err) {
		return err
	}
	if f.html != "" {
		if err := page.write(report); err != nil {
			return err
		}
	}
	return report.Failure()
}

// htmlFile is a file for a report. It is opened before the run, which may take long, and keeps what is in it until there is a report.
type htmlFile struct {
	*os.File
	created bool // by us, and nothing is in it
}

func openHTML(path string) (*htmlFile, error) {
	_, err := os.Stat(path)
	created := errors.Is(err, fs.ErrNotExist)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	return &htmlFile{file, created}, err
}

func (h *htmlFile) write(report *bench.Report) error {
	h.created = false
	if info, err := h.Stat(); err == nil && info.Mode().IsRegular() { // not a pipe
		if err := h.Truncate(0); err != nil {
			return err
		}
	}
	return errors.Join(report.WriteHTML(h), h.Close())
}

// close is for a file that may have been written. It removes one that we have created for nothing.
func (h *htmlFile) close() {
	h.Close()
	if h.created {
		_ = os.Remove(h.Name())
	}
}

func wayNames() (names []string) {
	for _, w := range bench.Ways() {
		names = append(names, string(w))
	}
	return names
}

// complete proposes words for a flag.
func complete(cmd *cobra.Command, name string, words ...string) {
	if err := cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // it is there, and nobody else has registered one
	}
}

// typedValue is a value of the table as a flag of its own.
type typedValue struct{ value }

func (v typedValue) Set(word string) error { return v.set([]string{word}) }
func (typedValue) Type() string            { return "value" }

// amountValue is a count that may be 0.
type amountValue struct{ to *int }

func (v amountValue) set(words []string) error {
	n, err := strconv.Atoi(words[0])
	if err != nil || n < 0 {
		return fmt.Errorf("%q: want a whole number", words[0])
	}
	*v.to = n
	return nil
}

func (v amountValue) String() string { return strconv.Itoa(*v.to) }

// rateValue is how many times a second something happens.
type rateValue struct{ to *float64 }

func (v rateValue) set(words []string) error {
	n, err := strconv.ParseFloat(words[0], 64)
	if err != nil || !(n > 0) || n > 1e9 {
		return fmt.Errorf("%q: want a number, more than 0", words[0])
	}
	*v.to = n
	return nil
}

func (v rateValue) String() string { return strconv.FormatFloat(*v.to, 'g', -1, 64) }

// headerValue is any number of headers. It is no pflag.SliceValue: those are settings.
type headerValue struct{ http http.Header }

var _ pflag.Value = (*headerValue)(nil)

func (v *headerValue) Set(word string) error {
	name, text, ok := strings.Cut(word, ":")
	if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(word, "\r\n") {
		return errors.New("want NAME:VALUE") // it may be a secret
	}
	if v.http == nil {
		v.http = make(http.Header)
	}
	v.http.Add(name, strings.TrimSpace(text))
	return nil
}

func (*headerValue) String() string { return "" }
func (*headerValue) Type() string   { return "header" }

// benchProgress tells on standard error how things stand.
type benchProgress struct {
	out     io.Writer
	written int // characters of the line that is there
}

// limits says what bounds the number of clients.
func (p *benchProgress) limits(l bench.Limits) {
	fmt.Fprintf(p.out, "limits: %s\n", l)
	for _, n := range l.Notes {
		fmt.Fprintf(p.out, "limits: %s\n", n)
	}
}

// progress replaces the line.
func (p *benchProgress) progress(now bench.Progress) {
	line := now.String()
	fmt.Fprintf(p.out, "\r%-*s", p.written, line)
	p.written = len(line)
}

// clear removes the line.
func (p *benchProgress) clear() {
	if p.written > 0 {
		fmt.Fprintf(p.out, "\r%*s\r", p.written, "")
	}
}

// isTerminal reports whether somebody watches.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
