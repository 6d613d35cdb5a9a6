package engineio

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"github.com/ws-emit/ws-emit/server/frame"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is the time that anything in a test may take, which is far more than it should: the machine may be busy.
const patience = 30 * time.Second

// fake is a Handler that notes what it is told, and fails the test when calls for a session overlap or come in a wrong order.
type fake struct {
	t testing.TB

	// Optional. They are called in the calls of the same name.
	open    func(*Session)
	message func(*Session, Message) func()
	close   func(*Session, CloseReason)

	mu    sync.Mutex // guards the following
	bySID map[string]*told
}

// told is what a fake was told of one session.
type told struct {
	*Session
	messages chan string // as packets stand in a payload: "4hello", "bAQID"
	closed   chan CloseReason
	under    atomic.Int32 // calls under way
	closes   atomic.Int32
}

func (f *fake) of(sid string) *told {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bySID[sid]
}

func (f *fake) enter(s *Session) *told {
	k := f.of(s.SID())
	if k == nil {
		panic("a call before Open")
	}
	if k.under.Add(1) != 1 {
		f.t.Error("two calls at once for one session")
	}
	return k
}

func (k *told) leave() { k.under.Add(-1) }

func (f *fake) Open(s *Session) {
	k := &told{Session: s, messages: make(chan string, 1<<16), closed: make(chan CloseReason, 8)}
	f.mu.Lock()
	if f.bySID[s.SID()] != nil {
		f.t.Error("Open was called twice")
	}
	f.bySID[s.SID()] = k
	f.mu.Unlock()
	defer f.enter(s).leave()
	if f.open != nil {
		f.open(s)
	}
}

func (f *fake) Message(s *Session, m Message) func() {
	k := f.enter(s)
	defer k.leave()
	if k.closes.Load() != 0 {
		f.t.Error("Message was called after Close")
	}
	if age := time.Since(m.Arrived); age < 0 || age > patience {
		f.t.Errorf("the message arrived %v ago", age)
	}
	if m.Binary {
		k.messages <- "b" + base64.StdEncoding.EncodeToString(m.Data)
	} else {
		k.messages <- "4" + string(m.Data)
	}
	if f.message == nil {
		return nil
	}
	wait := f.message(s, m)
	if wait == nil {
		return nil
	}
	return func() {
		defer f.enter(s).leave()
		wait()
	}
}

func (f *fake) Close(s *Session, why CloseReason) {
	k := f.enter(s)
	defer k.leave()
	if k.closes.Add(1) != 1 {
		f.t.Error("Close was called twice")
	}
	k.closed <- why
	if f.close != nil {
		f.close(s, why)
	}
}

