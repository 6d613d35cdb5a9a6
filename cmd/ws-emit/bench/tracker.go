package bench

import "slices"

// verdict is what a message that has come is.
type verdict uint8

const (
	inOrder verdict = iota
	late            // it comes after one that was sent after it
	doubled         // it has come before
)

// tracker follows the numbers that come from one emitter to one client in one room. It needs no memory as long as they come in order.
type tracker struct {
	last uint32 // the highest that has come; the first is 1
	gaps *[]gap // what is missing below, in order; nil is nothing
}

// gap is a range of numbers, both ends included.
type gap struct{ first, last uint32 }

// add takes a number that has come.
func (t *tracker) add(n uint32) verdict {
	if n > t.last {
		if n > t.last+1 {
			t.miss(gap{t.last + 1, n - 1})
		}
		t.last = n
		return inOrder
	}
	if t.gaps == nil {
		return doubled
	}
	i, missing := t.find(n)
	if !missing {
		return doubled
	}
	gaps := *t.gaps
	switch g := gaps[i]; {
	case g.first == g.last:
		gaps = slices.Delete(gaps, i, i+1)
	case n == g.first:
		gaps[i].first++
	case n == g.last:
		gaps[i].last--
	default:
		gaps[i].last = n - 1
		gaps = slices.Insert(gaps, i+1, gap{n + 1, g.last})
	}
	*t.gaps = gaps
	return late
}

// find finds the gap that a number is in.
func (t *tracker) find(n uint32) (i int, missing bool) {
	return slices.BinarySearchFunc(*t.gaps, n, func(g gap, n uint32) int {
		switch {
		case g.last < n:
			return -1
		case g.first > n:
			return 1
		}
		return 0
	})
}

func (t *tracker) miss(g gap) {
	if t.gaps == nil {
		t.gaps = new([]gap)
	}
	*t.gaps = append(*t.gaps, g)
}

// has reports whether a number has come.
func (t *tracker) has(n uint32) bool {
	if n > t.last {
		return false
	}
	if t.gaps == nil {
		return true
	}
	_, missing := t.find(n)
	return !missing
}

// missing counts the numbers up to sent that have not come, but for those that nobody has to get.
func (t *tracker) missing(sent uint32, unsure []uint32) int64 {
	n := int64(sent) - int64(t.last)
	if t.gaps != nil {
		for _, g := range *t.gaps {
			n += int64(g.last) - int64(g.first) + 1
		}
	}
	for _, u := range unsure {
		if !t.has(u) {
			n--
		}
	}
	return n
}
