package main

import (
	"strings"

	"github.com/spf13/pflag"

	"github.com/ws-emit/ws-emit/server"
)

// options are all that can be asked of the command.
type options struct {
	server     server.Config
	secretFile string
	configFile string
	metrics    bool
	verbose    bool
	logFormat  string
	ignored    string
}

// defaults returns the options when nothing is asked for, as they are shown in the help text.
func defaults() options {
	cfg, err := server.Config{}.WithDefaults()
	if err != nil {
		panic(err) // there is nothing in it that could be wrong
	}
	return options{server: cfg, logFormat: "text"}
}

// envPrefix starts the name of the variable of each setting.
const envPrefix = "WS_EMIT_"

// commandVariables are those that only commands beside serving read.
var commandVariables = []struct{ name, usage string }{
	{envURL, "URL of the server, for ws-emit listen and, as that of POST /emit or of Redis, for ws-emit emit"},
	{envJoinSecret, "secret of room-spaces, for ws-emit listen"},
}

// setting is one row of the table.
type setting struct {
	name  string // of the flag, and in the configuration file
	short string // flag of one letter, or ""
	old   string // variable of the Python server, beside envPrefix + NAME, or ""
	takes string // what stands for the value in the help text; "" for a switch
	usage string // unit and meaning
	// byDefault is what the help text says of the default where the default itself does not say it.
	byDefault string
	// alone is what the flag means without a value, or "" if it needs one.
	alone string
	// secret values are text, are never shown, and blanks do not separate them on the command line.
	secret bool
	// file says that the value is the name of one.
	file  bool
	value func(*options) value
}

// env returns the name of the variable.
func (s *setting) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

// group is a heading of the help text.
type group struct {
	title    string
	settings []setting
}

// Names of settings that the code knows.
const (
	nameConfig     = "config"
	nameSecret     = "secret"
	nameSecretFile = "secret-file"
	nameRedis      = "redis"
)

