package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// leakChecked fails where goroutines are left after the tests.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	status := l.m.Run()
	if err := goleak.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}

// TestMain makes the test program be ws-emit when it is called by that name, as scripts do.
func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"ws-emit": main})
}
