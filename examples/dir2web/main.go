package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sync/errgroup"
)

// config is what the flags and the argument say.
type config struct {
	folder      string
	address     string // where the page is served
	host        string // another name by which browsers reach it
	url         string // ws-emit, as this program reaches it
	browserURL  string // ws-emit, as browsers reach it
	secret      string // of POST /emit
	space       string // room-space
	spaceSecret string
}

func main() {
	var c config
	flag.StringVar(&c.address, "address", "localhost:7788", "where to serve the page, `HOST:PORT`; whoever reaches it can read the folder")
	flag.StringVar(&c.host, "host", "", "`NAME` by which browsers reach the page, besides localhost, IP addresses and the host of --address")
	flag.StringVar(&c.url, "url", "http://localhost:8899", "`URL` of ws-emit")
	flag.StringVar(&c.browserURL, "browser-url", "", "`URL` of ws-emit as browsers reach it (default that of --url)")
	flag.StringVar(&c.secret, "secret", os.Getenv("SECRET"), "`SECRET` of POST /emit; better given in the variable SECRET, others can see flags")
	flag.StringVar(&c.space, "space", "dir", "room-space, the `NAME` before the :: of the rooms")
	flag.StringVar(&c.spaceSecret, "space-secret", os.Getenv("SPACE_SECRET"),
		"`SECRET` of the room-space; better given in the variable SPACE_SECRET (default a random one)")
	for _, name := range []string{"secret", "space-secret"} {
		flag.Lookup(name).DefValue = "" // not in the help text
	}
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "Usage: dir2web [FLAG...] FOLDER")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	c.folder = flag.Arg(0)
	if c.browserURL == "" {
		c.browserURL = c.url
	}
	if c.spaceSecret == "" {
		c.spaceSecret = rand.Text()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, c, slog.Default()); err != nil {
		fmt.Fprintln(os.Stderr, "dir2web:", err)
		os.Exit(1)
	}
}

// run serves the folder and tells of its changes, until ctx ends or the folder is gone.
func run(ctx context.Context, c config, log *slog.Logger) error {
	dir, err := filepath.Abs(c.folder)
	if err != nil {
		return err
	}
	files := folder(dir)
	if _, err := files.list(); err != nil {
		return err
	}
	was, err := os.Stat(dir)
	if err != nil {
		return err
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer watcher.Close()
	if err := watcher.Add(dir); err != nil {
		return fmt.Errorf("watch %s: %w", dir, err)
	}
	s, err := newSpace(c)
	if err != nil {
		return err
	}
	if err := s.announce(ctx); err != nil && ctx.Err() == nil {
		log.Warn("ws-emit does not know the secret yet; it is told again when a page asks for it", "err", err)
	}
	listener, err := net.Listen("tcp", c.address)
	if err != nil {
		return err
	}
	log.Info("the page is ready", "url", pageURL(c.address, listener.Addr()), "folder", dir)

	tell := func(ctx context.Context, seen changes) error { return s.tell(ctx, seen, files) }
	all, running := errgroup.WithContext(ctx)
	all.Go(func() error { return follow(running, dir, watcher, tell, log) })
	all.Go(func() error { return stays(running, dir, was) })
	all.Go(func() error { return serve(running, listener, pages(c, files, s, log)) })
	err = all.Wait()
	// The pages look at the list once more, and find that nobody answers.
	if err := tell(context.WithoutCancel(ctx), changes{list: true}); err != nil {
		log.Debug("the pages are not told that this is the end", "err", err)
	}
	return err
}

// serve answers requests until ctx ends, which is no error.
func serve(ctx context.Context, listener net.Listener, pages http.Handler) error {
	web := &http.Server{Handler: pages, ReadHeaderTimeout: patience}
	var closing sync.WaitGroup
	defer closing.Wait()
	ctx, cancel := context.WithCancel(ctx)
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

// pageURL keeps the name of the host that was given: to a browser, and to the --cors of ws-emit, localhost and 127.0.0.1 are two.
func pageURL(address string, listening net.Addr) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		host = "localhost"
	}
	_, port, err := net.SplitHostPort(listening.String())
	if err != nil {
		return "http://" + listening.String()
	}
	return "http://" + net.JoinHostPort(host, port)
}
