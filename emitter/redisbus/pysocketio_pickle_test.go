package redisbus

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
)

// pickled returns a pickle of the values in a text of JSON, in protocol 2. The list of data becomes a tuple, which means arguments in a
// pickle as a list does in JSON.
func pickled(t testing.TB, text string) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	p := pickler{t: t, d: d}
	p.buf.WriteString("\x80\x02")
	p.value(false)
	p.buf.WriteByte('.')
	return p.buf.String()
}

type pickler struct {
	t   testing.TB
	d   *json.Decoder
	buf bytes.Buffer
}

func (p *pickler) token() json.Token {
	token, err := p.d.Token()
	if err != nil {
		p.t.Fatal(err)
	}
	return token
}

func (p *pickler) value(tuple bool) {
	switch token := p.token().(type) {
	case nil:
		p.buf.WriteByte('N')
	case bool:
		p.buf.WriteByte(map[bool]byte{true: 0x88, false: 0x89}[token])
	case string:
		p.text(token)
	case json.Number:
		if f, err := token.Float64(); err == nil && strings.ContainsAny(token.String(), ".eE") {
			p.buf.WriteByte('G')
			p.buf.Write(binary.BigEndian.AppendUint64(nil, math.Float64bits(f)))
		} else {
			p.buf.WriteString("L" + token.String() + "L\n")
		}
	case json.Delim:
		if token == '{' {
			p.dict()
		} else {
			p.list(tuple)
		}
	}
}

func (p *pickler) text(s string) {
	p.buf.WriteByte('X')
	p.buf.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(s))))
	p.buf.WriteString(s)
}

func (p *pickler) dict() {
	p.buf.WriteString("}(")
	for p.d.More() {
		key := p.token().(string)
		p.text(key)
		p.value(key == "data")
	}
	p.token()
	p.buf.WriteByte('u')
}

func (p *pickler) list(tuple bool) {
	p.buf.WriteByte('(')
	for p.d.More() {
		p.value(false)
	}
	p.token()
	p.buf.WriteByte(map[bool]byte{true: 't', false: 'l'}[tuple])
}

// checkPickles is checkPython for the same messages in pickles, without those that are no JSON.
func checkPickles(t *testing.T, tests map[string]wantMessage) {
	t.Helper()
	for payload, want := range tests {
		if !json.Valid([]byte(payload)) {
			continue
		}
		got, reason, _ := decodePython(nil, published{body: []byte(pickled(t, payload))}, &rules{pickle: true})
		if reason != "" || len(got) != 1 || !wantOf(got[0]).equal(want) {
			t.Errorf("pickle of %s: %+v (%s), want %+v", payload, got, reason, want)
		}
	}
}

// pickledEmit returns an emit to "/" with a pickled value as data, in protocol 0 apart from it.
func pickledEmit(data string) string {
	return "(dVmethod\nVemit\nsVevent\nVe\nsVnamespace\nV/\nsVdata\n" + data + "s."
}

func TestDecodePickleData(t *testing.T) {
	p0, p1 := `{"_placeholder":true,"num":0}`, `{"_placeholder":true,"num":1}`
	for _, test := range []struct {
		data              string
		args, attachments []string
	}{
		// the value is the argument, or a tuple of them
		{"N", nil, nil},
		{")", nil, nil},
		{"N\x85", []string{"null"}, nil},
		{"NK\x07\x86", []string{"null", "7"}, nil},
		{"]", []string{"[]"}, nil},
		{"]Na", []string{"[null]"}, nil},
		{")\x85", []string{"[]"}, nil},
		{"]K\x01K\x02\x86a", []string{"[[1,2]]"}, nil},
		{"}", []string{"{}"}, nil},
		{"\x88", []string{"true"}, nil},
		// numbers
		{"I-5\n", []string{"-5"}, nil},
		{"L100000000000000000000L\n", []string{"100000000000000000000"}, nil},
		{"Fnan\n", []string{"null"}, nil},
		{"F-inf\n", []string{"null"}, nil},
		{"F1e300\n", []string{"1e+300"}, nil},
		{"F2.0\n", []string{"2"}, nil},
		// strings
		{"Va\"\\u005c\\u000a\n", []string{`"a\"\\\u000a"`}, nil},
		{"V\\ud83d\n", []string{`"\ud83d"`}, nil},
		{"Va\\ud83d\\ude00b\n", []string{`"a\ud83d\ude00b"`}, nil},
		{"V\xe9\\u65e5\\U0001f389\n", []string{`"é日🎉"`}, nil},
		{"S'\\xc3\\xa9'\n", []string{`"é"`}, nil},
		// bytes
		{"C\x01\xff", []string{p0}, []string{"/w=="}},
		{"\x96\x01\x00\x00\x00\x00\x00\x00\x00\xff", []string{p0}, []string{"/w=="}},
		{"S'\\xff'\n", []string{p0}, []string{"/w=="}},
		{"(S'\\xff'\nS'\\xfe'\nt", []string{p0, p1}, []string{"/w==", "/g=="}},
		{"C\x01\xffp0\n0(g0\ng0\nl", []string{"[" + p0 + "," + p1 + "]"}, []string{"/w==", "/w=="}},
		// keys
		{"}(K\x01NI01\nN\x89NNNVk\nNC\x01kNS'l'\nNVs\\udc00\nNu", []string{
			`{"1":null,"true":null,"false":null,"null":null,"k":null,"k":null,"l":null,"s\udc00":null}`,
		}, nil},
		{"}(F1\nNF1.5\nNF1e16\nNF1e15\nNF0.0001\nNF0.00001\nNF-0\nNFnan\nNFinf\nNF-inf\nNu", []string{
			`{"1.0":null,"1.5":null,"1e+16":null,"1000000000000000.0":null,"0.0001":null,"1e-05":null,"-0.0":null,"NaN":null,"Infinity":null,"-Infinity":null}`,
		}, nil},
	} {
		got, reason, _ := decodePython(nil, published{body: []byte(pickledEmit(test.data))}, &rules{pickle: true})
		want := wantMessage{Namespace: "/", Event: "e", Args: test.args, Attachments: test.attachments}
		if reason != "" || len(got) != 1 || !wantOf(got[0]).equal(want) {
			t.Errorf("%q: %+v (%s), want %+v", test.data, got, reason, want)
		}
		checkMessages(t, got)
	}
}

