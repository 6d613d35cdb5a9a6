package socketio

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ws-emit/ws-emit/server/frame"
)

// wireTable is the table of the protocol document, "Packet encoding", "Examples", and the packets of its sample session.
var wireTable = []struct {
	wire        string
	attachments [][]byte
	packet      Packet
}{
	{"0", nil, Packet{Type: PacketConnect, Namespace: "/", ID: NoID}},
	{`0{"token":"123"}`, nil, Packet{Type: PacketConnect, Namespace: "/", ID: NoID, Data: raw(`{"token":"123"}`)}},
	{"0/admin,", nil, Packet{Type: PacketConnect, Namespace: "/admin", ID: NoID}},
	{`0/admin,{"sid":"oSO0OpakMV_3jnilAAAA"}`, nil, Packet{Type: PacketConnect, Namespace: "/admin", ID: NoID, Data: raw(`{"sid":"oSO0OpakMV_3jnilAAAA"}`)}},
	{`2["foo"]`, nil, Packet{Type: PacketEvent, Namespace: "/", ID: NoID, Data: raw(`["foo"]`)}},
	{`2/admin,["bar"]`, nil, Packet{Type: PacketEvent, Namespace: "/admin", ID: NoID, Data: raw(`["bar"]`)}},
	{
		`51-["baz",{"_placeholder":true,"num":0}]`, [][]byte{{1, 2, 3, 4}},
		Packet{Type: PacketEvent, Namespace: "/", ID: NoID, Data: raw(`["baz",{"_placeholder":true,"num":0}]`), Attachments: [][]byte{{1, 2, 3, 4}}},
	},
	{
		`52-/admin,["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, [][]byte{{1, 2}, {3, 4}},
		Packet{
			Type: PacketEvent, Namespace: "/admin", ID: NoID,
			Data: raw(`["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`), Attachments: [][]byte{{1, 2}, {3, 4}},
		},
	},
	{`212["foo"]`, nil, Packet{Type: PacketEvent, Namespace: "/", ID: 12, Data: raw(`["foo"]`)}},
	{`2/admin,1["tellme"]`, nil, Packet{Type: PacketEvent, Namespace: "/admin", ID: 1, Data: raw(`["tellme"]`)}},
	{`3/admin,13["bar"]`, nil, Packet{Type: PacketAck, Namespace: "/admin", ID: 13, Data: raw(`["bar"]`)}},
	{`312[]`, nil, Packet{Type: PacketAck, Namespace: "/", ID: 12, Data: raw(`[]`)}},
	{
		`61-15["bar",{"_placeholder":true,"num":0}]`, [][]byte{{1, 2, 3, 4}},
		Packet{Type: PacketAck, Namespace: "/", ID: 15, Data: raw(`["bar",{"_placeholder":true,"num":0}]`), Attachments: [][]byte{{1, 2, 3, 4}}},
	},
	{
		`61-/admin,1[{"_placeholder":true,"num":0}]`, [][]byte{{}},
		Packet{Type: PacketAck, Namespace: "/admin", ID: 1, Data: raw(`[{"_placeholder":true,"num":0}]`), Attachments: [][]byte{{}}},
	},
	{"1", nil, Packet{Type: PacketDisconnect, Namespace: "/", ID: NoID}},
	{"1/admin,", nil, Packet{Type: PacketDisconnect, Namespace: "/admin", ID: NoID}},
}

func raw(s string) json.RawMessage { return json.RawMessage(s) }

// decodeAll gives a decoder a text and its attachments, each in a buffer that is overwritten afterwards, as a transport would.
func decodeAll(d *Decoder, text string, attachments [][]byte) (Packet, bool, error) {
	p, complete, err := d.AddText([]byte(text))
	for _, a := range attachments {
		if err != nil || complete {
			return p, false, errors.Join(err, errors.New("attachments left over"))
		}
		buf := append([]byte(nil), a...)
		p, complete, err = d.AddBinary(buf)
		clear(buf)
	}
	return p, complete, err
}

func TestWireTable(t *testing.T) {
	var d Decoder
	for _, tt := range wireTable {
		p, complete, err := decodeAll(&d, tt.wire, tt.attachments)
		if err != nil || !complete {
			t.Errorf("decode %q: complete %v, error %v", tt.wire, complete, err)
		}
		if diff := cmp.Diff(tt.packet, p); diff != "" {
			t.Errorf("decode %q (-want +got):\n%s", tt.wire, diff)
		}
		checkFrame(t, Encode(tt.packet), "4"+tt.wire, tt.attachments)
	}
}

