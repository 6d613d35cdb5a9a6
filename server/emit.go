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

// control is a message that is no emit.
type control struct {
	at     int // index in the batch
	method emitter.Method
}

func (c counting) Emit(ctx context.Context, batch []emitter.Message) (emitter.Receipt, error) {
	var controls []control // few, if any; the messages belong to the sink afterwards
	for i := range batch {
		if m := batch[i].Method; m != emitter.MethodEmit {
			controls = append(controls, control{i, m})
		}
	}
	receipt, err := c.Sink.Emit(ctx, batch)
	c.count(controls, 0, receipt.Accepted, "ok")
	if err != nil {
		c.count(controls, receipt.Accepted, len(batch), emitResult(err))
	}
	return receipt, err
}

// count counts the messages from one index of the batch to another.
func (c counting) count(controls []control, from, to int, result string) {
	emits := to - from
	for _, k := range controls {
		if from <= k.at && k.at < to {
			emits--
			c.server.metrics.Controls(c.source, k.method.String(), result, 1)
		}
	}
	if emits > 0 {
		c.server.metrics.Emits(c.source, result, emits)
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
