package emitter

import (
	"errors"
	"strconv"
	"strings"
)

// What POST /emit answers beside the errors of a [Sink]. [Client] returns errors that match them.
var (
	ErrForbidden     = errors.New("emitter: incorrect secret")
	ErrNotConfigured = errors.New("emitter: the server has no emit secret")
)

// InputError says what is wrong with a message, and where. Its text names fields and limits and never quotes what was sent.
type InputError struct {
	// Index is the place of the message in its batch, from 0, or -1 when there is no batch or the error is about all of it.
	Index int
	// Field is a key of the JSON form, with an index where it is a list ("room[2]"), or "" for the message as a whole.
	Field string
	// Reason is what is wrong, such as "must be a string".
	Reason string
	// Err is what the error is an instance of, such as ErrTooLarge, or nil. It is not part of the text.
	Err error
}

func (e *InputError) Error() string {
	var b strings.Builder
	if e.Index >= 0 {
		b.WriteString("message ")
		b.WriteString(strconv.Itoa(e.Index))
		b.WriteString(": ")
	}
	if e.Field != "" {
		b.WriteString(e.Field)
		b.WriteString(": ")
	}
	b.WriteString(e.Reason)
	return b.String()
}

// Unwrap returns Err.
func (e *InputError) Unwrap() error { return e.Err }

// inputError is an error outside of any batch. The one who knows the message's place in a batch sets Index.
func inputError(field, reason string) *InputError {
	return &InputError{Index: -1, Field: field, Reason: reason}
}
