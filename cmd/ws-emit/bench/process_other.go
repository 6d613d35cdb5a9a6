//go:build !linux

package bench

import (
	"errors"
	"time"
)

func usageOf(int) (Usage, error) {
	return Usage{}, errors.New("a process can be measured on Linux only")
}

func ownCPU() time.Duration { return -1 }

func childrenOf(int) int { return 0 }

func openFilesOf(int) int { return 0 }

func localPorts() int { return usualPorts }
