package engineio

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/ws-emit/ws-emit/server/frame"
	"github.com/ws-emit/ws-emit/server/internal/conn"
)

const (
	maxWaitingMessages = 256
	maxWaitingBytes    = 64 << 10

	// goodbye is how long a client that has closed its session can still be written to: a GET may be on its way.
	goodbye = 2 * time.Second
)

// Session is one client. Its methods may be called concurrently.
type Session struct {
	// Data belongs to the Handler.
	Data any

	// Immutable after open.
	server *Server
	sid    string
	addr   netip.Addr
	conn   *conn.Conn

	mu      sync.Mutex // guards the following
	busy    bool       // somebody calls the Handler
	ended   bool
	closed  bool     // the Handler knows
	waiting *waiting // what came while something was waited for; nil until then
	getting bool     // a GET waits or is being answered
	posting bool

	upgrading bool       // there is a WebSocket that wants to take over
	probe     *conn.Conn // that one, once its handshake is done
	probed    bool       // it has sent its probe: GETs are to end
}

// waiting is the messages behind one that has to wait.
type waiting struct {
	room     sync.Cond // somebody waits for room in messages, or the session has ended
	messages []Message
	bytes    int
}

// SID is the session id. It is secret: who knows it can read the session.
func (s *Session) SID() string { return s.sid }

// Addr is the address of the client, according to Config.ClientAddr; the zero Addr when it is not known.
func (s *Session) Addr() netip.Addr { return s.addr }

// Send accepts frames to be written in order. It never blocks, and does not keep the run. It returns false when the session has ended.
func (s *Session) Send(r *frame.Run) bool { return s.conn.Send(r) }

// End ends the session at once.
func (s *Session) End(why CloseReason) { s.conn.End(why) }

// Finish ends the session once what waits has been written.
func (s *Session) Finish(why CloseReason) {
	s.conn.Close(why, closeFrame, conn.CloseFrame(why))
}

// EndIn ends the session after a while, unless it is called again before; 0 takes it back.
func (s *Session) EndIn(d time.Duration, why CloseReason) { s.conn.EndIn(d, why) }

// opened tells the Handler of the session, which is busy until then: it may be ended at any time.
func (s *Session) opened() {
	s.guarded(func() { s.server.cfg.Handler.Open(s) })
	s.next()
}

// packet handles a packet that is not part of an upgrade. It returns a reason when the session cannot go on.
func (s *Session) packet(p frame.Packet, arrived time.Time) CloseReason {
	if p.Binary {
		s.deliver(Message{Binary: true, Data: p.Data, Arrived: arrived})
		return ""
	}
	if len(p.Data) == 0 {
		return ReasonParseError
	}
	switch PacketType(p.Data[0]) {
	case PacketMessage:
		s.deliver(Message{Data: p.Data[1:], Arrived: arrived})
	case PacketPong:
		s.conn.Pong()
	case PacketClose:
		s.conn.EndIn(goodbye, ReasonClient)
		s.conn.Close(ReasonClient, noopFrame, conn.CloseFrame(ReasonClient))
	case PacketOpen, PacketUpgrade, PacketNoop: // say nothing here
	default: // also a PING: in this revision only the server sends it ("Heartbeat")
		return ReasonParseError
	}
	return ""
}

// deliver calls the Handler, or leaves the message to whoever is calling it. It blocks while too much waits.
func (s *Session) deliver(m Message) {
	s.mu.Lock()
	if s.busy && s.waiting == nil {
		s.waiting = &waiting{}
		s.waiting.room.L = &s.mu
	}
	for s.busy && !s.ended && s.waiting.full(len(m.Data)) {
		s.conn.Pause()
		s.waiting.room.Wait()
		s.conn.Resume()
	}
	if s.ended || s.conn.Ending() {
		s.mu.Unlock()
		return
	}
	if s.busy {
		m.Data = append([]byte(nil), m.Data...)
		s.waiting.messages = append(s.waiting.messages, m)
		s.waiting.bytes += len(m.Data)
		s.mu.Unlock()
		return
	}
	s.busy = true
	s.mu.Unlock()
	wait := s.message(m)
	if wait == nil {
		wait = s.next()
	}
	if wait != nil {
		s.server.goroutines.Go(func() { s.work(wait) })
	}
}

func (w *waiting) full(n int) bool {
	return len(w.messages) >= maxWaitingMessages || w.bytes > 0 && w.bytes+n > maxWaitingBytes
}

func (w *waiting) clear() {
	w.messages, w.bytes = nil, 0
	w.room.Broadcast()
}

// work waits for what the Handler has to wait for, and calls it for what came in the meantime.
func (s *Session) work(wait func()) {
	for wait != nil {
		s.guarded(wait)
		wait = s.next()
	}
}

// next calls the Handler for what waits, until nothing does or there is something to wait for. The caller must be the one that made the session busy.
func (s *Session) next() (wait func()) {
	for {
		s.mu.Lock()
		if s.ended {
			s.closed = true
			s.mu.Unlock()
			s.close()
			return nil
		}
		if s.waiting == nil || len(s.waiting.messages) == 0 || s.conn.Ending() {
			s.busy = false
			if s.waiting != nil {
				s.waiting.clear()
			}
			s.mu.Unlock()
			return nil
		}
		m := s.waiting.messages[0]
		s.waiting.messages[0] = Message{}
		s.waiting.messages = s.waiting.messages[1:]
		s.waiting.bytes -= len(m.Data)
		s.waiting.room.Broadcast()
		s.mu.Unlock()
		if wait := s.message(m); wait != nil {
			return wait
		}
	}
}

func (s *Session) message(m Message) (wait func()) {
	defer s.conn.Guard()
	return s.server.cfg.Handler.Message(s, m)
}

func (s *Session) guarded(f func()) {
	defer s.conn.Guard()
	f()
}

// Received implements conn.Owner: a packet has come by WebSocket.
func (s *Session) Received(m conn.Message) CloseReason {
	return s.packet(frame.Packet{Binary: m.Binary, Data: m.Data}, m.Arrived)
}

// Ended implements conn.Owner: the connection has ended.
func (s *Session) Ended(CloseReason) {
	s.server.forget(s)
	s.mu.Lock()
	s.ended = true
	if s.waiting != nil {
		s.waiting.clear()
	}
	probe := s.probe
	tell := !s.busy && !s.closed
	s.closed = s.closed || tell
	s.mu.Unlock()
	if probe != nil {
		probe.End(ReasonTransportClose)
	}
	if tell {
		s.close()
	}
}

// close tells the Handler, once.
func (s *Session) close() {
	defer s.server.sessions.wg.Done()
	s.guarded(func() { s.server.cfg.Handler.Close(s, s.conn.Reason()) })
}

// begin marks a GET or a POST as under way; it returns false when there is one already. Two at once end the session (Engine.IO protocol, "Sending and
// receiving data").
func (s *Session) begin(method string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	under := &s.posting
	if method == http.MethodGet {
		under = &s.getting
	}
	if *under {
		return false
	}
	*under = true
	return true
}

func (s *Session) finish(method string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if method == http.MethodGet {
		s.getting = false
	} else {
		s.posting = false
	}
}
