package server_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

// hostilePackets are Engine.IO packets that have ended some server or other, or look as if they could.
var hostilePackets = []string{
	"", "4", "42", "42[]", "42[null]", "40/x", "43", "431[]", `451-["m",{"a":{"_placeholder":true,"num":-5}}]`, "4599999999999999999999-[]", "3", "5", "6", "9",
	"0", "1", "2", "2probe", "3probe", "44", "45", "46", "47", "41", "40", "40{", "40{}", "40[]", "40/", "40/,", "40//////,", "40?a=b", "420", "42000000000000000000000[",
	`42["join"]`, `42["join",null]`, `42["join",{}]`, `42["join",{"room":{}}]`, `42["join","::"]`, `42["join","s::a"]`, `421["join",{"room":"s::a","secret":"no"}]`,
	`42["leave"]`, `42["leave","x"]`, `42["connect"]`, `42["__proto__"]`, `42[{}]`, `42[[[[[`, `42"x"`, `42{"a":1}`, `4299999999999999999["join","a"]`, `42-1["join","a"]`,
	`450-["a"]`, `451-["a"]`, `451-["a",{"_placeholder":true,"num":99999999999}]`, `4510-["a"]`, `461-0[{"_placeholder":true}]`, `43999[]`, `430["x"]`,
	"\x00", "\xff\xfe", "4\xff", "42[\"\xff\"]", "42[\"\xed\xa0\x80\"]", `42["\ud800"]`, `42["join","\ud800"]`, "b", "bAAAA", "b!!!!", "bAAA", "\x1e", "\x1e\x1e", "4\x1e",
	"42[1e999999]", `42["a",1e999999]`, "42[-]", "42[0x10]", `42["a"]]`, `42["a"] x`, " 42[\"a\"]", `42["join","a"]` + "\x00",
	strings.Repeat("4", 1000), `42["` + strings.Repeat("x", 10000) + `"]`, "42" + strings.Repeat("[", 100_000), "42" + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
	`42["join",` + strings.Repeat(`{"room":`, 50_000) + `1` + strings.Repeat(`}`, 50_000) + `]`, `42["join","` + strings.Repeat("::", 300) + `"]`, "40" + strings.Repeat(`{"a":`, 100_000),
}

// hostileFrames are bytes on a WebSocket.
var hostileFrames = []string{
	"\x81", "\x81\xfe", "\x81\xff\x40\x00\x00\x00\x00\x00\x00\x00mask", "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xffmask", "\x81\x05hello", // half, 2^62, negative, unmasked
	"\x82\xff\x00\x00\x00\x00\x00\x0f\x42\x40mask", "\x83\x80mask", "\x8b\x80mask", "\xf1\x80mask", "\x01\x80mask\x01\x80mask", "\x80\x80mask", // opcodes, RSV, fragments
	"\x89\xfe\x00\x80mask", "\x09\x80mask", "\x88\x81maskx", "\x88\x82mask\x6e\x89", "\x88\x80mask", // control frames
	frameOf(ws.NewTextFrame([]byte("\xff\xfe"))), frameOf(ws.NewBinaryFrame([]byte("\x00"))), frameOf(ws.NewPongFrame([]byte("?"))),
	strings.Repeat(frameOf(ws.NewPingFrame([]byte("flood"))), 2000), strings.Repeat(frameOf(ws.NewFrame(ws.OpText, false, nil)), 2), strings.Repeat(frameOf(ws.NewTextFrame(nil)), 1000),
	strings.Repeat(frameOf(ws.NewTextFrame([]byte("3"))), 2000), strings.Repeat(frameOf(ws.NewTextFrame([]byte("40"))), 50), "GET / HTTP/1.1\r\n\r\n", strings.Repeat("\x00", 100_000),
}

