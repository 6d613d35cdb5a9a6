package peer

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
)

// centrifuge is the best of those in Go that speak a protocol of their own: the library below Centrifugo, without a broker. Its clients speak
// JSON, as those in browsers do by default.
//
// It joins what is to be written to a client by itself. Its documentation has smaller buffers as a means against memory, and a delay of writes
// against processor time, as a trade for latency; neither is on by default, nor here.
func centrifuge() *Peer {
	const name = "centrifuge"
	return &Peer{
		Name:      name,
		Title:     "centrifuge (Go, not Socket.IO)",
		About:     "centrifuge, in Go, with a protocol of its own",
		Install:   installGo(name, "github.com/centrifugal/centrifuge"),
		Command:   listenOn(name),
		Configure: func(cfg *bench.Config) { cfg.Protocol = centrifugeJSON{} },
	}
}

// centrifugeJSON is the JSON form of the client protocol of Centrifugo: lines of JSON, of which a text may have several.
type centrifugeJSON struct{}

var _ bench.Protocol = centrifugeJSON{}

// centrifugePing is what the server sends to see whether a client is there, and what the client answers.
var centrifugePing = []byte("{}")

func (centrifugeJSON) Endpoint() string { return "/connection/websocket" }

// Join connects, and subscribes to a channel for each room.
func (centrifugeJSON) Join(c bench.Conn, _ int, rooms []string) error {
	if err := ask(c, 1, `"connect":{}`); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	for i, room := range rooms {
		channel, err := json.Marshal(room)
		if err != nil {
			return err
		}
		if err := ask(c, i+2, `"subscribe":{"channel":`+string(channel)+`}`); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	return nil
}

// ask sends a command and waits for the reply to it.
func ask(c bench.Conn, id int, command string) error {
	if err := c.Write(fmt.Appendf(nil, `{"id":%d,%s}`, id, command)); err != nil {
		return err
	}
	for {
		text, err := c.Read()
		if err != nil {
			return err
		}
		for line := range bytes.Lines(text) {
			var reply struct {
				ID    int
				Error *struct {
					Code    int
					Message string
				}
			}
			if err := json.Unmarshal(line, &reply); err != nil {
				return fmt.Errorf("reply: %w", err)
			}
			switch {
			case reply.ID != id: // a ping, or a push
			case reply.Error != nil:
				return fmt.Errorf("the server refused: %s (%d)", reply.Error.Message, reply.Error.Code)
			default:
				return nil
			}
		}
	}
}

// Receive answers pings. All other lines may have messages.
func (centrifugeJSON) Receive(text []byte) (answer []byte, messages bool, err error) {
	for rest := text; len(rest) > 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		if bytes.Equal(line, centrifugePing) {
			answer = centrifugePing
		} else if len(line) > 0 {
			messages = true
		}
	}
	return answer, messages, nil
}
