package sioclient

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

// run reads until the client ends; first are packets that came with the handshake.
func (c *Client) run(first []Message) {
	c.leave(c.read(first))
	c.free()
	c.pongs.Wait()
	if c.poller != nil {
		c.poller.free()
	}
	close(c.done)
}

// read returns why the client ends.
func (c *Client) read(first []Message) error {
	c.pinged()
	for _, m := range first {
		if err := c.packet(m); err != nil {
			return err
		}
	}
	ws := c.webSocket()
	if ws == nil {
		var err error
		if ws, err = c.poll(); err != nil {
			return err
		}
	}
	var deadline time.Time
	for {
		if deadline != c.pingDeadline {
			deadline = c.pingDeadline
			if err := ws.SetReadDeadline(deadline); err != nil {
				return err
			}
		}
		m, err := ws.Read()
		if err != nil {
			if isTimeout(err) {
				err = ErrPingTimeout
			}
			return err
		}
		if err := c.packet(m); err != nil {
			return err
		}
	}
}

// poll reads from long-polling until the transport has been switched.
func (c *Client) poll() (*WebSocket, error) {
	for {
		ctx, cancel := context.WithDeadline(c.ctx, c.pingDeadline)
		messages, err := c.poller.get(ctx)
		cancel()
		if err != nil {
			if c.ctx.Err() == nil && isTimeout(err) {
				err = ErrPingTimeout
			}
			return nil, err
		}
		for _, m := range messages {
			if err := c.packet(m); err != nil {
				return nil, err
			}
		}
		if ws := c.pausePolling(); ws != nil {
			return ws, nil
		}
	}
}

// pinged notes that the server lives (Engine.IO protocol, "Heartbeat": the client SHOULD close when no ping comes within pingInterval +
// pingTimeout).
func (c *Client) pinged() {
	c.pingDeadline = time.Now().Add(time.Duration(c.engine.PingInterval+c.engine.PingTimeout) * time.Millisecond)
}

// packet handles one Engine.IO packet. An error ends the client.
func (c *Client) packet(m Message) error {
	if m.Binary {
		return c.attachment(m.Data)
	}
	if len(m.Data) == 0 {
		return fmt.Errorf("%w: empty packet", ErrProtocol)
	}
	switch kind, payload := m.Data[0], m.Data[1:]; kind {
	case engineMessage:
		return c.message(payload)
	case enginePing:
		return c.pong(payload)
	case engineClose:
		return ErrEngineClosed
	case engineNoop:
		return nil
	default:
		return fmt.Errorf("%w: unexpected Engine.IO packet", ErrProtocol)
	}
}

// pong answers a ping.
func (c *Client) pong(payload []byte) error {
	c.pinged()
	pong := Message{Data: append([]byte{enginePong}, payload...)}
	if c.webSocket() != nil {
		return c.write(c.ctx, pong)
	}
	// Polling goes on meanwhile, as it does in a browser. run waits for it; write ends the client if it fails.
	c.pongs.Go(func() { _ = c.write(c.ctx, pong) })
	return nil
}

// message handles one Socket.IO packet, without its attachments.
func (c *Client) message(text []byte) error {
	if c.partial != nil {
		return fmt.Errorf("%w: text while attachments are awaited", ErrProtocol)
	}
	p, err := decodePacket(text)
	if err != nil {
		return err
	}
	if p.awaited == 0 {
		return c.dispatch(&p)
	}
	p.data = bytes.Clone(p.data)
	c.partial = &p
	c.partialSize = int64(len(text))
	return nil
}

func (c *Client) attachment(data []byte) error {
	p := c.partial
	if p == nil {
		return fmt.Errorf("%w: binary while no attachment is awaited", ErrProtocol)
	}
	if c.partialSize += int64(len(data)); c.partialSize > c.cfg.MaxMessage {
		return ErrTooLarge
	}
	p.attachments = append(p.attachments, bytes.Clone(data))
	if p.awaited--; p.awaited > 0 {
		return nil
	}
	c.partial = nil
	return c.dispatch(p)
}

// dispatch handles a complete packet.
func (c *Client) dispatch(p *packet) error {
	if p.namespace != c.cfg.Namespace {
		return nil
	}
	switch p.kind {
	case sioConnect, sioConnectError:
		answer := *p
		answer.data = bytes.Clone(p.data)
		select {
		case c.replied <- answer:
		default: // nobody asked
			return fmt.Errorf("%w: second answer to CONNECT", ErrProtocol)
		}
		return nil
	case sioDisconnect:
		return ErrDisconnected
	case sioAck:
		c.acknowledge(p.id, Args{Raw: bytes.Clone(insideArray(p.data)), Attachments: p.attachments})
		return nil
	default:
		name, rest, err := splitName(p.data)
		if err != nil {
			return err
		}
		if string(name) != c.lastName {
			c.lastName = string(name)
		}
		c.deliver(Event{Name: c.lastName, Args: Args{Raw: rest, Attachments: p.attachments}})
		return nil
	}
}

func (c *Client) acknowledge(id int64, args Args) {
	c.mu.Lock()
	reply := c.acks[id]
	delete(c.acks, id)
	c.mu.Unlock()
	if reply != nil {
		reply <- args // has room for one, and there is only one
	}
}

// deliver hands an event on. It waits while the queue is full.
func (c *Client) deliver(e Event) {
	if c.cfg.OnEvent != nil {
		c.cfg.OnEvent(e)
		return
	}
	e = e.Clone()
	for !c.enqueue(e) {
		select {
		case <-c.room:
		case <-c.leaving:
			return
		}
	}
	notify(c.ready)
}

func (c *Client) enqueue(e Event) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.events) > 0 && c.queued+e.size() > c.cfg.QueueBytes {
		return false
	}
	c.events = append(c.events, e)
	c.queued += e.size()
	return true
}
