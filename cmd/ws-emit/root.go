package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitFailure = 1 // the server could not go on, or a command failed
	exitUsage   = 2 // what was asked for cannot be
)

// usageError is a mistake in what was asked for.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run is main without the process around it, and returns the exit status.
func run(args, environ []string, stdout, stderr io.Writer) int {
	root := newRoot(args, environ, stderr)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "ws-emit: %s\n", oneLine(err))
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailure
}

func newRoot(args, environ []string, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           "ws-emit [flags]",
		Short:         "Send events from backends to browsers",
		Version:       newVersion().number,
		Args:          noArguments(args),
		SilenceErrors: true, // run reports them, in one line
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, unknown, err := load(cmd.Flags(), environ)
			if err != nil {
				return usageError{err}
			}
			return serve(cmd.Context(), o, unknown, stderr)
		},
	}
	root.SetVersionTemplate(newVersion().String() + "\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	addFlags(root.Flags())
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		io.WriteString(cmd.OutOrStdout(), helpOf(cmd))
	})
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(newHelpCommand(root))
	root.AddCommand(
		newEmitCommand(environ),
		newListenCommand(environ),
		newSpyCommand(environ),
		newBenchCommand(environ),
		newRoomspaceCommand(environ),
		newCompletionCommand(),
		newManCommand(),
		newVersionCommand(),
	)
	forAll(root, func(cmd *cobra.Command) {
		cmd.DisableFlagsInUseLine = true
		completeSettings(cmd)
	})
	root.SetArgs(rewrite(args))
	return root
}

// forAll does something with a command and with all below it.
func forAll(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, c := range cmd.Commands() {
		forAll(c, do)
	}
}

// newHelpCommand makes `ws-emit help COMMAND` another way to say `ws-emit COMMAND --help`.
func newHelpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]...",
		Short: "Explain a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usageError{fmt.Errorf("there is no such command; see %s --help", root.Name())}
			}
			return about.Help()
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, typed string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
			if about, rest, err := root.Find(args); err == nil && len(rest) == 0 {
				for _, c := range about.Commands() {
					if strings.HasPrefix(c.Name(), typed) {
						names = append(names, c.Name())
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// arguments takes from least to most arguments.
func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usageError{fmt.Errorf("want %s; see %s --help", cmd.UseLine(), cmd.CommandPath())}
		}
		return nil
	}
}

// noArguments refuses arguments that are neither flags nor commands. It quotes one only where a command could stand: anywhere else it may
// be a part of a secret that lacked quotes.
func noArguments(typed []string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return nil
		case args[0] == typed[0]:
			return usageError{fmt.Errorf("unknown command %q; see ws-emit --help", args[0])}
		default:
			return usageError{errors.New("there is an argument that belongs to no flag (a value with blanks needs quotes); see ws-emit --help")}
		}
	}
}

// rewrite turns what the Python server and people type into what pflag understands:
//
//	--cors A B -v           -> --cors=A B -v              all that follows up to the next flag, as Python's nargs took it
//	--cors-credentials off  -> --cors-credentials=off     a value that may be missing is otherwise expected after "="
func rewrite(args []string) []string {
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		return args // a shell asks how they could go on
	}
	var out []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			return append(out, args[i:]...)
		case arg == "--cors-credentials" && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-"):
			i++
			arg += "=" + args[i]
		case arg == "--cors" || strings.HasPrefix(arg, "--cors="):
			separator := " "
			if arg == "--cors" {
				separator = "="
			}
			for ; i+1 < len(args) && !strings.HasPrefix(args[i+1], "-"); i++ {
				arg += separator + args[i+1]
				separator = " "
			}
		}
		out = append(out, arg)
	}
	return out
}
