package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"github.com/ws-emit/ws-emit/contrib/peers/report"
)

// machine is what this one is, as far as it says.
func machine(ctx context.Context) report.Machine {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease") // without it nothing is known
	return report.Machine{
		CPU: processor(), Cores: runtime.NumCPU(), Kernel: strings.TrimSpace(string(kernel)), Go: strings.TrimPrefix(runtime.Version(), "go"),
		Node: versionOf(ctx, "node"), Python: versionOf(ctx, "python3"),
	}
}

func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) == "model name" {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return runtime.GOARCH
}

// versionOf is the last word of what a program says of its version, or "".
func versionOf(ctx context.Context, program string) string {
	text, err := exec.CommandContext(ctx, program, "--version").Output()
	words := strings.Fields(string(text))
	if err != nil || len(words) == 0 {
		return ""
	}
	return strings.TrimPrefix(words[len(words)-1], "v")
}

// loadAverage is that of the last minute, or 0.
func loadAverage() float64 {
	text, _ := os.ReadFile("/proc/loadavg") // without it nothing is known
	first, _, _ := strings.Cut(string(text), " ")
	load, _ := strconv.ParseFloat(first, 64)
	return load
}
