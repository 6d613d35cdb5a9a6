package engineio

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/ws-emit/ws-emit/server/frame"
)

func text(s string) frame.Packet   { return frame.Packet{Data: []byte(s)} }
func binary(s string) frame.Packet { return frame.Packet{Binary: true, Data: []byte(s)} }

// payloadTable is in the form in which payloads are encoded.
var payloadTable = []struct {
	name    string
	payload string
	packets []frame.Packet
}{
	{"text and a ping", "4hello\x1e2\x1e4world", []frame.Packet{text("4hello"), text("2"), text("4world")}},
	{"text and binary", "4hello\x1ebAQIDBA==", []frame.Packet{text("4hello"), binary("\x01\x02\x03\x04")}},
	{"one packet", "4", []frame.Packet{text("4")}},
	{"a probe", "2probe", []frame.Packet{text("2probe")}},
	{"not ASCII", "4€\x1e4𝄞", []frame.Packet{text("4€"), text("4𝄞")}},
	{"empty binary", "b", []frame.Packet{binary("")}},
	{"empty binary in between", "b\x1eb\x1e3", []frame.Packet{binary(""), binary(""), text("3")}},
	{"any binary", "b/+8A", []frame.Packet{binary("\xff\xef\x00")}},
	{"an unknown type", "xyz", []frame.Packet{text("xyz")}},
	{"control characters", "4a\x00\x1d\x1f\n", []frame.Packet{text("4a\x00\x1d\x1f\n")}},
}

// decoded returns the packets of a payload, copied.
func decoded(body []byte) ([]frame.Packet, error) {
	var packets []frame.Packet
	for p, err := range payload(body) {
		if err != nil {
			return nil, err
		}
		packets = append(packets, frame.Packet{Binary: p.Binary, Data: bytes.Clone(p.Data)})
	}
	return packets, nil
}

func samePackets(a, b []frame.Packet) bool {
	return slices.EqualFunc(a, b, func(a, b frame.Packet) bool { return a.Binary == b.Binary && bytes.Equal(a.Data, b.Data) })
}

func TestPayloadTable(t *testing.T) {
	for _, c := range payloadTable {
		t.Run(c.name, func(t *testing.T) {
			got, err := decoded([]byte(c.payload))
			if err != nil || !samePackets(got, c.packets) {
				t.Errorf("decoded to %v and %v, want %v", got, err, c.packets)
			}
			if got := frame.AppendPayload(nil, c.packets...); string(got) != c.payload {
				t.Errorf("encoded to %q, want %q", got, c.payload)
			}
		})
	}
}

func TestPayloadErrors(t *testing.T) {
	for _, c := range []struct {
		name, body string
		before     int // packets before the error
	}{
		{"empty body", "", 0},
		{"empty packet", "\x1e", 0},
		{"empty packet at the end", "4a\x1e", 1},
		{"empty packet at the start", "\x1e4a", 0},
		{"empty packet in between", "4a\x1e\x1e4b", 1},
		{"base64 without its padding", "4a\x1ebAQ", 1},
		{"base64 of the URL alphabet", "b_-8A", 0},
		{"no base64", "b!!!!", 0},
		{"base64 with something behind", "bAQIDBA==AAAA", 0},
		{"no UTF-8", "4a\x1e4\xff", 0},
		{"half a character", "4\xe2\x82", 0},
		{"a surrogate", "4\xed\xa0\x80", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, errs := 0, 0
			for _, err := range payload([]byte(c.body)) {
				if errs > 0 {
					t.Error("something comes after an error")
				}
				if err != nil {
					errs++
				} else {
					before++
				}
			}
			if errs != 1 || before != c.before {
				t.Errorf("%d packets and %d errors, want %d and 1", before, errs, c.before)
			}
		})
	}
}

func TestPayloadCanBeLeftEarly(t *testing.T) {
	for p := range payload([]byte("4a\x1e4b\x1e")) {
		if string(p.Data) != "4a" {
			t.Errorf("got %q", p.Data)
		}
		break
	}
}

// One packet is held at a time: a body of separators, or of empty binary packets, costs nothing.
func TestPayloadAllocates(t *testing.T) {
	body := []byte(strings.Repeat("4a\x1eb\x1e", 50_000) + "4a")
	if n := testing.AllocsPerRun(10, func() {
		for _, err := range payload(body) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}); n > 10 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzPayload(f *testing.F) {
	for _, c := range payloadTable {
		f.Add([]byte(c.payload))
	}
	for _, s := range []string{"", "\x1e", "4a\x1e", "bAQ", "4\xff", "bAQ\r\nID", "bAB==", "b_-8A"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		packets, err := decoded(body)
		if !bytes.Equal(before, body) {
			t.Fatal("the body was changed")
		}
		if err != nil {
			return
		}
		if n := 1 + bytes.Count(body, []byte{separator}); len(packets) != n {
			t.Fatalf("%d packets, want %d", len(packets), n)
		}
		once := frame.AppendPayload(nil, packets...)
		again, err := decoded(once)
		if err != nil || !samePackets(packets, again) {
			t.Fatalf("%v and then %v, %v", packets, again, err)
		}
		if twice := frame.AppendPayload(nil, again...); !bytes.Equal(once, twice) {
			t.Fatalf("%q and then %q", once, twice)
		}
	})
}
