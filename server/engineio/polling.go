package engineio

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/ws-emit/ws-emit/server/frame"
)

// noopAfter is how long a GET waits while an upgrade is under way: the client may not have heard yet that it should send no more of them.
const noopAfter = 100 * time.Millisecond

// poll serves a GET: it answers with what waits for the session, or waits until something does.
func (s *Server) poll(w http.ResponseWriter, r *http.Request, sess *Session) {
	if !sess.begin(http.MethodGet) {
		sess.End(ReasonOverlap)
		s.refuse(w, errOverlap)
		return
	}
	defer sess.finish(http.MethodGet)
	var noop <-chan time.Time
	for waited := false; ; waited = true {
		if frames := sess.conn.Take(); frames != nil {
			var body []byte
			for _, f := range frames {
				body = f.AppendPolling(body)
			}
			sess.conn.Answered(s.answer(w, body))
			return
		}
		if last := sess.lastPacket(); last != nil {
			_ = s.answer(w, last.Polling()) // the session is over, or elsewhere: it loses nothing
			return
		}
		if sess.isProbed() && waited {
			_ = s.answer(w, noopFrame.Polling())
			return
		}
		if sess.isProbed() && noop == nil {
			t := time.NewTimer(noopAfter)
			defer t.Stop()
			noop = t.C
		}
		select {
		case <-sess.conn.Wake():
		case <-noop:
		case <-r.Context().Done():
			sess.End(ReasonTransportClose)
			return
		}
	}
}

// lastPacket returns what ends the GETs of a session that has ended or was upgraded, else nil.
func (s *Session) lastPacket() *frame.Frame {
	switch s.conn.Reason() {
	case "":
		if s.conn.Polls() {
			return nil
		}
		return noopFrame
	case ReasonClient:
		return noopFrame
	}
	return closeFrame
}

// post serves a POST: it handles the packets in its body, in order.
func (s *Server) post(w http.ResponseWriter, r *http.Request, sess *Session) {
	if !sess.begin(http.MethodPost) {
		sess.End(ReasonOverlap)
		s.refuse(w, errOverlap)
		return
	}
	defer sess.finish(http.MethodPost)
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.cfg.BodyTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.cfg.MaxPayload))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		sess.End(ReasonTooLarge)
		s.refuse(w, errTooLarge)
		return
	case err != nil:
		sess.End(ReasonTransportError)
		s.refuse(w, ErrBadRequest)
		return
	}
	arrived := time.Now()
	packets, err := decodePayload(body)
	if err != nil {
		sess.End(ReasonParseError)
		s.refuse(w, ErrBadRequest)
		return
	}
	for _, p := range packets {
		if why := sess.packet(p, arrived); why != "" {
			sess.End(why)
			s.refuse(w, ErrBadRequest)
			return
		}
	}
	_ = s.answer(w, []byte("ok"))
}
