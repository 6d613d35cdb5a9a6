package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// config is what the flags say.
type config struct {
	address    string // where the page is served
	url        string // ws-emit, as this program reaches it
	browserURL string // ws-emit, as browsers reach it
	secret     string // of POST /emit
	redis      string // URL; emits go there instead of to POST /emit
	room       string
}

func main() {
	var c config
	flag.StringVar(&c.address, "address", ":7788", "where to serve the page, `HOST:PORT`")
	flag.StringVar(&c.url, "url", "http://localhost:8899", "`URL` of ws-emit")
	flag.StringVar(&c.browserURL, "browser-url", "", "`URL` of ws-emit as browsers reach it (default that of --url)")
	flag.StringVar(&c.secret, "secret", os.Getenv("SECRET"), "`SECRET` of POST /emit; better given in the variable SECRET, others can see flags")
	flag.Lookup("secret").DefValue = "" // not in the help text
	flag.StringVar(&c.redis, "redis", "", "`URL` of a Redis that ws-emit listens to: emit by publishing there instead of by HTTP")
	flag.StringVar(&c.room, "room", "time", "`ROOM` to emit to")
	flag.Parse()
	if c.browserURL == "" {
		c.browserURL = c.url
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, c, slog.Default()); err != nil {
		fmt.Fprintln(os.Stderr, "time:", err)
		os.Exit(1)
	}
}

// run serves the page and emits the time, until ctx ends.
func run(ctx context.Context, c config, log *slog.Logger) error {
	emit, err := overHTTP(c.url, c.secret)
	if c.redis != "" {
		var options *redis.Options
		if options, err = redis.ParseURL(c.redis); err != nil {
			return errors.New("--redis is not a Redis URL") // the error would quote the password
		}
		client := redis.NewClient(options)
		defer client.Close()
		emit = overRedis(client)
	}
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.address)
	if err != nil {
		return err
	}
	log.Info("the page is ready", "address", listener.Addr().String())

	web := &http.Server{Handler: pages(c), ReadHeaderTimeout: patience}
	ctx, cancel := context.WithCancel(ctx)
	var others sync.WaitGroup
	defer others.Wait()
	defer cancel()
	others.Go(func() { tick(ctx, emit, c.room, log) })
	others.Go(func() {
		<-ctx.Done()
		web.Close()
	})
	if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// pages serves the page, which is told where ws-emit is and which room to join.
func pages(c config) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		err := page.Execute(w, map[string]string{"url": strings.TrimSuffix(c.browserURL, "/"), "room": c.room})
		if err != nil {
			slog.Debug("the browser has gone", "err", err)
		}
	})
	return mux
}
