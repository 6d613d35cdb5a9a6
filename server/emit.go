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

// Emit implements emitter.Sink: what it is given happens to the sockets of this node. Each event is encoded once. Emit must not be called before Run.
func (s *Server) Emit(ctx context.Context, batch []emitter.Message) (emitter.Receipt, error) {
	messages := make([]hub.Message, len(batch))
	for i := range batch {
		var err error
		if messages[i], err = s.hubMessage(&batch[i]); err != nil {
			return emitter.Receipt{}, fmt.Errorf("message %d: %w", i, err)
		}
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

// hubMessage says what a message means to the hub.
func (s *Server) hubMessage(m *emitter.Message) (h hub.Message, err error) {
	h = hub.Message{Namespace: m.Namespace, Rooms: m.Rooms, Except: m.Except}
	switch m.Method {
	case emitter.MethodEmit:
		h.Frame, err = socketio.EncodeEvent(m.Namespace, m.Event, m.Args, m.Attachments)
	case emitter.MethodEnterRoom:
		h.Action, h.Change = hub.ActionEnter, m.Change
	case emitter.MethodLeaveRoom:
		h.Action, h.Change = hub.ActionLeave, m.Change
	case emitter.MethodCloseRoom: // who is in none of the rooms has nothing to leave
		h.Action, h.Change = hub.ActionLeave, m.Rooms
	case emitter.MethodDisconnect:
		h.Action, h.Frame = hub.ActionDisconnect, s.sockets.Goodbye(m.Namespace)
		if m.Close {
			h.Action = hub.ActionEnd
		}
	default:
		err = errors.New("unknown method")
	}
	return h, err
}

// counting counts what a source hands to a sink.
type counting struct {
	emitter.Sink
	server *Server
	source string
}

func (c counting) Emit(ctx context.Context, batch []emitter.Message) (emitter.Receipt, error) {
	methods := make([]emitter.Method, len(batch)) // the messages belong to the sink afterwards
	for i := range batch {
		methods[i] = batch[i].Method
	}
	receipt, err := c.Sink.Emit(ctx, batch)
	c.count(methods[:receipt.Accepted], "ok")
	if err != nil {
		c.count(methods[receipt.Accepted:], emitResult(err))
	}
	return receipt, err
}

func (c counting) count(methods []emitter.Method, result string) {
	counts := make(map[emitter.Method]int)
	for _, m := range methods {
		counts[m]++
	}
	for m, n := range counts {
		if m == emitter.MethodEmit {
			c.server.metrics.Emits(c.source, result, n)
		} else {
			c.server.metrics.Controls(c.source, m.String(), result, n)
		}
	}
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
