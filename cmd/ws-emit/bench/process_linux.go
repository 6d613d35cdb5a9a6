package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of times in /proc, the same on every architecture.
const tick = time.Second / 100

// usageOf reads what a process has used.
func usageOf(pid int) (u Usage, _ error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, fmt.Errorf("process %d: %w", pid, err)
	}
	// The name of the program, in parentheses, may have anything in it. What follows begins with the third field.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 22 {
		return u, fmt.Errorf("process %d: malformed stat", pid)
	}
	if fields[0] == "Z" || fields[0] == "X" { // it is there until its parent has asked what became of it
		return u, fmt.Errorf("process %d: has ended", pid)
	}
	for _, f := range []struct {
		at  int
		add func(int64)
	}{
		{11, func(n int64) { u.CPU += time.Duration(n) * tick }},
		{12, func(n int64) { u.CPU += time.Duration(n) * tick }},
		{21, func(n int64) { u.RSS = n * int64(os.Getpagesize()) }},
	} {
		n, err := strconv.ParseInt(fields[f.at], 10, 64)
		if err != nil {
			return u, fmt.Errorf("process %d: malformed stat: %w", pid, err)
		}
		f.add(n)
	}
	return u, nil
}

// ownCPU is what this process has used, or -1.
func ownCPU() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return -1
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// childrenOf is how many processes a process has started that still run.
func childrenOf(pid int) (n int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is right
	for _, list := range lists {
		text, _ := os.ReadFile(list) // without it nothing is known
		n += len(strings.Fields(string(text)))
	}
	return n
}

// openFilesOf is how many files a process may have open, or 0.
func openFilesOf(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid)) // without it nothing is known
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0]) // "unlimited" is not known to be a limit
			return n
		}
	}
	return 0
}

// localPorts is how many ports one address has for outgoing connections.
func localPorts() int {
	text, _ := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	var first, last int
	if n, _ := fmt.Sscan(string(text), &first, &last); n == 2 && last > first {
		return last - first + 1
	}
	return usualPorts
}
