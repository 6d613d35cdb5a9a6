package scenario

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	subscribedWithin = 10 * time.Second
	redisChannel     = "ws-emit"
	// pipelined is how many commands a publisher sends before it reads the answers.
	pipelined = 100
)

// redisServer is a Redis of our own.
type redisServer struct{ address string }

func (r *redisServer) url() string { return "redis://" + r.address + "/0" }

// waitForSubscriber waits until somebody listens to the channel.
func (r *redisServer) waitForSubscriber(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, subscribedWithin)
	defer cancel()
	// The answer is an array of the channel and the number of its subscribers, a line each: the last one is the number.
	command := "PUBSUB NUMSUB " + redisChannel + "\r\n"
	if err := r.wait(ctx, command, func(answer string) bool { return answer == ":1" }); err != nil {
		return fmt.Errorf("nobody listens to the channel %q of Redis: %w", redisChannel, err)
	}
	return nil
}

// wait repeats a command on connections of its own until a line of the answer is good.
func (r *redisServer) wait(ctx context.Context, command string, good func(line string) bool) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		if r.answers(ctx, command, good) {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *redisServer) answers(ctx context.Context, command string, good func(line string) bool) bool {
	conn, err := r.dial(ctx)
	if err != nil {
		return false
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, command+"QUIT\r\n"); err != nil {
		return false
	}
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if good(lines.Text()) {
			return true
		}
	}
	return false
}

func (r *redisServer) dial(ctx context.Context) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", r.address)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		err = conn.SetDeadline(deadline)
	}
	return conn, err
}

// publish publishes n messages by as many connections as there are publishers, each to a room of its own.
func (r *redisServer) publish(ctx context.Context, n int) error {
	group, ctx := errgroup.WithContext(ctx)
	for i := range publishers {
		group.Go(func() error { return r.publishAs(ctx, i, n/publishers) })
	}
	return group.Wait()
}

// publishAs publishes n messages as one publisher, and reads the answer to each.
func (r *redisServer) publishAs(ctx context.Context, publisher, n int) error {
	conn, err := r.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	answers := bufio.NewReader(conn)
	var commands bytes.Buffer
	for sent := 0; sent < n; {
		commands.Reset()
		batch := min(pipelined, n-sent)
		for range batch {
			sent++
			message := fmt.Sprintf(`{"event":"tick","room":"room-%d","data":{"n":%d}}`, publisher, sent)
			fmt.Fprintf(&commands, "*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(redisChannel), redisChannel, len(message), message)
		}
		if _, err := conn.Write(commands.Bytes()); err != nil {
			return err
		}
		for range batch {
			answer, err := answers.ReadString('\n')
			if err != nil {
				return err
			}
			if answer != ":1\r\n" {
				return fmt.Errorf("the answer of Redis is %q: want that one server has got the message", strings.TrimSpace(answer))
			}
		}
	}
	return nil
}

// counters are what ws-emit counts.
type counters struct {
	emits, drops, gaps float64 // from Redis
	cpu                float64 // seconds
}

// countersOf asks a server for its metrics.
func countersOf(ctx context.Context, url string) (counters, error) {
	all, err := metricsOf(ctx, url)
	if err != nil {
		return counters{}, err
	}
	return newCounters(all), nil
}

// newCounters adds up what is about Redis, by any reason.
func newCounters(all map[string]float64) counters {
	c := counters{cpu: all["process_cpu_seconds_total"]}
	for series, value := range all {
		name, labels, _ := strings.Cut(series, "{")
		if !strings.Contains(labels, `source="redis"`) {
			continue
		}
		switch name {
		case "wsemit_emits_total":
			if strings.Contains(labels, `result="ok"`) {
				c.emits += value
			}
		case "wsemit_source_drops_total":
			c.drops += value
		case "wsemit_source_gaps_total":
			c.gaps += value
		}
	}
	return c
}
