package emitter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ws-emit/ws-emit/emitter"
)

const testSecret = "123"

// sink keeps what it accepts.
type sink struct {
	receivers func(context.Context) (int, error)
	// answer, if any, is asked instead of accepting.
	answer func(ctx context.Context, batch []emitter.Message) (emitter.Receipt, error)

	mu      sync.Mutex // guards the following
	batches [][]emitter.Message
}

var _ emitter.Sink = (*sink)(nil)

func (s *sink) Emit(ctx context.Context, batch []emitter.Message) (emitter.Receipt, error) {
	if s.answer != nil {
		return s.answer(ctx, batch)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches = append(s.batches, batch)
	return emitter.Receipt{Accepted: len(batch), Receivers: s.receivers}, nil
}

// got returns what was accepted since the last call, one line a batch.
func (s *sink) got(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, b := range s.batches {
		lines = append(lines, encode(t, b))
	}
	s.batches = nil
	return strings.Join(lines, "\n")
}

// refuse makes a sink answer an error after accepting n messages.
func refuse(n int, err error) *sink {
	return &sink{answer: func(context.Context, []emitter.Message) (emitter.Receipt, error) {
		return emitter.Receipt{Accepted: n}, err
	}}
}

// results counts what OnResult is told.
type results struct {
	mu   sync.Mutex // guards the following
	list []emitter.Result
}

func (r *results) add(result emitter.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, result)
}

func (r *results) take() []emitter.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.list
	r.list = nil
	return list
}

func serve(t testing.TB, cfg emitter.HTTPConfig) (url string, client *http.Client) {
	t.Helper()
	srv := httptest.NewServer(emitter.NewHandler(cfg))
	t.Cleanup(srv.Close)
	return srv.URL, srv.Client()
}

// call is one request: POST of JSON unless it says otherwise.
type call struct {
	method, contentType, accept, bearer, body string
}

type reply struct {
	status int
	header http.Header
	body   string
}

