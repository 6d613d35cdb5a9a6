package sioclient

import (
	"context"
	"fmt"
)

// upgrade is a change from long-polling to WebSocket that is under way.
type upgrade struct {
	ws      *WebSocket      // once probed
	pause   bool            // polling is to stop after the answer that it waits for
	paused  chan struct{}   // closed by the goroutine that reads, when polling has stopped
	resumed chan *WebSocket // of one: what to go on with, nil for polling
}

// Probe opens a WebSocket for a client on long-polling and proves that it works (Engine.IO protocol, "Upgrade", ping and pong with "probe"). The
// client goes on with polling until Upgrade is called; the server answers its polls at once meanwhile. An error leaves the client as it was.
func (c *Client) Probe(ctx context.Context) error {
	u := &upgrade{paused: make(chan struct{}), resumed: make(chan *WebSocket, 1)}
	if !c.beginUpgrade(u) {
		return errUpgradeRefused
	}
	ws, err := c.probe(ctx)
	if err != nil {
		c.endUpgrade(u, nil)
		return fmt.Errorf("probe: %w", err)
	}
	c.mu.Lock()
	u.ws = ws
	left := c.left
	c.mu.Unlock()
	if left { // and nobody else will close it
		c.endUpgrade(u, nil)
		return c.reason()
	}
	return nil
}

func (c *Client) probe(ctx context.Context) (*WebSocket, error) {
	url, err := c.cfg.endpoint(TransportWebSocket, c.engine.SID)
	if err != nil {
		return nil, err
	}
	ws, err := dialWebSocket(ctx, url, &c.cfg)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { ws.Close() })
	var answer string
	if err = ws.WriteText(string(enginePing) + "probe"); err == nil {
		answer, err = ws.ReadText()
	}
	if !stop() {
		err = ctx.Err()
	}
	if err == nil && answer != string(enginePong)+"probe" {
		err = fmt.Errorf("%w: answer to the probe", ErrProtocol)
	}
	if err != nil {
		ws.Close()
		return nil, err
	}
	return ws, nil
}

// Upgrade changes from long-polling to WebSocket, probing first unless Probe was called. What is emitted meanwhile waits and is sent by WebSocket.
// When there is an error before the switch, the client goes on with polling; when the switch itself fails, it ends.
func (c *Client) Upgrade(ctx context.Context) error {
	if !c.probed() {
		if err := c.Probe(ctx); err != nil {
			return err
		}
	}
	return c.switchTransport(ctx)
}

// switchTransport waits until no request is under way, then switches.
func (c *Client) switchTransport(ctx context.Context) error {
	if err := c.acquire(ctx); err != nil { // no POST is under way from here on
		return err
	}
	defer func() { <-c.writing }()
	u := c.claimUpgrade()
	if u == nil {
		return errUpgradeRefused
	}
	select {
	case <-u.paused:
	case <-c.done:
		c.endUpgrade(u, nil)
		return c.Err()
	case <-ctx.Done():
		c.endUpgrade(u, nil)
		return ctx.Err()
	}
	err := u.ws.WriteText(string(engineUpgrade))
	if err != nil {
		c.leave(fmt.Errorf("upgrade: %w", err))
		err = c.reason()
	}
	c.endUpgrade(u, u.ws)
	if err != nil {
		c.free()
	}
	return err
}

func (c *Client) beginUpgrade(u *upgrade) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ws != nil || c.upgrade != nil || c.left {
		return false
	}
	c.upgrade = u
	return true
}

func (c *Client) probed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.upgrade != nil && c.upgrade.ws != nil
}

// claimUpgrade asks for polling to stop. It returns nil when there is nothing to upgrade to, or somebody else has asked.
func (c *Client) claimUpgrade() *upgrade {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.upgrade
	if u == nil || u.ws == nil || u.pause {
		return nil
	}
	u.pause = true
	return u
}

// endUpgrade lets reading go on, with ws or, if that is nil, with polling.
func (c *Client) endUpgrade(u *upgrade, ws *WebSocket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.upgrade = nil
	c.ws = ws
	if ws == nil && u.ws != nil {
		u.ws.Close()
	}
	u.resumed <- ws
}

// pausePolling stops polling while an upgrade asks for it, and returns the WebSocket to go on with, or nil. It is called between two polls.
func (c *Client) pausePolling() *WebSocket {
	c.mu.Lock()
	u := c.upgrade
	pause := u != nil && u.pause
	c.mu.Unlock()
	if !pause {
		return nil
	}
	close(u.paused)
	select {
	case ws := <-u.resumed:
		return ws
	case <-c.ctx.Done():
		return nil
	}
}