func checkFrame(t *testing.T, f *frame.Frame, text string, attachments [][]byte) {
	t.Helper()
	want := []frame.Packet{{Data: []byte(text)}}
	for _, a := range attachments {
		want = append(want, frame.Packet{Binary: true, Data: a})
	}
	if diff := cmp.Diff(want, f.Packets()); diff != "" {
		t.Errorf("encode %q (-want +got):\n%s", text, diff)
	}
}

// What decodes to something that is encoded in another way.
func TestDecodeVariants(t *testing.T) {
	event := Packet{Type: PacketEvent, Namespace: "/", ID: NoID, Data: raw(`["a"]`)}
	for wire, want := range map[string]Packet{
		"0/admin":                               {Type: PacketConnect, Namespace: "/admin", ID: NoID},
		"0/admin?x=1":                           {Type: PacketConnect, Namespace: "/admin", ID: NoID},
		`0/admin?x=1,{}`:                        {Type: PacketConnect, Namespace: "/admin", ID: NoID, Data: raw(`{}`)},
		"0/?x=1,":                               {Type: PacketConnect, Namespace: "/", ID: NoID},
		`2/,["a"]`:                              event,
		`50-["a"]`:                              event, // complete at once
		`500-["a"]`:                             event,
		`2007["a"]`:                             {Type: PacketEvent, Namespace: "/", ID: 7, Data: raw(`["a"]`)},
		`20["a"]`:                               {Type: PacketEvent, Namespace: "/", ID: 0, Data: raw(`["a"]`)},
		`60-3[]`:                                {Type: PacketAck, Namespace: "/", ID: 3, Data: raw(`[]`)},
		`2[-5,"x"]`:                             {Type: PacketEvent, Namespace: "/", ID: NoID, Data: raw(`[-5,"x"]`)},
		`2[ "a" , 1 ] `:                         {Type: PacketEvent, Namespace: "/", ID: NoID, Data: raw(`[ "a" , 1 ] `)},
		`2["\u0061\"]"]`:                        {Type: PacketEvent, Namespace: "/", ID: NoID, Data: raw(`["\u0061\"]"]`)},
		`29007199254740991[""]`:                 {Type: PacketEvent, Namespace: "/", ID: 1<<53 - 1, Data: raw(`[""]`)},
		"0/" + strings.Repeat("é", 127) + "?x,": {Type: PacketConnect, Namespace: "/" + strings.Repeat("é", 127), ID: NoID},
	} {
		var d Decoder
		p, complete, err := d.AddText([]byte(wire))
		if err != nil || !complete {
			t.Errorf("decode %q: complete %v, error %v", wire, complete, err)
		}
		if diff := cmp.Diff(want, p); diff != "" {
			t.Errorf("decode %q (-want +got):\n%s", wire, diff)
		}
	}
}

var decodeErrors = map[string]error{
	"":                               ErrEmptyPacket,
	"abc":                            ErrPacketType,
	"7":                              ErrPacketType,
	"9":                              ErrPacketType,
	"/":                              ErrPacketType,
	"\xff":                           ErrPacketType,
	`4{"a":1}`:                       ErrPacketType, // CONNECT_ERROR from a client
	`4"no"`:                          ErrPacketType,
	`01{}`:                           ErrID,
	`15`:                             ErrID,
	`0[]`:                            ErrPayload,
	`0null`:                          ErrPayload,
	`0"x"`:                           ErrPayload,
	`0{`:                             ErrPayload,
	`0{}{}`:                          ErrPayload,
	"0{\"a\":\"\xff\"}":              ErrPayload,
	`1{}`:                            ErrPayload,
	`1/admin,[]`:                     ErrPayload,
	"2":                              ErrPayload,
	`2/admin`:                        ErrPayload,
	`212`:                            ErrPayload,
	`2{}`:                            ErrPayload,
	`2[]`:                            ErrPayload,
	`2[ ]`:                           ErrPayload,
	`2[null]`:                        ErrPayload,
	`2[true]`:                        ErrPayload,
	`2[["a"]]`:                       ErrPayload,
	`2["a",]`:                        ErrPayload,
	`2["a"`:                          ErrPayload,
	`2 ["a"]`:                        ErrPayload,
	`2["a"]x`:                        ErrPayload,
	`2abc["a"]`:                      ErrPayload,
	`2-1["a"]`:                       ErrPayload,
	"2[\"\xff\"]":                    ErrPayload,
	`2` + strings.Repeat("[", 20000): ErrPayload,
	`2["a",` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "]": ErrPayload,
	`2["connect"]`:                        ErrReservedEvent,
	`2["connect_error",1]`:                ErrReservedEvent,
	`2["disconnect"]`:                     ErrReservedEvent,
	`2[ "disconnecting" ]`:                ErrReservedEvent,
	`2["newListener"]`:                    ErrReservedEvent,
	`2["removeListener"]`:                 ErrReservedEvent,
	`2["\u0063onnect"]`:                   ErrReservedEvent,
	`29007199254740992["a"]`:              ErrID,
	`299999999999999999999["a"]`:          ErrID,
	"3":                                   ErrID,
	`3[]`:                                 ErrID,
	`31`:                                  ErrPayload,
	`31{}`:                                ErrPayload,
	`5["a"]`:                              ErrAttachments,
	`5-["a"]`:                             ErrAttachments,
	`5-1-["a"]`:                           ErrAttachments,
	`51["a"]`:                             ErrAttachments,
	`51`:                                  ErrAttachments,
	`51.0-["a"]`:                          ErrAttachments,
	`511-["a"]`:                           ErrTooManyAttachments,
	`599999999999999999999-[]`:            ErrTooManyAttachments,
	`51-`:                                 ErrPayload,
	`51-[]`:                               ErrPayload,
	`61-[]`:                               ErrID,
	"0/" + strings.Repeat("x", 255):       ErrNamespace,
	"0/" + strings.Repeat("x", 255) + ",": ErrNamespace,
	"0/\xff,":                             ErrNamespace,
}

