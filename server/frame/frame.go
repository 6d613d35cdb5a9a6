package frame

import (
	"encoding/base64"
	"io"
	"slices"
	"sync"

	"github.com/gobwas/ws"
)

// separator stands between the packets of a long-polling payload (Engine.IO protocol, "Packet encoding").
const separator = 0x1e

// Overhead is what a waiting frame is charged for, in bytes, beside its own: its struct, and its place in a queue.
const Overhead = 160

// Packet is one message of a transport: a text packet with its packet type in front ("4hello"), or the bytes of a binary one.
type Packet struct {
	Binary bool
	Data   []byte
}

// Frame is the encoded form of one message, of one or more packets that stay contiguous. It is immutable and may be used by any
// number of goroutines.
type Frame struct {
	ws      []byte
	packets []Packet  // their data is inside ws
	one     [1]Packet // where they are if there is one

	pollingOnce sync.Once
	polling     []byte // made when first asked for
}

// New encodes packets, which are copied. At least one is needed.
func New(packets ...Packet) *Frame {
	size := 0
	for _, p := range packets {
		size += ws.MaxHeaderSize + len(p.Data)
	}
	f := &Frame{ws: make([]byte, 0, size)}
	if f.packets = f.one[:]; len(packets) != 1 {
		f.packets = make([]Packet, len(packets))
	}
	for i, p := range packets {
		op := ws.OpText
		if p.Binary {
			op = ws.OpBinary
		}
		f.ws = appendFrame(f.ws, op, p.Data)
		end := len(f.ws)
		f.packets[i] = Packet{Binary: p.Binary, Data: f.ws[end-len(p.Data) : end : end]}
	}
	return f
}

// Text is New for one text packet.
func Text(packet string) *Frame {
	return New(Packet{Data: []byte(packet)})
}

// Control encodes a WebSocket control frame (RFC 6455, section 5.5). It has no packets: on long-polling it is nothing. The payload is
// at most 125 bytes; what is longer is cut.
func Control(op ws.OpCode, payload []byte) *Frame {
	payload = payload[:min(len(payload), ws.MaxControlFramePayloadSize)]
	return &Frame{ws: appendFrame(nil, op, payload)}
}

// appendFrame appends one unmasked WebSocket frame.
func appendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	header := ws.Header{Fin: true, OpCode: op, Length: int64(len(payload))}
	n := len(dst)
	dst = slices.Grow(dst, ws.MaxHeaderSize)
	// It puts the header together in the buffer that it is given, which is where we want it. The length of a slice is always a valid length.
	_ = ws.WriteHeaderBuffer(io.Discard, header, dst[n:n+ws.MaxHeaderSize])
	return append(dst[:n+ws.HeaderSize(header)], payload...)
}

// WebSocket returns the complete WebSocket form of all packets. The caller must not change it.
func (f *Frame) WebSocket() []byte { return f.ws }

// Size is the number of bytes of the WebSocket form.
func (f *Frame) Size() int { return len(f.ws) }

// Packets returns the packets. The caller must not change them.
func (f *Frame) Packets() []Packet { return f.packets }

// Polling returns the packets as they stand in a long-polling payload, or nothing for a control frame. The caller must not change it.
func (f *Frame) Polling() []byte {
	if len(f.packets) == 1 && !f.packets[0].Binary {
		return f.packets[0].Data
	}
	f.pollingOnce.Do(func() { f.polling = AppendPayload(nil, f.packets...) })
	return f.polling
}

// AppendPayload appends packets to a long-polling payload: with a separator between them, and binary as 'b' and base64 (Engine.IO
// protocol, "Packet encoding", "HTTP long-polling").
func AppendPayload(dst []byte, packets ...Packet) []byte {
	for _, p := range packets {
		if len(dst) > 0 {
			dst = append(dst, separator)
		}
		if p.Binary {
			dst = append(dst, 'b')
			dst = base64.StdEncoding.AppendEncode(dst, p.Data)
		} else {
			dst = append(dst, p.Data...)
		}
	}
	return dst
}

// AppendPolling appends a frame to a long-polling payload.
func (f *Frame) AppendPolling(dst []byte) []byte {
	p := f.Polling()
	if len(p) == 0 {
		return dst
	}
	if len(dst) > 0 {
		dst = append(dst, separator)
	}
	return append(dst, p...)
}
