package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/ws-emit/ws-emit/emitter"
)

// maxInput bounds what is read from standard input at once, in bytes. A server takes 8 MiB, if it is not told otherwise.
const maxInput = 64 << 20

// emitFlags are those of `ws-emit emit` that are no settings.
type emitFlags struct {
	target        targetFlags
	all           bool
	rooms, except []string
	namespace     string
	text, args    bool
	batch         bool
}

func newEmitCommand(environ []string) *cobra.Command {
	var f emitFlags
	cmd := &cobra.Command{
		Use:   "emit ROOM EVENT [JSON]",
		Short: "Send an event to the clients in a room",
		Example: `  ws-emit emit news update '{"title": "It works"}'
  ws-emit emit --all maintenance                           everybody; an event without data
  ws-emit emit --text orders::42 status "on its way"       plain text instead of JSON
  make 2>&1 | tail -1 | ws-emit emit --text build done -   from standard input
  ws-emit emit --redis redis://localhost news update 5     by Redis, without a secret
  ws-emit emit --batch < messages.ndjson                   many, one a line`,
		Long: `JSON is the argument of the event, - takes it from standard input. Put it in quotes, and -- before
what begins with a minus sign: ws-emit emit -- news temperature -5

By HTTP it needs the emit secret of the server, from --secret, --secret-file or SECRET, and prints how
many clients get the event. By Redis, with --redis or as WS_EMIT_URL=redis://HOST, it needs none, and
prints how many servers do. The variable REDIS is for the server and does not choose this way.

With --batch each line is an object with the keys of POST /emit: event, room, data or args, except and
namespace. Lines are sent as they come, until one is wrong.

Exit status: 0 accepted, 1 not or not by all, 2 the command is wrong and nothing was sent.`,
		Args: func(cmd *cobra.Command, args []string) error { return f.checkArguments(cmd, args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd, environ, args)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f.target.add(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.all, "all", false, "everybody in the namespace, instead of ROOM")
	flags.StringArrayVar(&f.rooms, "room", nil, "this `ROOM` too; repeat it for more. Who is in several gets the event once")
	flags.StringArrayVar(&f.except, "except", nil, "not who is in this `ROOM`; repeat it for more")
	flags.StringVar(&f.namespace, "namespace", "/", "the Socket.IO namespace `NAME`")
	flags.BoolVar(&f.text, "text", false, "what stands for JSON is plain text")
	flags.BoolVar(&f.args, "args", false, "what stands for JSON is a list, and each element an argument")
	flags.BoolVar(&f.batch, "batch", false, "read messages from standard input, one a line")
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; put -- before what begins with - and is no flag, see %s --help", err, cmd.CommandPath())}
	})
	return cmd
}

// checkArguments makes sure that nobody sends to everybody by accident.
func (f *emitFlags) checkArguments(cmd *cobra.Command, args []string) error {
	var err error
	switch {
	case f.text && f.args:
		err = errors.New("--text and --args contradict each other")
	case f.batch && (len(args) > 0 || f.text || f.args || cmd.Flags().Changed("room") || cmd.Flags().Changed("except") || cmd.Flags().Changed("namespace")):
		err = errors.New("with --batch all of a message stands in its line")
	case f.batch:
	case f.all && len(f.rooms) > 0:
		err = errors.New("--all and --room contradict each other")
	case f.all && len(args) == 3 && args[0] != "":
		err = errors.New("--all and a ROOM contradict each other")
	case !f.all && len(args) > 0 && args[0] == "":
		err = errors.New("the ROOM is empty: that would be everybody, and wants --all")
	case f.all && (len(args) == 0 || len(args) > 3), !f.all && (len(args) < 2 || len(args) > 3):
		return arguments(2, 3)(cmd, args)
	default:
		err = f.checkEvent(args)
	}
	if err != nil {
		return usageError{err}
	}
	return nil
}

