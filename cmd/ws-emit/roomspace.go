package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/ws-emit/ws-emit/roomspace"
	"github.com/ws-emit/ws-emit/server"
)

func newRoomspaceCommand(environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "roomspace set|get|delete|list",
		Short: "Set, tell, delete and list the secrets of room-spaces in Redis",
		Example: `  ws-emit roomspace set orders                 a random secret, which it prints
  ws-emit roomspace set orders S1
  ws-emit roomspace get orders
  ws-emit roomspace list --redis redis://localhost`,
		Long: `The secret of the room-space "orders", whose rooms are "orders::42" and so on, is the Redis string
ws-emit::secret::orders. A new one holds from the next join on; who is in a room stays there.
Room-spaces of --roomspace are not in Redis, and win over those that are.`,
		RunE: func(cmd *cobra.Command, args []string) error { return arguments(1, 0)(cmd, args) },
	}
	cmd.AddCommand(
		newRoomspaceSetCommand(environ),
		newRoomspaceGetCommand(environ),
		newRoomspaceDeleteCommand(environ),
		newRoomspaceListCommand(environ),
	)
	return cmd
}

func newRoomspaceSetCommand(environ []string) *cobra.Command {
	return inRedis(environ, &cobra.Command{
		Use:   "set SPACE [SECRET]",
		Short: "Set the secret of a room-space, or give it a random one and print that",
		Example: `  ws-emit roomspace set orders
  ws-emit roomspace set orders - < secret
  ws-emit roomspace set orders S1`,
		Long: `- takes the secret from standard input, without a newline at its end: others on this machine can see
a command line.`,
		Args: arguments(1, 2),
	}, func(ctx context.Context, cmd *cobra.Command, client *redis.Client, args []string) error {
		store := roomspace.NewRedis(client, 0)
		if len(args) == 1 {
			secret, err := roomspace.Rotate(ctx, store, args[0])
			if err == nil {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), secret)
			}
			return err
		}
		secret := args[1]
		if secret == "-" {
			text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), roomspace.MaxSecret+3)) // a newline, and one too many
			if err != nil {
				return fmt.Errorf("read standard input: %w", err)
			}
			secret = string(cutNewline(text))
		}
		return store.Set(ctx, args[0], secret)
	})
}

func newRoomspaceGetCommand(environ []string) *cobra.Command {
	return inRedis(environ, &cobra.Command{
		Use:     "get SPACE",
		Short:   "Print the secret of a room-space",
		Example: `  ws-emit roomspace get orders`,
		Long:    `Exit status: 1 when it has none, and nobody can join its rooms.`,
		Args:    arguments(1, 1),
	}, func(ctx context.Context, cmd *cobra.Command, client *redis.Client, args []string) error {
		if err := roomspace.ValidSpace(args[0]); err != nil {
			return err
		}
		secret, err := roomspace.NewRedis(client, 0).Secret(ctx, args[0])
		if err == nil && secret == "" {
			err = fmt.Errorf("room-space %q has no secret", args[0])
		}
		if err == nil {
			_, err = fmt.Fprintln(cmd.OutOrStdout(), secret)
		}
		return err
	})
}

func newRoomspaceDeleteCommand(environ []string) *cobra.Command {
	return inRedis(environ, &cobra.Command{
		Use:     "delete SPACE",
		Short:   "Delete the secret of a room-space, so that nobody joins its rooms any more",
		Example: `  ws-emit roomspace delete orders`,
		Long:    "Who is in a room stays there. That there was no secret is no error.",
		Args:    arguments(1, 1),
	}, func(ctx context.Context, _ *cobra.Command, client *redis.Client, args []string) error {
		return roomspace.NewRedis(client, 0).Delete(ctx, args[0])
	})
}

func newRoomspaceListCommand(environ []string) *cobra.Command {
	var show bool
	cmd := inRedis(environ, &cobra.Command{
		Use:   "list [BEGIN]",
		Short: "List the room-spaces that have a secret",
		Example: `  ws-emit roomspace list
  ws-emit roomspace list shop-       those whose names begin so
  ws-emit roomspace list --show      with their secrets, after a tab`,
		Args: arguments(0, 1),
	}, func(ctx context.Context, cmd *cobra.Command, client *redis.Client, args []string) error {
		return listSpaces(ctx, cmd, client, strings.Join(args, ""), show)
	})
	cmd.Flags().BoolVar(&show, "show", false, "print the secrets, too")
	return cmd
}

// inRedis completes a command that works with Redis.
func inRedis(environ []string, cmd *cobra.Command, work func(context.Context, *cobra.Command, *redis.Client, []string) error) *cobra.Command {
	addFlag(cmd.Flags(), nameRedis, "Redis with the secrets is at `URL` (default "+server.DefaultRedis+") [REDIS]")
	addFlag(cmd.Flags(), nameConfig, "the server's configuration `FILE`, for the URL of Redis")
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := openSecrets(cmd, environ)
		if err != nil {
			return usageError{err}
		}
		defer func() { _ = client.Close() }()
		err = work(cmd.Context(), cmd, client, args)
		if errors.Is(err, roomspace.ErrInvalid) {
			return usageError{withoutPackage(err)}
		}
		return explainSecrets(client.Options(), err)
	}
	return cmd
}

// openSecrets returns a client of the Redis that the server would use. It does not connect yet.
func openSecrets(cmd *cobra.Command, environ []string) (*redis.Client, error) {
	o, _, err := load(cmd.Flags(), environ)
	if err != nil {
		return nil, err
	}
	switch o.server.Redis {
	case server.NoRedis:
		return nil, errors.New("redis is none: want its URL in --redis, or use PUT and DELETE /roomspaces of the server")
	case "":
		o.server.Redis = server.DefaultRedis
	}
	options, err := redisOnce(o.server.Redis)
	if err != nil {
		return nil, err
	}
	return redis.NewClient(options), nil
}

// listSpaces prints the names that begin so, sorted, on a line each.
func listSpaces(ctx context.Context, cmd *cobra.Command, client *redis.Client, begin string, show bool) error {
	store := roomspace.NewRedis(client, 0)
	names, err := store.Spaces(ctx, begin)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for _, name := range names {
		if err := roomspace.ValidSpace(name); err != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "ws-emit: no room is in %q: %s\n", name, oneLine(withoutPackage(err)))
			continue
		}
		out.WriteString(field(name))
		if show {
			secret, err := store.Secret(ctx, name)
			if err != nil {
				return err
			}
			out.WriteString("\t" + field(secret))
		}
		out.WriteByte('\n')
	}
	_, err = cmd.OutOrStdout().Write(out.Bytes())
	return err
}
