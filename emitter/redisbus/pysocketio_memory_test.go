package redisbus

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ws-emit/ws-emit/emitter"
)

// payloadCost is how much memory a payload may cost in times of itself, all that is allocated and let go of counted. A pickle may cost in
// addition what is written for it.
const payloadCost = 64

func checkAllocated(t *testing.T, name string, payload []byte) {
	t.Helper()
	dst := make([]emitter.Message, 0, 1)
	for _, limits := range []emitter.Limits{{}, {MaxBytes: -1, MaxRooms: -1}} {
		n := allocated(func() { decodePython(dst, published{body: payload}, &rules{limits: limits, pickle: true}) })
		limit := uint64(payloadCost * (len(payload) + 1<<10))
		if looksPickled(payload) {
			limit += 3 * uint64(pickleBudget(limits, len(payload)))
		}
		if n > limit {
			t.Errorf("%s, %d bytes: %d bytes allocated, want at most %d", name, len(payload), n, limit)
		}
	}
}

// TestDecodePythonMemory: what is far too much is dropped before it is taken apart.
func TestDecodePythonMemory(t *testing.T) {
	for name, text := range map[string]string{
		"arguments":     python(`"data": [0` + strings.Repeat(",0", 1<<20) + `]`),
		"less":          python(`"data": [0` + strings.Repeat(",0", 1<<19) + `]`),
		"binary":        python(`"binary": true, "data": [[0` + strings.Repeat(",0", 1<<19) + `]]`),
		"rooms":         python(`"room": [0` + strings.Repeat(",0", 100_000) + `]`),
		"skip_sid":      python(`"skip_sid": [0` + strings.Repeat(",0", 100_000) + `]`),
		"not a number":  python(`"data": [NaN` + strings.Repeat(",NaN", 1<<19) + `]`),
		"infinite room": python(`"room": [0` + strings.Repeat(",-Infinity", 100_000) + `]`),
	} {
		var reason DropReason
		if n := allocated(func() { _, reason, _ = decodePython(nil, published{body: []byte(text)}, &rules{}) }); reason == "" || n > 5*uint64(len(text)) {
			t.Errorf("%s: %q, %d bytes allocated for %d", name, reason, n, len(text))
		}
	}
}

// TestSharedKeys: what stands in a pickle once and is used many times is read once. (Where it is read each time, this takes minutes.)
func TestSharedKeys(t *testing.T) {
	const n = 128 << 10
	for name, key := range map[string]string{
		"S": "S'" + strings.Repeat("a", n) + "'\n", "escaped S": "S'" + strings.Repeat(`\n`, n/2) + "'\n", "V": "V" + strings.Repeat("a", n) + "\n",
		"T": "T\x00\x00\x02\x00" + strings.Repeat("a", n), "X": "X\x00\x00\x02\x00" + strings.Repeat("a", n),
	} {
		for where, program := range map[string]string{
			"keys": "}(" + key + "q\x01N" + strings.Repeat("h\x01N", n/4) + "u.",
			"room": pickledEmit("NsVroom\n(" + key + "q\x01" + strings.Repeat("h\x01", n/4) + "l"),
			"data": pickledEmit("(" + key + "q\x01" + strings.Repeat("h\x01", n/4) + "l"),
		} {
			if got, reason, _ := decodePython(nil, published{body: []byte(program)}, &rules{pickle: true}); len(got) > 0 || reason == "" {
				t.Errorf("%s as %s: %s, %d messages", name, where, reason, len(got))
			}
		}
	}
}

// TestSharedTextIsDelivered: a small pickle of a large message is as good as any.
func TestSharedTextIsDelivered(t *testing.T) {
	reason := strings.Repeat("because ", 20)
	for rows, text := range map[int]string{1000: reason, 100: strings.Repeat(reason, 30), 10: strings.Repeat(reason, 300)} {
		data := "(Vreason\np0\n0V" + text + "\np1\n0" + strings.Repeat("}g0\ng1\ns", rows) + "l"
		payload := pickledEmit(data)
		got, drop, _ := decodePython(nil, published{body: []byte(payload)}, &rules{pickle: true})
		if len(got) != 1 || drop != "" || got[0].Size() < int64(rows*len(text)) {
			t.Errorf("%d rows with %d bytes each in a pickle of %d: %s", rows, len(text), len(payload), drop)
		}
	}
}

