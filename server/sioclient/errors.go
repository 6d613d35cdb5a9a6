package sioclient

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Why a client ended.
var (
	ErrClosed         = errors.New("sioclient: closed by this side")
	ErrDisconnected   = errors.New("sioclient: the server ended the socket")     // Socket.IO DISCONNECT
	ErrEngineClosed   = errors.New("sioclient: the server closed the transport") // Engine.IO close
	ErrPingTimeout    = errors.New("sioclient: no ping from the server in time")
	ErrTooLarge       = errors.New("sioclient: message larger than MaxMessage")
	ErrProtocol       = errors.New("sioclient: the server broke the protocol")
	errUpgradeRefused = errors.New("sioclient: cannot upgrade: not on long-polling, or an upgrade is under way")
)

// ConnectError is the server's refusal of a namespace (Socket.IO protocol, CONNECT_ERROR).
type ConnectError struct {
	// Message is what the payload has as "message".
	Message string
	// Payload is the whole payload.
	Payload json.RawMessage
}

func (e *ConnectError) Error() string {
	return fmt.Sprintf("sioclient: connect refused: %q", e.Message)
}

// StatusError is an HTTP answer other than the one asked for, on long-polling or to a WebSocket handshake.
type StatusError struct {
	Status int
	// Body is what the answer said, at most 1 KiB of it. From an Engine.IO server it is {"code":N,"message":...}.
	Body string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("sioclient: HTTP status %d: %q", e.Status, e.Body)
}

// CloseError is a WebSocket close frame from the server (RFC 6455, section 7.4).
type CloseError struct {
	// Code is 1005 when the frame had none.
	Code   int
	Reason string
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("sioclient: WebSocket closed: %d %q", e.Code, e.Reason)
}
