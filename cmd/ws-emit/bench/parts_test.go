package bench

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTracker(t *testing.T) {
	for name, tt := range map[string]struct {
		come    []uint32
		sent    uint32
		unsure  []uint32
		late    int
		doubled int
		missing int64
	}{
		"nothing":          {sent: 3, missing: 3},
		"all":              {come: []uint32{1, 2, 3}, sent: 3},
		"first lost":       {come: []uint32{2, 3}, sent: 3, missing: 1},
		"last lost":        {come: []uint32{1, 2}, sent: 3, missing: 1},
		"gaps":             {come: []uint32{2, 5, 9}, sent: 10, missing: 7},
		"doubled":          {come: []uint32{1, 1, 2, 1}, sent: 2, doubled: 2},
		"swapped":          {come: []uint32{2, 1, 4, 3}, sent: 4, late: 2},
		"backwards":        {come: []uint32{5, 4, 3, 2, 1}, sent: 5, late: 4},
		"gap from below":   {come: []uint32{5, 1, 2, 3, 4, 3}, sent: 5, late: 4, doubled: 1},
		"gap from within":  {come: []uint32{9, 5, 5, 2, 7, 7, 2}, sent: 9, late: 3, doubled: 3, missing: 5},
		"unsure came":      {come: []uint32{1, 2, 3}, sent: 3, unsure: []uint32{2}},
		"unsure is gone":   {come: []uint32{1, 3}, sent: 3, unsure: []uint32{2}},
		"unsure last gone": {come: []uint32{1}, sent: 3, unsure: []uint32{3}, missing: 1},
		"late and lost":    {come: []uint32{4, 2}, sent: 4, unsure: []uint32{2, 3}, late: 1, missing: 1},
	} {
		var tr tracker
		got := map[verdict]int{}
		for _, n := range tt.come {
			got[tr.add(n)]++
		}
		missing := tr.missing(tt.sent, tt.unsure)
		if got[late] != tt.late || got[doubled] != tt.doubled || missing != tt.missing {
			t.Errorf("%s: %d late, %d doubled, %d missing; want %d, %d, %d", name, got[late], got[doubled], missing, tt.late, tt.doubled, tt.missing)
		}
	}
}

// FuzzTracker: whatever comes, it agrees with a set of all that has come.
func FuzzTracker(f *testing.F) {
	f.Add([]byte{1, 2, 3})
	f.Add([]byte{9, 5, 5, 2, 7, 7, 2, 9, 1})
	f.Fuzz(func(t *testing.T, come []byte) {
		var tr tracker
		seen := map[uint32]bool{}
		highest := uint32(0)
		for _, b := range come {
			n := uint32(b) + 1
			want := inOrder
			if seen[n] {
				want = doubled
			} else if n < highest {
				want = late
			}
			if got := tr.add(n); got != want {
				t.Fatalf("%d of %v is %d, want %d", n, come, got, want)
			}
			seen[n], highest = true, max(highest, n)
		}
		if got, want := tr.missing(300, nil), int64(300-len(seen)); got != want {
			t.Errorf("%v: %d missing, want %d", come, got, want)
		}
	})
}

func TestMark(t *testing.T) {
	want := mark{run: 0xdeadbeef, emitter: 0xfffe, room: 1 << 30, sequence: 0xffffffff, sent: 1<<62 + 5}
	for _, size := range []int{0, 100, 1000} {
		data := appendData(nil, want, size)
		if len(data) < size || size == 1000 && len(data) != size {
			t.Errorf("size %d: %d bytes", size, len(data))
		}
		if got, _, ok := findMark(append([]byte(`42/a,["x",`), data...)); !ok || got != want {
			t.Errorf("size %d: %+v, %v", size, got, ok)
		}
		if _, _, ok := findMark(data[:len(dataStart)+markLength-1]); ok {
			t.Error("half a mark is one")
		}
	}
}

// FuzzMark: no text ends the bench, and a mark that is found is one that could be written.
func FuzzMark(f *testing.F) {
	f.Add([]byte(`42["a"]`))
	f.Add(appendData(nil, mark{1, 2, 3, 4, 5}, 100))
	f.Fuzz(func(t *testing.T, message []byte) {
		if m, _, ok := findMark(message); ok && !bytes.Contains(message, appendMark(nil, m)) {
			t.Errorf("%q: %+v", message, m)
		}
	})
}

