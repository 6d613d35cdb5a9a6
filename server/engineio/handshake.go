package engineio

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/ws-emit/ws-emit/server/frame"
)

const version = "4"

// handshakes makes the payload of OPEN packets (Engine.IO protocol, "Handshake").
type handshakes struct {
	pingInterval, pingTimeout, maxPayload int64
	upgrades                              []string // from long-polling
}

func newHandshakes(cfg Config) handshakes {
	h := handshakes{cfg.PingInterval.Milliseconds(), cfg.PingTimeout.Milliseconds(), cfg.MaxPayload, []string{}}
	if slices.Contains(cfg.Transports, WebSocket) {
		h.upgrades = append(h.upgrades, string(WebSocket))
	}
	return h
}

// open returns the OPEN packet for a session that begins with a transport.
func (h handshakes) open(sid string, t Transport) frame.Packet {
	upgrades := []string{}
	if t == Polling {
		upgrades = h.upgrades
	}
	data, _ := json.Marshal(struct { // strings and numbers do not fail
		SID          string   `json:"sid"`
		Upgrades     []string `json:"upgrades"`
		PingInterval int64    `json:"pingInterval"` // milliseconds
		PingTimeout  int64    `json:"pingTimeout"`  // milliseconds
		MaxPayload   int64    `json:"maxPayload"`   // bytes
	}{sid, upgrades, h.pingInterval, h.pingTimeout, h.maxPayload})
	return frame.Packet{Data: append([]byte{byte(PacketOpen)}, data...)}
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
	q := r.URL.Query()
	transport, sid := Transport(q.Get("transport")), q.Get("sid")
	switch {
	case r.Method == http.MethodGet && r.ContentLength != 0: // it could come very slowly, and would be read before an answer is written
		w.Header().Set("Connection", "close")
		s.refuse(w, ErrBadRequest)
	case !slices.Contains(s.cfg.Transports, transport):
		s.refuse(w, ErrUnknownTransport)
	case q.Get("EIO") != version:
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
