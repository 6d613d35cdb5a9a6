package roomspace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// DefaultTimeout is how long one question to a store may take.
const DefaultTimeout = 2 * time.Second

// redisPrefix and the space are the key of a space's secret, a Redis string. Backends in other languages write it themselves.
const redisPrefix = "ws-emit::secret::"

var (
	_ SecretStore = (*Redis)(nil)
	_ Pinger      = (*Redis)(nil)
)

// Redis keeps the secret of each space in the Redis string ws-emit::secret::<space>, in the database of its client. A Go backend uses it
// to set, rotate ([Rotate]) and delete them.
type Redis struct {
	client  redis.UniversalClient
	timeout time.Duration
}

// NewRedis returns the store on client, which stays the caller's to close. The client needs Options.ContextTimeoutEnabled, else go-redis
// holds each call for its own timeouts. timeout bounds each call, DefaultTimeout when it is not positive.
func NewRedis(client redis.UniversalClient, timeout time.Duration) *Redis {
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	return &Redis{client: client, timeout: timeout}
}

// Secret implements SecretStore. A key that is not a string holds no secret.
func (r *Redis) Secret(ctx context.Context, space string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	secret, err := r.client.Get(ctx, redisPrefix+space).Result()
	if errors.Is(err, redis.Nil) || redis.HasErrorPrefix(err, "WRONGTYPE") {
		return "", nil
	}
	return secret, redisError("get secret", err)
}

// Set implements SecretStore.
func (r *Redis) Set(ctx context.Context, space, secret string) error {
	if err := validEntry(space, secret); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	return redisError("set secret", r.client.Set(ctx, redisPrefix+space, secret, 0).Err())
}

// Delete implements SecretStore.
func (r *Redis) Delete(ctx context.Context, space string) error {
	if err := ValidSpace(space); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	return redisError("delete secret", r.client.Del(ctx, redisPrefix+space).Err())
}

// scanCount is how many keys Redis looks at before it does something else.
const scanCount = 1000

// Spaces returns the spaces that have a key and whose names begin so, sorted. Keys are written by anybody: a name may be one that
// [ValidSpace] refuses. It looks through all keys of the server, bit by bit, so that Redis keeps nobody waiting; each bit may take as long as
// other calls.
func (r *Redis) Spaces(ctx context.Context, begin string) ([]string, error) {
	found := make(map[string]bool) // a key may come twice
	pattern := globEscaper.Replace(redisPrefix+begin) + "*"
	for cursor := uint64(0); ; {
		keys, next, err := r.scan(ctx, cursor, pattern)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			found[strings.TrimPrefix(key, redisPrefix)] = true
		}
		if cursor = next; cursor == 0 {
			return slices.Sorted(maps.Keys(found)), nil
		}
	}
}

// globEscaper escapes what means something in the patterns of Redis.
var globEscaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)

func (r *Redis) scan(ctx context.Context, cursor uint64, pattern string) (keys []string, next uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	keys, next, err = r.client.Scan(ctx, cursor, pattern, scanCount).Result()
	return keys, next, redisError("list secrets", err)
}

// Ping implements Pinger.
func (r *Redis) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	return redisError("ping", r.client.Ping(ctx).Err())
}

// redisError wraps err. Of an error that Redis replied only the code is kept, its first word: the text may quote the command with its
// arguments, as "ERR unknown command" does, and with them the secret.
func redisError(operation string, err error) error {
	var reply redis.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &reply):
		code, _, _ := strings.Cut(reply.Error(), " ")
		return fmt.Errorf("%s: redis replied %q", operation, code)
	default:
		return fmt.Errorf("%s: %w", operation, err)
	}
}
