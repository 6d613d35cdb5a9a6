package main

import (
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/redisbus"
	"github.com/ws-emit/ws-emit/server"
)

// shells are those that the library writes scripts for.
var shells = map[string]func(root *cobra.Command, w io.Writer) error{
	"bash":       func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
	"zsh":        (*cobra.Command).GenZshCompletion,
	"fish":       func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
	"powershell": (*cobra.Command).GenPowerShellCompletionWithDesc,
}

func newCompletionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that lets a shell complete commands, flags and their values",
		Example: `  source <(ws-emit completion bash)
  ws-emit completion bash > /etc/bash_completion.d/ws-emit
  ws-emit completion zsh > "${fpath[1]}/_ws-emit"
  ws-emit completion fish > ~/.config/fish/completions/ws-emit.fish
  ws-emit completion powershell | Out-String | Invoke-Expression`,
		Long:              "The script for bash needs the package bash-completion.",
		Args:              arguments(1, 1),
		ValidArgsFunction: cobra.FixedCompletions(slices.Sorted(maps.Keys(shells)), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			write, known := shells[args[0]]
			if !known {
				return arguments(0, 0)(cmd, args)
			}
			return write(cmd.Root(), cmd.OutOrStdout())
		},
	}
}

// completeSettings tells shells which values the flags of settings take, as far as that is known.
func completeSettings(cmd *cobra.Command) {
	for _, s := range settings() {
		if s.file || cmd.Flags().Lookup(s.name) == nil {
			continue // names of files are what shells propose by themselves
		}
		if err := cmd.RegisterFlagCompletionFunc(s.name, completeValue(s.value(new(options)))); err != nil {
			panic(err) // it is there, and nobody else has registered one
		}
	}
}

func completeValue(v value) cobra.CompletionFunc {
	words := proposals(v)
	_, list := v.(lists)
	return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		directive := cobra.ShellCompDirectiveNoFileComp
		begin, last := "", typed
		if i := strings.LastIndexByte(typed, ','); i >= 0 && list {
			begin, last = typed[:i+1], typed[i+1:]
		}
		var found []cobra.Completion
		for _, w := range words {
			if !strings.HasPrefix(w, last) || slices.Contains(strings.Split(begin, ","), w) {
				continue
			}
			if strings.HasSuffix(w, "//") {
				directive |= cobra.ShellCompDirectiveNoSpace
			}
			found = append(found, begin+w)
		}
		return found, directive
	}
}

// proposals are words that a value may be, or begin with.
func proposals(v value) []string {
	switch v := v.(type) {
	case switchValue:
		return []string{"on", "off"}
	case toggleValue:
		if v.auto {
			return []string{"on", "off", "auto"}
		}
		return []string{"on", "off"}
	case choiceValue:
		return v.from
	case listValue:
		return v.known
	case redisValue:
		return []string{"redis://", "rediss://", "unix://", server.NoRedis}
	case methodsValue:
		return strings.Fields(methodNames(emitter.Methods()))
	case channelsValue:
		var words []string
		for _, c := range redisbus.DefaultChannels() {
			words = append(words, c.Name+"="+string(c.Dialect))
		}
		return words
	}
	return nil
}
