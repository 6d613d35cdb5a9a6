package pickle

import (
	"iter"
)

// maxDepth is how many containers may be in one another.
const maxDepth = 64

// Pickle is a decoded pickle. It must not be used concurrently.
type Pickle struct {
	b          []byte
	maxValues  int
	root       ref
	items      []item
	containers []container
	texts      []text
	unescaped  []byte // what texts say that do not stand in b as they are

	// What a small pickle needs, in one piece.
	itemSpace      [40]item
	containerSpace [8]container
}

// ref is a value: a container its index with containerBit, a text its index with textBit, and any other scalar the place where its opcode
// stands.
type ref uint32

const (
	containerBit ref = 1 << 31
	textBit      ref = 1 << 30
	maxLen           = int(textBit) // of a pickle, in bytes
)

// container is a list, a tuple or a dict. Its items are a chain, those of a dict keys and values in turns.
type container struct {
	first, last uint32 // in items, plus 1; 0 when empty
	nodes       uint32 // the container and all that is in it, after measure
	kind        Kind
	depth       uint8 // after measure: containers in one another from this on
}

const measuring = 255 // depth while the items are looked at

type item struct {
	value ref
	next  uint32 // in items, plus 1; 0 at the end
}

func (p *Pickle) container(r ref) *container { return &p.containers[r&^containerBit] }

// extend puts items to the end of a container.
func (p *Pickle) extend(r ref, items []ref) error {
	c := p.container(r)
	if c.kind == Dict {
		if len(items)%2 != 0 {
			return malformed("a key of a dict has no value")
		}
		for i := 0; i < len(items); i += 2 {
			if items[i]&containerBit != 0 {
				return malformed("a key of a dict is a container")
			}
		}
	}
	for _, r := range items {
		p.items = append(p.items, item{value: r})
		if n := uint32(len(p.items)); c.last == 0 {
			c.first, c.last = n, n
		} else {
			p.items[c.last-1].next, c.last = n, n
		}
	}
	return nil
}

// measure checks that a value does not contain itself, and is neither too deep nor too large. It looks into each container once.
func (p *Pickle) measure(r ref, level int) (nodes uint32, depth uint8, err error) {
	if r&containerBit == 0 {
		return 1, 0, nil
	}
	c := p.container(r)
	switch {
	case c.depth == measuring:
		return 0, 0, malformed("a value contains itself")
	case c.depth > 0:
		return c.nodes, c.depth, nil
	case level > maxDepth:
		return 0, 0, tooLarge("nested too deep")
	}
	c.depth = measuring
	nodes, depth = 1, 1
	for i := c.first; i != 0; i = p.items[i-1].next {
		n, d := uint32(1), uint8(0) // of a scalar
		if value := p.items[i-1].value; value&containerBit != 0 {
			if n, d, err = p.measure(value, level+1); err != nil {
				return 0, 0, err
			}
		}
		nodes, depth = nodes+n, max(depth, d+1)
		if int64(nodes) > int64(p.maxValues) {
			return 0, 0, tooLarge("too many values")
		}
		if depth > maxDepth {
			return 0, 0, tooLarge("nested too deep")
		}
	}
	c.nodes, c.depth = nodes, depth
	return nodes, depth, nil
}

// Kind is the type of a value.
type Kind uint8

// The kinds. A str of Python 2 is Text when it is valid UTF-8, and Bytes otherwise.
const (
	None Kind = iota
	Bool
	Int
	Float
	Text
	Bytes
	List
	Tuple
	Dict
)

// Value is a value of a [Pickle]. The zero Value is None.
type Value struct {
	p *Pickle
	r ref
}

// Root returns what the pickle is of.
func (p *Pickle) Root() Value { return Value{p, p.root} }

// Elements returns the values of a list or tuple. Of anything else it returns none.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		for i := v.first(List, Tuple); i != 0; i = v.p.items[i-1].next {
			if !yield(Value{v.p, v.p.items[i-1].value}) {
				return
			}
		}
	}
}

// Members returns the keys and values of a dict, in the order in which they were set and with all that were set again. A key is a scalar.
// Of anything else it returns none.
func (v Value) Members() iter.Seq2[Value, Value] {
	return func(yield func(key, value Value) bool) {
		for i := v.first(Dict, Dict); i != 0; {
			key := v.p.items[i-1]
			value := v.p.items[key.next-1]
			if !yield(Value{v.p, key.value}, Value{v.p, value.value}) {
				return
			}
			i = value.next
		}
	}
}

// first returns the index of the first item of a container of either kind, plus 1, or 0.
func (v Value) first(kind, other Kind) uint32 {
	if v.p == nil || v.r&containerBit == 0 {
		return 0
	}
	c := v.p.container(v.r)
	if c.kind != kind && c.kind != other {
		return 0
	}
	return c.first
}

// Len returns the number of items of a list or tuple.
func (v Value) Len() int {
	n := 0
	for range v.Elements() {
		n++
	}
	return n
}
