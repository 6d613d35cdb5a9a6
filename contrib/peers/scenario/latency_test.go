package scenario

import (
	"testing"

	"github.com/ws-emit/ws-emit/contrib/peers/peer"
)

// Without knowing what the servers can do there is no rate to load them at.
func TestLatencyNeedsSaturation(t *testing.T) {
	for _, s := range Latency()[1:] {
		if _, err := s.Run(t.Context(), &peer.Server{Peer: peer.All()[0]}); err == nil {
			t.Errorf("%s ran without a rate", s.Name)
		}
	}
}
