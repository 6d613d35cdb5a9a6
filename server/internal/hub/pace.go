package hub

import "time"

const (
	// paceTarget is how long it should take from when a batch is accepted until it has left for its members. Whoever comes while it takes
	// longer waits before it is accepted, where it can still be refused, and not afterwards.
	paceTarget = 100 * time.Millisecond
	// paceLeast is how much may be accepted however long it takes, in bytes.
	paceLeast = 16 << 10
)

// pace finds how much may be accepted and not yet have left for its members, by how long that takes. It cannot be a fixed number: a message
// for 10,000 members takes 10,000 times as long as one for a single member.
//
// Where the network takes nothing more, what has been accepted ends up in the backlog of each member that it is for. So that is bounded, too, by Config.Spread:
// else members end as slow that only had no time to read.
type pace struct {
	more   int64     // bytes beside paceLeast
	cut    time.Time // when it last became less
	fanOut int64     // members that a message was for, lately
}

// limit is what may be accepted, in bytes, so that no more than spread would have to wait for all members together; 0 is no bound.
func (p *pace) limit(spread int64) int64 {
	limit := paceLeast + p.more
	if spread > 0 && p.fanOut > 0 {
		limit = min(limit, spread/p.fanOut)
	}
	return limit
}

// spreadOver takes note of how many members messages are for. Fewer count by and by.
func (p *pace) spreadOver(members int64) { p.fanOut = max(members, p.fanOut-p.fanOut/8) }

// adapt learns from batches with a number of bytes, which have left after the last one was accepted at a time. Wanted is that others wait for
// the limit; it never needs to be more than most.
func (p *pace) adapt(bytes int64, accepted time.Time, wanted bool, most int64) {
	now := time.Now()
	switch took := now.Sub(accepted); {
	case took > paceTarget && accepted.After(p.cut): // what was accepted before the cut says nothing about what has come of it
		p.more = max(0, int64(float64(paceLeast+p.more)*float64(paceTarget)/float64(took))-paceLeast)
		p.cut = now
	case took < paceTarget/2 && wanted:
		p.more = min(p.more+bytes, most)
	}
}
