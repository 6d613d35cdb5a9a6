package roomspace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slowStore reads a secret when it is asked and answers later, as a store behind a slow network: the worst case for what was set meanwhile.
type slowStore struct {
	delay time.Duration

	mu      sync.Mutex
	secrets map[string]string
	err     error // of all questions and pings
	getErr  error // of questions only
	asked   int
	pinged  int
	running int
	most    int // running at once
}

func (s *slowStore) Secret(ctx context.Context, space string) (string, error) {
	s.mu.Lock()
	secret, err := s.secrets[space], errors.Join(s.err, s.getErr)
	s.asked++
	s.running++
	s.most = max(s.most, s.running)
	s.mu.Unlock()
	slept := sleep(ctx, s.delay)
	s.mu.Lock()
	s.running--
	s.mu.Unlock()
	return secret, errors.Join(err, slept)
}

func (s *slowStore) Set(_ context.Context, space, secret string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets[space] = secret
	return nil
}

func (s *slowStore) Delete(_ context.Context, space string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.secrets, space)
	return nil
}

func (s *slowStore) Ping(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pinged++
	return s.err
}

func (s *slowStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *slowStore) count() (asked, pinged int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked, s.pinged
}

func newSlowStore(delay time.Duration) *slowStore {
	return &slowStore{delay: delay, secrets: map[string]string{"dir": "S1"}}
}

func newAuthorizer(t testing.TB, cfg Config) *Authorizer {
	t.Helper()
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func wantError(t testing.TB, got, want error) {
	t.Helper()
	if !errors.Is(got, want) || (want == nil && got != nil) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func after(t testing.TB, d time.Duration) {
	t.Helper()
	if err := sleep(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

func TestCheck(t *testing.T) {
	store := newSlowStore(0)
	store.secrets["empty"] = ""
	store.secrets["number"] = "123"
	a := newAuthorizer(t, Config{Store: store})
	for _, c := range []struct {
		space, secret string
		want          error
		asks          int
	}{
		{"dir", "S1", nil, 1},
		{"dir", "bad", ErrDenied, 1},
		{"dir", "s1", ErrDenied, 1},
		{"dir", "S1 ", ErrDenied, 1},
		{"dir", "", ErrDenied, 0},
		{"nokey", "x", ErrDenied, 1},
		{"nokey", "", ErrDenied, 0},
		{"empty", "", ErrDenied, 0},
		{"empty", "x", ErrDenied, 1},
		{"number", "123", nil, 1},
	} {
		before, _ := store.count()
		wantError(t, a.Check(t.Context(), c.space, c.secret, time.Now()), c.want)
		if asked, _ := store.count(); asked-before != c.asks {
			t.Errorf("check of %q with %q asked the store %d times, want %d", c.space, c.secret, asked-before, c.asks)
		}
	}
}

func TestPipelinedJoinsShareAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSlowStore(time.Second)
		a := newAuthorizer(t, Config{Store: store})
		arrived, conn := time.Now(), new(ConnState)
		for range 1000 {
			wantError(t, a.Join(t.Context(), Request{Space: "dir", Secret: "S1", Conn: conn, Arrived: arrived}), nil)
		}
		if took := time.Since(arrived); took > 2*time.Second {
			t.Errorf("1,000 joins handled one after the other took %v", took)
		}
	})
}

func TestJoinsAtOnceShareAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSlowStore(time.Second)
		a := newAuthorizer(t, Config{Store: store})
		start := time.Now()
		var joins sync.WaitGroup
		for i := range 1000 {
			joins.Go(func() {
				after(t, time.Duration(i)*time.Millisecond) // they arrive one after the other
				wantError(t, a.Check(t.Context(), "dir", "S1", time.Now()), nil)
			})
		}
		joins.Wait()
		if asked, _ := store.count(); asked != 2 || time.Since(start) != 2*time.Second {
			t.Errorf("asked %d times in %v, want twice in 2s", asked, time.Since(start))
		}
	})
}

