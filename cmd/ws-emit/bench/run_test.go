package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ws-emit/ws-emit/server"
)

func textOf(t testing.TB, r *Report) string {
	t.Helper()
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func authorized() http.Header { return http.Header{"Authorization": {"Bearer " + emitSecret}} }

// TestRunLosesNothing: with our server, each client gets each message of its rooms once and in order.
func TestRunLosesNothing(t *testing.T) {
	url := startServer(t, server.Config{Namespaces: []string{"/", "/a"}})
	for name, cfg := range map[string]Config{
		"websocket":   {Emitters: 3, Count: 300},
		"polling":     {Emitters: 3, Count: 300, Transport: Polling},
		"rooms":       {Emitters: 2, Count: 400, Rooms: 4, RoomsPerClient: 2},
		"namespace":   {Count: 50, Namespace: "/a", EmitBody: `{"namespace":"/a","event":"{event}","room":"{room}","data":{data}}`},
		"room name":   {Count: 50, Room: `a "quoted" {data} ü`},
		"large":       {Count: 4, Size: 200_000},
		"rate":        {Count: 50, Rate: 1000, ConnectRate: 1000},
		"without ack": {Count: 50, NoJoinAck: true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.URL, cfg.EmitHeader, cfg.Clients, cfg.Duration, cfg.Patience = url, authorized(), 20, patience, patience
			r := mustRun(t, cfg)
			receivers := int64(20 * max(cfg.RoomsPerClient, 1) / max(cfg.Rooms, 1))
			if r.Connect.Connected != 20 || r.Emit.Accepted != cfg.Count {
				t.Errorf("%d connected, %d accepted", r.Connect.Connected, r.Emit.Accepted)
			}
			d := r.Delivery
			if err := r.Failure(); err != nil || d.Expected != cfg.Count*receivers || d.Delivered != d.Expected || d.Latency.Count != d.Expected {
				t.Errorf("failure %v, %+v; want %d each", err, d, cfg.Count*receivers)
			}
			if r.Connect.Latency.Count != 20 || r.Emit.Latency.Count != cfg.Count {
				t.Errorf("latencies of %d connects and %d emits", r.Connect.Latency.Count, r.Emit.Latency.Count)
			}
		})
	}
}

// TestRunByRedis: each way by Redis reaches our server.
func TestRunByRedis(t *testing.T) {
	redis := startRedis(t)
	url := startServer(t, server.Config{Redis: redis})
	for _, way := range []Way{ByRedisJSON, ByRedisPython, ByRedisNode} {
		t.Run(string(way), func(t *testing.T) {
			r := mustRun(t, Config{URL: url, By: way, Redis: redis, Clients: 10, Emitters: 2, Count: 100, Patience: patience})
			if err := r.Failure(); err != nil || r.Delivery.Delivered != 1000 {
				t.Errorf("failure %v, %d delivered; want 1000", err, r.Delivery.Delivered)
			}
		})
	}
	_, err := Run(t.Context(), Config{URL: url, By: ByRedisJSON, Redis: redis, Clients: 1, Channel: "nobody"})
	if err == nil || !strings.Contains(err.Error(), "no server listens") {
		t.Errorf("error %v where nobody listens", err)
	}
}

// TestRunIdle: without emitters the clients only stay, and the process of the server is measured.
func TestRunIdle(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux: other systems have no /proc")
	}
	url := startServer(t, server.Config{})
	r := mustRun(t, Config{URL: url, By: ByNothing, Clients: 300, Duration: time.Millisecond, Patience: time.Millisecond, PID: os.Getpid()})
	if err := r.Failure(); err != nil || r.Connect.Connected != 300 || r.Delivery.Expected != 0 {
		t.Errorf("failure %v, report %+v", err, r)
	}
	if s := r.Server; s == nil || s.RSSBefore < 1<<20 || s.RSSMost < s.RSSConnected || s.CPUPerConnect <= 0 {
		t.Errorf("server %+v", r.Server)
	}
}

// Of the runs in which something goes wrong.
const faultyClients, faultyCount = 5, 1000

