package bench

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Phase is a part of a run.
type Phase string

const (
	Connecting Phase = "connect"
	Emitting   Phase = "emit"
	Draining   Phase = "drain"
)

// Sample is how things stood at a time.
type Sample struct {
	At        float64 `json:"at_s"` // since the begin of the run
	Phase     Phase   `json:"phase"`
	Connected int     `json:"connected"`
	Delivered int64   `json:"delivered"`  // so far
	PerSecond float64 `json:"per_second"` // since the sample before
	P50       int64   `json:"p50_us"`     // of deliveries since then, as the next two
	P99       int64   `json:"p99_us"`
	Max       int64   `json:"max_us"`
	RSS       int64   `json:"rss,omitempty"` // of the server
	CPU       float64 `json:"cpu,omitempty"` // processors that the server kept busy since then
}

const sampleEvery = 250 * time.Millisecond

// sampler samples a run.
type sampler struct {
	load      *load
	phase     atomic.Value // Phase
	connected atomic.Int64
	failed    atomic.Int64

	mu      sync.Mutex // guards the following
	total   *hdrhistogram.Histogram
	recent  *hdrhistogram.Histogram
	samples []Sample
	usage   Usage
	started time.Duration // of the phase
	rssMost int64
}

func newSampler(l *load) *sampler {
	s := &sampler{load: l, total: newHistogram(), recent: newHistogram()}
	s.phase.Store(Connecting)
	if l.cfg.PID != 0 {
		s.usage, _ = usageOf(l.cfg.PID) // it was there a moment ago
	}
	s.take()
	return s
}

// begin begins a phase.
func (s *sampler) begin(p Phase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase.Store(p)
	s.started = s.load.now()
}

// last is what the server had used when it was last seen.
func (s *sampler) last() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usage
}

// run samples until done is closed.
func (s *sampler) run(done <-chan struct{}) {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			p := s.take()
			if s.load.cfg.Progress != nil {
				s.load.cfg.Progress(p)
			}
		case <-done:
			s.take()
			return
		}
	}
}

// take takes a sample.
func (s *sampler) take() Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.load
	s.recent.Reset()
	total := l.pool.collect(s.recent)
	s.total.Merge(s.recent)
	now := l.now()
	before := Sample{}
	if len(s.samples) > 0 {
		before = s.samples[len(s.samples)-1]
	}
	phase := s.phase.Load().(Phase)
	sample := Sample{At: now.Seconds(), Phase: phase, Connected: int(s.connected.Load() - l.gone.Load()), Delivered: total.delivered}
	if elapsed := sample.At - before.At; elapsed > 0 {
		sample.PerSecond = float64(sample.Delivered-before.Delivered) / elapsed
		if l.cfg.PID != 0 {
			if u, err := usageOf(l.cfg.PID); err == nil {
				sample.RSS, sample.CPU = u.RSS, (u.CPU-s.usage.CPU).Seconds()/elapsed
				s.usage, s.rssMost = u, max(s.rssMost, u.RSS)
			}
		}
	}
	if q := quantiles(s.recent); q.Count > 0 {
		sample.P50, sample.P99, sample.Max = q.P50, q.P99, q.Max
	}
	s.samples = append(s.samples, sample)
	return Progress{
		Phase: phase, Fraction: s.fractionLocked(phase, now-s.started), Elapsed: now - s.started,
		Connected: int(s.connected.Load()), Failed: int(s.failed.Load()), Clients: l.cfg.Clients,
		Accepted: l.accepted.Load(), Expected: l.expected.Load(), Sample: sample,
	}
}

func (s *sampler) fractionLocked(phase Phase, elapsed time.Duration) float64 {
	cfg := &s.load.cfg
	switch phase {
	case Connecting:
		return float64(s.connected.Load()+s.failed.Load()) / float64(cfg.Clients)
	case Emitting:
		fraction := 0.0
		if cfg.Duration > 0 {
			fraction = float64(elapsed) / float64(cfg.Duration)
		}
		if cfg.Count > 0 {
			fraction = max(fraction, float64(s.load.accepted.Load())/float64(cfg.Count))
		}
		return min(fraction, 1)
	default:
		return -1
	}
}