func TestSecretSetWhileAQuestionIsSlowCountsForTheJoinThatCameAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSlowStore(time.Second)
		a := newAuthorizer(t, Config{Store: store})
		var joins sync.WaitGroup
		joins.Go(func() { wantError(t, a.Check(t.Context(), "new", "N1", time.Now()), ErrDenied) })
		after(t, 500*time.Millisecond)
		wantError(t, store.Set(t.Context(), "new", "N1"), nil)
		wantError(t, store.Delete(t.Context(), "dir"), nil)
		wantError(t, a.Check(t.Context(), "new", "N1", time.Now()), nil)
		joins.Wait()

		joins.Go(func() { wantError(t, a.Check(t.Context(), "new", "N1", time.Now()), nil) })
		after(t, 500*time.Millisecond)
		wantError(t, store.Set(t.Context(), "new", "N2"), nil)
		wantError(t, a.Check(t.Context(), "new", "N1", time.Now()), ErrDenied)
		// An answer that came before the join is not used either, and a zero time is now.
		wantError(t, store.Set(t.Context(), "new", "N3"), nil)
		wantError(t, a.Check(t.Context(), "new", "N2", time.Time{}), ErrDenied)
		joins.Wait()
	})
}

func TestCallerThatLeavesBreaksNoGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSlowStore(time.Second)
		a := newAuthorizer(t, Config{Store: store})
		leaving, leave := context.WithCancel(t.Context())
		var joins sync.WaitGroup
		for i := range 20 {
			joins.Go(func() {
				after(t, time.Duration(i/10)*time.Millisecond) // half of them in the running group, half in the waiting one
				if i%2 == 0 {
					err := a.Check(leaving, "dir", "S1", time.Now())
					wantError(t, err, ErrUnavailable)
					wantError(t, err, context.Canceled)
					return
				}
				wantError(t, a.Check(t.Context(), "dir", "S1", time.Now()), nil)
			})
		}
		after(t, 2*time.Millisecond)
		start := time.Now()
		leave()
		synctest.Wait()
		if time.Since(start) != 0 {
			t.Error("the callers that left were not freed at once")
		}
		joins.Wait()
	})
}

func TestQuestionThatNobodyWaitsForIsNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSlowStore(time.Second)
		a := newAuthorizer(t, Config{Store: store})
		ctx, leave := context.WithCancel(t.Context())
		var joins sync.WaitGroup
		for i := range 10_000 {
			joins.Go(func() {
				wantError(t, a.Check(ctx, fmt.Sprint("space", i), "x", time.Now()), ErrUnavailable)
			})
		}
		synctest.Wait()
		leave()
		joins.Wait()
		if groups := len(a.lookups.groups); groups != maxWorkers {
			t.Errorf("%d spaces are remembered, want the %d that are being asked", groups, maxWorkers)
		}
		after(t, time.Second)
		synctest.Wait()
		if asked, _ := store.count(); asked != maxWorkers || store.most != maxWorkers {
			t.Errorf("asked %d times, %d at once; want %d", asked, store.most, maxWorkers)
		}
	})
}

func TestManySpaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSlowStore(10 * time.Millisecond)
		a := newAuthorizer(t, Config{Store: store})
		var joins sync.WaitGroup
		for i := range 10_000 {
			joins.Go(func() {
				wantError(t, a.Check(t.Context(), fmt.Sprint("space", i), "x", time.Now()), ErrDenied)
			})
		}
		joins.Wait()
		synctest.Wait()
		if store.most != maxWorkers {
			t.Errorf("%d questions at once, want %d", store.most, maxWorkers)
		}
		if groups := len(a.lookups.groups); groups != maxAnswers || a.lookups.workers != 0 {
			t.Errorf("%d spaces remembered and %d workers when idle", groups, a.lookups.workers)
		}
		after(t, keepAnswer)
		wantError(t, a.Check(t.Context(), "dir", "S1", time.Now()), nil)
		if groups := len(a.lookups.groups); groups != 1 {
			t.Errorf("%d spaces are remembered later, want 1", groups)
		}
	})
}

func TestTooManySpacesAreUnavailableInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		a := newAuthorizer(t, Config{Store: newSlowStore(1900 * time.Millisecond), Logger: slog.New(slog.NewTextHandler(&log, nil))})
		start := time.Now()
		var mu sync.Mutex
		results := make(map[Result]int)
		var joins sync.WaitGroup
		for i := range 1000 {
			joins.Go(func() {
				err := a.Check(t.Context(), fmt.Sprint("space", i), "x", start)
				mu.Lock()
				defer mu.Unlock()
				results[ResultOf(err)]++
			})
		}
		joins.Wait()
		if time.Since(start) != 2*DefaultTimeout || results[ResultDenied] != 2*maxWorkers {
			t.Errorf("after %v: %v", time.Since(start), results)
		}
		if log.Len() != 0 {
			t.Errorf("a store that answers was called lost: %s", log.String())
		}
	})
}

func TestLostStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		store := newSlowStore(3 * time.Second) // over the timeout
		fixed, err := NewFixed(map[string]string{"mine": "F1"}, store)
		wantError(t, err, nil)
		a := newAuthorizer(t, Config{Store: fixed, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		store.fail(errors.New("down"))

		start := time.Now()
		var joins sync.WaitGroup
		for i := range 10 { // a running and a waiting group: all are answered after one timeout
			joins.Go(func() {
				after(t, time.Duration(i)*time.Millisecond)
				wantError(t, a.Check(t.Context(), "dir", "S1", time.Now()), ErrUnavailable)
			})
		}
		joins.Wait()
		if took := time.Since(start); took != DefaultTimeout {
			t.Errorf("the first checks took %v", took)
		}
		lost := time.Now()
		for i := range 1000 {
			wantError(t, a.Check(t.Context(), fmt.Sprint("dir", i), "S1", time.Now()), ErrUnavailable)
			wantError(t, a.Check(t.Context(), "mine", "F1", time.Now()), nil)
		}
		if took := time.Since(lost); took != 0 {
			t.Errorf("checks of a lost store took %v", took)
		}
		after(t, time.Minute)
		asked, pinged := store.count()
		if asked != 1 || pinged < 60/2 || pinged > 2*60/2+10 {
			t.Errorf("asked %d times, pinged %d times in a minute", asked, pinged)
		}
		store.fail(nil)
		store.delay = 0
		after(t, maxBackoff)
		synctest.Wait()
		wantError(t, a.Check(t.Context(), "dir", "S1", time.Now()), nil)
		if lines := strings.Split(strings.TrimSpace(log.String()), "\n"); len(lines) != 2 ||
			!strings.Contains(lines[0], "lost") || !strings.Contains(lines[1], "back") {
			t.Errorf("log:\n%s", log.String())
		}
	})
}

func TestStoreThatOnlyAnswersPingsIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSlowStore(0)
		store.getErr = errors.New("no permission")
		a := newAuthorizer(t, Config{Store: store})
		for start := time.Now(); time.Since(start) < time.Minute; after(t, 10*time.Millisecond) {
			wantError(t, a.Check(t.Context(), "dir", "S1", time.Now()), ErrUnavailable)
		}
		if asked, _ := store.count(); asked > 70 {
			t.Errorf("asked %d times in a minute", asked)
		}
	})
}

// The back-off of a store that was lost, and has answered since, starts anew.
func TestStoreThatIsLostAgainIsPingedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSlowStore(0)
		a := newAuthorizer(t, Config{Store: store})
		lose := func(d time.Duration) {
			store.fail(errors.New("down"))
			wantError(t, a.Check(t.Context(), "dir", "S1", time.Now()), ErrUnavailable)
			after(t, d)
			store.fail(nil)
		}
		lose(time.Minute)
		after(t, maxBackoff)
		wantError(t, a.Check(t.Context(), "dir", "S1", time.Now()), nil)
		after(t, keepAnswer)
		lose(0)
		after(t, minBackoff)
		synctest.Wait()
		wantError(t, a.Check(t.Context(), "dir", "S1", time.Now()), nil)
	})
}