func (k *told) want(t testing.TB, packets ...string) {
	t.Helper()
	for _, want := range packets {
		select {
		case got := <-k.messages:
			if got != want {
				t.Fatalf("the Handler got %.60q, want %.60q", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("the Handler does not get %.60q", want)
		}
	}
}

func (k *told) wantClosed(t testing.TB, want CloseReason) {
	t.Helper()
	select {
	case got := <-k.closed:
		if got != want {
			t.Errorf("closed with %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("the Handler is not told of the end, which should be %q", want)
	}
}

func (k *told) wantAlive(t testing.TB) {
	t.Helper()
	if why := k.conn.Reason(); why != "" {
		t.Fatalf("the session has ended: %q", why)
	}
}

func (k *told) send(packet string) bool { return k.Send(frame.One(frame.Text(packet))) }

// site is a Server behind a real listener.
type site struct {
	*Server
	t       testing.TB
	handler *fake
	http    *httptest.Server
}

// start runs a server until the test ends. Then nothing may be left of it, and each session must have been closed once.
func start(t testing.TB, cfg Config, f *fake) *site {
	t.Helper()
	return startWith(t, cfg, f, (*httptest.Server).Start)
}

func startTLS(t testing.TB, cfg Config, f *fake) *site {
	t.Helper()
	return startWith(t, cfg, f, (*httptest.Server).StartTLS)
}

func startWith(t testing.TB, cfg Config, f *fake, listen func(*httptest.Server)) *site {
	t.Helper()
	f.t, f.bySID = t, map[string]*told{}
	cfg.Handler = f
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n := &site{Server: s, t: t, handler: f, http: httptest.NewUnstartedServer(s)}
	listen(n.http)
	n.http.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = 16
	n.http.Client().Timeout = patience
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(now, 0)
		n.http.Close()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if n, bytes := s.Len(), s.Backlog(); n != 0 || bytes != 0 {
			t.Errorf("%d sessions and %d bytes are left", n, bytes)
		}
		for _, k := range f.bySID {
			if n := k.closes.Load(); n != 1 {
				t.Errorf("Close was called %d times", n)
			}
		}
	})
	return n
}

func (n *site) url(transport Transport, sid string) string {
	q := url.Values{"EIO": {"4"}, "transport": {string(transport)}}
	if sid != "" {
		q.Set("sid", sid)
	}
	return n.http.URL + "/engine.io/?" + q.Encode()
}

// try makes a request, and returns the status and the body of the answer.
func (n *site) try(method, url, body string) (int, string, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	resp, err := n.http.Client().Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func (n *site) get(sid string) (int, string, error) {
	return n.try(http.MethodGet, n.url(Polling, sid), "")
}

func (n *site) post(sid, body string) (int, string, error) {
	return n.try(http.MethodPost, n.url(Polling, sid), body)
}

// wantAnswer checks the answer of a request.
func wantAnswer(t testing.TB, wantStatus int, wantBody string) func(int, string, error) {
	t.Helper()
	return func(status int, body string, err error) {
		t.Helper()
		if err != nil || status != wantStatus || strings.TrimSpace(body) != wantBody {
			t.Fatalf("got %d %.100q and %v, want %d %.100q", status, body, err, wantStatus, wantBody)
		}
	}
}

func refusal(e *Error) (int, string) {
	b, _ := json.Marshal(e)
	return e.Status, string(b)
}

// opening is the payload of an OPEN packet.
type opening struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int64    `json:"pingInterval"`
	PingTimeout  int64    `json:"pingTimeout"`
	MaxPayload   int64    `json:"maxPayload"`
}

func readOpening(packet string) (o opening, err error) {
	if !strings.HasPrefix(packet, "0") {
		return o, fmt.Errorf("%.60q is no OPEN packet", packet)
	}
	d := json.NewDecoder(strings.NewReader(packet[1:]))
	d.DisallowUnknownFields()
	return o, d.Decode(&o)
}

// handshake opens a long-polling session.
func (n *site) handshake() (*told, error) {
	status, body, err := n.get("")
	if err != nil || status != http.StatusOK {
		return nil, fmt.Errorf("handshake: %d %q %w", status, body, err)
	}
	o, err := readOpening(body)
	return n.handler.of(o.SID), err
}

// wire is the client's end of a WebSocket.
type wire struct {
	net.Conn
	r *bufio.Reader
}

// closed is the close frame that a WebSocket got.
type closed struct{ code ws.StatusCode }

func (c closed) Error() string { return fmt.Sprintf("closed with %d", c.code) }

func (n *site) dial(sid string) (*wire, error) {
	d := ws.Dialer{Timeout: patience, TLSConfig: &tls.Config{}}
	if n.http.TLS != nil {
		d.TLSConfig = n.http.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	}
	nc, r, _, err := d.Dial(context.Background(), "ws"+strings.TrimPrefix(n.url(WebSocket, sid), "http"))
	if err != nil {
		return nil, err
	}
	if r == nil {
		r = bufio.NewReader(nc)
	}
	return &wire{nc, r}, nc.SetDeadline(time.Now().Add(patience))
}

// say sends packets, in the form of a payload, in one write.
func (w *wire) say(packets ...string) error {
	var b []byte
	for _, p := range packets {
		f := ws.NewTextFrame([]byte(p))
		if data, ok := strings.CutPrefix(p, "b"); ok {
			raw, err := base64.StdEncoding.DecodeString(data)
			if err != nil {
				return err
			}
			f = ws.NewBinaryFrame(raw)
		}
		compiled, err := ws.CompileFrame(ws.MaskFrame(f))
		if err != nil {
			return err
		}
		b = append(b, compiled...)
	}
	_, err := w.Write(b)
	return err
}

// hear returns the next packet in the form of a payload; a close frame is an error.
func (w *wire) hear() (string, error) {
	f, err := readFrame(w.r)
	switch {
	case err != nil:
		return "", err
	case f.Header.Masked:
		return "", errors.New("a frame of the server is masked")
	case f.Header.OpCode == ws.OpText:
		return string(f.Payload), nil
	case f.Header.OpCode == ws.OpBinary:
		return "b" + base64.StdEncoding.EncodeToString(f.Payload), nil
	case f.Header.OpCode == ws.OpClose:
		code, _ := ws.ParseCloseFrameData(f.Payload)
		return "", closed{code}
	}
	return "", fmt.Errorf("unexpected frame %v", f.Header.OpCode)
}

// way is a transport that a session has come to.
type way string

const (
	polls    way = "polling"
	opensWS  way = "websocket"
	upgrades way = "upgraded"
)

var ways = []way{polls, opensWS, upgrades}

// client is a client, whatever its transport.
type client struct {
	*told
	n     *site
	t     testing.TB
	wire  *wire // nil: long-polling
	heard []string
}

func (n *site) client(t testing.TB, by way) *client {
	t.Helper()
	c := &client{n: n, t: t}
	var err error
	if by == opensWS {
		if c.wire, err = n.dial(""); err != nil {
			t.Fatal(err)
		}
		c.closeLater()
		o, err := readOpening(c.hear())
		if err != nil {
			t.Fatal(err)
		}
		c.told = n.handler.of(o.SID)
		return c
	}
	if c.told, err = n.handshake(); err != nil {
		t.Fatal(err)
	}
	if by == upgrades {
		c.upgrade()
	}
	return c
}

func (c *client) closeLater() { c.t.Cleanup(func() { _ = c.wire.Close() }) }

// upgrade goes from long-polling to WebSocket. No GET may be under way.
func (c *client) upgrade() {
	c.t.Helper()
	w, err := c.n.probed(c.SID())
	if err == nil {
		err = w.say("5")
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.wire = w
	c.closeLater()
	until(c.t, "the upgrade is done", func() bool { return !c.conn.Polls() })
}

// probed begins an upgrade.
func (n *site) probed(sid string) (*wire, error) {
	w, err := n.dial(sid)
	if err != nil {
		return nil, err
	}
	if err := w.say("2probe"); err != nil {
		return nil, err
	}
	if p, err := w.hear(); err != nil || p != "3probe" {
		return nil, fmt.Errorf("the answer to the probe is %q and %w", p, err)
	}
	return w, nil
}

func (c *client) say(packets ...string) {
	c.t.Helper()
	if c.wire == nil {
		wantAnswer(c.t, http.StatusOK, "ok")(c.n.post(c.SID(), strings.Join(packets, "\x1e")))
		return
	}
	if err := c.wire.say(packets...); err != nil {
		c.t.Fatal(err)
	}
}

// hear returns the next packet.
func (c *client) hear() string {
	c.t.Helper()
	if c.wire != nil {
		p, err := c.wire.hear()
		if err != nil {
			c.t.Fatal(err)
		}
		return p
	}
	if len(c.heard) == 0 {
		status, body, err := c.n.get(c.SID())
		if err != nil || status != http.StatusOK {
			c.t.Fatalf("got %d %q and %v", status, body, err)
		}
		c.heard = strings.Split(body, "\x1e")
	}
	p := c.heard[0]
	c.heard = c.heard[1:]
	return p
}

func (c *client) wantHear(packets ...string) {
	c.t.Helper()
	for _, want := range packets {
		if got := c.hear(); got != want {
			c.t.Fatalf("got %.60q, want %.60q", got, want)
		}
	}
}

// wantClose checks that the WebSocket gets a close frame next.
func (c *client) wantClose(code ws.StatusCode) {
	c.t.Helper()
	if p, err := c.wire.hear(); err != (closed{code}) {
		c.t.Fatalf("got %.60q and %v, want a close frame with %d", p, err, code)
	}
}

// wantEOF checks that nothing more comes on a WebSocket.
func (w *wire) wantEOF(t testing.TB) {
	t.Helper()
	if p, err := w.hear(); err != io.EOF {
		t.Fatalf("got %.60q and %v, want the end", p, err)
	}
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

// pass lets time pass, measured in heartbeats of another client.
func (n *site) pass(t testing.TB, d time.Duration) {
	t.Helper()
	c := n.client(t, opensWS)
	for end := time.Now().Add(d); time.Now().Before(end); {
		c.wantHear("2")
		c.say("3")
	}
	if err := c.wire.Close(); err != nil {
		t.Fatal(err)
	}
	c.told.wantClosed(t, ReasonTransportClose)
}

// onWays runs a test for each way to have a session.
func onWays(t *testing.T, f func(t *testing.T, by way)) {
	t.Helper()
	for _, by := range ways {
		t.Run(string(by), func(t *testing.T) { f(t, by) })
	}
}

func each(n, atATime int, f func(i int) error) error {
	var wg sync.WaitGroup
	var next atomic.Int64
	errs := make([]error, n)
	for range atATime {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if errs[i] = f(i); errs[i] != nil {
					errs[i] = fmt.Errorf("%d: %w", i, errs[i])
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
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
