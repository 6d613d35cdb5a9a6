package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// settleFor is how long a server is given after all have joined: where no join is acknowledged, and before its memory is read.
	settleFor = time.Second
	// lingerFor is how long clients go on receiving when they have everything: what is doubled comes late.
	lingerFor = 200 * time.Millisecond
	// stoppedFor is the patience of a run that was ended from outside.
	stoppedFor = time.Second
	drainEvery = 5 * time.Millisecond
	timerEvery = 10 * time.Millisecond
	// closing is how many clients are closed at the same time.
	closing = 64
)

var errInterrupted = errors.New("interrupted before the first emit")

// CheckLimits says what bounds a run with a configuration, and raises what it may, for this process.
func CheckLimits(cfg Config) (Limits, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return Limits{}, err
	}
	return cfg.limits(), nil
}

// Run puts a server under load, and returns what came of it. It blocks until the run is over and all its connections are closed. When ctx
// ends, the emitters stop, emits that wait for an answer are given up, and the report says what came of it until then, and a second later.
//
// An error means that there is nothing to report: the configuration is wrong, no client could connect, the server refuses emits, or ctx
// ended before all had joined. That messages were lost is no error, see [Report.Failure].
//
// Run counts the processor time of the whole process as its own: there should be one at a time.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &run{
		load:   &load{cfg: cfg, run: rand.Uint32(), began: time.Now(), pool: newPool(), addresses: cfg.addresses()},
		report: &Report{Load: newLoadReport(&cfg), Limits: cfg.limits()},
	}
	if need, most := cfg.filesFor()-otherFiles, r.report.Limits.OpenFiles; most > 0 && need >= most {
		return nil, fmt.Errorf("bench: at most %s files may be open: too few for %s clients and %s emitters, which need %s", number(most), number(cfg.Clients),
			number(cfg.Emitters), number(need))
	}
	if cfg.PID != 0 {
		if r.before, err = usageOf(cfg.PID); err != nil {
			return nil, err
		}
	}
	senders, closeSenders, err := r.load.newSenders()
	if err != nil {
		return nil, err
	}
	defer closeSenders()
	if r.load.readers, err = newReaders(r.load); err != nil {
		return nil, err
	}
	r.sampler = newSampler(r.load)
	done := make(chan struct{})
	var sampling sync.WaitGroup
	sampling.Go(func() { r.sampler.run(done) })
	err = r.phases(ctx, senders)
	close(done)
	sampling.Wait()
	r.closeClients()
	if err != nil {
		return nil, err
	}
	r.account()
	return r.report, nil
}

// run is one run.
type run struct {
	load    *load
	report  *Report
	sampler *sampler
	before  Usage // of the server

	clients   []*client // those that have joined
	alone     []*client // those of them that no reader reads for
	receiving sync.WaitGroup
	emitters  []*emitter
}

func newLoadReport(c *Config) Load {
	return Load{
		URL: c.URL, Date: time.Now().Truncate(time.Second), Transport: c.Transport, Clients: c.Clients, Slow: c.Slow, Rooms: c.Rooms,
		RoomsPerClient: c.RoomsPerClient, By: c.By, Emitters: c.Emitters, Rate: c.Rate, Size: c.Size, Duration: c.Duration.Seconds(), Count: c.Count,
	}
}

// phases connects, emits and waits for what is under way.
func (r *run) phases(ctx context.Context, senders []sender) error {
	if err := r.connect(ctx); err != nil {
		return err
	}
	if r.load.cfg.NoJoinAck || r.load.cfg.PID != 0 {
		if !pause(ctx, settleFor) {
			return errInterrupted
		}
	}
	from, err := r.measure()
	if err != nil {
		return err
	}
	r.sampler.begin(Emitting)
	stop := r.watchTimer()
	defer stop()
	if err := r.emit(ctx, senders); err != nil {
		if r.load.accepted.Load() == 0 {
			return err
		}
		r.report.Emit.Error = err.Error()
	}
	r.report.Stopped = ctx.Err() != nil
	r.sampler.begin(Draining)
	to := r.drain(ctx)
	stop()
	end, err := r.measure()
	if err != nil {
		r.report.Server.Gone, end.server = true, to.server
	}
	r.used(from, to)
	if s := r.report.Server; s != nil {
		s.RSSConnected, s.RSSAfter = from.server.RSS, end.server.RSS
		s.RSSPerConnected = float64(from.server.RSS-s.RSSBefore) / float64(len(r.clients))
	}
	return nil
}

// watchTimer records how late a timer of this process is, until stop is called.
func (r *run) watchTimer() (stop func()) {
	late := newHistogram()
	ended := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		ticker := time.NewTicker(timerEvery)
		defer ticker.Stop()
		last := r.load.now()
		for {
			select {
			case <-ticker.C:
				now := r.load.now()
				record(late, now-last-timerEvery)
				last = now
			case <-ended:
				return
			}
		}
	})
	return sync.OnceFunc(func() {
		close(ended)
		watching.Wait()
		r.report.Bench.Late = quantiles(late)
	})
}

// moment is what processes had used at a time.
type moment struct {
	at     time.Duration
	server Usage
	own    time.Duration
}

func (r *run) measure() (m moment, err error) {
	m = moment{at: r.load.now(), own: ownCPU()}
	if r.load.cfg.PID != 0 {
		m.server, err = usageOf(r.load.cfg.PID)
	}
	return m, err
}

// measureAfter measures once more. Of a server that has ended it has what was last seen.
func (r *run) measureAfter(before moment) moment {
	m, err := r.measure()
	if err != nil {
		m.server = r.sampler.last()
		m.server.CPU = max(m.server.CPU, before.server.CPU)
	}
	return m
}

