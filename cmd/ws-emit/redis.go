package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ws-emit/ws-emit/emitter/redisbus"
)

// redisOnce returns the options of a client that tries nothing again: what is wrong is told at once and as it is, not as the end of the time
// for it.
func redisOnce(url string) (*redis.Options, error) {
	options, err := redisbus.ParseURL(url)
	if err != nil {
		return nil, withoutPackage(err)
	}
	options.MaxRetries, options.DialerRetries = -1, 1
	redis.SetLogger(redisbus.ClientLog{Logger: slog.New(slog.DiscardHandler)})
	return options, nil
}

// explainSecrets adds to an error of a command about secrets in Redis what there is without it.
func explainSecrets(options *redis.Options, err error) error {
	if network, ok := errors.AsType[*net.OpError](err); ok && network.Op == "dial" {
		return fmt.Errorf("%w; without Redis the server keeps the secrets itself: use its PUT and DELETE /roomspaces", err)
	}
	return explainTLS(options, err)
}

// explainTLS adds to an error what could be meant.
func explainTLS(options *redis.Options, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w%s", err, tlsHint(options, err.Error()))
}

// tlsHint is what the error of a handshake with a Redis without TLS does not say: that one waits for the end of a line, or answers in plain
// text. It is "" for other errors. A spy learns only from a log what is wrong, so it is the text that counts.
func tlsHint(options *redis.Options, said string) string {
	if options.TLSConfig == nil || !strings.Contains(said, context.DeadlineExceeded.Error()) && !strings.Contains(said, "TLS handshake") {
		return ""
	}
	return "; rediss:// is for a Redis with TLS: without, it is redis://"
}

// refusedByRedis matches the replies of Redis that stay the same: a password is wrong, missing or one too many, or a user may not listen.
var refusedByRedis = regexp.MustCompile(`\b(?:WRONGPASS|NOAUTH|NOPERM|ERR (?:invalid password|AUTH|Client sent AUTH))\b`)
