package redisbus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ws-emit/ws-emit/emitter"
)

func newOptions(tb testing.TB) *redis.Options {
	tb.Helper()
	opt, err := ParseURL("redis://localhost:1")
	if err != nil {
		tb.Fatal(err)
	}
	return opt
}

func TestNew(t *testing.T) {
	opt := newOptions(t)
	r, err := New(Config{Options: opt})
	if err != nil {
		t.Fatal(err)
	}
	if r.Name() != "redis" || r.Audience() != emitter.EveryNode {
		t.Errorf("%s, %v", r.Name(), r.Audience())
	}
	if used, limit := r.Queued(); used != 0 || limit != 64<<20 {
		t.Errorf("queue: %d of %d bytes", used, limit)
	}
	for name, cfg := range map[string]Config{
		"no options":      {},
		"channel twice":   {Options: opt, Channels: []Channel{{"a", DialectPython}, {"a", DialectJSON}}},
		"channel no name": {Options: opt, Channels: []Channel{{"", DialectPython}}},
		"no dialect":      {Options: opt, Channels: []Channel{{Name: "a"}}},
		"node no name":    {Options: opt, Channels: []Channel{{"", DialectNode}}},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestParseChannel(t *testing.T) {
	for s, want := range map[string]Channel{
		"socketio":       {"socketio", DialectPython},
		"news":           {"news", DialectPython},
		"ws-emit":        {"ws-emit", DialectJSON},
		"ws-emit=python": {"ws-emit", DialectPython},
		"news=json":      {"news", DialectJSON},
		"a=b=python":     {"a=b", DialectPython},
		"socket.io":      {"socket.io", DialectNode},
		"myapp=node":     {"myapp", DialectNode},
		"socket.io=json": {"socket.io", DialectJSON},
	} {
		if got, err := ParseChannel(s); err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", s, got, err, want)
		}
		if again, err := ParseChannel(want.String()); err != nil || again != want {
			t.Errorf("%+v is %q, which reads %+v, %v", want, want, again, err)
		}
	}
	if said := fmt.Sprint(DefaultChannels()); said != "[flask-socketio=python socketio=python socket.io=node ws-emit=json]" {
		t.Errorf("a log has %s", said)
	}
	for _, s := range []string{"", "=python", "a=", "a=b", "a=Python", "a= json", "=node", "a=Node"} {
		if got, err := ParseChannel(s); err == nil {
			t.Errorf("%q: %+v, want an error", s, got)
		}
	}
}

func TestParseURL(t *testing.T) {
	type want struct {
		network, addr, user, password string
		db                            int
		secure                        bool
	}
	for url, w := range map[string]want{
		"redis://":                    {network: "tcp", addr: "localhost:6379"},
		"redis://localhost:6379/0":    {network: "tcp", addr: "localhost:6379"},
		"redis://u:p%40%2F@h:1/2":     {network: "tcp", addr: "h:1", user: "u", password: "p@/", db: 2},
		"valkey://:p@[::1]:1":         {network: "tcp", addr: "[::1]:1", password: "p"},
		"rediss://h":                  {network: "tcp", addr: "h:6379", secure: true},
		"valkeys://h/3":               {network: "tcp", addr: "h:6379", db: 3, secure: true},
		"unix:///run/redis.sock?db=4": {network: "unix", addr: "/run/redis.sock", db: 4},
		"unix://u:p@/run/redis.sock":  {network: "unix", addr: "/run/redis.sock", user: "u", password: "p"},
	} {
		opt, err := ParseURL(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if got := (want{opt.Network, opt.Addr, opt.Username, opt.Password, opt.DB, opt.TLSConfig != nil}); got != w {
			t.Errorf("%s: %+v, want %+v", url, got, w)
		}
		if opt.Protocol != 2 || !opt.DisableIdentity || opt.DialTimeout != 5*time.Second || opt.ReadTimeout != 5*time.Second {
			t.Errorf("%s: %+v", url, opt)
		}
		if opt.TLSConfig != nil && opt.TLSConfig.MinVersion < tls.VersionTLS12 {
			t.Errorf("%s: TLS %x", url, opt.TLSConfig.MinVersion)
		}
	}
	opt, err := ParseURL("redis://h?dial_timeout=2s&protocol=3")
	if err != nil || opt.DialTimeout != 2*time.Second || opt.Protocol != 3 {
		t.Errorf("%+v, %v", opt, err)
	}
}

// TestDialsOnce: a command to a Redis that is away has no more tries than go-redis gives to each.
func TestDialsOnce(t *testing.T) {
	opt, err := ParseURL("redis://h?max_retries=2&min_retry_backoff=-1")
	if err != nil {
		t.Fatal(err)
	}
	var dials atomic.Int32
	opt.Dialer = func(context.Context, string, string) (net.Conn, error) {
		dials.Add(1)
		return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
	}
	client := redis.NewClient(opt)
	defer func() { _ = client.Close() }()
	if err := client.Get(t.Context(), "key").Err(); err == nil || dials.Load() != 3 {
		t.Errorf("%d times dialled, %v, want 3 for one try and two more", dials.Load(), err)
	}
}

func TestParseURLErrorsTellNothing(t *testing.T) {
	for _, url := range []string{
		"", "hunter2", "http://:hunter2@h", "hunter2://h", "redis://:hunter2@h:port", "redis://:hunter2@h/db", "redis://:hunter2/1@h",
		"redis://:1/hunter2@h", "redis://:1?hunter2@h", "redis://:hunter2%zz@h", "redis://:hunter2@h?hunter2=1", "redis://:hunter2@h?db=hunter2",
		"unix://:hunter2@", "redis://:hunter2\x00@h", "redis://h:1/hunter2/hunter2",
	} {
		if _, err := ParseURL(url); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, url := range []string{"redis://u:p@h:1/2?dial_timeout=1s", "unix:///s?db=1", "valkeys://h", "redis://[::1]"} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		if opt, err := ParseURL(url); (opt == nil) == (err == nil) {
			t.Fatalf("%+v, %v", opt, err)
		}
	})
}

func TestClientLog(t *testing.T) {
	var b strings.Builder
	logger := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ClientLog{logger}.Printf(context.Background(), "conn %d", 7)
	if !strings.Contains(b.String(), `text="conn 7"`) {
		t.Errorf("logged %q", b.String())
	}
	ClientLog{slog.New(slog.NewTextHandler(io.Discard, nil))}.Printf(context.Background(), "conn %d", 7)
}

// TestDefaultsDoNotReachTheCaller: New copies what it is given.
func TestDefaultsDoNotReachTheCaller(t *testing.T) {
	opt := newOptions(t)
	before := *opt
	channels := DefaultChannels()
	r, err := New(Config{Options: opt, Channels: channels})
	if err != nil {
		t.Fatal(err)
	}
	r.clientOptions(nil)
	channels[0].Name = "other"
	if opt.Dialer != nil || opt.MaxRetries != before.MaxRetries || !reflect.DeepEqual(opt.MaintNotificationsConfig, before.MaintNotificationsConfig) {
		t.Error("options were changed")
	}
	if r.cfg.Channels[0].Name == "other" {
		t.Error("channels are shared")
	}
}
