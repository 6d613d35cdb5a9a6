package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"github.com/ws-emit/ws-emit/server/sioclient"
)

// attacks are the kinds of hostile connections, and how often each is made. An error means that the server did not do its part.
var attacks = []struct {
	name   string
	weight int
	run    func(*attacker) error
}{
	{"packets by WebSocket", 150, (*attacker).packetsBySocket},
	{"packets by long-polling", 100, (*attacker).packetsByPolling},
	{"frames", 150, (*attacker).frames},
	{"bytes", 100, (*attacker).bytes},
	{"attachments", 50, (*attacker).attachments},
	{"bodies of long-polling", 60, (*attacker).pollingBodies},
	{"requests at once", 50, (*attacker).requestsAtOnce},
	{"emits", 60, (*attacker).emits},
	{"upgrade", 100, (*attacker).upgrade},
	{"handshakes without CONNECT", 80, (*attacker).handshakes},
	{"joins", 15, (*attacker).joins},
	{"fragments for ever", 10, (*attacker).fragments},
	{"PINGs", 2, (*attacker).pings},
}

// deep is JSON of 100,000 levels.
var deep = strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)

// siegePackets are packets of Engine.IO that servers have stumbled over, or could.
var siegePackets = []string{
	"", "4", "42", "42[]", "42[null]", "40/x", "43", "431[]", `451-["m",{"a":{"_placeholder":true,"num":-5}}]`, "4599999999999999999999-[]", "3", "5", "6", "9",
	"0", "1", "2", "2probe", "40", "41", "44{}", "47", "40/x,{}", "40{\"a\":1}", "40[]", "40" + strings.Repeat("/", 300), "40?a=b", "4" + strings.Repeat("9", 400),
	"42" + deep, "40" + deep, `40{"a":` + deep + "}", `42["join",` + deep + "]", `42["join",{"room":` + deep + "}]", "42" + strings.Repeat("[", 100_000),
	"42[\"join\",\"\xff\"]", "40{\"a\":\"\xc0\x80\"}", "42[\"\xed\xa0\x80\"]", `42["\ud800"]`, `42["join","\u0000"]`, `42["join","` + strings.Repeat("::", 120) + `"]`,
	`42["__proto__"]`, `42["constructor",{"__proto__":{"room":"a"}}]`, `42["join",{"__proto__":{"room":"a"}}]`, `42["join",{"room":"a","secret":1e999999}]`,
	`42[1e999999]`, `42[-1]`, "42[" + strings.Repeat("9", 10_000) + `]`, `42["join",-1e-999]`, `4299999999999999999999["join","a"]`, `429007199254740993["join","a"]`,
	`421["join","s::a"]`, `421["join",{"room":"s::a","secret":"no"}]`, `421["leave","s::a"]`, `42["disconnect"]`, `42["connect_error"]`, `431["nobody","asked"]`,
	`43[]`, `439007199254740991[]`, `461-1[{"_placeholder":true,"num":0}]`, "450-[]", "45-[]", "451[]", "451-", "\x00", "\xff\xff\xff\xff", "b", "bAAAA", "b====", "\x1e",
}

// siegeFrames are what RFC 6455 does not allow, or allows in bad company.
var siegeFrames = []string{
	"\x81", "\x81\xfe\x00", "\x81\xff\x00\x00\x00", "\x81\x85mas", "\x81\x85maskab", // half
	"\x81\xff\x40\x00\x00\x00\x00\x00\x00\x00mask", "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00mask", "\x82\xff\x00\x00\x00\x00\xff\xff\xff\xffmaskx", // giant
	"\x81\x02hi", "\x89\x00", "\x83\x80mask", "\x87\x80mask", "\x8b\x80mask", "\x8f\x80mask", "\xc1\x80mask", "\xa1\x80mask", "\x91\x80mask",
	"\x80\x80mask", "\x01\x80mask\x81\x80mask", "\x01\x80mask\x02\x80mask", "\x09\x80mask", "\x89\xfe\x00\x7emask", "\x8a\x80mask",
	"\x88\x81mask\x00", frameOf(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "\xff\xfe"))), frameOf(ws.NewCloseFrame(ws.NewCloseFrameBody(1005, ""))),
	frameOf(ws.NewCloseFrame(ws.NewCloseFrameBody(65535, ""))), frameOf(ws.NewCloseFrame(nil)), frameOf(ws.NewTextFrame([]byte("42[\"\xff\"]"))),
	frameOf(ws.NewTextFrame([]byte("\xf0\x9f"))), frameOf(ws.NewFrame(ws.OpText, false, []byte("42[\"\xf0\x9f"))) + frameOf(ws.NewFrame(ws.OpContinuation, true, []byte("x\"]"))),
	frameOf(ws.NewBinaryFrame(nil)), frameOf(ws.NewBinaryFrame([]byte("4"))), "GET /socket.io/ HTTP/1.1\r\nHost: x\r\n\r\n",
}

