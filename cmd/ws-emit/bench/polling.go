package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"

	"github.com/ws-emit/ws-emit/server/sioclient"
)

// poller is a client on long-polling.
type poller struct {
	sio     *sioclient.Client
	closing atomic.Bool
}

// dialPolling connects and joins over long-polling.
func (c *client) dialPolling(ctx context.Context) error {
	cfg := &c.load.cfg
	sio, err := sioclient.Dial(ctx, sioclient.Config{
		URL: cfg.URL, Path: cfg.Path, Namespace: cfg.Namespace, Header: cfg.Header, TLS: cfg.TLS, NetDial: c.load.dialer(c.index).DialContext,
		Transports: []sioclient.Transport{sioclient.TransportPolling},
		OnEvent: func(e sioclient.Event) {
			w := c.load.pool.take()
			defer c.load.pool.put(w)
			c.got(w, e.Raw, c.load.now())
		},
	})
	if err != nil {
		return err
	}
	if err := c.joinPolling(ctx, sio); err != nil {
		sio.Abort()
		return fmt.Errorf("join: %w", err)
	}
	c.conn = &poller{sio: sio}
	return nil
}

func (c *client) joinPolling(ctx context.Context, sio *sioclient.Client) error {
	cfg := &c.load.cfg
	for _, room := range cfg.roomsOf(c.index) {
		data := json.RawMessage(cfg.joinData(c.index, room))
		if cfg.NoJoinAck {
			if err := sio.Emit(cfg.JoinEvent, data); err != nil {
				return err
			}
			continue
		}
		answer, err := sio.EmitAck(ctx, cfg.JoinEvent, data)
		if err != nil {
			return err
		}
		if isRefusal(answer.Raw) {
			return errRefused
		}
	}
	return nil
}

func (p *poller) receive() error {
	<-p.sio.Done()
	if p.closing.Load() {
		return nil
	}
	return p.sio.Err()
}

func (p *poller) close() {
	select {
	case <-p.sio.Done(): // it has ended by itself
	default:
		p.closing.Store(true)
	}
	p.sio.Abort()
}
