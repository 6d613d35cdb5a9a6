package pickle

import (
	"encoding/binary"
	"math"
)

// Decode runs a pickle that may make up to maxValues values, each counted as often as it stands somewhere. It bounds as well, each by itself, the
// values that are pushed on the way, the marks and the values that are remembered. The result refers to b, which must not be changed while
// it is used.
func Decode(b []byte, maxValues int) (*Pickle, error) {
	if len(b) > maxLen {
		return nil, tooLarge("longer than 1 GiB")
	}
	maxValues = min(maxValues, math.MaxInt32)
	n, err := count(b, maxValues)
	if err != nil {
		return nil, err
	}
	m := &machine{p: Pickle{b: b, maxValues: maxValues}}
	m.stack, m.marks, m.memo = room(m.stackSpace[:], n.values), room(m.markSpace[:], n.marks), m.memoSpace[:0]
	m.p.items, m.p.containers, m.p.texts = room(m.p.itemSpace[:], n.values), room(m.p.containerSpace[:], n.containers), room([]text(nil), n.texts)
	if err := m.run(); err != nil {
		return nil, err
	}
	if _, _, err := m.p.measure(m.p.root, 1); err != nil {
		return nil, err
	}
	return &m.p, nil
}

// counts is how much a pickle makes at most.
type counts struct{ values, containers, texts, marks, memos int }

// count goes over the opcodes up to STOP and executes none. That they are known, not too many, and their arguments complete, is so before
// anything is allocated, and everything is allocated only once: a slice that grows by append costs five times what is in it.
func count(b []byte, most int) (n counts, err error) {
	for i := 0; i < len(b); {
		_, end, err := argumentAt(b, i)
		if err != nil {
			return n, err
		}
		switch opcode(b[i]) {
		case opStop:
			return n, nil
		case opMark:
			n.marks++
		case opEmptyList, opEmptyTuple, opEmptyDict, opList, opTuple, opDict, opTuple1, opTuple2, opTuple3:
			n.containers++
			n.values++
		case opUnicode, opString, opBinString, opShortBinString:
			n.texts++
			n.values++
		case opPut, opBinPut, opLongBinPut, opMemoize:
			n.memos++
		case opProto, opFrame, opPop, opAppend, opAppends, opSetItem, opSetItems:
		default:
			n.values++
		}
		if max(n.values, n.marks, n.memos) > most {
			return n, tooLarge("too many values")
		}
		i = end
	}
	return n, malformed("it has no end")
}

// room returns an empty slice with room for n elements, in space if that is enough.
func room[T any](space []T, n int) []T {
	if n <= len(space) {
		return space[:0]
	}
	return make([]T, 0, n)
}

// machine runs the opcodes of a pickle.
type machine struct {
	p     Pickle
	stack []ref
	// marks are the heights that the stack had at the marks. What is below the last one is out of reach.
	marks []uint32
	// memo are the values by index, noRef where there is none. A value whose index was larger than the place where it stood is in far
	// instead: the pickler counts up from 0, so nobody but an attacker has any, and a gap costs memory.
	memo     []ref
	far      map[uint32]ref
	memoized int // values in memo and far

	// What a small pickle needs, in one piece.
	stackSpace [40]ref
	markSpace  [8]uint32
	memoSpace  [32]ref
}

const noRef = ref(math.MaxUint32)

func (m *machine) run() error {
	b := m.p.b
	for i := 0; i < len(b); {
		arg, end, err := argumentAt(b, i)
		if err != nil {
			return err
		}
		if opcode(b[i]) == opStop {
			return m.stop(end)
		}
		if err := m.step(opcode(b[i]), arg, i, end); err != nil {
			return err
		}
		i = end
	}
	return malformed("it has no end")
}

// stop takes the result.
func (m *machine) stop(end int) error {
	if len(m.stack) != 1 || len(m.marks) > 0 {
		return malformed("it does not end with one value")
	}
	if end != len(m.p.b) {
		return malformed("it goes on after its end")
	}
	m.p.root = m.stack[0]
	return nil
}

