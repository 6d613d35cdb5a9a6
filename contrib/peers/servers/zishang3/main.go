// Command zishang3 is a server with github.com/zishang520/socket.io/servers/socket/v3, as its documentation has it, with its defaults.
package main

import (
	"encoding/json"
	"log"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/ws-emit/ws-emit/contrib/peers/servers/internal/post"
)

func main() {
	io := socket.NewServer(nil, nil)
	if err := io.On("connection", func(clients ...any) { connected(clients[0].(*socket.Socket)) }); err != nil {
		log.Fatal(err)
	}
	log.Fatal(post.Serve("/socket.io/", io.ServeHandler(nil), func(event, room string, data json.RawMessage) error {
		var value any // a json.RawMessage would go out as binary
		if err := json.Unmarshal(data, &value); err != nil {
			return err
		}
		return io.To(socket.Room(room)).Emit(event, value)
	}))
}

// connected lets a client join rooms.
func connected(client *socket.Socket) {
	err := client.On("join", func(args ...any) {
		about, _ := args[0].(map[string]any)
		room, _ := about["room"].(string)
		client.Join(socket.Room(room))
		if ack, ok := args[len(args)-1].(socket.Ack); ok {
			ack([]any{map[string]any{"ok": true}}, nil)
		}
	})
	if err != nil {
		log.Print(err)
	}
}
