package pickle

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestDecode(t *testing.T) {
	for payload, want := range map[string]string{
		// scalars
		"N.": "None", "\x88.": "true", "\x89.": "false", "I01\n.": "true", "I00\n.": "false",
		"I0\n.": "0", "I-12\n.": "-12", "L5\n.": "5", "L-5L\n.": "-5", "L" + strings.Repeat("9", 4300) + "\n.": strings.Repeat("9", 4300),
		"J\xff\xff\xff\xff.": "-1", "J\x00\x00\x00\x80.": "-2147483648", "K\xff.": "255", "M\x00\x01.": "256",
		"\x8a\x00.": "0", "\x8a\x01\xff.": "-1", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f.": "9223372036854775807",
		"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00.": "9223372036854775808", "\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\xff.": "-18446744073709551616",
		"\x8b\x02\x00\x00\x00\x00\x80.": "-32768",
		"F1.5\n.":                       "1.5", "F-1e+300\n.": "-1e+300", "Fnan\n.": "NaN", "F-inf\n.": "-Inf", "F1e999\n.": "+Inf",
		"G\x3f\xf8\x00\x00\x00\x00\x00\x00.": "1.5",
		// strings
		"X\x02\x00\x00\x00\xc3\xa9.": `"é"`, "\x8c\x01a.": `"a"`, "\x8d\x01\x00\x00\x00\x00\x00\x00\x00a.": `"a"`, "\x8c\x03\xed\xa0\xbd.": `"\xed\xa0\xbd"`,
		"\x8c\x06\xed\xb8\x80\xed\xbf\xbf.": `"\xed\xb8\x80\xed\xbf\xbf"`,
		"V\n.":                              `""`, "Va\\u00e9\xe9\\ud83d\\U0001f389\\\\u0041\\x\\\n.": `"aéé\xed\xa0\xbd🎉\\\\u0041\\x\\"`,
		"S''\n.": `""`, `S"a'\"\\\n\r\t\xc3\xa9"` + "\n.": `"a'\"\\\n\r\té"`, "S'\\xff'\n.": `b"\xff"`, "T\x01\x00\x00\x00a.": `"a"`, "U\x01\xff.": `b"\xff"`,
		"U\x03\xed\xa0\xbd.": `b"\xed\xa0\xbd"`, // no UTF-8 in Python 2 either
		// bytes
		"B\x01\x00\x00\x00a.": `b"a"`, "C\x01a.": `b"a"`, "\x8e\x01\x00\x00\x00\x00\x00\x00\x00a.": `b"a"`, "\x96\x01\x00\x00\x00\x00\x00\x00\x00a.": `b"a"`,
		// containers
		"].": "[]", ").": "()", "}.": "{}", "(l.": "[]", "(t.": "()", "(d.": "{}", "K\x01\x85.": "(1)", "K\x01K\x02\x86.": "(1, 2)",
		"K\x01K\x02K\x03\x87.": "(1, 2, 3)", "(K\x01K\x02l.": "[1, 2]", "(K\x01K\x02t.": "(1, 2)", "(K\x01K\x02d.": "{1: 2}",
		"]K\x01a.": "[1]", "](K\x01K\x02eK\x03a(e(K\x04e.": "[1, 2, 3, 4]", "}K\x01Ns.": "{1: None}",
		"}(K\x01NVa\n\x88u(uK\x02Ns.": `{"a": true, 1: None, 2: None}`,
		"}(NN\x88NF1.5\nNC\x01bNu.":   `{1.5: None, None: None, b"b": None, true: None}`,
		// memo
		"]q\x000h\x00.": "[]", "(lp5\n0(g5\ng5\nt.": "([], [])", "]\x94N\x94\x86\x940(h\x00h\x01h\x02t.": "([], None, ([], None))",
		"]r\xff\xff\xff\xff0j\xff\xff\xff\xff.": "[]", "Np0\n0Vp\np4294967295\n0(g4294967295\ng0\nt.": `("p", None)`,
		"]q\x00K\x01a0(h\x00h\x00t.": "([1], [1])", "]q\x00h\x00\x860h\x00K\x01a.": "[1]", "Np0\n0K\x05p0\n0g0\n.": "5",
		"Nq\x400U\x40" + strings.Repeat("x", 64) + "0K\x05q\x40q\x410h\x40.":   "5",
		"Nq\x400U\x40" + strings.Repeat("x", 64) + "q\x40\x940h\x01h\x40\x86.": fmt.Sprintf("(%[1]q, %[1]q)", strings.Repeat("x", 64)),
		"Nq\xf0K\x05\x940h\x01\x86.":                                           "(None, 5)", "N\x94q\x00q\xf0q\xf0K\x05\x940h\x02\x86.": "(None, 5)", // MEMOIZE counts what is remembered
		// frames and protocols
		"\x80\x02N.": "None", "\x80\x05\x95\x02\x00\x00\x00\x00\x00\x00\x00N.": "None", "\x95\x00\x00\x00\x00\x00\x00\x00\x00N.": "None", "N0\x88.": "true",
	} {
		p, err := Decode([]byte(payload), maxValues)
		if err != nil {
			t.Errorf("%q: %v", payload, err)
		} else if got := show(p.Root()); got != want {
			t.Errorf("%q: %s, want %s", payload, got, want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	laughs := "]" // thirty lists, each twice the one before
	for i := range 30 {
		laughs += fmt.Sprintf("p%d\n0(g%d\ng%d\nl", i, i, i)
	}
	for want, payloads := range map[error][]string{
		ErrNotData: {
			"cos\nsystem\n.", "\x8c\x02os\x8c\x06system\x93.", "NNR.", "NNb.", "(i\n\n.", "(No.", "N)\x81.", "N)}\x92.", "Pid\n.", "NQ.", "\x82\x01.",
			"\x83\x01\x00.",
			"\x84\x01\x00\x00\x00.", "\x8f.", "\x8f(\x90.", "(\x91.", "\x97.", "N\x98.", "(1N.", "N2\x86.", "\xff.", "\x00.",
		},
		ErrMalformed: {
			"", ".", "N", "NN.", "(N.", "N.N", "N..", "\x80\x02N.N", "\x80\x01N.", "\x80\x06N.", "N\x80\x02.", "\x80", "\x80\x02", "\x80\x02\x80\x02N.",
			// lengths
			"\x95\x04\x00\x00\x00\x00\x00\x00\x00N.", "\x95\xff\xff\xff\xff\xff\xff\xff\xffN.", "X\xff\xff\xff\x7fabc.", "X\xff\xff\xff\xffabc.",
			"X\x05\x00\x00\x00abc.",
			"X\x00\x00.", "\x8c\x05abc.", "\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc.", "\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.", "B\xff\xff\xff\x7f.",
			"C\xff.",
			"\x8e\x00\x00\x00\x00\x01\x00\x00\x00.", "\x96\xff\xff\xff\xff\xff\xff\xff\xff.", "T\xff\xff\xff\xff.", "U\x02a", "\x8b\xff\xff\xff\xff.",
			"\x8a\x02a", "K", "M\x00", "J...", "G1234567",
			"I1.", "V1.", "p1", "q", "r\x00\x00\x00", "h", "j\x00",
			// numbers
			"I\n.", "I-\n.", "I1L\n.", "I007\n.", "I 1\n.", "I1_0\n.", "I0x1\n.", "I-0\n.", "I02\n.", "L00\n.", "LL\n.", "L1LL\n.", "F\n.", "F1_0\n.",
			"F0x1p4\n.", "Finfinity\n.", "FNaN\n.",
			"F" + strings.Repeat("1", 65) + "\n.",
			// strings
			"X\x02\x00\x00\x00\xff\xfe.", "\x8c\x01\x80.", "\x8c\x02\xed\xa0.", "\x8c\x03\xed\xa0a.", "\x8c\x03\xed\xc0\x80.",
			"\x8c\x04\xf4\x90\x80\x80.", "\x8c\x04\xff\xed\xa0\x80.", "V\\u12\n.",
			"V\\uzzzz\n.", "V\\U00110000\n.", "V\\u+123\n.", "S\n.", "S'\n.", "Sa\n.", "S'a\n.", "S'a\"\n.", "S'a'b'\n.", "S'\\'\n.", "S'\\q'\n.",
			"S'\\x1'\n.", "S'\\xzz'\n.",
			// stack
			"0.", "(0.", "a.", "]a.", "(Na.", "]((Na.", "e.", "Ne.", "(e.", "l.", "t.", "d.", "(Nd.", "Nu.", "(NNu.", "s.", "}Ns.", "N\x86.",
			"(N\x86t.", "NN\x87.", "]}Na.",
			"}Na.", "})(Ne.", "]NNs.", "](NNu.", ")Na.", "NNa.", "}NNe", "}(Nu.", "}]Ns.", "})Ns.", "}}Ns.", "(]Nd.", "}(N]]Nu.",
			// memo
			"h\x05.", "\x80\x02h\x05.", "g0\n.", "j\xff\xff\xff\xff.", "q\x00.", "\x94.", "p0\n.", "(q\x00.", "Np-1\n.", "Np\n.", "Npx\n.",
			"Np4294967296\n.", "Np99999999999\n.", "N\x940h\x01.", "NqEh\x00.",
			// cycles
			"]q\x00h\x00a.", "]q\x00(h\x00t\x85a.", "}q\x00Nh\x00s.", "]q\x00]q\x01h\x00ah\x01a.",
		},
		ErrTooLarge: {
			laughs + ".", strings.Repeat("(", 65) + strings.Repeat("l", 65) + ".",
			")" + strings.Repeat("\x85", 64) + ".", strings.Repeat("]", 100) + strings.Repeat("a", 99) + ".",
			"\x8b\x00\x01\x00\x00" + strings.Repeat("a", 256) + ".", "L" + strings.Repeat("9", 4301) + "L\n.", "I-" + strings.Repeat("9", 4301) + "\n.",
			"(" + strings.Repeat("N", maxValues) + "l.",
		},
	} {
		for _, payload := range payloads {
			if _, err := Decode([]byte(payload), maxValues); !errors.Is(err, want) {
				t.Errorf("%.100q: %v, want %v", payload, err, want)
			}
		}
	}
}

func TestDecodeAtTheLimits(t *testing.T) {
	for _, payload := range []string{
		strings.Repeat("(", 64) + strings.Repeat("l", 64) + ".", ")" + strings.Repeat("\x85", 63) + ".", "(" + strings.Repeat("N", maxValues-1) + "l.",
		"\x8b\xff\x00\x00\x00" + strings.Repeat("a", 255) + ".",
	} {
		if _, err := Decode([]byte(payload), maxValues); err != nil {
			t.Errorf("%.100q: %v", payload, err)
		}
	}
}

// TestLongs compares with math/big.
func TestLongs(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range maxIntBytes + 1 {
		for _, fill := range []func() byte{func() byte { return byte(random.Uint32()) }, func() byte { return 0 }, func() byte { return 0xff }} {
			for _, last := range []byte{0, 1, 0x7f, 0x80, 0xff, fill()} {
				le := make([]byte, n)
				for i := range le {
					le[i] = fill()
				}
				if n > 0 {
					le[n-1] = last
				}
				be := slices.Clone(le)
				slices.Reverse(be)
				want := new(big.Int).SetBytes(be)
				if n > 0 && last >= 0x80 {
					want.Sub(want, new(big.Int).Lsh(big.NewInt(1), uint(8*n)))
				}
				p, err := Decode(slices.Concat([]byte{0x8a, byte(n)}, le, []byte{'.'}), maxValues)
				if err != nil {
					t.Fatal(err)
				}
				if got := p.Root().AppendInt(nil); string(got) != want.String() || len(got) > p.Root().IntBytes() {
					t.Errorf("%x: %s, want %s", le, got, want)
				}
			}
		}
	}
}

// TestWrongKind: no method panics on a value that it is not for.
func TestWrongKind(t *testing.T) {
	for _, payload := range []string{"N.", "\x88.", "I01\n.", "K\x05.", "F1\n.", "Va\n.", "C\x01a.", "].", ").", "}.", "U\x01\xff."} {
		p, err := Decode([]byte(payload), maxValues)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []Value{p.Root(), {}} {
			v.Bool()
			v.Float()
			v.Bytes()
			v.Len()
			if n := v.AppendInt(nil); len(n) > v.IntBytes() {
				t.Errorf("%q: %s is longer than %d", payload, n, v.IntBytes())
			}
			if _, ok := v.Text(); ok != (v.Kind() == Text) {
				t.Errorf("%q: text %t", payload, ok)
			}
			for range v.Members() {
				t.Errorf("%q has members", payload)
			}
		}
	}
}

// dump writes a value as a pickle that makes it anew, without a memo.
func dump(b *bytes.Buffer, v Value) {
	sized := func(op byte, arg []byte) {
		b.WriteByte(op)
		b.Write([]byte{byte(len(arg)), byte(len(arg) >> 8), byte(len(arg) >> 16), byte(len(arg) >> 24)})
		b.Write(arg)
	}
	switch v.Kind() {
	case None:
		b.WriteByte('N')
	case Bool:
		b.WriteByte(map[bool]byte{true: 0x88, false: 0x89}[v.Bool()])
	case Int:
		fmt.Fprintf(b, "L%sL\n", v.AppendInt(nil))
	case Float:
		fmt.Fprintf(b, "F%s\n", strings.TrimPrefix(strings.ToLower(fmt.Sprint(v.Float())), "+"))
	case Text:
		text, _ := v.Text()
		sized('X', text)
	case Bytes:
		sized('B', v.Bytes())
	case List, Tuple:
		b.WriteByte('(')
		for e := range v.Elements() {
			dump(b, e)
		}
		b.WriteByte(map[Kind]byte{List: 'l', Tuple: 't'}[v.Kind()])
	case Dict:
		b.WriteByte('(')
		for key, e := range v.Members() {
			dump(b, key)
			dump(b, e)
		}
		b.WriteByte('d')
	}
}

// FuzzPickle: no input does harm, and what is decoded comes back from a pickle of it.
func FuzzPickle(f *testing.F) {
	for _, v := range readVectors(f) {
		f.Add(v.Payload)
	}
	f.Add([]byte("(dp0\nS'\\xff'\np1\nL-5L\nsI01\nF1.5\nsV\\ud800\ng1\ns."))
	f.Add([]byte("]r\xff\xff\xff\xff0j\xff\xff\xff\xff\x94\x8b\x09\x00\x00\x00123456789\x87."))
	f.Fuzz(func(t *testing.T, payload []byte) {
		before := bytes.Clone(payload)
		p, err := Decode(payload, maxValues)
		if !bytes.Equal(before, payload) {
			t.Fatal("payload was changed")
		}
		if err != nil {
			if !errors.Is(err, ErrNotData) && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) {
				t.Fatal(err)
			}
			return
		}
		// One value can stand in many places, and strings are as long as they like.
		if nodes, _, _ := p.measure(p.root, 1); nodes > 10_000 || len(payload) > 10_000 {
			return
		}
		var b bytes.Buffer
		dump(&b, p.Root())
		b.WriteByte('.')
		again, err := Decode(b.Bytes(), maxValues)
		if err != nil {
			t.Fatalf("%q of %q: %v", b.Bytes(), payload, err)
		}
		if was, is := show(p.Root()), show(again.Root()); was != is {
			t.Fatalf("%s came back as %s", was, is)
		}
	})
}
