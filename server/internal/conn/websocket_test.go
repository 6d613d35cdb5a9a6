package conn

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// heard is what a reader makes of bytes: messages and answers, in no order between the two, and why it ended.
type heard struct {
	messages []string // "t" or "b" and the data
	answers  []byte   // frames
	ending   bool
	why      CloseReason
}

func (h heard) String() string {
	return fmt.Sprintf("messages %.200q, answers %q, ending %v %q", h.messages, h.answers, h.ending, h.why)
}

// listen hands chunks to a reader, with no network in between.
func listen(maxPayload int64, chunks ...[]byte) heard {
	var h heard
	cfg := testConfig()
	cfg.MaxPayload = maxPayload
	c := NewGroup(cfg).NewWebSocket(&member{handle: func(m Message) CloseReason {
		kind := "t"
		if m.Binary {
			kind = "b"
		}
		h.messages = append(h.messages, kind+string(m.Data))
		return ""
	}}, nil)
	c.state = draining // and nobody drains it: the answers stay where they are
	r := &messageReader{conn: c}
	for _, chunk := range chunks {
		r.take(slices.Clone(chunk)) // it may change what it is given
	}
	for c.backlog.len() > 0 {
		h.answers = append(h.answers, c.backlog.items[c.backlog.head].frame.WebSocket()...)
		c.backlog.pop()
	}
	h.ending, h.why = c.closing, c.endReason
	return h
}

// one makes a frame as a client sends it.
func one(op ws.OpCode, fin bool, payload string) []byte {
	f := ws.NewFrame(op, fin, []byte(payload))
	return ws.MustCompileFrame(ws.MaskFrameWith(f, [4]byte{1, 2, 3, 4}))
}

func with(b []byte, change func(b []byte)) []byte {
	change(b)
	return b
}

func unmasked(op ws.OpCode, payload string) []byte {
	return ws.MustCompileFrame(ws.NewFrame(op, true, []byte(payload)))
}

// announced is a text frame's header alone.
func announced(length int64) []byte {
	var b bytes.Buffer
	_ = ws.WriteHeader(&b, ws.Header{Fin: true, OpCode: ws.OpText, Masked: true, Mask: [4]byte{1, 2, 3, 4}, Length: length})
	return b.Bytes()
}

func closing(code ws.StatusCode, reason string) []byte {
	return one(ws.OpClose, true, string(ws.NewCloseFrameBody(code, reason)))
}

const (
	protocolErrorFrame = "\x88\x02\x03\xea" // 1002
	invalidTextFrame   = "\x88\x02\x03\xef" // 1007
	tooLargeFrame      = "\x88\x02\x03\xf1" // 1009
)

