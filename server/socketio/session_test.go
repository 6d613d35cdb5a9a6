package socketio

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/ws-emit/ws-emit/server/engineio"
	"github.com/ws-emit/ws-emit/server/frame"
)

// patience is the time that anything in a test may take, which is far more than it should: the machine may be busy.
const patience = 30 * time.Second

// fake is a Handler that notes what it is told, as lines.
type fake struct {
	t     testing.TB
	lines chan string

	// Optional.
	connect    func(*Socket, *frame.Frame) error
	event      func(*Socket, Event) func()
	disconnect func(*Socket)

	calls atomic.Int32

	mu      sync.Mutex         // guards the following
	sockets map[string]*Socket // by namespace, the last one
}

// enter fails the test when calls overlap: there is one session.
func (f *fake) enter() func() {
	if f.calls.Add(1) != 1 {
		f.t.Error("two calls at once for one session")
	}
	return func() { f.calls.Add(-1) }
}

func (f *fake) Connect(s *Socket, auth json.RawMessage, reply *frame.Frame) error {
	defer f.enter()()
	f.mu.Lock()
	f.sockets[s.Namespace()] = s
	f.mu.Unlock()
	f.lines <- fmt.Sprintf("connect %s %s", s.Namespace(), auth)
	if f.connect != nil {
		return f.connect(s, reply)
	}
	s.Session().Send(frame.One(reply))
	return nil
}

func (f *fake) Event(s *Socket, e Event) func() {
	defer f.enter()()
	f.lines <- fmt.Sprintf("event %s %d %s %s %x", s.Namespace(), e.ID, e.Name, e.Args, e.Attachments)
	if f.event != nil {
		return f.event(s, e)
	}
	if ack := s.AckFrame(e, e.Args...); ack != nil {
		s.Session().Send(frame.One(ack))
	}
	return nil
}

func (f *fake) Ack(s *Socket, id int64, args []json.RawMessage, attachments [][]byte) {
	defer f.enter()()
	f.lines <- fmt.Sprintf("ack %s %d %s %x", s.Namespace(), id, args, attachments)
}

func (f *fake) Disconnect(s *Socket, why engineio.CloseReason) {
	if why != engineio.ReasonServer {
		defer f.enter()()
	}
	f.lines <- fmt.Sprintf("disconnect %s %s", s.Namespace(), why)
	if f.disconnect != nil {
		f.disconnect(s)
	}
}

func (f *fake) want(lines ...string) {
	f.t.Helper()
	for _, want := range lines {
		select {
		case got := <-f.lines:
			if got != want {
				f.t.Fatalf("the Handler was told %q, want %q", got, want)
			}
		case <-time.After(patience):
			f.t.Fatalf("the Handler is not told %q", want)
		}
	}
}

func (f *fake) socket(namespace string) *Socket {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sockets[namespace]
}

// peer is the only client of a server. It speaks over a WebSocket.
type peer struct {
	t      testing.TB
	server *Server
	f      *fake
	conn   interface{ Close() error }
	rw     *bufio.ReadWriter
}

// connect starts a server with a fake, and opens a session on it. At the end of the test nothing may be left, and the fake must have been told
// nothing that was not asked for.
func connect(t testing.TB, cfg Config, f *fake) *peer {
	t.Helper()
	f.t, f.lines, f.sockets = t, make(chan string, 4096), map[string]*Socket{}
	cfg.Handler = f
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(s)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	c := &peer{t: t, server: s, f: f}
	t.Cleanup(func() {
		if c.conn != nil {
			_ = c.conn.Close()
		}
		now, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(now, 0)
		listener.Close()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if s.Len() != 0 || s.Backlog() != 0 {
			t.Errorf("%d sessions and %d bytes are left", s.Len(), s.Backlog())
		}
		close(f.lines)
		for line := range f.lines {
			if !strings.HasPrefix(line, "disconnect ") {
				t.Errorf("the Handler was told %q", line)
			}
		}
	})
	c.dial(listener.URL)
	return c
}

func (c *peer) dial(url string) {
	c.t.Helper()
	url = "ws" + strings.TrimPrefix(url, "http") + "/?EIO=4&transport=websocket"
	nc, r, _, err := ws.Dial(context.Background(), url)
	if err != nil {
		c.t.Fatal(err)
	}
	if r == nil {
		r = bufio.NewReader(nc)
	}
	c.conn, c.rw = nc, bufio.NewReadWriter(r, bufio.NewWriter(nc))
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	if p := c.hear(); !strings.HasPrefix(p, "0{") {
		c.t.Fatalf("got %q, want OPEN", p)
	}
}

