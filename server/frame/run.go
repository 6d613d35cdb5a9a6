package frame

import "slices"

// Run is one or more frames in the order in which a member gets them. It belongs to the [Runs] that made it: it may be used until that
// is reset, by one goroutine.
type Run struct {
	owner  *Runs
	prev   *Run
	next   *Run // the run that followed this one last
	last   *Frame
	count  int
	size   int    // bytes of the WebSocket forms
	users  int    // members that end with this run
	joined []byte // the WebSocket forms one after the other, once asked for
}

// One returns a run of a single frame that belongs to nobody and may be used at any time.
func One(f *Frame) *Run { return &Run{last: f, count: 1, size: f.Size(), users: 1} }

// Count is the number of frames.
func (r *Run) Count() int { return r.count }

// Size is the number of bytes of the WebSocket forms.
func (r *Run) Size() int { return r.size }

// Last is the last frame.
func (r *Run) Last() *Frame { return r.last }

// AppendFrames appends the frames to dst, the first one first.
func (r *Run) AppendFrames(dst []*Frame) []*Frame {
	n := len(dst)
	dst = slices.Grow(dst, r.count)[:n+r.count]
	for i := n + r.count - 1; r != nil; r, i = r.prev, i-1 {
		dst[i] = r.last
	}
	return dst
}

// WebSocket returns the WebSocket forms of all frames, joined. The caller must neither change nor keep it: it is valid until the next
// call for any run of the same Runs.
func (r *Run) WebSocket() []byte {
	switch {
	case r.count == 1:
		return r.last.ws
	case r.joined != nil:
		return r.joined
	case r.users > 1:
		r.joined = r.append(make([]byte, 0, r.size))
		return r.joined
	default: // nobody else will ask: no need to keep it
		r.owner.scratch = r.append(r.owner.scratch[:0])
		return r.owner.scratch
	}
}

func (r *Run) append(dst []byte) []byte {
	start := len(dst)
	dst = slices.Grow(dst, r.size)[:start+r.size]
	for end := start + r.size; r != nil; r = r.prev {
		end -= len(r.last.ws)
		copy(dst[end:], r.last.ws)
	}
	return dst
}

// Runs makes runs that share their beginnings. The zero value is ready to use. It is not safe for concurrent use.
//
// Frames must be extended one at a time, each for all its members, as a hub does: only the last frame that followed a run is remembered.
type Runs struct {
	root    Run
	slabs   [][]Run
	used    int
	scratch []byte
}

const (
	slabSize   = 256
	maxScratch = 1 << 20
)

// Extend returns the run of r's frames and then f; a nil r is the empty run. It allocates nothing when another run was extended in the
// same way before.
func (rs *Runs) Extend(r *Run, f *Frame) *Run {
	from := r
	if r == nil {
		from = &rs.root
	} else {
		r.users--
	}
	if from.next == nil || from.next.last != f {
		n := rs.alloc()
		*n = Run{owner: rs, prev: r, last: f, count: from.count + 1, size: from.size + len(f.ws)}
		from.next = n
	}
	from.next.users++
	return from.next
}

func (rs *Runs) alloc() *Run {
	slab, i := rs.used/slabSize, rs.used%slabSize
	if slab == len(rs.slabs) {
		rs.slabs = append(rs.slabs, make([]Run, slabSize))
	}
	rs.used++
	return &rs.slabs[slab][i]
}

// Len is the number of runs since the last Reset, which is what tells how much memory they take.
func (rs *Runs) Len() int { return rs.used }

// Reset forgets all runs, which must no longer be used, and keeps some memory for the next ones.
func (rs *Runs) Reset() {
	for slab := range rs.slabs {
		n := min(rs.used-slab*slabSize, slabSize)
		if n <= 0 {
			break
		}
		clear(rs.slabs[slab][:n]) // lets go of the frames
	}
	if len(rs.slabs) > 4 {
		rs.slabs = rs.slabs[:4:4]
	}
	rs.root.next = nil
	rs.used = 0
	if cap(rs.scratch) > maxScratch {
		rs.scratch = nil
	}
}
