// Command zishang2 is a server with github.com/zishang520/socket.io/v2, as its documentation has it, with its defaults.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"

	"github.com/zishang520/socket.io/v2/socket"
)

func main() {
	listen := flag.String("a", "127.0.0.1:8895", "`ADDRESS` to listen at")
	flag.Parse()
	io := socket.NewServer(nil, nil)
	if err := io.On("connection", func(clients ...any) { connected(clients[0].(*socket.Socket)) }); err != nil {
		log.Fatal(err)
	}
	http.Handle("/socket.io/", io.ServeHandler(nil))
	http.HandleFunc("POST /emit", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Event, Room string
			Data        any // a json.RawMessage would go out as binary
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := io.To(socket.Room(body.Room)).Emit(body.Event, body.Data); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, "OK")
	})
	log.Fatal(http.ListenAndServe(*listen, nil))
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
