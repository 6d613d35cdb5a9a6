package bench

import (
	"bytes"
	"runtime"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/gobwas/ws"
)

// workerBuffer is how much a client reads at once, in bytes.
const workerBuffer = 64 << 10

// Bounds of a histogram, in microseconds. What is longer counts as the longest.
const (
	shortest, longest = 1, int64(10 * time.Minute / time.Microsecond)
	histogramDigits   = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(shortest, longest, histogramDigits)
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(d.Microseconds(), shortest), longest)) // it is within the bounds
}

// counts are what clients have got.
type counts struct {
	delivered int64 // each message once for each client
	doubled   int64
	late      int64
	strays    int64 // for a room that the client is not in, or with numbers that nobody sent
	bytes     int64 // of messages that were delivered, with what is around the data
	last      time.Duration
}

func (c *counts) add(more counts) {
	c.delivered += more.delivered
	c.doubled += more.doubled
	c.late += more.late
	c.strays += more.strays
	c.bytes += more.bytes
	c.last = max(c.last, more.last)
}

// worker is what a client needs while it reads. Who has it owns it.
type worker struct {
	buf     []byte
	reader  bytes.Reader
	header  [ws.MaxHeaderSize]byte
	counts  counts
	latency *hdrhistogram.Histogram // since it was collected
}

// pool lends workers: a few more than can be at work at the same time.
type pool struct {
	free chan *worker

	collecting sync.Mutex // held while somebody takes more than one
}

func newPool() *pool {
	p := &pool{free: make(chan *worker, runtime.GOMAXPROCS(0)+2)}
	for range cap(p.free) {
		p.free <- &worker{buf: make([]byte, workerBuffer), latency: newHistogram()}
	}
	return p
}

// take waits for a worker. Who has one must not block for long.
func (p *pool) take() *worker { return <-p.free }
func (p *pool) put(w *worker) { p.free <- w }

// collect returns what all clients have got, and adds the latencies since the last time to into, which may be nil to leave them.
func (p *pool) collect(into *hdrhistogram.Histogram) (total counts) {
	p.collecting.Lock()
	defer p.collecting.Unlock()
	all := make([]*worker, 0, cap(p.free))
	for range cap(p.free) {
		all = append(all, p.take())
	}
	for _, w := range all {
		total.add(w.counts)
		if into != nil {
			into.Merge(w.latency)
			w.latency.Reset()
		}
		p.put(w)
	}
	return total
}
