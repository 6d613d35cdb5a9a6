package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// following is a folder that is followed.
type following struct {
	dir   string
	told  chan changes
	ended chan error
}

func startFollowing(t *testing.T) *following {
	t.Helper()
	// The parent is not watched: that the folder itself goes is another matter.
	f := &following{dir: filepath.Join(t.TempDir(), "dir"), told: make(chan changes), ended: make(chan error, 1)}
	if err := os.Mkdir(f.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Add(f.dir); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.ended <- follow(ctx, f.dir, w, func(ctx context.Context, c changes) error {
			select {
			case f.told <- c:
			case <-ctx.Done():
			}
			return nil
		}, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		w.Close()
	})
	return f
}

// expect waits until these files were told of, and nothing else; a burst may
// be told in parts.
func (f *following) expect(t *testing.T, list bool, names ...string) {
	t.Helper()
	got := changes{files: map[string]struct{}{}}
	patience := time.After(30 * time.Second)
	for {
		select {
		case c := <-f.told:
			got.list = got.list || c.list
			maps.Copy(got.files, c.files)
		case <-patience:
			t.Fatalf("told %+v, want %q, list %v", got, names, list)
		}
		if sorted := slices.Sorted(maps.Keys(got.files)); slices.Equal(sorted, names) && got.list == list {
			return
		} else if len(sorted) > len(names) {
			t.Fatalf("told %q, list %v; want %q, list %v", sorted, got.list, names, list)
		}
	}
}

func TestFollow(t *testing.T) {
	f := startFollowing(t)
	write(t, "", f.dir, "a")
	f.expect(t, true, "a")
	write(t, "changed", f.dir, "a")
	f.expect(t, false, "a")
	if err := os.Rename(filepath.Join(f.dir, "a"), filepath.Join(f.dir, "b")); err != nil {
		t.Fatal(err)
	}
	f.expect(t, true, "a", "b")
	// Editors write another file and put it in place.
	write(t, "new", f.dir, ".b.swp")
	if err := os.Rename(filepath.Join(f.dir, ".b.swp"), filepath.Join(f.dir, "b")); err != nil {
		t.Fatal(err)
	}
	f.expect(t, true, "b")
	if err := os.Remove(filepath.Join(f.dir, "b")); err != nil {
		t.Fatal(err)
	}
	f.expect(t, true, "b")
	// What is not served is not told of.
	write(t, "", f.dir, ".hidden")
	write(t, "", f.dir, "_secret")
	if err := os.Chtimes(f.dir, time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	write(t, "", f.dir, "marker")
	f.expect(t, true, "marker")
}

func TestFollowGone(t *testing.T) {
	for name, end := range map[string]func(dir string) error{
		"removed": os.RemoveAll,
		"moved":   func(dir string) error { return os.Rename(dir, dir+"2") },
	} {
		t.Run(name, func(t *testing.T) {
			f := startFollowing(t)
			if err := end(f.dir); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-f.ended:
				if !errors.Is(err, errGone) {
					t.Errorf("ended with %v", err)
				}
			case <-time.After(30 * time.Second):
				t.Error("goes on without the folder")
			}
		})
	}
}

// TestFollowBurst: a burst is told once, after a moment; what goes on is told
// again and again; the last change is never left out.
func TestFollowBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var at []time.Duration
		w, end := startFake(t, func(c changes) error {
			if len(c.files) != 1 || c.list {
				t.Errorf("told %+v", c)
			}
			at = append(at, time.Since(began))
			return nil
		})
		for range 50 {
			w.Events <- fsnotify.Event{Name: "/dir/a", Op: fsnotify.Write}
		}
		time.Sleep(time.Second)
		for range 26 { // for 250 ms
			w.Events <- fsnotify.Event{Name: "/dir/a", Op: fsnotify.Write | fsnotify.Chmod}
			time.Sleep(10 * time.Millisecond)
		}
		w.Events <- fsnotify.Event{Name: "/dir/a", Op: fsnotify.Chmod} // nobody sees that
		time.Sleep(time.Second)
		end()
		if want := []time.Duration{100, 1100, 1210, 1320}; len(at) < 4 || at[0] != want[0]*time.Millisecond || len(at) > 5 {
			t.Errorf("told after %v, want about %v ms", at, want)
		}
		if last := at[len(at)-1]; last < 1250*time.Millisecond || last > 1400*time.Millisecond {
			t.Errorf("the last change was told after %v", last)
		}
	})
}

// TestFollowTrouble: what could not be told is told later, with what came
// after it, and the log says so once.
func TestFollowTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []changes
		tries := 0
		w, end := startFake(t, func(c changes) error {
			if tries++; tries <= 3 {
				return errors.New("away")
			}
			told = append(told, c)
			return nil
		})
		w.Events <- fsnotify.Event{Name: "/dir/a", Op: fsnotify.Create}
		time.Sleep(1500 * time.Millisecond)
		w.Events <- fsnotify.Event{Name: "/dir/b", Op: fsnotify.Write}
		time.Sleep(10 * time.Second)
		log := end()
		if len(told) != 1 || !told[0].list || len(told[0].files) != 2 {
			t.Errorf("told %+v, want a and b at once", told)
		}
		if tries != 4 || strings.Count(log, "\n") != 2 {
			t.Errorf("%d tries, want 4; log:\n%s", tries, log)
		}
	})
}

