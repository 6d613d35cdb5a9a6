package sioclient

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is as much of an Engine.IO server as the client needs, for any number of sessions. It does not send pings of its own.
type peer struct {
	t   testing.TB
	url string
	// pingWait is pingInterval, in ms; pingTimeout is 0.
	pingWait int
	// onMessage is called for each message of a session, in order. The default answers CONNECT, and echoes the rest.
	onMessage func(s *peerSession, m Message)
	// refuse answers an HTTP request, if it is not nil.
	refuse http.HandlerFunc

	mu       sync.Mutex
	requests []*http.Request
	sessions []*peerSession
}

// peerSession is one session of a peer.
type peerSession struct {
	peer *peer
	sid  string
	wake chan struct{} // of one: there is something for a GET

	mu      sync.Mutex // also held while writing to conn, to keep the order
	waiting []Message  // on long-polling
	probed  bool
	conn    net.Conn // once on WebSocket
	gone    chan struct{}
}

func newPeer(t testing.TB) *peer {
	p := &peer{t: t, pingWait: 60_000, onMessage: echo}
	server := httptest.NewServer(p)
	p.url = server.URL
	t.Cleanup(func() {
		server.CloseClientConnections()
		for _, s := range p.all() {
			s.close()
		}
		server.Close()
	})
	return p
}

func (p *peer) all() []*peerSession {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.sessions)
}

// only returns the session of a peer that has had one.
func (p *peer) only() *peerSession {
	p.t.Helper()
	all := p.all()
	if len(all) != 1 {
		p.t.Fatalf("%d sessions, want 1", len(all))
	}
	return all[0]
}

func echo(s *peerSession, m Message) {
	switch text := string(m.Data); {
	case !m.Binary && strings.HasPrefix(text, "40"):
		s.send(text40(text))
	case m.Binary || text[0] == '4':
		s.send(Message{Binary: m.Binary, Data: slices.Clone(m.Data)})
	}
}

// text40 answers a CONNECT.
func text40(connect string) Message {
	namespace, _, _ := strings.Cut(strings.TrimPrefix(connect, "40"), "{")
	return Message{Data: []byte("40" + namespace + `{"sid":"public"}`)}
}

func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.requests = append(p.requests, r.Clone(context.Background()))
	p.mu.Unlock()
	if p.refuse != nil {
		p.refuse(w, r)
		return
	}
	p.serve(w, r)
}

func (p *peer) serve(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if query.Get("EIO") != "4" || r.URL.Path != "/socket.io/" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	s := p.session(query.Get("sid"))
	switch {
	case s == nil:
		http.Error(w, `{"code":1,"message":"Session ID unknown"}`, http.StatusBadRequest)
	case query.Get("transport") == "websocket":
		s.serveWebSocket(w, r, query.Get("sid") != "")
	case r.Method == http.MethodPost:
		s.servePost(w, r)
	case query.Get("sid") == "":
		fmt.Fprint(w, s.open())
	default:
		s.serveGet(w, r)
	}
}

// session returns the session with that sid, or a new one if that is empty.
func (p *peer) session(sid string) *peerSession {
	p.mu.Lock()
	defer p.mu.Unlock()
	if sid == "" {
		s := &peerSession{peer: p, sid: fmt.Sprintf("session%d", len(p.sessions)), wake: make(chan struct{}, 1), gone: make(chan struct{})}
		p.sessions = append(p.sessions, s)
		return s
	}
	i := slices.IndexFunc(p.sessions, func(s *peerSession) bool { return s.sid == sid })
	if i < 0 {
		return nil
	}
	return p.sessions[i]
}

func (s *peerSession) open() string {
	return fmt.Sprintf(`0{"sid":%q,"upgrades":["websocket"],"pingInterval":%d,"pingTimeout":0,"maxPayload":1000000}`, s.sid, s.peer.pingWait)
}

