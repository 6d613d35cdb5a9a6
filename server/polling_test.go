package server_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

// A long-polling client may send its next request on another connection as soon as it has read the answer to the last one, as browsers do: that is not two
// requests at once. 16 clients do it 500 times each.
func TestPollingOnManyConnections(t *testing.T) {
	n := start(t, server.Config{})
	parallel(t, 16, 16, func(i int) error {
		w, err := dialWire(n.url, sioclient.TransportPolling)
		if err != nil {
			return err
		}
		defer w.close()
		p := w.(*pollWire)
		var transports [3]*http.Transport
		for i := range transports {
			transports[i] = &http.Transport{}
			defer transports[i].CloseIdleConnections()
		}
		if err := connect(w); err != nil {
			return err
		}
		for round := range 500 {
			p.client.Transport = transports[2*round%3]
			if err := p.write(fmt.Sprintf(`42%d["join","a"]`, round)); err != nil {
				return fmt.Errorf("round %d: %w", round, err)
			}
			p.client.Transport = transports[(2*round+1)%3]
			if _, err := expect(p, fmt.Sprintf(`43%d[{"ok":true`, round)); err != nil {
				return fmt.Errorf("round %d: %w", round, err)
			}
		}
		return nil
	})
}
