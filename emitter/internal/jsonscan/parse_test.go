package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// texts are seeds: what is JSON, what nearly is, and what only Python takes for it.
var texts = []string{
	``, ` `, `null`, ` true `, `false`, `nul`, `nulll`, `tru}`, `0`, `-0`, `01`, `-`, `+1`, `1.`, `.5`, `1.5e`, `1.5e+`, `-1.25E-10`, `1e5`, `1 2`, `0x1`, `1e5.5`,
	`""`, `"`, `"a`, `"\`, `"\"`, `"\\"`, `"\u00e4\n\/"`, `"\u00g0"`, `"\u00`, `"\x"`, "\"\t\"", "\"\x7f\"", `"gr\u00fc\u00dfe, 12345678901234567890"`, "\"gr\xc3\xbc\xc3\x9fe\"",
	"\"\xff\"", "\"12345678\xc3\"", "\xff", "\"\xed\xa0\x80\"", `"\ud800"`, `"\ud83d\ude00"`, `"\ude00\ud83d"`, `"\ud83d\n"`, `"\\ud800"`,
	`[]`, `[ ]`, `[`, `]`, `[1`, `[1,`, `[1,]`, `[,1]`, `[1 2]`, `[1}`, `[1]]`, ` [ 1 , "a b" , [ ] , { } ] `, `[[[[]]]]`, `[[]`,
	`{}`, `{ }`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{"a" 1}`, `{a:1}`, `{"a":1]`, `{1:2}`, `{"a":1,"a":{"b":[1,{"c":null}]},"\u0061":2}`, `{"a":1}{`,
	"{\n\t\"event\": \"update\",\r\n\t\"data\": [1, {\"x\": \"a  b\"}]\n}", strings.Repeat("[", 65) + strings.Repeat("]", 65),
	strings.Repeat(`{"a":[`, 100) + strings.Repeat("]}", 100), strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth),
	strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), `[` + strings.Repeat(`{"k":`, 64) + `1` + strings.Repeat("}", 64) + `]`,
	`NaN`, `[NaN, Infinity, -Infinity, "NaN"]`, `-NaN`, `NaNNaN`, `Infinity1`, `{NaN:1}`, `-Inf`, `N`, `[1,NaN,2]`,
}

// valid is what Parse should accept.
func valid(text []byte) bool { return json.Valid(text) && utf8.Valid(text) }

func checkParse(t *testing.T, text []byte) {
	t.Helper()
	before := bytes.Clone(text)
	v, fault := Parse(text, JSON)
	if (fault == nil) != valid(text) {
		t.Fatalf("%.200q: %v", text, fault)
	}
	if python, faultOfPython := Parse(text, Python); fault == nil && (faultOfPython != nil || !reflect.DeepEqual(v, python)) {
		t.Fatalf("%.200q: %v as Python", text, faultOfPython)
	}
	if Kind(text) == '{' {
		checkParseMembers(t, text, v, fault)
	}
	if fault != nil {
		var syntax *json.SyntaxError
		var raw json.RawMessage
		if utf8.Valid(text) && (!errors.As(json.Unmarshal(text, &raw), &syntax) || fault.Offset != int(syntax.Offset) || fault.Encoding) {
			t.Fatalf("%.200q: %v, want byte %v", text, fault, syntax)
		}
		return
	}
	if want := bytes.Trim(text, " \t\r\n"); !bytes.Equal(v.Raw, want) || cap(v.Raw) != len(v.Raw) {
		t.Fatalf("%.200q: value %q", text, v.Raw)
	}
	var want bytes.Buffer
	if err := json.Compact(&want, text); err != nil {
		t.Fatal(err)
	}
	if got := v.Compact(); !bytes.Equal(got, want.Bytes()) || !bytes.Equal(text, before) {
		t.Fatalf("%.200q: compact %q", text, got)
	}
	walkAll(t, v)
	if got := v.CompactInPlace(); !bytes.Equal(got, want.Bytes()) {
		t.Fatalf("%.200q: compact in place %q", before, got)
	}
}