func TestDecodeErrors(t *testing.T) {
	for wire, want := range decodeErrors {
		var d Decoder
		if _, complete, err := d.AddText([]byte(wire)); !errors.Is(err, want) || complete {
			t.Errorf("decode %.40q: complete %v, error %v, want %v", wire, complete, err, want)
		}
	}
}

func TestAttachmentsOutOfPlace(t *testing.T) {
	var d Decoder
	if _, _, err := d.AddBinary([]byte{1}); !errors.Is(err, ErrTextExpected) {
		t.Errorf("binary first: %v", err)
	}
	if _, complete, err := d.AddText([]byte(`51-["a",{"_placeholder":true,"num":-5}]`)); err != nil || complete {
		t.Fatalf("complete %v, error %v", complete, err)
	}
	if _, _, err := d.AddText([]byte(`2["a"]`)); !errors.Is(err, ErrBinaryExpected) {
		t.Errorf("text while an attachment is awaited: %v", err)
	}
	if _, complete, err := d.AddBinary(nil); err != nil || !complete {
		t.Errorf("complete %v, error %v", complete, err)
	}
	if _, _, err := d.AddBinary([]byte{1}); !errors.Is(err, ErrTextExpected) {
		t.Errorf("one attachment too many: %v", err)
	}
}

func TestDecoderBoundsBytes(t *testing.T) {
	const text = `52-["a"]`
	d := Decoder{MaxBytes: int64(len(text)) + 10}
	if _, _, err := d.AddText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.AddBinary(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	if _, complete, err := d.AddBinary(make([]byte, 5)); !errors.Is(err, ErrTooLarge) || complete {
		t.Errorf("one byte too many: complete %v, error %v", complete, err)
	}

	d = Decoder{MaxBytes: int64(len(text)) - 1}
	if _, _, err := d.AddText([]byte(text)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("text too large: %v", err)
	}
	d = Decoder{MaxBytes: -1}
	if _, _, err := d.AddText([]byte(text)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("no attachments allowed: %v", err)
	}
	d = Decoder{}
	if _, _, err := d.AddText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.AddBinary(make([]byte, defaultMaxBytes)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("the default: %v", err)
	}
}

// A packet must not change when the transport uses its buffer again, except where AddText says so.
func TestDecoderCopiesWhatItKeeps(t *testing.T) {
	var d Decoder
	text, part := []byte(`51-/admin,["a",{"_placeholder":true,"num":0}]`), []byte("part")
	if _, _, err := d.AddText(text); err != nil {
		t.Fatal(err)
	}
	clear(text)
	p, complete, err := d.AddBinary(part)
	if err != nil || !complete {
		t.Fatalf("complete %v, error %v", complete, err)
	}
	clear(part)
	want := Packet{
		Type: PacketEvent, Namespace: "/admin", ID: NoID, Data: raw(`["a",{"_placeholder":true,"num":0}]`), Attachments: [][]byte{[]byte("part")},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSplitEvent(t *testing.T) {
	for _, tt := range []struct {
		data, event string
		args        []string
	}{
		{`["foo"]`, "foo", nil},
		{`[""]`, "", nil},
		{`[12,1]`, "12", []string{"1"}},
		{`["join",{"room":"a::b","secret":"],["}]`, "join", []string{`{"room":"a::b","secret":"],["}`}},
		{`["message",1,"2",{"3":[true]},[[],[{}]],null]`, "message", []string{"1", `"2"`, `{"3":[true]}`, `[[],[{}]]`, "null"}},
		{"[ \"a\" ,\t1 ,\n[ 2 , 3 ] ] ", "a", []string{"1", "[ 2 , 3 ]"}},
		{`["a\"]\\",  "\\\"" ]`, `a"]\`, []string{`"\\\""`}},
		{`["\u00e9\ud83d\ude00","é"]`, "é😀", []string{`"é"`}},
	} {
		event, args, err := SplitEvent(raw(tt.data))
		if err != nil || event != tt.event {
			t.Errorf("split %q: event %q, error %v, want %q", tt.data, event, err, tt.event)
		}
		var got []string
		for _, a := range args {
			got = append(got, string(a))
		}
		if diff := cmp.Diff(tt.args, got); diff != "" {
			t.Errorf("split %q (-want +got):\n%s", tt.data, diff)
		}
	}
	for _, data := range []string{"", "[", "[]", "[ ]", "{}", `["a`, `["a\`, `["a"`, `["a",`, `["a",]`, `[,]`, `["\x"]`, `"a"`} {
		if _, _, err := SplitEvent(raw(data)); !errors.Is(err, ErrPayload) {
			t.Errorf("split %q: error %v", data, err)
		}
	}
}

// Appending to an argument must not overwrite the next one.
func TestSplitEventArgsDoNotOverlap(t *testing.T) {
	_, args, err := SplitEvent(raw(`["a",1,2]`))
	if err != nil {
		t.Fatal(err)
	}
	_ = append(args[0], "xxx"...)
	if string(args[1]) != "2" {
		t.Errorf("the second argument became %q", args[1])
	}
}

func TestEncode(t *testing.T) {
	checkFrame(t, EncodeConnect("/", "~abc"), `40{"sid":"~abc"}`, nil)
	checkFrame(t, EncodeConnect("/admin", "~abc"), `40/admin,{"sid":"~abc"}`, nil)
	checkFrame(t, EncodeConnectError("/", "Not authorized"), `44{"message":"Not authorized"}`, nil)
	checkFrame(t, EncodeConnectError("/random", "a \"b\"\n<c> \u2028 \xff"), `44/random,{"message":"a \"b\"\n<c> \u2028 \ufffd"}`, nil)
	checkFrame(t, EncodeDisconnect("/"), "41", nil)
	checkFrame(t, EncodeDisconnect("/admin"), "41/admin,", nil)

	placeholder := raw(`{"_placeholder":true,"num":0}`)
	for _, tt := range []struct {
		namespace, event string
		args             []json.RawMessage
		attachments      [][]byte
		wire             string
	}{
		{"", "foo", nil, nil, `42["foo"]`},
		{"/admin", "bar", []json.RawMessage{raw(`1`), raw(`{"a":[]}`)}, nil, `42/admin,["bar",1,{"a":[]}]`},
		{"/", "<é&😀>", nil, nil, `42["<é&😀>"]`},
		{"/", "a\"\\\x01\xff", nil, nil, `42["a\"\\\u0001\ufffd"]`},
		{"/", "baz", []json.RawMessage{placeholder}, [][]byte{{1, 2}}, `451-["baz",{"_placeholder":true,"num":0}]`},
		{"/admin", "baz", []json.RawMessage{placeholder, placeholder}, [][]byte{{}, {1}},
			`452-/admin,["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]`},
	} {
		f, err := EncodeEvent(tt.namespace, tt.event, tt.args, tt.attachments)
		if err != nil {
			t.Errorf("encode %q: %v", tt.wire, err)
			continue
		}
		checkFrame(t, f, tt.wire, tt.attachments)
	}

	f, err := EncodeAck("/", 0, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	checkFrame(t, f, "430[]", nil)
	f, err = EncodeAck("/custom", 789, []json.RawMessage{placeholder, raw("2")}, [][]byte{{9}})
	if err != nil {
		t.Fatal(err)
	}
	checkFrame(t, f, `461-/custom,789[{"_placeholder":true,"num":0},2]`, [][]byte{{9}})
}

func TestEncodeRefusesWhatClientsRefuse(t *testing.T) {
	for _, event := range []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"} {
		if f, err := EncodeEvent("/", event, nil, nil); !errors.Is(err, ErrReservedEvent) || f != nil {
			t.Errorf("event %q: error %v", event, err)
		}
	}
	if _, err := EncodeEvent("/", "a", nil, make([][]byte, MaxAttachments)); err != nil {
		t.Error(err)
	}
	if f, err := EncodeEvent("/", "a", nil, make([][]byte, MaxAttachments+1)); !errors.Is(err, ErrTooManyAttachments) || f != nil {
		t.Errorf("event with too many attachments: %v", err)
	}
	if f, err := EncodeAck("/", 1, nil, make([][]byte, MaxAttachments+1)); !errors.Is(err, ErrTooManyAttachments) || f != nil {
		t.Errorf("ack with too many attachments: %v", err)
	}
}

func TestPacketTypeString(t *testing.T) {
	if got := PacketConnectError.String() + " " + PacketType(7).String(); got != "CONNECT_ERROR unknown" {
		t.Error(got)
	}
}

// FuzzDecode gives a decoder two messages and checks that nothing panics, and that what was decoded is encoded to something that decodes
// to the same and is encoded to the same.
func FuzzDecode(f *testing.F) {
	for _, tt := range wireTable {
		f.Add([]byte(tt.wire), []byte{1, 2})
	}
	for _, wire := range []string{
		"", "2[]", "2[null]", "0/x", "3", "31[]", `51-["m",{"a":{"_placeholder":true,"num":-5}}]`, "599999999999999999999-[]", "5", "6", "9",
		`2["\u0063onnect"]`, `2["a\\\"",[{"b":"]"}]]`, "0/a?b,{}", `50-["a"]`, `2/,["a"]`,
	} {
		f.Add([]byte(wire), []byte{})
	}
	f.Fuzz(func(t *testing.T, text, attachment []byte) {
		d := Decoder{MaxBytes: 1 << 16}
		p, complete, err := d.AddText(text)
		for err == nil && !complete {
			p, complete, err = d.AddBinary(attachment)
		}
		if err != nil {
			if complete {
				t.Fatal("complete with an error")
			}
			return
		}
		first := Encode(p)
		again, complete, err := decodeAll(&d, string(first.Packets()[0].Data[1:]), p.Attachments)
		if err != nil || !complete {
			t.Fatalf("what was encoded does not decode: complete %v, error %v", complete, err)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatalf("decoded again (-first +again):\n%s", diff)
		}
		if diff := cmp.Diff(first.WebSocket(), Encode(again).WebSocket()); diff != "" {
			t.Fatalf("encoded again (-first +again):\n%s", diff)
		}
		fuzzSplit(t, p)
	})
}

// fuzzSplit checks SplitEvent and SplitArray against encoding/json.
func fuzzSplit(t *testing.T, p Packet) {
	if p.Type != PacketEvent && p.Type != PacketAck {
		return
	}
	var want []json.RawMessage
	if err := json.Unmarshal(p.Data, &want); err != nil {
		t.Fatal(err)
	}
	got, err := SplitArray(p.Data)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d elements and error %v, want %d", len(got), err, len(want))
	}
	for i := range want {
		if string(got[i]) != string(want[i]) {
			t.Fatalf("element %d is %q, want %q", i, got[i], want[i])
		}
	}
	if p.Type == PacketAck {
		return
	}
	event, args, err := SplitEvent(p.Data)
	if err != nil || len(args) != len(want)-1 {
		t.Fatalf("%d arguments and error %v, want %d", len(args), err, len(want)-1)
	}
	var name string
	if json.Unmarshal(want[0], &name) == nil && name != event {
		t.Fatalf("event %q, want %q", event, name)
	}
}

// FuzzSplitEvent gives what no decoder has seen.
func FuzzSplitEvent(f *testing.F) {
	for _, s := range []string{`["a",1]`, `["a`, `[}`, `["a"b]`, `["\x",]`, `[[[`, `["a"]]`, `[1}2,"]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		event, args, err := SplitEvent(data)
		if err != nil && event != "" {
			t.Fatalf("event %q, args %q and error %v", event, args, err)
		}
	})
}

func BenchmarkDecodeJoin(b *testing.B) {
	text := []byte(`2["join",{"room":"r"}]`)
	var d Decoder
	b.ReportAllocs()
	for b.Loop() {
		p, _, err := d.AddText(text)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := SplitEvent(p.Data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeEvent(b *testing.B) {
	args := []json.RawMessage{raw(`{"now":"12:00","text":"` + strings.Repeat("x", 200) + `"}`)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := EncodeEvent("/", "time", args, nil); err != nil {
			b.Fatal(err)
		}
	}
}
