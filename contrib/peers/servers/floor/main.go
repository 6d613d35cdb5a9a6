// Command floor serves just enough of Socket.IO over WebSocket for the bench: no queues, no rooms, no heartbeats. It encodes an event once and
// does one net.Conn.Write for each client and message, one after the other.
//
//	GET /socket.io/?EIO=4&transport=websocket   any event of a client counts as joining the one room, and is acknowledged
//	POST /emit {"event":..., "data":...}        goes to every client
package main

import (
	"encoding/json"
	"log"
	"net"
	"net/http"
	"sync"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/ws-emit/ws-emit/contrib/peers/servers/internal/post"
)

func main() {
	f := &floor{joined: make(map[net.Conn]struct{})}
	log.Fatal(post.Serve("GET /socket.io/", f, f.emit))
}

type floor struct {
	mu     sync.Mutex // guards the following
	joined map[net.Conn]struct{}
}

// ServeHTTP returns when the client is connected, so that nothing of the request is kept.
func (f *floor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	go f.serve(c)
}

// serve ends with the connection.
func (f *floor) serve(c net.Conn) {
	defer func() {
		f.mu.Lock()
		delete(f.joined, c)
		f.mu.Unlock()
		_ = c.Close()
	}()
	answer := `0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`
	for {
		if answer != "" {
			if err := wsutil.WriteServerText(c, []byte(answer)); err != nil {
				return
			}
		}
		packet, _, err := wsutil.ReadClientData(c)
		if err != nil {
			return
		}
		answer = f.answer(c, packet)
	}
}

// answer is what a packet of a client is answered.
func (f *floor) answer(c net.Conn, packet []byte) string {
	switch {
	case string(packet) == "40":
		return `40{"sid":"y"}`
	case len(packet) > 2 && string(packet[:2]) == "42":
		f.mu.Lock()
		f.joined[c] = struct{}{}
		f.mu.Unlock()
		end := 2
		for end < len(packet) && packet[end] >= '0' && packet[end] <= '9' {
			end++
		}
		return "43" + string(packet[2:end]) + `[{"ok":true}]`
	}
	return ""
}

func (f *floor) emit(event, _ string, data json.RawMessage) error {
	frame := ws.MustCompileFrame(ws.NewTextFrame([]byte(`42["` + event + `",` + string(data) + `]`)))
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.joined {
		_, _ = c.Write(frame) // reading ends who has gone
	}
	return nil
}