func do(t testing.TB, client *http.Client, url string, c call) reply {
	t.Helper()
	if c.method == "" {
		c.method = http.MethodPost
	}
	if c.contentType == "" {
		c.contentType = "application/json"
	}
	req, err := http.NewRequestWithContext(t.Context(), c.method, url, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", c.contentType)
	if c.accept != "" {
		req.Header.Set("Accept", c.accept)
	}
	if c.bearer != "" {
		req.Header.Set("Authorization", c.bearer)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Close { // net/http takes the header away
		resp.Header.Set("Connection", "close")
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

// The cases that were recorded from the Python server, with what differs here by design: no answer is HTML, no answer quotes a secret,
// and what made it fail or emit an event without a name is 400.
func TestAsThePythonServer(t *testing.T) {
	s := &sink{}
	url, client := serve(t, emitter.HTTPConfig{Secret: testSecret, Sink: s})
	for _, tt := range []struct {
		name   string
		call   call
		status int
		body   string
		emit   string
	}{
		{"ok", call{body: `{"event":"update","room":"time","data":{"time":111111},"secret":"123"}`}, 200, "OK\n",
			`{"namespace":"/","room":["time"],"event":"update","args":[{"time":111111}]}`},
		{"wrong secret", call{body: `{"event":"e","secret":"bad"}`}, 403, "Incorrect secret\n", ""},
		{"wrong secret html", call{body: `{"event":"e","secret":"<script>alert(1)</script>"}`}, 403, "Incorrect secret\n", ""},
		{"no secret", call{body: `{"event":"e"}`}, 403, "Incorrect secret\n", ""},
		{"secret number", call{body: `{"event":"e","secret":123}`}, 403, "Incorrect secret\n", ""},
		{"no event/room/data", call{body: `{"secret":"123"}`}, 400, "event: is missing\n", ""},
		{"room list", call{body: `{"event":"e","room":["a","b"],"data":[1,2],"secret":"123"}`}, 200, "OK\n",
			`{"namespace":"/","room":["a","b"],"event":"e","args":[[1,2]]}`},
		{"curl default content-type", call{contentType: "application/x-www-form-urlencoded", body: `{}`}, 415,
			"Content-Type must be application/json, application/x-ndjson or application/jsonl\n", ""},
		{"invalid json", call{body: `{`}, 400, "is not valid JSON at byte 1\n", ""},
		{"json array", call{body: `[]`}, 403, "Incorrect secret\n", ""},
		{"json null", call{body: `null`}, 403, "Incorrect secret\n", ""},
		{"GET", call{method: "GET"}, 405, "Only POST is allowed\n", ""},
		{"OPTIONS", call{method: "OPTIONS"}, 405, "Only POST is allowed\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := do(t, client, url, tt.call)
			if got.status != tt.status || got.body != tt.body {
				t.Errorf("got %d %q, want %d %q", got.status, got.body, tt.status, tt.body)
			}
			if emit := s.got(t); emit != tt.emit {
				t.Errorf("emitted %s, want %s", emit, tt.emit)
			}
		})
	}
}

const (
	inBody = `{"event":"e","secret":"123"}`
	bearer = "Bearer " + testSecret
	three  = `[{"event":"a"},{"event":"b"},{"event":"c"}]`
)

// statuses are calls and what they are answered.
var statuses = []struct {
	name   string
	cfg    emitter.HTTPConfig // Secret and Sink are filled in
	call   call
	status int
	body   string
	header map[string]string
	result emitter.Result
}{
	{"text", emitter.HTTPConfig{}, call{body: inBody}, 200, "OK\n", nil, emitter.ResultOK},
	{"json", emitter.HTTPConfig{}, call{body: inBody, accept: "text/html, application/json;q=0.5"}, 200, `{"ok":true,"receivers":null}` + "\n", nil, emitter.ResultOK},
	{"json not wanted", emitter.HTTPConfig{}, call{body: inBody, accept: "application/json;q=0, */*"}, 200, "OK\n", nil, emitter.ResultOK},
	{"any", emitter.HTTPConfig{}, call{body: inBody, accept: "*/*"}, 200, "OK\n", nil, emitter.ResultOK},
	{"ignored", emitter.HTTPConfig{}, call{body: `{"event":"e","secret":"123","Room":"a"}`, accept: "application/json"}, 200,
		`{"ok":true,"receivers":null,"ignored":["Room"]}` + "\n", nil, emitter.ResultOK},
	{"receivers", emitter.HTTPConfig{Sink: &sink{receivers: func(context.Context) (int, error) { return 7, nil }}}, call{body: inBody, accept: "application/json"}, 200,
		`{"ok":true,"receivers":7}` + "\n", nil, emitter.ResultOK},
	{"receivers none", emitter.HTTPConfig{Sink: &sink{receivers: func(context.Context) (int, error) { return 0, nil }}}, call{body: inBody, accept: "application/json"}, 200,
		`{"ok":true,"receivers":0}` + "\n", nil, emitter.ResultOK},
	{"receivers late", emitter.HTTPConfig{Timeout: time.Millisecond, Sink: &sink{receivers: func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }}},
		call{body: inBody, accept: "application/json"}, 200, `{"ok":true,"receivers":null}` + "\n", nil, emitter.ResultOK},
	{"content type with parameters", emitter.HTTPConfig{}, call{body: inBody, contentType: "Application/JSON; charset=utf-8"}, 200, "OK\n", nil, emitter.ResultOK},
	{"content type +json", emitter.HTTPConfig{}, call{body: inBody, contentType: "application/vnd.a+json"}, 200, "OK\n", nil, emitter.ResultOK},
	{"ndjson", emitter.HTTPConfig{}, call{body: inBody + "\n" + inBody + "\n", contentType: "application/x-ndjson"}, 200, "OK\n", nil, emitter.ResultOK},
	{"jsonl", emitter.HTTPConfig{}, call{body: inBody + "\r\n\r\n" + inBody, contentType: "application/jsonl"}, 200, "OK\n", nil, emitter.ResultOK},
	{"bad", emitter.HTTPConfig{}, call{bearer: bearer, body: `{"event":"e","room":5}`}, 400, "room: must be a string or a list of strings\n", nil, emitter.ResultBadRequest},
	{"bad in json", emitter.HTTPConfig{}, call{bearer: bearer, body: `{"event":"e","room":5}`, accept: "application/json"}, 400,
		`{"ok":false,"error":"room: must be a string or a list of strings","field":"room"}` + "\n", nil, emitter.ResultBadRequest},
	{"bad in a batch", emitter.HTTPConfig{}, call{bearer: bearer, body: `[{"event":"e"},{"event":""}]`, accept: "application/json"}, 400,
		`{"ok":false,"error":"message 1: event: is empty","index":1,"field":"event"}` + "\n", nil, emitter.ResultBadRequest},
	{"empty batch", emitter.HTTPConfig{}, call{bearer: bearer, body: `[]`}, 400, "there is no message\n", nil, emitter.ResultBadRequest},
	{"unknown namespace", emitter.HTTPConfig{Namespaces: []string{"/", "/a"}}, call{bearer: bearer, body: `[{"event":"e","namespace":"/a"},{"event":"e","namespace":"/b"}]`}, 400,
		"message 1: namespace: does not exist on this server\n", nil, emitter.ResultBadRequest},
	{"forbidden", emitter.HTTPConfig{}, call{bearer: "Bearer bad", body: inBody, accept: "application/json"}, 403, `{"ok":false,"error":"Incorrect secret"}` + "\n", nil, emitter.ResultForbidden},
	{"GET", emitter.HTTPConfig{}, call{method: "GET"}, 405, "Only POST is allowed\n", map[string]string{"Allow": "POST"}, emitter.ResultMethod},
	{"HEAD", emitter.HTTPConfig{}, call{method: "HEAD"}, 405, "", map[string]string{"Allow": "POST"}, emitter.ResultMethod},
	{"body too large", emitter.HTTPConfig{MaxBody: 20}, call{body: inBody}, 413, "the body is larger than 20 bytes\n", nil, emitter.ResultTooLarge},
	{"message too large", emitter.HTTPConfig{Limits: emitter.Limits{MaxBytes: 1}}, call{body: inBody}, 413, "is larger than 1 bytes\n", nil, emitter.ResultTooLarge},
	{"batch too large", emitter.HTTPConfig{}, call{bearer: bearer, body: `[` + strings.Repeat(`{"event":"e"},`, 1000) + `{"event":"e"}]`}, 413, "more than 1000 messages\n", nil, emitter.ResultTooLarge},
	{"too large for the sink", emitter.HTTPConfig{Sink: refuse(0, fmt.Errorf("hub: %w", emitter.ErrTooLarge))}, call{body: inBody}, 413, "More than the server accepts at once\n", nil, emitter.ResultTooLarge},
	{"media type", emitter.HTTPConfig{}, call{contentType: "text/plain", body: inBody, accept: "application/json"}, 415,
		`{"ok":false,"error":"Content-Type must be application/json, application/x-ndjson or application/jsonl"}` + "\n", nil, emitter.ResultMediaType},
	{"media type broken", emitter.HTTPConfig{}, call{contentType: ";", body: inBody}, 415,
		"Content-Type must be application/json, application/x-ndjson or application/jsonl\n", nil, emitter.ResultMediaType},
	{"internal", emitter.HTTPConfig{Sink: refuse(0, errors.New("MARK"))}, call{body: inBody}, 500, "Internal error\n", nil, emitter.ResultInternal},
	{"busy", emitter.HTTPConfig{Sink: refuse(0, emitter.ErrBusy)}, call{body: inBody}, 503, "The server is behind, try again later\n",
		map[string]string{"Retry-After": "1"}, emitter.ResultBusy},
	{"busy in json", emitter.HTTPConfig{Sink: refuse(0, emitter.ErrBusy)}, call{body: inBody, accept: "application/json"}, 503,
		`{"ok":false,"error":"The server is behind, try again later","accepted":0}` + "\n", map[string]string{"Retry-After": "1"}, emitter.ResultBusy},
	{"half-way", emitter.HTTPConfig{Sink: refuse(2, emitter.ErrBusy)}, call{bearer: bearer, body: three}, 503,
		"The server is behind, try again later (accepted the first 2 of 3 messages)\n", map[string]string{"Retry-After": "1"}, emitter.ResultBusy},
	{"half-way in json", emitter.HTTPConfig{Sink: refuse(2, emitter.ErrBusy)}, call{bearer: bearer, body: three, accept: "application/json"}, 503,
		`{"ok":false,"error":"The server is behind, try again later","accepted":2}` + "\n", map[string]string{"Retry-After": "1"}, emitter.ResultBusy},
	{"no credit in time", emitter.HTTPConfig{Timeout: time.Millisecond, Sink: &sink{answer: func(ctx context.Context, _ []emitter.Message) (emitter.Receipt, error) {
		<-ctx.Done()
		return emitter.Receipt{}, ctx.Err()
	}}}, call{body: inBody}, 503, "The server is behind, try again later\n", map[string]string{"Retry-After": "1"}, emitter.ResultBusy},
	{"no memory for the body", emitter.HTTPConfig{MaxBuffered: 1}, call{body: inBody}, 503, "The server is behind, try again later\n", map[string]string{"Retry-After": "1"}, emitter.ResultBusy},
	{"closed", emitter.HTTPConfig{Sink: refuse(0, emitter.ErrClosed)}, call{body: inBody}, 503, "The server is stopping\n",
		map[string]string{"Retry-After": "1", "Connection": "close"}, emitter.ResultClosed},
}

func TestStatuses(t *testing.T) {
	for _, tt := range statuses {
		t.Run(tt.name, func(t *testing.T) {
			var counted results
			tt.cfg.Secret, tt.cfg.OnResult = testSecret, counted.add
			if tt.cfg.Sink == nil {
				tt.cfg.Sink = &sink{}
			}
			url, client := serve(t, tt.cfg)
			got := do(t, client, url, tt.call)
			if got.status != tt.status || got.body != tt.body {
				t.Errorf("got %d %q, want %d %q", got.status, got.body, tt.status, tt.body)
			}
			wantType := "text/plain; charset=utf-8"
			if strings.HasPrefix(tt.body, "{") {
				wantType = "application/json"
			}
			if tt.header == nil {
				tt.header = map[string]string{"Retry-After": "", "Allow": ""}
			}
			tt.header["Content-Type"], tt.header["X-Content-Type-Options"] = wantType, "nosniff"
			for key, want := range tt.header {
				if got.header.Get(key) != want {
					t.Errorf("%s: got %q, want %q", key, got.header.Get(key), want)
				}
			}
			if list := counted.take(); !slices.Equal(list, []emitter.Result{tt.result}) {
				t.Errorf("counted %q, want %q", list, tt.result)
			}
		})
	}
}

func TestNotConfigured(t *testing.T) {
	var counted results
	url, client := serve(t, emitter.HTTPConfig{OnResult: counted.add})
	for _, c := range []call{{body: `{"event":"e","secret":""}`}, {body: `{"event":"e"}`, bearer: "Bearer "}, {method: "GET"}} {
		if got := do(t, client, url, c); got.status != 404 {
			t.Errorf("%+v: got %d", c, got.status)
		}
	}
	if list := counted.take(); len(list) != 3 || list[0] != emitter.ResultNotConfigured {
		t.Errorf("counted %q", list)
	}
}

func TestSecret(t *testing.T) {
	for _, tt := range []struct {
		name, bearer, body string
		status             int
	}{
		{"in the header", "Bearer 123", `{"event":"e"}`, 200},
		{"in the header, other case", "bearer  123", `{"event":"e"}`, 200},
		{"in both", "Bearer 123", `{"event":"e","secret":"123"}`, 200},
		{"null beside the header", "Bearer 123", `{"event":"e","secret":null}`, 200},
		{"escaped", "", `{"event":"e","s\u0065cret":"\u00312\u0033"}`, 200},
		{"in one object of a batch", "", `[{"event":"e"},{"event":"e","secret":"123"}]`, 200},
		{"in each object", "", `[{"event":"e","secret":"123"},{"event":"e","secret":"123"}]`, 200},
		{"another scheme", "Basic MTIz", `{"event":"e","secret":"123"}`, 200},
		{"nowhere", "", `{"event":"e"}`, 403},
		{"null", "", `{"event":"e","secret":null}`, 403},
		{"empty", "", `{"event":"e","secret":""}`, 403},
		{"longer", "", `{"event":"e","secret":"1234"}`, 403},
		{"shorter", "", `{"event":"e","secret":"12"}`, 403},
		{"other case of the key", "", `{"event":"e","Secret":"123"}`, 403},
		{"in data", "", `{"event":"e","data":{"secret":"123"}}`, 403},
		{"empty bearer", "Bearer", `{"event":"e","secret":"123"}`, 403},
		{"wrong in the header", "Bearer 12", `{"event":"e","secret":"123"}`, 403},
		{"wrong in the body", "Bearer 123", `{"event":"e","secret":"12"}`, 403},
		{"number beside the header", "Bearer 123", `{"event":"e","secret":123}`, 403},
		{"wrong in one object", "", `[{"event":"e","secret":"123"},{"event":"e","secret":"x"}]`, 403},
		{"lone surrogate", "", `{"event":"e","secret":"\ud800"}`, 403},
		// Until the secret has been given nothing else is told.
		{"wrong, and so is the rest", "", `{"event":5,"event":6,"secret":"x"}`, 403},
		{"missing, and not an object", "", `[1,2]`, 403},
		{"missing, and too many", "", `[` + strings.Repeat(`{},`, 1500) + `{}]`, 403},
		{"wrong before right", "", `{"event":"e","secret":"x","secret":"123"}`, 403},
		{"right, and the rest is wrong", "", `{"event":5,"secret":"123"}`, 400},
		{"right before wrong", "", `{"event":"e","secret":"123","secret":"x"}`, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &sink{}
			url, client := serve(t, emitter.HTTPConfig{Secret: testSecret, Sink: s})
			got := do(t, client, url, call{bearer: tt.bearer, body: tt.body})
			if got.status != tt.status {
				t.Errorf("got %d %q, want %d", got.status, got.body, tt.status)
			}
			if emitted := s.got(t) != ""; emitted != (tt.status == 200) {
				t.Errorf("emitted: %v", emitted)
			}
		})
	}
}

func TestBodyTooLargeWithoutALength(t *testing.T) {
	s := &sink{}
	url, client := serve(t, emitter.HTTPConfig{Secret: testSecret, Sink: s, MaxBody: 10000})
	for _, tt := range []struct{ size, status int }{{10000, 200}, {10001, 413}} {
		frame := `{"event":"e","secret":"123","data":""}`
		body := strings.Replace(frame, `""`, `"`+strings.Repeat("x", tt.size-len(frame))+`"`, 1)
		req, err := http.NewRequestWithContext(t.Context(), "POST", url, io.MultiReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.status {
			t.Errorf("%d bytes: got %d, want %d", tt.size, resp.StatusCode, tt.status)
		}
	}
}

// A body that comes too slowly ends, and so does a connection on which none comes after a refusal.
func TestSlowBody(t *testing.T) {
	var counted results
	url, _ := serve(t, emitter.HTTPConfig{Secret: testSecret, Sink: &sink{}, BodyTimeout: 50 * time.Millisecond, OnResult: counted.add})
	got := raw(t, url, "POST /emit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	if !strings.HasPrefix(got, "HTTP/1.1 408 ") {
		t.Errorf("got %q", got)
	}
	if list := counted.take(); !slices.Equal(list, []emitter.Result{emitter.ResultSlowBody}) {
		t.Errorf("counted %q", list)
	}
}

// raw sends text on a connection of its own and returns what comes until the server closes it.
func raw(t *testing.T, url, text string) string {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("after %q: %v", got, err)
	}
	return string(got)
}

// A caller who leaves while he waits for credit takes his batch with him.
func TestCallerLeaves(t *testing.T) {
	waiting, ended := make(chan struct{}), make(chan emitter.Result, 1)
	s := &sink{answer: func(ctx context.Context, _ []emitter.Message) (emitter.Receipt, error) {
		close(waiting)
		<-ctx.Done()
		return emitter.Receipt{}, ctx.Err()
	}}
	url, client := serve(t, emitter.HTTPConfig{Secret: testSecret, Sink: s, Timeout: time.Minute, OnResult: func(r emitter.Result) { ended <- r }})
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-waiting
		leave()
	}()
	req, err := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader(`{"event":"e","secret":"123"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if resp, err := client.Do(req); err == nil {
		resp.Body.Close()
		t.Error("the request was answered")
	}
	if got := <-ended; got != emitter.ResultCanceled {
		t.Errorf("counted %q", got)
	}
}

// Bodies that strangers hold back do not keep out those who gave the secret in a header, and what they hold is given back.
func TestStrangersCannotCrowdOut(t *testing.T) {
	h := emitter.NewHandler(emitter.HTTPConfig{Secret: testSecret, Sink: &sink{}, MaxBuffered: 4096})
	reading := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength < 0 { // the stranger's
			r.Body = &signalBody{ReadCloser: r.Body, reading: reading}
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	pr, pw := io.Pipe()
	t.Cleanup(func() { pw.Close() })
	req, err := http.NewRequestWithContext(t.Context(), "POST", srv.URL, pr)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	statuses := make(chan int, 1)
	go func() {
		resp, err := srv.Client().Do(req)
		if err != nil {
			statuses <- 0
			return
		}
		resp.Body.Close()
		statuses <- resp.StatusCode
	}()
	if _, err := io.WriteString(pw, `{"event":"e",`); err != nil {
		t.Fatal(err)
	}
	<-reading // memory is taken before the first read
	withBody, withHeader := call{body: inBody}, call{body: `{"event":"e"}`, bearer: bearer}
	if got := do(t, srv.Client(), srv.URL, withBody); got.status != 503 {
		t.Errorf("with the secret in the body: got %d", got.status)
	}
	if got := do(t, srv.Client(), srv.URL, withHeader); got.status != 200 {
		t.Errorf("with the secret in the header: got %d", got.status)
	}
	if _, err := io.WriteString(pw, `"secret":"123"}`); err != nil {
		t.Fatal(err)
	}
	pw.Close()
	if got := <-statuses; got != 200 {
		t.Errorf("the first request: got %d", got)
	}
	if got := do(t, srv.Client(), srv.URL, withBody); got.status != 200 {
		t.Errorf("afterwards: got %d", got.status)
	}
}

// signalBody closes reading when it is first read.
type signalBody struct {
	io.ReadCloser
	reading chan struct{}
	once    sync.Once
}

func (b *signalBody) Read(p []byte) (int, error) {
	b.once.Do(func() { close(b.reading) })
	return b.ReadCloser.Read(p)
}

// Neither what a caller sends nor what a sink says reaches answers or logs that it should not.
func TestNothingLeaks(t *testing.T) {
	var log bytes.Buffer
	url, client := serve(t, emitter.HTTPConfig{Secret: testSecret, Sink: refuse(0, errors.New("INSIDE")), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, body := range []string{`{"event":"e","secret":"MARK"}`, `{"event":"MARK","secret":"123"}`, `{"event":"e","secret":"123","room":{"MARK":1}}`, `{"event":MARK`} {
		for _, accept := range []string{"", "application/json"} {
			got := do(t, client, url, call{body: body, accept: accept})
			if strings.Contains(got.body, "MARK") || strings.Contains(got.body, "123") || strings.Contains(got.body, "INSIDE") {
				t.Errorf("%s: %s", body, got.body)
			}
		}
	}
	client.CloseIdleConnections()
	if text := log.String(); strings.Count(text, "INSIDE") != 2 || strings.Contains(text, "MARK") {
		t.Errorf("logged %s", text)
	}
}
