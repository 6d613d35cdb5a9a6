package redisbus

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tinylib/msgp/msgp"
)

// unhex returns the bytes of a text of hexadecimal digits and spaces.
func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestMsgpackValues(t *testing.T) {
	for in, want := range map[string]string{
		// integers, to the last digit
		"00":                                 "0",
		"7f":                                 "127",
		"e0":                                 "-32",
		"ff":                                 "-1",
		"cc ff":                              "255",
		"cd ffff":                            "65535",
		"ce ffffffff":                        "4294967295",
		"cf ffffffffffffffff":                "18446744073709551615",
		"d0 80":                              "-128",
		"d1 8000":                            "-32768",
		"d2 80000000":                        "-2147483648",
		"d3 8000000000000000":                "-9223372036854775808",
		"c0":                                 "null",
		"c2":                                 "false",
		"c3":                                 "true",
		"ca 3fc00000":                        "1.5",
		"cb 3fb999999999999a":                "0.1",
		"cb 8000000000000000":                "0",
		"cb 7ff8000000000000":                "null", // NaN
		"cb fff0000000000000":                "null", // -Infinity
		"ca 7f800000":                        "null",
		"a0":                                 `""`,
		"a3 610a22":                          `"a\u000a\""`,
		"d9 01 61":                           `"a"`,
		"da 0001 61":                         `"a"`,
		"db 00000001 61":                     `"a"`,
		"a4 f09f9880":                        `"😀"`,
		"90":                                 "[]",
		"92 01 91 c0":                        "[1,[null]]",
		"dc 0001 01":                         "[1]",
		"dd 00000001 01":                     "[1]",
		"80":                                 "{}",
		"82 a1 61 01 a1 62 c2":               `{"a":1,"b":false}`,
		"82 a1 61 01 a1 61 02":               `{"a":1,"a":2}`, // the last one counts for JSON.parse
		"de 0001 a1 61 80":                   `{"a":{}}`,
		"df 00000001 a1 61 80":               `{"a":{}}`,
		"84 05 c0 ff c0 c3 c0 c0 c0":         `{"5":null,"-1":null,"true":null,"null":null}`,
		"81 cf ffffffffffffffff c0":          `{"18446744073709551615":null}`,
		"81 c4 01 61 c0":                     `{"a":null}`,
		"81 a1 ff c0":                        `{"` + "\uFFFD" + `":null}`,
		"d4 00 00":                           "null", // undefined
		"d6 ff 6553f100":                     `"2023-11-14T22:13:20.000Z"`,
		"d7 ff 1d5353006553f100":             `"2023-11-14T22:13:20.123Z"`,
		"c7 0c ff 3b8b87c0 ffffffffffffffff": `"1969-12-31T23:59:59.999Z"`,
		"c7 0c ff 00000000 7fffffffffffffff": "null", // no Date
		"c7 0c ff 00000000 0000003afff44180": `"+010000-01-01T00:00:00.000Z"`,
		"c7 0c ff 00000000 fffffff1868b8400": `"0000-01-01T00:00:00.000Z"`,
		"c7 0c ff 00000000 fffffff1868b83ff": `"-000001-12-31T23:59:59.000Z"`,
		"d7 00 0000018bcfe5687b":             `"2023-11-14T22:13:20.123Z"`,
		"d7 00 ffffffffffffffff":             `"1969-12-31T23:59:59.999Z"`,
		"d7 00 001eb208c2dc0000":             `"+275760-09-13T00:00:00.000Z"`, // the last one there is
		"d7 00 001eb208c2dc0001":             "null",
		"c7 09 0d cb 4278bcfe5687b000":       `"2023-11-14T22:13:20.123Z"`,
		"c7 09 0d cb 7ff8000000000000":       "null",
		"c7 09 0d cb 7ff0000000000000":       "null",
		"d4 0d 00":                           `"1970-01-01T00:00:00.000Z"`,
		"c7 05 0d ce 00000001":               `"1970-01-01T00:00:00.001Z"`,
		"93 d6 ff 00000000 d4 00 00 01":      `["1970-01-01T00:00:00.000Z",null,1]`,
	} {
		var r msgpackReader
		rest, reason := r.value(unhex(t, in), 0)
		if string(r.buf) != want || reason != "" || len(rest) > 0 || len(r.attachments) > 0 {
			t.Errorf("%s: %s (%s), %d bytes left, %d attachments, want %s", in, r.buf, reason, len(rest), len(r.attachments), want)
		}
	}
}

