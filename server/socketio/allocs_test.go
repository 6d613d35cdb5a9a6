//go:build !race

package socketio

import (
	"encoding/json"
	"testing"

	"github.com/ws-emit/ws-emit/server/frame"
)

// The race detector makes pools forget, so what is taken from them is allocated.

// Decoding a join costs its name, the list of its arguments and nothing else.
func TestDecodeAllocates(t *testing.T) {
	text := []byte(`2["join",{"room":"r"}]`)
	var d Decoder
	if n := testing.AllocsPerRun(100, func() { _, _, _ = d.AddText(text) }); n != 0 {
		t.Errorf("decode: %v allocations, want 0", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, _, _ = SplitEvent(text[1:]) }); n > 2 {
		t.Errorf("split: %v allocations, want at most 2", n)
	}
}

// Encoding an event allocates no more than the frame does.
func TestEncodeAllocates(t *testing.T) {
	packet := frame.Packet{Data: []byte(`42["time",{"now":"12:00"}]`)}
	args := []json.RawMessage{raw(`{"now":"12:00"}`)}
	want := testing.AllocsPerRun(100, func() { frame.New(packet) })
	if n := testing.AllocsPerRun(100, func() { _, _ = EncodeEvent("/", "time", args, nil) }); n > want {
		t.Errorf("%v allocations, want at most the %v of the frame", n, want)
	}
}