// faults are what a server does wrong, and what the report says of it.
var faults = []struct {
	name    string
	faulty  func(f *fake, n int, message string) []string
	failure string
	want    Delivery
}{
	{"drops", func(_ *fake, n int, m string) []string {
		if n%100 == 0 {
			return nil
		}
		return []string{m}
	}, "50 lost", Delivery{Lost: 50}},
	{"doubles", func(_ *fake, n int, m string) []string {
		if n%100 == 0 {
			return []string{m, m}
		}
		return []string{m}
	}, "50 doubled", Delivery{Doubled: 50}},
	{"reorders", func(f *fake, n int, m string) []string {
		if n%100 == 1 {
			f.held = m
			return nil
		}
		if n%100 == 2 {
			return []string{m, f.held}
		}
		return []string{m}
	}, "50 out of order", Delivery{OutOfOrder: 50}},
	{"stops", func(_ *fake, n int, m string) []string {
		if n > 900 {
			return nil
		}
		return []string{m}
	}, "500 lost", Delivery{Lost: 500}},
	{"invents", func(_ *fake, n int, m string) []string {
		if n == 1 {
			return []string{m, strings.Replace(m, ":00000000:", ":00000007:", 1)}
		}
		return []string{m}
	}, "5 where they should not be", Delivery{Strays: 5}},
	{"somebody else's", func(_ *fake, n int, m string) []string {
		at := strings.Index(m, markStart) + len(markStart)
		return []string{m, m[:at] + "zz" + m[at+2:], m[:at], `42["other"]`, "42", "6"}
	}, "", Delivery{}},
	{"disconnects", func(f *fake, n int, m string) []string {
		if n == faultyCount {
			for c := range f.conns {
				c.Close()
				break
			}
		}
		return []string{m}
	}, "1 lost, 1 disconnected", Delivery{Lost: 1}},
}

// TestRunFindsFaults: the report says what a server has done wrong, to the message.
func TestRunFindsFaults(t *testing.T) {
	for _, tt := range faults {
		t.Run(tt.name, func(t *testing.T) {
			url := startFake(t, &fake{joined: "1", faulty: tt.faulty})
			r := mustRun(t, Config{URL: url, Clients: faultyClients, Count: faultyCount, Patience: time.Second})
			failure := ""
			if err := r.Failure(); err != nil {
				failure = err.Error()
			}
			d := r.Delivery
			if failure != tt.failure || d.Lost != tt.want.Lost || d.Doubled != tt.want.Doubled || d.OutOfOrder != tt.want.OutOfOrder || d.Strays != tt.want.Strays {
				t.Errorf("failure %q, %+v; want %q", failure, d, tt.failure)
			}
			if d.Expected != faultyClients*faultyCount || d.Delivered != d.Expected-d.Lost {
				t.Errorf("%d delivered of %d, want all of %d but the lost ones", d.Delivered, d.Expected, faultyClients*faultyCount)
			}
		})
	}
}

// TestRunCountsWhatIsAccepted: a message that was refused is sent again under its number, and one of unknown outcome is expected from nobody.
func TestRunCountsWhatIsAccepted(t *testing.T) {
	url := startFake(t, &fake{joined: "1", status: func(n int) int {
		if status, wrong := map[int]int{3: 503, 6: 429, 9: 502}[n]; wrong {
			return status
		}
		return http.StatusOK
	}})
	r := mustRun(t, Config{URL: url, Clients: 4, Count: 20, Patience: time.Second})
	if r.Emit.Busy != 2 || r.Emit.Failed != 1 || r.Emit.Accepted != 19 || r.Delivery.Expected != 4*19 || r.Delivery.Lost != 0 {
		t.Errorf("%+v, %+v", r.Emit, r.Delivery)
	}
	if err := r.Failure(); err == nil || err.Error() != "1 emits failed" {
		t.Errorf("failure %v", err)
	}
	if text := textOf(t, r); r.Emit.BusySeconds < 2*busyPause.Seconds() || !strings.Contains(text, ", told 2 times to wait, for 0.") {
		t.Errorf("told to wait for %v s in\n%s", r.Emit.BusySeconds, text)
	}
}

