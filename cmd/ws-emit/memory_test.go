package main

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Memory is given back once after something was going on, when it is quiet, and not while it is not.
func TestMemoryIsGivenBackWhenQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var allocated, sessions, released atomic.Int64
		m := &memory{
			allocated: func() uint64 { return uint64(allocated.Load()) },
			sessions:  func() int { return int(sessions.Load()) },
			release:   func() { released.Add(1) },
		}
		ended := make(chan struct{})
		go func() {
			m.run(ctx)
			close(ended)
		}()
		after := func(bytes, want int64) {
			t.Helper()
			allocated.Add(bytes)
			<-time.After(memoryEvery)
			synctest.Wait()
			if got := released.Load(); got != want {
				t.Fatalf("given back %d times, want %d", got, want)
			}
		}
		after(0, 0)
		after(worthBytes, 0) // a rush
		after(quietBytes+1, 0)
		after(quietBytes, 1)
		after(quietBytes, 1)
		after(0, 1)
		for range worthBytes/quietBytes - 2 { // little by little
			after(quietBytes, 1)
		}
		after(quietBytes, 2)
		sessions.Store(worthSessions)
		after(0, 2)
		sessions.Store(1)
		after(0, 2)
		sessions.Store(0)
		after(quietBytes+1, 2) // still leaving
		after(0, 3)
		after(0, 3)
		stop()
		<-ended
	})
}

func TestMemoryOfThisProcess(t *testing.T) {
	m := newMemory(nil)
	if m == nil {
		t.Fatal("no memory is given back")
	}
	before := m.allocated()
	garbage := make([]byte, 1<<20)
	if after := m.allocated(); after < before+uint64(len(garbage)) {
		t.Errorf("%d bytes, %d before", after, before)
	}
	m.release()
}

// GOGC=off means that nobody collects.
func TestMemoryWithoutCollections(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	if newMemory(nil) != nil {
		t.Error("memory would be given back")
	}
}