func TestTemplate(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "",
		`{"room":"{room}"}`:                 `{"room":"a\"b"}`,
		`{data}`:                            `{"x":1}`,
		`{room}{data}{data}{room}`:          `a\"b{"x":1}{"x":1}a\"b`,
		`{"a":{"b":{}},"{other}":"{room }"`: `{"a":{"b":{}},"{other}":"{room }"`,
	} {
		got := newTemplate(text, markRoom, markData).bind(values{markRoom: inString(`a"b`)}).append(nil, []byte(`{"x":1}`))
		if string(got) != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestRoomsAndSlow(t *testing.T) {
	cfg := Config{Clients: 10, Slow: 3, Rooms: 4, RoomsPerClient: 3}
	slow, members := 0, map[int]int{}
	for i := range cfg.Clients {
		if cfg.slow(i) {
			slow++
		}
		for j := range cfg.RoomsPerClient {
			members[cfg.roomOf(i, j)]++
		}
	}
	if slow != 3 || len(members) != 4 || members[0] < 7 || members[3] < 7 {
		t.Errorf("%d slow, members %v", slow, members)
	}
}

// held is a sender that takes its time for the first message, and remembers when messages should have been sent.
type held struct{ sent []time.Duration }

func (h *held) send(_ context.Context, _ int, data []byte) error {
	m, _, _ := findMark(data)
	if h.sent = append(h.sent, time.Duration(m.sent)); len(h.sent) == 1 {
		time.Sleep(time.Second) // that of synctest
	}
	return nil
}

// TestRateCountsWaiting: what one slow answer costs the messages behind it is in their latency.
func TestRateCountsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &load{cfg: Config{Rooms: 1, Emitters: 1, Rate: 10, Count: 13}, began: time.Now()}
		s := new(held)
		e := l.newEmitter(0, s, []int64{1}, nil)
		e.started = l.began
		if err := e.run(t.Context(), t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, sent := range s.sent {
			if want := time.Duration(i) * 100 * time.Millisecond; sent != want && i > 0 {
				t.Errorf("message %d should have been sent at %v, want %v", i, sent, want)
			}
		}
		if q := quantiles(e.latency); q.Count != 13 || q.P50 < 300_000 || q.Max < 990_000 {
			t.Errorf("latency of emits: %+v", q)
		}
		if l.now() != 1200*time.Millisecond {
			t.Errorf("13 messages took %v", l.now())
		}
	})
}

// TestConsumeInPieces: frames are found however they are cut.
func TestConsumeInPieces(t *testing.T) {
	l := &load{cfg: Config{Rooms: 1, RoomsPerClient: 1, Emitters: 1, Protocol: &socketIO{}}, run: 7, pool: newPool()}
	var stream []byte
	for n := range uint32(5) {
		payload := string(appendData([]byte(`42["bench",`), mark{run: 7, sequence: n + 1}, int(n)*100)) + "]"
		stream = append(stream, frame(payload)...)
	}
	for step := 1; step < len(stream); step += 7 {
		s := &socket{client: &client{load: l, trackers: make([]tracker, 1)}}
		w := l.pool.take()
		w.counts = counts{}
		for piece := range slices.Chunk(stream, step) {
			if err := s.consume(w, piece); err != nil {
				t.Fatal(err)
			}
		}
		if w.counts.delivered != 5 || w.counts.late+w.counts.doubled+w.counts.strays != 0 {
			t.Errorf("in pieces of %d bytes: %+v", step, w.counts)
		}
		l.pool.put(w)
	}
}

// TestConnectRate: clients begin when it is their turn, and one that begins late has waited since then.
func TestConnectRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &load{cfg: Config{ConnectRate: 10}, began: time.Now()}
		c := &connecting{run: &run{load: l}, from: 2 * time.Second}
		for _, tt := range []struct {
			client     int
			since, now time.Duration
		}{{0, 2 * time.Second, 2 * time.Second}, {15, 3500 * time.Millisecond, 3500 * time.Millisecond}, {5, 2500 * time.Millisecond, 3500 * time.Millisecond}} {
			if since, ok := c.turn(t.Context(), tt.client); since != tt.since || l.now() != tt.now || !ok {
				t.Errorf("client %d at %v, since %v; want %v, %v", tt.client, l.now(), since, tt.now, tt.since)
			}
		}
	})
}

// TestDrainWaitsForWhatMayCome: an emit of unknown outcome may have been delivered, in the place of one that is still under way.
func TestDrainWaitsForWhatMayCome(t *testing.T) {
	for delivered, want := range map[int64]time.Duration{9: time.Minute, 10: time.Minute, 11: lingerFor + drainEvery} {
		synctest.Test(t, func(t *testing.T) {
			l := &load{cfg: Config{Patience: time.Minute}, began: time.Now(), pool: newPool()}
			l.expected.Store(10)
			l.possible.Store(11)
			w := l.pool.take()
			w.counts.delivered = delivered
			l.pool.put(w)
			(&run{load: l, report: new(Report)}).drain(t.Context())
			if l.now() != want {
				t.Errorf("%d of 10, or of 11: waited for %v, want %v", delivered, l.now(), want)
			}
		})
	}
}

