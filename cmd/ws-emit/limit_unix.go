//go:build unix

package main

import "syscall"

// openFiles returns how many files and connections the process may have open. The Go runtime has raised it as far as it is allowed to.
func openFiles() (limit uint64, ok bool) {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0, false
	}
	return uint64(r.Cur), true // some systems have a signed one
}
