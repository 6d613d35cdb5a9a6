package engineio

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ws-emit/ws-emit/server/frame"
)

const version = "4"

// handshakes makes OPEN packets (Engine.IO protocol, "Handshake").
type handshakes struct {
	afterSID map[Transport]string // by that with which the session begins
}

func newHandshakes(cfg Config) handshakes {
	upgrades := []string{}
	if slices.Contains(cfg.Transports, WebSocket) {
		upgrades = append(upgrades, string(WebSocket))
	}
	rest := func(upgrades []string) string {
		data, _ := json.Marshal(struct { // strings and numbers do not fail
			Upgrades     []string `json:"upgrades"`
			PingInterval int64    `json:"pingInterval"` // milliseconds
			PingTimeout  int64    `json:"pingTimeout"`  // milliseconds
			MaxPayload   int64    `json:"maxPayload"`   // bytes
		}{upgrades, cfg.PingInterval.Milliseconds(), cfg.PingTimeout.Milliseconds(), cfg.MaxPayload})
		return `",` + string(data[1:])
	}
	return handshakes{map[Transport]string{Polling: rest(upgrades), WebSocket: rest([]string{})}}
}

// open returns the OPEN packet for a session that begins with a transport. The sid needs no escapes.
func (h handshakes) open(sid string, t Transport) frame.Packet {
	return frame.Packet{Data: []byte(string(PacketOpen) + `{"sid":"` + sid + h.afterSID[t])}
}

// newSID returns a session id of 128 random bits.
func newSID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// ServeHTTP serves one request of the protocol, whatever its path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 { // whether it is wanted or not: net/http reads the rest of a body before it writes an answer
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.cfg.BodyTimeout))
	}
	transport, sid := Transport(parameter(r, "transport")), parameter(r, "sid")
	switch {
	case r.Method == http.MethodGet && r.ContentLength != 0: // it could come very slowly, and would be read before an answer is written
		w.Header().Set("Connection", "close")
		s.refuse(w, ErrBadRequest)
	case !slices.Contains(s.cfg.Transports, transport):
		s.refuse(w, ErrUnknownTransport)
	case parameter(r, "EIO") != version:
		s.refuse(w, ErrVersion)
	case sid != "":
		s.serveSession(w, r, transport, sid)
	case r.Method != http.MethodGet:
		s.refuse(w, ErrBadMethod)
	case transport == Polling:
		s.openPolling(w, r)
	case !wantsWebSocket(r):
		s.refuse(w, ErrBadRequest)
	case s.isClosing():
		s.refuse(w, errClosing)
	default:
		s.openWebSocket(w, r)
	}
}

// parameter is r.URL.Query().Get without making all others.
func parameter(r *http.Request, name string) string {
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		key, value, _ := strings.Cut(pair, "=")
		switch {
		case strings.ContainsAny(pair, "%+;"):
			if all, _ := url.ParseQuery(pair); all.Has(name) { // what is malformed is left out
				return all.Get(name)
			}
		case key == name:
			return value
		}
	}
	return ""
}

// serveSession serves a request that names its session.
func (s *Server) serveSession(w http.ResponseWriter, r *http.Request, t Transport, sid string) {
	sess := s.session(sid)
	if sess != nil {
		sess.conn.Expire() // it may be overdue
	}
	switch {
	case sess == nil || sess.conn.Reason() != "":
		s.refuse(w, ErrUnknownSID)
	case t == WebSocket && wantsWebSocket(r):
		s.upgrade(w, r, sess)
	case !sess.conn.Polls(): // after an upgrade nothing comes by HTTP
		s.refuse(w, ErrBadRequest)
	case t == WebSocket:
		s.refuse(w, ErrBadRequest)
	case r.Method == http.MethodGet:
		s.poll(w, r, sess)
	case r.Method == http.MethodPost:
		s.post(w, r, sess)
	default:
		s.refuse(w, ErrBadMethod)
	}
}

func (s *Server) newSession(r *http.Request) *Session {
	return &Session{server: s, sid: newSID(), addr: s.cfg.ClientAddr(r), busy: true} // until opened
}

func (s *Server) openPolling(w http.ResponseWriter, r *http.Request) {
	sess := s.newSession(r)
	sess.conn = s.group.NewPolling(sess)
	if !s.open(sess) {
		s.refuse(w, errClosing)
		return
	}
	sess.opened()
	sess.conn.Start()
	if err := s.answer(w, frame.AppendPayload(nil, s.handshakes.open(sess.sid, Polling))); err != nil {
		sess.End(ReasonTransportError)
	}
}

// answer writes the body of a GET, under a deadline.
func (s *Server) answer(w http.ResponseWriter, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout)) // where there is none to set, in tests, nothing blocks
	if _, err := w.Write(body); err != nil {
		return err
	}
	return rc.Flush()
}
