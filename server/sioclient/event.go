package sioclient

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Event is an event from the server.
type Event struct {
	Name string
	Args
}

// Args are the arguments of an event or an ack.
type Args struct {
	// Raw are the arguments as they came: JSON values with commas between them, without the brackets of an array. One argument is just that
	// value.
	Raw []byte
	// Attachments are the binary parts, to which {"_placeholder":true,"num":i} in Raw refers.
	Attachments [][]byte
}

// JSON returns the arguments as an array.
func (a Args) JSON() json.RawMessage {
	return slices.Concat([]byte{'['}, a.Raw, []byte{']'})
}

// Decode decodes the first arguments, each into what one of the pointers points to, as json.Unmarshal does. Fewer arguments than pointers are an
// error, more are not.
func (a Args) Decode(into ...any) error {
	var list []json.RawMessage
	if err := json.Unmarshal(a.JSON(), &list); err != nil {
		return fmt.Errorf("decode arguments: %w", err)
	}
	if len(list) < len(into) {
		return fmt.Errorf("decode arguments: %d of them, want %d", len(list), len(into))
	}
	for i, v := range into {
		if err := json.Unmarshal(list[i], v); err != nil {
			return fmt.Errorf("decode argument %d: %w", i, err)
		}
	}
	return nil
}

// clone returns a copy that shares nothing but attachments, which are never shared with a transport.
func (a Args) clone() Args {
	a.Raw = bytes.Clone(a.Raw)
	return a
}

// Clone returns a copy to be kept, for OnEvent.
func (e Event) Clone() Event {
	e.Args = e.clone()
	return e
}

// size is what the event is charged for while it waits, in bytes.
func (e Event) size() int64 {
	n := 64 + len(e.Name) + len(e.Raw)
	for _, a := range e.Attachments {
		n += 24 + len(a)
	}
	return int64(n)
}

// JoinReply is what the server answers to a join or a leave that asked for an ack.
type JoinReply struct {
	OK   bool   `json:"ok"`
	Room string `json:"room"`
	// Error is why not: denied, invalid, limit or unavailable.
	Error string `json:"error"`
}
