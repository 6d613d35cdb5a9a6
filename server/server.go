package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/roomspace"
	"github.com/ws-emit/ws-emit/server/engineio"
	"github.com/ws-emit/ws-emit/server/internal/hub"
	"github.com/ws-emit/ws-emit/server/internal/metrics"
	"github.com/ws-emit/ws-emit/server/socketio"
)

// spreadShare of MaxBacklog is what may come to wait for clients all at once: as much as may wait before emitters do.
const spreadShare = 8

// Server is one node.
type Server struct {
	// Immutable after New.
	cfg        Config
	origins    origins
	metrics    *metrics.Set
	hub        *hub.Hub
	sockets    *socketio.Server
	secrets    roomspace.SecretStore
	authorizer *roomspace.Authorizer
	redis      *redis.Client // nil: there is none
	sources    []emitter.Source
	handler    http.Handler
	joins      context.Context // of those that wait for something; ends when the server stops
	stopJoins  context.CancelFunc

	listener      net.Listener // set by Listen
	stopping      atomic.Bool
	redisRequired atomic.Bool
}

var _ socketio.Handler = (*Server)(nil)

// New checks a configuration and returns a server that does nothing before Run.
func New(cfg Config) (*Server, error) { return newServer(cfg, DefaultRedis) }

// newServer is New with another Redis to try when none is configured.
func newServer(cfg Config, defaultRedis string) (*Server, error) {
	cfg, err := cfg.WithDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, origins: newOrigins(cfg.Origins)}
	s.joins, s.stopJoins = context.WithCancel(context.Background())
	if s.metrics, err = metrics.New(cfg.Registerer); err != nil {
		return nil, fmt.Errorf("server: register metrics: %w", err)
	}
	if err := s.useRedis(defaultRedis); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	if err := s.build(); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	s.handler = s.newHandler()
	return s, nil
}

// build makes the parts. The hub is held up by the backlog of the sockets, and these by nothing.
func (s *Server) build() (err error) {
	s.authorizer, err = roomspace.New(roomspace.Config{
		Store:    s.secrets,
		Timeout:  s.cfg.RedisTimeout,
		Logger:   s.cfg.Logger,
		OnResult: func(r roomspace.Result) { s.metrics.Join(string(r)) },
	})
	if err != nil {
		return err
	}
	transports := make([]engineio.Transport, len(s.cfg.Transports))
	for i, t := range s.cfg.Transports {
		transports[i] = engineio.Transport(t)
	}
	s.sockets, err = socketio.New(socketio.Config{
		Handler:        s,
		Namespaces:     s.cfg.Namespaces,
		ConnectTimeout: s.cfg.ConnectTimeout,
		Metrics:        s.metrics,
		Engine: engineio.Config{
			PingInterval: s.cfg.PingInterval,
			PingTimeout:  s.cfg.PingTimeout,
			MaxPayload:   s.cfg.MaxPayload,
			MaxQueue:     s.cfg.MaxQueue,
			MaxBacklog:   s.cfg.MaxBacklog,
			WriteTimeout: s.cfg.WriteTimeout,
			Transports:   transports,
			ClientAddr:   s.clientAddr,
			Wake:         func() { s.hub.Wake() },
			Logger:       s.cfg.Logger,
			Metrics:      s.metrics,
		},
	})
	if err != nil {
		return err
	}
	s.hub, err = hub.New(hub.Config{
		Credit: s.cfg.MaxPending, Spread: s.cfg.MaxBacklog / spreadShare, MaxRooms: s.cfg.MaxRooms, Backlog: s.sockets, Metrics: s.metrics,
	})
	if err != nil {
		return err
	}
	return errors.Join(
		metrics.Gauge(s.cfg.Registerer, "wsemit_sessions", "Engine.IO sessions that are open.", func() float64 { return float64(s.Sessions()) }),
		metrics.Gauge(s.cfg.Registerer, "wsemit_sockets", "Sockets that are connected to a namespace.", func() float64 { return float64(s.hub.Stats().Members) }),
		metrics.Gauge(s.cfg.Registerer, "wsemit_backlog_bytes", "Bytes that wait to be written to clients.", func() float64 { return float64(s.sockets.Backlog()) }),
	)
}

