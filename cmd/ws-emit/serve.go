package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/redis/go-redis/v9"

	"github.com/ws-emit/ws-emit/emitter/redisbus"
	"github.com/ws-emit/ws-emit/server"
)

// serve runs the server until a signal or a failure ends it. It blocks, and returns nil after a signal.
func serve(ctx context.Context, o options, unknown []string, stderr io.Writer) error {
	log := newLogger(stderr, o)
	if len(unknown) > 0 {
		log.Warn("there are variables that no setting has", "names", strings.Join(unknown, " "))
	}
	if limit, ok := openFiles(); ok {
		log.Debug("open files", "limit", limit)
	}
	redis.SetLogger(redisbus.ClientLog{Logger: log})
	o.server.Logger = log
	if o.metrics {
		registry := prometheus.NewRegistry()
		registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		o.server.Registerer, o.server.Gatherer = registry, registry
	}
	srv, err := server.New(o.server)
	if err != nil {
		return usageError{asFlags(err)}
	}
	ctx, release := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer release()
	if err := srv.Listen(); err != nil {
		return withoutPackage(err)
	}
	logStart(log, o, srv.Addr())
	// Once a signal has come, the next one has its usual effect: it ends the process at once, with the exit status that shells expect.
	if err := runNotified(ctx, release, srv, log); err != nil {
		return withoutPackage(err)
	}
	log.Info("stopped")
	return nil
}

func newLogger(w io.Writer, o options) *slog.Logger {
	handler := &slog.HandlerOptions{Level: slog.LevelInfo}
	if o.verbose {
		handler.Level = slog.LevelDebug
	}
	if o.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, handler))
	}
	return slog.New(slog.NewTextHandler(w, handler))
}

// logStart says in one line what is served, without secrets.
func logStart(log *slog.Logger, o options, addr net.Addr) {
	emit := "on"
	if o.server.EmitSecret == "" {
		emit = "off: there is no secret"
	}
	log.Info("listening", "address", addr.String(), "path", o.server.Path, "origins", strings.Join(o.server.Origins, " "),
		"redis", describeRedis(o.server.Redis), "emit", emit, "version", newVersion().number)
}

// describeRedis says which Redis is used, without the password that a URL may have.
func describeRedis(url string) string {
	switch url {
	case server.NoRedis:
		return "none"
	case "":
		return server.DefaultRedis + " if it answers"
	}
	opt, err := redisbus.ParseURL(url)
	if err != nil {
		return "unknown" // New has refused it
	}
	return fmt.Sprintf("%s db %d", opt.Addr, opt.DB)
}

// runNotified runs a server that listens, and tells systemd, if that has started us, how it goes. When ctx ends it calls onStop first.
func runNotified(ctx context.Context, onStop func(), srv *server.Server, log *slog.Logger) error {
	unit := systemd{log}
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	var others sync.WaitGroup
	defer others.Wait()
	defer end()
	others.Go(func() { unit.watchdog(running) })
	if m := newMemory(srv.Sessions); m != nil {
		others.Go(func() { m.run(running) })
	}
	others.Go(func() {
		select {
		case <-running.Done():
		case <-ctx.Done():
		}
		if ctx.Err() == nil {
			return // the server has failed, and that is said elsewhere
		}
		onStop()
		log.Info("stopping", "cause", context.Cause(ctx))
		unit.stopping()
	})
	unit.ready(srv.Addr())
	return srv.Run(ctx)
}
