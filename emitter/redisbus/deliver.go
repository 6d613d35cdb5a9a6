package redisbus

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/ws-emit/ws-emit/emitter"
)

// One call of the sink gets what waits, up to about this much.
const (
	batchMessages = 256
	batchBytes    = 256 << 10
)

// maxSpare and maxSpareBatch bound the memory, in items and messages, that is kept for the next burst.
const (
	maxSpare      = 4096
	maxSpareBatch = 2 * batchMessages
)

// busyWait is the time between two calls of a sink that is busy, which has waited itself before it said so.
const busyWait = 50 * time.Millisecond

// deliver decodes what waits and emits it, until ctx ends or the sink is closed. While the sink is busy it waits, for as long as it takes.
func (r *Reader) deliver(ctx context.Context, sink emitter.Sink) error {
	var spare []item
	var batch []emitter.Message // used again and again: a sink does not keep it
	for {
		items := r.queue.take(ctx, spare)
		if items == nil {
			return nil
		}
		for rest := items; len(rest) > 0; {
			var n int
			var cost int64
			batch, n, cost = r.decodeSome(batch[:0], rest)
			if err := r.emit(ctx, sink, batch); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return nil
			}
			r.release(cost)
			clear(rest[:n]) // lets go of the payloads
			clear(batch)
			rest = rest[n:]
		}
		clear(batch[:cap(batch)]) // and of those that were refused, whose messages stand behind the others
		r.rules.python = pythonJSON{}
		if cap(batch) > maxSpareBatch {
			batch = nil
		}
		if spare = items; cap(spare) > maxSpare {
			spare = nil
		}
	}
}

// decodeSome decodes the first items into batch, which is empty, and returns the messages, the number of items and what they are charged for.
func (r *Reader) decodeSome(batch []emitter.Message, items []item) (_ []emitter.Message, n int, cost int64) {
	for n < len(items) && len(batch) < batchMessages && cost < batchBytes {
		batch = r.decode(batch, items[n])
		cost += items[n].cost()
		n++
	}
	return batch, n, cost
}

// decode appends the messages of one payload.
func (r *Reader) decode(batch []emitter.Message, it item) (out []emitter.Message) {
	defer func() {
		if p := recover(); p != nil {
			out = batch
			r.cfg.Logger.Error("decoder panicked", "channel", it.channel.name, "stack", string(debug.Stack()))
			r.drops.drop(DropInternal, it.channel.name, len(it.payload))
		}
	}()
	var text string
	if r.cfg.OnDecoded != nil {
		text = string(it.payload) // which the decoder may overwrite
	}
	out, reason, err := r.read(batch, it)
	switch reason {
	case "":
	case DropAck, DropRequest, DropForeign, DropDuplicate:
		r.cfg.OnDrop(reason)
	default:
		r.drops.drop(reason, it.channel.name, len(it.payload))
	}
	if r.cfg.OnDecoded != nil {
		r.cfg.OnDecoded(Decoded{it.name, it.channel.dialect, text, out[len(batch):], reason, err})
	}
	return out
}

// read appends the messages of one payload, or says why there are none for this reader in it.
func (r *Reader) read(batch []emitter.Message, it item) (out []emitter.Message, reason DropReason, err error) {
	if most := maxPayload(r.rules.limits); len(it.payload) > most {
		tooLarge := fmt.Sprintf("the payload is larger than %d bytes", most)
		return batch, DropTooLarge, &emitter.InputError{Index: -1, Reason: tooLarge, Err: emitter.ErrTooLarge}
	}
	out, reason, err = it.channel.decode(batch, published{it.name, it.payload}, &r.rules)
	for i := len(batch); i < len(out); i++ {
		if refusal := r.refuse(&out[i]); refusal != "" {
			return batch, refusal, nil
		}
	}
	return out, reason, err
}

// refuse says why a good message is none for this reader, or "".
func (r *Reader) refuse(m *emitter.Message) DropReason {
	switch {
	case !slices.Contains(r.cfg.Methods, m.Method):
		return DropMethod
	case !slices.Contains(r.cfg.Namespaces, m.Namespace):
		return DropNamespace
	}
	return ""
}

// release ends the charge for items that the sink has.
func (r *Reader) release(cost int64) {
	lost := r.queue.release(cost)
	if lost == 0 {
		return
	}
	r.cfg.Logger.Warn("redis messages are no longer lost", "lost", lost)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gapUntil = time.Now().Add(r.cfg.GapHold)
}

// emit hands a batch on, in as few calls as the sink takes. It returns an error when the sink is closed, and nil when ctx has ended.
func (r *Reader) emit(ctx context.Context, sink emitter.Sink, batch []emitter.Message) error {
	for limit := len(batch); len(batch) > 0; {
		size := min(limit, len(batch))
		receipt, err := sink.Emit(ctx, batch[:size:size])
		if err == nil {
			batch = batch[size:]
			continue
		}
		accepted := min(max(receipt.Accepted, 0), size)
		batch = batch[accepted:]
		rejected := size - accepted
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, emitter.ErrClosed):
			return err
		case errors.Is(err, emitter.ErrBusy), errors.Is(err, context.DeadlineExceeded):
			if !sleep(ctx, busyWait) {
				return nil
			}
		case errors.Is(err, emitter.ErrTooLarge) && rejected > 1:
			limit = rejected / 2
		case errors.Is(err, emitter.ErrTooLarge):
			batch = r.dropFirst(batch, rejected, DropTooLarge)
			limit = len(batch)
		default:
			r.cfg.Logger.Error("emit from redis", "err", err)
			batch = r.dropFirst(batch, rejected, DropSink)
		}
	}
	return nil
}

// dropFirst drops the first n messages of a batch. Their channels are no longer known.
func (r *Reader) dropFirst(batch []emitter.Message, n int, reason DropReason) []emitter.Message {
	for i := range n {
		r.drops.drop(reason, "", int(batch[i].Size()))
	}
	return batch[n:]
}
