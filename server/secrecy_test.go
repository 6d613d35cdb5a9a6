package server_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

// transcript is everything that was logged, answered or counted.
type transcript struct {
	mu  sync.Mutex // guards the following
	buf bytes.Buffer
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// The secrets of this test. None of them may be seen anywhere but where its owner put it.
const (
	redisPassword = "redis-9fKq"
	spaceSecret   = "space-5mWt"
	wrongSecret   = "wrong-2xHd"
	payload       = "payload-8bRz"
)

// A day in the life of two servers, one of which has lost its Redis, with all that clients and backends do right and wrong: no secret and no payload is in
// the log, in the metrics or in an answer.
func TestInvariant8_SecretsStayWhereTheyAre(t *testing.T) {
	t.Parallel() // most of the time it waits
	for name, redis := range map[string]string{"memory": server.NoRedis, "Redis away": "redis://user:" + redisPassword + "@127.0.0.1:1/0"} {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			seen := &transcript{}
			n := start(t, server.Config{
				Redis: redis, RoomSecrets: map[string]string{"fixed": spaceSecret}, Registerer: registry, Gatherer: registry,
				Logger: slog.New(slog.NewTextHandler(seen, &slog.HandlerOptions{Level: slog.LevelDebug})),
			})
			sid := n.clientsDay(t, seen)
			n.backendsDay(t, seen)
			fmt.Fprintln(seen, n.get(t, "/metrics"), n.get(t, "/readyz"))
			for _, secret := range []string{emitSecret, redisPassword, spaceSecret, wrongSecret, payload, sid} {
				if text := seen.String(); strings.Contains(text, secret) {
					at := strings.Index(text, secret)
					t.Errorf("%s is told: ...%.300s", secret, text[max(0, at-100):])
				}
			}
		})
	}
}

// clientsDay is what clients do. It returns the secret id of a session.
func (n *node) clientsDay(t *testing.T, seen io.Writer) (sid string) {
	c := n.client(t, sioclient.Config{Auth: map[string]string{"token": payload}, Transports: transports["polling"]})
	for _, join := range []struct{ room, secret string }{
		{"fixed::a", spaceSecret}, {"fixed::a", wrongSecret}, {"other::a", spaceSecret}, {"other::a", wrongSecret}, {"::a", wrongSecret}, {"a", wrongSecret},
	} {
		reply, err := c.Join(soon(t), join.room, join.secret)
		fmt.Fprintln(seen, reply, err)
	}
	if _, err := c.EmitAck(soon(t), "join", map[string]any{"room": 7, "secret": wrongSecret}); err != nil {
		t.Fatal(err)
	}
	if err := c.Emit(payload, payload, []byte(payload)); err != nil {
		t.Fatal(err)
	}
	for _, packets := range [][]string{
		{"40" + `{"token":"` + payload}, {"40", `42["` + payload}, {"40/" + payload + ",{}"}, {payload}, {"40", `43["` + payload + `"]`}, {"40", `42["connect","` + payload + `"]`},
		{"40", `451-["` + payload + `",{"_placeholder":true,"num":0}]`, "4" + payload},
	} {
		for _, transport := range []sioclient.Transport{sioclient.TransportPolling, sioclient.TransportWebSocket} {
			w := openWire(t, n.url, transport)
			err := w.write(packets...)
			p, last := w.read()
			fmt.Fprintln(seen, err, strings.ReplaceAll(p, "44/"+payload, ""), last) // a CONNECT_ERROR names the namespace
			w.close()
		}
	}
	for _, url := range []string{
		"/socket.io/?EIO=4&transport=" + payload, "/socket.io/?EIO=4&transport=polling&sid=" + wrongSecret, "/socket.io/?EIO=" + payload + "&transport=polling",
		"/" + payload, "/socket.io/" + payload,
	} {
		fmt.Fprintln(seen, n.get(t, url))
	}
	return c.EngineSID()
}

// get returns what is answered to a GET.
func (n *node) get(t testing.TB, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(soon(t), http.MethodGet, n.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	status, text := do(t, req)
	return fmt.Sprint(status, " ", text)
}

// backendsDay is what backends do.
func (n *node) backendsDay(t *testing.T, seen io.Writer) {
	for _, body := range []string{
		`{"event":"e","data":"` + payload + `"}`,
		`{"event":"e","data":"` + payload,
		`{"event":"e","secret":"` + wrongSecret + `"}`,
		`{"event":"e","secret":"` + emitSecret + `"}`,
		`{"event":"connect","data":"` + payload + `"}`,
		`{"event":7,"data":"` + payload + `"}`,
		`{"event":"e","namespace":"` + payload + `"}`,
		`{"event":"e","namespace":"/` + payload + `"}`,
		`{"event":"e","event":"` + payload + `"}`,
		`{"event":"e","room":{"` + payload + `":1}}`,
		`{"event":"e","args":"` + payload + `"}`,
		`{"event":"` + strings.Repeat(payload, 100) + `"}`,
		`{"event":"e","data":"` + payload + `\ud800"}`,
		`"` + payload + `"`,
		payload,
	} {
		for _, secret := range []string{emitSecret, wrongSecret} {
			for _, mediaType := range []string{"application/json", "application/x-ndjson", payload + "/x"} {
				n.change(t, seen, http.MethodPost, "/emit", secret, mediaType, body)
			}
		}
	}
	for _, space := range []string{"fixed", "new", "::", strings.Repeat("x", 300)} {
		for _, secret := range []string{emitSecret, wrongSecret} {
			for _, body := range []string{`{"secret":"` + spaceSecret + `"}`, `{"secret":"` + spaceSecret, strings.Repeat(spaceSecret, 1000)} {
				n.change(t, seen, http.MethodPut, "/roomspaces/"+space, secret, "application/json", body)
				n.change(t, seen, http.MethodPut, "/roomspaces/"+space, secret, "text/plain", body)
			}
			n.change(t, seen, http.MethodGet, "/roomspaces/"+space, secret, "", "")
			n.change(t, seen, http.MethodDelete, "/roomspaces/"+space, secret, "", "")
		}
	}
}

// change makes a request of a backend.
func (n *node) change(t testing.TB, seen io.Writer, method, path, secret, mediaType, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(soon(t), method, n.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", mediaType)
	status, answer := do(t, req)
	fmt.Fprintln(seen, status, answer)
}

// An error about the configuration does not hold the secrets in it.
func TestInvariant8_ConfigurationErrors(t *testing.T) {
	long := strings.Repeat(spaceSecret, 1000)
	for name, cfg := range map[string]server.Config{
		"port":        {Redis: "redis://user:" + redisPassword + "@host:port/0"},
		"scheme":      {Redis: "amqp://user:" + redisPassword + "@host/0"},
		"no scheme":   {Redis: redisPassword},
		"database":    {Redis: "redis://user:" + redisPassword + "@host/x"},
		"unencoded":   {Redis: "redis://user:a/" + redisPassword + "@host/0"},
		"option":      {Redis: "redis://host/0?" + redisPassword + "=1"},
		"room secret": {Redis: server.NoRedis, RoomSecrets: map[string]string{"a": long}},
		"room-space":  {Redis: server.NoRedis, RoomSecrets: map[string]string{"~a": spaceSecret}},
	} {
		_, inConfig := cfg.WithDefaults()
		_, inNew := server.New(cfg)
		if inNew == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		text := errors.Join(inConfig, inNew).Error()
		if strings.Contains(text, redisPassword) || strings.Contains(text, spaceSecret) {
			t.Errorf("%s: %.300s", name, text)
		}
	}
}
