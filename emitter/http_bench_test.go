package emitter_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ws-emit/ws-emit/emitter"
)

// taker is a sink that has room at once.
type taker struct{}

func (taker) Emit(_ context.Context, batch []emitter.Message) (emitter.Receipt, error) {
	return emitter.Receipt{Accepted: len(batch)}, nil
}

// nobody is a http.ResponseWriter that costs nothing, with the deadlines of a real one.
type nobody struct {
	header http.Header
	status int
}

func (a *nobody) Header() http.Header              { return a.header }
func (a *nobody) Write(b []byte) (int, error)      { return len(b), nil }
func (a *nobody) WriteHeader(status int)           { a.status = status }
func (a *nobody) SetReadDeadline(time.Time) error  { return nil }
func (a *nobody) SetWriteDeadline(time.Time) error { return nil }

// post is one small emit, again and again, without what net/http does for it.
type post struct {
	handler http.Handler
	request *http.Request
	body    *strings.Reader
	answer  nobody
}

const smallEmit = `{"event":"progress","room":"job::0f3a","data":{"done":17,"of":230,"text":"resizing images","at":1763654400123}}`

func newPost(t testing.TB) *post {
	t.Helper()
	p := &post{
		handler: emitter.NewHandler(emitter.HTTPConfig{Secret: testSecret, Sink: taker{}, Namespaces: []string{"/"}}),
		body:    strings.NewReader(smallEmit),
		answer:  nobody{header: make(http.Header)},
	}
	ctx, cancel := context.WithCancel(context.Background()) // as net/http makes one for each request
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "/emit", io.NopCloser(p.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+testSecret)
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = int64(len(smallEmit))
	p.request = r
	return p
}

func (p *post) do(t testing.TB) {
	p.body.Reset(smallEmit)
	clear(p.answer.header)
	p.handler.ServeHTTP(&p.answer, p.request)
	if p.answer.status != http.StatusOK {
		t.Fatalf("status %d", p.answer.status)
	}
}

func BenchmarkPost(b *testing.B) {
	p := newPost(b)
	b.ReportAllocs()
	for b.Loop() {
		p.do(b)
	}
}

// A small emit allocates its message (its strings and slices), its body, a header, and the context for the sink.
func TestPostAllocatesLittle(t *testing.T) {
	p := newPost(t)
	if n := testing.AllocsPerRun(100, func() { p.do(t) }); n > 10 {
		t.Errorf("%v allocations", n)
	}
}
