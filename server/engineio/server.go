package engineio

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/ws-emit/ws-emit/server/internal/conn"
)

// Server serves the protocol over HTTP. Run must be running while it does.
type Server struct {
	// Immutable after New.
	cfg        Config
	group      *conn.Group
	handshakes handshakes

	goroutines sync.WaitGroup // those that wait for something of a Handler
	sessions   struct {
		mu      sync.Mutex // guards the following
		bySID   map[string]*Session
		closing bool           // no new ones
		wg      sync.WaitGroup // those whose end the Handler has not been told
	}
}

// New returns a server. It starts nothing.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, handshakes: newHandshakes(cfg)}
	s.sessions.bySID = make(map[string]*Session)
	s.group = conn.NewGroup(conn.Config{
		MaxQueue:     cfg.MaxQueue,
		MaxBacklog:   cfg.MaxBacklog,
		WriteTimeout: cfg.WriteTimeout,
		MaxPayload:   cfg.MaxPayload,
		PingInterval: cfg.PingInterval,
		PingTimeout:  cfg.PingTimeout,
		Ping:         pingFrame,
		Wake:         cfg.Wake,
		Panicked: func(v any, stack []byte) {
			cfg.Logger.Error("panic in a session, which was ended", slog.Any("panic", v), slog.String("stack", string(stack)))
		},
	})
	return s, nil
}

// Run drives heartbeats and timeouts until ctx ends, which should be after Shutdown.
func (s *Server) Run(ctx context.Context) error {
	err := s.group.Run(ctx)
	s.goroutines.Wait()
	return err
}

// Behind reports whether so much waits for clients that read that no more should be sent. Config.Wake tells when that ends.
func (s *Server) Behind() bool { return s.group.Behind() }

// Backlog is the number of bytes that wait for all sessions.
func (s *Server) Backlog() int64 { return s.group.Backlog() }

// Len is the number of sessions.
func (s *Server) Len() int {
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	return len(s.sessions.bySID)
}

func (s *Server) isClosing() bool {
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	return s.sessions.closing
}

// open makes a session known, unless the server is closing.
func (s *Server) open(sess *Session) bool {
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	if s.sessions.closing {
		return false
	}
	s.sessions.bySID[sess.sid] = sess
	s.sessions.wg.Add(1)
	s.cfg.Metrics.SessionOpened()
	return true
}

func (s *Server) session(sid string) *Session {
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	return s.sessions.bySID[sid]
}

func (s *Server) forget(sess *Session) {
	s.sessions.mu.Lock()
	delete(s.sessions.bySID, sess.sid)
	s.sessions.mu.Unlock()
	s.cfg.Metrics.SessionEnded(string(sess.conn.Reason()))
}

// Shutdown refuses new sessions, ends those there are one after the other, spread over a time so that their clients do not all return at the same moment, and
// returns when all have ended. When ctx ends it ends the rest at once. What waits for a session is still written to it.
func (s *Server) Shutdown(ctx context.Context, spread time.Duration) {
	s.sessions.mu.Lock()
	s.sessions.closing = true
	left := make([]*Session, 0, len(s.sessions.bySID))
	for _, sess := range s.sessions.bySID {
		left = append(left, sess)
	}
	s.sessions.mu.Unlock()

	ended := make(chan struct{})
	go func() { // ends when all sessions have, which the code below sees to
		s.sessions.wg.Wait()
		close(ended)
	}()
	const steps = 50
	step := time.NewTicker(max(spread/steps, time.Millisecond))
	defer step.Stop()
	for batch := (len(left) + steps - 1) / steps; len(left) > 0 && ctx.Err() == nil; {
		for _, sess := range left[:min(batch, len(left))] {
			sess.Finish(ReasonShutdown)
		}
		left = left[min(batch, len(left)):]
		if len(left) > 0 {
			select {
			case <-step.C:
			case <-ctx.Done():
			}
		}
	}
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	s.sessions.mu.Lock()
	left = left[:0]
	for _, sess := range s.sessions.bySID {
		left = append(left, sess)
	}
	s.sessions.mu.Unlock()
	for _, sess := range left {
		sess.End(ReasonShutdown)
	}
	<-ended
}