func TestMsgpackBinary(t *testing.T) {
	for in, want := range map[string]string{
		"c4 03 0102ff":              "0102ff",
		"c5 0003 0102ff":            "0102ff",
		"c6 00000003 0102ff":        "0102ff",
		"c4 00":                     "",
		"c7 03 00 0102ff":           "0102ff", // a typed array
		"c7 01 00 09":               "09",
		"c7 08 00 0000018bcfe5687b": "0000018bcfe5687b", // with a length it is no Date
		"c8 0003 00 0102ff":         "0102ff",
		"c9 00000003 00 0102ff":     "0102ff",
		"a3 0102ff":                 "0102ff", // a string of old
		"da 0003 0102ff":            "0102ff",
		"a3 eda080":                 "eda080",
	} {
		var r msgpackReader
		rest, reason := r.value(unhex(t, in), 0)
		if string(r.buf) != `{"_placeholder":true,"num":0}` || reason != "" || len(rest) > 0 || len(r.attachments) != 1 {
			t.Errorf("%s: %s (%s), %d attachments", in, r.buf, reason, len(r.attachments))
			continue
		}
		if got := hex.EncodeToString(r.attachments[0]); got != want {
			t.Errorf("%s: attachment %s, want %s", in, got, want)
		}
		text := msgpackReader{textOnly: true}
		if rest, reason := text.value(unhex(t, in), 0); string(text.buf) != "null" || reason != "" || len(rest) > 0 || len(text.attachments) > 0 {
			t.Errorf("%s as text: %s (%s), %d attachments", in, text.buf, reason, len(text.attachments))
		}
	}
}

func TestMsgpackAttachmentIsACopy(t *testing.T) {
	var r msgpackReader
	in := unhex(t, "92 c4 01 aa c4 02 bbcc")
	if _, reason := r.value(in, 0); reason != "" {
		t.Fatal(reason)
	}
	clear(in)
	if want := [][]byte{{0xaa}, {0xbb, 0xcc}}; !slices.EqualFunc(r.attachments, want, bytes.Equal) {
		t.Errorf("attachments %x, want %x", r.attachments, want)
	}
	if want := `[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`; string(r.buf) != want {
		t.Errorf("%s, want %s", r.buf, want)
	}
}

func TestMsgpackDrops(t *testing.T) {
	for want, inputs := range map[DropReason][]string{
		DropMalformed: {
			"", "c1", "91", "92 01", "81", "81 a1 61", "82 a1 61 01", "a1", "d9", "d9 01", "da 00", "db 000000", "c4", "c4 01", "c5 00", "c6 000000",
			"cc", "cd 00", "ce 000000", "cf 00000000000000", "ca 000000", "cb 00000000000000", "d0", "d3 00000000000000",
			// more is announced than there is
			"dd ffffffff", "df ffffffff", "dc ffff 01", "de ffff 01", "db ffffffff", "c6 ffffffff", "c9 ffffffff 00", "df 80000000 01", "9f 01", "8f 0101",
			// what is no key
			"81 90 01", "81 80 01", "81 ca 3fc00000 01", "81 d4 00 00 01",
			// extensions that mean nothing here
			"d4", "d4 00", "d4 01 00", "d5 00 0000", "d6 00 00000000", "d8 00 00000000000000000000000000000000",
			"c7", "c7 00", "c7 02 00 01", "c7 01 12 01", "d4 ff 00", "c7 03 ff 000000",
			"d7 05 0000000000000000", "d7 03 0000000000000000", "c7 01 0d a0", "c7 02 0d 0000", "c7 00 0d", "c7 09 0d cf ffffffffffffffff",
			strings.Repeat("91", maxMsgpackDepth) + "90", strings.Repeat("81 00", maxMsgpackDepth) + "80", strings.Repeat("91", 1<<20),
		},
		DropBinary: {"9b" + strings.Repeat("c4 01 00", 11)},
	} {
		for _, in := range inputs {
			var r msgpackReader
			if _, reason := r.value(unhex(t, in), 0); reason != want {
				t.Errorf("%.100s: %.100s (%s), want %s", in, r.buf, reason, want)
			}
		}
	}
}

