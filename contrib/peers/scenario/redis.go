package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
	"github.com/ws-emit/ws-emit/contrib/peers/peer"
)

// Metrics of messages that come from Redis.
var (
	RedisPerCore = Metric{"messages a core-second", "/s"}
	RedisRate    = Metric{"messages a second", "/s"}
	RedisCounted = Metric{"counted", "%"}
	OutOfOrder   = Metric{"out of order", ""}
)

const (
	publishers     = 100
	publishedCount = 400_000
	// countWithin bounds the wait for the server to count what was published.
	countWithin = 20 * time.Second
	countEvery  = 50 * time.Millisecond

	orderCount   = 20_000
	orderRooms   = 20
	orderClients = 40
)

// redis is small messages from Redis that are for nobody: what it costs to read and understand one.
func redis() Scenario {
	var r *redisServer // from Before to the end of Run
	return Scenario{
		Name: "redis",
		About: "100 publishers pipeline 400,000 small JSON messages to 100 rooms by Redis, with nobody listening; ws-emit has one core (GOMAXPROCS=1), " +
			"and a core-second is a second of its CPU",
		Peers:   []string{Ours},
		Args:    []string{"--metrics"},
		Env:     []string{"GOMAXPROCS=1"},
		Before:  startRedis(&r),
		Metrics: []Metric{RedisPerCore, RedisRate, RedisCounted},
		Run:     func(ctx context.Context, s *peer.Server) (Result, error) { return readFromRedis(ctx, s, r) },
	}
}

// redisOrder is the same way with listeners, who see whether a publisher's messages stay in order.
func redisOrder() Scenario {
	var r *redisServer // from Before to the end of Run
	return Scenario{
		Name:    "order",
		About:   "100 publishers publish 20,000 JSON messages by Redis, each to 20 rooms in turns, to 40 clients",
		Peers:   []string{Ours},
		Before:  startRedis(&r),
		Metrics: []Metric{Delivered, OutOfOrder},
		Run: func(ctx context.Context, s *peer.Server) (Result, error) {
			cfg := s.Load()
			cfg.By, cfg.Redis = bench.ByRedisJSON, r.url()
			cfg.Clients, cfg.Rooms, cfg.Emitters, cfg.Count = orderClients, orderRooms, publishers, orderCount
			report, err := load(ctx, cfg)
			if err != nil {
				return Result{}, err
			}
			d, values := &report.Delivery, make(values)
			values.share(Delivered, d.Delivered, d.Expected)
			if d.Delivered > 0 {
				values[OutOfOrder.Name] = float64(d.OutOfOrder)
			}
			return Result{Values: values, Failure: failure(report), Reports: []*bench.Report{report}}, nil
		},
	}
}

// startRedis starts Redis for a server, and leaves it in r.
func startRedis(r **redisServer) func(ctx context.Context, dir string) ([]string, func(), error) {
	return func(ctx context.Context, dir string) ([]string, func(), error) {
		address, stop, err := peer.StartRedis(ctx, "redis", dir)
		if err != nil {
			return nil, nil, err
		}
		*r = &redisServer{address}
		return []string{"--redis", (*r).url()}, stop, nil
	}
}

// readFromRedis publishes, and waits until the server has counted everything, or loses some.
func readFromRedis(ctx context.Context, s *peer.Server, r *redisServer) (Result, error) {
	if err := r.waitForSubscriber(ctx); err != nil {
		return Result{}, err
	}
	before, err := countersOf(ctx, s.URL)
	if err != nil {
		return Result{}, err
	}
	began := time.Now()
	if err := r.publish(ctx, publishedCount); err != nil {
		return Result{}, fmt.Errorf("publish: %w", err)
	}
	after, err := waitForCount(ctx, s.URL, before.emits+publishedCount)
	if err != nil {
		return Result{}, err
	}
	taken, cpu, wall := after.emits-before.emits, after.cpu-before.cpu, time.Since(began).Seconds()
	result := Result{Values: map[string]float64{RedisCounted.Name: share(int64(taken), publishedCount), RedisRate.Name: taken / wall}}
	if cpu > 0 {
		result.Values[RedisPerCore.Name] = taken / cpu
	}
	if taken != publishedCount {
		result.Failure = fmt.Sprintf("%.0f of %d messages counted, %.0f dropped, %.0f gaps", taken, publishedCount, after.drops-before.drops, after.gaps-before.gaps)
	}
	return result, nil
}

// waitForCount waits until a server has counted so many emits, for a bounded time.
func waitForCount(ctx context.Context, url string, emits float64) (c counters, err error) {
	bounded, cancel := context.WithTimeout(ctx, countWithin)
	defer cancel()
	ticker := time.NewTicker(countEvery)
	defer ticker.Stop()
	for {
		last := c
		if c, err = countersOf(bounded, url); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return c, err
		}
		if err != nil {
			return last, nil
		}
		if c.emits >= emits {
			return c, nil
		}
		select {
		case <-ticker.C:
		case <-bounded.Done():
			return c, ctx.Err()
		}
	}
}
