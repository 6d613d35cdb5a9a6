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
	release   func()
}

const (
	// memoryEvery is how often the memory is looked at, and how long it has to be quiet.
	memoryEvery = 5 * time.Second
	// quietBytes may be allocated in that time.
	quietBytes = 1 << 20
	// worthBytes must have been allocated since the last time: garbage, or what has become it.
	worthBytes = 8 << 20
)

// newMemory returns nil when it is not wanted.
func newMemory() *memory {
	const allocs, gogc = "/gc/heap/allocs:bytes", "/gc/gogc:percent"
	read := func(name string) uint64 {
		sample := []metrics.Sample{{Name: name}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	if read(gogc) > 1<<62 {
		return nil
	}
	return &memory{allocated: func() uint64 { return read(allocs) }, release: debug.FreeOSMemory}
}

// run looks at the memory until ctx ends.
func (m *memory) run(ctx context.Context) {
	look := time.NewTicker(memoryEvery)
	defer look.Stop()
	released := m.allocated()
	for last := released; ; {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		now := m.allocated()
		if now-last <= quietBytes && now-released >= worthBytes {
			m.release()
			released = now
		}
		last = now
	}
}
