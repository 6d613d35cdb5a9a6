package emitter

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
)

// firstRead is what a body is given room for before any of it has come, in bytes.
const firstRead = 4 << 10

// budget bounds the memory of all bodies that are held at the same time.
type budget struct {
	limit int64
	used  atomic.Int64
}

// lease is one body's part of a budget.
type lease struct {
	budget *budget
	held   int64
}

// grow takes n more bytes and reports whether they were there.
func (l *lease) grow(n int64) bool {
	if l.budget.used.Add(n) > l.budget.limit {
		l.budget.used.Add(-n)
		return false
	}
	l.held += n
	return true
}

func (l *lease) release() { l.budget.used.Add(-l.held) }

// readBody reads the whole body of a request. Memory is taken as the bytes arrive: to announce many costs nothing.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, l *lease) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, errTooLong(limit)
	}
	body := http.MaxBytesReader(w, r.Body, limit)
	var buf []byte
	for {
		if len(buf) == cap(buf) {
			size := max(firstRead, 2*cap(buf))
			if buf == nil && r.ContentLength >= 0 && r.ContentLength < firstRead {
				size = int(r.ContentLength) + 1 // one more, to see the end
			}
			if !l.grow(int64(size - cap(buf))) {
				return nil, ErrBusy
			}
			buf = append(make([]byte, 0, size), buf...)
		}
		n, err := body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return nil, bodyError(err, limit)
		}
	}
}

// bodyError says what an error of reading a body means.
func bodyError(err error, limit int64) error {
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return errTooLong(limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errSlowBody
	}
	return &InputError{Index: -1, Reason: "the body could not be read to its end", Err: err}
}

func errTooLong(limit int64) error {
	return &InputError{Index: -1, Reason: fmt.Sprintf("the body is larger than %d bytes", limit), Err: ErrTooLarge}
}
