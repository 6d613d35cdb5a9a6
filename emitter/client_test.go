package emitter_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws-emit/ws-emit/emitter"
)

func newClient(t testing.TB, cfg emitter.ClientConfig) *emitter.Client {
	t.Helper()
	c, err := emitter.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newMessage(t testing.TB, event string, rooms []string, args ...any) emitter.Message {
	t.Helper()
	m, err := emitter.NewMessage(event, rooms, args...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestClient(t *testing.T) {
	s := &sink{receivers: func(context.Context) (int, error) { return 3, nil }}
	url, httpClient := serve(t, emitter.HTTPConfig{Secret: testSecret, Sink: s})
	c := newClient(t, emitter.ClientConfig{URL: url + "/emit", Secret: testSecret, HTTPClient: httpClient})
	m := newMessage(t, "e<&>", []string{"a", "b"}, map[string]string{"k": "<&>"}, nil, json.RawMessage(`[1e400, "\u0041"]`))
	m.Except, m.Namespace = []string{"c"}, "/n"
	want := `{"namespace":"/n","room":["a","b"],"except":["c"],"event":"e<&>","args":[{"k":"<&>"},null,[1e400,"\u0041"]]}`

	answer, err := c.Emit(t.Context(), m)
	if err != nil || answer.Accepted != 1 || answer.Receivers != 3 {
		t.Errorf("got %+v, %v", answer, err)
	}
	if got := s.got(t); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	answer, err = c.Emit(t.Context(), m, m)
	if err != nil || answer.Accepted != 2 {
		t.Errorf("got %+v, %v", answer, err)
	}
	if got := s.got(t); got != "["+want+","+want+"]" {
		t.Errorf("got %s", got)
	}
	if answer, err = c.Emit(t.Context()); err != nil || answer.Accepted != 0 || s.got(t) != "" {
		t.Errorf("nothing: got %+v, %v", answer, err)
	}
}

func TestClientErrors(t *testing.T) {
	good := emitter.Message{Event: "e"}
	for _, tt := range []struct {
		name  string
		cfg   emitter.HTTPConfig
		batch []emitter.Message
		is    error
		index int
	}{
		{"forbidden", emitter.HTTPConfig{Secret: "other", Sink: &sink{}}, []emitter.Message{good}, emitter.ErrForbidden, -1},
		{"not configured", emitter.HTTPConfig{}, []emitter.Message{good}, emitter.ErrNotConfigured, -1},
		{"too large", emitter.HTTPConfig{Secret: testSecret, Sink: refuse(0, emitter.ErrTooLarge)}, []emitter.Message{good}, emitter.ErrTooLarge, -1},
		{"busy", emitter.HTTPConfig{Secret: testSecret, Sink: refuse(0, emitter.ErrBusy)}, []emitter.Message{good}, emitter.ErrBusy, -1},
		{"namespace", emitter.HTTPConfig{Secret: testSecret, Sink: &sink{}, Namespaces: []string{"/"}}, []emitter.Message{good, {Event: "e", Namespace: "/a"}}, nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url, httpClient := serve(t, tt.cfg)
			c := newClient(t, emitter.ClientConfig{URL: url, Secret: testSecret, HTTPClient: httpClient, MaxRetries: -1})
			answer, err := c.Emit(t.Context(), tt.batch...)
			status, ok := errors.AsType[*emitter.StatusError](err)
			if !ok || answer.Accepted != 0 || status.Index != tt.index {
				t.Fatalf("got %+v, %#v", answer, err)
			}
			for _, sentinel := range []error{emitter.ErrForbidden, emitter.ErrNotConfigured, emitter.ErrTooLarge, emitter.ErrBusy, emitter.ErrClosed} {
				if errors.Is(err, sentinel) != (sentinel == tt.is) {
					t.Errorf("matches %v: %v", sentinel, sentinel != tt.is)
				}
			}
		})
	}
}

func TestClientRefusesBeforeSending(t *testing.T) {
	c := newClient(t, emitter.ClientConfig{URL: "http://localhost/emit", Secret: testSecret, HTTPClient: &http.Client{
		Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("it was sent") }),
	}})
	for name, m := range map[string]emitter.Message{
		"reserved event": {Event: "connect"},
		"attachment":     newMessage(t, "e", nil, []byte{1}),
		"arguments":      {Event: "e", Args: []json.RawMessage{[]byte("{")}},
	} {
		_, err := c.Emit(t.Context(), emitter.Message{Event: "e"}, m)
		if input, ok := errors.AsType[*emitter.InputError](err); !ok || input.Index != 1 {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestNewClientRefuses(t *testing.T) {
	for name, cfg := range map[string]emitter.ClientConfig{
		"no URL":        {Secret: "s"},
		"relative URL":  {URL: "/emit", Secret: "s"},
		"other scheme":  {URL: "redis://localhost", Secret: "s"},
		"broken URL":    {URL: "http://u:MARK@[", Secret: "s"},
		"no secret":     {URL: "http://localhost/emit"},
		"secret spaces": {URL: "http://localhost/emit", Secret: "MARK "},
		"secret lines":  {URL: "http://localhost/emit", Secret: "MARK\nb"},
	} {
		if _, err := emitter.NewClient(cfg); err == nil || strings.Contains(err.Error(), "MARK") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestNewMessageRefuses(t *testing.T) {
	for name, arg := range map[string]any{"a channel": make(chan int), "not a number": math.NaN(), "not JSON": json.RawMessage(`{MARK`)} {
		_, err := emitter.NewMessage("e", nil, 1, arg)
		if input, ok := errors.AsType[*emitter.InputError](err); !ok || input.Field != "args[1]" || strings.Contains(err.Error(), "MARK") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestNewMessageAttachments(t *testing.T) {
	m := newMessage(t, "e", nil, []byte("a"), 1, []byte("b"))
	if got := slices.Concat(rawBytes(m.Args)...); string(got) != `{"_placeholder":true,"num":0}1{"_placeholder":true,"num":1}` {
		t.Errorf("got %s", got)
	}
	if err := m.Validate(emitter.Limits{}); err != nil || len(m.Attachments) != 2 || string(m.Attachments[1]) != "b" {
		t.Errorf("got %q, %v", m.Attachments, err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// scripted answers one request after the other, and notes what was asked and when.
type scripted struct {
	answers []func(w http.ResponseWriter)
	asked   []string
	at      []time.Duration
	start   time.Time
}

func (s *scripted) client() *http.Client {
	s.start = time.Now()
	return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		s.asked, s.at = append(s.asked, string(body)), append(s.at, time.Since(s.start))
		w := httptest.NewRecorder()
		s.answers[0](w)
		s.answers = s.answers[1:]
		return w.Result(), nil
	})}
}

func answer(status int, retryAfter, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", retryAfter)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// After an answer that stopped half-way only the rest is sent, after the time that the server asked for.
func TestClientRetriesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{answers: []func(http.ResponseWriter){
			answer(503, "2", `{"ok":false,"error":"busy","accepted":1}`),
			answer(429, time.Now().Add(7*time.Second).UTC().Format(http.TimeFormat), ""),
			answer(503, "", `{"ok":false,"error":"busy","accepted":1}`),
			answer(200, "", `{"ok":true,"receivers":5}`),
		}}
		c := newClient(t, emitter.ClientConfig{URL: "http://x/emit", Secret: testSecret, HTTPClient: s.client()})
		got, err := c.Emit(t.Context(), emitter.Message{Event: "a"}, emitter.Message{Event: "b"}, emitter.Message{Event: "c"})
		if err != nil || got.Accepted != 3 || got.Receivers != -1 {
			t.Errorf("got %+v, %v", got, err)
		}
		want := []string{`[{"event":"a"},{"event":"b"},{"event":"c"}]`, `[{"event":"b"},{"event":"c"}]`, `[{"event":"b"},{"event":"c"}]`, `{"event":"c"}`}
		if !slices.Equal(s.asked, want) {
			t.Errorf("asked %q, want %q", s.asked, want)
		}
		for i, least := range []time.Duration{0, 2 * time.Second, 7 * time.Second, 7*time.Second + 400*time.Millisecond} {
			if i < len(s.at) && (s.at[i] < least || s.at[i] > least*5/4+2*time.Second) {
				t.Errorf("request %d after %v, want %v and a little more", i, s.at[i], least)
			}
		}
	})
}

func TestClientGivesUp(t *testing.T) {
	busy := answer(503, "1", `{"ok":false,"error":"busy","accepted":0}`)
	for _, tt := range []struct {
		name    string
		answers []func(http.ResponseWriter)
		cfg     emitter.ClientConfig
		within  time.Duration // of the context
		asked   int
		is      error
	}{
		{"after three retries", []func(http.ResponseWriter){busy, busy, busy, busy}, emitter.ClientConfig{}, time.Minute, 4, emitter.ErrBusy},
		{"at once", []func(http.ResponseWriter){busy}, emitter.ClientConfig{MaxRetries: -1}, time.Minute, 1, emitter.ErrBusy},
		{"when it would have to wait long", []func(http.ResponseWriter){answer(429, "3600", "")}, emitter.ClientConfig{}, time.Minute, 1, emitter.ErrBusy},
		{"when its context ends", []func(http.ResponseWriter){busy}, emitter.ClientConfig{}, time.Millisecond, 1, context.DeadlineExceeded},
		{"at other errors", []func(http.ResponseWriter){answer(500, "1", "")}, emitter.ClientConfig{}, time.Minute, 1, nil},
		{"when another answers 200", []func(http.ResponseWriter){answer(200, "", "<html>")}, emitter.ClientConfig{}, time.Minute, 1, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{answers: tt.answers}
				tt.cfg.URL, tt.cfg.Secret, tt.cfg.HTTPClient = "http://x/emit", testSecret, s.client()
				ctx, cancel := context.WithTimeout(t.Context(), tt.within)
				defer cancel()
				got, err := newClient(t, tt.cfg).Emit(ctx, emitter.Message{Event: "a"})
				if err == nil || got.Accepted != 0 || len(s.asked) != tt.asked || tt.is != nil && !errors.Is(err, tt.is) {
					t.Errorf("got %+v, %v after %d requests", got, err, len(s.asked))
				}
			})
		})
	}
}

// The place of a refused message is that in the batch of the caller, also when only the rest was sent.
func TestClientCountsFromTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{answers: []func(http.ResponseWriter){
			answer(503, "", `{"ok":false,"error":"busy","accepted":2}`),
			answer(400, "", `{"ok":false,"error":"bad","index":1,"field":"room"}`),
		}}
		c := newClient(t, emitter.ClientConfig{URL: "http://x/emit", Secret: testSecret, HTTPClient: s.client()})
		e := emitter.Message{Event: "e"}
		got, err := c.Emit(t.Context(), e, e, e, e)
		status, ok := errors.AsType[*emitter.StatusError](err)
		if !ok || status.Index != 3 || status.Field != "room" || got.Accepted != 2 {
			t.Errorf("got %+v, %#v", got, err)
		}
	})
}

// What a broken server says is no reason to send less than the rest or to panic.
func TestClientDistrustsAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{answers: []func(http.ResponseWriter){
			answer(503, "", `{"ok":false,"error":"busy","accepted":-5}`),
			answer(503, "", `{"ok":false,"error":"busy","accepted":99}`),
		}}
		c := newClient(t, emitter.ClientConfig{URL: "http://x/emit", Secret: testSecret, HTTPClient: s.client()})
		got, err := c.Emit(t.Context(), emitter.Message{Event: "a"})
		if err != nil || got.Accepted != 1 || len(s.asked) != 2 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

func TestClientFollowsNoRedirect(t *testing.T) {
	srv := httptest.NewServer(http.RedirectHandler("/other", http.StatusFound))
	t.Cleanup(srv.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	_, err := newClient(t, emitter.ClientConfig{URL: srv.URL, Secret: testSecret}).Emit(t.Context(), emitter.Message{Event: "a"})
	if status, ok := errors.AsType[*emitter.StatusError](err); !ok || status.Status != http.StatusFound {
		t.Errorf("got %v", err)
	}
}
