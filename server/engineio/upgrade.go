package engineio

import (
	"crypto/sha1"
	"encoding/base64"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/ws-emit/ws-emit/server/frame"
	"github.com/ws-emit/ws-emit/server/internal/conn"
)

func wantsWebSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// wsGUID is what the key of a WebSocket handshake is hashed with (RFC 6455, section 1.3).
const wsGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// handshake checks the WebSocket handshake of a request that wants one, and takes its connection over (RFC 6455, section 4.2). It returns the connection,
// what was read from it beyond the request, and the answer, which is to be written first; or no connection when the handshake was refused, which has then
// been answered. Nothing of the request is kept.
func (s *Server) handshake(w http.ResponseWriter, r *http.Request) (nc net.Conn, early, answer []byte) {
	key := r.Header.Get("Sec-Websocket-Key")
	switch {
	case !r.ProtoAtLeast(1, 1) || r.Host == "" || !hasToken(r.Header["Connection"], "upgrade") || !isNonce(key):
		s.refuse(w, ErrBadRequest)
		return nil, nil, nil
	case r.Header.Get("Sec-Websocket-Version") != "13": // section 4.4
		w.Header().Set("Sec-WebSocket-Version", "13")
		w.Header().Set("Upgrade", "websocket") // RFC 9110, section 15.5.22
		w.Header().Set("Connection", "Upgrade")
		s.refuse(w, errUpgradeRequired)
		return nil, nil, nil
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.refuse(w, ErrBadRequest)
		return nil, nil, nil
	}
	if n := rw.Reader.Buffered(); n > 0 {
		early = make([]byte, n)
		_, _ = rw.Read(early) // they are in the buffer
	}
	sum := sha1.Sum([]byte(key + wsGUID))
	answer = make([]byte, 0, 384)
	answer = append(answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	answer = base64.StdEncoding.AppendEncode(answer, sum[:])
	return nc, early, append(answer, "\r\n\r\n"...)
}

// hasToken looks for a token in the lines of a header that is a list; some proxies write several.
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// isNonce reports whether a key is 16 bytes in base64.
func isNonce(key string) bool {
	var b [18]byte
	n, err := base64.StdEncoding.AppendDecode(b[:0], []byte(key))
	return err == nil && len(n) == 16
}

func (s *Server) openWebSocket(w http.ResponseWriter, r *http.Request) {
	sess := s.newSession(r)
	nc, early, answer := s.handshake(w, r)
	if nc == nil {
		return
	}
	sess.conn = s.group.NewWebSocket(sess, nc)
	sess.conn.Hold()
	if !s.open(sess) {
		s.cfg.Metrics.Refused(errClosing.Reason)
		_ = nc.Close()
		return
	}
	sess.opened()
	open := frame.New(s.handshakes.open(sess.sid, WebSocket))
	sess.conn.Release(append(answer, open.WebSocket()...)) // in one write
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
	nc, early, answer := s.handshake(w, r)
	switch {
	case nc == nil && only:
		sess.endUpgrade()
		return
	case nc == nil:
		return
	case !only: // "A client MUST NOT open more than one WebSocket connection per session" ("WebSocket"): it is closed, as the text asks
		s.cfg.Metrics.Refused(ErrBadRequest.Reason)
		_ = nc.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout))
		_, _ = nc.Write(append(answer, conn.CloseFrame(ReasonParseError).WebSocket()...))
		_ = nc.Close()
		return
	}
	u := &upgrade{session: sess}
	u.probe = s.group.NewWebSocket(u, nc)
	u.probe.EndIn(s.cfg.UpgradeTimeout, ReasonTransportClose)
	u.probe.Hold()
	sess.setProbe(u.probe)
	u.probe.Release(answer)
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
