package emitter

import (
	"context"
	"errors"
)

// Sink takes messages on their way to the sockets.
type Sink interface {
	// Emit hands on a batch, in order and as a whole, and returns once it has been accepted. It may wait until there is room, or until
	// ctx ends. The messages must have passed Validate. What they point to belongs to the sink afterwards, while the slice itself is the
	// caller's again once Emit has returned. It may be called concurrently.
	//
	// Errors: ErrTooLarge when the batch can never be accepted, ErrBusy when there was no room in time, ErrClosed when the server stops;
	// in each case, unless the receipt says otherwise, nobody gets anything.
	Emit(ctx context.Context, batch []Message) (Receipt, error)
}

// Receipt is what a sink knows about a batch.
type Receipt struct {
	// Accepted is the number of messages that were accepted, the first ones of the batch. It is the whole batch when there was no error.
	Accepted int
	// Receivers counts the sockets that the batch matched, waiting until they are known or ctx ends. It is nil where the sink cannot know.
	Receivers func(ctx context.Context) (int, error)
}

// What a sink answers instead of accepting a batch.
var (
	ErrTooLarge = errors.New("emitter: larger than the server accepts at once")
	ErrBusy     = errors.New("emitter: the server is behind, try again later")
	ErrClosed   = errors.New("emitter: the server is stopping")
)

// Audience says which nodes of a cluster see a message that a source brings, and with that which sink it needs.
type Audience int

const (
	// EveryNode sees the message, as with Redis pub/sub: each node emits to its own sockets only.
	EveryNode Audience = iota + 1
	// OneNode sees the message, as with HTTP or a shared queue: it must be passed to all nodes.
	OneNode
)

// Source brings messages into the server.
type Source interface {
	// Name names the source in logs and metrics.
	Name() string
	// Audience decides which sink Run is given.
	Audience() Audience
	// Run reads messages and emits them to sink, until ctx ends or it cannot go on. It returns after all its goroutines have ended.
	Run(ctx context.Context, sink Sink) error
	// Ready returns nil while the source hears everything that is sent to it, else why it does not.
	Ready() error
}
