package redisbus

import (
	"bufio"
	"errors"
	"io"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// replies reads what Redis sends to a connection that has subscribed (RESP2 and RESP3 specification). After an error it is of no use.
//
// go-redis logs in and subscribes, but it does not read: that took nine allocations for each message.
type replies struct {
	rd      *bufio.Reader
	largest int64 // payload that is kept, in bytes

	kind, pattern, channel []byte // of the last reply
}

// replyBuffer is how much is read at once, in bytes.
const replyBuffer = 64 << 10

func newReplies(rd io.Reader, largest int64) *replies {
	return &replies{rd: bufio.NewReaderSize(rd, replyBuffer), largest: largest}
}

// replyKind tells what a reply is.
type replyKind int

const (
	replyOther replyKind = iota // which means nothing here: the answer to a PING
	replyMessage
	replyPatternMessage
	replySubscribed
	replyPatternSubscribed
)

// reply is one reply. What is in it is valid until the next one is read, apart from the payload, which is the caller's.
type reply struct {
	kind    replyKind
	pattern []byte // of a message by a pattern
	channel []byte // of a message, or the channel or pattern that has been subscribed to
	payload []byte
	size    int64 // of the payload, which is nil when it is larger than what is kept
}

// errReply is for what no server of Redis sends to a subscriber.
var errReply = errors.New("redisbus: reply that is none")

// replyError is an error that Redis has answered with.
type replyError string

var _ redis.Error = replyError("")

func (e replyError) Error() string { return string(e) }
func (e replyError) RedisError()   {}

// next reads a reply, or an error that is one: that is a replyError.
func (r *replies) next() (reply, error) {
	marker, line, err := r.line()
	if err != nil {
		return reply{}, err
	}
	switch marker {
	case '*', '>': // as RESP2 and as RESP3 has it
	case '+':
		return reply{}, nil
	case '-':
		return reply{}, replyError(line)
	default:
		return reply{}, errReply
	}
	n, err := length(line)
	if err != nil || n == 0 {
		return reply{}, errReply
	}
	if r.kind, err = r.text(r.kind); err != nil {
		return reply{}, err
	}
	switch kind := string(r.kind); {
	case kind == "message" && n == 3:
		return r.message(reply{kind: replyMessage})
	case kind == "pmessage" && n == 4:
		if r.pattern, err = r.text(r.pattern); err != nil {
			return reply{}, err
		}
		return r.message(reply{kind: replyPatternMessage, pattern: r.pattern})
	case kind == "subscribe" && n == 3:
		return r.confirmation(replySubscribed)
	case kind == "psubscribe" && n == 3:
		return r.confirmation(replyPatternSubscribed)
	case kind == "pong" && n == 2:
		_, err = r.text(nil)
		return reply{}, err
	}
	return reply{}, errReply
}

// message reads the last two parts of a message.
func (r *replies) message(m reply) (_ reply, err error) {
	if r.channel, err = r.text(r.channel); err != nil {
		return reply{}, err
	}
	m.channel = r.channel
	if m.size, err = r.bulk(); err != nil {
		return reply{}, err
	}
	if m.size > r.largest {
		return m, r.discard(m.size)
	}
	m.payload = make([]byte, m.size)
	if _, err = io.ReadFull(r.rd, m.payload); err != nil {
		return reply{}, err
	}
	return m, r.discard(0)
}

// confirmation reads the last two parts of a reply to a subscription.
func (r *replies) confirmation(kind replyKind) (_ reply, err error) {
	if r.channel, err = r.text(r.channel); err != nil {
		return reply{}, err
	}
	marker, line, err := r.line()
	if err != nil {
		return reply{}, err
	}
	if _, err = length(line); marker != ':' || err != nil {
		return reply{}, errReply
	}
	return reply{kind: kind, channel: r.channel}, nil
}

// maxName is where the name of a channel is cut, in bytes. What is longer is the name of no room, and of no channel that is subscribed to.
const maxName = 4 << 10

// text reads a name, into the memory of the one before.
func (r *replies) text(into []byte) ([]byte, error) {
	n, err := r.bulk()
	if err != nil {
		return nil, err
	}
	b, err := r.rd.Peek(int(min(n, maxName)))
	if err != nil {
		return nil, err
	}
	into = append(into[:0], b...)
	return into, r.discard(n)
}

// bulk reads the size of a bulk string.
func (r *replies) bulk() (n int64, err error) {
	marker, line, err := r.line()
	if err != nil {
		return 0, err
	}
	if marker != '$' {
		return 0, errReply
	}
	return length(line)
}

// length reads a number that is not negative.
func length(line []byte) (n int64, err error) {
	n, err = strconv.ParseInt(string(line), 10, 64)
	if err != nil || n < 0 {
		return 0, errReply
	}
	return n, nil
}

// line reads a line, which begins with the byte that tells what it is. It is valid until the next read.
func (r *replies) line() (marker byte, rest []byte, err error) {
	b, err := r.rd.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return 0, nil, errReply
	}
	if err != nil {
		return 0, nil, err
	}
	if len(b) < 3 || b[len(b)-2] != '\r' {
		return 0, nil, errReply
	}
	return b[0], b[1 : len(b)-2], nil
}

// discard passes over n bytes, which end a bulk string, and over the line end after them.
func (r *replies) discard(n int64) error {
	if n > replyBuffer/2 {
		if _, err := io.CopyN(io.Discard, r.rd, n); err != nil {
			return err
		}
		n = 0
	}
	b, err := r.rd.Peek(int(n) + 2)
	if err != nil {
		return err
	}
	if string(b[n:]) != "\r\n" {
		return errReply
	}
	_, _ = r.rd.Discard(len(b))
	return nil
}