// FuzzConsume: no bytes end the bench, and it does not matter how they are cut.
func FuzzConsume(f *testing.F) {
	event := frame(string(appendData([]byte(`42["bench",`), mark{run: 7, sequence: 1}, 0)) + "]")
	f.Add(event, 3)
	f.Add(append([]byte{0x01, 2, '4', '2', 0x80, 1, '['}, event...), 1)          // in fragments
	f.Add([]byte{0x81, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 10) // too long
	f.Fuzz(func(t *testing.T, stream []byte, step int) {
		l := &load{cfg: Config{Rooms: 1, RoomsPerClient: 1, Emitters: 1, Protocol: &socketIO{}}, run: 7, pool: newPool()}
		w := l.pool.take()
		var got [2]counts
		var ended [2]bool
		for i, size := range []int{max(len(stream), 1), min(max(step, 1), 1<<20)} {
			s := &socket{client: &client{load: l, trackers: make([]tracker, 1)}, conn: silent{}}
			w.counts = counts{}
			for piece := range slices.Chunk(stream, size) {
				if err := s.consume(w, piece); err != nil {
					ended[i] = true
					break
				}
			}
			w.counts.last = 0
			got[i] = w.counts
		}
		if got[0] != got[1] || ended[0] != ended[1] {
			t.Errorf("%+v, %v at once, and %+v, %v in pieces of %d bytes", got[0], ended[0], got[1], ended[1], step)
		}
	})
}

// silent is a connection that takes everything.
type silent struct{ net.Conn }

func (silent) Write(p []byte) (int, error)      { return len(p), nil }
func (silent) SetWriteDeadline(time.Time) error { return nil }

// TestConsumeAllocatesNothing: a message costs the bench no memory, whether it comes alone or with others.
func TestConsumeAllocatesNothing(t *testing.T) {
	const together = 16
	l := &load{cfg: Config{Rooms: 1, RoomsPerClient: 1, Emitters: 1, Protocol: &socketIO{}}, run: 7, pool: newPool(), began: time.Now()}
	s := &socket{client: &client{load: l, trackers: make([]tracker, 1)}}
	w := l.pool.take()
	data, sequence := make([]byte, 0, together*200), uint32(0)
	for _, n := range []int{1, together} {
		if allocs := testing.AllocsPerRun(100, func() {
			data = data[:0]
			for range n {
				sequence++
				data = append(data, 0x81, byte(len("42")+len(dataStart)+markLength+len(dataEnd)), '4', '2')
				data = appendData(data, mark{run: 7, sequence: sequence}, 0)
			}
			if err := s.consume(w, data); err != nil {
				t.Error(err)
			}
		}); allocs != 0 {
			t.Errorf("%v allocations for %d messages", allocs, n)
		}
	}
	if w.counts.delivered == 0 || w.counts.delivered != int64(sequence) {
		t.Errorf("%+v after %d messages", w.counts, sequence)
	}
}

// frame is a WebSocket frame of a server.
func frame(payload string) []byte {
	n := len(payload)
	if n < 126 {
		return append([]byte{0x81, byte(n)}, payload...)
	}
	return append([]byte{0x81, 126, byte(n >> 8), byte(n)}, payload...)
}

func TestUsage(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux: other systems have no /proc")
	}
	before, err := usageOf(os.Getpid())
	if err != nil || before.RSS < 1<<20 {
		t.Fatalf("%+v, %v", before, err)
	}
	for own := ownCPU(); ownCPU()-own < 30*time.Millisecond; {
	}
	after, err := usageOf(os.Getpid())
	if used := after.CPU - before.CPU; err != nil || used < 10*time.Millisecond {
		t.Errorf("%v used, %v; want about 30ms", used, err)
	}
	if openFilesOf(os.Getpid()) == 0 || localPorts() < 1000 {
		t.Errorf("%d open files, %d ports", openFilesOf(os.Getpid()), localPorts())
	}
}

