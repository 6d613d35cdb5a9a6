package interop

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
)

// audience is who listens to a publisher.
type audience struct {
	in    []*client // of each kind, on each transport, in the rooms "r" and oddRoom, and "r" of /chat
	both  *client   // in the rooms "r" and "r2"
	other *client   // in the room "other"
	sids  map[*client]string
}

// oddRoom has what means something in the name of a channel or a pattern.
const oddRoom = "r#2*[ü]?"

func clientDrivers(t testing.TB, kinds []kind) []*driver {
	t.Helper()
	drivers := make([]*driver, 0, len(kinds))
	for _, k := range kinds {
		drivers = append(drivers, startDriver(t, k.command(t)))
	}
	return drivers
}

// startAudience starts clients of all kinds.
func startAudience(t testing.TB, s *server) *audience {
	t.Helper()
	return connectAudience(t, s, clientDrivers(t, kinds))
}

// connectAudience connects clients that leave when the test ends.
func connectAudience(t testing.TB, s *server, drivers []*driver) *audience {
	t.Helper()
	a := &audience{sids: map[*client]string{}}
	connect := func(d *driver, name string, offer []string, rooms ...string) *client {
		c := d.connect(t, t.Name()+" "+name, s.url(), connectOptions{offer: offer, namespaces: []string{"/", "/chat"}})
		a.sids[c] = c.expectConnect(t, "/", "/chat")["/"]
		for _, room := range rooms {
			c.join(t, "/", room)
		}
		t.Cleanup(func() {
			c.disconnect(t, "/")
			c.disconnect(t, "/chat")
		})
		return c
	}
	for i, d := range drivers {
		for _, tr := range transports {
			c := connect(d, fmt.Sprint(i, " ", tr.name), tr.offer, "r", oddRoom)
			c.expectTransport(t, tr.last)
			c.join(t, "/chat", "r")
			a.in = append(a.in, c)
		}
	}
	a.both = connect(drivers[0], "both", nil, "r", "r2")
	a.other = connect(drivers[0], "other", nil, "other")
	return a
}

func (a *audience) everybody() []*client { return append([]*client{a.both, a.other}, a.in...) }

// expect takes the next note of those in the room "r", which must be this
// event.
func (a *audience) expect(t testing.TB, namespace, event string, args ...any) {
	t.Helper()
	expectAll(t, a.in, namespace, event, args...)
}

func expectAll(t testing.TB, clients []*client, namespace, event string, args ...any) {
	t.Helper()
	for _, c := range clients {
		c.expect(t, namespace, event, args...)
	}
}

// emission is one emit of a publisher.
type emission struct {
	event     string
	args      []any
	rooms     []string // everybody if none
	skip      []string
	namespace string // "/" if empty
}

// line is a publisher of a running script.
type line struct {
	publisher
	script *driver
}

func (l line) emit(t testing.TB, e emission) {
	t.Helper()
	l.script.order(t, object{
		"do": "emit", "with": l.name, "event": e.event, "args": append([]any{}, e.args...),
		"rooms": append([]string{}, e.rooms...), "skip": append([]string{}, e.skip...), "namespace": cmp.Or(e.namespace, "/"),
	})
}

// marker shows that nothing else has arrived: it is the next that everybody
// gets.
func (l line) marker(t testing.TB, a *audience, name string) {
	t.Helper()
	l.emit(t, emission{event: name})
	expectAll(t, a.everybody(), "/", name)
}

// TestPublishers publishes with the libraries that backends have.
func TestPublishers(t *testing.T) {
	t.Parallel()
	for _, sc := range scripts {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			s := startServer(t, "--redis", r.url(), "--namespaces", "/,/chat")
			d := startDriver(t, sc.command(t, r.url()))
			listeners := clientDrivers(t, sc.kinds)
			for _, p := range sc.publishers {
				t.Run(p.name, func(t *testing.T) {
					a, l := connectAudience(t, s, listeners), line{p, d}
					testPublishedArguments(t, l, a)
					testPublishedRooms(t, l, a)
					testPublishedNamespaces(t, l, a)
					testPublishedExcept(t, l, a)
					testPublishedBurst(t, l, a)
				})
			}
		})
	}
}

const text = "grüße, 日本 \U0001f389 \u2028 \"quoted\" \x1e <&>"

// argument is a list of arguments that publishers give.
type argument struct {
	event string
	args  []any
	want  []any // what arrives, if it is not args
	needs feature
}

