package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// memory gives memory back to the system when it is quiet after many clients have come or gone. The runtime collects garbage when enough new has come, and gives back
// little by little what was free: in a server to which nothing happens neither comes soon, and what an operator sees is what the last rush took.
//
// It never happens while the server is busy, takes what a collection takes, and sees GOGC=off as a wish to be left alone.
type memory struct {
	allocated func() uint64 // bytes, since the start
	sessions  func() int
	release   func()
}

const (
	// memoryEvery is how often the memory is looked at, and how long it has to be quiet.
	memoryEvery = 5 * time.Second
	// quietBytes may be allocated in that time.
	quietBytes = 1 << 20
	// worthBytes allocated, or worthSessions ended since the last time are worth it. Clients that leave allocate next to nothing.
	worthBytes    = 8 << 20
	worthSessions = 1000
)

// newMemory returns nil when it is not wanted.
func newMemory(sessions func() int) *memory {
	const allocs, gogc = "/gc/heap/allocs:bytes", "/gc/gogc:percent"
	read := func(name string) uint64 {
		sample := []metrics.Sample{{Name: name}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	if read(gogc) > 1<<62 {
		return nil
	}
	return &memory{func() uint64 { return read(allocs) }, sessions, debug.FreeOSMemory}
}

// run looks at the memory until ctx ends.
func (m *memory) run(ctx context.Context) {
	look := time.NewTicker(memoryEvery)
	defer look.Stop()
	last := m.allocated()
	released, most := last, 0 // at the last release, and since then
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		now, sessions := m.allocated(), m.sessions()
		most = max(most, sessions)
		if now-last <= quietBytes && (now-released >= worthBytes || most-sessions >= worthSessions) {
			m.release()
			released, most = now, sessions
		}
		last = now
	}
}
