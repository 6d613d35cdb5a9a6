package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sync/errgroup"
)

// hopeless is how many clients may fail to connect before one has.
const hopeless = 100

// connect connects all clients, and reports how that went.
func (r *run) connect(ctx context.Context) error {
	cfg := &r.load.cfg
	from, err := r.measure()
	if err != nil {
		return err
	}
	c := &connecting{run: r, from: from.at, latency: newHistogram(), failed: make(map[string]int)}
	var group errgroup.Group
	for range min(cfg.Parallel, cfg.Clients) {
		group.Go(func() error { c.work(ctx); return nil })
	}
	_ = group.Wait() // there is no error
	n := len(r.clients)
	if ctx.Err() != nil {
		return fmt.Errorf("%s of %s clients had joined: %w", number(n), number(cfg.Clients), errInterrupted)
	}
	if n == 0 {
		return fmt.Errorf("no client could connect: %w", c.last)
	}
	to, err := r.measure()
	if err != nil {
		return err
	}
	seconds := (to.at - from.at).Seconds()
	r.report.Connect = Connect{
		Connected: n, Failed: cfg.Clients - n, Errors: c.failed, Seconds: seconds, PerSecond: float64(n) / seconds, Latency: quantiles(c.latency),
	}
	r.report.Bench.CPUPerConnect = each(to.own-from.own, int64(n))
	if cfg.PID != 0 {
		r.report.Server = &Server{PID: cfg.PID, CPUPerConnect: each(to.server.CPU-from.server.CPU, int64(n)), RSSBefore: r.before.RSS}
	}
	return nil
}

// connecting is what those share who connect clients.
type connecting struct {
	*run
	from time.Duration
	next atomic.Int64 // client

	mu      sync.Mutex // guards the following, and run.clients
	latency *hdrhistogram.Histogram
	failed  map[string]int
	last    error
}

// work connects one client after the other, until there are no more or there is no hope.
func (c *connecting) work(ctx context.Context) {
	for {
		i := int(c.next.Add(1) - 1)
		if i >= c.load.cfg.Clients {
			return
		}
		began, ok := c.turn(ctx, i)
		if !ok {
			return
		}
		client, err := c.load.connect(ctx, i)
		c.add(client, c.load.now()-began, err)
	}
}

func (c *connecting) add(client *client, took time.Duration, err error) {
	watched := err == nil && c.load.readers.watch(client)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failed[reason(err)]++
		c.last = err
		if n := c.sampler.failed.Add(1); n >= hopeless && len(c.clients) == 0 {
			c.next.Store(int64(c.load.cfg.Clients))
		}
		return
	}
	record(c.latency, took)
	c.clients = append(c.clients, client)
	c.sampler.connected.Add(1)
	if !watched {
		c.alone = append(c.alone, client)
		c.receiving.Go(client.receive) // ends when closeClients closes it
	}
}

// turn waits until a client may begin, and returns since when it should have, and whether ctx has not ended.
func (c *connecting) turn(ctx context.Context, i int) (since time.Duration, ok bool) {
	rate := c.load.cfg.ConnectRate
	if rate == 0 {
		return c.load.now(), ctx.Err() == nil
	}
	return c.load.await(ctx, c.from+time.Duration(float64(i)/rate*float64(time.Second)))
}
