package bench

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
	gaps := *t.gaps
	for i := len(gaps) - 1; i >= 0; i-- { // what is late is mostly so by little
		g := gaps[i]
		if n < g.first || n > g.last {
			continue
		}
		switch {
		case g.first == g.last:
			gaps = append(gaps[:i], gaps[i+1:]...)
		case n == g.first:
			gaps[i].first++
		case n == g.last:
			gaps[i].last--
		default:
			gaps[i].last = n - 1
			gaps = append(gaps, gap{})
			copy(gaps[i+2:], gaps[i+1:])
			gaps[i+1] = gap{n + 1, g.last}
		}
		*t.gaps = gaps
		return late
	}
	return doubled
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
	if t.gaps != nil {
		for _, g := range *t.gaps {
			if n >= g.first && n <= g.last {
				return false
			}
		}
	}
	return true
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
