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
	"time"
)

// config is what the flags say.
type config struct {
	address string // where the page is served
	url     string // ws-emit, as browsers reach it
	room    string
}

func main() {
	var c config
	flag.StringVar(&c.address, "address", ":7788", "where to serve the page, `HOST:PORT`")
	flag.StringVar(&c.url, "url", "http://localhost:8899", "`URL` of ws-emit as browsers reach it")
	flag.StringVar(&c.room, "room", "build", "`ROOM` to join; build.sh emits to that of the variable ROOM")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, c, slog.Default()); err != nil {
		fmt.Fprintln(os.Stderr, "progress:", err)
		os.Exit(1)
	}
}

// run serves the page, until ctx ends.
func run(ctx context.Context, c config, log *slog.Logger) error {
	listener, err := net.Listen("tcp", c.address)
	if err != nil {
		return err
	}
	log.Info("the page is ready", "address", listener.Addr().String())
	log.Info("start a build in another terminal: SECRET=... progress/build.sh")
	ctx, cancel := context.WithCancel(ctx)
	web := &http.Server{Handler: pages(c), ReadHeaderTimeout: 5 * time.Second}
	var closing sync.WaitGroup
	defer closing.Wait()
	defer cancel()
	closing.Go(func() {
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
		if err := page.Execute(w, map[string]string{"url": strings.TrimSuffix(c.url, "/"), "room": c.room}); err != nil {
			slog.Debug("the browser has gone", "err", err)
		}
	})
	return mux
}
