package engineio

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// noopAfter is how long a GET waits that comes while an upgrade is under way.
const noopAfter = 100 * time.Millisecond

// maxPackets is how many packets a client takes in one answer; 0 is any number. The Python client, python-engineio, ends the connection when there are more than 16.
// For all others fewer packets would only mean more requests.
func maxPackets(r *http.Request) int {
	agent := r.UserAgent()
	if strings.HasPrefix(agent, "python-requests/") || strings.HasPrefix(agent, "Python/") { // its blocking and its asyncio client
		return 16
	}
	return 0
}

// poll serves a GET: it answers with what waits for the session, or waits until something does.
func (s *Server) poll(w http.ResponseWriter, r *http.Request, sess *Session) {
	if !sess.begin(http.MethodGet) {
		sess.End(ReasonOverlap)
		s.refuse(w, errOverlap)
		return
	}
	finish := sync.OnceFunc(func() { sess.finish(http.MethodGet) })
	defer finish()
	defer sess.conn.Guard()
	// The client may send the next GET, on another connection, as soon as it has the last byte of this answer. So that one may begin before; Take gives it
	// nothing until this one is through.
	answer := func(body []byte) error {
		finish()
		return s.answer(w, body)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // it may wait for long; answer sets another
	limit := maxPackets(r)
	var noop <-chan time.Time
	if sess.isProbed() { // the client may not have heard yet that it should send no more of them
		t := time.NewTimer(noopAfter)
		defer t.Stop()
		noop = t.C
	}
	for {
		if frames := sess.conn.Take(limit); frames != nil {
			var body []byte
			for _, f := range frames {
				body = f.AppendPolling(body)
			}
			sess.conn.Answered(answer(body))
			return
		}
		switch why := sess.conn.Reason(); {
		case why == ReasonClient:
			_ = answer(noopFrame.Polling()) // whatever comes of it, the session is over
			return
		case why != "":
			_ = answer(closeFrame.Polling())
			return
		case !sess.conn.Polls(): // a client that says it is done with polling has no GET waiting
			s.refuse(w, ErrBadRequest)
			return
		case noop == nil && sess.isProbed(): // the probe has come while this GET waited
			_ = answer(noopFrame.Polling())
			return
		}
		select {
		case <-sess.conn.Wake():
		case <-noop:
			_ = answer(noopFrame.Polling())
			return
		case <-r.Context().Done():
			sess.conn.EndPolling(ReasonTransportClose) // after an upgrade it says nothing
			return
		}
	}
}

// post serves a POST: it handles the packets in its body, in order.
func (s *Server) post(w http.ResponseWriter, r *http.Request, sess *Session) {
	if !sess.begin(http.MethodPost) {
		sess.End(ReasonOverlap)
		s.refuse(w, errOverlap)
		return
	}
	finish := sync.OnceFunc(func() { sess.finish(http.MethodPost) })
	defer finish()
	defer sess.conn.Guard()
	if r.ContentLength > s.cfg.MaxPayload {
		sess.End(ReasonTooLarge)
		s.refuse(w, errTooLarge)
		return
	}
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
	for p, err := range payload(body) {
		why := ReasonParseError
		if err == nil {
			why = sess.packet(p, arrived)
		}
		if why != "" {
			sess.End(why)
			s.refuse(w, ErrBadRequest)
			return
		}
	}
	finish() // the next POST may come, on another connection, as soon as this one is answered
	_ = s.answer(w, []byte("ok"))
}