func TestDecodePickleDrops(t *testing.T) {
	laughs := "]p0\n" // ten lists, each of ten times the one before
	for i := range 10 {
		laughs += "0(" + strings.Repeat(fmt.Sprintf("g%d\n", i), 10) + fmt.Sprintf("lp%d\n", i+1)
	}
	for want, payloads := range map[DropReason][]string{
		DropPickle: {pickledEmit("cos\nsystem\n"), pickledEmit("(cos\nsystem\no"), pickledEmit("\x8f"), "\x80\x04\x8c\x05posix\x8c\x06system\x93."},
		DropMalformed: {
			"\x80\x04\x95", "\x80\x02N.", "\x80\x02].",
			"(d.x", pickledEmit("Na"), pickledEmit("]p0\ng0\na"), pickledEmit("}]Ns"), pickledEmit("X\x00\x00\x00\x7fa"),
			pickledEmit("X\x02\x00\x00\x00\xff\xfe"), "(dVmethod\nVemit\nsVevent\nVe\nsVnamespace\nV/\ns.",
		},
		DropTooLarge: {
			pickledEmit(laughs), pickledEmit(strings.Repeat("(", 100) + strings.Repeat("l", 100)), pickledEmit("L" + strings.Repeat("1", 5000) + "L\n"),
			pickledEmit("V" + strings.Repeat("x", 1000) + "\np0\n0(" + strings.Repeat("g0\n", 1000) + "l"), pickledEmit("V" + strings.Repeat("x", 1<<20) + "\n"),
		},
		DropEncoding:  {pickledEmit("}C\x01\xffNs")},
		DropBinary:    {pickledEmit("(" + strings.Repeat("C\x01\xff", 11) + "l")},
		DropEvent:     {"(dVmethod\nVemit\nsVevent\nC\x01esVnamespace\nV/\nsVdata\nNs.", "(dVmethod\nVemit\nsVevent\nV\\ud800\nsVnamespace\nV/\nsVdata\nNs."},
		DropNamespace: {"(dVmethod\nVemit\nsVevent\nVe\nsVdata\nNs.", "(dVmethod\nVemit\nsVevent\nVe\nsVnamespace\nNsVdata\nNs."},
		DropRoom: {
			pickledEmit("NsVroom\nV\n"), pickledEmit("NsVroom\nC\x01r"), pickledEmit("NsVroom\n\x88"), pickledEmit("NsVroom\nF1.5\n"), pickledEmit("NsVroom\n)"),
			pickledEmit("NsVroom\n]"), pickledEmit("NsVroom\n]Na"), pickledEmit("NsVroom\nV\\ud800\n"),
		},
		DropMethod: {"\x80\x02}.", "(dC\x06methodVemit\ns.", "(dVmethod\nVcallback\ns."},
	} {
		for _, payload := range payloads {
			got, reason, _ := decodePython(nil, published{body: []byte(payload)}, &rules{pickle: true})
			if len(got) > 0 || reason != want {
				t.Errorf("%.200q: %+v (%s), want %s", payload, got, reason, want)
			}
		}
	}
}

func TestDecodePickleRooms(t *testing.T) {
	for rooms, want := range map[string]string{
		"N": "[]", "Vr\n": "[r]", "I-7\n": "[-7]", "\x8a\x01\x05": "[5]", "S'r'\n": "[r]", "(Va\nK\x03C\x00": "", "(Va\nK\x03t": "[a 3]", "(Va\nV\nl": "[a]",
	} {
		got, reason, _ := decodePython(nil, published{body: []byte(pickledEmit("NsVroom\n" + rooms))}, &rules{pickle: true})
		if want == "" {
			if len(got) > 0 {
				t.Errorf("%q: %+v", rooms, got)
			}
			continue
		}
		if len(got) != 1 || fmt.Sprint(got[0].Rooms) != want || reason != "" {
			t.Errorf("%q: %+v (%s), want %s", rooms, got, reason, want)
		}
	}
}

// pickledMessage is what pythonMessage is in a pickle of protocol 4.
func pickledMessage(tb testing.TB) []byte {
	tb.Helper()
	for _, v := range readVectors[pickleVector](tb, "python-pickle.json") {
		if v.Description == "m.emit('hello',{'a':1,'b':[True,None,1.5,'é😀']})" {
			return v.Payload
		}
	}
	tb.Fatal("the vector is not there")
	return nil
}