func arguments() []argument {
	large := make([]byte, 100_000)
	for i := range large {
		large[i] = byte(i * 7)
	}
	return []argument{
		{event: "text", args: []any{text}},
		{event: "empty text", args: []any{""}},
		{event: "longer text", args: []any{strings.Repeat("a", 32), strings.Repeat("ä", 100), strings.Repeat("日", 70_000)}},
		{event: "object", args: []any{object{"time": 1639178370, "ü": []any{nil, true, 1.5}, "in": object{"a": object{"b": []any{[]any{}, 1}}}}}},
		{event: "numbers", args: []any{0, -1, 127, 128, -129, 65536, 1 << 31, 1 << 40, 1<<53 - 1, 1.5, -0.25, 1e-7, 1e15}},
		{event: "false", args: []any{false}},
		{event: "null", args: []any{nil}},
		{event: "no arguments", args: []any{}},
		{event: "several", args: []any{1, text, nil, []any{2}}},
		{event: "list", args: []any{[]any{1, "two"}}},
		{event: "empty list", args: []any{[]any{}}},
		{event: "bytes", args: []any{bin(0, 1, 254, 255)}, needs: binary},
		{event: "empty bytes", args: []any{bin()}, needs: binary},
		{event: "large bytes", args: []any{bin(large...)}, needs: binary},
		{event: "nested bytes", args: []any{object{"a": bin(1), "b": []any{bin(2, 3), text}}, "and", bin(4)}, needs: binary},
		{event: "text after bytes", args: []any{"in order"}},
		// Whole seconds, milliseconds, and what takes more than 32 and 34 bits of seconds.
		{event: "dates", args: []any{date(1700000000000), date(1700000000123), date(-1), object{"at": date(19880899199999)}},
			want: []any{"2023-11-14T22:13:20.000Z", "2023-11-14T22:13:20.123Z", "1969-12-31T23:59:59.999Z",
				object{"at": "2599-12-31T23:59:59.999Z"}}, needs: dates},
	}
}

// date is how a time stands in an order, in milliseconds of the Unix epoch.
func date(ms int64) object { return object{"$date": ms} }

// testPublishedArguments: all are published before the first is read, so that
// their order counts.
func testPublishedArguments(t *testing.T, l line, a *audience) {
	t.Helper()
	for _, arg := range arguments() {
		if arg.needs == "" || l.can(arg.needs) {
			l.emit(t, emission{event: arg.event, args: arg.args, rooms: []string{"r"}})
		}
	}
	for _, arg := range arguments() {
		if arg.needs != "" && !l.can(arg.needs) {
			continue
		}
		want := arg.want
		if want == nil {
			want = arg.args
		}
		if differs, ok := l.want[arg.event]; ok {
			want = differs
		}
		if want != nil {
			expectAll(t, append(a.in, a.both), "/", arg.event, want...)
		}
	}
	l.marker(t, a, "end of arguments")
}

// testPublishedRooms: each gets once what is for several of its rooms, also
// from emitters of old, which publish it for each room.
func testPublishedRooms(t *testing.T, l line, a *audience) {
	t.Helper()
	l.emit(t, emission{event: "rooms", rooms: []string{"nobody", "r", "r2"}})
	l.emit(t, emission{event: "reversed", rooms: []string{"r2", "r"}})
	l.emit(t, emission{event: "odd", rooms: []string{oddRoom}})
	l.emit(t, emission{event: "nobody", rooms: []string{"nobody"}})
	l.emit(t, emission{event: "other", rooms: []string{"other"}})
	for _, event := range []string{"rooms", "reversed"} {
		expectAll(t, append(a.in, a.both), "/", event)
	}
	expectAll(t, a.in, "/", "odd")
	a.other.expect(t, "/", "other")
	for _, c := range a.everybody() {
		l.emit(t, emission{event: "one", args: []any{a.sids[c]}, rooms: []string{a.sids[c]}})
	}
	for _, c := range a.everybody() {
		c.expect(t, "/", "one", a.sids[c])
	}
	l.marker(t, a, "end of rooms")
}

func testPublishedNamespaces(t *testing.T, l line, a *audience) {
	t.Helper()
	l.emit(t, emission{event: "room", args: []any{text}, rooms: []string{"r"}, namespace: "/chat"})
	l.emit(t, emission{event: "all", namespace: "/chat"})
	l.emit(t, emission{event: "unknown", namespace: "/unknown"})
	expectAll(t, a.in, "/chat", "room", text)
	expectAll(t, a.everybody(), "/chat", "all")
	l.marker(t, a, "end of namespaces")
}

func testPublishedExcept(t *testing.T, l line, a *audience) {
	t.Helper()
	first, second, rest := a.in[0], a.in[1], a.in[2:]
	if l.can(exceptSID) {
		l.emit(t, emission{event: "but one", rooms: []string{"r"}, skip: []string{a.sids[first]}})
		l.emit(t, emission{event: "but two", rooms: []string{"r"}, skip: []string{a.sids[first], a.sids[second]}})
		l.emit(t, emission{event: "all but one", skip: []string{a.sids[a.other]}})
		second.expect(t, "/", "but one")
		for _, c := range append(rest, a.both) {
			c.expect(t, "/", "but one")
			c.expect(t, "/", "but two")
		}
		expectAll(t, append(a.in, a.both), "/", "all but one")
	}
	if l.can(exceptRoom) {
		l.emit(t, emission{event: "but a room", rooms: []string{"r", "other"}, skip: []string{"r2"}})
		expectAll(t, append(a.in, a.other), "/", "but a room")
	}
	l.marker(t, a, "end of except")
}

func testPublishedBurst(t *testing.T, l line, a *audience) {
	t.Helper()
	const burst = 100
	for i := range burst {
		l.emit(t, emission{event: "burst", args: []any{i}, rooms: []string{"r"}})
	}
	for _, c := range append(a.in, a.both) {
		for i := range burst {
			c.expect(t, "/", "burst", i)
		}
	}
	l.marker(t, a, "end of burst")
}
