package server_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/redisbus"
	"github.com/ws-emit/ws-emit/server"
)

// The defaults are those that the fields are documented to have, and those of design.md.
func TestConfigDefaults(t *testing.T) {
	got, err := server.Config{}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if got.Logger == nil {
		t.Error("no Logger")
	}
	got.Logger = nil
	want := server.Config{
		Address: "0.0.0.0:8899", Path: "/socket.io/", Namespaces: []string{"/"}, Transports: []string{"polling", "websocket"},
		Origins: []string{"http://localhost:7788"}, EmitTimeout: 5 * time.Second, MaxEmitBody: 8 << 20,
		RedisChannels: redisbus.DefaultChannels(), RedisMethods: emitter.Methods(), Pickle: server.On,
		RedisTimeout: 2 * time.Second, RedisQueue: 64 << 20, RedisSilence: 5 * time.Second,
		MaxRooms: 1000, PingInterval: 25 * time.Second, PingTimeout: 20 * time.Second, ConnectTimeout: 45 * time.Second,
		MaxPayload: 1_000_000, MaxQueue: 1 << 20, MaxBacklog: 256 << 20, MaxPending: 16 << 20, WriteTimeout: 10 * time.Second,
		HeaderTimeout: 10 * time.Second, ShutdownTimeout: 10 * time.Second,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	again, err := got.WithDefaults()
	again.Logger = nil
	if err != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("with defaults twice: %+v, %v", again, err)
	}
}

// What is set is kept.
func TestConfigIsKept(t *testing.T) {
	want := server.Config{
		Address: "[::1]:1", Path: "/a/b/", Namespaces: []string{"/x"}, Transports: []string{"websocket"}, Origins: []string{"*"}, Credentials: server.Off,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, EmitSecret: "x", EmitTimeout: 1, MaxEmitBody: 1024, Redis: "redis://h/1",
		RedisChannels: []redisbus.Channel{{Name: "x", Dialect: redisbus.DialectJSON}}, RedisMethods: []emitter.Method{emitter.MethodDisconnect},
		Pickle: server.Off, RedisTimeout: 1, RedisQueue: 128 << 10, RedisSilence: 1,
		RoomSecrets: map[string]string{"a": "b"}, MaxRooms: 1, PingInterval: time.Millisecond, PingTimeout: time.Millisecond, ConnectTimeout: 1,
		MaxPayload: 1024, MaxQueue: 64 << 10, MaxBacklog: 64 << 10, MaxPending: 64 << 10, WriteTimeout: 1, HeaderTimeout: 1, ShutdownTimeout: 1,
	}
	got, err := want.WithDefaults()
	got.Logger = nil
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
	if _, err := server.New(want); err != nil {
		t.Error(err)
	}
}

