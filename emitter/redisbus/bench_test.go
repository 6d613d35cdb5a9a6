package redisbus

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/ws-emit/ws-emit/emitter"
)

// traffic is a message of about 200 bytes in one of the dialects.
type traffic struct {
	name, channel, pattern string
	payload                string
	most                   float64 // allocations for decoding it
}

func allTraffic(tb testing.TB) []traffic {
	return []traffic{
		{name: "python", channel: "socketio", payload: pythonMessage(1), most: 4},
		{name: "pickle", channel: "socketio", payload: string(pickledMessage(tb)), most: 6},
		{name: "node", channel: "socket.io#/#time#", pattern: "socket.io#/#*", payload: string(nodeMessage(tb, 1)), most: 7},
		{name: "json", channel: "ws-emit", payload: string(plainEmit), most: 7},
	}
}

// decodeOnce returns a function that decodes a message, in memory that is used again.
func (m traffic) decodeOnce(tb testing.TB) func() {
	tb.Helper()
	r, err := New(Config{Options: newOptions(tb)})
	if err != nil {
		tb.Fatal(err)
	}
	it := item{channel: r.channels[m.channel], name: m.channel, payload: make([]byte, len(m.payload))}
	if m.pattern != "" {
		it.channel = r.patterns[m.pattern]
	}
	dst := make([]emitter.Message, 0, 1)
	return func() {
		copy(it.payload, m.payload) // it may be written over
		if out := r.decode(dst, it); len(out) != 1 {
			tb.Fatalf("%s: %d messages", m.name, len(out))
		}
	}
}

// BenchmarkDecode is what a message costs between its bytes and emitter.Message.
func BenchmarkDecode(b *testing.B) {
	for _, m := range allTraffic(b) {
		b.Run(m.name, func(b *testing.B) {
			decode := m.decodeOnce(b)
			b.SetBytes(int64(len(m.payload)))
			b.ReportAllocs()
			for b.Loop() {
				decode()
			}
		})
	}
}

func TestDecodeAllocs(t *testing.T) {
	for _, m := range allTraffic(t) {
		if n := testing.AllocsPerRun(1000, m.decodeOnce(t)); n > m.most {
			t.Errorf("%s: %v allocations, want at most %v", m.name, n, m.most)
		}
	}
}

// perRead is how many messages a benchmark gives to the reader at once.
const perRead = 1000

// deliverReads runs the two goroutines of a reader on replies from memory: the function that it returns puts in perRead messages and waits until a
// sink has taken them.
func (m traffic) deliverReads(tb testing.TB) (read func()) {
	tb.Helper()
	r, err := New(Config{Options: newOptions(tb)})
	if err != nil {
		tb.Fatal(err)
	}
	parts := []string{"message", m.channel, m.payload}
	if m.pattern != "" {
		parts = []string{"pmessage", m.pattern, m.channel, m.payload}
	}
	sent := []byte(strings.Repeat(resp(parts...), perRead))
	taken, all := 0, make(chan struct{})
	sink := sinkFunc(func(_ context.Context, batch []emitter.Message) (emitter.Receipt, error) {
		if taken += len(batch); taken%perRead == 0 {
			all <- struct{}{}
		}
		return emitter.Receipt{Accepted: len(batch)}, nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.deliver(ctx, sink) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	network := bytes.NewReader(sent)
	replies, in := newReplies(network, r.queue.limit), intake{reader: r}
	return func() {
		network.Reset(sent)
		for range perRead {
			reply, err := replies.next()
			if err != nil {
				tb.Fatal(err)
			}
			in.add(reply)
		}
		in.flush()
		await(tb, all, "message")
	}
}

// BenchmarkReader is what a message costs between the bytes that Redis sends and a sink. An operation is 1,000 messages.
func BenchmarkReader(b *testing.B) {
	for _, m := range allTraffic(b) {
		b.Run(m.name, func(b *testing.B) {
			read := m.deliverReads(b)
			b.ReportAllocs()
			for b.Loop() {
				read()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/perRead, "ns/msg")
		})
	}
}

// TestReaderAllocs: beside what is decoded, a message costs its payload and, by a pattern, the name of its channel.
func TestReaderAllocs(t *testing.T) {
	for _, m := range allTraffic(t) {
		more := 1.2
		if m.pattern != "" {
			more++
		}
		if n := testing.AllocsPerRun(20, m.deliverReads(t)) / perRead; n > m.most+more {
			t.Errorf("%s: %v allocations a message, want at most %v", m.name, n, m.most+more)
		}
	}
}