var conversations = []struct {
	name     string
	sent     [][]byte
	messages string // joined by '|'
	answers  string
	why      CloseReason // "" where it goes on
}{
	{"text", [][]byte{one(ws.OpText, true, "hello")}, "thello", "", ""},
	{"binary", [][]byte{one(ws.OpBinary, true, "\x00\xff")}, "b\x00\xff", "", ""},
	{"empty", [][]byte{one(ws.OpText, true, ""), one(ws.OpBinary, true, "")}, "t|b", "", ""},
	{"125, 126, 65,535, 65,536 bytes", [][]byte{
		one(ws.OpText, true, strings.Repeat("a", 125)), one(ws.OpText, true, strings.Repeat("b", 126)),
		one(ws.OpText, true, strings.Repeat("c", 65_535)), one(ws.OpText, true, strings.Repeat("d", 65_536))},
		"t" + strings.Repeat("a", 125) + "|t" + strings.Repeat("b", 126) + "|t" + strings.Repeat("c", 65_535) + "|t" + strings.Repeat("d", 65_536), "", ""},
	{"many", [][]byte{one(ws.OpText, true, "a"), one(ws.OpText, true, "b"), one(ws.OpText, true, "c")}, "ta|tb|tc", "", ""},

	{"ping", [][]byte{one(ws.OpPing, true, "x"), one(ws.OpPing, true, "")}, "", "\x8a\x01x\x8a\x00", ""},
	{"ping of 125 bytes", [][]byte{one(ws.OpPing, true, strings.Repeat("x", 125))}, "", "\x8a\x7d" + strings.Repeat("x", 125), ""},
	{"ping of 126 bytes", [][]byte{one(ws.OpPing, true, strings.Repeat("x", 126))}, "", protocolErrorFrame, ReasonParseError},
	{"unasked pong", [][]byte{one(ws.OpPong, true, "x"), one(ws.OpText, true, "a")}, "ta", "", ""},

	{"two fragments", [][]byte{one(ws.OpText, false, "he"), one(ws.OpContinuation, true, "llo")}, "thello", "", ""},
	{"empty fragments", [][]byte{one(ws.OpText, false, ""), one(ws.OpContinuation, false, ""), one(ws.OpContinuation, true, "")}, "t", "", ""},
	{"empty first fragment", [][]byte{one(ws.OpBinary, false, ""), one(ws.OpContinuation, false, "a"), one(ws.OpContinuation, true, "b")}, "bab", "", ""},
	{"empty last fragment", [][]byte{one(ws.OpText, false, "a"), one(ws.OpContinuation, true, ""), one(ws.OpText, true, "b")}, "ta|tb", "", ""},
	{"ping between fragments", [][]byte{one(ws.OpText, false, "he"), one(ws.OpPing, true, "x"), one(ws.OpContinuation, true, "llo")}, "thello", "\x8a\x01x", ""},
	{"close between fragments", [][]byte{one(ws.OpText, false, "he"), closing(1000, ""), one(ws.OpContinuation, true, "llo")},
		"", "\x88\x02\x03\xe8", ReasonTransportClose},
	{"continuation of nothing", [][]byte{one(ws.OpContinuation, true, "a")}, "", protocolErrorFrame, ReasonParseError},
	{"continuation after the end", [][]byte{one(ws.OpText, true, "a"), one(ws.OpContinuation, true, "b")}, "ta", protocolErrorFrame, ReasonParseError},
	{"new message before the end", [][]byte{one(ws.OpText, false, "a"), one(ws.OpText, true, "b")}, "", protocolErrorFrame, ReasonParseError},
	{"fragmented ping", [][]byte{one(ws.OpPing, false, "a"), one(ws.OpContinuation, true, "b")}, "", protocolErrorFrame, ReasonParseError},
	{"fragmented close", [][]byte{one(ws.OpClose, false, "")}, "", protocolErrorFrame, ReasonParseError},

	{"RSV1", [][]byte{with(one(ws.OpText, true, "a"), func(b []byte) { b[0] |= 0x40 })}, "", protocolErrorFrame, ReasonParseError},
	{"RSV2", [][]byte{with(one(ws.OpText, true, "a"), func(b []byte) { b[0] |= 0x20 })}, "", protocolErrorFrame, ReasonParseError},
	{"RSV3 on a ping", [][]byte{with(one(ws.OpPing, true, "a"), func(b []byte) { b[0] |= 0x10 })}, "", protocolErrorFrame, ReasonParseError},
	{"reserved opcode 3", [][]byte{one(3, true, "a")}, "", protocolErrorFrame, ReasonParseError},
	{"reserved opcode 15", [][]byte{one(15, true, "a")}, "", protocolErrorFrame, ReasonParseError},
	{"not masked", [][]byte{unmasked(ws.OpText, "a")}, "", protocolErrorFrame, ReasonParseError},
	{"ping not masked", [][]byte{unmasked(ws.OpPing, "a")}, "", protocolErrorFrame, ReasonParseError},
	{"after a broken rule", [][]byte{unmasked(ws.OpText, "a"), one(ws.OpText, true, "b"), one(ws.OpPing, true, "c")}, "", protocolErrorFrame, ReasonParseError},

	{"UTF-8", [][]byte{one(ws.OpText, true, "κόσμε\U0010ffff")}, "tκόσμε\U0010ffff", "", ""},
	{"UTF-8 over fragments", [][]byte{one(ws.OpText, false, "\xce"), one(ws.OpContinuation, true, "\xba")}, "tκ", "", ""},
	{"not UTF-8", [][]byte{one(ws.OpText, true, "a\xff")}, "", invalidTextFrame, ReasonParseError},
	{"not UTF-8 over fragments", [][]byte{one(ws.OpText, false, "\xce"), one(ws.OpContinuation, true, "a")}, "", invalidTextFrame, ReasonParseError},
	{"half a character", [][]byte{one(ws.OpText, true, "\xce")}, "", invalidTextFrame, ReasonParseError},
	{"surrogate", [][]byte{one(ws.OpText, true, "\xed\xa0\x80")}, "", invalidTextFrame, ReasonParseError},

	{"100,000 bytes", [][]byte{one(ws.OpBinary, true, strings.Repeat("a", 100_000))}, "b" + strings.Repeat("a", 100_000), "", ""},
	{"100,001 bytes", [][]byte{one(ws.OpBinary, true, strings.Repeat("a", 100_001))}, "", tooLargeFrame, ReasonTooLarge},
	{"100,001 bytes in fragments", [][]byte{one(ws.OpText, false, strings.Repeat("a", 60_000)), one(ws.OpContinuation, true, strings.Repeat("a", 40_001))},
		"", tooLargeFrame, ReasonTooLarge},
	{"100,000 bytes in fragments, twice", [][]byte{
		one(ws.OpText, false, strings.Repeat("a", 60_000)), one(ws.OpContinuation, true, strings.Repeat("a", 40_000)),
		one(ws.OpText, false, strings.Repeat("b", 60_000)), one(ws.OpContinuation, true, strings.Repeat("b", 40_000))},
		"t" + strings.Repeat("a", 100_000) + "|t" + strings.Repeat("b", 100_000), "", ""},
	{"huge length", [][]byte{announced(1<<63 - 1)}, "", tooLargeFrame, ReasonTooLarge},
	{"length over 63 bits", [][]byte{with(announced(1<<63-1), func(b []byte) { b[2] = 0xff })}, "", protocolErrorFrame, ReasonParseError},

	{"close", [][]byte{one(ws.OpClose, true, "")}, "", "\x88\x00", ReasonTransportClose},
	{"close with a reason", [][]byte{closing(1000, "bye")}, "", "\x88\x02\x03\xe8", ReasonTransportClose},
	{"close with a code of its own", [][]byte{closing(4000, "")}, "", "\x88\x02\x0f\xa0", ReasonTransportClose},
	{"close of one byte", [][]byte{one(ws.OpClose, true, "\x03")}, "", protocolErrorFrame, ReasonParseError},
	{"close with invalid UTF-8", [][]byte{closing(1000, "\xff")}, "", protocolErrorFrame, ReasonParseError},
	{"close 0", [][]byte{closing(0, "")}, "", protocolErrorFrame, ReasonParseError},
	{"close 999", [][]byte{closing(999, "")}, "", protocolErrorFrame, ReasonParseError},
	{"close 1004", [][]byte{closing(1004, "")}, "", protocolErrorFrame, ReasonParseError},
	{"close 1005", [][]byte{closing(1005, "")}, "", protocolErrorFrame, ReasonParseError},
	{"close 1006", [][]byte{closing(1006, "")}, "", protocolErrorFrame, ReasonParseError},
	{"close 1015", [][]byte{closing(1015, "")}, "", protocolErrorFrame, ReasonParseError},
	{"close 1016", [][]byte{closing(1016, "")}, "", protocolErrorFrame, ReasonParseError},
	{"close 5000", [][]byte{closing(5000, "")}, "", protocolErrorFrame, ReasonParseError},
	{"close 65535", [][]byte{closing(65535, "")}, "", protocolErrorFrame, ReasonParseError},
	{"close 2999", [][]byte{closing(2999, "")}, "", protocolErrorFrame, ReasonParseError},
	{"close 3000", [][]byte{closing(3000, "")}, "", "\x88\x02\x0b\xb8", ReasonTransportClose},
	{"message after close", [][]byte{closing(1000, ""), one(ws.OpText, true, "a")}, "", "\x88\x02\x03\xe8", ReasonTransportClose},
}

