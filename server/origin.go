package server

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/rs/cors"

	"github.com/ws-emit/ws-emit/server/engineio"
)

// notAccepted is what the Python server answers, to the letter: a JSON string.
const notAccepted = `"Not an accepted origin."`

// origins decides from which web sites browsers may connect. A WebSocket is not subject to CORS, so it is not enough to send the headers.
type origins struct {
	list []string
	any  bool
}

func newOrigins(list []string) origins {
	return origins{list: list, any: slices.Contains(list, "*")}
}

// accepts reports whether a request may connect. Without an Origin it does not come from a web page. "null" is a page without an origin.
func (o origins) accepts(r *http.Request) bool {
	sent := r.Header.Values("Origin")
	if len(sent) == 0 {
		return true
	}
	if len(sent) > 1 || sent[0] == "null" {
		return o.any && len(sent) == 1
	}
	if o.any || slices.Contains(o.list, sent[0]) {
		return true
	}
	u, err := url.Parse(sent[0])
	return err == nil && u.Host != "" && withPort(u.Host, u.Scheme) == withPort(r.Host, u.Scheme) // the page comes from here
}

// withPort writes out the port of a host: browsers leave out that of the scheme, some proxies do not.
func withPort(host, scheme string) string {
	host = strings.ToLower(host)
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	if scheme == "https" {
		return host + ":443"
	}
	return host + ":80"
}

// cors adds the headers that let pages of accepted origins read what they get.
func (s *Server) cors(next http.Handler) http.Handler {
	credentials := s.cfg.Credentials == On || s.cfg.Credentials == Auto && !s.origins.any
	return cors.New(cors.Options{
		AllowedOrigins:   s.cfg.Origins,
		AllowedMethods:   []string{http.MethodGet, http.MethodPost},
		AllowedHeaders:   []string{"*"},
		AllowCredentials: credentials,
	}).Handler(next)
}

// onlyAccepted refuses requests from other web sites.
func (s *Server) onlyAccepted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.origins.accepts(r) {
			next.ServeHTTP(w, r)
			return
		}
		s.metrics.Refused("origin")
		s.cfg.Logger.Debug("origin refused; --cors accepts it", "origin", r.Header.Get("Origin"))
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(notAccepted))
	})
}

// clientAddr is the address of a client: that of the connection or, when that is a trusted proxy, the rightmost in X-Forwarded-For that is not. It is the zero
// Addr when there are only trusted proxies, or when what a proxy says makes no sense.
func (s *Server) clientAddr(r *http.Request) netip.Addr {
	addr := engineio.PeerAddr(r)
	if !s.trusted(addr) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		addr, err := parseHop(strings.TrimSpace(hop))
		if err != nil {
			return netip.Addr{}
		}
		if !s.trusted(addr) {
			return addr
		}
	}
	return netip.Addr{}
}

// parseHop reads an address with or without a port, which some proxies add, and IPv6 with or without brackets.
func parseHop(hop string) (netip.Addr, error) {
	if ap, err := netip.ParseAddrPort(hop); err == nil {
		return ap.Addr().Unmap().WithZone(""), nil
	}
	if inner, ok := strings.CutPrefix(hop, "["); ok {
		hop = strings.TrimSuffix(inner, "]")
	}
	addr, err := netip.ParseAddr(hop)
	return addr.Unmap().WithZone(""), err
}

func (s *Server) trusted(addr netip.Addr) bool {
	return slices.ContainsFunc(s.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}
