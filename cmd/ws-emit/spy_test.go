package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/redisbus"
	"github.com/ws-emit/ws-emit/server"
)

// spyOn runs a spy and returns what it writes, and what ends it as an interrupt does.
func spyOn(t *testing.T, s *spy, cfg server.Config) (out, notes printed, end func()) {
	t.Helper()
	cfg, err := cfg.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	out, notes = newPrinted(), newPrinted()
	if s.out == nil {
		s.out = out
	}
	s.notes = notes
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.run(ctx, cfg) }()
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the spy ended with %v", err)
		}
	})
	t.Cleanup(end)
	notes.want(t, "^ws-emit: listening to flask-socketio=python socketio=python socket.io=node ws-emit=json on .*redis db 0$")
	return out, notes, end
}

const python = `{"method": "emit", "event": "update", "data": ["a", {"b": 1}], "binary": false, "namespace": "/", "room": "dir::x", ` +
	`"skip_sid": ["~s"], "callback": null, "host_id": "456834243bee448baec31a44f302c928"}`

func TestSpy(t *testing.T) {
	r := newRedisProcess(t)
	out, notes, end := spyOn(t, &spy{}, server.Config{Redis: r.url, Namespaces: []string{"/", "/n"}})
	node := "\x93\xa6emitte\x83\xa4type\x02\xa4data\x92\xa1e\xc4\x02\x00\xff\xa3nsp\xa1/\x82\xa5rooms\x91\xa1a\xa6except\x90"
	x500 := strings.Repeat("x", 500)
	for _, tt := range []struct{ channel, payload, want string }{
		{"ws-emit", `{"event":"update","room":"time","data":{"t": 1}}`, `ws-emit json 48B  emit update to time in /: {"t":1}`},
		{"ws-emit", `{"event":"a b","namespace":"/n"}`, `ws-emit json 32B  emit "a b" to everybody in /n`},
		{"ws-emit", `{"event":"a","namespace":"/m"}`, `dropped (namespace): its namespace is missing, is none (/ or /NAME), is not that of the channel, or not one of --namespaces`},
		{"ws-emit", `{"event":"\u001b[2J","room":["\u009b",""],"data":"\u001b\u009b\u202e"}`, `ws-emit json 70B  dropped (room): `},
		{"ws-emit", "{\"event\":\"\\u001b[2J\",\"room\":[\"\u009b\",\"a,b\"],\"data\":\"\\u001b\u009b\u202e\"}",
			`ws-emit json 62B  emit "\x1b[2J" to "\u009b", "a,b" in /: "\u001b\u009b\u202e"`},
		{"ws-emit", "\x1b[2J\xff", `ws-emit json 5B  dropped (malformed): not what is spoken on this channel, which may need another dialect ` +
			`(--redis-channels NAME=DIALECT) [is not valid JSON at byte 1]. Payload: "\x1b[2J\xff"`},
		{"ws-emit", `{"event":"a","data":1,"args":[]}`, ` [`},
		{"ws-emit", `[{"event":"a","room":["1","2","3","4","5","6","7"]},{"event":"b"},{"event":"c"}]`,
			`ws-emit json 80B  emit a to 1, 2, 3, 4, 5 and 2 more in /; and 2 messages more`},
		{"ws-emit", `{"event":"e","data":"` + x500 + `"}`, `ws-emit json 523B  emit e to everybody in /: "` + x500[:shortText-1] + `...`},
		{"ws-emit", x500, `Payload: "` + x500[:shortText] + `"...`},
		{"socketio", python, `socketio python 200B  emit update to dir::x in / except ~s: "a", {"b":1}`},
		{"flask-socketio", `{"method":"emit","event":"connect","data":[],"namespace":"/"}`, `flask-socketio python 61B  dropped (event): its event is missing`},
		{"socketio", `{"method":"emit","event":"e","namespace":"/","data":["x"],"room":"r","callback":["r","/",1]}`,
			`emit e to r in /: "x" (the publisher asked for an ack, which it will not get)`},
		{"socketio", `{"method":"disconnect","sid":"~s","namespace":"/"}`, `socketio python 50B  disconnect: ~s in /`},
		{"socketio", `{"method":"enter_room","sid":"~s","room":"r","namespace":"/"}`, `enter_room: ~s in / enter r`},
		{"socketio", `{"method":"leave_room","sid":"~s","room":"r","namespace":"/"}`, `leave_room: ~s in / leave r`},
		{"socketio", `{"method":"close_room","room":"r","namespace":"/"}`, `close_room: r in /`},
		{"socketio", `{"method":"format_disk","namespace":"/"}`, `dropped (method): it asks for something that is not known, or that --redis-methods does not allow`},
		{"ws-emit", "\x80\x04}q\x00.", `dropped (pickle): a Python pickle, on a channel where none is taken. Payload: "\x80\x04}q\x00."`},
		{"socketio", "\x80\x04c__builtin__\neval\n.", `dropped (pickle): a Python pickle that is damaged, or more than plain data`},
		{"socket.io#/#", node, `socket.io#/# node 51B  emit e to a in /: {"$binary":"AP8="}`},
		{"socket.io#/#b#", `["u",{"type":2,"data":["e"],"nsp":"/"},{"rooms":["a","b"]}]`, `dropped (duplicate): the same message comes once more: it was ` +
			`published for each of its rooms, or is heard by the pattern of another namespace too; one copy counts`},
		{"socket.io-request#/#", `{"type":5,"uid":"x"}`, `dropped (request): only a member of the Node cluster answers this`},
		{"socket.io-request#/#", `{"type":4,"opts":{"rooms":["a"],"except":[]},"close":true}`, `disconnect: a in /, with their connections`},
	} {
		r.publish(t, tt.channel, tt.payload)
		line := out.want(t, `^\d\d:\d\d:\d\d\.\d\d\d `+tt.channel)
		if !strings.Contains(line+"\n", tt.want) {
			t.Errorf("%q:\n%s\nwant %s", tt.payload, line, tt.want)
		}
		if strings.ContainsFunc(line, func(r rune) bool { return !strconv.IsPrint(r) }) {
			t.Errorf("%q: not printable: %q", tt.payload, line)
		}
	}
	end()
	if len(notes) > 0 {
		t.Errorf("noted %q", <-notes)
	}
}