// say sends Engine.IO packets, binary ones as "b" and base64.
func (c *peer) say(packets ...string) {
	c.t.Helper()
	for _, p := range packets {
		f := ws.NewTextFrame([]byte(p))
		if data, ok := strings.CutPrefix(p, "b"); ok {
			b, err := base64.StdEncoding.DecodeString(data)
			if err != nil {
				c.t.Fatal(err)
			}
			f = ws.NewBinaryFrame(b)
		}
		if err := ws.WriteFrame(c.rw, ws.MaskFrame(f)); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := c.rw.Flush(); err != nil {
		c.t.Fatal(err)
	}
}

// hear returns the next packet, or "closed with " and the code.
func (c *peer) hear() string {
	c.t.Helper()
	f, err := readFrame(c.rw)
	if err != nil {
		c.t.Fatal(err)
	}
	switch f.Header.OpCode {
	case ws.OpClose:
		code, _ := ws.ParseCloseFrameData(f.Payload)
		return fmt.Sprintf("closed with %d", code)
	case ws.OpBinary:
		return "b" + base64.StdEncoding.EncodeToString(f.Payload)
	}
	return string(f.Payload)
}

func (c *peer) want(packets ...string) {
	c.t.Helper()
	for _, want := range packets {
		if got := c.hear(); got != want {
			c.t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// join connects to a namespace, and returns the sid.
func (c *peer) join(namespace string) (sid string) {
	c.t.Helper()
	prefix := "40"
	if namespace != "/" {
		prefix += namespace + ","
	}
	c.say(prefix)
	data, ok := strings.CutPrefix(c.hear(), prefix)
	var reply struct {
		SID string `json:"sid"`
	}
	if err := json.Unmarshal([]byte(data), &reply); !ok || err != nil || reply.SID == "" {
		c.t.Fatalf("CONNECT of %s is answered with %q", namespace, data)
	}
	c.f.want("connect " + namespace + " ")
	return reply.SID
}

// wantEnd checks that the server ends the session with a code.
func (c *peer) wantEnd(code ws.StatusCode) {
	c.t.Helper()
	c.want(fmt.Sprintf("closed with %d", code))
	_ = c.conn.Close()
}

// gone checks that the session has ended, and that the Handler was told nothing more.
func (c *peer) gone() {
	c.t.Helper()
	c.server.Shutdown(context.Background(), 0)
	if len(c.f.lines) > 0 {
		c.t.Errorf("the Handler was told %q", <-c.f.lines)
	}
}

func TestConnect(t *testing.T) {
	c := connect(t, Config{NodeID: "abc"}, &fake{})
	c.say(`40{"token":"x","n":[1]}`)
	c.f.want(`connect / {"token":"x","n":[1]}`)
	s := c.f.socket("/")
	c.want(`40{"sid":"` + s.ID() + `"}`)
	if !strings.HasPrefix(s.ID(), "~abc") || len(s.ID()) != 20 || s.Session().SID() == s.ID() {
		t.Errorf("the sid is %q", s.ID())
	}
	c.say("41")
	c.f.want("disconnect / client")
}

func TestConnectIsRefused(t *testing.T) {
	f := &fake{}
	refuse := true
	f.connect = func(s *Socket, reply *frame.Frame) error {
		if refuse {
			refuse = false
			return errors.New(`not "you" <€>`)
		}
		s.Session().Send(frame.One(reply))
		return nil
	}
	c := connect(t, Config{}, f)
	c.say("40")
	c.want(`44{"message":"not \"you\" <€>"}`)
	c.f.want("connect / ")
	c.join("/") // a client that was refused may try again
	c.say("41")
	c.f.want("disconnect / client")
	c.say("1")
	c.wantEnd(1000)
	c.gone() // the socket that was refused is not disconnected
}

func TestUnknownNamespace(t *testing.T) {
	c := connect(t, Config{Namespaces: []string{"/", "/a"}}, &fake{})
	for _, namespace := range []string{"/b", "/A", "/a/", "/ab", "/€", `/"`} {
		c.say("40" + namespace + ",")
		c.want("44" + namespace + `,{"message":"Invalid namespace"}`)
	}
	c.join("/a")
}

func TestMainNamespaceCanBeAbsent(t *testing.T) {
	c := connect(t, Config{Namespaces: []string{"/a"}}, &fake{})
	c.say("40")
	c.want(`44{"message":"Invalid namespace"}`)
	c.join("/a")
}

// The reply is the Handler's to send: what it sends after it comes after it, and no other goroutine can be faster.
func TestReplyComesFirst(t *testing.T) {
	f := &fake{}
	f.connect = func(s *Socket, reply *frame.Frame) error {
		event, err := EncodeEvent("/", "hello", nil, nil)
		if err != nil {
			return err
		}
		s.Session().Send(frame.One(reply))
		s.Session().Send(frame.One(event))
		return nil
	}
	c := connect(t, Config{}, f)
	c.say("40", `42["first"]`)
	c.f.want("connect / ", "event / -1 first [] []")
	c.want(`40{"sid":"`+f.socket("/").ID()+`"}`, `42["hello"]`)
}

func TestEventsAndAcks(t *testing.T) {
	c := connect(t, Config{Namespaces: []string{"/", "/a"}}, &fake{})
	c.join("/")
	c.join("/a")
	c.say(`42["one"]`, `42/a,["two",1,{"x":[]}]`, `427["three","€"]`, `42/a,0["four"]`)
	c.f.want("event / -1 one [] []", `event /a -1 two [1 {"x":[]}] []`, `event / 7 three ["€"] []`, "event /a 0 four [] []")
	c.want(`437["€"]`, `43/a,0[]`)
	c.say(`439007199254740991[1]`, `43/a,5[]`) // nothing here keeps account of ids
	c.f.want("ack / 9007199254740991 [1] []", "ack /a 5 [] []")
	c.say(`452-/a,1["bin",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "bAQI=", "b")
	c.f.want(`event /a 1 bin [{"_placeholder":true,"num":0} {"_placeholder":true,"num":1}] [0102 ]`)
	c.want(`43/a,1[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
	c.say(`461-3[{"_placeholder":true,"num":0}]`, "bAAEC")
	c.f.want(`ack / 3 [{"_placeholder":true,"num":0}] [000102]`)
	c.say(`42/a,["last"]`)
	c.f.want("event /a -1 last [] []")
}

// A client that breaks the protocol loses its connection, and what comes behind is not looked at.
func TestMalformed(t *testing.T) {
	for name, packets := range map[string][]string{
		"event before CONNECT":          {`42/b,["x"]`},
		"event of an unknown namespace": {`42/c,["x"]`},
		"ack before CONNECT":            {`43/b,1[]`},
		"DISCONNECT before CONNECT":     {"41/b,"},
		"CONNECT_ERROR":                 {`44{"message":"x"}`},
		"empty":                         {"4"},
		"unknown type":                  {"47"},
		"no JSON":                       {`42["x"`},
		"no array":                      {`42{"x":1}`},
		"no event":                      {"42[]"},
		"event without a name":          {"42[{}]"},
		"no payload":                    {"42"},
		"reserved event":                {`42["disconnect"]`},
		"ack without id":                {"43[]"},
		"ack without array":             {`431{"x":1}`},
		"CONNECT with an array":         {"40/b,[1]"},
		"text instead of an attachment": {`451-["x",{"_placeholder":true,"num":0}]`, `42["y"]`},
		"attachment from nowhere":       {"bAQI="},
		"too many attachments":          {`4511-["x"]`},
		"attachments without a number":  {`45["x"]`},
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, Config{Namespaces: []string{"/", "/a", "/b"}}, &fake{})
			c.join("/")
			c.join("/a")
			c.say(packets...)
			c.say(`42["behind"]`)
			c.wantEnd(1002)
			c.f.want("disconnect / parse error", "disconnect /a parse error")
			c.gone()
		})
	}
}

func TestMalformedFirst(t *testing.T) {
	for _, packet := range []string{`42["x"]`, "41", "431[]", "4x", "bAQI="} {
		t.Run(packet, func(t *testing.T) {
			c := connect(t, Config{}, &fake{})
			c.say(packet)
			c.wantEnd(1002)
			c.gone()
		})
	}
}

func TestConnectTimeout(t *testing.T) {
	cfg := Config{
		Namespaces:     []string{"/", "/a"},
		ConnectTimeout: 50 * time.Millisecond,
		Engine:         engineio.Config{PingInterval: 40 * time.Millisecond, PingTimeout: patience},
	}
	wantEOF := func(t *testing.T, c *peer) {
		t.Helper()
		for {
			if _, err := readFrame(c.rw); err != nil {
				break // before it there can be a PING
			}
		}
		until(t, "the session is forgotten", func() bool { return c.server.Len() == 0 })
	}
	t.Run("without CONNECT", func(t *testing.T) {
		wantEOF(t, connect(t, cfg, &fake{}))
	})
	t.Run("CONNECT refused", func(t *testing.T) {
		c := connect(t, cfg, &fake{connect: func(*Socket, *frame.Frame) error { return errors.New("no") }})
		c.say("40", "40/x,")
		c.f.want("connect / ")
		wantEOF(t, c)
		c.gone()
	})
	t.Run("connected", func(t *testing.T) {
		c := connect(t, cfg, &fake{})
		c.say("40", "40/a,", "41")
		c.f.want("connect / ", "connect /a ", "disconnect / client")
		for pings := 0; pings < 4; {
			if c.hear() == "2" {
				c.say("3")
				pings++
			}
		}
		c.say("41/a,") // the last one
		c.f.want("disconnect /a client")
		wantEOF(t, c)
		c.gone()
	})
	t.Run("connected again", func(t *testing.T) {
		c := connect(t, cfg, &fake{})
		c.say("40", "41", "40")
		c.f.want("connect / ", "disconnect / client", "connect / ")
		for pings := 0; pings < 4; {
			if c.hear() == "2" {
				c.say("3")
				pings++
			}
		}
	})
}

// until waits for something for which there is no event.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(patience); !done(); <-look.C {
		if time.Now().After(end) {
			t.Fatalf("it does not happen: %s", what)
		}
	}
}

// A panic in one call does not keep the other sockets of the session from being disconnected.
func TestPanics(t *testing.T) {
	bug := func() { panic("a bug") }
	namespaces := []string{"/", "/a", "/b"}
	t.Run("in Event", func(t *testing.T) {
		c := connect(t, Config{}, &fake{event: func(*Socket, Event) func() { panic("a bug") }})
		c.join("/")
		c.say(`42["x"]`)
		c.f.want("event / -1 x [] []", "disconnect / internal error")
		c.gone()
	})
	t.Run("in what Event waits for", func(t *testing.T) {
		c := connect(t, Config{}, &fake{event: func(*Socket, Event) func() { return bug }})
		c.join("/")
		c.say(`42["x"]`)
		c.f.want("event / -1 x [] []", "disconnect / internal error")
		c.gone()
	})
	t.Run("in Connect", func(t *testing.T) {
		c := connect(t, Config{Namespaces: namespaces}, &fake{})
		c.join("/a")
		c.f.connect = func(*Socket, *frame.Frame) error { panic("a bug") }
		c.say("40")
		c.f.want("connect / ", "disconnect /a internal error")
		c.gone()
	})
	t.Run("in Disconnect", func(t *testing.T) {
		c := connect(t, Config{Namespaces: namespaces}, &fake{disconnect: func(*Socket) { bug() }})
		for _, namespace := range namespaces {
			c.join(namespace)
		}
		c.say("41/a,")
		c.f.want("disconnect /a client", "disconnect / internal error", "disconnect /b internal error")
		c.gone()
	})
}

// While an event waits, nothing else of the session is handled; what came is, afterwards and in order.
func TestEventWaits(t *testing.T) {
	open := make(chan struct{})
	f := &fake{}
	f.event = func(s *Socket, e Event) func() {
		if e.Name != "wait" {
			return nil
		}
		ack := s.AckFrame(e, json.RawMessage(`{"ok":true}`))
		return func() {
			<-open
			s.Session().Send(frame.One(ack))
		}
	}
	c := connect(t, Config{Namespaces: []string{"/", "/a"}, Engine: engineio.Config{PingInterval: 30 * time.Millisecond, PingTimeout: patience}}, f)
	c.say("40")
	if p := c.hear(); !strings.HasPrefix(p, "40{") {
		t.Errorf("got %q", p)
	}
	c.say(`421["wait"]`, "40/a,", `42/a,["x"]`, "41")
	c.f.want("connect / ", "event / 1 wait [] []")
	for range 2 {
		c.want("2")
		c.say("3")
	}
	if len(f.lines) > 0 {
		t.Errorf("the Handler was told %q too early", <-f.lines)
	}
	close(open)
	c.f.want("connect /a ", "event /a -1 x [] []", "disconnect / client")
}

func TestConfigErrors(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no handler":       {},
		"long node id":     {Handler: &fake{}, NodeID: "abcd"},
		"short node id":    {Handler: &fake{}, NodeID: "a"},
		"engine's refused": {Handler: &fake{}, Engine: engineio.Config{MaxQueue: -1}},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// readFrame reads one frame from the server, which is trusted to be of a sensible length.
func readFrame(r io.Reader) (ws.Frame, error) {
	h, err := ws.ReadHeader(r)
	if err != nil {
		return ws.Frame{}, err
	}
	if h.Length > 64<<20 {
		return ws.Frame{}, fmt.Errorf("a frame of %d bytes", h.Length)
	}
	f := ws.Frame{Header: h, Payload: make([]byte, h.Length)}
	_, err = io.ReadFull(r, f.Payload)
	return f, err
}