// send sends messages by the transport of the moment.
func (s *peerSession) send(messages ...Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		s.waiting = append(s.waiting, messages...)
		notify(s.wake)
		return
	}
	s.write(messages)
}

func (s *peerSession) sendText(text string) { s.send(Message{Data: []byte(text)}) }

// write needs s.mu to be held.
func (s *peerSession) write(messages []Message) {
	for _, m := range messages {
		op := ws.OpText
		if m.Binary {
			op = ws.OpBinary
		}
		_ = wsutil.WriteServerMessage(s.conn, op, m.Data) // the client may have gone
	}
}

// writeRaw writes bytes to the WebSocket.
func (s *peerSession) writeRaw(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.conn.Write(b)
}

func (s *peerSession) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.gone:
	default:
		close(s.gone)
	}
	if s.conn != nil {
		s.conn.Close()
	}
}

func (s *peerSession) serveGet(w http.ResponseWriter, r *http.Request) {
	for {
		s.mu.Lock()
		waiting := s.waiting
		s.waiting = nil
		if len(waiting) == 0 && s.probed {
			waiting = []Message{{Data: []byte{engineNoop}}}
		}
		s.mu.Unlock()
		if len(waiting) > 0 {
			_, _ = w.Write(encodePayload(waiting))
			return
		}
		select {
		case <-s.wake:
		case <-r.Context().Done():
			return
		case <-s.gone:
			http.Error(w, `{"code":1,"message":"Session ID unknown"}`, http.StatusBadRequest)
			return
		}
	}
}

func (s *peerSession) servePost(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	for part := range strings.SplitSeq(string(body), "\x1e") {
		m := Message{Data: []byte(part)}
		if strings.HasPrefix(part, "b") {
			data, err := base64.StdEncoding.DecodeString(part[1:])
			if err != nil {
				s.peer.t.Errorf("binary packet: %v", err)
			}
			m = Message{Binary: true, Data: data}
		}
		s.peer.onMessage(s, m)
	}
	fmt.Fprint(w, "ok")
}

// serveWebSocket serves a WebSocket to its end: for an upgrade, it first waits for probe and upgrade.
func (s *peerSession) serveWebSocket(w http.ResponseWriter, r *http.Request, upgrade bool) {
	conn, rw, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		s.peer.t.Errorf("upgrade: %v", err)
		return
	}
	defer conn.Close()
	in := struct {
		io.Reader
		io.Writer
	}{rw, conn}
	if upgrade && !s.servedProbe(in) {
		return
	}
	s.mu.Lock()
	s.conn = conn
	if !upgrade {
		s.write([]Message{{Data: []byte(s.open())}})
	}
	s.write(s.waiting)
	s.waiting = nil
	s.mu.Unlock()
	for {
		data, op, err := wsutil.ReadClientData(in)
		if err != nil {
			return
		}
		s.peer.onMessage(s, Message{Binary: op == ws.OpBinary, Data: data})
	}
}

func (s *peerSession) servedProbe(in io.ReadWriter) bool {
	data, _, err := wsutil.ReadClientData(in)
	if err != nil || string(data) != "2probe" {
		return false
	}
	s.mu.Lock()
	s.probed = true
	s.mu.Unlock()
	notify(s.wake)
	if err := wsutil.WriteServerText(in, []byte("3probe")); err != nil {
		return false
	}
	data, _, err = wsutil.ReadClientData(in)
	return err == nil && string(data) == "5"
}

// within is a context for what must happen soon.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// dial dials a peer and closes the client at the end of the test.
func dial(t testing.TB, p *peer, cfg Config) *Client {
	t.Helper()
	cfg.URL = p.url
	c, err := Dial(within(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// waitDone waits for the end of a client and returns why.
func waitDone(t testing.TB, c *Client) error {
	t.Helper()
	select {
	case <-c.Done():
	case <-within(t).Done():
		t.Fatal("the client did not end")
	}
	return c.Err()
}