func TestSpyFull(t *testing.T) {
	r := newRedisProcess(t)
	out, _, _ := spyOn(t, &spy{full: true}, server.Config{Redis: r.url, Pickle: server.Off, RedisMethods: []emitter.Method{emitter.MethodEmit}})
	x500 := strings.Repeat("x", 500)
	for payload, want := range map[string]string{
		`[{"event":"a","room":["1","2","3","4","5","6"],"data":"` + x500 + `"},{"event":"b"}]`: ` to 1, 2, 3, 4, 5, 6 in /: "` + x500 + `"; emit b to everybody in /`,
		"\x80\x04}q\x00.": "a Python pickle, on a channel where none is taken",
		x500:              `"` + x500 + `"`,
	} {
		r.publish(t, "ws-emit", payload)
		if line := out.want(t, ""); !strings.HasSuffix(line, want) && !strings.Contains(line, want+".") {
			t.Errorf("%q: %s", payload, line)
		}
	}
	r.publish(t, "socketio", "\x80\x04}q\x00.")
	out.want(t, `dropped \(pickle\): a Python pickle, and --pickle is off\.`)
	r.publish(t, "socketio", `{"method":"close_room","room":"r","namespace":"/"}`)
	out.want(t, `dropped \(method\)`)
}

func TestSpyJSON(t *testing.T) {
	r := newRedisProcess(t)
	out, _, _ := spyOn(t, &spy{json: true}, server.Config{Redis: r.url})
	for _, tt := range []struct{ channel, payload, want string }{
		{"socketio", python, `"channel":"socketio","dialect":"python","bytes":200,"messages":[{"method":"emit","namespace":"/","rooms":["dir::x"],` +
			`"except":["~s"],"event":"update","args":["a",{"b":1}]}],"payload":` + strconv.Quote(python) + `}`},
		{"ws-emit", "\u009b\xff", `"channel":"ws-emit","dialect":"json","bytes":3,"messages":[],"dropped":"malformed","hint":"not what is spoken on this channel, ` +
			`which may need another dialect (--redis-channels NAME=DIALECT)","error":"is not valid JSON at byte 1","payload_base64":"wpv/"}`},
		{"ws-emit", "\x1b", `"payload":"\u001b"}`},
		{"ws-emit", "\u009b", `"payload":"\u009b"}`},
		{"socket.io-request#/#", `{"type":3,"opts":{"rooms":["a"],"except":["b"]},"rooms":["c"]}`,
			`[{"method":"leave_room","namespace":"/","rooms":["a"],"except":["b"],"change":["c"]}]`},
	} {
		r.publish(t, tt.channel, tt.payload)
		line := out.want(t, `^\{"time":"\d{4}-\d\d-\d\dT`)
		if !strings.Contains(line, tt.want) || !json.Valid([]byte(line)) {
			t.Errorf("%q:\n%s\nwant %s", tt.payload, line, tt.want)
		}
	}
}

