package main

import (
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/redisbus"
	"github.com/ws-emit/ws-emit/server"
)

// parse loads options as run does.
func parse(args, environ []string) (options, []string, error) {
	flags := pflag.NewFlagSet("ws-emit", pflag.ContinueOnError)
	addFlags(flags)
	if err := flags.Parse(rewrite(args)); err != nil {
		return options{}, nil, err
	}
	return load(flags, environ)
}

// write makes a file and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

func prefixes(list ...string) (all []netip.Prefix) {
	for _, p := range list {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

// fields says for each field of server.Config how to give it, as a flag or its value in the environment, and in YAML, and what it is then.
var fields = map[string]struct {
	setting, word, yaml string
	want                any
}{
	"Address":         {"address", "127.0.0.1:1", `"127.0.0.1:1"`, "127.0.0.1:1"},
	"Path":            {"path", "/live/", "/live/", "/live/"},
	"Namespaces":      {"namespaces", "/,/chat", "[/, /chat]", []string{"/", "/chat"}},
	"Transports":      {"transports", "websocket", "websocket", []string{"websocket"}},
	"Origins":         {"cors", "http://a http://b", "[http://a, http://b]", []string{"http://a", "http://b"}},
	"Credentials":     {"cors-credentials", "off", "off", server.Off},
	"TrustedProxies":  {"trusted-proxies", "10.1.2.3/8,::1", "[10.0.0.0/8, '::1']", prefixes("10.0.0.0/8", "::1/128")},
	"EmitSecret":      {"secret", "it's one, \"two\" = 3", `"it's one, \"two\" = 3"`, `it's one, "two" = 3`},
	"EmitTimeout":     {"emit-timeout", "1s", "1s", seconds(1)},
	"MaxEmitBody":     {"max-emit-body", "2MB", "2MB", int64(2e6)},
	"Redis":           {"redis", "none", "none", "none"},
	"RedisChannels":   {"redis-channels", "a,b=json", "[a, b=json]", []redisbus.Channel{{Name: "a", Dialect: "python"}, {Name: "b", Dialect: "json"}}},
	"RedisMethods":    {"redis-methods", "emit, disconnect", "[emit, disconnect]", []emitter.Method{emitter.MethodEmit, emitter.MethodDisconnect}},
	"Pickle":          {"pickle", "off", "off", server.Off},
	"RedisTimeout":    {"redis-timeout", "3s", "3s", seconds(3)},
	"RedisQueue":      {"redis-queue", "4MiB", "4MiB", int64(4 << 20)},
	"RedisSilence":    {"redis-silence", "5m", "5m", 5 * time.Minute},
	"RoomSecrets":     {"roomspace", "a=S=1,2", "{a: 'S=1,2'}", map[string]string{"a": "S=1,2"}},
	"MaxRooms":        {"max-rooms", "6", "6", 6},
	"PingInterval":    {"ping-interval", "7s", "7s", seconds(7)},
	"PingTimeout":     {"ping-timeout", "8s", "8s", seconds(8)},
	"ConnectTimeout":  {"connect-timeout", "9s", "9s", seconds(9)},
	"MaxPayload":      {"max-payload", "10k", "10000", int64(10_000)},
	"MaxQueue":        {"max-queue", "100Ki", "102400", int64(100 << 10)},
	"MaxBacklog":      {"max-backlog", "1GiB", "1GiB", int64(1 << 30)},
	"MaxPending":      {"max-pending", "12MiB", "12MiB", int64(12 << 20)},
	"WriteTimeout":    {"write-timeout", "13s", "13s", seconds(13)},
	"HeaderTimeout":   {"header-timeout", "14s", "14s", seconds(14)},
	"ShutdownTimeout": {"shutdown-timeout", "15s", "15s", seconds(15)},
}

// notSettings are fields that are no single setting: what the logger and the metrics are made from is asked for in other words.
var notSettings = []string{"Logger", "Registerer", "Gatherer"}

// TestEveryField: each field of server.Config can be given as a flag, as a variable and in the file, and nothing else changes with it.
func TestEveryField(t *testing.T) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[server.Config]()) {
		if slices.Contains(notSettings, f.Name) {
			continue
		}
		field, ok := fields[f.Name]
		if !ok {
			t.Errorf("server.Config.%s has no setting, or this test does not know it", f.Name)
			continue
		}
		want := reflect.ValueOf(defaults().server)
		changed := reflect.New(want.Type()).Elem()
		changed.Set(want)
		changed.FieldByIndex(f.Index).Set(reflect.ValueOf(field.want))
		if cmp.Equal(changed.Interface(), want.Interface(), comparer) {
			t.Errorf("%s: the test gives the default", f.Name)
		}
		file := write(t, "c.yaml", field.setting+": "+field.yaml+"\n")
		variable := (&setting{name: field.setting}).env()
		for _, given := range []struct {
			args, environ []string
		}{
			{args: []string{"--" + field.setting, field.word}},
			{args: []string{"--" + field.setting + "=" + field.word}},
			{environ: []string{variable + "=" + field.word}},
			{args: []string{"--config", file}},
		} {
			o, unknown, err := parse(given.args, given.environ)
			if err != nil || len(unknown) > 0 {
				t.Errorf("%q %q: error %v, unknown %q", given.args, given.environ, err, unknown)
			} else if diff := cmp.Diff(changed.Interface(), o.server, comparer); diff != "" {
				t.Errorf("%q %q: (-want +got)\n%s", given.args, given.environ, diff)
			}
		}
	}
}

