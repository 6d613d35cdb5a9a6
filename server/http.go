package server

import (
	"log"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/roomspace"
)

const (
	// idleTimeout is how long a connection may be kept between two requests.
	idleTimeout = 2 * time.Minute
	// bodyTimeout is how long a body may take, whatever its path, also one that net/http reads away after it was refused. What is waited for after that is not
	// bounded by it.
	bodyTimeout = 30 * time.Second
	// writeDeadline is how long it may take to write an answer. It is longer than the rest of a body that was refused may take to be read.
	writeDeadline = time.Minute
)

// Handler returns the handler of all paths, for programs that serve it on listeners of their own too. Run must be running, which also listens on Config.Address. Their
// http.Server should bound how long requests may take to arrive (ReadTimeout; a GET of long-polling and a WebSocket may last longer).
//
//	<Path>              Engine.IO and Socket.IO
//	<Path>socket.io.js  the browser client, and its variants
//	/emit               emitter.NewHandler
//	/roomspaces/{space} roomspace.SecretsHandler
//	/livez /readyz      health
//	/metrics            if there is a Gatherer
func (s *Server) Handler() http.Handler { return s.handler }

func (s *Server) newHandler() http.Handler {
	mux := http.NewServeMux()
	protocol := s.onlyAccepted(s.sockets)
	bundle := newBundle()
	endpoint := s.cors(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch file := strings.TrimPrefix(r.URL.Path, s.cfg.Path); {
		case file == "", file == strings.TrimSuffix(s.cfg.Path, "/"):
			protocol.ServeHTTP(w, r)
		default:
			bundle.serve(w, r, file)
		}
	}))
	mux.Handle(s.cfg.Path, endpoint)
	mux.Handle(strings.TrimSuffix(s.cfg.Path, "/"), endpoint) // clients can be told to leave the slash out
	mux.Handle("/emit", emitter.NewHandler(emitter.HTTPConfig{
		Secret:     s.cfg.EmitSecret,
		Sink:       counting{s.clusterSink(), s, "http"},
		Limits:     s.limits(),
		Namespaces: s.cfg.Namespaces,
		Timeout:    s.cfg.EmitTimeout,
		MaxBody:    s.cfg.MaxEmitBody,
		OnResult:   func(r emitter.Result) { s.metrics.EmitRequest(string(r)) },
		Logger:     s.cfg.Logger,
	}))
	mux.Handle("/roomspaces/{space}", roomspace.SecretsHandler(s.secrets, s.cfg.EmitSecret, s.cfg.Logger))
	mux.HandleFunc("GET /livez", s.livez)
	mux.HandleFunc("GET /readyz", s.readyz)
	if s.cfg.Gatherer != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(s.cfg.Gatherer, promhttp.HandlerOpts{}))
	}
	return withWriteDeadline(mux)
}

// withWriteDeadline bounds how long every answer may take to be read. What waits before it answers, a GET of long-polling and POST /emit, sets it anew.
func withWriteDeadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeDeadline)) // where there is none to set, nothing is slow
		next.ServeHTTP(w, r)
	})
}

func (s *Server) limits() emitter.Limits {
	return emitter.Limits{MaxBytes: s.cfg.maxEmit()}
}

func (s *Server) newHTTPServer() *http.Server {
	return &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: s.cfg.HeaderTimeout,
		ReadTimeout:       s.cfg.HeaderTimeout + bodyTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          log.New(&httpLog{logger: s.cfg.Logger}, "", 0),
	}
}

// httpLog takes the lines of net/http. Most tell of clients that went away; that connections cannot be accepted, for want of file descriptors, is for the
// operator, once in a while.
type httpLog struct {
	logger *slog.Logger

	mu   sync.Mutex
	last time.Time // that the operator was told
}

func (l *httpLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if strings.HasPrefix(text, "http: Accept error") && l.due() {
		l.logger.Warn("cannot accept connections; is the limit of open files too low?", "err", text)
	} else {
		l.logger.Debug(text)
	}
	return len(line), nil
}

func (l *httpLog) due() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.last) < time.Second {
		return false
	}
	l.last = now
	return true
}
