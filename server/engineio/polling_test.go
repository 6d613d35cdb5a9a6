package engineio

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ws-emit/ws-emit/server/frame"
)

// waitingGET starts a GET, and returns once it waits. Its answer comes from the channel.
func (c *client) waitingGET(ctx context.Context) <-chan answer {
	c.t.Helper()
	answers := make(chan answer, 1)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.n.url(Polling, c.SID()), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	go func() { // ends when the GET is answered, for which each test waits
		var a answer
		defer func() { answers <- a }()
		resp, err := c.n.http.Client().Do(req)
		if err != nil {
			a.err = err
			return
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		a = answer{resp.StatusCode, string(b), err}
	}()
	until(c.t, "the GET waits", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.getting
	})
	return answers
}

type answer struct {
	status int
	body   string
	err    error
}

func (a answer) all() (int, string, error) { return a.status, a.body, a.err }

func TestMessagesByPolling(t *testing.T) {
	n := start(t, Config{}, &fake{})
	c := n.client(t, polls)
	c.say("4hello", "bAQIDBA==", "4", "b", "4€")
	c.told.want(t, "4hello", "bAQIDBA==", "4", "b", "4€")
	c.send("4one")
	c.send("4two")
	wantAnswer(t, 200, "4one\x1e4two")(n.get(c.SID()))
	get := c.waitingGET(t.Context())
	c.send("4three")
	wantAnswer(t, 200, "4three")((<-get).all())
}

func TestOrderOfManyPackets(t *testing.T) {
	n := start(t, Config{}, &fake{})
	onWays(t, func(t *testing.T, by way) {
		c := n.client(t, by)
		var packets []string
		for i := range 1000 {
			packets = append(packets, fmt.Sprintf("4%d", i))
		}
		c.say(packets...)
		c.told.want(t, packets...)
		for _, p := range packets {
			c.send(p)
		}
		c.wantHear(packets...)
	})
}

func TestBinaryBothWays(t *testing.T) {
	n := start(t, Config{}, &fake{})
	onWays(t, func(t *testing.T, by way) {
		c := n.client(t, by)
		for _, size := range []int{0, 1, 2, 3, 125, 126, 65_535, 65_536, 200_000} {
			data := make([]byte, size)
			for i := range data {
				data[i] = byte(i * 7)
			}
			packet := "b" + base64.StdEncoding.EncodeToString(data)
			c.say(packet)
			c.told.want(t, packet)
			c.Send(frame.One(frame.New(frame.Packet{Binary: true, Data: data})))
			c.wantHear(packet)
		}
	})
}

func TestTwoGETs(t *testing.T) {
	n := start(t, Config{}, &fake{})
	c := n.client(t, polls)
	first := c.waitingGET(t.Context())
	wantAnswer(t, 400, body(errOverlap))(n.get(c.SID()))
	wantAnswer(t, 200, "1")((<-first).all())
	c.wantClosed(t, ReasonOverlap)
	wantAnswer(t, 400, body(ErrUnknownSID))(n.get(c.SID()))
}

