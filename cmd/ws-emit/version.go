package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the linker: -X main.version=1.2.3 -X main.commit=0a1b2c3. Where they are not, the go command's own notes are used.
var version, commit string

// build says which ws-emit this is.
type build struct {
	number string // such as "1.2.3", "devel" where nobody knows
	commit string // may be empty
}

func newVersion() build {
	b := build{number: version, commit: commit}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	if b.number == "" {
		b.number = info.Main.Version
	}
	if b.number == "" || b.number == "(devel)" {
		b.number = "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && b.commit == "" {
			b.commit = s.Value
		}
	}
	return b
}

func (b build) String() string {
	of := ""
	if b.commit != "" {
		of = "commit " + b.commit + ", "
	}
	return fmt.Sprintf("ws-emit %s (%s%s %s/%s)", b.number, of, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the commit and the Go version",
		Args:  arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), newVersion())
			return err
		},
	}
}
