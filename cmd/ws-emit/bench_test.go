package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/redis/go-redis/v9"

	"github.com/ws-emit/ws-emit/emitter/redisbus"
)

// careless is a Socket.IO server that does not treat messages as it should. It has one room.
type careless struct {
	// instead are the messages that are sent in the place of the n-th, which counts from 1.
	instead func(n int, message string) []string

	mu      sync.Mutex // guards the following
	members []net.Conn
	emits   int
	serving sync.WaitGroup
}

func (c *careless) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/emit" {
		c.emit(w, r)
		return
	}
	c.serving.Add(1)
	defer c.serving.Done()
	conn, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	defer conn.Close()
	text := []byte(`0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`)
	for wsutil.WriteServerText(conn, text) == nil {
		packet, _, err := wsutil.ReadClientData(conn)
		if err != nil {
			return
		}
		if text = []byte(`40{"sid":"b"}`); bytes.HasPrefix(packet, []byte("42")) {
			c.mu.Lock()
			c.members = append(c.members, conn)
			c.mu.Unlock()
			text = []byte(`431[{"ok":true}]`)
		}
	}
}

func (c *careless) emit(w http.ResponseWriter, r *http.Request) {
	var body struct{ Data json.RawMessage }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.emits++
	for _, m := range c.instead(c.emits, `42["bench",`+string(body.Data)+`]`) {
		for _, conn := range c.members {
			if err := wsutil.WriteServerText(conn, []byte(m)); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
	}
}

// TestBenchFindsFaults: the bench says what a server has done wrong, to the message, and ends with status 1.
func TestBenchFindsFaults(t *testing.T) {
	const clients, messages = 7, 500
	held := ""
	for name, tt := range map[string]struct {
		instead              func(n int, message string) []string
		lost, doubled, order int
		failure              string
	}{
		"nothing": {instead: func(_ int, m string) []string { return []string{m} }},
		"drops every 100th": {lost: 35, failure: "35 lost", instead: func(n int, m string) []string {
			if n%100 == 0 {
				return nil
			}
			return []string{m}
		}},
		"doubles every 100th": {doubled: 35, failure: "35 doubled", instead: func(n int, m string) []string {
			if n%100 == 0 {
				return []string{m, m}
			}
			return []string{m}
		}},
		"swaps every 100th with the next": {order: 28, failure: "7 lost, 28 out of order", lost: 7, instead: func(n int, m string) []string {
			if n%100 == 0 { // nothing comes after the last one
				held = m
				return nil
			}
			if n%100 == 1 && n > 1 {
				return []string{m, held}
			}
			return []string{m}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := &careless{instead: tt.instead}
			s := httptest.NewServer(c)
			defer c.serving.Wait()
			defer s.Close()
			var stdout, stderr bytes.Buffer
			status := run([]string{"bench", "-q", "--url", s.URL, "-c", fmt.Sprint(clients), "-n", fmt.Sprint(messages), "--patience", "500ms"}, nil, &stdout, &stderr)
			want, said := 0, ""
			if tt.failure != "" {
				want, said = 1, "ws-emit: "+tt.failure+"\n"
			}
			if status != want || stderr.String() != said {
				t.Errorf("status %d, %q; want %d, %q", status, &stderr, want, said)
			}
			for _, line := range []string{
				fmt.Sprintf("delivered +%s of 3,500", regexp.QuoteMeta(strings.Replace(fmt.Sprint(clients*messages-tt.lost), "3", "3,", 1))),
				fmt.Sprintf("lost +%d", tt.lost), fmt.Sprintf("doubled +%d", tt.doubled), fmt.Sprintf("out of order +%d", tt.order),
			} {
				if !regexp.MustCompile(`(?m)^` + line + `\b`).Match(stdout.Bytes()) {
					t.Errorf("no line %q in\n%s", line, &stdout)
				}
			}
		})
	}
}

// TestBenchInsecure: a certificate that nobody knows is taken only when that is asked for.
func TestBenchInsecure(t *testing.T) {
	c := &careless{instead: func(_ int, m string) []string { return []string{m} }}
	s := httptest.NewUnstartedServer(c)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it would say that we refuse it
	s.StartTLS()
	defer c.serving.Wait()
	defer s.Close()
	var stdout, stderr bytes.Buffer
	args := []string{"bench", "-q", "--url", s.URL, "-c", "5", "-n", "10"}
	if status := run(args, nil, &stdout, &stderr); status != 1 || !strings.Contains(stderr.String(), "no client could connect: ") || stdout.Len() > 0 {
		t.Errorf("status %d, %q", status, &stderr)
	}
	stderr.Reset()
	if status := run(append(args, "--insecure"), nil, &stdout, &stderr); status != 0 || !strings.Contains(stdout.String(), "50 of 50 (100 %)") || stderr.Len() > 0 {
		t.Errorf("--insecure: status %d, %q, %s", status, &stderr, &stdout)
	}
}

// TestBenchAcceptedNothing: a server that accepts no message is no success.
func TestBenchAcceptedNothing(t *testing.T) {
	c := new(careless)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/emit" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		c.ServeHTTP(w, r)
	}))
	defer c.serving.Wait()
	defer s.Close()
	var stdout, stderr bytes.Buffer
	if status := run([]string{"bench", "-q", "--url", s.URL, "-c", "3", "-d", "10ms"}, nil, &stdout, &stderr); status != 1 || stderr.String() != "ws-emit: no message was accepted\n" {
		t.Errorf("status %d, %q, %s", status, &stderr, &stdout)
	}
}

