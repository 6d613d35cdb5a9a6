package server

// NewWithDefaultRedis is New with another Redis to try when none is configured: tests cannot have the port of DefaultRedis for themselves.
func NewWithDefaultRedis(cfg Config, url string) (*Server, error) { return newServer(cfg, url) }

// Queued is the number of entries that wait for the hub.
func (s *Server) Queued() int { return s.hub.Stats().Queued }