// checkParseMembers compares the two ways to take an object apart.
func checkParseMembers(t *testing.T, text []byte, v Value, fault *SyntaxError) {
	t.Helper()
	var got, want []Value
	faultOfMembers := ParseMembers(text, JSON, func(key, value Value) { got = append(got, key, value) })
	if !reflect.DeepEqual(fault, faultOfMembers) {
		t.Fatalf("%.200q: %v, and %v for its members", text, fault, faultOfMembers)
	}
	if fault != nil {
		return
	}
	for key, value := range v.Members() {
		want = append(want, key, value)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%.200q: members %v", text, got)
	}
}

// walkAll compares what a value is taken apart into, one level deep, with what encoding/json makes of it.
func walkAll(t *testing.T, v Value) {
	t.Helper()
	switch v.Kind() {
	case '[':
		var want, got []json.RawMessage
		if err := json.Unmarshal(v.Raw, &want); err != nil {
			t.Fatal(err)
		}
		for e := range v.Elements() {
			got = append(got, e.Raw)
		}
		if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("%.200q: elements %q", v.Raw, got)
		}
	case '{':
		var want map[string]json.RawMessage
		if err := json.Unmarshal(v.Raw, &want); err != nil {
			t.Fatal(err)
		}
		got := make(map[string]json.RawMessage) // the last one of equal keys counts
		for key, value := range v.Members() {
			var name string
			if err := json.Unmarshal(key.Raw, &name); err != nil {
				t.Fatal(err)
			}
			got[name] = value.Raw
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%.200q: members %q", v.Raw, got)
		}
	case '"':
		var want string
		if err := json.Unmarshal(v.Raw, &want); err != nil {
			t.Fatal(err)
		}
		// encoding/json writes U+FFFD for half of a pair.
		if got, ok := v.Text(); ok && got != want || !ok && !strings.Contains(want, "\uFFFD") {
			t.Fatalf("%.200q: text %q, %v", v.Raw, got, ok)
		}
	}
}

func TestParse(t *testing.T) {
	for _, text := range texts {
		checkParse(t, []byte(text))
		// A string is looked at by eight bytes: nothing depends on where it begins.
		for shift := range 9 {
			checkParse(t, []byte(`["`+strings.Repeat("x", shift)+`",`+text+`]`))
		}
	}
}

func TestParse_Encoding(t *testing.T) {
	for text, want := range map[string]SyntaxError{
		"\"12345678\xc3\"":          {10, true},
		"[\"gr\xc3\xbc\xff\"]":      {7, true},
		"\"\xed\xa0\x80\"":          {2, true},
		"[1, \xff]":                 {5, false},
		"\"\xff\x01\"":              {3, false},
		"{\"a\": 1, \"b\xc3\": 2}":  {12, true},
		"{\"secret\": NaN, \"\xff}": {18, false},
	} {
		if _, fault := Parse([]byte(text), Python); fault == nil || fault.Encoding != want.Encoding || want.Encoding && fault.Offset != want.Offset {
			t.Errorf("%q: %v, want %v", text, fault, &want)
		}
	}
}

func TestParsePython(t *testing.T) {
	for text, want := range map[string]string{
		`NaN`: `null`, `-Infinity`: `null`, `[NaN,Infinity,-Infinity,"NaN"]`: `[null,null,null,"NaN"]`, ` [ -1, NaN ]`: `[-1,null]`,
		`{"a": {"NaN": -Infinity}, "b": "Infinity"}`: `{"a":{"NaN":null},"b":"Infinity"}`,
		`-NaN`: ``, `NaNNaN`: ``, `Infinity1`: ``, `{NaN:1}`: ``, `-Inf`: ``, `N`: ``, `+Infinity`: ``, `[NaN`: ``,
	} {
		v, fault := Parse([]byte(text), Python)
		if (fault == nil) != (want != "") || string(v.Compact()) != want || string(v.CompactInPlace()) != want {
			t.Errorf("%s: %s, %v, want %s", text, v.Compact(), fault, want)
		}
		if _, fault := Parse([]byte(text), JSON); fault == nil {
			t.Errorf("%s is JSON", text)
		}
	}
}

