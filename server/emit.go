package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/server/internal/hub"
	"github.com/ws-emit/ws-emit/server/socketio"
)

var _ emitter.Sink = (*Server)(nil)

// Emit implements emitter.Sink: it emits to the sockets of this node. Each event is encoded once. Emit must not be called before Run.
func (s *Server) Emit(ctx context.Context, batch []emitter.Message) (emitter.Receipt, error) {
	messages := make([]hub.Message, len(batch))
	for i, m := range batch {
		f, err := socketio.EncodeEvent(m.Namespace, m.Event, m.Args, m.Attachments)
		if err != nil {
			return emitter.Receipt{}, fmt.Errorf("message %d: %w", i, err)
		}
		messages[i] = hub.Message{Namespace: m.Namespace, Rooms: m.Rooms, Except: m.Except, Frame: f}
	}
	b := hub.NewBatch(messages...)
	err := s.hub.Send(ctx, b)
	switch {
	case err == nil:
		return emitter.Receipt{Accepted: len(batch), Receivers: b.Receivers}, nil
	case errors.Is(err, hub.ErrTooLarge):
		err = emitter.ErrTooLarge
	case errors.Is(err, hub.ErrClosed):
		err = emitter.ErrClosed
	case errors.Is(err, context.DeadlineExceeded):
		err = emitter.ErrBusy
	}
	return emitter.Receipt{}, err
}

// counting counts what a source hands to a sink.
type counting struct {
	emitter.Sink
	server *Server
	source string
}

func (c counting) Emit(ctx context.Context, batch []emitter.Message) (emitter.Receipt, error) {
	receipt, err := c.Sink.Emit(ctx, batch)
	if receipt.Accepted > 0 {
		c.server.metrics.Emits(c.source, "ok", receipt.Accepted)
	}
	if err != nil {
		c.server.metrics.Emits(c.source, emitResult(err), len(batch)-receipt.Accepted)
	}
	return receipt, err
}

func emitResult(err error) string {
	switch {
	case errors.Is(err, emitter.ErrTooLarge):
		return "too_large"
	case errors.Is(err, emitter.ErrBusy):
		return "busy"
	case errors.Is(err, emitter.ErrClosed):
		return "closed"
	}
	return "failed"
}
