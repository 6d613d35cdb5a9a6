package emitter

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ws-emit/ws-emit/emitter/internal/jsonscan"
)

// Bounds that are not configurable: in bytes, and MaxAttachments in number.
const (
	MaxNamespaceBytes = 255
	MaxRoomBytes      = 255
	MaxEventBytes     = 255
	// MaxAttachments is what the parser of the stock Socket.IO client takes; it refuses a packet with more, and with it the connection.
	MaxAttachments = 10
)

// Limits bound messages and batches. In each field 0 means the default and a negative value no limit.
type Limits struct {
	// MaxRooms is the number of rooms of one message, and again the number of rooms in Except. Default 1,000.
	MaxRooms int
	// MaxBytes is the size of one message ([Message.Size]). Default 512 KiB, half of what may wait for one socket by default: a larger
	// emit could end the sockets that it is for.
	MaxBytes int64
	// MaxBatch is the number of messages of one batch. Default 1,000.
	MaxBatch int
}

const (
	defaultMaxRooms = 1000
	defaultMaxBytes = 512 << 10
	defaultMaxBatch = 1000
)

func (l Limits) withDefaults() Limits {
	if l.MaxRooms == 0 {
		l.MaxRooms = defaultMaxRooms
	}
	if l.MaxBytes == 0 {
		l.MaxBytes = defaultMaxBytes
	}
	if l.MaxBatch == 0 {
		l.MaxBatch = defaultMaxBatch
	}
	return l
}

// exceeds reports whether n is over limit, where a negative limit is none.
func exceeds[T int | int64](n, limit T) bool { return limit >= 0 && n > limit }

// Size is what a message counts for, in bytes: its namespace, event, arguments, attachments and Change. Rooms do not count, they are not
// sent.
func (m *Message) Size() int64 {
	n := len(m.Namespace) + len(m.Event)
	for _, a := range m.Args {
		n += len(a) + 1
	}
	for _, a := range m.Attachments {
		n += len(a)
	}
	for _, room := range m.Change {
		n += len(room)
	}
	return int64(n)
}

// Validate checks a message and brings it into the form that a [Sink] takes: an empty namespace becomes "/" and each argument loses its
// white space (in a new slice; what Args pointed to is not changed). The error is an [*InputError] with Index -1; it matches
// [ErrTooLarge] when the message is over l.MaxBytes. Arguments are not decoded.
func (m *Message) Validate(l Limits) error {
	if err := m.compactArgs(); err != nil {
		return err
	}
	return m.ValidateParsed(l)
}

// ValidateParsed is Validate for who has parsed or written the arguments, and so knows that they are compact, valid JSON and valid UTF-8.
func (m *Message) ValidateParsed(l Limits) error {
	if err := m.validateRest(l.withDefaults()); err != nil {
		return err
	}
	return nil
}

// validateRest is Validate for a message whose arguments are known to be valid and compact.
func (m *Message) validateRest(l Limits) *InputError {
	if m.Namespace == "" {
		m.Namespace = "/"
	}
	if reason := checkNamespace(m.Namespace); reason != "" {
		return inputError("namespace", reason)
	}
	if err := checkRooms("room", m.Rooms, l.MaxRooms); err != nil {
		return err
	}
	if err := checkRooms("except", m.Except, l.MaxRooms); err != nil {
		return err
	}
	if err := m.validateMethod(l); err != nil || m.Method != MethodEmit {
		return err
	}
	if reason := checkEvent(m.Event); reason != "" {
		return inputError("event", reason)
	}
	if len(m.Attachments) > MaxAttachments {
		return inputError("", fmt.Sprintf("has more than %d attachments", MaxAttachments))
	}
	if exceeds(m.Size(), l.MaxBytes) {
		return tooLarge(l)
	}
	if len(m.Attachments) == 0 {
		return nil // what looks like a placeholder is plain data
	}
	for i, arg := range m.Args {
		if reason := checkPlaceholders(arg, len(m.Attachments)); reason != "" {
			return inputError(element("args", i), reason)
		}
	}
	return nil
}