// wrongConfigs are configurations with one thing wrong, and what the error must name.
var wrongConfigs = map[string]struct {
	cfg  server.Config
	want []string // all of them are in the text, whatever their case
}{
	"negative EmitTimeout":     {server.Config{EmitTimeout: -1}, []string{"EmitTimeout"}},
	"negative MaxEmitBody":     {server.Config{MaxEmitBody: -1}, []string{"MaxEmitBody"}},
	"negative RedisTimeout":    {server.Config{RedisTimeout: -1}, []string{"RedisTimeout"}},
	"negative RedisQueue":      {server.Config{RedisQueue: -1}, []string{"RedisQueue"}},
	"negative RedisSilence":    {server.Config{RedisSilence: -1}, []string{"RedisSilence"}},
	"negative MaxRooms":        {server.Config{MaxRooms: -1}, []string{"MaxRooms"}},
	"negative PingInterval":    {server.Config{PingInterval: -1}, []string{"PingInterval"}},
	"negative PingTimeout":     {server.Config{PingTimeout: -1}, []string{"PingTimeout"}},
	"negative ConnectTimeout":  {server.Config{ConnectTimeout: -1}, []string{"ConnectTimeout"}},
	"negative MaxPayload":      {server.Config{MaxPayload: -1}, []string{"MaxPayload"}},
	"negative MaxQueue":        {server.Config{MaxQueue: -1}, []string{"MaxQueue"}},
	"negative MaxBacklog":      {server.Config{MaxBacklog: -1}, []string{"MaxBacklog"}},
	"negative MaxPending":      {server.Config{MaxPending: -1}, []string{"MaxPending"}},
	"negative WriteTimeout":    {server.Config{WriteTimeout: -1}, []string{"WriteTimeout"}},
	"negative HeaderTimeout":   {server.Config{HeaderTimeout: -1}, []string{"HeaderTimeout"}},
	"negative ShutdownTimeout": {server.Config{ShutdownTimeout: -1}, []string{"ShutdownTimeout"}},
	"ping in no time":          {server.Config{PingInterval: 10}, []string{"PingInterval", "millisecond"}},
	"pong in no time":          {server.Config{PingTimeout: 10}, []string{"PingTimeout", "millisecond"}},

	"address without a port":    {server.Config{Address: "localhost"}, []string{"address", `"localhost"`}},
	"address with many":         {server.Config{Address: "::1:80"}, []string{"address", `"::1:80"`}},
	"port that is none":         {server.Config{Address: ":70000"}, []string{"address", "port", "70000"}},
	"negative port":             {server.Config{Address: ":-1"}, []string{"address", "port"}},
	"port without a number":     {server.Config{Address: ":no-such-service"}, []string{"address", "port"}},
	"path without a slash":      {server.Config{Path: "socket.io/"}, []string{"path", `"socket.io/"`}},
	"path without the other":    {server.Config{Path: "/socket.io"}, []string{"path", `"/socket.io"`}},
	"no path":                   {server.Config{Path: "/"}, []string{"path"}},
	"path with two slashes":     {server.Config{Path: "//"}, []string{"path"}},
	"path with two inside":      {server.Config{Path: "/a//b/"}, []string{"path"}},
	"path that goes up":         {server.Config{Path: "/a/../b/"}, []string{"path"}},
	"path with a wildcard":      {server.Config{Path: "/{a}/"}, []string{"path"}},
	"path with a tab":           {server.Config{Path: "/a\tb/"}, []string{"path"}},
	"path with an escape":       {server.Config{Path: "/%zz/"}, []string{"path"}},
	"path with a query":         {server.Config{Path: "/a?b/"}, []string{"path"}},
	"path of /emit":             {server.Config{Path: "/emit/"}, []string{"path", "taken"}},
	"path of /roomspaces":       {server.Config{Path: "/roomspaces/"}, []string{"path", "taken"}},
	"path below /roomspaces":    {server.Config{Path: "/roomspaces/x/"}, []string{"path", "taken"}},
	"path of /metrics":          {server.Config{Path: "/metrics/"}, []string{"path", "taken"}},
	"namespace without slash":   {server.Config{Namespaces: []string{"/", "x"}}, []string{"namespace", `"x"`}},
	"namespace with a comma":    {server.Config{Namespaces: []string{"/a,b"}}, []string{"namespace"}},
	"namespace that is long":    {server.Config{Namespaces: []string{"/" + strings.Repeat("x", 255)}}, []string{"namespace"}},
	"namespace not in UTF-8":    {server.Config{Namespaces: []string{"/\xff"}}, []string{"namespace"}},
	"empty namespace":           {server.Config{Namespaces: []string{""}}, []string{"namespace"}},
	"transport":                 {server.Config{Transports: []string{"polling", "flash"}}, []string{"transport", `"flash"`, "websocket"}},
	"space that is none":        {server.Config{RoomSecrets: map[string]string{"a::b": "x"}}, []string{"room-space", `"a::b"`}},
	"empty space":               {server.Config{RoomSecrets: map[string]string{"": "x"}}, []string{"room-space", `""`}},
	"empty secret of a space":   {server.Config{RoomSecrets: map[string]string{"a": ""}}, []string{"room-space", `"a"`, "secret"}},
	"long secret of a space":    {server.Config{RoomSecrets: map[string]string{"a": strings.Repeat("x", 1025)}}, []string{"room-space", `"a"`, "secret"}},
	"proxy that is none":        {server.Config{TrustedProxies: []netip.Prefix{{}}}, []string{"trusted proxy"}},
	"proxy in two families":     {server.Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}}, []string{"trusted proxy", "ffff"}},
	"origin with a path":        {server.Config{Origins: []string{"http://a/"}}, []string{"origin", `"http://a/"`}},
	"origin without a scheme":   {server.Config{Origins: []string{"a:80"}}, []string{"origin", `"a:80"`}},
	"origin with a pattern":     {server.Config{Origins: []string{"http://*.a"}}, []string{"origin", `"http://*.a"`}},
	"origin in capitals":        {server.Config{Origins: []string{"http://A"}}, []string{"origin", `"http://A"`}},
	"empty origin":              {server.Config{Origins: []string{""}}, []string{"origin"}},
	"origin null":               {server.Config{Origins: []string{"null"}}, []string{"origin", "null"}},
	"any origin and others":     {server.Config{Origins: []string{"http://a", "*"}}, []string{"origins", "*"}},
	"any with credentials":      {server.Config{Origins: []string{"*"}, Credentials: server.On}, []string{"origins", "credentials", "*"}},
	"credentials":               {server.Config{Credentials: "maybe"}, []string{"credentials", `"maybe"`}},
	"Redis":                     {server.Config{Redis: "localhost"}, []string{"Redis"}},
	"Redis without a name":      {server.Config{RedisChannels: []redisbus.Channel{{Dialect: redisbus.DialectJSON}}}, []string{"channel"}},
	"Redis channel twice":       {server.Config{RedisChannels: []redisbus.Channel{{Name: "a", Dialect: "json"}, {Name: "a", Dialect: "python"}}}, []string{"channel"}},
	"Redis method that is none": {server.Config{RedisMethods: []emitter.Method{99}}, []string{"method", "99"}},
	"pickle in between":         {server.Config{Pickle: "maybe"}, []string{"pickle", `"maybe"`}},
	"Redis channel of no kind":  {server.Config{RedisChannels: []redisbus.Channel{{Name: "a", Dialect: "xml"}}}, []string{"channel", `"a"`, "dialect"}},

	"backlog under queue":    {server.Config{MaxQueue: 1 << 20, MaxBacklog: 1<<20 - 1}, []string{"MaxBacklog", "MaxQueue"}},
	"pending under queue":    {server.Config{MaxQueue: 1 << 20, MaxPending: 1<<20 - 1}, []string{"MaxPending", "MaxQueue"}},
	"queue over the backlog": {server.Config{MaxQueue: 1 << 30}, []string{"MaxBacklog", "MaxQueue"}},
	"small queue":            {server.Config{MaxQueue: 64<<10 - 1}, []string{"MaxQueue"}},
	"small payload":          {server.Config{MaxPayload: 1023}, []string{"MaxPayload"}},
	"small body":             {server.Config{MaxEmitBody: 1023}, []string{"MaxEmitBody"}},
	"Redis queue under emit": {server.Config{RedisQueue: 2<<20 - 1}, []string{"RedisQueue", "MaxQueue"}},
	"heartbeat over 2^31 ms": {server.Config{PingInterval: 600 * time.Hour}, []string{"PingInterval", "PingTimeout"}},
	"no IP address":          {server.Config{Address: "999.0.0.1:80"}, []string{"address", `"999.0.0.1:80"`}},
	"blank before a secret":  {server.Config{EmitSecret: " x"}, []string{"EmitSecret"}},
	"secret of two lines":    {server.Config{EmitSecret: "x\ny"}, []string{"EmitSecret"}},
}

