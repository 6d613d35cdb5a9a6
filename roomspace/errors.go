package roomspace

import "errors"

// Why a join was refused. All four are refusals: the connection lives on.
var (
	ErrInvalid     = errors.New("roomspace: invalid name or secret")
	ErrDenied      = errors.New("roomspace: join denied") // a wrong secret, or a space without one: which, nobody is told
	ErrLimit       = errors.New("roomspace: too many failed joins")
	ErrUnavailable = errors.New("roomspace: secrets cannot be checked now")
)

// Why a secret was not stored.
var (
	ErrFixed = errors.New("roomspace: the secret of this space is fixed")
	ErrFull  = errors.New("roomspace: too many spaces in memory")
)

// Result is how a join ended: a metric label and, for refusals, the error code that the client gets.
type Result string

// The results of a join.
const (
	ResultOK          Result = "ok"
	ResultDenied      Result = "denied"
	ResultInvalid     Result = "invalid"
	ResultLimit       Result = "limit"
	ResultUnavailable Result = "unavailable"
)

// ResultOf maps what Parse, Check and Join return to a Result. An error that is none of this package's is ResultUnavailable.
func ResultOf(err error) Result {
	switch {
	case err == nil:
		return ResultOK
	case errors.Is(err, ErrDenied):
		return ResultDenied
	case errors.Is(err, ErrInvalid):
		return ResultInvalid
	case errors.Is(err, ErrLimit):
		return ResultLimit
	default:
		return ResultUnavailable
	}
}