// checkEvent refuses what is an EVENT only because a word before it is missing. Whoever means it gives a JSON, such as null.
func (f *emitFlags) checkEvent(args []string) error {
	last := []byte(args[len(args)-1])
	switch begin := bytes.TrimSpace(last); {
	case len(args) == 3 || !json.Valid(last) || begin[0] != '{' && begin[0] != '[':
		return nil
	case f.all && len(args) == 2 && args[0] != "":
		return nil // an EVENT, and its JSON
	case f.all:
		return errors.New("the EVENT is JSON: EVENT is missing")
	case len(f.rooms) > 0:
		return errors.New("the EVENT is JSON: ROOM is missing, to which --room only adds")
	}
	return errors.New("the EVENT is JSON: ROOM or EVENT is missing")
}

func (f *emitFlags) run(cmd *cobra.Command, environ, args []string) error {
	to, err := f.target.open(cmd, environ)
	if err != nil {
		return usageError{err}
	}
	defer to.close()
	if f.batch {
		return emitLines(cmd.Context(), to, cmd.InOrStdin(), cmd.OutOrStdout(), f.all)
	}
	message, err := f.message(args, cmd.InOrStdin())
	if err != nil {
		return usageError{err}
	}
	done, err := to.send(cmd.Context(), message)
	if err != nil {
		return sendError(err)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), done)
	return err
}

// message makes the message of a command line that checkArguments has found right.
func (f *emitFlags) message(args []string, stdin io.Reader) (emitter.Message, error) {
	m := emitter.Message{Namespace: f.namespace, Rooms: f.rooms, Except: f.except}
	if !f.all {
		m.Rooms = append([]string{args[0]}, f.rooms...)
		args = args[1:]
	} else if args[0] == "" {
		args = args[1:]
	}
	if len(args) == 0 {
		return m, errors.New("there is no EVENT")
	}
	m.Event = args[0]
	if len(args) == 1 {
		if f.text || f.args {
			return m, errors.New("--text and --args are about JSON, and there is none")
		}
		return m, nil
	}
	data := []byte(args[1])
	if args[1] == "-" {
		var err error
		if data, err = io.ReadAll(io.LimitReader(stdin, maxInput+1)); err != nil {
			return m, fmt.Errorf("read standard input: %w", err)
		}
		if len(data) > maxInput {
			return m, fmt.Errorf("standard input has more than %s", formatSize(maxInput))
		}
	}
	var err error
	m.Args, err = f.arguments(data)
	return m, err
}

// arguments makes the arguments of an event of what stands for JSON.
func (f *emitFlags) arguments(data []byte) ([]json.RawMessage, error) {
	if f.text {
		if !utf8.Valid(data) {
			return nil, errors.New("the text is not valid UTF-8")
		}
		// A shell's own substitution cuts the newline at the end of what a program says, too.
		m, err := emitter.NewMessage("", nil, string(cutNewline(data)))
		return m.Args, err
	}
	var syntax *json.SyntaxError
	var one json.RawMessage
	if err := json.Unmarshal(data, &one); errors.As(err, &syntax) {
		return nil, fmt.Errorf("the JSON is wrong at byte %d; for plain text there is --text", syntax.Offset)
	} else if err != nil {
		return nil, errors.New("the JSON is wrong")
	}
	if !f.args {
		if string(one) == "null" {
			return nil, nil // as with POST /emit
		}
		return []json.RawMessage{one}, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil || list == nil {
		return nil, errors.New("--args: the JSON is not a list")
	}
	return list, nil
}

// cutNewline takes one newline off the end.
func cutNewline(text []byte) []byte {
	if n := len(text); n > 0 && text[n-1] == '\n' {
		text = text[:n-1]
		if n := len(text); n > 0 && text[n-1] == '\r' {
			text = text[:n-1]
		}
	}
	return text
}

// sendError is an error of sending, in words for people: a message that no server would take is a mistake, all others are failures.
func sendError(err error) error {
	if input, ok := errors.AsType[*emitter.InputError](err); ok {
		return usageError{&emitter.InputError{Index: -1, Field: input.Field, Reason: input.Reason}}
	}
	if errors.Is(err, emitter.ErrNotConfigured) {
		return fmt.Errorf("%w: it has no emit secret, or POST /emit is not at that URL", withoutPackage(err))
	}
	return withoutPackage(err)
}