// A question that was asked at the same tick of the clock may have been asked before the join arrived.
func TestQuestionOfTheSameTickIsNotShared(t *testing.T) {
	now := time.Now()
	for asked, want := range map[time.Time]bool{now: false, now.Add(-1): false, now.Add(1): true, {}: false} {
		if got := (&lookup{asked: asked}).askedAfter(now); got != want {
			t.Errorf("asked %v after the join arrived: %v", asked.Sub(now), got)
		}
	}
}

func TestLostStoreStillGivesAnswersThatCameInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSlowStore(time.Second)
		a := newAuthorizer(t, Config{Store: store})
		arrived := time.Now()
		after(t, time.Millisecond)
		wantError(t, a.Check(t.Context(), "dir", "S1", arrived), nil)
		store.fail(errors.New("down"))
		wantError(t, a.Check(t.Context(), "dir", "S1", time.Now()), ErrUnavailable)
		wantError(t, a.Check(t.Context(), "dir", "S1", arrived), nil)
		wantError(t, a.Check(t.Context(), "dir", "bad", arrived), ErrDenied)
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		a := newAuthorizer(t, Config{Store: newSlowStore(time.Second), Logger: slog.New(slog.NewTextHandler(&log, nil))})
		var joins sync.WaitGroup
		for i := range 10 {
			joins.Go(func() {
				after(t, time.Duration(i)*time.Millisecond)
				wantError(t, a.Check(t.Context(), "dir", "S1", time.Now()), ErrUnavailable)
			})
		}
		after(t, 20*time.Millisecond)
		start := time.Now()
		a.Close()
		joins.Wait()
		a.Close()
		wantError(t, a.Check(t.Context(), "dir", "S1", time.Now()), ErrUnavailable)
		if time.Since(start) != 0 || log.Len() != 0 || len(a.lookups.groups) != 0 {
			t.Errorf("closed in %v with %d groups, log %q", time.Since(start), len(a.lookups.groups), log.String())
		}
	})
}

func TestCloseWhileLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSlowStore(0)
		store.fail(errors.New("down"))
		a := newAuthorizer(t, Config{Store: store})
		wantError(t, a.Check(t.Context(), "dir", "S1", time.Now()), ErrUnavailable)
		a.Close() // the bubble ends only when the prober has
	})
}

func TestConfig(t *testing.T) {
	for _, cfg := range []Config{{}, {Store: new(Memory), Timeout: -1}} {
		if a, err := New(cfg); err == nil {
			a.Close()
			t.Errorf("New(%+v) gave no error", cfg)
		}
	}
}

func TestResults(t *testing.T) {
	counted := make(map[Result]int)
	store := newSlowStore(0)
	a := newAuthorizer(t, Config{Store: store, ConnFailures: 1, OnResult: func(r Result) { counted[r]++ }})
	conn := new(ConnState)
	join := func(ctx context.Context, secret string) error {
		return a.Join(ctx, Request{Space: "dir", Secret: secret, Conn: conn, Arrived: time.Now()})
	}
	wantError(t, join(t.Context(), "S1"), nil)
	wantError(t, join(t.Context(), "bad"), ErrDenied)
	wantError(t, join(t.Context(), "S1"), ErrLimit)
	conn = new(ConnState)
	gone, leave := context.WithCancel(t.Context())
	leave()
	store.delay = time.Hour
	wantError(t, join(gone, "S1"), context.Canceled)
	a.Close()
	wantError(t, join(t.Context(), "S1"), ErrUnavailable)
	if fmt.Sprint(counted) != "map[denied:1 limit:1 ok:1 unavailable:1]" {
		t.Errorf("counted %v", counted)
	}
	if _, err := Parse("::a"); ResultOf(err) != ResultInvalid {
		t.Errorf("an invalid name is %q", ResultOf(err))
	}
}
