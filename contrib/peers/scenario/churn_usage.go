package scenario

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/ws-emit/ws-emit/contrib/peers/peer"
)

const (
	restWithin = 15 * time.Second
	restEvery  = 50 * time.Millisecond
	// collections is how many garbage collections have to pass before what is left of the heap counts as live.
	collections = 3
	// litter is how many emits for nobody make the garbage, each time.
	litter = 20
)

// usage is what ws-emit uses.
type usage struct {
	goroutines, files float64
	heap, rss         float64 // bytes
	sessions          float64
	collections       float64
}

func usageOf(ctx context.Context, s *peer.Server) (u usage, _ error) {
	all, err := metricsOf(ctx, s.URL)
	if err != nil {
		return u, fmt.Errorf("metrics: %w", err)
	}
	return usage{
		goroutines: all["go_goroutines"], files: all["process_open_fds"], heap: all["go_memstats_heap_alloc_bytes"],
		rss: all["process_resident_memory_bytes"], sessions: all["wsemit_sessions"], collections: all["go_gc_duration_seconds_count"],
	}, nil
}

// atRest is what the server uses when all clients have gone and it has collected its garbage, for which there has to be some: emits for nobody
// make it. Each figure is the least that was seen, as asking for it takes something, too.
func atRest(ctx context.Context, s *peer.Server) (least usage, _ error) {
	began := time.Now()
	first, err := usageOf(ctx, s)
	if err != nil {
		return least, err
	}
	least = first
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for {
		now, err := usageOf(ctx, s)
		if err != nil {
			return least, err
		}
		if now.sessions == 0 && least.sessions > 0 {
			first, least = now, now
		}
		least = usage{
			goroutines: min(least.goroutines, now.goroutines), files: min(least.files, now.files),
			heap: min(least.heap, now.heap), rss: min(least.rss, now.rss), sessions: now.sessions,
		}
		done := now.sessions == 0 && now.collections >= first.collections+collections
		if done || time.Since(began) > restWithin {
			return least, nil
		}
		if err := emitToNobody(ctx, client, s); err != nil {
			return least, err
		}
		client.CloseIdleConnections() // they are open files, and goroutines
		if err := pause(ctx, restEvery); err != nil {
			return least, err
		}
	}
}

// emitToNobody makes a few emits of many bytes to a room where nobody is.
func emitToNobody(ctx context.Context, client *http.Client, s *peer.Server) error {
	cfg := s.Load()
	body := `{"event":"litter","room":"litter","data":"` + strings.Repeat("x", 64<<10) + `"}`
	for range litter {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/emit", strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header = cfg.EmitHeader.Clone()
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/emit answered %s", resp.Status)
		}
	}
	return nil
}
