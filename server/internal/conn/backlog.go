package conn

import (
	"net"
	"time"

	"github.com/ws-emit/ws-emit/server/frame"
)

// backlog is what waits to be written, the oldest first.
type backlog struct {
	items []item
	head  int
}

// item is a waiting frame. Frames are shared: nothing is copied to wait.
type item struct {
	frame *frame.Frame
	done  int           // bytes of the WebSocket form that were written
	at    time.Duration // when it began to wait
}

func charge(f *frame.Frame) int64 { return int64(f.Size()) + frame.Overhead }

func (b *backlog) len() int { return len(b.items) - b.head }

func (b *backlog) oldest() time.Duration { return b.items[b.head].at }

func (b *backlog) push(f *frame.Frame, done int, at time.Duration) {
	if b.head > 32 && b.head > len(b.items)/2 { // reuse what was popped
		n := copy(b.items, b.items[b.head:])
		clear(b.items[n:])
		b.items, b.head = b.items[:n], 0
	}
	b.items = append(b.items, item{f, done, at})
}

// pop removes the oldest item.
func (b *backlog) pop() {
	b.items[b.head] = item{}
	if b.head++; b.head == len(b.items) {
		b.items, b.head = b.items[:0], 0
		if cap(b.items) > 16 {
			b.items = nil // a burst is over
		}
	}
}

// next appends to pieces, up to its capacity, what is to be written, the oldest first: at most limit bytes.
func (b *backlog) next(pieces net.Buffers, limit int) net.Buffers {
	for _, it := range b.items[b.head:] {
		if limit == 0 || len(pieces) == cap(pieces) {
			break
		}
		piece := it.frame.WebSocket()[it.done:]
		piece = piece[:min(len(piece), limit)]
		pieces = append(pieces, piece)
		limit -= len(piece)
	}
	return pieces
}