// hostileRequests are bytes on a connection of HTTP; %s is the host.
var hostileRequests = []string{
	"", "G", "GET", "GET / HTTP/1.1\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\r\n\r\n\r\n", "\x00\xff\x00",
	"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: %s\r\nX: " + strings.Repeat("x", 100_000),
	"GET /socket.io/?EIO=4&transport=polling&sid=" + strings.Repeat("x", 10_000) + " HTTP/1.1\r\nHost: %s\r\n\r\n",
	"POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: %s\r\nContent-Length: 99999999999999\r\n\r\n4",
	"POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
	"POST /emit HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 4611686018427387904\r\n\r\n{",
	"POST /emit HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n{",
	"POST /emit HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{",
	"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n",
	"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 99\r\n\r\n",
	"GET /socket.io/?EIO=4&transport=websocket&transport=polling HTTP/1.1\r\nHost: %s\r\n\r\n", "GET /socket.io/?%%zz HTTP/1.1\r\nHost: %s\r\n\r\n",
	"OPTIONS /socket.io/ HTTP/1.1\r\nHost: %s\r\nOrigin: http://localhost:7788\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: " + strings.Repeat("a,", 5000) + "\r\n\r\n",
	"PUT /roomspaces/%%00 HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer x\r\nContent-Length: 3\r\n\r\nabc", "GET /socket.io/../../../etc/passwd HTTP/1.1\r\nHost: %s\r\n\r\n",
	"PUT /roomspaces/a HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer " + emitSecret + "\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("[", 100_000),
}

// No input ends the server, keeps others from being served, or makes it use more and more: thousands of random hostile connections (under -race a third of
// them), with a good client among them that is served all the time. Afterwards goroutines, memory and open files are back where they were. What is waited
// for with a timeout has a short one here.
func TestInvariant5_HostileConnections(t *testing.T) {
	n := startChild(t, server.Config{
		HeaderTimeout: 2 * time.Second, ConnectTimeout: 2 * time.Second, WriteTimeout: 2 * time.Second, PingInterval: time.Second, PingTimeout: 5 * time.Second,
		RoomSecrets: map[string]string{"s": "S"},
	})
	witness := n.client(t, sioclient.Config{})
	join(t, witness, "good", "")
	n.settle(t, witness, 100) // what is needed once is there
	before := n.usage(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for round := range 6 {
		parallel(t, scaled(1000, 300), 64, func(i int) error {
			r := rand.New(rand.NewPCG(seed, uint64(round*10_000+i)))
			return n.attack(r)
		})
		n.emit(t, `{"event":"still","room":"good"}`)
		next(t, witness, "still", `[]`)
	}
	n.backTo(t, before)
	join(t, n.client(t, sioclient.Config{}), "good", "")
}

// settle makes a number of clients come and go.
func (c *child) settle(t testing.TB, witness *sioclient.Client, clients int) {
	t.Helper()
	parallel(t, clients, 32, func(i int) error { return c.comeAndGo(t.Context(), i) })
	for range clients {
		c.emit(t, `{"event":"e","room":"good"}`)
		next(t, witness, "e", `[]`)
	}
}

// backTo waits until the server uses no more than before: it may have a few goroutines and files more, for idle connections of net/http, and 8 MiB of what
// is kept for the next time, such as pools.
func (c *child) backTo(t testing.TB, before usage) {
	t.Helper()
	var now usage
	defer func() {
		t.Logf("before %+v, after %+v", before, now)
		if t.Failed() {
			c.stacks(t)
		}
	}()
	until(t, "the server uses no more than before", func() bool {
		now = c.usage(t)
		return now.Goroutines <= before.Goroutines+10 && now.Files <= before.Files+10 && now.Memory <= before.Memory+8<<20
	})
}

// attack is one hostile connection. It is an error when the server cannot be reached.
func (n *node) attack(r *rand.Rand) error {
	switch r.IntN(10) {
	case 0, 1, 2:
		return n.attackPackets(r, sioclient.TransportWebSocket)
	case 3, 4:
		return n.attackPackets(r, sioclient.TransportPolling)
	case 5, 6:
		return n.attackFrames(r)
	case 7:
		return n.attackUpgrade(r)
	default:
		return n.attackHTTP(r)
	}
}

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

// garbage is random bytes, or something hostile with some bytes changed or cut off.
func garbage(r *rand.Rand, from []string) string {
	b := []byte(pick(r, from))
	if len(b) == 0 || r.IntN(4) == 0 {
		b = make([]byte, r.IntN(300))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return string(b)
	}
	for range r.IntN(4) {
		b[r.IntN(len(b))] = byte(r.Uint32())
	}
	return string(b[:r.IntN(len(b)+1)])
}

// attackPackets is a session that says hostile things, before or after CONNECT.
func (n *node) attackPackets(r *rand.Rand, transport sioclient.Transport) error {
	w, err := dialWire(n.url, transport)
	if err != nil {
		return fmt.Errorf("the server takes no %s any more: %w", transport, err)
	}
	defer w.close()
	var packets []string
	if r.IntN(3) > 0 {
		packets = append(packets, "40")
	}
	for range 1 + r.IntN(5) {
		if r.IntN(2) == 0 {
			packets = append(packets, pick(r, hostilePackets))
		} else {
			packets = append(packets, garbage(r, hostilePackets))
		}
	}
	_ = w.write(packets...) // it may end before all is written
	return nil
}

// attackFrames is a WebSocket with what are no frames.
func (n *node) attackFrames(r *rand.Rand) error {
	w, err := dialSocket(n.url, "", "40")
	if err != nil {
		return fmt.Errorf("the server takes no WebSocket any more: %w", err)
	}
	defer w.close()
	say := pick(r, hostileFrames)
	if r.IntN(2) == 0 {
		say = garbage(r, hostileFrames)
	}
	if _, err := io.WriteString(w, say); err != nil {
		return nil // it has ended
	}
	if r.IntN(2) == 0 {
		_ = w.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = io.Copy(io.Discard, w) // until the server closes, or for a while
	}
	return nil
}

// attackUpgrade opens WebSockets for a session that is on long-polling, and breaks the rules of an upgrade.
func (n *node) attackUpgrade(r *rand.Rand) error {
	p := newPollWire(n.url)
	defer p.close()
	if _, err := expect(p, "0{"); err != nil {
		return fmt.Errorf("the server takes no polling any more: %w", err)
	}
	for range 1 + r.IntN(3) {
		w, err := dialSocket(n.url, p.sid)
		if err != nil {
			continue // refused, as it should be the second time
		}
		defer w.close()
		_ = w.write([][]string{
			{"2probe"}, {"2probe", "5"}, {"5"}, {"2probe", "5", "40", `420["join","a"]`}, {"2probe", "2probe"}, {"2probe", "40"}, {"2"}, {"2probe", "5", "5"}, {"3probe"},
			{garbage(r, hostilePackets)}, {"2probe", garbage(r, hostilePackets)}, {},
		}[r.IntN(12)]...)
		if r.IntN(2) == 0 {
			_ = p.write("40")
		}
	}
	return nil
}

// attackHTTP is a connection that is no or hardly HTTP, or emits nonsense with the right secret.
func (n *node) attackHTTP(r *rand.Rand) error {
	c, err := dialHost(n.url)
	if err != nil {
		return fmt.Errorf("the server takes no connection any more: %w", err)
	}
	defer c.Close()
	say := pick(r, hostileRequests)
	switch r.IntN(3) {
	case 0:
		say = garbage(r, hostileRequests)
	case 1:
		body := pick(r, hostileBodies)
		say = fmt.Sprintf("POST /emit HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+emitSecret+"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	if _, err := io.WriteString(c, say); err != nil {
		return nil
	}
	if r.IntN(2) == 0 {
		_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = io.Copy(io.Discard, c)
	}
	return nil
}

// hostileBodies are bodies of POST /emit.
var hostileBodies = []string{
	strings.Repeat("[", 100_000), strings.Repeat(`{"data":`, 100_000), `{"event":"e","room":"none","data":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`,
	"\xff", `{"event":"` + "\xff" + `"}`, `{"event":"\ud800","room":"none"}`, `{"event":"e","room":"none","data":"\ud800"}`, `{"event":"e","room":"none","data":1e999999}`, "null", "7", `"x"`, "{}", "[]", "[[]]",
	"\x00", `{"event":"e","room":"none"` + strings.Repeat(" ", 100_000) + "}", `{"event":"e","room":[` + strings.Repeat(`"none",`, 5000) + `"x"]}`, `{"event":"e","room":"none","room":"none"}`,
	`{"event":"e","namespace":"` + strings.Repeat("/", 1000) + `"}`, `[` + strings.Repeat(`{"event":"e","room":"none"},`, 2000) + `{}]`, "\ufeff{}",
}

// Clients that take all the time in the world over a header, a body, a handshake or a frame, adding a byte now and then, are ended, also where the body has
// been refused; and meanwhile they cost nobody anything. It takes as long as a body may take, half a minute.
func TestInvariant5_Slowloris(t *testing.T) {
	t.Parallel() // most of the time it waits
	n := startChild(t, server.Config{HeaderTimeout: 2 * time.Second, ConnectTimeout: 2 * time.Second, PingInterval: time.Second, PingTimeout: 3 * time.Second})
	witness := n.client(t, sioclient.Config{})
	join(t, witness, "good", "")
	n.settle(t, witness, 50)
	before := n.usage(t)
	// A GET that waits is as slow, and does not end. It goes to another server, which has nothing else to say.
	quiet := startChild(t, server.Config{HeaderTimeout: time.Second, PingInterval: 2 * patience})
	waiting := quiet.client(t, sioclient.Config{Transports: transports["polling"]})
	join(t, waiting, "good", "")
	left := map[string][]net.Conn{}
	for name, begin := range n.slowBeginnings() {
		conns := make([]net.Conn, scaled(100, 30))
		parallel(t, len(conns), 32, func(i int) (err error) {
			conns[i], err = begin()
			return err
		})
		left[name] = conns
	}
	n.emit(t, `{"event":"still","room":"good"}`)
	next(t, witness, "still", `[]`)
	join(t, n.client(t, sioclient.Config{}), "good", "")
	ended := repeat(500*time.Millisecond, func() bool {
		for name, conns := range left {
			if left[name] = dripInto(conns); len(left[name]) == 0 {
				delete(left, name)
			}
		}
		return len(left) == 0
	})
	for name, conns := range left {
		t.Errorf("%s: %d connections have not ended", name, len(conns))
		for _, c := range conns {
			_ = c.Close()
		}
	}
	if !ended {
		return
	}
	quiet.emit(t, `{"event":"at last","room":"good"}`)
	next(t, waiting, "at last", `[]`)
	n.backTo(t, before)
}

// slowBeginnings are the ways to begin something without ending it.
func (n *node) slowBeginnings() map[string]func() (net.Conn, error) {
	host := strings.TrimPrefix(n.url, "http://")
	const request = " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n"
	const body, refused = request + "Authorization: Bearer " + emitSecret + "\r\n\r\n", request + "\r\n"
	return map[string]func() (net.Conn, error){
		"header": func() (net.Conn, error) {
			return dialAndSay(n.url, "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: "+host+"\r\nX: ")
		},
		"handshake": func() (net.Conn, error) {
			return dialAndSay(n.url, strings.TrimSuffix(handshake(n.url, ""), "\r\n")+"X: ")
		},
		"emit":            func() (net.Conn, error) { return dialAndSay(n.url, "POST /emit"+body) },
		"secret":          func() (net.Conn, error) { return dialAndSay(n.url, "PUT /roomspaces/x"+body) },
		"emit, refused":   func() (net.Conn, error) { return dialAndSay(n.url, "POST /emit"+refused) },
		"secret, refused": func() (net.Conn, error) { return dialAndSay(n.url, "PUT /roomspaces/x"+refused) },
		"poll, refused": func() (net.Conn, error) {
			return dialAndSay(n.url, "POST /socket.io/?EIO=4&transport=polling&sid=x"+refused)
		},
		"handshake with a body": func() (net.Conn, error) { return dialAndSay(n.url, "GET /socket.io/?EIO=4&transport=polling"+refused) },
		"WebSocket with a body": func() (net.Conn, error) {
			return dialAndSay(n.url, strings.TrimSuffix(handshake(n.url, ""), "\r\n")+"Content-Length: 100000\r\n\r\n")
		},
		"nothing there": func() (net.Conn, error) { return dialAndSay(n.url, "POST /livez"+refused) },
		"poll": func() (net.Conn, error) {
			p := newPollWire(n.url)
			defer p.close()
			if _, err := expect(p, "0{"); err != nil {
				return nil, err
			}
			return dialAndSay(n.url, "POST /socket.io/?EIO=4&transport=polling&sid="+p.sid+body)
		},
		"frame": func() (net.Conn, error) {
			w, err := dialSocket(n.url, "", "40")
			if err != nil {
				return nil, err
			}
			_, err = io.WriteString(w, "\x81\xff\x00\x00\x00\x00\x00\x0f\x00\x00mask")
			return w, err
		},
		"no CONNECT": func() (net.Conn, error) { return dialSocket(n.url, "") },
	}
}

// dripInto writes one more byte, which keeps a naive timeout from passing, and returns those connections that take it.
func dripInto(conns []net.Conn) []net.Conn {
	return slices.DeleteFunc(conns, func(c net.Conn) bool {
		_, err := io.WriteString(c, " ")
		if err != nil {
			_ = c.Close()
		}
		return err != nil
	})
}

func dialAndSay(base, text string) (net.Conn, error) {
	c, err := dialHost(base)
	if err != nil {
		return nil, err
	}
	_, err = io.WriteString(c, text)
	return c, err
}

// 10,000 handshakes (under -race: 1,000) without a CONNECT, thousands of spaces and rooms that nobody else uses, and floods of joins leave nothing behind.
func TestInvariant5_Floods(t *testing.T) {
	n := startChild(t, server.Config{ConnectTimeout: time.Second, RoomSecrets: map[string]string{"s": "S"}})
	witness := n.client(t, sioclient.Config{})
	join(t, witness, "good", "")
	n.settle(t, witness, 100)
	before := n.usage(t)
	t.Run("handshakes", func(t *testing.T) {
		parallel(t, scaled(10_000, 1000), 64, func(i int) error {
			w, err := dialWire(n.url, []sioclient.Transport{sioclient.TransportPolling, sioclient.TransportWebSocket}[i%2])
			if err == nil {
				w.close()
			}
			return err
		})
	})
	t.Run("rooms and spaces", func(t *testing.T) {
		parallel(t, 50, 16, func(i int) error {
			w, err := dialWire(n.url, sioclient.TransportWebSocket)
			if err != nil {
				return err
			}
			defer w.close()
			if err := connect(w); err != nil {
				return err
			}
			return flood(w, i, scaled(2000, 500))
		})
	})
	n.emit(t, `{"event":"still","room":"good"}`)
	next(t, witness, "still", `[]`)
	n.backTo(t, before)
}

// flood sends joins of rooms with long names, by turns public and of spaces that do not exist, without waiting for answers, and then reads these.
func flood(w wire, client, joins int) error {
	sent := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < joins && err == nil; i += 10 {
			var packets []string
			for j := i; j < i+10; j++ {
				name := fmt.Sprintf("%d-%d-%s", client, j, strings.Repeat("x", 200))
				if j%2 == 0 {
					name += "::"
				}
				packets = append(packets, fmt.Sprintf(`42%d["join",{"room":%q,"secret":"no"}]`, j, name))
			}
			err = w.write(packets...)
		}
		sent <- err
	}()
	for i := range joins {
		if _, err := expect(w, fmt.Sprintf("43%d[", i)); err != nil {
			return errors.Join(err, func() error { w.close(); return <-sent }())
		}
	}
	return <-sent
}