// Each field that is wrong is refused, by an error that names it.
func TestConfigErrors(t *testing.T) {
	for name, c := range wrongConfigs {
		_, err := c.cfg.WithDefaults()
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, want := range append(c.want, "server: ") {
			if !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(want)) {
				t.Errorf("%s: %q does not name %s", name, err, want)
			}
		}
		if _, err := server.New(c.cfg); err == nil {
			t.Errorf("%s: New takes it", name)
		}
	}
}

// Everything that is wrong is told at once.
func TestConfigErrorsTogether(t *testing.T) {
	_, err := server.Config{Address: "x", Origins: []string{"y"}, MaxRooms: -1}.WithDefaults()
	for _, want := range []string{"address", "origin", "MaxRooms"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

// What the caller does to his configuration afterwards changes nothing.
func TestConfigIsCopied(t *testing.T) {
	cfg := server.Config{
		Namespaces: []string{"/"}, Transports: []string{"polling"}, Origins: []string{"http://a"}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("::1/128")},
		RoomSecrets: map[string]string{"a": "b"}, RedisChannels: redisbus.DefaultChannels(),
	}
	got, err := cfg.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Namespaces[0], cfg.Transports[0], cfg.Origins[0], cfg.TrustedProxies[0] = "", "", "", netip.Prefix{}
	cfg.RoomSecrets["c"] = ""
	cfg.RedisChannels[0].Name = ""
	if _, err := got.WithDefaults(); err != nil {
		t.Error(err)
	}
}

// Two servers in one program need a Registerer each.
func TestConfigRegisterer(t *testing.T) {
	registry := prometheus.NewRegistry()
	cfg := server.Config{Redis: server.NoRedis, Registerer: registry}
	if _, err := server.New(cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := server.New(cfg); err == nil || !strings.Contains(err.Error(), "metrics") {
		t.Errorf("the second one: %v", err)
	}
}
