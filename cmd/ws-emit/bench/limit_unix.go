//go:build unix

package bench

import "syscall"

// raiseOpenFiles raises how many files may be open, where it can, and returns how many that are. The Go runtime has raised it to the hard
// limit already; root may go over that.
func raiseOpenFiles(want int) int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0
	}
	if int64(r.Cur) >= int64(want) || int64(r.Cur) < 0 { // below 0 is no limit
		return int(min(uint64(r.Cur), 1<<31-1))
	}
	more := r
	setLimit(&more.Cur, want)
	if uint64(more.Max) < uint64(more.Cur) {
		more.Max = more.Cur
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &more); err == nil {
		r = more
	}
	return int(r.Cur)
}

// setLimit sets what is signed on some systems.
func setLimit[N int64 | uint64](limit *N, to int) { *limit = N(to) }
