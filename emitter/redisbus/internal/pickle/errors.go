package pickle

import (
	"errors"
	"fmt"
)

// Why a pickle is refused. Each error of [Decode] matches one of these.
var (
	// ErrNotData: it would make something that is not plain data, such as an instance of a class, a function or a set.
	ErrNotData = errors.New("pickle: not plain data")
	// ErrMalformed: Python could not read it, it does not end with its value, or what it makes contains itself or has a key that JSON
	// cannot have.
	ErrMalformed = errors.New("pickle: malformed")
	// ErrTooLarge: what it makes is too large, too deep, or has too long an integer in it.
	ErrTooLarge = errors.New("pickle: too large")
)

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }

func tooLarge(what string) error { return fmt.Errorf("%w: %s", ErrTooLarge, what) }
