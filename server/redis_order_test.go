package server_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

// countingScript publishes a message with the next number of its channel in it, so that the numbers are in the order in which Redis took them.
var countingScript = redis.NewScript(`
	local n = redis.call('INCR', 'count:' .. KEYS[1])
	return redis.call('PUBLISH', KEYS[1], ARGV[1] .. string.format('%06d', n) .. ARGV[2])`)

// 100 publishers count up at the same time, on channels of each dialect: a client gets everything once, and what is on one channel in its order.
func TestRedisOrderOf100Publishers(t *testing.T) {
	const publishers, each = 100, 50
	channels := []struct{ name, payload string }{
		{"socketio", `{"method": "emit", "event": "socketio", "data": ["N"], "namespace": "/", "room": "order"}`},
		{"flask-socketio", "(dS'method'\nS'emit'\nsS'event'\nS'flask-socketio'\nsS'namespace'\nS'/'\nsS'room'\nS'order'\nsS'data'\nS'N'\ns."},
		{"ws-emit", `{"event": "ws-emit", "room": "order", "data": "N"}`},
		{"socket.io#/#order#", "\x93\xa1u\x83\xa4type\x02\xa4data\x92\xb2socket.io#/#order#\xa6N\xa3nsp\xa1/\x81\xa5rooms\x91\xa5order"},
	}
	r := startRedis(t)
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{Redis: r.url(), Registerer: registry})
	n.ready(t)
	c := n.client(t, sioclient.Config{})
	join(t, c, "order", "")

	publisher := r.client()
	var publishing sync.WaitGroup
	defer publishing.Wait()
	for i := range publishers {
		channel := channels[i%len(channels)]
		head, tail, _ := strings.Cut(channel.payload, "N")
		publishing.Go(func() {
			for range each {
				if err := countingScript.Run(t.Context(), publisher, []string{channel.name}, head, tail).Err(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	seen := map[string]int{}
	for range publishers * each {
		e, err := c.Next(soon(t))
		if err != nil {
			t.Fatalf("%v; after %v", err, seen)
		}
		seen[e.Name]++
		if got, want := string(e.JSON()), fmt.Sprintf(`["%06d"]`, seen[e.Name]); got != want {
			t.Fatalf("%s: %s, want %s", e.Name, got, want)
		}
	}
	for _, channel := range channels {
		if seen[channel.name] != publishers*each/len(channels) {
			t.Errorf("%v messages by channel, want %d each", seen, publishers*each/len(channels))
		}
	}
	for name, value := range metrics(t, registry) {
		if strings.HasPrefix(name, "wsemit_source_") || strings.HasPrefix(name, "wsemit_emits_total") && value != publishers*each {
			t.Errorf("%s is %v", name, value)
		}
	}
}
