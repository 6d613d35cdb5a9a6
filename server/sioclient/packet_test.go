package sioclient

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// packetTable is taken from the protocol document, "Packet encoding", "Examples": what a server may send.
var packetTable = []struct {
	wire   string
	packet packet
}{
	{`0{"sid":"x"}`, packet{kind: sioConnect, namespace: "/", id: noID, data: []byte(`{"sid":"x"}`)}},
	{`0/admin,{"sid":"oSO0OpakMV_3jnilAAAA"}`, packet{kind: sioConnect, namespace: "/admin", id: noID, data: []byte(`{"sid":"oSO0OpakMV_3jnilAAAA"}`)}},
	{`4{"message":"Not authorized"}`, packet{kind: sioConnectError, namespace: "/", id: noID, data: []byte(`{"message":"Not authorized"}`)}},
	{`4"Not authorized"`, packet{kind: sioConnectError, namespace: "/", id: noID, data: []byte(`"Not authorized"`)}},
	{`2["foo"]`, packet{kind: sioEvent, namespace: "/", id: noID, data: []byte(`["foo"]`)}},
	{`2/admin,["bar"]`, packet{kind: sioEvent, namespace: "/admin", id: noID, data: []byte(`["bar"]`)}},
	{`212["foo"]`, packet{kind: sioEvent, namespace: "/", id: 12, data: []byte(`["foo"]`)}},
	{`3/admin,13["bar"]`, packet{kind: sioAck, namespace: "/admin", id: 13, data: []byte(`["bar"]`)}},
	{`51-["baz",{"_placeholder":true,"num":0}]`, packet{kind: sioEvent, namespace: "/", id: noID, awaited: 1, data: []byte(`["baz",{"_placeholder":true,"num":0}]`)}},
	{`62-/admin,15["bar"]`, packet{kind: sioAck, namespace: "/admin", id: 15, awaited: 2, data: []byte(`["bar"]`)}},
	{`1`, packet{kind: sioDisconnect, namespace: "/", id: noID, data: []byte{}}},
	{`1/admin,`, packet{kind: sioDisconnect, namespace: "/admin", id: noID, data: []byte{}}},
}

func TestPacketTable(t *testing.T) {
	for _, tt := range packetTable {
		p, err := decodePacket([]byte(tt.wire))
		if diff := cmp.Diff(tt.packet, p, cmp.AllowUnexported(packet{}), cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("decode %q: error %v (-want +got):\n%s", tt.wire, err, diff)
		}
		if got := appendPacket(tt.packet.kind, tt.packet.namespace, tt.packet.id, tt.packet.awaited, tt.packet.data); string(got) != "4"+tt.wire {
			t.Errorf("encode: %q, want %q", got, "4"+tt.wire)
		}
	}
}

func TestDecodePacketErrors(t *testing.T) {
	for _, wire := range []string{
		"", "7", "x", "/", "2", "2{}", `2"a"`, "3", "3{}", "0[]", "1[]", `2["a"`, `2["a"]x`, `2 ["a"]`, "1{}", "4", "40", "0 {}", "5", `5["a"]`, `5-["a"]`, `511-["a"]`, `5-1-["a"]`,
		`299999999999999999999["a"]`,
	} {
		if p, err := decodePacket([]byte(wire)); !errors.Is(err, ErrProtocol) {
			t.Errorf("decode %q: %+v, error %v", wire, p, err)
		}
	}
}

func TestPayload(t *testing.T) {
	messages := []Message{text("4hello"), text("2"), {Binary: true, Data: []byte{1, 2, 3, 4}}, text("4€")}
	const wire = "4hello\x1e2\x1ebAQIDBA==\x1e4€"
	if got := encodePayload(messages); string(got) != wire {
		t.Errorf("encode: %q", got)
	}
	got, err := decodePayload([]byte(wire))
	if diff := cmp.Diff(messages, got); err != nil || diff != "" {
		t.Errorf("decode: error %v (-want +got):\n%s", err, diff)
	}
	for _, wire := range []string{"", "\x1e", "4\x1e", "b!", "4\xff"} {
		if _, err := decodePayload([]byte(wire)); !errors.Is(err, ErrProtocol) {
			t.Errorf("decode %q: error %v", wire, err)
		}
	}
}

// FuzzDecode gives a server's messages to the decoders: nothing panics, and what was decoded is encoded to something that decodes to the same.
func FuzzDecode(f *testing.F) {
	for _, tt := range packetTable {
		f.Add([]byte(tt.wire))
	}
	for _, wire := range []string{"", "2[]", `2["\"",1]`, `2["\u0061" , [1]]`, `2[ 1 ]`, "5", "4\x1ebAQ==\x1e2"} {
		f.Add([]byte(wire))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = decodePayload(bytes.Clone(data))
		p, err := decodePacket(data)
		if err != nil {
			return
		}
		again, err := decodePacket(appendPacket(p.kind, p.namespace, p.id, p.awaited, p.data)[1:])
		if diff := cmp.Diff(p, again, cmp.AllowUnexported(packet{}), cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("decoded again: error %v (-first +again):\n%s", err, diff)
		}
		if p.kind != sioEvent {
			return
		}
		name, rest, err := splitName(p.data)
		if err != nil {
			return
		}
		var list []any
		if err := json.Unmarshal(Args{Raw: rest}.JSON(), &list); err != nil {
			t.Fatalf("arguments %q: %v", rest, err)
		}
		var all []any
		if err := json.Unmarshal(p.data, &all); err != nil || len(all) != len(list)+1 {
			t.Fatalf("%d arguments of %d elements, error %v", len(list), len(all), err)
		}
		if s, ok := all[0].(string); ok && json.Valid(p.data) && s != string(name) && bytes.Equal(bytes.ToValidUTF8(p.data, nil), p.data) {
			t.Fatalf("name %q, want %q", name, s)
		}
	})
}