// TestRunWithoutMessages: where no message was accepted, or nobody was to get one, nothing is known to be well.
func TestRunWithoutMessages(t *testing.T) {
	behind := func(int) int { return http.StatusServiceUnavailable }
	for name, tt := range map[string]struct {
		fake *fake
		cfg  Config
		want string
	}{
		"all refused": {&fake{joined: "1", status: behind}, Config{Clients: 3, Duration: 10 * time.Millisecond}, "no message was accepted"},
		"all slow":    {&fake{joined: "1"}, Config{Clients: 3, Slow: 3, Count: 5}, "no client was to get a message"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.cfg.URL, tt.cfg.Patience = startFake(t, tt.fake), time.Second
			r := mustRun(t, tt.cfg)
			if err := r.Failure(); err == nil || err.Error() != tt.want {
				t.Errorf("failure %v, want %q", err, tt.want)
			}
			var page strings.Builder
			if err := r.WriteHTML(&page); err != nil || !strings.Contains(page.String(), `<p class="verdict bad">`+tt.want) {
				t.Errorf("error %v, or the page says that all is well", err)
			}
			if text := textOf(t, r); !strings.Contains(text, "0 of 0 (-)") {
				t.Errorf("something was delivered in\n%s", text)
			}
		})
	}
}

// TestRunSize: the report has the size of what is sent, which has room for the mark.
func TestRunSize(t *testing.T) {
	sent := 0
	url := startFake(t, &fake{joined: "1", faulty: func(_ *fake, _ int, m string) []string {
		sent = len(m) - len(`42["bench",]`)
		return []string{m}
	}})
	if r := mustRun(t, Config{URL: url, Clients: 1, Count: 1, Size: 10, Patience: patience}); r.Load.Size != sent || sent < markLength {
		t.Errorf("%d bytes in the report, %d sent", r.Load.Size, sent)
	}
}

// TestRunServerBreaks: when emits fail for good, the report says what came of those before.
func TestRunServerBreaks(t *testing.T) {
	f := &fake{joined: "1", status: func(n int) int {
		if n > 30 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	}, faulty: func(_ *fake, n int, m string) []string {
		if n == 30 {
			return nil
		}
		return []string{m}
	}}
	r := mustRun(t, Config{URL: startFake(t, f), Clients: 3, Count: 100, Patience: time.Millisecond})
	if r.Emit.Accepted != 30 || r.Emit.Failed != maxFailures || r.Delivery.Expected != 90 || r.Delivery.Lost != 3 {
		t.Errorf("%+v, %+v", r.Emit, r.Delivery)
	}
	const why = "emit: 10 failures one after the other, the last one: the server answered 500"
	if err := r.Failure(); err == nil || err.Error() != "3 lost, 10 emits failed, "+why {
		t.Errorf("failure %v", err)
	}
	if text := textOf(t, r); !strings.Contains(text, "stopped       before its time: "+why+"\n") {
		t.Errorf("not why it was stopped in\n%s", text)
	}
}

