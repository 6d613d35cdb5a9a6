package server

import (
	"log/slog"
	"net/http"
	"strings"
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
)

// Handler returns the handler of all paths, for programs that serve it themselves; Run serves it otherwise. Their http.Server should bound how long requests
// may take to arrive (ReadTimeout; a GET of long-polling and a WebSocket may last longer).
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
		Sink:       counting{requestSink{s}, s, "http"},
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
	return mux
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
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
}