func TestChars(t *testing.T) {
	for text, want := range map[string]string{
		`"a"`: "a", `""`: "", `"\u00e4\n"`: "ä\n", `"\ud83d\ude00"`: "😀", `"\\ud800"`: `\ud800`, "\"\uFFFD\"": "\uFFFD", `"\ufffd"`: "\uFFFD",
		`"\ud800"`: "!", `"\ude00\ud83d"`: "!", `"\ud83dx"`: "!", `"\ud83d\n"`: "!", `1`: "!", `null`: "!", `["a"]`: "!",
	} {
		v, fault := Parse([]byte(text), JSON)
		if got, ok := v.Text(); fault != nil || ok != (want != "!") || ok && got != want {
			t.Errorf("%s: %q, %v, %v", text, got, ok, fault)
		}
	}
	if chars, ok := (Value{}).Chars(); ok || chars != nil || !(Value{}).IsNull() || (Value{}).Kind() != 0 || (Value{}).Compact() != nil {
		t.Error("a value that is not there is something")
	}
}

func TestInteger(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "-0": "0", "12": "12", "-12345678901234567890": "-12345678901234567890", "1.0": "", "1e2": "", "-1E2": "", "NaN": "", "-Infinity": "", "Infinity": "",
		"true": "", `"1"`: "", "null": "", "[1]": "",
	} {
		v, fault := Parse([]byte(text), Python)
		if got, ok := v.Integer(); fault != nil || ok != (want != "") || got != want {
			t.Errorf("%s: %q, %v, %v", text, got, ok, fault)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { checkParse(t, text) })
}

// FuzzParsePython: what Python takes is JSON once it is compact.
func FuzzParsePython(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, fault := Parse(text, Python)
		if fault == nil && !valid(v.Compact()) {
			t.Fatalf("%q: %q", text, v.Compact())
		}
	})
}

// message is 324 bytes, as python-socketio writes them.
var message = []byte(`{"method": "emit", "event": "update", "data": [{"time":1700000000, "user":"someone", "text":"a line of text that somebody has typed, ` +
	`of about that length", "tags":["one", "two", null, true]}], "binary": false, "namespace": "/", "room": "time", "skip_sid": null, "callback": null, ` +
	`"host_id": "456834243bee448baec31a44f302c928"}`)

func TestNoAllocations(t *testing.T) {
	n := testing.AllocsPerRun(100, func() {
		v, _ := Parse(message, JSON)
		for key, value := range v.Members() {
			_, _ = key.Chars()
			if value.Kind() == '[' {
				for range value.Elements() {
				}
			}
		}
		lists := 0
		ParseMembers(message, Python, func(key, value Value) {
			if value.Kind() == '[' {
				lists++
			}
		})
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkParse(b *testing.B) {
	for name, valid := range map[string]func() bool{
		"Parse":         func() bool { _, fault := Parse(message, JSON); return fault == nil },
		"encoding-json": func() bool { return valid(message) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(message)))
			for b.Loop() {
				if !valid() {
					b.Fatal("not valid")
				}
			}
		})
	}
}

func BenchmarkParseMembers(b *testing.B) {
	b.SetBytes(int64(len(message)))
	for b.Loop() {
		if ParseMembers(message, Python, func(_, _ Value) {}) != nil {
			b.Fatal("not valid")
		}
	}
}

func BenchmarkCompact(b *testing.B) {
	b.SetBytes(int64(len(message)))
	v, _ := Parse(message, JSON)
	for b.Loop() {
		v.Compact()
	}
}
