package bench

import "time"

// Usage is what a process has used, and has.
type Usage struct {
	CPU time.Duration // user and system, since it began
	RSS int64         // resident memory, bytes
}
