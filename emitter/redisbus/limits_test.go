package redisbus

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/tinylib/msgp/msgp"

	"github.com/ws-emit/ws-emit/emitter"
)

// TestHugePayloads: what cannot be a message within the limits, whatever it is in, is not even copied.
func TestHugePayloads(t *testing.T) {
	r, err := New(Config{Options: newOptions(t), Limits: emitter.Limits{MaxBytes: 2 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	most := maxPayload(r.cfg.Limits)
	payload := bytes.Repeat([]byte("x"), most+1)
	for _, c := range []*channel{r.channels["ws-emit"], r.channels["socketio"], r.patterns["socket.io#/#*"], r.patterns["socket.io-request#/#"]} {
		var reasons []DropReason
		r.cfg.OnDecoded = func(d Decoded) { reasons = append(reasons, d.Reason) }
		r.decode(nil, item{c, c.text, payload[:most]})
		// But for who watches.
		if n := allocated(func() { r.decode(nil, item{c, c.text, payload}) }); n > uint64(len(payload))+1<<20 {
			t.Errorf("%s: %d bytes allocated for %d", c.name, n, len(payload))
		}
		if len(reasons) != 2 || reasons[0] == DropTooLarge || reasons[1] != DropTooLarge {
			t.Errorf("%s: dropped for %q", c.name, reasons)
		}
	}
}

// TestNoLimits: without limits no payload is too large, and with absurd ones no bound is negative.
func TestNoLimits(t *testing.T) {
	for _, l := range []emitter.Limits{{MaxBytes: -1}, {MaxRooms: -1}, {MaxBytes: math.MaxInt64, MaxRooms: math.MaxInt}, {MaxBytes: -1, MaxRooms: math.MaxInt}} {
		for name, bound := range map[string]int{"payload": maxPayload(l), "text": maxText(l)} {
			if bound < 1<<30 {
				t.Errorf("%+v: %s of %d bytes", l, name, bound)
			}
		}
		if args, names := maxArgs(l), maxNames(l); args <= 0 || names <= 0 || l.MaxBytes < 0 && args < 1<<20 || l.MaxRooms < 0 && names < 1<<20 {
			t.Errorf("%+v: %d arguments, %d names", l, args, names)
		}
	}
}

// largest returns payloads of one message with arguments of nearly this size, whose lists of rooms have this many names, in the ways of writing
// that take most. The key of each begins with the channel.
func largest(size, rooms int) map[string]string {
	size -= 100
	repeat := func(s string, counts int) string { return strings.Repeat(s, size/counts) }
	list := "[" + strings.Join(slices.Repeat([]string{`"` + strings.Repeat(`\u0001`, 255) + `"`}, rooms), ", ") + "]"
	inJSON := func(data string) string {
		return python(`"room": ` + list + `, "skip_sid": ` + list + `, "data": ` + data)
	}
	names := "(" + strings.Repeat("V"+strings.Repeat(`\u0001`, 255)+"\n", rooms) + "l"
	pickled := func(data string) string {
		return pickledEmit("NsVroom\n" + names + "sVskip_sid\n" + names + "sVdata\n" + data)
	}
	packedNames := string(msgp.AppendArrayHeader(nil, uint32(rooms))) + strings.Repeat("\xd9\xff"+strings.Repeat("\x01", 255), rooms)
	packed := func(values int, data string) string {
		head := msgp.AppendString(msgp.AppendArrayHeader([]byte("\x93\xa1e\x82\xa4type\x02\xa4data"), uint32(values+1)), "e")
		return string(head) + data + "\x82\xa5rooms" + packedNames + "\xa6except" + packedNames
	}
	sized := func(head string, n int) string { return string(binary.BigEndian.AppendUint32([]byte(head), uint32(n))) }
	return map[string]string{
		"socketio arguments":           inJSON("[0" + repeat(", 0", 2) + "]"),
		"socketio list":                inJSON("[[0" + repeat(", 0", 2) + "]]"),
		"socketio text":                inJSON(`"` + repeat("x", 1) + `"`),
		"socketio pickle of arguments": pickled("(" + repeat("I1\n", 2) + "t"),
		"socketio pickle of floats":    pickled("(" + repeat("G\x3f\xf0\x00\x00\x00\x00\x00\x00", 2) + "l"),
		"socketio pickle of lists":     pickled("(lp0\n" + repeat("(lp100000\na", 3)),
		"socketio pickle of text":      pickled("V" + repeat(`\u65e5`, 3) + "\n"),
		"socketio pickle of bytes":     pickled("S'" + repeat(`\xff`, 1) + "'\n"),
		"socket.io arguments":          packed(size/2, repeat("\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", 2)),
		"socket.io list":               packed(1, sized("\xdd", size/2)+repeat("\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", 2)),
		"socket.io text":               packed(1, sized("\xdb", size)+repeat("x", 1)),
		"socket.io escapes":            packed(1, sized("\xdb", size/6)+repeat("\x01", 6)),
		"socket.io binary":             packed(1, sized("\xc6", size)+repeat("\xff", 1)),
		"socket.io JSON":               fmt.Sprintf(`["u", {"type": 2, "data": ["e"%s]}, {"rooms": %s, "except": %[2]s}]`, repeat(", 0", 2), list),
		"ws-emit JSON":                 fmt.Sprintf(`{"event": "e", "args": [0%s], "room": %s, "except": %[2]s}`, repeat(", 0", 2), list),
	}
}

// checkLargest delivers a payload of largest.
func checkLargest(t *testing.T, limits emitter.Limits, name, payload string, size, rooms int) {
	t.Helper()
	r, err := New(Config{Options: newOptions(t), Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	channel, _, _ := strings.Cut(name, " ")
	it := item{channel: r.channels[channel], name: channel, payload: []byte(payload)}
	if it.channel == nil {
		it.channel, it.name = r.patterns["socket.io#/#*"], "socket.io#/#"
	}
	got, reason, _ := r.read(nil, it)
	if len(got) != 1 || reason != "" {
		t.Errorf("%s of %d bytes within %+v: %s", name, len(payload), limits, reason)
		return
	}
	if m := got[0]; len(m.Rooms) != rooms || len(m.Except) != rooms || m.Size() < int64(size)*9/10 {
		t.Errorf("%s of %d bytes within %+v: %d rooms, %d except, size %d", name, len(payload), limits, len(m.Rooms), len(m.Except), m.Size())
	}
}

// TestLargestMessages: what is within the limits arrives, however long a way of writing it a publisher has.
func TestLargestMessages(t *testing.T) {
	for name, payload := range largest(512<<10, 10) {
		checkLargest(t, emitter.Limits{}, name, payload, 512<<10, 10)
	}
	full := largest(512<<10, 1000) // takes long to read, so it is one for each decoder
	for _, name := range []string{"socketio arguments", "socketio pickle of lists", "socket.io list", "socket.io JSON", "ws-emit JSON"} {
		checkLargest(t, emitter.Limits{}, name, full[name], 512<<10, 1000)
	}
	for name, payload := range largest(20_000, 10) {
		checkLargest(t, emitter.Limits{MaxBytes: 20_000, MaxRooms: 10}, name, payload, 20_000, 10)
	}
	const size, rooms = 5 << 18, 1200 // beyond what is allowed whatever the limits
	large := largest(size, rooms)
	for _, name := range []string{"socketio pickle of lists", "socketio arguments", "socket.io list"} {
		checkLargest(t, emitter.Limits{MaxBytes: size, MaxRooms: rooms}, name, large[name], size, rooms)
	}
}
