package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ws-emit/ws-emit/emitter"
)

// What one request carries at most, of lines that are there already. A server takes 1,000 messages and 8 MiB, if it is not told otherwise.
const (
	batchMessages = 1000
	batchBytes    = 1 << 20
	maxLine       = 8 << 20
	maxIgnored    = 10 // unknown keys that are told of
)

// lines sends messages that stand one a line.
type lines struct {
	to  *target
	all bool // a message may be for everybody

	batch   []emitter.Message
	numbers []int // of the lines of the batch
	size    int   // of the lines of the batch, in bytes

	done    sent
	ignored []string
}

// emitLines sends the messages of in, those together that are there at the same time, and says at the end how many there were.
func emitLines(ctx context.Context, to *target, in io.Reader, out io.Writer, all bool) error {
	l := &lines{to: to, all: all}
	if err := l.read(ctx, bufio.NewReaderSize(in, maxLine)); err != nil && l.done.messages > 0 {
		return fmt.Errorf("%v; %s before it", err, plural(l.done.messages, "message")) // no usageError any more: that says that nothing was sent
	} else if err != nil {
		return err
	}
	said := plural(l.done.messages, "message")
	if l.done.messages > 0 {
		said += ", " + l.done.String()
	}
	if len(l.ignored) > 0 {
		said += fmt.Sprintf(", unknown keys %q", l.ignored)
	}
	_, err := fmt.Fprintln(out, said)
	return err
}

func (l *lines) read(ctx context.Context, in *bufio.Reader) error {
	for number := 1; ; number++ {
		line, err := in.ReadSlice('\n')
		last := errors.Is(err, io.EOF)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			err = usageError{fmt.Errorf("it is longer than %s", formatSize(maxLine))}
		case err == nil || last:
			err = l.add(number, line)
		}
		if err != nil {
			return cmp.Or(l.flush(ctx), fmt.Errorf("line %d: %w", number, err)) // what came before it is right
		}
		here, _ := in.Peek(in.Buffered())
		if !last && len(l.batch) < batchMessages && l.size < batchBytes && bytes.IndexByte(here, '\n') >= 0 {
			continue
		}
		if err := l.flush(ctx); err != nil || last {
			return err
		}
	}
}

// add reads one line.
func (l *lines) add(number int, line []byte) error {
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	// The messages point into what they are read from.
	one, info, err := emitter.ParseNDJSON(bytes.Clone(line), emitter.Limits{MaxRooms: -1, MaxBytes: -1})
	if err != nil {
		return sendError(err)
	}
	if len(one[0].Rooms) == 0 && !l.all {
		return usageError{errors.New("there is no room: that would be everybody, and wants --all")}
	}
	for _, key := range info.Ignored {
		if len(l.ignored) < maxIgnored && !slices.Contains(l.ignored, key) {
			l.ignored = append(l.ignored, key)
		}
	}
	l.batch, l.numbers, l.size = append(l.batch, one[0]), append(l.numbers, number), l.size+len(line)
	return nil
}

// flush sends what was added.
func (l *lines) flush(ctx context.Context) error {
	if len(l.batch) == 0 {
		return nil
	}
	done, err := l.to.send(ctx, l.batch...)
	numbers := l.numbers
	l.batch, l.numbers, l.size = nil, nil, 0
	l.done.add(done)
	if err == nil {
		return nil
	}
	at := -1
	if input, ok := errors.AsType[*emitter.InputError](err); ok {
		at = input.Index
	} else if refused, ok := errors.AsType[*emitter.StatusError](err); ok {
		at = refused.Index
	}
	if err = sendError(err); at >= 0 && at < len(numbers) {
		return fmt.Errorf("line %d: %w", numbers[at], err)
	}
	return err
}
