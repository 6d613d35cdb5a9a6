package main

import (
	"context"
	"log/slog"
	"time"
)

// patience is how long one emit may take.
const patience = 5 * time.Second

// tick emits the time to a room every second, until ctx ends. While that fails it goes on trying, and logs when it begins to fail and when
// it works again.
func tick(ctx context.Context, emit emitFunc, room string, log *slog.Logger) {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	working, first := false, true
	for {
		err := emitTime(ctx, emit, room)
		if ctx.Err() != nil {
			return
		}
		switch {
		case err == nil && !working:
			log.Info("emitting", "room", room)
		case err != nil && (working || first):
			log.Warn("cannot emit, trying again every second", "err", err)
		}
		working, first = err == nil, false
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

func emitTime(ctx context.Context, emit emitFunc, room string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return emit(ctx, room, "update", map[string]int64{"time": time.Now().Unix()})
}