// Listen begins to listen on Config.Address, so that Addr is known and clients wait instead of being refused. Run does it if nobody has.
func (s *Server) Listen() error {
	ln, err := net.Listen(networkOf(s.cfg.Address), s.cfg.Address)
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	s.listener = ln
	return nil
}

// networkOf is the network of an address. Package net takes 0.0.0.0 for all addresses, also those of IPv6, which a firewall may know nothing of.
func networkOf(address string) string {
	if host, err := netip.ParseAddrPort(address); err == nil && host.Addr().Is4() {
		return "tcp4"
	}
	return "tcp"
}

// Addr is the address that Listen has found.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Sessions is the number of clients that are connected.
func (s *Server) Sessions() int { return s.sockets.Len() }

// Run serves until ctx ends, or until something fails without which it cannot go on. It then stops in order and returns: what fails later keeps what came
// before it working. It can be called once.
func (s *Server) Run(ctx context.Context) error {
	if s.listener == nil {
		if err := s.Listen(); err != nil {
			return err
		}
	}
	sockets, fanOut, sources, requests := newLayer(ctx), newLayer(ctx), newLayer(ctx), newLayer(ctx)
	sockets.Go(s.sockets.Run)
	fanOut.Go(s.hub.Run)
	for _, src := range s.sources {
		sources.Go(func(ctx context.Context) error { return src.Run(ctx, s.sinkOf(src)) })
	}
	web := s.newHTTPServer()
	requests.Go(func(context.Context) error {
		if err := web.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("server: %w", err)
		}
		return nil
	})
	select {
	case <-ctx.Done():
	case <-sockets.failed.Done():
	case <-fanOut.failed.Done():
	case <-sources.failed.Done():
	case <-requests.failed.Done():
	}
	s.stopping.Store(true)
	// From here on emits are refused, and what was accepted has been handed to the sessions, which write it before they end.
	err := errors.Join(sources.Stop(), fanOut.Stop())
	s.endSessions()
	endRequests(web)
	err = errors.Join(err, requests.Stop(), s.closeRedis())
	s.authorizer.Close() // after what its questions are put to: so they end now
	return errors.Join(err, sockets.Stop())
}

// endSessions ends the sessions within the grace time, and takes no new ones. Requests are still answered: on long-polling they bring the last packets.
func (s *Server) endSessions() {
	grace, cancel := context.WithTimeout(context.Background(), s.cfg.ShutdownTimeout)
	defer cancel()
	s.stopJoins()
	s.sockets.Shutdown(grace, s.cfg.ShutdownTimeout/2)
}

// endRequests stops listening and waits, but not for long, for the requests that are being answered.
func endRequests(web *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), lastRequests)
	defer cancel()
	if web.Shutdown(ctx) != nil {
		_ = web.Close() // somebody takes too long over a request
	}
}

// lastRequests is how long requests have to end after the last session.
const lastRequests = time.Second

func (s *Server) closeRedis() error {
	if s.redis == nil {
		return nil
	}
	return s.redis.Close()
}

// layer is goroutines that are stopped together, after those that need them.
type layer struct {
	group  *errgroup.Group
	ctx    context.Context
	cancel context.CancelFunc
	failed context.Context
}

// newLayer returns a layer that goes on when ctx ends.
func newLayer(ctx context.Context) *layer {
	l := &layer{}
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	l.group, l.failed = errgroup.WithContext(l.ctx)
	return l
}

func (l *layer) Go(run func(context.Context) error) {
	l.group.Go(func() error { return run(l.ctx) })
}

func (l *layer) Stop() error {
	l.cancel()
	return l.group.Wait()
}
