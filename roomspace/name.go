package roomspace

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	separator = "::"
	reserved  = "~" // names of sockets and users, which only the server puts members into

	// MaxRoom is the longest room name, in bytes.
	MaxRoom = 255
	// MaxSpace is the longest space, in bytes: with the separator it is still a room name.
	MaxSpace = MaxRoom - len(separator)
)

// Name is a room name that a client may ask to join.
type Name struct {
	Room  string
	Space string // what stands before the first "::", "" for a public room
}

// Parse reads the room name of a client's join: 1 to 255 bytes of valid UTF-8 that do not start with "~", and not with "::" (an empty
// space). The error is an ErrInvalid that says what is wrong, without the name.
func Parse(room string) (Name, error) {
	if fault := faultOf(room, MaxRoom); fault != "" {
		return Name{}, fmt.Errorf("%w: room name %s", ErrInvalid, fault)
	}
	space, _, found := strings.Cut(room, separator)
	if !found {
		return Name{Room: room}, nil
	}
	if space == "" {
		return Name{}, fmt.Errorf("%w: the space is empty", ErrInvalid)
	}
	return Name{Room: room, Space: space}, nil
}

// ValidSpace returns nil for a name that can be the space of a room, else an ErrInvalid that says what is wrong, without the name: 1 to
// 253 bytes of valid UTF-8 that do not start with "~", contain "::" or end with ":" (the space of "a:::b" is "a", so "a:" has no rooms).
func ValidSpace(space string) error {
	if fault := faultOf(space, MaxSpace); fault != "" {
		return fmt.Errorf("%w: space %s", ErrInvalid, fault)
	}
	if strings.Contains(space, separator) || strings.HasSuffix(space, ":") {
		return fmt.Errorf("%w: space contains \"::\" or ends with \":\"", ErrInvalid)
	}
	return nil
}

// faultOf says what is wrong with a name of at most limit bytes, "" when nothing is.
func faultOf(name string, limit int) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > limit:
		return fmt.Sprintf("is longer than %d bytes", limit)
	case !utf8.ValidString(name):
		return "is not valid UTF-8"
	case strings.HasPrefix(name, reserved):
		return "starts with \"~\""
	default:
		return ""
	}
}