func TestMsgpackBounds(t *testing.T) {
	var r msgpackReader
	if rest, reason := r.value(unhex(t, strings.Repeat("91", maxMsgpackDepth-1)+"90"), 0); reason != "" || len(rest) > 0 {
		t.Errorf("%d lists in each other: %s", maxMsgpackDepth, reason)
	}
	r = msgpackReader{}
	if _, reason := r.value(unhex(t, "9a"+strings.Repeat("c4 01 00", 10)), 0); reason != "" {
		t.Errorf("10 attachments: %s", reason)
	}
	r = msgpackReader{limit: 1000}
	if _, reason := r.value(unhex(t, "dc ffff"+strings.Repeat("c2", 0xffff)), 0); reason != DropTooLarge || len(r.buf) > 1010 {
		t.Errorf("65535 times false: %s, %d bytes", reason, len(r.buf))
	}
	// A string is written in its length or not at all.
	for _, s := range []string{"\x01", "\"", "\xff", "x"} {
		value := msgp.AppendString(nil, strings.Repeat(s, 4<<20))
		for _, in := range [][]byte{value, slices.Concat([]byte{0x81}, value, []byte{0})} {
			r := msgpackReader{limit: 3 << 20}
			var reason DropReason
			if n := allocated(func() { _, reason = r.value(in, 0) }); s != "\xff" && reason != DropTooLarge || len(r.buf) > 100 || n > 5<<20 {
				t.Errorf("%q many times: %s, %d bytes, %d allocated", s, reason, len(r.buf), n)
			}
		}
	}
	for s, size := range map[string]int{"x": 1, "\"": 2, "é": 2, "\x01": 6} {
		for limit, want := range map[int]DropReason{1000*size + 2: "", 1000*size + 1: DropTooLarge} {
			r := msgpackReader{limit: limit}
			if _, reason := r.value(msgp.AppendString(nil, strings.Repeat(s, 1000)), 0); reason != want {
				t.Errorf("1000 times %q within %d bytes: %s", s, limit, reason)
			}
		}
	}
	// What is announced allocates nothing.
	for _, in := range []string{"dd ffffffff", "df ffffffff", "db ffffffff", "c6 ffffffff", "c9 ffffffff 00"} {
		b := unhex(t, in)
		if n := testing.AllocsPerRun(100, func() {
			var r msgpackReader
			r.value(b, 0)
		}); n > 2 {
			t.Errorf("%s: %v allocations", in, n)
		}
	}
}

// FuzzMsgpackReader compares with what the library understands.
func FuzzMsgpackReader(f *testing.F) {
	for _, s := range []string{"92 01 91 c0", "82 a1 61 01 a1 61 02", "d7 ff 1d5353006553f100", "c7 09 0d cb 4278bcfe5687b000", "81 a1 61 92 c4 02 01ff a2 c3a9"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var r msgpackReader
		rest, reason := r.value(in, 0)
		if reason != "" {
			return
		}
		if !json.Valid(r.buf) {
			t.Fatalf("%q is no JSON", r.buf)
		}
		after, err := msgp.Skip(in)
		if err != nil || !bytes.Equal(after, rest) {
			t.Fatalf("%d bytes left, want %d (%v)", len(rest), len(after), err)
		}
	})
}
