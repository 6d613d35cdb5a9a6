package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
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
