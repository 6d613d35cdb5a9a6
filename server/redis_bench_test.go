//go:build unix

package server_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/ws-emit/ws-emit/server"
)

// BenchmarkRedis is what a message of about 200 bytes costs on its way from Redis through the hub, with nobody listening, in processor time of the
// server. Redis publishes from a script, 10,000 messages in each operation.
func BenchmarkRedis(b *testing.B) {
	data := `{"time":1700000000,"text":"` + strings.Repeat("x", 100) + `"}`
	for _, m := range []struct{ dialect, channel, payload string }{
		{"python", "socketio", `{"method": "emit", "event": "update", "data": [` + data + `], "binary": false, "namespace": "/", "room": "time", "skip_sid": null}`},
		{"node", "socket.io#/#time#", "\x93\xa1u\x83\xa4type\x02\xa4data\x92\xa6update\x82\xa4time\xce\x65\x53\xf1\x00\xa4text\xd9\x64" + strings.Repeat("x", 100) +
			"\xa3nsp\xa1/\x82\xa5rooms\x91\xa4time\xa5flags\x80"},
		{"json", "ws-emit", `{"event":"update","room":"time","data":` + data + `}`},
	} {
		b.Run(m.dialect, func(b *testing.B) { benchmarkRedis(b, m.channel, m.payload) })
	}
}

func benchmarkRedis(b *testing.B, channel, payload string) {
	const round = 10_000
	r := startRedis(b)
	registry := prometheus.NewRegistry()
	n := start(b, server.Config{Redis: r.url(), Registerer: registry})
	n.ready(b)
	c := r.client()
	script := redis.NewScript(`for i = 1, tonumber(ARGV[1]) do redis.call('PUBLISH', KEYS[1], ARGV[2]) end`)
	sent := 0.0
	before := cpuTime(b)
	for b.Loop() {
		if err := script.Run(b.Context(), c, []string{channel}, round, payload).Err(); err != nil && !errors.Is(err, redis.Nil) {
			b.Fatal(err)
		}
		sent += round
		if !repeat(time.Millisecond, func() bool { return metrics(b, registry)[`wsemit_emits_total{result="ok",source="redis"}`] == sent }) {
			b.Fatalf("%v, want %v emits", metrics(b, registry), sent)
		}
	}
	spent := float64((cpuTime(b) - before).Nanoseconds()) / sent
	b.ReportMetric(spent, "cpu-ns/msg")
	b.ReportMetric(1e9/spent, "msgs/cpu-s")
}

// cpuTime returns the processor time of this process.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
