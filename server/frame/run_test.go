package frame_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ws-emit/ws-emit/server/frame"
)

func joined(frames []*frame.Frame) []byte {
	var b []byte
	for _, f := range frames {
		b = append(b, f.WebSocket()...)
	}
	return b
}

func checkRun(t *testing.T, r *frame.Run, want []*frame.Frame) {
	t.Helper()
	if r.Count() != len(want) || r.Last() != want[len(want)-1] {
		t.Fatalf("%d frames, want %d", r.Count(), len(want))
	}
	if got := r.AppendFrames(nil); !slices.Equal(got, want) {
		t.Fatal("AppendFrames: other frames")
	}
	b := joined(want)
	if r.Size() != len(b) || !bytes.Equal(r.WebSocket(), b) {
		t.Fatalf("WebSocket: %q, want %q", r.WebSocket(), b)
	}
}

// A member's run is what a list of its own would be, however the members share their beginnings.
func TestRunsAgainstModel(t *testing.T) {
	var rs frame.Runs
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		members := 1 + rnd.IntN(40)
		runs := make([]*frame.Run, members)
		model := make([][]*frame.Frame, members)
		for i := range rnd.IntN(60) {
			f := frame.Text(fmt.Sprint("4", i, long[:rnd.IntN(300)]))
			share := rnd.Float64()
			for m := range members {
				if rnd.Float64() < share {
					runs[m] = rs.Extend(runs[m], f)
					model[m] = append(model[m], f)
				}
			}
		}
		distinct := 0
		for m, want := range model {
			if len(want) == 0 {
				continue
			}
			checkRun(t, runs[m], want)
			first := slices.IndexFunc(model, func(other []*frame.Frame) bool { return slices.Equal(other, want) })
			if first == m {
				distinct++
			} else if runs[first] != runs[m] {
				t.Fatalf("seed %d: members with the same frames have runs of their own", seed)
			}
		}
		if rs.Len() < distinct {
			t.Fatalf("Len: %d for %d runs", rs.Len(), distinct)
		}
		rs.Reset()
		if rs.Len() != 0 {
			t.Fatalf("Len: %d after Reset", rs.Len())
		}
	}
}

// Members that share a run share its joined bytes too; nobody's are overwritten while others still have them.
func TestRunsShareJoinedBytes(t *testing.T) {
	var rs frame.Runs
	a, b, c := frame.Text("4a"), frame.Text("4b"), frame.Text("4c")
	pair := rs.Extend(rs.Extend(nil, a), b)
	if again := rs.Extend(rs.Extend(nil, a), b); again != pair {
		t.Fatal("the same frames make another run")
	}
	alone := rs.Extend(rs.Extend(nil, a), c)
	other := rs.Extend(rs.Extend(nil, b), c)
	shared := pair.WebSocket()
	checkRun(t, alone, []*frame.Frame{a, c})
	checkRun(t, other, []*frame.Frame{b, c})
	if !bytes.Equal(shared, joined([]*frame.Frame{a, b})) {
		t.Errorf("shared bytes have become %q", shared)
	}
	if &pair.WebSocket()[0] != &shared[0] {
		t.Error("joined twice")
	}
}

// The same frame twice is two frames.
func TestRunOfOneFrameTwice(t *testing.T) {
	var rs frame.Runs
	f := frame.Text("4a")
	checkRun(t, rs.Extend(rs.Extend(nil, f), f), []*frame.Frame{f, f})
}

func TestOne(t *testing.T) {
	f := frame.New(text("4a"), binary("b"))
	checkRun(t, frame.One(f), []*frame.Frame{f})
}

func TestAppendFramesKeepsWhatIsThere(t *testing.T) {
	var rs frame.Runs
	a, b := frame.Text("4a"), frame.Text("4b")
	r := rs.Extend(rs.Extend(nil, a), b)
	if got := r.AppendFrames([]*frame.Frame{b}); !slices.Equal(got, []*frame.Frame{b, a, b}) {
		t.Errorf("%d frames", len(got))
	}
}

// A member costs no allocation where another had the same frames before it, nor does its share of the bytes (design: the hot path).
func TestExtendAllocatesNothing(t *testing.T) {
	var rs frame.Runs
	frames := []*frame.Frame{frame.Text("4a"), frame.Text("4b"), frame.Text("4c")}
	all := func() (r *frame.Run) {
		for _, f := range frames {
			r = rs.Extend(r, f)
		}
		return r
	}
	all()
	all().WebSocket()
	if n := testing.AllocsPerRun(100, func() { all().WebSocket() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// After Reset there is room for the next round, but not for what only one large round needed.
func TestResetKeepsSome(t *testing.T) {
	var rs frame.Runs
	round := func(runs int) func() {
		frames := make([]*frame.Frame, runs)
		for i := range frames {
			frames[i] = frame.Text("4")
		}
		return func() {
			for _, f := range frames {
				rs.Extend(nil, f)
			}
			rs.Reset()
		}
	}
	small := round(500)
	small()
	if n := testing.AllocsPerRun(10, small); n != 0 {
		t.Errorf("%v allocations in a usual round", n)
	}
	large := round(10_000)
	large()
	if n := testing.AllocsPerRun(1, large); n == 0 {
		t.Error("the memory of a large round was kept")
	}
}

// A round that joins frames for many members costs the same however many they are: the bytes, which are built once.
func TestJoinAllocatesOnce(t *testing.T) {
	var rs frame.Runs
	frames := texts(10)
	of := func(members int) float64 {
		runs := make([]*frame.Run, members)
		return testing.AllocsPerRun(20, func() { join(&rs, frames, runs) })
	}
	if n := of(1000); n != 1 {
		t.Errorf("%v allocations for 1,000 members", n)
	}
	if n := of(1); n != 0 { // bytes of one's own are put together in the same place each time
		t.Errorf("%v allocations for one member", n)
	}
}

func texts(n int) []*frame.Frame {
	frames := make([]*frame.Frame, n)
	for i := range frames {
		frames[i] = frame.Text(fmt.Sprintf(`42["progress",{"job":"0f3a","done":%d,"of":230}]`, i))
	}
	return frames
}

// join gives frames to members, each frame to all of them, and then its bytes to each member.
func join(rs *frame.Runs, frames []*frame.Frame, members []*frame.Run) (size int) {
	clear(members)
	for _, f := range frames {
		for i := range members {
			members[i] = rs.Extend(members[i], f)
		}
	}
	for _, r := range members {
		size += len(r.WebSocket())
	}
	rs.Reset()
	return size
}

// A round of 10 frames for a room.
func BenchmarkJoin(b *testing.B) {
	for _, members := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint("members=", members), func(b *testing.B) {
			var rs frame.Runs
			frames, runs := texts(10), make([]*frame.Run, members)
			b.ReportAllocs()
			for b.Loop() {
				join(&rs, frames, runs)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*members), "ns/member")
		})
	}
}
