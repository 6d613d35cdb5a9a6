// Package post is what the servers in Go have in common: where they listen, and POST /emit.
package post

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
)

// maxBody bounds the body of an emit, in bytes.
const maxBody = 1 << 20

// Serve listens at the address that is given as -a on the command line. It serves POST /emit, which hands on what is to be sent, and at path
// the clients. It blocks, and returns why it cannot go on.
func Serve(path string, clients http.Handler, emit func(event, room string, data json.RawMessage) error) error {
	listen := flag.String("a", "127.0.0.1:8895", "`ADDRESS` to listen at")
	flag.Parse()
	mux := http.NewServeMux()
	mux.Handle(path, clients)
	mux.HandleFunc("POST /emit", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Event, Room string
			Data        json.RawMessage
		}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := emit(body.Event, body.Room, body.Data); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, "OK")
	})
	return http.ListenAndServe(*listen, mux)
}
