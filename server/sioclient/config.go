package sioclient

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Transport is a transport of Engine.IO, by its name in the protocol.
type Transport string

const (
	TransportPolling   Transport = "polling"
	TransportWebSocket Transport = "websocket"
)

// Config says where and how to connect. Only URL is needed.
type Config struct {
	// URL is where the server is: "http://host:port". The schemes https, ws and wss are understood too, and say no more than whether to use TLS.
	URL string
	// Path is that of the server's endpoint. Default: "/socket.io/".
	Path string
	// Transports says which transports to use, as stock clients have it: the first one for the handshake. With polling first and WebSocket
	// second, Dial upgrades before it returns, or stays on polling when that fails. With polling alone, Upgrade may be called at any time.
	// Default: polling, then WebSocket.
	Transports []Transport
	// Namespace is the namespace to connect to. Default: "/".
	Namespace string
	// Auth is sent with CONNECT, encoded as JSON; it must be an object. nil sends none.
	Auth any
	// Header is added to each HTTP request, WebSocket handshakes included.
	Header http.Header
	// TLS is for https. Default: that of crypto/tls.
	TLS *tls.Config
	// NetDial opens the connections, except those of HTTPClient. Default: that of package net.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)
	// HTTPClient makes the requests of long-polling. It must have no timeout shorter than the server's ping interval. Default: one for this
	// client alone, closed with it.
	HTTPClient *http.Client

	// OnEvent is called for each event, one at a time and in order, by the goroutine that reads: while it runs, nothing is read. The event is
	// valid until it returns (see Event.Clone). It must not call Close, EmitAck, Join or Leave, which wait for that goroutine. It is not called
	// any more once Done is closed.
	//
	// nil keeps events for Next.
	OnEvent func(Event)
	// QueueBytes bounds the events kept for Next. When they are more, nothing is read until there is room, neither acks nor pings: the
	// server will see a slow reader. One event always fits. Default: 4 MiB.
	QueueBytes int64

	// MaxMessage bounds a message, and an answer of long-polling, in bytes; a larger one ends the client. Default: 16 MiB.
	MaxMessage int64
	// ReadBuffer is the read buffer of a WebSocket, in bytes. More makes bursts of small messages cheaper, at that much memory a client.
	// Default: 2048.
	ReadBuffer int
}

const (
	defaultQueueBytes = 4 << 20
	defaultMaxMessage = 16 << 20
	defaultReadBuffer = 2048
)

// withDefaults returns a copy with all fields set.
func (cfg Config) withDefaults() (Config, error) {
	cfg.Path = cmp.Or(cfg.Path, "/socket.io/")
	cfg.Namespace = cmp.Or(cfg.Namespace, "/")
	if len(cfg.Transports) == 0 {
		cfg.Transports = []Transport{TransportPolling, TransportWebSocket}
	}
	cfg.QueueBytes = cmp.Or(cfg.QueueBytes, defaultQueueBytes)
	cfg.MaxMessage = cmp.Or(cfg.MaxMessage, defaultMaxMessage)
	cfg.ReadBuffer = cmp.Or(cfg.ReadBuffer, defaultReadBuffer)
	if !strings.HasPrefix(cfg.Namespace, "/") || strings.Contains(cfg.Namespace, ",") {
		return cfg, fmt.Errorf("sioclient: namespace %q must begin with a slash and have no comma", cfg.Namespace)
	}
	for _, t := range cfg.Transports {
		if t != TransportPolling && t != TransportWebSocket {
			return cfg, fmt.Errorf("sioclient: unknown transport %q", t)
		}
	}
	return cfg, nil
}

// upgrades reports whether Dial is to upgrade.
func (cfg *Config) upgrades() bool {
	return cfg.Transports[0] == TransportPolling && slices.Contains(cfg.Transports, TransportWebSocket)
}

// auth returns the payload of CONNECT.
func (cfg *Config) auth() ([]byte, error) {
	if cfg.Auth == nil {
		return nil, nil
	}
	data, err := json.Marshal(cfg.Auth)
	if err != nil {
		return nil, fmt.Errorf("encode auth: %w", err)
	}
	return data, nil
}

// endpoint returns the URL of a transport; sid is empty before the handshake.
func (cfg *Config) endpoint(t Transport, sid string) (string, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return "", fmt.Errorf("sioclient: %w", err)
	}
	secure := u.Scheme == "https" || u.Scheme == "wss"
	if u.Host == "" || !secure && u.Scheme != "http" && u.Scheme != "ws" {
		return "", fmt.Errorf("sioclient: URL %q needs a scheme (http or https) and a host", cfg.URL)
	}
	u.Scheme = "http"
	if t == TransportWebSocket {
		u.Scheme = "ws"
	}
	if secure {
		u.Scheme += "s"
	}
	u.Path = cfg.Path
	query := url.Values{"EIO": {"4"}, "transport": {string(t)}}
	if sid != "" {
		query.Set("sid", sid)
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}
