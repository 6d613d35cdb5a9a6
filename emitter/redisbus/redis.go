package redisbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Errors of [ParseURL]. They quote nothing: a password with a "/" or "?" in it ends up in what looks like another part of the URL.
var (
	errURLSyntax = errors.New("redisbus: not a Redis URL (special characters in a password must be percent-encoded)")
	errURLScheme = errors.New("redisbus: the scheme of a Redis URL must be redis, rediss, unix, valkey or valkeys")
)

// ParseURL returns the options of a client for a URL:
//
//	redis://[user:password@]host[:port][/db]    also valkey://
//	rediss://...                                with TLS, also valkeys://
//	unix://[user:password@]/path[?db=N]
//
// The query may have the settings that go-redis knows (dial_timeout=2s, pool_size=10, ...). Other defaults differ from those of go-redis:
// it keeps to RESP2, tells Redis nothing about itself and asks for no maintenance notifications, since proxies and older servers refuse
// these commands, a context's deadline holds for commands, and each try of a command dials once and not five times, so that a command fails in
// a tenth of a second instead of two where nobody listens. An error never contains any part of the URL.
func ParseURL(url string) (*redis.Options, error) {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return nil, errURLSyntax
	}
	switch scheme {
	case "redis", "rediss", "unix":
	case "valkey", "valkeys":
		scheme = "redis" + strings.TrimPrefix(scheme, "valkey")
	default:
		return nil, errURLScheme
	}
	opt, err := redis.ParseURL(scheme + "://" + rest)
	if err != nil {
		return nil, errURLSyntax
	}
	if opt.Protocol == 0 {
		opt.Protocol = 2
	}
	for _, timeout := range []*time.Duration{&opt.DialTimeout, &opt.ReadTimeout, &opt.WriteTimeout} {
		if *timeout == 0 {
			*timeout = 5 * time.Second
		}
	}
	opt.DialerRetries = 1
	opt.ContextTimeoutEnabled = true
	opt.DisableIdentity = true
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return opt, nil
}

// ClientLog passes what go-redis logs on to slog, at level Debug, since what matters is logged where it is decided. It is for
// redis.SetLogger, which holds for the whole process.
type ClientLog struct {
	// Logger must be set.
	Logger *slog.Logger
}

// Printf implements the logger of go-redis.
func (l ClientLog) Printf(ctx context.Context, format string, args ...any) {
	if l.Logger.Enabled(ctx, slog.LevelDebug) {
		l.Logger.DebugContext(ctx, "go-redis", "text", fmt.Sprintf(format, args...))
	}
}