// TestSpyRestart: when Redis goes and comes back, each is one line, and what is missing is told.
func TestSpyRestart(t *testing.T) {
	r := newRedisProcess(t)
	out, notes, _ := spyOn(t, &spy{}, server.Config{Redis: r.url})
	for range 2 {
		r.stop()
		notes.want(t, `^ws-emit: redis is away, trying again until it is back: `)
		r.start()
		notes.want(t, `^ws-emit: redis is back; what was published while it was away is missing$`)
		r.publish(t, "ws-emit", `{"event":"e"}`)
		out.want(t, "emit e to everybody in /$")
	}
}

// TestSpyRefused: a password does not become right by waiting.
func TestSpyRefused(t *testing.T) {
	r := newRedisProcess(t, "--requirepass", "hunter2", "--user", "few", "on", ">hunter2", "+@all", "resetchannels", "&ws-emit")
	for _, tt := range []struct{ who, want string }{
		{":wrong@", "redis refuses: failed to authenticate: WRONGPASS "},
		{"nobody:hunter2@", "redis refuses: failed to authenticate: WRONGPASS "},
		{"few:hunter2@", "redis refuses: NOPERM "}, // to listen to all channels
		{"", "redis refuses: NOAUTH "},
	} {
		cfg, err := server.Config{Redis: "unix://" + tt.who + r.socket}.WithDefaults()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		notes := newPrinted()
		err = (&spy{out: io.Discard, notes: notes}).run(ctx, cfg)
		cancel()
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || errors.As(err, new(usageError)) || strings.Contains(err.Error(), "hunter2") || len(notes) > 0 {
			t.Errorf("%q: ended with %v, want %s; %d notes", tt.who, err, tt.want, len(notes))
		}
	}
}

// TestSpyWithoutTLS: that TLS is asked of a Redis without it is told.
func TestSpyWithoutTLS(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	cfg, err := server.Config{Redis: "rediss://" + silent.Addr().String(), RedisSilence: 100 * time.Millisecond}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	notes := newPrinted()
	done := make(chan error, 1)
	go func() { done <- (&spy{out: io.Discard, notes: notes}).run(ctx, cfg) }()
	notes.want(t, "^ws-emit: redis is away, .*; rediss:// is for a Redis with TLS: without, it is redis://$")
	cancel()
	if err := <-done; err != nil {
		t.Errorf("ended with %v", err)
	}
}

// gate is a writer that waits until it is opened.
type gate struct {
	printed
	open chan struct{}
}

func (g gate) Write(p []byte) (int, error) {
	<-g.open
	return g.printed.Write(p)
}

// TestSpyOverflow: what comes faster than it is read is lost, and that is told.
func TestSpyOverflow(t *testing.T) {
	r := newRedisProcess(t)
	out := gate{newPrinted(), make(chan struct{})}
	_, notes, _ := spyOn(t, &spy{out: out}, server.Config{Redis: r.url, RedisQueue: 4 << 20})
	for range 10 {
		r.publish(t, "ws-emit", `{"event":"e","data":"`+strings.Repeat("x", 512<<10)+`"}`)
	}
	notes.want(t, "^ws-emit: redis messages are being lost, the queue is full bytes=4194304$")
	close(out.open)
	notes.want(t, `^ws-emit: redis messages are no longer lost lost=[1-9]`)
	out.want(t, "dropped|emit e")
}