const conversationMaxPayload = 100_000

// Each conversation goes the same way whether its bytes come in one piece, frame by frame, or one at a time (RFC 6455, sections 5 and 7).
func TestReadWebSocket(t *testing.T) {
	for _, c := range conversations {
		t.Run(c.name, func(t *testing.T) {
			whole := slices.Concat(c.sent...)
			for how, chunks := range map[string][][]byte{
				"one piece":    {whole},
				"by frames":    c.sent,
				"byte by byte": slices.Collect(slices.Chunk(whole, 1)),
				"by 1000":      slices.Collect(slices.Chunk(whole, 1000)),
			} {
				got := listen(conversationMaxPayload, chunks...)
				if strings.Join(got.messages, "|") != c.messages || string(got.answers) != c.answers || got.why != c.why || got.ending != (c.why != "") {
					t.Errorf("%s: %v", how, got)
				}
			}
		})
	}
}

// Invariant 5: memory is taken for what has come, not for what was announced.
func TestReadAnnouncedOnly(t *testing.T) {
	cfg := testConfig()
	cfg.MaxPayload = 1 << 40
	r := &messageReader{conn: NewGroup(cfg).NewWebSocket(nil, nil)}
	r.take(announced(1 << 39))
	r.take([]byte("some"))
	if cap(r.message) > 100 {
		t.Errorf("%d bytes for 4", cap(r.message))
	}
}

