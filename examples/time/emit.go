package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ws-emit/ws-emit/emitter"
)

// emitFunc sends an event with some data to a room. It blocks until ws-emit or Redis has answered, or until ctx ends.
type emitFunc func(ctx context.Context, room, event string, data any) error

// overHTTP emits with POST /emit. In a shell that is
//
//	curl URL/emit -H 'Authorization: Bearer SECRET' -H 'Content-Type: application/json' -d '{"event": ..., "room": ..., "data": ...}'
func overHTTP(url, secret string) (emitFunc, error) {
	if secret == "" {
		return nil, errors.New("give the emit secret of ws-emit in SECRET")
	}
	client, err := emitter.NewClient(emitter.ClientConfig{URL: strings.TrimSuffix(url, "/") + "/emit", Secret: secret})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, room, event string, data any) error {
		message, err := emitter.NewMessage(event, []string{room}, data)
		if err != nil {
			return err
		}
		_, err = client.Emit(ctx, message)
		return err
	}, nil
}

// overRedis emits by publishing the same JSON on the channel "ws-emit". No secret is needed: who can write to Redis is trusted.
func overRedis(client *redis.Client) emitFunc {
	return func(ctx context.Context, room, event string, data any) error {
		message, err := json.Marshal(map[string]any{"event": event, "room": room, "data": data})
		if err != nil {
			return err
		}
		listeners, err := client.Publish(ctx, "ws-emit", message).Result()
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		if listeners == 0 {
			return errors.New("publish: no ws-emit listens there")
		}
		return nil
	}
}
