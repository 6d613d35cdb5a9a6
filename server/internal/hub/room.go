package hub

import (
	"slices"
	"strings"
)

// namespace is the members of one namespace on one shard, and their rooms. It exists while it has members.
type namespace struct {
	name  string
	all   room
	rooms table[*room]
	sids  table[*Member]
}

// room is the members of one room on one shard, in no order. It exists while it has members.
type room struct {
	ns     *namespace
	name   string
	places []place
}

// place is a member in its room's list, and seat is the room in the member's. Each knows where the other is, so that leaving is a matter
// of two swaps however long the lists are.
type place struct {
	member *Member
	seat   uint32 // index of member.seats
}

type seat struct {
	room  *room
	place uint32 // index of room.places
}

func newNamespace(name string) *namespace {
	ns := &namespace{name: strings.Clone(name)}
	ns.all.ns = ns
	return ns
}

// add puts a member that is not in the room into it.
func (r *room) add(m *Member) {
	m.seats = append(m.seats, seat{room: r, place: uint32(len(r.places))})
	r.places = append(r.places, place{member: m, seat: uint32(len(m.seats) - 1)})
}

// find returns the index in m.seats of the room, or -1. It looks through the shorter one of both lists.
func (r *room) find(m *Member) int {
	if len(r.places) < len(m.seats) {
		for _, p := range r.places {
			if p.member == m {
				return int(p.seat)
			}
		}
		return -1
	}
	return slices.IndexFunc(m.seats, func(s seat) bool { return s.room == r })
}

// vacate takes a member out of the room at an index of its seats.
func (m *Member) vacate(i int) {
	r, at := m.seats[i].room, m.seats[i].place

	last := len(r.places) - 1
	moved := r.places[last]
	r.places[at] = moved
	moved.member.seats[moved.seat].place = at
	r.places[last] = place{}
	r.places = shrink(r.places[:last])

	last = len(m.seats) - 1
	other := m.seats[last]
	m.seats[i] = other
	if i != last {
		other.room.places[other.place].seat = uint32(i)
	}
	m.seats[last] = seat{}
	m.seats = shrink(m.seats[:last])
}

// shrink returns s in less memory when most of it is unused.
func shrink[T any](s []T) []T {
	if cap(s) < 16 || len(s) > cap(s)/4 {
		return s
	}
	return append(make([]T, 0, 2*len(s)), s...)
}

// table is a map by name that gives memory back: a Go map only grows.
type table[V any] struct {
	byName map[string]V
	peak   int // the most names in it since it was made
}

func (t *table[V]) get(name string) (V, bool) {
	v, ok := t.byName[name]
	return v, ok
}

func (t *table[V]) put(name string, v V) {
	if t.byName == nil {
		t.byName = make(map[string]V)
	}
	t.byName[name] = v
	t.peak = max(t.peak, len(t.byName))
}

func (t *table[V]) remove(name string) {
	delete(t.byName, name)
	if t.peak < 64 || len(t.byName) > t.peak/4 {
		return
	}
	smaller := make(map[string]V, len(t.byName))
	for name, v := range t.byName {
		smaller[name] = v
	}
	t.byName, t.peak = smaller, len(smaller)
}
