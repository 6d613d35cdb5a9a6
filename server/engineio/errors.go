package engineio

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/ws-emit/ws-emit/server/internal/conn"
)

// CloseReason says why a session ended. The set is fixed, so that it can label a metric.
type CloseReason = conn.CloseReason

// Why sessions end.
const (
	ReasonClient         = conn.ReasonClient
	ReasonTransportClose = conn.ReasonTransportClose
	ReasonTransportError = conn.ReasonTransportError
	ReasonPingTimeout    = conn.ReasonPingTimeout
	ReasonSlowConsumer   = conn.ReasonSlowConsumer
	ReasonParseError     = conn.ReasonParseError
	ReasonTooLarge       = conn.ReasonTooLarge
	ReasonOverlap        = conn.ReasonOverlap
	ReasonConnectTimeout = conn.ReasonConnectTimeout
	ReasonServer         = conn.ReasonServer
	ReasonShutdown       = conn.ReasonShutdown
	ReasonInternal       = conn.ReasonInternal
)

// Error is a refusal of a request, as the reference server answers it: a JSON object with a code and a message.
type Error struct {
	Status  int    `json:"-"`
	Code    int    `json:"code"`
	Message string `json:"message"`
	Reason  string `json:"-"` // metric label
}

func (e *Error) Error() string { return "engineio: " + e.Message }

// The refusals, by their code.
var (
	ErrUnknownTransport = &Error{http.StatusBadRequest, 0, "Transport unknown", "unknown_transport"}
	ErrUnknownSID       = &Error{http.StatusBadRequest, 1, "Session ID unknown", "unknown_sid"}
	ErrBadMethod        = &Error{http.StatusBadRequest, 2, "Bad handshake method", "bad_method"}
	ErrBadRequest       = &Error{http.StatusBadRequest, 3, "Bad request", "bad_request"}
	ErrForbidden        = &Error{http.StatusForbidden, 4, "Forbidden", "forbidden"}
	ErrVersion          = &Error{http.StatusBadRequest, 5, "Unsupported protocol version", "unsupported_version"}

	errUpgradeRequired = &Error{http.StatusUpgradeRequired, 3, "Bad request", "bad_request"}

	errTooLarge = &Error{http.StatusRequestEntityTooLarge, 3, "Payload too large", "too_large"}
	errClosing  = &Error{http.StatusServiceUnavailable, 3, "Server is shutting down", "shutdown"}
	errOverlap  = &Error{http.StatusBadRequest, 3, "Bad request", "overlap"}
)

// refuse answers a request with an error.
func (s *Server) refuse(w http.ResponseWriter, e *Error) {
	s.cfg.Metrics.Refused(e.Reason)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout + s.cfg.BodyTimeout)) // what is left of a body is read first
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	switch e {
	case errClosing:
		h.Set("Retry-After", "1")
		h.Set("Connection", "close")
	case errTooLarge: // nor is the rest waited for
		h.Set("Connection", "close")
	}
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(e) // the client has gone: nobody to tell
}