// siegeBytes are what comes on a connection that is to be HTTP.
var siegeBytes = []string{
	"", "\r\n", "GET", "GET /socket.io/ HTTP/9.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\x00\xff\x00\xff",
	"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 100_000), "GET /" + strings.Repeat("a", 100_000),
	"GET /socket.io/?EIO=4&transport=polling&sid=" + strings.Repeat("x", 10_000) + " HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
	"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \xff\r\n\r\n",
	"GET /socket.io/?EIO=4&transport=websocket&sid=nobody HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
	"POST /socket.io/?EIO=4&transport=polling&sid=nobody HTTP/1.1\r\nHost: x\r\nContent-Length: 4611686018427387904\r\n\r\n4",
	"POST /emit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "POST /emit HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}",
	"POST /emit HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "POST /emit HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
	"PUT /roomspaces/%00 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", "DELETE /roomspaces/" + strings.Repeat("%41", 1000) + " HTTP/1.1\r\nHost: x\r\n\r\n",
}

// siegeEmits are bodies of POST /emit. None goes to the room of the good clients; some go to everybody.
var siegeEmits = []string{
	"", "null", "7", `"x"`, "{}", "[]", "[[]]", "\x00", "\xff", "\ufeff{}", deep, `{"event":"e","room":"none","data":` + deep + "}", strings.Repeat(`{"data":`, 100_000),
	`{"event":"e","data":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "}", `{"event":"e","data":"` + "\xff" + `"}`, `{"event":"e","data":"\ud800\u0000"}`,
	`{"event":"e","data":1e999999}`, `{"event":"__proto__","data":{"__proto__":{"a":1}}}`, `{"event":"e","room":"a","room":"b"}`, `{"event":"e","room":[` + strings.Repeat(`"n",`, 5000) + `"x"]}`,
	`{"event":"e","room":` + strings.Repeat("9", 1000) + `}`, `{"event":"disconnect"}`, `{"event":"e","namespace":"` + strings.Repeat("/", 1000) + `"}`, `{"event":"e","room":"none"`,
	`[` + strings.Repeat(`{"event":"e","room":"none"},`, 999) + `{"event":"e","room":"none"}]`, `[` + strings.Repeat(`{"event":"e","room":"none"},`, 5000) + `7]`,
	`{"event":"e","room":"none","data":"` + strings.Repeat("x", 600<<10) + `"}`,
}

func (a *attacker) pick(from []string) string { return from[a.IntN(len(from))] }

// mangled is one of these as it stands, or with some bytes changed and its end cut off, or random bytes.
func (a *attacker) mangled(from []string) string {
	b := []byte(a.pick(from))
	switch a.IntN(4) {
	case 0, 1:
		return string(b)
	case 2:
		b = make([]byte, 1+a.IntN(200))
		for i := range b {
			b[i] = byte(a.Uint32())
		}
		return string(b)
	}
	for range min(len(b), 1+a.IntN(4)) {
		b[a.IntN(len(b))] = byte(a.Uint32())
	}
	return string(b[:a.IntN(len(b)+1)])
}

// socket opens a WebSocket, on which nothing, a CONNECT, or a CONNECT and a join have been said.
func (a *attacker) socket() (*socketWire, error) {
	return dialSocket(a.url, "", [][]string{nil, {"40"}, {"40", `420["join","a"]`}}[a.IntN(3)]...)
}

// poll opens a session by long-polling.
func (s *siege) poll() (*pollWire, error) {
	p := newPollWire(s.url)
	if _, err := expect(p, "0{"); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// path is where the requests of a session go.
func (w *pollWire) path() string { return w.url[strings.Index(w.url, "/socket.io/"):] }

// say opens a connection and writes to it.
func (s *siege) say(text string) (net.Conn, error) {
	c, err := dialHost(s.url)
	if err != nil {
		return nil, err
	}
	_, _ = io.WriteString(c, text) // it may be refused before all is written
	return c, nil
}

// leave ends a connection in one of the ways in which clients go: with a word, without, by a reset, or not at all.
func (a *attacker) leave(c net.Conn) {
	switch tcp := c.(*net.TCPConn); a.IntN(6) {
	case 0, 1:
		_ = tcp.SetLinger(0)
	case 2:
		_ = tcp.CloseWrite()
		listen(c)
	case 3:
		listen(c)
	case 4:
		a.keep(c)
		return
	}
	_ = c.Close()
}

// listen reads until the server ends the connection, but not for long.
func listen(c net.Conn) {
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, _ = io.Copy(io.Discard, c)
}

func (a *attacker) packetsBySocket() error {
	w, err := a.socket()
	if err != nil {
		return err
	}
	for range 1 + a.IntN(6) {
		_ = w.write(a.mangled(siegePackets)) // the server may have had enough
	}
	a.leave(w.Conn)
	return nil
}

func (a *attacker) packetsByPolling() error {
	p, err := a.poll()
	if err != nil {
		return err
	}
	defer p.close()
	if a.IntN(3) > 0 {
		if err := connect(p); err != nil {
			return err
		}
	}
	for range 1 + a.IntN(4) {
		if err := answered(p.request(http.MethodPost, strings.NewReader(a.mangled(siegePackets)))); err != nil {
			return err
		}
	}
	return nil
}

// answered expects an answer to a request, though not to a large one that is refused while it is being written. A bug in the server is no answer.
func answered(_ string, err error) error {
	var refused *sioclient.StatusError
	var network *net.OpError
	if errors.As(err, &refused) && refused.Status < http.StatusInternalServerError || errors.As(err, &network) && network.Op != "dial" {
		return nil
	}
	return err
}

func (a *attacker) frames() error {
	w, err := a.socket()
	if err != nil {
		return err
	}
	for range 1 + a.IntN(3) {
		_, _ = io.WriteString(w, a.mangled(siegeFrames))
	}
	a.leave(w.Conn)
	return nil
}

func (a *attacker) bytes() error {
	c, err := a.say(a.mangled(siegeBytes))
	if err != nil {
		return err
	}
	if a.IntN(2) == 0 {
		_ = c.(*net.TCPConn).SetLinger(0)
	} else {
		listen(c)
	}
	return c.Close() // not left to the server: if it was HTTP after all, that keeps it for the next request
}

func binary(size int) string { return frameOf(ws.NewBinaryFrame(make([]byte, size))) }

func text(s string) string { return frameOf(ws.NewTextFrame([]byte(s))) }

// attachments announces binary attachments, and then sends others.
func (a *attacker) attachments() error {
	const one = `451-["m",{"_placeholder":true,"num":0}]`
	w, err := dialSocket(a.url, "", "40")
	if err != nil {
		return err
	}
	_, _ = io.WriteString(w, a.pick([]string{
		binary(0), text(one), text(one) + text(one), text(one) + binary(1) + binary(1), text(one) + text("3") + binary(0), text(one) + text("41"), text(one) + text("1"),
		text(`4511-["m"]`) + strings.Repeat(binary(1), 11), text(`4510-["m"]`) + strings.Repeat(binary(1), 10), text(`4510-["m"]`) + strings.Repeat(binary(150_000), 10),
		text(`451-["m",{"_placeholder":true,"num":-5}]`) + binary(1), text(`451-["m",{"_placeholder":true,"num":1e99}]`) + binary(1), text(`451-["m"]`) + binary(1),
		text(`451-["join",{"_placeholder":true,"num":0}]`) + binary(1), text(`461-0[{"_placeholder":true,"num":99}]`) + binary(0), text(`453-["m"]`) + binary(1),
	}))
	a.leave(w.Conn)
	return nil
}

// pollingBodies sends bodies that are no payloads, or too much of one.
func (a *attacker) pollingBodies() error {
	p, err := a.poll()
	if err != nil {
		return err
	}
	defer p.close()
	if err := connect(p); err != nil {
		return err
	}
	var body io.Reader
	switch a.IntN(5) {
	case 0:
		body = strings.NewReader(strings.Repeat(a.pick([]string{"3\x1e", "6\x1e", "40\x1e", "43[]\x1e", "42[\"a\"]\x1e", "\x1e", "b\x1e"}), 100_000))
	case 1:
		body = io.MultiReader(strings.NewReader(strings.Repeat("3\x1e", 600_000))) // chunked, since its length is not known
	case 2:
		body = strings.NewReader(a.pick([]string{"b!!!!", "bAAA", "b=", "b", "\x1e", "3\x1e", "\x1e3", "3\x1e\x1e3", "4\xff", "3\x1e4\xc3"}))
	case 3:
		p.url = a.url + "/socket.io/?EIO=4&transport=polling&sid=" + a.pick([]string{"x", "%00", "%ff%fe", strings.Repeat("A", 22), p.sid[1:]})
		body = strings.NewReader("3")
	default:
		body = strings.NewReader(strings.Repeat(`42["a"]`+"\x1e", 5000) + a.mangled(siegePackets))
	}
	return answered(p.request(http.MethodPost, body))
}

// requestsAtOnce sends several GETs or POSTs of one session at the same time, some of which never end, and vanishes.
func (a *attacker) requestsAtOnce() error {
	p, err := a.poll()
	if err != nil {
		return err
	}
	defer p.close()
	request := a.pick([]string{"GET " + p.path() + " HTTP/1.1\r\nHost: x\r\n\r\n", "POST " + p.path() + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n4"})
	for range 1 + a.IntN(4) {
		c, err := a.say(request)
		if err != nil {
			return err
		}
		defer func() {
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		}()
		if a.IntN(2) == 0 {
			listen(c)
		}
	}
	return nil
}

// emits posts what should be refused, mostly with the right secret.
func (a *attacker) emits() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url+"/emit", strings.NewReader(a.pick(siegeEmits)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", a.pick([]string{"application/json", "application/json", "application/x-ndjson", "text/plain"}))
	if a.IntN(4) > 0 {
		req.Header.Set("Authorization", "Bearer "+emitSecret)
	}
	res, err := a.http.Do(req)
	if err != nil {
		return answered("", err)
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusInternalServerError && res.StatusCode != http.StatusServiceUnavailable {
		return fmt.Errorf("answered with %s", res.Status)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return answered("", err)
}

// upgrade opens WebSockets for a session that is on long-polling, and breaks the rules of an upgrade.
func (a *attacker) upgrade() error {
	p, err := a.poll()
	if err != nil {
		return err
	}
	defer p.close()
	if a.IntN(2) == 0 {
		if err := connect(p); err != nil {
			return err
		}
	}
	for range 1 + a.IntN(4) {
		w, err := dialSocket(a.url, p.sid, [][]string{
			nil, {"2probe"}, {"2probe", "2probe"}, {"5"}, {"5", "2probe"}, {"2probe", "5"}, {"2probe", "5", "5", "2probe"}, {"2probe", "5", "40", `421["join","a"]`}, {"40"}, {"2"},
			{"3probe"}, {"2probe", a.mangled(siegePackets)}, {a.mangled(siegePackets)}, {"2probe", "5", a.mangled(siegePackets)},
		}[a.IntN(14)]...)
		if err != nil {
			continue // the session is on a WebSocket, or has ended
		}
		defer a.leave(w.Conn) // so there are several at once
		if a.IntN(3) == 0 {
			if err := answered(p.request(http.MethodPost, strings.NewReader(a.pick([]string{"3", "40", "41", "1", `42["join","b"]`})))); err != nil {
				return err
			}
		}
	}
	return nil
}

// handshakes opens sessions and says nothing.
func (a *attacker) handshakes() error {
	for range 5 {
		w, err := dialSocket(a.url, "")
		if err != nil {
			return err
		}
		a.leave(w.Conn)
		p, err := a.poll()
		if err != nil {
			return err
		}
		p.close()
	}
	return nil
}

// joins asks for many rooms with long names, more than a client may be in, and of spaces that there are not, and reads the answers or does not.
func (a *attacker) joins() error {
	w, err := dialSocket(a.url, "", "40")
	if err != nil {
		return err
	}
	space := a.pick([]string{"", "::", "s::"})
	for i := range 300 {
		room := fmt.Sprintf("%d-%d%s", a.Uint64(), i, space)
		if space == "s::" {
			room = fmt.Sprintf("s::%d", i)
		}
		room += strings.Repeat("x", 255-len(room))
		if w.write(fmt.Sprintf(`42%d["join",{"room":%q,"secret":"no"}]`, i, room)) != nil {
			break
		}
	}
	a.leave(w.Conn)
	return nil
}

// fragments sends a message that has no end, in small fragments or empty ones, with PINGs among them.
func (a *attacker) fragments() error {
	w, err := dialSocket(a.url, "", "40")
	if err != nil {
		return err
	}
	more := frameOf(ws.NewFrame(ws.OpContinuation, false, make([]byte, a.IntN(2)*1000))) + frameOf(ws.NewPingFrame(nil))
	_, err = io.WriteString(w, frameOf(ws.NewFrame(ws.OpText, false, nil)))
	for i := 0; i < 200 && err == nil; i++ {
		_, err = io.WriteString(w, strings.Repeat(more, 10)) // 2,000,000 bytes, or none
	}
	a.leave(w.Conn)
	return nil
}

// pings sends PINGs and reads no PONG, until the server ends it or there were enough.
func (a *attacker) pings() error {
	w, err := dialSocket(a.url, "", "40")
	if err != nil {
		return err
	}
	defer w.close()
	_ = w.SetWriteDeadline(time.Now().Add(patience))
	many := strings.Repeat(frameOf(ws.NewPingFrame(make([]byte, 125))), 500)
	for range 1500 { // 98 MB: the network keeps up to 10 MB in each direction
		if _, err := io.WriteString(w, many); err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				return errors.New("the server neither reads nor ends a client that does not read")
			}
			return nil
		}
	}
	return errors.New("the server goes on to answer a client that does not read")
}
