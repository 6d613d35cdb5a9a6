package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// pause is how long changes are gathered before they are told: writing a file is many of them.
	pause = 100 * time.Millisecond
	// again is how long to wait after they could not be told.
	again = time.Second
	// glance is how often it is looked whether the folder is still there.
	glance = 2 * time.Second
	// most is how many changed files are kept apart while they wait; more count as "any of them".
	most = 1000
)

// changes are what has happened in the folder since it was last told.
type changes struct {
	list  bool                // files have appeared or vanished
	files map[string]struct{} // that have appeared, changed or vanished
	any   bool                // too much to say which
}

func (c *changes) none() bool { return !c.list && !c.any && len(c.files) == 0 }

// note adds what an event says. Files that are not served do not count, and neither does a change of their attributes alone.
func (c *changes) note(e fsnotify.Event) {
	name := filepath.Base(e.Name)
	listed := e.Has(fsnotify.Create | fsnotify.Remove | fsnotify.Rename)
	if !served(name) || !listed && !e.Has(fsnotify.Write) {
		return
	}
	c.list = c.list || listed
	if c.files == nil {
		c.files = map[string]struct{}{}
	}
	c.files[name] = struct{}{}
	if len(c.files) > most {
		c.lost()
	}
}

// lost notes that anything may have changed.
func (c *changes) lost() { *c = changes{list: true, any: true} }

var errGone = errors.New("the folder has been moved or removed")

// follow notes the changes in dir, which is the path that is watched, and tells them: at most every pause, and the last one always. What
// could not be told is told later, with what came after it. It blocks until ctx ends, which is no error, or the folder is gone or can no
// longer be watched.
func follow(ctx context.Context, dir string, w *fsnotify.Watcher, tell func(context.Context, changes) error, log *slog.Logger) error {
	var seen changes
	var due <-chan time.Time // nil while there is nothing to tell
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-w.Events:
			if e.Name == dir && e.Has(fsnotify.Remove|fsnotify.Rename) {
				return errGone
			}
			seen.note(e)
		case err := <-w.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return err
			}
			seen.lost()
		case <-due:
			due = nil
			err := tell(ctx, seen)
			if ctx.Err() != nil {
				return nil
			}
			if err == nil {
				seen = changes{}
			} else {
				due = time.After(again)
			}
			if failing != (err != nil) {
				failing = err != nil
				logChange(log, err)
			}
		}
		if due == nil && !seen.none() {
			due = time.After(pause)
		}
	}
}

// stays blocks until ctx ends, which is no error, or the path dir no longer leads to the folder that it was. A watcher is not told when a
// folder above that one is moved.
func stays(ctx context.Context, dir string, was fs.FileInfo) error {
	look := time.NewTicker(glance)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			if now, err := os.Stat(dir); err != nil || !os.SameFile(was, now) {
				return errGone
			}
		}
	}
}

func logChange(log *slog.Logger, err error) {
	if err != nil {
		log.Warn("cannot tell what changes, trying again every second", "err", err)
	} else {
		log.Info("telling what changes again")
	}
}