// groups is the table of all settings, in the order of the help text.
var groups = []group{
	{"Listening", []setting{
		{name: "address", short: "a", old: "ADDRESS", takes: "HOST:PORT", usage: "where to listen; 0.0.0.0 is every address of IPv4, and no host of IPv6 too; port 0 is any free port",
			value: func(o *options) value { return textValue{&o.server.Address} }},
		{name: "path", takes: "/NAME/", usage: "path of the Socket.IO endpoint; clients have to be told of another one",
			value: func(o *options) value { return textValue{&o.server.Path} }},
		{name: "namespaces", takes: "LIST", usage: "Socket.IO namespaces that clients may connect to",
			value: func(o *options) value { return listValue{to: &o.server.Namespaces} }},
		{name: "transports", takes: "LIST", usage: "transports that clients may use: polling, websocket",
			value: func(o *options) value { return listValue{&o.server.Transports, []string{"polling", "websocket"}} }},
		{name: "trusted-proxies", takes: "LIST", usage: "addresses and networks of the proxies in front, whose X-Forwarded-For is believed", byDefault: "none",
			value: func(o *options) value { return prefixesValue{&o.server.TrustedProxies} }},
		{name: "metrics", usage: "serve /metrics for Prometheus, on the same port for everybody", alone: "on",
			value: func(o *options) value { return switchValue{&o.metrics} }},
	}},
	{"Browsers", []setting{
		{name: "cors", old: "CORS", takes: "LIST", usage: "origins of the pages that may connect, without a slash at the end, or * for any page; --cors A B works too",
			value: func(o *options) value { return listValue{to: &o.server.Origins} }},
		{name: "cors-credentials", takes: "on|off", usage: "whether browsers may send cookies; auto is on with a list of origins and off with *", alone: "on",
			value: func(o *options) value { return toggleValue{to: &o.server.Credentials, auto: true} }},
	}},
	{"Backends", []setting{
		{name: nameSecret, old: "SECRET", takes: "SECRET", usage: "what backends have to give to POST /emit and /roomspaces", byDefault: "none, and both are off", secret: true,
			value: func(o *options) value { return textValue{&o.server.EmitSecret} }},
		{name: nameSecretFile, takes: "FILE", file: true, usage: "file that the secret stands in, instead of --secret; a newline at its end does not count",
			value: func(o *options) value { return textValue{&o.secretFile} }},
		{name: "emit-timeout", takes: "DURATION", usage: "how long POST /emit waits while the server is behind, then it answers 503",
			value: func(o *options) value { return durationValue{&o.server.EmitTimeout} }},
		{name: "max-emit-body", takes: "SIZE", usage: "largest body of POST /emit",
			value: func(o *options) value { return sizeValue{&o.server.MaxEmitBody} }},
	}},
	{"Redis", []setting{
		{name: nameRedis, old: "REDIS", takes: "URL", usage: "Redis with the secrets of room-spaces and the messages of backends: redis://, rediss:// (TLS), unix://, or none",
			byDefault: server.DefaultRedis + " if it answers there", secret: true,
			value: func(o *options) value { return redisValue{&o.server.Redis} }},
		{name: "redis-channels", takes: "LIST", usage: "pub/sub channels to listen to, as NAME or NAME=DIALECT; dialects: python (python-socketio, Flask-SocketIO), node (socket.io's Redis adapters and emitters), json",
			value: func(o *options) value { return channelsValue{&o.server.RedisChannels} }},
		{name: "redis-methods", takes: "LIST", usage: "what may be asked for there: emit, and for connected clients enter_room, leave_room, close_room, disconnect",
			value: func(o *options) value { return methodsValue{&o.server.RedisMethods} }},
		{name: "pickle", takes: "on|off", usage: "whether messages of python-socketio before 5.14, which are Python pickles, are read; into plain data, nothing in them is run",
			value: func(o *options) value { return toggleValue{to: &o.server.Pickle} }},
		{name: "redis-timeout", takes: "DURATION", usage: "how long Redis may take to tell a secret, then the join is answered \"unavailable\"",
			value: func(o *options) value { return durationValue{&o.server.RedisTimeout} }},
		{name: "redis-queue", takes: "SIZE", usage: "how much from Redis may wait to be sent; what does not fit is lost and counted",
			value: func(o *options) value { return sizeValue{&o.server.RedisQueue} }},
		{name: "redis-silence", takes: "DURATION", usage: "how long Redis may be silent until it is asked for an answer, and again until it is connected to anew",
			value: func(o *options) value { return durationValue{&o.server.RedisSilence} }},
	}},
	{"Room-spaces", []setting{
		{name: "roomspace", takes: "SPACE=SECRET", usage: "room-space with a fixed secret; repeat it for more. Others are in Redis, or are set with PUT /roomspaces/SPACE", byDefault: "none", secret: true,
			value: func(o *options) value { return spacesValue{&o.server.RoomSecrets} }},
	}},
	{"Limits", []setting{
		{name: "max-rooms", takes: "NUMBER", usage: "rooms that a client may be in, in each namespace",
			value: func(o *options) value { return countValue{&o.server.MaxRooms} }},
		{name: "max-payload", takes: "SIZE", usage: "largest message that a client may send; at least 1KiB",
			value: func(o *options) value { return sizeValue{&o.server.MaxPayload} }},
		{name: "max-queue", takes: "SIZE", usage: "how much may wait for one client, then it is ended as a slow consumer; at least 64KiB. An emit may have half of it",
			value: func(o *options) value { return sizeValue{&o.server.MaxQueue} }},
		{name: "max-backlog", takes: "SIZE", usage: "how much may wait for all clients together, then the one that is furthest behind is ended; at least --max-queue",
			value: func(o *options) value { return sizeValue{&o.server.MaxBacklog} }},
		{name: "max-pending", takes: "SIZE", usage: "how much may be accepted before it is handed to the clients, then emits have to wait; at least --max-queue",
			value: func(o *options) value { return sizeValue{&o.server.MaxPending} }},
	}},
	{"Timeouts", []setting{
		{name: "ping-interval", takes: "DURATION", usage: "pause between heartbeats; keep it below the idle timeout of proxies",
			value: func(o *options) value { return durationValue{&o.server.PingInterval} }},
		{name: "ping-timeout", takes: "DURATION", usage: "how long a client may take to answer a heartbeat",
			value: func(o *options) value { return durationValue{&o.server.PingTimeout} }},
		{name: "connect-timeout", takes: "DURATION", usage: "how long a client may take to connect to a namespace",
			value: func(o *options) value { return durationValue{&o.server.ConnectTimeout} }},
		{name: "write-timeout", takes: "DURATION", usage: "how long a client may take nothing of what waits for it, then it is ended as a slow consumer",
			value: func(o *options) value { return durationValue{&o.server.WriteTimeout} }},
		{name: "header-timeout", takes: "DURATION", usage: "how long the header of a request may take",
			value: func(o *options) value { return durationValue{&o.server.HeaderTimeout} }},
		{name: "shutdown-timeout", takes: "DURATION", usage: "how long clients are given when the server stops; a second signal stops it at once",
			value: func(o *options) value { return durationValue{&o.server.ShutdownTimeout} }},
	}},
	{"Logging", []setting{
		{name: "verbose", short: "v", usage: "log each connection, too", alone: "on",
			value: func(o *options) value { return switchValue{&o.verbose} }},
		{name: "log-format", takes: "text|json", usage: "form of the log, which goes to standard error",
			value: func(o *options) value { return choiceValue{&o.logFormat, []string{"text", "json"}} }},
	}},
	{"Other", []setting{
		{name: nameConfig, takes: "FILE", file: true, usage: "YAML file with settings under the names of the flags",
			value: func(o *options) value { return textValue{&o.configFile} }},
		{name: "flask-secret", old: "FLASK_SECRET", takes: "SECRET", usage: "ignored; the Python server had it", secret: true,
			value: func(o *options) value { return textValue{&o.ignored} }},
	}},
}

// settings returns all rows, whatever their group.
func settings() []*setting {
	var all []*setting
	for _, g := range groups {
		for i := range g.settings {
			all = append(all, &g.settings[i])
		}
	}
	return all
}

// addFlags adds the flags of all settings. They only collect what is typed: load.go reads it together with the rest.
func addFlags(flags *pflag.FlagSet) {
	for _, s := range settings() {
		flags.StringArrayP(s.name, s.short, nil, s.usage)
		flags.Lookup(s.name).NoOptDefVal = s.alone
	}
}

// addFlag adds the flag of one setting to a command that asks load for it, too, with a text of its own. The value stands there between `.
func addFlag(flags *pflag.FlagSet, name, usage string) {
	for _, s := range settings() {
		if s.name == name {
			flags.StringArrayP(s.name, s.short, nil, usage)
		}
	}
}
