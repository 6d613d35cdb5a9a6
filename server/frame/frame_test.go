package frame_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"github.com/ws-emit/ws-emit/server/frame"
)

func text(s string) frame.Packet   { return frame.Packet{Data: []byte(s)} }
func binary(s string) frame.Packet { return frame.Packet{Binary: true, Data: []byte(s)} }

var long = strings.Repeat("x", 70_000)

var encodings = []struct {
	name    string
	packets []frame.Packet
	ws      string
	polling string
}{
	{"text", []frame.Packet{text("4hello")}, "\x81\x064hello", "4hello"},
	{"binary", []frame.Packet{binary("\x01\x02\x03\x04")}, "\x82\x04\x01\x02\x03\x04", "bAQIDBA=="},
	{"empty binary", []frame.Packet{binary("")}, "\x82\x00", "b"},
	{"text and binary", []frame.Packet{text("4a"), binary("\xff"), binary("")}, "\x81\x024a\x82\x01\xff\x82\x00", "4a\x1eb/w==\x1eb"},
	{"125 bytes", []frame.Packet{text(long[:125])}, "\x81\x7d" + long[:125], long[:125]},
	{"126 bytes", []frame.Packet{text(long[:126])}, "\x81\x7e\x00\x7e" + long[:126], long[:126]},
	{"65,535 bytes", []frame.Packet{text(long[:65_535])}, "\x81\x7e\xff\xff" + long[:65_535], long[:65_535]},
	{"65,536 bytes", []frame.Packet{text(long[:65_536])}, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + long[:65_536], long[:65_536]},
}

func TestNew(t *testing.T) {
	for _, e := range encodings {
		t.Run(e.name, func(t *testing.T) {
			f := frame.New(e.packets...)
			if got := string(f.WebSocket()); got != e.ws {
				t.Errorf("WebSocket: %.100q, want %.100q", got, e.ws)
			}
			if f.Size() != len(e.ws) {
				t.Errorf("Size: %d, want %d", f.Size(), len(e.ws))
			}
			if got := string(f.Polling()); got != e.polling {
				t.Errorf("Polling: %.100q, want %.100q", got, e.polling)
			}
			if len(f.Packets()) != len(e.packets) {
				t.Fatalf("%d packets, want %d", len(f.Packets()), len(e.packets))
			}
			for i, p := range f.Packets() {
				if p.Binary != e.packets[i].Binary || !bytes.Equal(p.Data, e.packets[i].Data) {
					t.Errorf("packet %d: %.100q", i, p.Data)
				}
			}
		})
	}
}

// What New is given may be changed afterwards, and appending to a packet changes nothing of the frame.
func TestNewCopies(t *testing.T) {
	data := []byte("4hello")
	f := frame.New(frame.Packet{Data: data}, binary("x"))
	copy(data, "9bye!!")
	_ = append(f.Packets()[0].Data, "overwritten"...)
	if got := string(f.WebSocket()); got != "\x81\x064hello\x82\x01x" {
		t.Errorf("WebSocket: %q", got)
	}
}

func TestText(t *testing.T) {
	if got := string(frame.Text("2").WebSocket()); got != "\x81\x012" {
		t.Errorf("WebSocket: %q", got)
	}
}

func TestControl(t *testing.T) {
	for _, c := range []struct {
		op      ws.OpCode
		payload string
		want    string
	}{
		{ws.OpPing, "", "\x89\x00"},
		{ws.OpPong, "abc", "\x8a\x03abc"},
		{ws.OpClose, "\x03\xe8", "\x88\x02\x03\xe8"},
		{ws.OpPong, long[:200], "\x8a\x7d" + long[:125]},
	} {
		f := frame.Control(c.op, []byte(c.payload))
		if got := string(f.WebSocket()); got != c.want {
			t.Errorf("Control(%v, %.20q): %.40q, want %.40q", c.op, c.payload, got, c.want)
		}
		if len(f.Packets()) != 0 || len(f.Polling()) != 0 {
			t.Errorf("Control(%v) has packets", c.op)
		}
		if got := string(f.AppendPolling([]byte("4a"))); got != "4a" {
			t.Errorf("Control(%v) in a payload: %q", c.op, got)
		}
	}
}

func TestAppendPayload(t *testing.T) {
	for _, c := range []struct {
		before  string
		packets []frame.Packet
		want    string
	}{
		{"", nil, ""},
		{"4a", nil, "4a"},
		{"", []frame.Packet{text("4a"), text("2"), binary("\x01\x02\x03\x04")}, "4a\x1e2\x1ebAQIDBA=="},
		{"4a", []frame.Packet{text("4b")}, "4a\x1e4b"},
		{"4a", []frame.Packet{binary("")}, "4a\x1eb"},
	} {
		if got := string(frame.AppendPayload([]byte(c.before), c.packets...)); got != c.want {
			t.Errorf("AppendPayload(%q, %v): %q, want %q", c.before, c.packets, got, c.want)
		}
		payload := []byte(c.before)
		for _, p := range c.packets {
			payload = frame.New(p).AppendPolling(payload)
		}
		if got := string(payload); got != c.want {
			t.Errorf("AppendPolling to %q of %v: %q, want %q", c.before, c.packets, got, c.want)
		}
	}
}

// Many requests may ask for the long-polling form of one frame at once.
func TestPollingConcurrently(t *testing.T) {
	f := frame.New(text("4a"), binary("abc"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := string(f.Polling()); got != "4a\x1ebYWJj" {
				t.Errorf("Polling: %q", got)
			}
		})
	}
	wg.Wait()
}

// A frame of one packet is its struct and its bytes.
func TestNewAllocatesTwice(t *testing.T) {
	packet := text("4hello")
	if n := testing.AllocsPerRun(100, func() { frame.New(packet) }); n != 2 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkNew(b *testing.B) {
	for _, size := range []int{100, 10_000} {
		b.Run(fmt.Sprint("bytes=", size), func(b *testing.B) {
			packet := text(strings.Repeat("x", size))
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				frame.New(packet)
			}
		})
	}
}
