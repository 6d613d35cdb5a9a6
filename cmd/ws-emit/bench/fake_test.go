package bench

import (
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// fake is a server that does what it should not. It has one room, and takes every event for a join of it.
type fake struct {
	http *httptest.Server
	// faulty says what becomes of the n-th emit, which counts from 1: the messages that are sent in its place.
	faulty func(f *fake, n int, message string) []string
	// joined is the answer to a join; "" is none.
	joined string
	// status is what the n-th emit is answered with, and header what is in all answers.
	status func(n int) int
	header http.Header

	mu     sync.Mutex // guards the following
	conns  map[net.Conn]bool
	emits  int
	held   string
	pongs  int
	ending sync.WaitGroup
}

func startFake(t testing.TB, f *fake) string {
	f.conns = make(map[net.Conn]bool)
	mux := http.NewServeMux()
	mux.HandleFunc("/socket.io/", f.connect)
	mux.HandleFunc("/objects", f.connect)
	mux.HandleFunc("/emit", f.emit)
	f.http = httptest.NewServer(mux)
	t.Cleanup(func() {
		f.closeAll()
		f.http.Close()
		f.ending.Wait()
	})
	return f.http.URL
}

func (f *fake) closeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		c.Close()
	}
}

func (f *fake) connect(w http.ResponseWriter, r *http.Request) {
	conn, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	f.mu.Lock()
	f.conns[conn] = false
	f.mu.Unlock()
	f.ending.Go(func() {
		defer conn.Close()
		if r.URL.Path == "/objects" {
			f.speakObjects(conn)
			return
		}
		_ = wsutil.WriteServerText(conn, []byte(`0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`))
		for {
			data, _, err := wsutil.ReadClientData(conn)
			if err != nil {
				return
			}
			f.answer(conn, string(data))
		}
	})
}

func (f *fake) answer(conn net.Conn, packet string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case strings.HasPrefix(packet, "40"):
		_ = wsutil.WriteServerText(conn, []byte(`40{"sid":"y"}`))
	case strings.HasPrefix(packet, "42"):
		f.conns[conn] = true
		if f.joined != "" {
			_ = wsutil.WriteServerText(conn, []byte(`431[`+f.joined+`]`))
		}
	}
}

func (f *fake) emit(w http.ResponseWriter, r *http.Request) {
	var body struct{ Data json.RawMessage }
	data, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(data, &body) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.emits++
	maps.Copy(w.Header(), f.header)
	if f.status != nil {
		if status := f.status(f.emits); status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
	}
	messages := []string{`42["bench",` + string(body.Data) + `]`}
	if f.faulty != nil {
		messages = f.faulty(f, f.emits, messages[0])
	}
	for conn, joined := range f.conns {
		for _, m := range messages {
			if joined {
				_ = wsutil.WriteServerText(conn, []byte(m))
			}
		}
	}
	_, _ = io.WriteString(w, "OK\n")
}