// greedy are pickles that make as much as they can out of little, as the data of an emit or as its room.
func greedy() map[string]string {
	laughs := "]p0\n"
	for i := range 40 {
		laughs += fmt.Sprintf("0(g%d\ng%d\nlp%d\n", i, i, i+1)
	}
	shared := func(value, get string, n int) string { return value + "p0\n0(" + strings.Repeat(get, n) + "l" }
	long := strings.Repeat("x", 5000)
	return map[string]string{
		"laughs":             laughs,
		"lists":              "(" + strings.Repeat("]", 100_000) + "l",
		"tuples":             "(" + strings.Repeat(")", 100_000) + "t",
		"arguments":          "(" + strings.Repeat("N", 100_000) + "t",
		"dicts":              "(" + strings.Repeat("}", 100_000) + "l",
		"dict":               "(" + strings.Repeat("N", 100_000) + "d",
		"stack":              strings.Repeat("N", 100_000),
		"marks":              strings.Repeat("(", 100_000),
		"memo":               "N" + strings.Repeat("\x94", 100_000),
		"lists in memo":      "(" + strings.Repeat("]\x94", 100_000) + "l",
		"nested":             strings.Repeat("]", 100_000) + strings.Repeat("a", 100_000),
		"index":              "N" + strings.Repeat("r\xff\xff\xff\xff", 1000),
		"indexes":            "N" + manyIndexes(20_000),
		"string":             shared("V"+long+"\n", "h\x00", 2000),
		"escaped string":     shared("V"+strings.Repeat("\\u0000", 1000)+"\n", "h\x00", 2000),
		"string of Python 2": shared("S'"+strings.Repeat("\\x00", 1000)+"'\n", "h\x00", 2000),
		"half pairs":         shared("X\x88\x13\x00\x00"+strings.Repeat("\xed\xa0\x80a", 1250), "h\x00", 2000),
		"escapes":            "V" + strings.Repeat("\x01", 100_000) + "\n",
		"strings":            "(" + strings.Repeat("\x8c\x00", 100_000) + "l",
		"integer":            shared("\x8a\xff"+strings.Repeat("y", 255), "h\x00", 2000),
		"digits":             shared("L"+strings.Repeat("9", 4300)+"\n", "h\x00", 2000),
		"floats":             "(" + strings.Repeat("F1\n", 50_000) + "l",
		"long floats":        shared("G\x80\x10\x00\x00\x00\x00\x00\x01", "h\x00", 2000),
		"bytes":              shared("B\x88\x13\x00\x00"+long, "h\x00", 10),
		"bytes of Python 2":  shared("S'\\xff"+long+"'\n", "h\x00", 10),
		"keys":               "}(" + strings.Repeat("NN", 50_000) + "u",
		"shared keys":        "V" + long + "\np0\n0}(" + strings.Repeat("h\x00N", 2000) + "u",
		"float keys":         "G\x80\x10\x00\x00\x00\x00\x00\x01p0\n0}(" + strings.Repeat("h\x00N", 2000) + "u",
		"announced":          "X\xff\xff\xff\x7f",
		"announced more":     "\x8d\xff\xff\xff\xff\xff\xff\xff\x7f",
		"integers":           "(" + strings.Repeat("K\x01", 100_000) + "l",
		"short string":       shared("V"+long[:200]+"\n", "h\x00", 50_000),
		"empty string":       shared("V\n", "h\x00", 50_000),
		"str of Python 2":    "(" + strings.Repeat("U\x01a", 50_000) + "l",
		"empty str":          "(" + strings.Repeat("U\x00", 50_000) + "l",
		"binary str":         "(" + strings.Repeat("U\x01\xff", 50_000) + "l",
		"quoted str":         "(" + strings.Repeat("S''\n", 50_000) + "t",
		"Latin-1":            "(" + strings.Repeat("V\xff\n", 50_000) + "l",
		"many integers":      shared("\x8a\xff"+strings.Repeat("y", 255), "h\x00", 100_000),
	}
}

// manyIndexes remembers the top of the stack under n indexes that are far apart.
func manyIndexes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "r%c%c\xff\xff", i>>8, i&0x7f)
	}
	return b.String()
}

// TestPickleMemory: nobody can make the server allocate much with little.
func TestPickleMemory(t *testing.T) {
	for name, value := range greedy() {
		checkAllocated(t, name+" as data", []byte(pickledEmit(value)))
		checkAllocated(t, name+" as room", []byte(pickledEmit("NsVroom\n"+value))) // skip_sid is read in the same way
	}
	vectors := readVectors[pickleVector](t, "python-pickle.json")
	for _, v := range vectors {
		checkAllocated(t, fmt.Sprintf("vector %d", v.ID), v.Payload)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		checkAllocated(t, "mutation", mutate(random, vectors[random.IntN(len(vectors))].Payload))
		checkAllocated(t, "program", program(random))
	}
}

// mutate changes, moves and repeats some bytes.
func mutate(random *rand.Rand, payload []byte) []byte {
	payload = slices.Clone(payload)
	for range 1 + random.IntN(4) {
		i, j := random.IntN(len(payload)), random.IntN(len(payload))
		switch random.IntN(3) {
		case 0:
			payload[i] = byte(random.Uint32())
		case 1:
			payload[i] = payload[j]
		case 2:
			payload = slices.Insert(payload, i, payload[min(i, j):max(i, j)]...)
		}
	}
	return payload
}

// program returns an emit with data of random opcodes that mostly work.
func program(random *rand.Rand) []byte {
	ops := []string{"N", "]", ")", "}", "(", "(", "l", "t", "\x85", "\x86", "a", "s", "e", "u", "\x94", "h\x00", "h\x01", "h\x02", "h\x03", "K\x01",
		"\x8c\x02ab", "C\x01\xff"}
	var b strings.Builder
	b.WriteString("]p0\n](")
	for range random.IntN(400) {
		b.WriteString(ops[random.IntN(len(ops))])
	}
	b.WriteString("l")
	return []byte(pickledEmit(b.String()))
}
