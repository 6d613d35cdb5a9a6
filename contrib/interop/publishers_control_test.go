package interop

import (
	"slices"
	"testing"
)

func (l line) control(t testing.TB, do control, order object) {
	t.Helper()
	order["do"], order["with"] = do, l.name
	l.script.order(t, order)
}

// TestPublisherControls: what publishers do to sockets, beside emitting.
func TestPublisherControls(t *testing.T) {
	t.Parallel()
	for _, sc := range scripts {
		if !slices.ContainsFunc(sc.publishers, func(p publisher) bool { return len(p.controls) > 0 }) {
			continue
		}
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			s := startServer(t, "--redis", r.url(), "--namespaces", "/,/chat")
			d := startDriver(t, sc.command(t, r.url()))
			listeners := clientDrivers(t, kinds[:1])
			for _, p := range sc.publishers {
				t.Run(p.name, func(t *testing.T) {
					for _, do := range p.controls {
						t.Run(string(do), func(t *testing.T) {
							testControls[do](t, line{p, d}, connectAudience(t, s, listeners))
						})
					}
				})
			}
		})
	}
}

var testControls = map[control]func(*testing.T, line, *audience){
	controlJoin:       testControlJoin,
	controlLeave:      testControlLeave,
	controlClose:      testControlClose,
	controlDisconnect: testControlDisconnect,
}

func testControlJoin(t *testing.T, l line, a *audience) {
	l.emit(t, emission{event: "before", rooms: []string{"new"}})
	l.control(t, controlJoin, object{"sid": a.sids[a.other], "room": "new"})
	// The room-space has no secret, so the client cannot join by itself.
	l.control(t, controlJoin, object{"sid": a.sids[a.other], "room": "space::new"})
	l.emit(t, emission{event: "joined", args: []any{1}, rooms: []string{"new"}})
	l.emit(t, emission{event: "joined", args: []any{2}, rooms: []string{"space::new"}})
	a.other.expect(t, "/", "joined", 1)
	a.other.expect(t, "/", "joined", 2)
	l.marker(t, a, "end")
}

func testControlLeave(t *testing.T, l line, a *audience) {
	l.control(t, controlLeave, object{"sid": a.sids[a.both], "room": "r2"})
	l.emit(t, emission{event: "left", rooms: []string{"r2"}})
	l.emit(t, emission{event: "stays", rooms: []string{"r"}})
	expectAll(t, append(a.in, a.both), "/", "stays")
	l.marker(t, a, "end")
}

func testControlClose(t *testing.T, l line, a *audience) {
	l.control(t, controlClose, object{"room": "r"})
	l.emit(t, emission{event: "closed", rooms: []string{"r"}})
	l.emit(t, emission{event: "stays", rooms: []string{"r2", oddRoom, "other"}})
	expectAll(t, a.everybody(), "/", "stays")
	l.marker(t, a, "end")
	// Who wants to may join again.
	a.both.join(t, "/", "r")
	l.emit(t, emission{event: "again", rooms: []string{"r"}})
	a.both.expect(t, "/", "again")
	l.marker(t, a, "end")
}

func testControlDisconnect(t *testing.T, l line, a *audience) {
	l.control(t, controlDisconnect, object{"sid": a.sids[a.other]})
	n := a.other.next(t, "disconnect")
	if n.Note != "disconnect" || n.Namespace != "/" || n.Reason != "io server disconnect" {
		t.Errorf("the client got %s, want / disconnect io server disconnect", n)
	}
	l.emit(t, emission{event: "stays"})
	expectAll(t, append(a.in, a.both), "/", "stays")
}