// TestFollowOverflow: when the system, or we, cannot say which files have
// changed, any may have.
func TestFollowOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []changes
		w, end := startFake(t, func(c changes) error {
			told = append(told, c)
			return nil
		})
		w.Errors <- fsnotify.ErrEventOverflow
		time.Sleep(time.Second)
		for i := range most + 10 {
			w.Events <- fsnotify.Event{Name: "/dir/" + strings.Repeat("x", i+1), Op: fsnotify.Write}
		}
		time.Sleep(time.Second)
		end()
		if len(told) != 2 || !told[0].any || !told[0].list || !told[1].any || len(told[1].files) > 10 {
			t.Errorf("told %d times, want twice that anything may have changed", len(told))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		w := &fsnotify.Watcher{Events: make(chan fsnotify.Event), Errors: make(chan error, 1)}
		w.Errors <- broken
		if err := follow(t.Context(), "/dir", w, nil, slog.Default()); !errors.Is(err, broken) {
			t.Errorf("ended with %v, want what the watcher said", err)
		}
	})
}

// startFake follows what a test sends; end returns the log.
func startFake(t *testing.T, tell func(changes) error) (w *fsnotify.Watcher, end func() string) {
	t.Helper()
	var log bytes.Buffer
	w = &fsnotify.Watcher{Events: make(chan fsnotify.Event), Errors: make(chan error)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- follow(ctx, "/dir", w, func(_ context.Context, c changes) error { return tell(c) }, slog.New(slog.NewTextHandler(&log, nil)))
	}()
	return w, func() string {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		return log.String()
	}
}

// TestStays: the watcher does not say that a folder above has been moved.
func TestStays(t *testing.T) {
	for name, end := range map[string]func(parent string) error{
		"moved": func(parent string) error { return os.Rename(parent, parent+"2") },
		"replaced": func(parent string) error {
			return errors.Join(os.Rename(parent, parent+"2"), os.MkdirAll(parent+"/dir", 0o755))
		},
		"removed": os.RemoveAll,
	} {
		t.Run(name, func(t *testing.T) {
			parent := filepath.Join(t.TempDir(), "parent")
			dir := filepath.Join(parent, "dir")
			write(t, "", dir, "a")
			was, err := os.Stat(dir)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan error, 1)
				go func() { ended <- stays(t.Context(), dir, was) }()
				write(t, "", dir, "b") // is no other folder
				select {
				case err := <-ended:
					t.Errorf("ended with %v while the folder was there", err)
				case <-time.After(time.Minute):
				}
				if err := end(parent); err != nil {
					t.Fatal(err)
				}
				if err := <-ended; !errors.Is(err, errGone) {
					t.Errorf("ended with %v", err)
				}
			})
		})
	}
}

// TestRun: the whole program, but for its flags. Whatever ends it, the pages
// are told to look at the list when it no longer answers, and so find out.
func TestRun(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(stop context.CancelFunc, dir string) error
		want error
	}{
		"stopped": {func(stop context.CancelFunc, _ string) error { stop(); return nil }, nil},
		"removed": {func(_ context.CancelFunc, dir string) error { return os.Remove(dir) }, errGone},
		"parent moved": {func(_ context.CancelFunc, dir string) error {
			return os.Rename(filepath.Dir(dir), filepath.Dir(dir)+"2")
		}, errGone},
	} {
		t.Run(name, func(t *testing.T) {
			e := startWsEmit(t, 204)
			c := e.config()
			c.folder, c.address = filepath.Join(t.TempDir(), "parent", "dir"), "localhost:0"
			if err := os.MkdirAll(c.folder, 0o755); err != nil {
				t.Fatal(err)
			}
			log := &readiness{ready: make(chan struct{})}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- run(ctx, c, slog.New(log)) }()
			<-log.ready
			if !strings.HasPrefix(log.url, "http://localhost:") || strings.HasSuffix(log.url, ":0") {
				t.Errorf("says that the page is at %q, want the host that was given", log.url)
			}
			e.mu.Lock()
			e.onEmit = func() {
				if resp, err := http.Get(log.url + "/_list"); err == nil {
					resp.Body.Close()
					t.Errorf("a page that looks at the list now gets %s", resp.Status)
				}
			}
			e.mu.Unlock()
			if err := tt.end(cancel, c.folder); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; !errors.Is(err, tt.want) || err != nil && strings.Count(err.Error(), errGone.Error()) != 1 {
				t.Errorf("ended with %v, want %v", err, tt.want)
			}
			expectMessages(t, e.batches, []string{`rescan dir::_rescan {"data":"modified"}`})
		})
	}
	c := startWsEmit(t, 204).config()
	c.folder = filepath.Join(t.TempDir(), "nothing")
	if err := run(t.Context(), c, slog.New(slog.DiscardHandler)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a folder: %v", err)
	}
}

// readiness is a log that waits for the line that says so.
type readiness struct {
	slog.TextHandler
	ready chan struct{}
	url   string // read after ready
}

func (r *readiness) Enabled(context.Context, slog.Level) bool { return true }

func (r *readiness) Handle(_ context.Context, record slog.Record) error {
	if record.Message == "the page is ready" {
		record.Attrs(func(a slog.Attr) bool {
			if a.Key == "url" {
				r.url = a.Value.String()
			}
			return true
		})
		close(r.ready)
	}
	return nil
}