func tooLarge(l Limits) *InputError {
	err := inputError("", fmt.Sprintf("is larger than %d bytes", l.MaxBytes))
	err.Err = ErrTooLarge
	return err
}

// validateMethod checks that a message has what its method needs, and nothing of another one.
func (m *Message) validateMethod(l Limits) *InputError {
	changes := m.Method == MethodEnterRoom || m.Method == MethodLeaveRoom
	switch {
	case m.Method > MethodDisconnect:
		return inputError("method", "is unknown")
	case m.Method != MethodEmit && (m.Event != "" || len(m.Args) > 0 || len(m.Attachments) > 0):
		return inputError("event", "belongs to emit")
	case changes != (len(m.Change) > 0):
		return inputError("change", "is what enter_room and leave_room need, and nothing else")
	case m.Close && m.Method != MethodDisconnect:
		return inputError("close", "belongs to disconnect")
	case m.Method == MethodCloseRoom && len(m.Rooms) == 0:
		return inputError("room", "is needed to close one")
	}
	if m.Method == MethodEnterRoom && slices.ContainsFunc(m.Change, func(room string) bool { return strings.HasPrefix(room, "~") }) {
		return inputError("change", `must not begin with "~"`)
	}
	return checkRooms("change", m.Change, l.MaxRooms)
}

// compactArgs checks that the arguments are JSON, and removes their white space.
func (m *Message) compactArgs() error {
	shared := true
	for i, arg := range m.Args {
		v, fault := jsonscan.Parse(arg, jsonscan.JSON)
		if fault != nil && fault.Encoding {
			// encoding/json passes over invalid UTF-8, but a browser ends the connection on which it gets any.
			return inputError(element("args", i), "is not valid UTF-8")
		}
		if fault != nil {
			return inputError(element("args", i), "is not valid JSON")
		}
		compact := v.Compact()
		if len(compact) == len(arg) {
			continue
		}
		if shared {
			m.Args, shared = slices.Clone(m.Args), false
		}
		m.Args[i] = compact
	}
	return nil
}

func checkNamespace(ns string) (reason string) {
	switch {
	case ns == "/":
		return ""
	case ns[0] != '/':
		return `must begin with "/"`
	case len(ns) > MaxNamespaceBytes:
		return fmt.Sprintf("is longer than %d bytes", MaxNamespaceBytes)
	case !utf8.ValidString(ns):
		return "is not valid UTF-8"
	case strings.ContainsAny(ns, ",?"):
		// Socket.IO protocol, "Packet encoding": a comma ends the namespace; clients cut off a query string.
		return `must not contain "," or "?"`
	}
	return ""
}

func checkRooms(field string, rooms []string, limit int) *InputError {
	if exceeds(len(rooms), limit) {
		return inputError(field, fmt.Sprintf("has more than %d rooms", limit))
	}
	for i, room := range rooms {
		var reason string
		switch {
		case room == "":
			reason = "is empty"
		case len(room) > MaxRoomBytes:
			reason = fmt.Sprintf("is longer than %d bytes", MaxRoomBytes)
		case !utf8.ValidString(room):
			reason = "is not valid UTF-8"
		default:
			continue
		}
		if len(rooms) > 1 {
			field = element(field, i)
		}
		return inputError(field, reason)
	}
	return nil
}

func checkEvent(event string) (reason string) {
	switch event {
	case "":
		return "is empty"
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		// Socket.IO clients refuse these from a server: they stand for what happens to the connection itself.
		return "is a reserved name"
	}
	switch {
	case len(event) > MaxEventBytes:
		return fmt.Sprintf("is longer than %d bytes", MaxEventBytes)
	case !utf8.ValidString(event):
		return "is not valid UTF-8"
	}
	return ""
}

// element names one element of a list.
func element(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }
