package emitter_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ws-emit/ws-emit/emitter"
)

const goodRequest = "POST /emit HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 123\r\nContent-Type: application/json\r\n" +
	"Content-Length: 13\r\n\r\n{\"event\":\"e\"}"

// pipe serves one connection, of which it returns the other end, on the clock of a test.
func pipe(t *testing.T, srv *http.Server) net.Conn {
	t.Helper()
	here, there := net.Pipe()
	l := &pipeListener{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	l.conns <- there
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		here.Close()
		srv.Close()
		<-served
	})
	return here
}

// pipeListener hands out the connections put into conns.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// exchange writes a request and returns the body of its answer.
func exchange(t *testing.T, c net.Conn, answers *bufio.Reader, request string) string {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// The deadline of a body must neither cancel its request, which waits for credit for longer, nor the next one on the connection.
func TestBodyDeadlineEndsWithTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{answer: func(ctx context.Context, batch []emitter.Message) (emitter.Receipt, error) {
			select {
			case <-ctx.Done():
				return emitter.Receipt{}, ctx.Err()
			case <-time.After(time.Minute): // on the clock of the test
				return emitter.Receipt{Accepted: len(batch)}, nil
			}
		}}
		c := pipe(t, &http.Server{Handler: emitter.NewHandler(emitter.HTTPConfig{Secret: testSecret, Sink: s, Timeout: time.Hour})})
		answers := bufio.NewReader(c)
		for range 2 {
			if got := exchange(t, c, answers, goodRequest); got != "OK\n" {
				t.Errorf("got %q", got)
			}
		}
	})
}

// Whoever sends the rest of a body too late gets his answer all the same: after 5 s when his header was wrong, else after the 30 s that a
// body may take.
func TestAnswerToASlowBody(t *testing.T) {
	const post = "POST /emit HTTP/1.1\r\nContent-Type: application/json\r\n"
	for name, tt := range map[string]struct {
		head   string
		status int
		after  time.Duration
	}{
		"secret":     {post + "Authorization: Bearer no\r\n", 403, 5 * time.Second},
		"method":     {"PUT /emit HTTP/1.1\r\n", 405, 5 * time.Second},
		"media type": {"POST /emit HTTP/1.1\r\nContent-Type: text/plain\r\n", 415, 5 * time.Second},
		"body":       {post + "Authorization: Bearer 123\r\n", 408, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := pipe(t, &http.Server{Handler: emitter.NewHandler(emitter.HTTPConfig{Secret: testSecret, Sink: &sink{}})})
				start := time.Now()
				if _, err := io.WriteString(c, tt.head+"Host: x\r\nContent-Length: 100\r\n\r\n{"); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if took := time.Since(start); resp.StatusCode != tt.status || took != tt.after {
					t.Errorf("got %d after %v, want %d after %v", resp.StatusCode, took, tt.status, tt.after)
				}
			})
		})
	}
}

// A caller who does not read his answer loses the connection.
func TestAnswerHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan time.Duration, 1)
		start := time.Now()
		c := pipe(t, &http.Server{
			Handler: emitter.NewHandler(emitter.HTTPConfig{Secret: testSecret, Sink: &sink{}}),
			ConnState: func(_ net.Conn, state http.ConnState) {
				if state == http.StateClosed {
					ended <- time.Since(start)
				}
			},
		})
		if _, err := io.WriteString(c, goodRequest); err != nil {
			t.Fatal(err)
		}
		select {
		case d := <-ended:
			if d != 10*time.Second {
				t.Errorf("ended after %v", d)
			}
		case <-time.After(time.Hour): // on the clock of the test
			t.Error("the connection is still there")
		}
	})
}

// The deadline of an answer does not outlive it: the next handler on the connection may write much later.
func TestAnswerDeadlineEndsWithTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		mux.Handle("/emit", emitter.NewHandler(emitter.HTTPConfig{Secret: testSecret, Sink: &sink{}}))
		writeErr := make(chan error, 1)
		mux.HandleFunc("/poll", func(w http.ResponseWriter, r *http.Request) {
			<-time.After(time.Minute) // on the clock of the test
			_, err := io.WriteString(w, "late")
			writeErr <- errors.Join(err, http.NewResponseController(w).Flush())
		})
		c := pipe(t, &http.Server{Handler: mux})
		answers := bufio.NewReader(c)
		if got := exchange(t, c, answers, goodRequest); got != "OK\n" {
			t.Errorf("got %q", got)
		}
		if got := exchange(t, c, answers, "GET /poll HTTP/1.1\r\nHost: x\r\n\r\n"); got != "late" {
			t.Errorf("got %q", got)
		}
		if err := <-writeErr; err != nil {
			t.Error(err)
		}
	})
}
