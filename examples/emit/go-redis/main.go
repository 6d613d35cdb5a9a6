// Command go-redis emits an event by Redis.
package main

import (
	"cmp"
	"context"
	"errors"
	"log"
	"os"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/redisbus"
)

func main() {
	options, err := redisbus.ParseURL(cmp.Or(os.Getenv("REDIS"), "redis://localhost:6379/0"))
	if err != nil {
		log.Fatal(err)
	}
	publisher, err := redisbus.NewPublisher(redisbus.PublisherConfig{Options: options})
	if err != nil {
		log.Fatal(err)
	}
	message, err := emitter.NewMessage("update", []string{"news"}, map[string]string{"title": "Grüße from Go"})
	if err != nil {
		log.Fatal(err)
	}
	_, err = publisher.Emit(context.Background(), message)
	if err := errors.Join(err, publisher.Close()); err != nil {
		log.Fatal(err)
	}
}
