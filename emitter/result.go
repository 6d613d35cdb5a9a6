package emitter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Result is how a request ended, for metrics.
type Result string

// The results of POST /emit, each with its status.
const (
	ResultOK            Result = "ok"             // 200
	ResultBadRequest    Result = "bad_request"    // 400
	ResultForbidden     Result = "forbidden"      // 403
	ResultNotConfigured Result = "not_configured" // 404
	ResultMethod        Result = "method"         // 405
	ResultSlowBody      Result = "slow_body"      // 408
	ResultTooLarge      Result = "too_large"      // 413
	ResultMediaType     Result = "media_type"     // 415
	ResultInternal      Result = "internal"       // 500
	ResultBusy          Result = "busy"           // 503
	ResultClosed        Result = "closed"         // 503
	ResultCanceled      Result = "canceled"       // 503, which nobody reads: the caller has gone
)

var (
	errMethod    = errors.New("emitter: method not allowed")
	errMediaType = errors.New("emitter: unsupported media type")
	errSlowBody  = errors.New("emitter: the body did not arrive in time")
)

// sinkError is an error of a sink, with what was accepted before it.
type sinkError struct {
	err             error
	accepted, total int
}

func (e *sinkError) Error() string { return e.err.Error() }
func (e *sinkError) Unwrap() error { return e.err }

// resultOf is the one place where errors become statuses. The text is what the caller is told.
func resultOf(err error) (result Result, status int, text string) {
	if err == nil {
		return ResultOK, http.StatusOK, "OK"
	}
	input, isInput := errors.AsType[*InputError](err)
	switch {
	case isInput && errors.Is(err, ErrTooLarge):
		return ResultTooLarge, http.StatusRequestEntityTooLarge, input.Error()
	case isInput:
		return ResultBadRequest, http.StatusBadRequest, input.Error()
	case errors.Is(err, ErrForbidden):
		return ResultForbidden, http.StatusForbidden, "Incorrect secret" // to the letter what the Python server answers
	case errors.Is(err, ErrNotConfigured):
		return ResultNotConfigured, http.StatusNotFound, "Not found: the server has no emit secret"
	case errors.Is(err, errMethod):
		return ResultMethod, http.StatusMethodNotAllowed, "Only POST is allowed"
	case errors.Is(err, errMediaType):
		return ResultMediaType, http.StatusUnsupportedMediaType,
			"Content-Type must be application/json, application/x-ndjson or application/jsonl"
	case errors.Is(err, errSlowBody):
		return ResultSlowBody, http.StatusRequestTimeout, "The body did not arrive in time"
	case errors.Is(err, ErrTooLarge):
		return ResultTooLarge, http.StatusRequestEntityTooLarge, "More than the server accepts at once"
	case errors.Is(err, ErrClosed):
		return ResultClosed, http.StatusServiceUnavailable, "The server is stopping"
	case errors.Is(err, ErrBusy), errors.Is(err, context.DeadlineExceeded):
		return ResultBusy, http.StatusServiceUnavailable, "The server is behind, try again later"
	case errors.Is(err, context.Canceled):
		return ResultCanceled, http.StatusServiceUnavailable, "Canceled"
	default:
		return ResultInternal, http.StatusInternalServerError, "Internal error"
	}
}

// withAccepted adds to a text what a batch that stopped half-way has done.
func (e *sinkError) withAccepted(text string) string {
	if e.accepted == 0 {
		return text
	}
	return fmt.Sprintf("%s (accepted the first %d of %d messages)", text, e.accepted, e.total)
}
