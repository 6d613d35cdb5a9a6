package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Set is the metrics of one server. Its methods may be called concurrently.
type Set struct {
	sessionsOpened prometheus.Counter
	sessionsEnded  *prometheus.CounterVec
	refused        *prometheus.CounterVec
	connects       *prometheus.CounterVec
	joins          *prometheus.CounterVec
	ignored        *prometheus.CounterVec
	emits          *prometheus.CounterVec
	controls       *prometheus.CounterVec
	entersRefused  *prometheus.CounterVec
	emitRequests   *prometheus.CounterVec
	drops          *prometheus.CounterVec
	gaps           *prometheus.CounterVec
}

// New returns a set that is registered with r; two servers need two registerers. It returns nil when r is nil.
func New(r prometheus.Registerer) (*Set, error) {
	if r == nil {
		return nil, nil
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	s := &Set{
		sessionsOpened: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "wsemit_sessions_opened_total", Help: "Engine.IO sessions that were opened."}),
		sessionsEnded: counter("wsemit_sessions_ended_total", "Engine.IO sessions that ended, by reason.", "reason"),
		refused:       counter("wsemit_requests_refused_total", "Engine.IO requests that were refused, by reason.", "reason"),
		connects:      counter("wsemit_connects_total", "Socket.IO CONNECT packets, by result.", "result"),
		joins:         counter("wsemit_joins_total", "Requests of clients to join a room, by result.", "result"),
		ignored:       counter("wsemit_packets_ignored_total", "Packets of clients that mean nothing here, by kind.", "kind"),
		emits:         counter("wsemit_emits_total", "Emits taken, by source and result.", "source", "result"),
		controls: counter("wsemit_controls_total",
			"Messages that move sockets between rooms or disconnect them, by source, method and result.", "source", "method", "result"),
		entersRefused: counter("wsemit_enters_refused_total", "Rooms that sockets did not enter although a backend asked for it, by reason.", "reason"),
		emitRequests:  counter("wsemit_emit_requests_total", "Requests to POST /emit, by result.", "result"),
		drops:         counter("wsemit_source_drops_total", "Messages of a source that were dropped, by reason.", "source", "reason"),
		gaps:          counter("wsemit_source_gaps_total", "Times that a source may have missed messages, by reason.", "source", "reason"),
	}
	for _, c := range []prometheus.Collector{
		s.sessionsOpened, s.sessionsEnded, s.refused, s.connects, s.joins, s.ignored, s.emits, s.controls, s.entersRefused, s.emitRequests, s.drops, s.gaps,
	} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Gauge registers a value that is asked for when it is needed.
func Gauge(r prometheus.Registerer, name, help string, value func() float64) error {
	if r == nil {
		return nil
	}
	return r.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

func (s *Set) SessionOpened() {
	if s != nil {
		s.sessionsOpened.Inc()
	}
}

func (s *Set) SessionEnded(reason string) {
	if s != nil {
		s.sessionsEnded.WithLabelValues(reason).Inc()
	}
}

// Refused counts a request that was refused.
func (s *Set) Refused(reason string) {
	if s != nil {
		s.refused.WithLabelValues(reason).Inc()
	}
}

func (s *Set) Connect(result string) {
	if s != nil {
		s.connects.WithLabelValues(result).Inc()
	}
}

func (s *Set) Join(result string) {
	if s != nil {
		s.joins.WithLabelValues(result).Inc()
	}
}

// Ignored counts a packet of a client that means nothing here.
func (s *Set) Ignored(kind string) {
	if s != nil {
		s.ignored.WithLabelValues(kind).Inc()
	}
}

// Emits counts n emits that a source took, or did not.
func (s *Set) Emits(source, result string, n int) {
	if s != nil {
		s.emits.WithLabelValues(source, result).Add(float64(n))
	}
}

// Controls counts n messages other than emits that a source took, or did not.
func (s *Set) Controls(source, method, result string, n int) {
	if s != nil {
		s.controls.WithLabelValues(source, method, result).Add(float64(n))
	}
}

// EntersRefused counts n times that a socket did not enter a room although a backend asked for it.
func (s *Set) EntersRefused(reason string, n int) {
	if s != nil {
		s.entersRefused.WithLabelValues(reason).Add(float64(n))
	}
}

// Dropped counts n messages that a source dropped.
func (s *Set) Dropped(source, reason string, n int) {
	if s != nil {
		s.drops.WithLabelValues(source, reason).Add(float64(n))
	}
}

// Gap counts a time at which a source may have missed messages.
func (s *Set) Gap(source, reason string) {
	if s != nil {
		s.gaps.WithLabelValues(source, reason).Inc()
	}
}

// EmitRequest counts a request to POST /emit.
func (s *Set) EmitRequest(result string) {
	if s != nil {
		s.emitRequests.WithLabelValues(result).Inc()
	}
}