// step executes the opcode from i up to end.
func (m *machine) step(op opcode, arg []byte, i, end int) error {
	switch op {
	case opProto:
		if i != 0 || arg[0] < 2 || arg[0] > 5 {
			return malformed("protocol is not 2 to 5, or not at the begin")
		}
		return nil
	case opFrame:
		if binary.LittleEndian.Uint64(arg) > uint64(len(m.p.b)-end) {
			return malformed("a frame is cut off")
		}
		return nil
	case opMark:
		m.marks = append(m.marks, uint32(len(m.stack)))
		return nil
	case opPop:
		_, err := m.pop(1)
		return err
	case opEmptyList, opEmptyTuple, opEmptyDict:
		return m.collect(op, nil)
	case opTuple1, opTuple2, opTuple3:
		items, err := m.pop(int(op-opTuple1) + 1)
		if err != nil {
			return err
		}
		return m.collect(op, items)
	case opList, opTuple, opDict:
		items, err := m.popMark()
		if err != nil {
			return err
		}
		return m.collect(op, items)
	case opAppend, opAppends, opSetItem, opSetItems:
		return m.fill(op)
	case opPut, opBinPut, opLongBinPut, opMemoize:
		return m.put(op, arg, i)
	case opGet, opBinGet, opLongBinGet:
		return m.get(arg, op == opGet)
	}
	r := ref(i)
	switch op {
	case opUnicode, opString, opBinString, opShortBinString:
		t, err := m.p.readText(op, arg, end)
		if err != nil {
			return err
		}
		r = ref(len(m.p.texts)) | textBit
		m.p.texts = append(m.p.texts, t)
	default:
		if err := checkScalar(op, arg); err != nil {
			return err
		}
	}
	m.push(r)
	return nil
}

func (m *machine) push(r ref) { m.stack = append(m.stack, r) }

// reachable returns the number of values above the last mark.
func (m *machine) reachable() int {
	if len(m.marks) == 0 {
		return len(m.stack)
	}
	return len(m.stack) - int(m.marks[len(m.marks)-1])
}

var errUnderflow = malformed("a value is missing on the stack")

// pop takes n values from the stack. They stand until something is pushed.
func (m *machine) pop(n int) ([]ref, error) {
	if m.reachable() < n {
		return nil, errUnderflow
	}
	rest := len(m.stack) - n
	items := m.stack[rest:]
	m.stack = m.stack[:rest]
	return items, nil
}

// popMark takes the last mark and what is above it.
func (m *machine) popMark() ([]ref, error) {
	if len(m.marks) == 0 {
		return nil, malformed("a mark is missing on the stack")
	}
	items, err := m.pop(m.reachable())
	m.marks = m.marks[:len(m.marks)-1]
	return items, err
}

// collect pushes a new container of items.
func (m *machine) collect(op opcode, items []ref) error {
	kind := Tuple
	switch op {
	case opEmptyList, opList:
		kind = List
	case opEmptyDict, opDict:
		kind = Dict
	}
	r := ref(len(m.p.containers)) | containerBit
	m.p.containers = append(m.p.containers, container{kind: kind})
	if err := m.p.extend(r, items); err != nil {
		return err
	}
	m.push(r)
	return nil
}

// fill puts values that are on the stack into the list or dict below them, which stays there.
func (m *machine) fill(op opcode) (err error) {
	var items []ref
	kind := List
	switch op {
	case opAppend:
		items, err = m.pop(1)
	case opSetItem:
		items, err = m.pop(2)
		kind = Dict
	case opAppends:
		items, err = m.popMark()
	case opSetItems:
		items, err = m.popMark()
		kind = Dict
	}
	if err != nil {
		return err
	}
	if m.reachable() < 1 {
		return errUnderflow
	}
	r := m.stack[len(m.stack)-1]
	if r&containerBit == 0 || m.p.container(r).kind != kind {
		return malformed("what is appended to is no list, or what an item is set in no dict")
	}
	return m.p.extend(r, items)
}

// put remembers the top of the stack.
func (m *machine) put(op opcode, arg []byte, i int) error {
	if m.reachable() < 1 {
		return errUnderflow
	}
	index := uint32(m.memoized)
	if op != opMemoize {
		var ok bool
		if index, ok = memoIndex(arg, op == opPut); !ok {
			return malformed("the index of a memo is no number")
		}
	}
	r := m.stack[len(m.stack)-1]
	if _, known := m.far[index]; known || int64(index) > int64(i) {
		if !known {
			m.memoized++
		}
		if m.far == nil {
			m.far = make(map[uint32]ref)
		}
		m.far[index] = r
		return nil
	}
	for int(index) >= len(m.memo) {
		m.memo = append(m.memo, noRef)
	}
	if m.memo[index] == noRef {
		m.memoized++
	}
	m.memo[index] = r
	return nil
}

// get pushes what is remembered.
func (m *machine) get(arg []byte, decimal bool) error {
	index, ok := memoIndex(arg, decimal)
	if !ok {
		return malformed("the index of a memo is no number")
	}
	r, known := m.far[index]
	if !known {
		if int64(index) >= int64(len(m.memo)) || m.memo[index] == noRef {
			return malformed("nothing is remembered there")
		}
		r = m.memo[index]
	}
	m.push(r)
	return nil
}

// memoIndex returns the number in an argument.
func memoIndex(arg []byte, decimal bool) (index uint32, ok bool) {
	switch {
	case decimal:
		return parseIndex(arg)
	case len(arg) == 1:
		return uint32(arg[0]), true
	}
	return binary.LittleEndian.Uint32(arg), true
}