// raw is a TCP connection on which a test writes HTTP itself.
type raw struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func (n *site) raw(t testing.TB) *raw {
	t.Helper()
	nc, err := net.Dial("tcp", n.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &raw{nc, t, bufio.NewReader(nc)}
}

func (r *raw) write(format string, args ...any) {
	r.t.Helper()
	if _, err := fmt.Fprintf(r.Conn, format, args...); err != nil {
		r.t.Fatal(err)
	}
}

func (r *raw) startPOST(sid, headers string) {
	r.t.Helper()
	r.write("POST /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", sid, headers)
}

func (r *raw) answer() (int, string, error) {
	resp, err := http.ReadResponse(r.r, nil)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func TestTwoPOSTs(t *testing.T) {
	n := start(t, Config{}, &fake{})
	c := n.client(t, polls)
	first := n.raw(t)
	first.startPOST(c.SID(), "Content-Length: 5")
	until(t, "the POST is being read", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.posting
	})
	wantAnswer(t, 400, body(errOverlap))(n.post(c.SID(), "4b"))
	c.wantClosed(t, ReasonOverlap)
	first.write("4late")
	if _, _, err := first.answer(); err != nil {
		t.Error(err)
	}
	if len(c.messages) != 0 {
		t.Errorf("the Handler got %q", <-c.messages)
	}
}

// A GET and a POST at once are how long-polling works.
func TestPOSTWhileAGETWaits(t *testing.T) {
	n := start(t, Config{}, &fake{})
	c := n.client(t, polls)
	get := c.waitingGET(t.Context())
	for i := range 10 {
		c.say(fmt.Sprintf("4%d", i))
		c.told.want(t, fmt.Sprintf("4%d", i))
	}
	c.send("4answer")
	wantAnswer(t, 200, "4answer")((<-get).all())
}

func TestGETGivenUp(t *testing.T) {
	n := start(t, Config{}, &fake{})
	c := n.client(t, polls)
	ctx, cancel := context.WithCancel(t.Context())
	get := c.waitingGET(ctx)
	cancel()
	if a := <-get; a.err == nil {
		t.Errorf("got %d %q", a.status, a.body)
	}
	c.wantClosed(t, ReasonTransportClose)
}

func TestBodyTooLarge(t *testing.T) {
	const limit = 1000
	n := start(t, Config{MaxPayload: limit}, &fake{})
	fits := "4" + strings.Repeat("x", limit-1)
	t.Run("largest", func(t *testing.T) {
		c := n.client(t, polls)
		c.say(fits)
		c.told.want(t, fits)
		r := n.raw(t)
		r.startPOST(c.SID(), "Transfer-Encoding: chunked")
		r.write("%x\r\n%s\r\n0\r\n\r\n", limit, fits)
		wantAnswer(t, 200, "ok")(r.answer())
		c.told.want(t, fits)
	})
	t.Run("by Content-Length", func(t *testing.T) {
		c := n.client(t, polls)
		r := n.raw(t)
		r.startPOST(c.SID(), fmt.Sprintf("Content-Length: %d", int64(1)<<60))
		wantAnswer(t, 413, body(errTooLarge))(r.answer())
		c.wantClosed(t, ReasonTooLarge)
	})
	t.Run("chunked", func(t *testing.T) {
		c := n.client(t, polls)
		r := n.raw(t)
		r.startPOST(c.SID(), "Transfer-Encoding: chunked")
		r.write("%x\r\n%s\r\n1\r\nx\r\n", limit, fits) // and it does not end
		wantAnswer(t, 413, body(errTooLarge))(r.answer())
		c.wantClosed(t, ReasonTooLarge)
	})
	t.Run("one packet of several", func(t *testing.T) {
		c := n.client(t, polls)
		wantAnswer(t, 413, body(errTooLarge))(n.post(c.SID(), fits+"\x1e4"))
		c.wantClosed(t, ReasonTooLarge)
	})
}

func TestSlowBody(t *testing.T) {
	n := start(t, Config{BodyTimeout: 50 * time.Millisecond}, &fake{})
	for name, headers := range map[string]string{"Content-Length": "Content-Length: 100", "chunked": "Transfer-Encoding: chunked"} {
		t.Run(name, func(t *testing.T) {
			c := n.client(t, polls)
			r := n.raw(t)
			r.startPOST(c.SID(), headers+"\r\n\r\n5\r\n4hell")
			wantAnswer(t, 400, body(ErrBadRequest))(r.answer())
			c.wantClosed(t, ReasonTransportError)
		})
	}
}

func TestBodyCutOff(t *testing.T) {
	n := start(t, Config{}, &fake{})
	c := n.client(t, polls)
	r := n.raw(t)
	r.startPOST(c.SID(), "Content-Length: 100")
	r.write("4hello")
	_ = r.Close()
	c.wantClosed(t, ReasonTransportError)
}

// The time for a body is over once it has been read: a connection that is used again must not suffer from it.
func TestBodyTimeoutIsForTheBody(t *testing.T) {
	release := make(chan struct{})
	n := start(t, Config{BodyTimeout: 50 * time.Millisecond, PingInterval: 40 * time.Millisecond, PingTimeout: patience}, &fake{
		message: func(_ *Session, m Message) func() {
			if string(m.Data) == "wait" {
				return func() { <-release }
			}
			return nil
		},
	})
	c := n.client(t, polls)
	c.say("4wait")
	c.say(repeated("4x", maxWaitingMessages)...)
	r := n.raw(t)
	r.startPOST(c.SID(), "Content-Length: 2\r\n\r\n4y") // blocks
	n.pass(t, 150*time.Millisecond)
	close(release)
	wantAnswer(t, 200, "ok")(r.answer())
	c.told.want(t, "4wait")
	c.told.want(t, repeated("4x", maxWaitingMessages)...)
	c.told.want(t, "4y")
	c.wantHear("2")
	r.write("GET /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\n\r\n", c.SID())
	until(t, "the GET waits", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.getting })
	c.send("4here")
	wantAnswer(t, 200, "4here")(r.answer())
}