func TestSpyEnds(t *testing.T) {
	r := newRedisProcess(t)
	cfg, err := server.Config{Redis: r.url}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*spy{
		"count":        {out: newPrinted(), count: 2},
		"nobody reads": {out: failing{io.ErrClosedPipe}},
		"disk full":    {out: failing{os.ErrInvalid}},
	} {
		notes := newPrinted()
		s.notes = notes
		done := make(chan error, 1)
		go func() { done <- s.run(t.Context(), cfg) }()
		notes.want(t, "listening to")
		for range 3 {
			if err := r.client.Publish(t.Context(), "ws-emit", `{"event":"e"}`).Err(); err != nil {
				t.Fatal(err)
			}
		}
		switch err := <-done; {
		case name == "disk full":
			if err == nil || !strings.HasPrefix(err.Error(), "write: ") {
				t.Errorf("%s: %v", name, err)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case name == "count" && len(s.out.(printed)) != 2:
			t.Errorf("%d payloads", len(s.out.(printed)))
		}
	}
}

func TestSpyWrong(t *testing.T) {
	for _, tt := range []struct {
		args    []string
		environ []string
		want    string
	}{
		{args: []string{"--redis", "none"}, want: "--redis: none: there is nothing to listen to"},
		{args: []string{"--redis", "hunter2"}, want: "--redis: not a Redis URL"},
		{environ: []string{"REDIS=hunter2"}, want: "REDIS: not a Redis URL"},
		{args: []string{"--redis-channels", "a=b"}, want: `--redis-channels: channel "a": dialect must be`},
		{args: []string{"--redis-methods", "x"}, want: `--redis-methods: "x": want some of emit`},
		{args: []string{"--pickle", "maybe"}, want: `--pickle: "maybe": want on or off`},
		{args: []string{"--count", "x"}, want: `--count: "x": want a whole number`},
		{args: []string{"--config", "missing.yaml"}, want: "--config: open missing.yaml"},
		{args: []string{"x"}, want: "want ws-emit spy; see ws-emit spy --help"},
		{args: []string{"--no-such"}, want: "unknown flag: --no-such; see ws-emit spy --help"},
	} {
		var stdout, stderr bytes.Buffer
		status := run(append([]string{"spy"}, tt.args...), tt.environ, &stdout, &stderr)
		if said := stderr.String(); status != exitUsage || strings.Count(said, "\n") != 1 || !strings.Contains(said, tt.want) || strings.Contains(said, "hunter2") {
			t.Errorf("%q: exit status %d, said %q, want %q", tt.args, status, said, tt.want)
		}
	}
}

// TestEveryReasonHasAHint reads the reasons in the source: a new one must not be shown without a word.
func TestEveryReasonHasAHint(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../emitter/redisbus/drop.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "DropReason" {
			return true
		}
		found++
		reason, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if d := (redisbus.Decoded{Reason: redisbus.DropReason(reason)}); (&spy{}).hint(d) == "" {
			t.Errorf("%s has no hint", spec.Names[0].Name)
		}
		return true
	})
	if found < 10 {
		t.Errorf("only %d reasons were found", found)
	}
}

// FuzzSpyLine: whatever is in a payload, it is one line that can be printed.
func FuzzSpyLine(f *testing.F) {
	f.Add("c", []byte("\x1b\n"), true, "r", "e", "\u009b", []byte{})
	f.Add("\x1b", []byte("{}"), false, "\u202e", "\x7f\n", "\U000e0001", []byte("x"))
	f.Fuzz(func(t *testing.T, channel string, payload []byte, dropped bool, room, event, arg string, attachment []byte) {
		m, err := emitter.NewMessage(event, []string{room}, arg, attachment)
		if err != nil || m.Validate(emitter.Limits{}) != nil {
			return
		}
		d := redisbus.Decoded{Channel: channel, Dialect: "json", Payload: string(payload), Reason: redisbus.DropMalformed}
		if !dropped {
			d.Reason = ""
			d.Messages = []emitter.Message{m, m}
		}
		for _, s := range []*spy{{}, {full: true}} {
			for name, line := range map[string]string{"text": s.asText(d), "JSON": s.asJSON(d)} {
				if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return !strconv.IsPrint(r) }) {
					t.Errorf("%s: %q", name, line)
				}
				if name == "JSON" && !json.Valid([]byte(line)) {
					t.Errorf("not JSON: %s", line)
				}
			}
		}
	})
}
