package redisbus

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/redis/go-redis/v9"
)

// resp writes a list of bulk strings, as Redis does.
func resp(parts ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(parts))
	for _, p := range parts {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(p), p)
	}
	return b.String()
}

// repliesOf reads everything, and returns it as text with the error at its end.
func repliesOf(rd io.Reader, largest int64) (all []string, err error) {
	for r := newReplies(rd, largest); ; {
		reply, err := r.next()
		if err != nil {
			return all, err
		}
		text := fmt.Sprintf("%d %s %s %s", reply.kind, reply.pattern, reply.channel, reply.payload)
		if reply.payload == nil {
			text += fmt.Sprintf("(%d)", reply.size)
		}
		all = append(all, text)
	}
}

func TestReplies(t *testing.T) {
	long := strings.Repeat("x", 3*replyBuffer)
	for _, test := range []struct{ in, want string }{
		{resp("message", "c", "p"), "1  c p"},
		{resp("message", "c", ""), "1  c "},
		{resp("message", "c", "a\r\n$1\r\n\x00\xff"), "1  c a\r\n$1\r\n\x00\xff"},
		{resp("pmessage", "c*", "cd", "p"), "2 c* cd p"},
		{">" + resp("pmessage", "c*", "cd", "p")[1:], "2 c* cd p"},
		{resp("message", "c", long), "1  c " + long},
		{resp("message", "c", long+"x"), "1  c (196609)"},
		{resp("message", long, "p"), "1  " + long[:maxName] + " p"},
		{"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n", "3  c (0)"},
		{"*3\r\n$10\r\npsubscribe\r\n$2\r\nc*\r\n:12\r\n", "4  c* (0)"},
		{resp("pong", ""), "0   (0)"},
		{"+PONG\r\n", "0   (0)"},
	} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader} {
			all, err := repliesOf(wrap(strings.NewReader(test.in+test.in)), int64(len(long)))
			if !errors.Is(err, io.EOF) || len(all) != 2 || all[0] != test.want || all[1] != test.want {
				t.Errorf("%s: %.100q: %.100q, %v, want %.100q twice", name, test.in, all, err, test.want)
			}
		}
	}
}

func TestRepliesThatAreNone(t *testing.T) {
	message := resp("message", "c", "p")
	for _, in := range []string{
		"*0\r\n", "*1\r\n:1\r\n", "*-1\r\n", "*x\r\n", "*3\n", "\r\n", "*\r\n", ":1\r\n", "$1\r\nx\r\n", "+\n", strings.Repeat("+", replyBuffer), "!\r\n", "\x00\r\n",
		"*3\r\n$-1\r\n", "*3\r\n$99999999999999999999\r\n", "*3\r\n$7\r\nmessage;;", "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n$1\r\ny\r\n",
		"*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:-1\r\n", "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nxyz",
		resp("message", "c"), resp("message", "c", "p", "q"), resp("pmessage", "c", "p"), resp("pong"), resp("what", "c", "p"), resp("unsubscribe", "c", "p"),
	} {
		if all, err := repliesOf(strings.NewReader(message+in), 100); !errors.Is(err, errReply) || len(all) != 1 {
			t.Errorf("%.100q: %q, %v, want %v", in, all, err, errReply)
		}
	}
	for i := range message {
		if all, err := repliesOf(strings.NewReader(message[:i]), 100); len(all) > 0 || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %q, %v", message[:i], all, err)
		}
	}
	_, err := repliesOf(strings.NewReader("-NOPERM no\r\n"), 100)
	if _, ok := errors.AsType[redis.Error](err); !ok || printable(err).Error() != "NOPERM no" {
		t.Errorf("an error of Redis is %v", err)
	}
}

// FuzzReplies: nothing panics, and what is read does not depend on how it arrives.
func FuzzReplies(f *testing.F) {
	for _, seed := range []string{resp("message", "c", "p"), resp("pmessage", "c*", "cd", "p"), "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n", resp("pong", ""), "+PONG\r\n", "-ERR x\r\n"} {
		f.Add(seed + seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		all, err := repliesOf(strings.NewReader(in), 1000)
		again, errAgain := repliesOf(iotest.HalfReader(strings.NewReader(in)), 1000)
		if fmt.Sprint(all) != fmt.Sprint(again) || fmt.Sprint(err) != fmt.Sprint(errAgain) || err == nil {
			t.Fatalf("%q, %v, or %q, %v", all, err, again, errAgain)
		}
	})
}
