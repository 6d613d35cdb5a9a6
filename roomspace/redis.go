package roomspace

import (
	"context"
	"errors"
	"fmt"
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
