package server

import (
	"fmt"
	"net/http"
	"strings"
)

// livez answers as long as the process can.
func (s *Server) livez(w http.ResponseWriter, _ *http.Request) {
	plain(w, http.StatusOK, "ok\n")
}

// readyz answers whether the server should be sent clients and emits now, and if not, why.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if reasons := s.unready(); len(reasons) > 0 {
		plain(w, http.StatusServiceUnavailable, strings.Join(reasons, "\n")+"\n")
		return
	}
	plain(w, http.StatusOK, "ok\n")
}

func (s *Server) unready() (reasons []string) {
	if s.stopping.Load() {
		reasons = append(reasons, "stopping")
	}
	if !s.redisRequired.Load() {
		return reasons
	}
	for _, src := range s.sources {
		if err := src.Ready(); err != nil {
			reasons = append(reasons, fmt.Sprintf("%s: %v", src.Name(), err))
		}
	}
	return reasons
}

func plain(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