// TestBenchHTMLFile: a file that cannot be written is found before anybody connects, and one that is there stays as it is without a report.
func TestBenchHTMLFile(t *testing.T) {
	dir := t.TempDir()
	old, fresh := filepath.Join(dir, "old.html"), filepath.Join(dir, "fresh.html")
	if err := os.WriteFile(old, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dir: "is a directory", old: "no client could connect", fresh: "no client could connect"} {
		var stdout, stderr bytes.Buffer
		status := run([]string{"bench", "-q", "--url", "http://127.0.0.1:1", "-c", "1", "--html", path}, nil, &stdout, &stderr)
		if status != 1 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: status %d, %q; want %q", path, status, &stderr, want)
		}
	}
	if text, err := os.ReadFile(old); err != nil || string(text) != "before" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := os.Stat(fresh); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty report stays: %v", err)
	}
	c := &careless{instead: func(_ int, m string) []string { return []string{m} }}
	s := httptest.NewServer(c)
	defer c.serving.Wait()
	defer s.Close()
	if err := os.WriteFile(old, bytes.Repeat([]byte("before"), 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	if status := run([]string{"bench", "-q", "--url", s.URL, "-c", "1", "-n", "1", "--html", old}, nil, io.Discard, io.Discard); status != 0 {
		t.Errorf("status %d", status)
	}
	if text, err := os.ReadFile(old); err != nil || !strings.HasSuffix(string(text), "</html>\n") {
		t.Errorf("not the report alone: %v", err)
	}
}

// loud counts what go-redis says.
type loud struct{ said atomic.Int64 }

func (l *loud) Printf(context.Context, string, ...any) { l.said.Add(1) }

// TestBenchRedisIsSilent: what is wrong with Redis is said once, by the bench.
func TestBenchRedisIsSilent(t *testing.T) {
	l := new(loud)
	redis.SetLogger(l)
	t.Cleanup(func() { redis.SetLogger(redisbus.ClientLog{Logger: slog.New(slog.DiscardHandler)}) })
	var stdout, stderr bytes.Buffer
	status := run([]string{"bench", "-q", "-c", "1", "--by", "redis:json", "--redis", "redis://127.0.0.1:1"}, nil, &stdout, &stderr)
	if status != 1 || strings.Count(stderr.String(), "\n") != 1 || l.said.Load() != 0 {
		t.Errorf("status %d, %q; the client of Redis said %d lines", status, &stderr, l.said.Load())
	}
}