func TestSourceAddress(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux: other systems have one address of loopback")
	}
	many := Config{URL: "http://127.0.0.1:1", Clients: 300 * clientsPerAddress}
	l := &load{cfg: many, addresses: many.addresses()}
	taken := map[string]int{}
	for i := range many.Clients {
		taken[l.sourceAddress(i).String()]++
	}
	if len(taken) != 300 || taken["127.0.0.2"] != clientsPerAddress || taken["127.0.1.45"] != clientsPerAddress {
		t.Errorf("from %v", taken)
	}
	for _, cfg := range []Config{{URL: "http://127.0.0.1:1", Clients: clientsPerAddress}, {URL: "http://192.0.2.1", Clients: 1e6}, {URL: "http://[::1]:1", Clients: 1e6},
		{URL: "http://localhost:1", Clients: 1e6}} {
		l := &load{cfg: cfg, addresses: cfg.addresses()}
		if a := l.sourceAddress(0); a != nil || cfg.limits().SourceAddresses != 1 {
			t.Errorf("%s: from %v", cfg.URL, a)
		}
	}
}

func TestAxis(t *testing.T) {
	for _, tt := range []struct {
		most float64
		want string
	}{{0, "0 0.2 0.4 0.6 0.8 1"}, {1, "0 0.2 0.4 0.6 0.8 1"}, {7, "0 2 4 6 8"}, {23, "0 5 10 15 20 25"}, {100, "0 20 40 60 80 100"}, {101, "0 50 100 150"}} {
		a := axis{low: 0, high: 100}
		a.round(tt.most, plain)
		var labels []string
		for _, tick := range a.Ticks {
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != tt.want {
			t.Errorf("up to %v: %s, want %s", tt.most, got, tt.want)
		}
	}
}

func TestFigures(t *testing.T) {
	for got, want := range map[string]string{
		number(-1234567): "-1,234,567", number(-123): "-123", number(1000): "1,000", number(999): "999",
		share(999_999, 1_000_000): "99.99 %", share(5, 5): "100 %", share(1, 3): "33.33 %", share(0, 0): "-",
		micros(999): "999 us", micros(1234): "1.23 ms", micros(12e6): "12.0 s", size(1500): "1.50 kB", size(-2e6): "-2.00 MB", digits(9.999): "10.0", digits(0.2): "0.20", digits(99.96): "100", short(1.5e6): "1.5M",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestReport: all forms have the figures, and the page needs nothing else and shows what a server says as text.
func TestReport(t *testing.T) {
	r := &Report{
		Load:     Load{URL: "http://a", Transport: WebSocket, Clients: 2000, Rooms: 1, By: ByHTTP, Emitters: 1, Count: 5, Size: 100},
		Connect:  Connect{Connected: 1999, Failed: 1, Errors: map[string]int{"<script>\x1b": 1}},
		Emit:     Emit{Accepted: 5},
		Delivery: Delivery{Expected: 9995, Delivered: 9983, Lost: 12, Latency: Quantiles{Count: 9983, P99: 1234, Max: 5000}, Ended: map[string]int{"EOF": 3}},
		Server:   &Server{RSSPerConnected: 4321},
		Samples:  make([]Sample, 3*maxPoints),
		Curve:    []Percentile{{0, 10}, {50, 100}, {99, 1234}, {100, 5000}},
	}
	for i := range r.Samples {
		r.Samples[i] = Sample{At: float64(i + 1), Phase: Emitting, P50: 100, P99: 1234, Max: 5000, PerSecond: float64(i), RSS: 1 << 20}
	}
	if err := r.Failure(); err == nil || err.Error() != "1 not connected, 12 lost, 3 disconnected" {
		t.Errorf("failure %v", err)
	}
	var text, page, json bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(&json); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1,999 of 2,000", "9,983 of 9,995 (99.88 %)", "lost          12", "  1.23 ms  ", "4.32 kB a connection", `1: <script>\x1b`, "3: EOF"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in %s", want, &text)
		}
	}
	for _, want := range []string{"1 not connected, 12 lost", "99.88 %", "<svg", "Latency by percentile", "99.9", "Memory of the server", "&lt;script&gt;"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("no %q in the page", want)
		}
	}
	for _, unwanted := range []string{"<script", "src=", "@import", "NaN", "Inf", "<link"} {
		if strings.Contains(page.String(), unwanted) {
			t.Errorf("%q in the page", unwanted)
		}
	}
	if points := strings.Count(page.String(), "L"); points > 15*maxPoints {
		t.Errorf("%d points", points)
	}
	for _, want := range []string{`"lost": 12`, `"p99": 1234`, `"rss_per_connection": 4321`} {
		if !strings.Contains(json.String(), want) {
			t.Errorf("no %s in %s", want, fmt.Sprint(&json)[:1000])
		}
	}
}