func repeated(s string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = s
	}
	return all
}

// The time for an answer is over once it has been written.
func TestWriteTimeoutIsForTheAnswer(t *testing.T) {
	n := start(t, Config{WriteTimeout: 60 * time.Millisecond, PingInterval: 40 * time.Millisecond, PingTimeout: patience}, &fake{})
	r := n.raw(t)
	r.write("GET /?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n")
	if status, _, err := r.answer(); status != 200 || err != nil {
		t.Fatal(status, err)
	}
	n.pass(t, 150*time.Millisecond)
	r.write("GET /?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: x\r\n\r\n")
	wantAnswer(t, 400, body(ErrUnknownSID))(r.answer())
}

// Packet 1: a waiting GET is answered, or the next one.
func TestCloseByPolling(t *testing.T) {
	n := start(t, Config{}, &fake{})
	t.Run("with a GET", func(t *testing.T) {
		c := n.client(t, polls)
		get := c.waitingGET(t.Context())
		c.say("4last", "1", "4too late")
		wantAnswer(t, 200, "6")((<-get).all())
		c.wantClosed(t, ReasonClient)
		c.told.want(t, "4last")
		if len(c.messages) != 0 {
			t.Errorf("the Handler got %q", <-c.messages)
		}
		wantAnswer(t, 400, body(ErrUnknownSID))(n.get(c.SID()))
	})
	t.Run("without a GET, which then comes", func(t *testing.T) {
		c := n.client(t, polls)
		c.say("1")
		wantAnswer(t, 200, "6")(n.get(c.SID()))
		c.wantClosed(t, ReasonClient)
	})
	t.Run("without a GET, which never comes", func(t *testing.T) {
		c := n.client(t, polls)
		c.say("1")
		began := time.Now()
		c.wantClosed(t, ReasonClient)
		if took := time.Since(began); took > 3*goodbye {
			t.Errorf("closed after %v", took)
		}
	})
	t.Run("twice", func(t *testing.T) {
		c := n.client(t, polls)
		c.say("1", "1")
		c.say("1")
		wantAnswer(t, 200, "6")(n.get(c.SID()))
		c.wantClosed(t, ReasonClient)
	})
	t.Run("with something waiting", func(t *testing.T) {
		c := n.client(t, polls)
		c.send("4here")
		c.say("1")
		if c.send("4too late") {
			t.Error("something was accepted afterwards")
		}
		wantAnswer(t, 200, "4here\x1e6")(n.get(c.SID()))
		c.wantClosed(t, ReasonClient)
	})
}

// Packets that break the protocol end the session; those that a client has no reason to send say nothing.
func TestInvalidPackets(t *testing.T) {
	n := start(t, Config{}, &fake{})
	for name, packet := range map[string]string{
		"unknown type": "7", "unknown letter": "x", "a PING": "2", "a probe": "2probe", "WebTransport": "\x00", "a digit above": "9a", "a bare JSON": `{"a":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			onWays(t, func(t *testing.T, by way) {
				c := n.client(t, by)
				if by == polls {
					wantAnswer(t, 400, body(ErrBadRequest))(n.post(c.SID(), "4first\x1e"+packet+"\x1e4last"))
				} else {
					c.say("4first", packet, "4last")
					c.wantClose(1002)
					_ = c.wire.Close()
				}
				c.wantClosed(t, ReasonParseError)
				c.told.want(t, "4first")
				if len(c.messages) != 0 {
					t.Errorf("the Handler got %q", <-c.messages)
				}
			})
		})
	}
	for name, payload := range map[string]string{"empty body": "", "empty packet": "4a\x1e", "bad base64": "b?", "bad UTF-8": "4\xff"} {
		t.Run(name, func(t *testing.T) {
			c := n.client(t, polls)
			wantAnswer(t, 400, body(ErrBadRequest))(n.post(c.SID(), payload))
			c.wantClosed(t, ReasonParseError)
		})
	}
	t.Run("empty WebSocket message", func(t *testing.T) {
		c := n.client(t, opensWS)
		c.say("")
		c.wantClose(1002)
		_ = c.wire.Close()
		c.wantClosed(t, ReasonParseError)
	})
	t.Run("without meaning", func(t *testing.T) {
		onWays(t, func(t *testing.T, by way) {
			c := n.client(t, by)
			c.say("0", "3", "3probe", "5", "6", "4still here")
			c.told.want(t, "4still here")
		})
	})
}