// each is the time for one of n, in microseconds.
func each(d time.Duration, n int64) float64 {
	if n == 0 {
		return 0
	}
	return float64(d) / float64(time.Microsecond) / float64(n)
}

// emit lets all emitters emit, until their time is over. Without emitters it waits for that time.
func (r *run) emit(ctx context.Context, senders []sender) error {
	cfg, abort := &r.load.cfg, ctx
	if cfg.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cfg.Duration)
		defer cancel()
	}
	var budget *atomic.Int64
	if cfg.Count > 0 && cfg.Rate == 0 {
		budget = new(atomic.Int64)
		budget.Store(cfg.Count)
	}
	members := make([]int64, cfg.Rooms)
	for _, c := range r.clients {
		for j := range cfg.RoomsPerClient {
			if !cfg.slow(c.index) {
				members[cfg.roomOf(c.index, j)]++
			}
		}
	}
	started := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for i, s := range senders {
		e := r.load.newEmitter(i, s, members, budget)
		e.started = started
		r.emitters = append(r.emitters, e)
		group.Go(func() error { return e.run(ctx, abort) })
	}
	if len(senders) == 0 {
		<-ctx.Done()
	}
	err := group.Wait()
	seconds := time.Since(started).Seconds()
	latency := newHistogram()
	emit := &r.report.Emit
	for _, e := range r.emitters {
		latency.Merge(e.latency)
		emit.Busy += e.busy
		emit.BusySeconds += e.waited.Seconds()
		emit.Failed += e.failed
	}
	emit.Accepted, emit.Seconds, emit.Latency = r.load.accepted.Load(), seconds, quantiles(latency)
	emit.PerSecond = float64(emit.Accepted) / seconds
	return err
}

// drain waits until everything has been delivered, or for as long as there is patience, of which little is left when ctx ends. It returns what
// processes had used when the last message had come: what they use while nothing comes is for no delivery.
func (r *run) drain(ctx context.Context) (to moment) {
	deadline := r.load.now() + r.load.cfg.Patience
	ticker := time.NewTicker(drainEvery)
	defer ticker.Stop()
	complete, seen := time.Duration(-1), int64(-1)
	ended := ctx.Done()
	for {
		select {
		case <-ticker.C:
		case <-ended:
			deadline, ended = min(deadline, r.load.now()+stoppedFor), nil
			r.report.Stopped = true
		}
		now := r.load.now()
		got := r.load.pool.collect(nil)
		if got.delivered != seen {
			seen, to = got.delivered, r.measureAfter(to)
		}
		if complete < 0 && got.delivered >= r.load.possible.Load() {
			complete = now
		}
		if complete >= 0 && now-complete >= lingerFor || now >= deadline {
			return to
		}
	}
}

// used reports what processes have used from the first emit until the last message had come, or the last emit was over.
func (r *run) used(from, to moment) {
	got := r.load.pool.collect(nil)
	measured := (to.at - from.at).Seconds()
	d := &r.report.Delivery
	d.Seconds = (max(got.last, from.at) - from.at).Seconds()
	if r.load.cfg.By == ByNothing {
		d.Seconds = measured
	}
	if d.Seconds > 0 {
		d.PerSecond, d.BytesPerSecond = float64(got.delivered)/d.Seconds, float64(got.bytes)/d.Seconds
	}
	own := &r.report.Bench
	own.CPU, own.CPUPerDelivery = (to.own-from.own).Seconds()/measured, each(to.own-from.own, got.delivered)
	if s := r.report.Server; s != nil {
		cpu := max(to.server.CPU-from.server.CPU, 0) // what was last seen of one that has ended may be from before
		s.CPU, s.CPUPerDelivery = cpu.Seconds()/measured, each(cpu, got.delivered)
	}
}

// closeClients closes all connections, and waits for those who read them.
func (r *run) closeClients() {
	var group errgroup.Group
	group.SetLimit(closing)
	for _, c := range r.alone {
		group.Go(func() error { c.conn.close(); return nil })
	}
	_ = group.Wait() // there is no error
	r.load.readers.close()
	r.receiving.Wait()
}

// account compares what was sent with what has come.
func (r *run) account() {
	cfg := &r.load.cfg
	d := &r.report.Delivery
	d.Ended = make(map[string]int)
	for _, c := range r.clients {
		if cfg.slow(c.index) {
			if c.err != nil {
				d.SlowEnded++
			}
			continue
		}
		if c.err != nil {
			d.Ended[reason(c.err)]++
		}
		for i := range c.trackers {
			e, room := r.emitters[i%cfg.Emitters], cfg.roomOf(c.index, i/cfg.Emitters)
			t, sent, unsure := &c.trackers[i], e.sent[room], e.unsure[room]
			more := int64(t.last) - int64(sent) // that the server had refused
			d.Strays += max(more, 0)
			d.Expected += int64(sent) - int64(len(unsure))
			d.Lost += t.missing(max(sent, t.last), unsure)
		}
	}
	got := r.load.pool.collect(nil)
	d.Delivered = d.Expected - d.Lost
	d.Doubled, d.OutOfOrder = got.doubled, got.late
	d.Strays += got.strays
	d.Latency = quantiles(r.sampler.total)
	r.report.Curve = curve(r.sampler.total)
	r.report.Samples = slices.Clone(r.sampler.samples)
	if s := r.report.Server; s != nil {
		s.RSSMost = max(r.sampler.rssMost, s.RSSConnected, s.RSSAfter)
	}
}

// reason is the innermost error: what is around it has addresses and ports.
func reason(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
