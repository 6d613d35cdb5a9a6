package redisbus

import (
	"encoding/json"
	"math"
	"testing"
	"unicode/utf8"
)

func TestArgWriterFloat(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0", math.Copysign(0, -1): "0", 1: "1", -1.5: "-1.5", 1e20: "100000000000000000000", 1e21: "1e+21", 1e-6: "0.000001", 1e-7: "1e-07",
		math.Inf(1): "null", math.NaN(): "null",
	} {
		var w argWriter
		if w.float(f); string(w.buf) != want {
			t.Errorf("%v: %s, want %s", f, w.buf, want)
		}
	}
}

func FuzzArgWriterText(f *testing.F) {
	for _, s := range []string{"", "a\"\\\n\x00\x7f", "\u2028é日\U0001f389", "\xff", "a\xe2\x82", "\ufffd"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		var w argWriter
		w.text(s)
		var got string
		if err := json.Unmarshal(w.buf, &got); err != nil {
			t.Fatalf("%q: %v", w.buf, err)
		}
		if !utf8.Valid(w.buf) || got != string([]rune(string(s))) {
			t.Fatalf("%q came back as %q", s, got)
		}
	})
}
