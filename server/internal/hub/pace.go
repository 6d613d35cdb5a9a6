package hub

import "time"

const (
	// paceTarget is how long it should take from when a batch is accepted until it has left for its members. Whoever comes while it takes
	// longer waits before it is accepted, where it can still be refused, and not afterwards.
	paceTarget = 100 * time.Millisecond
	// paceLeast is how much may be accepted however long it takes, in bytes. Where the network takes nothing more, each member is left with as
	// much in its backlog, so that it must be little beside what may wait for all of them.
	paceLeast = 16 << 10
)

// pace finds how much may be accepted and not yet have left for its members, by how long that takes. It cannot be a fixed number: a message
// for 10,000 members takes 10,000 times as long as one for a single member.
type pace struct {
	more int64     // bytes beside paceLeast
	cut  time.Time // when it last became less
}

func (p *pace) limit() int64 { return paceLeast + p.more }

// adapt learns from batches with a number of bytes, which have left after the last one was accepted at a time. Wanted is that others wait for
// the limit; it never needs to be more than most.
func (p *pace) adapt(bytes int64, accepted time.Time, wanted bool, most int64) {
	now := time.Now()
	switch took := now.Sub(accepted); {
	case took > paceTarget && accepted.After(p.cut): // what was accepted before the cut says nothing about what has come of it
		p.more = max(0, int64(float64(p.limit())*float64(paceTarget)/float64(took))-paceLeast)
		p.cut = now
	case took < paceTarget/2 && wanted:
		p.more = min(p.more+bytes, most)
	}
}
