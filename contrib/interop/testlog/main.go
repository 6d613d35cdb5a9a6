// Command testlog reads what `go test -json` prints and says what a reader of
// the log of a whole run wants to know: a line for each package, everything
// that a failed test printed, and each skipped test with its reason, which the
// go command alone keeps to itself. It exits with status 1 if a test failed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

func main() {
	failed, err := report(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testlog:", err)
	}
	if failed || err != nil {
		os.Exit(1)
	}
}

// event is a line of `go test -json`; `go doc test2json` describes it.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output and build-fail
	Test       string
	Elapsed    float64 // seconds
	Output     string
}

// name tells tests, and the package itself (an empty test), apart.
type name struct{ pkg, test string }

// report copies from r to w what is worth reading.
func report(r io.Reader, w io.Writer) (failed bool, err error) {
	printed := map[name]*strings.Builder{}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				// The go command itself, such as "no packages to test".
				fmt.Fprintf(w, "%s", line)
			} else if handle(e, printed, w) {
				failed = true
			}
		}
		if err == io.EOF {
			return failed, nil
		}
		if err != nil {
			return failed, err
		}
	}
}

// handle takes one event and reports whether it is a failure.
func handle(e event, printed map[name]*strings.Builder, w io.Writer) (failed bool) {
	n := name{e.Package, e.Test}
	switch e.Action {
	case "output":
		if printed[n] == nil {
			printed[n] = &strings.Builder{}
		}
		printed[n].WriteString(e.Output)
		return false
	case "build-output":
		fmt.Fprint(w, e.Output)
		return false
	case "build-fail":
		fmt.Fprintf(w, "FAIL  %s does not build\n", e.ImportPath)
		return true
	case "pass", "fail", "skip":
	default:
		return false
	}

	said := ""
	if printed[n] != nil {
		said = printed[n].String()
	}
	delete(printed, n)
	switch {
	case e.Test == "" && e.Action == "skip":
		fmt.Fprintf(w, "-     %s (no tests)\n", e.Package)
	case e.Test == "" && e.Action == "pass":
		fmt.Fprintf(w, "ok    %s %.1f s\n", e.Package, e.Elapsed)
	case e.Test == "":
		fmt.Fprintf(w, "FAIL  %s %.1f s\n%s", e.Package, e.Elapsed, said)
	case e.Action == "skip":
		fmt.Fprintf(w, "SKIP  %s %s\n%s", e.Package, e.Test, reason(said))
	case e.Action == "fail":
		fmt.Fprintf(w, "FAIL  %s %s %.1f s\n%s", e.Package, e.Test, e.Elapsed, said)
	}
	return e.Action == "fail"
}

// logged is the beginning of what a test logs: "    file_test.go:12: ".
var logged = regexp.MustCompile(`(?m)^\s+\S+\.go:\d+: `)

// reason takes the last thing that a skipped test logged, which is why it was
// skipped.
func reason(said string) string {
	if at := logged.FindAllStringIndex(said, -1); at != nil {
		said = said[at[len(at)-1][0]:]
	}
	said, _, _ = strings.Cut(said, "--- SKIP")
	return strings.TrimRight(said, " \n") + "\n"
}
