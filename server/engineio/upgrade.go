package engineio

import (
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"github.com/ws-emit/ws-emit/server/frame"
	"github.com/ws-emit/ws-emit/server/internal/conn"
)

func wantsWebSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// handshake answers the WebSocket handshake. It returns the connection and what was read from it beyond the request; nil when the handshake failed, which
// has then been answered. Nothing of the request is kept.
func (s *Server) handshake(w http.ResponseWriter, r *http.Request) (net.Conn, []byte) {
	r.Header.Set("Connection", strings.Join(r.Header.Values("Connection"), ", ")) // some proxies write two lines, of which gobwas reads the first
	nc, rw, _, err := ws.HTTPUpgrader{Timeout: s.cfg.WriteTimeout, Header: w.Header().Clone()}.Upgrade(r, w)
	if err != nil {
		s.cfg.Metrics.Refused(ErrBadRequest.Reason)
		if nc != nil {
			_ = nc.Close()
		}
		return nil, nil
	}
	early := make([]byte, rw.Reader.Buffered())
	_, _ = rw.Read(early) // they are in the buffer
	return nc, early
}

func (s *Server) openWebSocket(w http.ResponseWriter, r *http.Request) {
	sess := s.newSession(r)
	nc, early := s.handshake(w, r)
	if nc == nil {
		return
	}
	sess.conn = s.group.NewWebSocket(sess, nc)
	if !s.open(sess) {
		s.cfg.Metrics.Refused(errClosing.Reason)
		_ = nc.Close()
		return
	}
	sess.opened()
	sess.Send(frame.One(frame.New(s.handshakes.open(sess.sid, WebSocket))))
	sess.conn.Start()
	sess.conn.ReadWebSocket(early)
}

// upgrade is the WebSocket of an upgrade that has begun (Engine.IO protocol, "Upgrade"). Until the client says that it is done, the session goes on with
// long-polling, and nothing but the probe comes here.
type upgrade struct {
	session *Session
	probe   *conn.Conn
}

func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, sess *Session) {
	only := sess.beginUpgrade()
	nc, early := s.handshake(w, r)
	switch {
	case nc == nil && only:
		sess.endUpgrade()
		return
	case nc == nil:
		return
	case !only: // "A client MUST NOT open more than one WebSocket connection per session" ("WebSocket"): it is closed, as the text asks
		s.cfg.Metrics.Refused(ErrBadRequest.Reason)
		_ = nc.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout))
		_, _ = nc.Write(conn.CloseFrame(ReasonParseError).WebSocket())
		_ = nc.Close()
		return
	}
	u := &upgrade{session: sess}
	u.probe = s.group.NewWebSocket(u, nc)
	u.probe.EndIn(s.cfg.UpgradeTimeout, ReasonTransportClose)
	sess.setProbe(u.probe)
	u.probe.ReadWebSocket(early)
}

// Ended implements conn.Owner: the WebSocket ended before the upgrade was done.
func (u *upgrade) Ended(CloseReason) { u.session.endUpgrade() }

// Received implements conn.Owner: the client probes, or is done. What comes after that is the session's.
func (u *upgrade) Received(m conn.Message) CloseReason {
	switch packet := string(m.Data); {
	case m.Binary:
		return ReasonParseError
	case packet == string(PacketPing)+probe:
		u.session.setProbed(u.probe)
		u.probe.Send(frame.One(pongProbe))
	case packet == string(PacketUpgrade) && u.session.isProbed():
		if u.session.conn.Upgrade(u.probe) != nil {
			return ReasonTransportClose
		}
		u.session.endUpgrade()
	default:
		return ReasonParseError
	}
	return ""
}

// beginUpgrade returns false when there is a WebSocket for the session already, or it has ended.
func (s *Session) beginUpgrade() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upgrading || s.ended || !s.conn.Polls() {
		return false
	}
	s.upgrading = true
	return true
}

func (s *Session) setProbe(c *conn.Conn) {
	s.mu.Lock()
	s.probe = c
	ended := s.ended
	s.mu.Unlock()
	if ended {
		c.End(ReasonTransportClose)
	}
}

// setProbed makes GETs end: the client wants to leave long-polling. The upgrade may have ended in the meantime.
func (s *Session) setProbed(probe *conn.Conn) {
	s.mu.Lock()
	s.probed = s.probe == probe
	s.mu.Unlock()
	s.conn.Poke()
}

func (s *Session) isProbed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.probed
}

func (s *Session) endUpgrade() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.upgrading, s.probed, s.probe = false, false, nil
}
