package pickle

import (
	"errors"
	"runtime"
	"strings"
	"testing"
)

// maxValues is what pickles may make here.
const maxValues = 1 << 20

// TestStringsAreReadOnce: what a string says is found out by Decode, and not each time that it is asked for. It can be asked for as often as
// it stands in the pickle, which takes a few bytes each time.
func TestStringsAreReadOnce(t *testing.T) {
	for payload, want := range map[string]string{
		"V\\u00e9a\n": "éa", "V\xe9\n": "é", "Vplain\n": "plain", "S'\\x61b'\n": "ab", "S'plain'\n": "plain", "S'\\xff'\n": "\xff",
		"U\x02ab": "ab", "U\x01\xff": "\xff", "T\x01\x00\x00\x00\xff": "\xff", "\x8c\x01a": "a",
	} {
		p, err := Decode([]byte("("+payload+"p0\nV\\u0041\nS'\\x42'\ng0\nt."), maxValues)
		if err != nil {
			t.Fatal(err)
		}
		var values []Value
		var texts [][]byte
		for v := range p.Root().Elements() {
			values, texts = append(values, v), append(texts, v.Bytes())
		}
		for i, want := range []string{want, "A", "B", want} {
			if string(texts[i]) != want {
				t.Errorf("%q: string %d is %q after all were asked for, want %q", payload, i, texts[i], want)
			}
		}
		if &texts[0][0] != &texts[3][0] || values[0] != values[3] {
			t.Errorf("%q: is another string the second time", payload)
		}
	}
}

// TestTooMuch: the machine stops before it makes more than a pickle may have.
func TestTooMuch(t *testing.T) {
	const n = 2 << 20
	for name, payload := range map[string]string{
		"lists":      "](" + strings.Repeat("]", n) + "e.",
		"values":     "](" + strings.Repeat("N", n) + "e.",
		"references": "]p0\n(" + strings.Repeat("h\x00", n) + "l.",
		"strings":    "](" + strings.Repeat("U\x00", n) + "e.",
		"marks":      strings.Repeat("(", n) + "l.",
		"memo":       "N" + strings.Repeat("\x94", n) + ".",
		"indexes":    "N" + strings.Repeat("r\xff\xff\xff\xff", n) + ".",
	} {
		var err error
		if n := allocated(func() { _, err = Decode([]byte(payload), maxValues) }); !errors.Is(err, ErrTooLarge) || n > uint64(len(payload))+1<<20 {
			t.Errorf("%s: %d bytes allocated for %d, %v", name, n, len(payload), err)
		}
	}
}

// TestCost: what doc.go says of the memory that a pickle takes.
func TestCost(t *testing.T) {
	for name, op := range map[string]string{
		"lists":  "]]a",
		"values": "NN", "dicts in the memo": "}\x94", "strings": "U\x00U\x00", "strings in the memo": "U\x00\x94", "lines": "V\n", "escapes": "V\xff\n",
		"tuples": "N\x85",
	} {
		for _, n := range []int{1000, 50_000, maxValues/2 - 2} {
			payload := []byte("](" + strings.Repeat(op, n) + "e.")
			var err error
			taken := allocated(func() { _, err = Decode(payload, maxValues) })
			if limit := min(64*len(payload), 2*len(payload)+64*maxValues); taken > uint64(limit) || err != nil {
				t.Errorf("%d %s: %d bytes allocated for %d, want at most %d (%v)", n, name, taken, len(payload), limit, err)
			}
		}
	}
}

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
