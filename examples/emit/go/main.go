// Command go emits an event by HTTP.
package main

import (
	"cmp"
	"context"
	"log"
	"os"

	"github.com/ws-emit/ws-emit/emitter"
)

func main() {
	client, err := emitter.NewClient(emitter.ClientConfig{
		URL:    cmp.Or(os.Getenv("WS_EMIT_URL"), "http://localhost:8899/emit"),
		Secret: os.Getenv("SECRET"),
	})
	if err != nil {
		log.Fatal(err)
	}
	message, err := emitter.NewMessage("update", []string{"news"}, map[string]string{"title": "Grüße from Go"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.Emit(context.Background(), message); err != nil {
		log.Fatal(err)
	}
}