// TestRunTLS: clients and emitters speak TLS to an https server, and find out when it is not the one that it should be.
func TestRunTLS(t *testing.T) {
	behind, err := url.Parse(startServer(t, server.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	silent := log.New(io.Discard, "", 0) // it would say that we refuse a certificate, and end polls
	proxy := httputil.NewSingleHostReverseProxy(behind)
	front := httptest.NewUnstartedServer(proxy)
	proxy.ErrorLog, front.Config.ErrorLog = silent, silent
	front.StartTLS()
	t.Cleanup(front.Close)
	roots := x509.NewCertPool()
	roots.AddCert(front.Certificate())
	for _, transport := range []Transport{WebSocket, Polling} {
		cfg := Config{URL: front.URL, EmitHeader: authorized(), Transport: transport, Clients: 20, Emitters: 2, Count: 100, Patience: patience}
		_, err := Run(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
			t.Errorf("%s: error %v with a certificate that nobody knows", transport, err)
		}
		cfg.TLS = &tls.Config{RootCAs: roots}
		r := mustRun(t, cfg)
		if err := r.Failure(); err != nil || r.Delivery.Delivered != 2000 {
			t.Errorf("%s: failure %v, %+v", transport, err, r.Delivery)
		}
	}
}

// TestRunSlow: a client that stops reading is expected to get nothing.
func TestRunSlow(t *testing.T) {
	url := startServer(t, server.Config{MaxQueue: 64 << 10})
	r := mustRun(t, Config{URL: url, EmitHeader: authorized(), Clients: 5, Slow: 2, Count: 800, Size: 16_000, Patience: patience})
	if err := r.Failure(); err != nil || r.Delivery.Expected != 3*800 || r.Delivery.SlowEnded != 2 {
		t.Errorf("failure %v, %+v", err, r.Delivery)
	}
}

// TestRunErrors: where there is nothing to report, the error says why.
func TestRunErrors(t *testing.T) {
	url := startServer(t, server.Config{RoomSecrets: map[string]string{"closed": "S1"}})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		ctx  context.Context
		cfg  Config
		want string
	}{
		"nobody there":   {cfg: Config{URL: "http://127.0.0.1:1", Clients: 3}, want: "no client could connect"},
		"no endpoint":    {cfg: Config{URL: url, Path: "/nothing/", Clients: 3}, want: "no client could connect"},
		"join refused":   {cfg: Config{URL: url, Room: "closed::a", Clients: 3}, want: "refused the join"},
		"polling":        {cfg: Config{URL: url, Room: "closed::a", Clients: 3, Transport: Polling}, want: "refused the join"},
		"emit refused":   {cfg: Config{URL: url, Clients: 3}, want: "the server answered 403"},
		"no Redis":       {cfg: Config{URL: url, Clients: 3, By: ByRedisNode, Redis: "redis://127.0.0.1:1"}, want: "connect to Redis"},
		"no process":     {cfg: Config{URL: url, Clients: 3, PID: 1 << 30}, want: "process"},
		"too many":       {cfg: Config{URL: url, Clients: 1 << 30}, want: "files may be open"},
		"no ack":         {cfg: Config{URL: startFake(t, &fake{}), Clients: 3, Timeout: 50 * time.Millisecond}, want: "not connected and joined in time"},
		"stopped before": {ctx: ended, cfg: Config{URL: url, Clients: 3}, want: "0 of 3 clients had joined: interrupted before the first emit"},
	} {
		if tt.ctx == nil {
			tt.ctx = t.Context()
		}
		if r, err := Run(tt.ctx, tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: report %v, error %v; want %q", name, r, err, tt.want)
		}
	}
}

// TestRunStopped: a run that is ended from outside reports what came of it until then.
func TestRunStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url := startFake(t, &fake{joined: "1", faulty: func(_ *fake, n int, m string) []string {
		if n == 10 {
			cancel()
		}
		return []string{m}
	}})
	r, err := Run(ctx, Config{URL: url, Clients: 2, Duration: patience})
	if err != nil || !r.Stopped || r.Failure() != nil || r.Emit.Accepted < 9 || r.Delivery.Expected != 2*r.Emit.Accepted {
		t.Errorf("error %v, report %+v", err, r)
	}
}

func TestConfigErrors(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no URL":          {},
		"not http":        {URL: "redis://a"},
		"path":            {URL: "http://a/b"},
		"user":            {URL: "http://a:b@c"},
		"emit URL":        {URL: "http://a", EmitURL: "/emit"},
		"namespace":       {URL: "http://a", Namespace: "x"},
		"transport":       {URL: "http://a", Transport: "telepathy"},
		"way":             {URL: "http://a", By: "pigeon"},
		"negative":        {URL: "http://a", Clients: -1},
		"slow":            {URL: "http://a", Clients: 1, Slow: 2},
		"slow polling":    {URL: "http://a", Slow: 2, Transport: Polling},
		"too many rooms":  {URL: "http://a", RoomsPerClient: 2},
		"too many others": {URL: "http://a", Emitters: maxEmitters + 1},
	} {
		if _, err := CheckLimits(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if l, err := CheckLimits(Config{URL: "http://127.0.0.1", Clients: 1 << 30}); err != nil || !slices.ContainsFunc(l.Notes, func(n string) bool {
		return strings.Contains(n, "ulimit -n")
	}) && runtime.GOOS != "windows" {
		t.Errorf("limits %+v, error %v", l, err)
	}
}