// A client that sends PINGs and reads nothing is a slow consumer like any other.
func TestPingFlood(t *testing.T) {
	cfg := testConfig()
	cfg.MaxQueue = 100_000
	m := pipe(t, start(t, cfg), nil)
	b := bytes.Repeat(one(ws.OpPing, true, strings.Repeat("x", 100)), 10)
	for {
		if _, err := m.peer.Write(b); err != nil {
			break
		}
	}
	m.wantReason(ReasonSlowConsumer)
}

// The close handshake that a client begins: it is answered, and ends.
func TestClientCloses(t *testing.T) {
	m := tcp(t, start(t, testConfig()), nil)
	m.hear("4a")
	m.write(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusGoingAway, "")))
	m.want(ws.OpText, "4a")
	m.want(ws.OpClose, "\x03\xe9")
	m.wantEOF()
	_ = m.peer.Close()
	m.wantReason(ReasonTransportClose)
}

// What the handler says ends the connection, and the client is told.
func TestHandlerEnds(t *testing.T) {
	for why, code := range map[CloseReason]string{
		ReasonParseError: "\x03\xea", ReasonTooLarge: "\x03\xf1", ReasonShutdown: "\x03\xe9", ReasonServer: "\x03\xe8", ReasonOverlap: "\x03\xea",
		ReasonInternal: "\x03\xf3",
	} {
		m := tcp(t, start(t, testConfig()), func(Message) CloseReason { return why })
		m.say("a")
		m.say("b") // is not handled
		m.want(ws.OpClose, code)
		_ = m.peer.Close()
		m.wantReason(why)
	}
}

// Messages say when they came, which is before they are handled.
func TestArrived(t *testing.T) {
	began := time.Now()
	arrived := make(chan time.Time, 1)
	m := tcp(t, start(t, testConfig()), func(m Message) CloseReason { arrived <- m.Arrived; return "" })
	m.say("a")
	if at := <-arrived; at.Before(began) || at.After(time.Now()) {
		t.Errorf("arrived %v after the start", at.Sub(began))
	}
}

// Bytes that came with the request of the handshake are the first ones.
func TestEarlyBytes(t *testing.T) {
	here, peer := tcpPair(t)
	g := start(t, testConfig())
	var got []string
	m := &member{t: t, peer: peer, ended: make(chan CloseReason, 1), handle: func(msg Message) CloseReason {
		got = append(got, string(msg.Data))
		return ""
	}}
	m.Conn = g.NewWebSocket(m, here)
	early := slices.Concat(one(ws.OpText, true, "a"), one(ws.OpText, true, "b"))
	if _, err := peer.Write(early[len(early)-3:]); err != nil {
		t.Fatal(err)
	}
	_ = peer.CloseWrite()
	m.ReadWebSocket(early[:len(early)-3])
	m.wantReason(ReasonTransportClose)
	if !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("messages %q", got)
	}
	_ = peer.Close()
}

// FuzzReadWebSocket: no bytes make the reader panic, and how they are cut changes nothing. The first bytes of cuts say where.
func FuzzReadWebSocket(f *testing.F) {
	for _, c := range conversations {
		if whole := slices.Concat(c.sent...); len(whole) < 1000 {
			f.Add(whole, []byte{1, 2, 3})
		}
	}
	f.Fuzz(func(t *testing.T, whole, cuts []byte) {
		var chunks [][]byte
		for rest := whole; len(rest) > 0; {
			n := 1
			if len(cuts) > 0 {
				n, cuts = 1+int(cuts[0]), append(cuts[1:], cuts[0])
			}
			n = min(n, len(rest))
			chunks = append(chunks, rest[:n])
			rest = rest[n:]
		}
		inOne, cut := listen(1000, whole), listen(1000, chunks...)
		if inOne.String() != cut.String() || !slices.Equal(inOne.messages, cut.messages) {
			t.Errorf("in one piece: %v\ncut: %v", inOne, cut)
		}
	})
}