var comparer = cmp.Options{
	cmpopts.IgnoreFields(server.Config{}, notSettings...),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

// TestEverySettingIsTested: no row of the table escapes TestEveryField but those that are not for server.Config.
func TestEverySettingIsTested(t *testing.T) {
	var tested []string
	for f := range maps.Values(fields) {
		tested = append(tested, f.setting)
	}
	for _, s := range settings() {
		others := []string{"secret-file", "metrics", "verbose", "log-format", "config", "flask-secret"}
		if !slices.Contains(tested, s.name) && !slices.Contains(others, s.name) {
			t.Errorf("--%s is not tested", s.name)
		}
	}
}

func TestPrecedence(t *testing.T) {
	file := write(t, "c.yaml", "address: file:1\ncors: [http://file]\nroomspace: {file: S}\nsecret: file\n")
	secret := write(t, "secret", "from a file\n")
	type result struct {
		address, secret string
		origins, spaces []string
	}
	for _, tt := range []struct {
		name, args string
		environ    []string
		want       result
	}{
		{"defaults", "", nil, result{"0.0.0.0:8899", "", []string{"http://localhost:7788"}, nil}},
		{"file", "--config " + file, nil, result{"file:1", "file", []string{"http://file"}, []string{"file"}}},
		{"file by variable", "", []string{"WS_EMIT_CONFIG=" + file}, result{"file:1", "file", []string{"http://file"}, []string{"file"}}},
		{"old variables over file", "--config " + file,
			[]string{"ADDRESS=old:1", "CORS=http://old http://er", "SECRET=old"},
			result{"old:1", "old", []string{"http://old", "http://er"}, []string{"file"}}},
		{"our variables over old ones, in any order", "--config " + file,
			[]string{"WS_EMIT_ADDRESS=ours:1", "ADDRESS=old:1", "SECRET=old", "WS_EMIT_SECRET=ours", "WS_EMIT_ROOMSPACE=a=1\nb=2"},
			result{"ours:1", "ours", []string{"http://file"}, []string{"a", "b"}}},
		{"empty variables are not set", "",
			[]string{"ADDRESS=old:1", "WS_EMIT_ADDRESS=", "CORS=", "SECRET="},
			result{"old:1", "", []string{"http://localhost:7788"}, nil}},
		{"flags over all", "--config " + file + " -a flag:1 --cors http://flag --roomspace flag=S --secret=flag",
			[]string{"WS_EMIT_ADDRESS=ours:1", "WS_EMIT_CORS=http://ours", "WS_EMIT_ROOMSPACE=a=1", "WS_EMIT_SECRET=ours"},
			result{"flag:1", "flag", []string{"http://flag"}, []string{"flag"}}},
		{"the last of a flag counts, a list collects", "-a a:1 -a b:2 --cors http://a --cors http://b",
			nil, result{"b:2", "", []string{"http://a", "http://b"}, nil}},
		{"an empty secret on top is none", "--secret=", []string{"SECRET=old"},
			result{"0.0.0.0:8899", "", []string{"http://localhost:7788"}, nil}},
		{"secret file over secret below", "--secret-file " + secret, []string{"SECRET=old"},
			result{"0.0.0.0:8899", "from a file", []string{"http://localhost:7788"}, nil}},
		{"secret over secret file below", "--secret flag", []string{"WS_EMIT_SECRET_FILE=" + secret},
			result{"0.0.0.0:8899", "flag", []string{"http://localhost:7788"}, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, _, err := parse(strings.Fields(tt.args), tt.environ)
			if err != nil {
				t.Fatal(err)
			}
			got := result{o.server.Address, o.server.EmitSecret, o.server.Origins, slices.Sorted(maps.Keys(o.server.RoomSecrets))}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(result{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestPythonCommandLines: what started the Python server starts this one.
func TestPythonCommandLines(t *testing.T) {
	for _, tt := range []struct {
		args    string
		environ []string
		want    server.Config
		verbose bool
	}{
		{args: "-v --redis redis://:pw@localhost:6379/1 -a 127.0.0.1:8898 --secret 123 --flask-secret xyz", verbose: true,
			want: server.Config{Redis: "redis://:pw@localhost:6379/1", Address: "127.0.0.1:8898", EmitSecret: "123"}},
		{args: "--cors http://a http://b -v", verbose: true, want: server.Config{Origins: []string{"http://a", "http://b"}}},
		{args: "--cors=http://a http://b", want: server.Config{Origins: []string{"http://a", "http://b"}}},
		{args: "--cors * --address=:8899", want: server.Config{Origins: []string{"*"}, Address: ":8899"}},
		{environ: []string{"REDIS=redis://r:1/2", "ADDRESS=127.0.0.1:8898", "CORS=http://a http://b", "SECRET=123", "FLASK_SECRET=x"},
			want: server.Config{Redis: "redis://r:1/2", Address: "127.0.0.1:8898", Origins: []string{"http://a", "http://b"}, EmitSecret: "123"}},
	} {
		o, unknown, err := parse(strings.Fields(tt.args), tt.environ)
		if err != nil || len(unknown) > 0 {
			t.Errorf("%s %q: error %v, unknown %q", tt.args, tt.environ, err, unknown)
			continue
		}
		want, err := tt.want.WithDefaults()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, o.server, comparer); diff != "" {
			t.Errorf("%s %q: (-want +got)\n%s", tt.args, tt.environ, diff)
		}
		if o.verbose != tt.verbose {
			t.Errorf("%s: verbose %t", tt.args, o.verbose)
		}
	}
}

func TestRewrite(t *testing.T) {
	for _, tt := range []struct{ args, want []string }{
		{nil, nil},
		{[]string{"--cors"}, []string{"--cors"}},
		{[]string{"--cors", "a", "b", "-v"}, []string{"--cors=a b", "-v"}},
		{[]string{"-v", "--cors", "a b", "c"}, []string{"-v", "--cors=a b c"}},
		{[]string{"--cors=a", "b", "--cors", "c"}, []string{"--cors=a b", "--cors=c"}},
		{[]string{"--cors-credentials", "--cors", "*"}, []string{"--cors-credentials", "--cors=*"}},
		{[]string{"--cors", "*", "--cors-credentials"}, []string{"--cors=*", "--cors-credentials"}},
		{[]string{"--cors-credentials", "off", "-v"}, []string{"--cors-credentials=off", "-v"}},
		{[]string{"-v", "--", "--cors", "a"}, []string{"-v", "--", "--cors", "a"}},
	} {
		if diff := cmp.Diff(tt.want, rewrite(tt.args)); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", tt.args, diff)
		}
	}
}

func TestSwitches(t *testing.T) {
	for _, tt := range []struct {
		args    string
		environ string
		yaml    string
		want    bool
	}{
		{args: "--metrics", want: true},
		{args: "--metrics=off", environ: "on"},
		{environ: "1", want: true},
		{environ: "true", want: true},
		{yaml: "true", want: true},
		{yaml: "on", want: true},
		{yaml: "on", environ: "no"},
		{},
	} {
		args := append(strings.Fields(tt.args), "--config", write(t, "c.yaml", "metrics: "+tt.yaml))
		o, _, err := parse(args, []string{"WS_EMIT_METRICS=" + tt.environ})
		if err != nil || o.metrics != tt.want {
			t.Errorf("%+v: %t, error %v", tt, o.metrics, err)
		}
	}
}

func TestSizes(t *testing.T) {
	for word, want := range map[string]int64{
		"1": 1, "1B": 1, "1000000": 1e6, "512k": 512e3, "512K": 512e3, "512kB": 512e3, "1MB": 1e6, "1m": 1e6, "1 MB": 1e6, "2GB": 2e9,
		"1Ki": 1 << 10, "1KiB": 1 << 10, "1MiB": 1 << 20, "1mib": 1 << 20, "3GiB": 3 << 30,
	} {
		if got, err := parseSize(word); got != want || err != nil {
			t.Errorf("parseSize(%q) = %d, %v, want %d", word, got, err, want)
		}
		if again, err := parseSize(formatSize(want)); again != want || err != nil {
			t.Errorf("formatSize(%d) = %s, which is read as %d, %v", want, formatSize(want), again, err)
		}
	}
	for _, word := range []string{"", "MB", "0", "-1", "-1MB", "1.5MB", "1e6", "1 0", "1MBit", "1XB", "99999999999GiB", "0x10", "1_000"} {
		if got, err := parseSize(word); err == nil {
			t.Errorf("parseSize(%q) = %d, want an error", word, got)
		}
	}
}

// TestSecretsStayHidden: whatever is wrong with them, no error quotes a secret.
func TestSecretsStayHidden(t *testing.T) {
	const secret = "hunter2"
	for _, args := range [][]string{
		{"--roomspace", secret},
		{"--roomspace", "=" + secret},
		{"--roomspace", "a=" + secret, "--roomspace", "a=" + secret + "x"},
		{"--roomspace", "~a=" + secret},
		{"--redis", secret},
		{"--redis", "redis://:" + secret + "@h:x/y"},
		{"--redis", "http://:" + secret + "@h"},
		{"--secret", secret, "--secret-file", "x"},
		{"--config", write(t, "a.yaml", "secret="+secret)},
		{"--config", write(t, "b.yaml", "secret: *"+secret)},
		{"--config", write(t, "c.yaml", "secret: ["+secret+"]")},
		{"--config", write(t, "d.yaml", "secret: {"+secret+": "+secret+"}")},
		{"--config", write(t, "e.yaml", "secret: '"+secret)},
		{"--config", write(t, "f.yaml", "roomspace: "+secret)},
		{"--config", write(t, "g.yaml", "roomspace: [{a: "+secret+"}]")},
		{"--config", write(t, "h.yaml", "secret: !!int "+secret)},
		{"--config", write(t, "i.yaml", secret)},
	} {
		_, _, err := parse(args, nil)
		if err == nil {
			t.Errorf("%q: no error", args)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%q: the error quotes the secret: %v", args, err)
		}
	}
}

// TestUnknownVariables: a variable that looks like a setting and is none is told of, whatever it holds.
func TestUnknownVariables(t *testing.T) {
	_, unknown, err := parse(nil, []string{"WS_EMIT_MAX_QUE=x", "WS_EMIT_=", "WS_EMIT_MAX_QUEUE=1MiB", "WS_EMITTER=x", "WS_EMIT_PATH=",
		"WS_EMIT_URL=http://h", "WS_EMIT_JOIN_SECRET=S1"})
	if diff := cmp.Diff([]string{"WS_EMIT_MAX_QUE", "WS_EMIT_"}, unknown); diff != "" || err != nil {
		t.Errorf("error %v, (-want +got)\n%s", err, diff)
	}
}
