package roomspace

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// testStore is what every store that takes secrets must do.
func testStore(t *testing.T, store SecretStore) {
	t.Helper()
	ctx := t.Context()
	want := func(space, want string) {
		t.Helper()
		if got, err := store.Secret(ctx, space); got != want || err != nil {
			t.Errorf("the secret of %q is %q, %v; want %q", space, got, err, want)
		}
	}
	want("dir", "")
	wantError(t, store.Delete(ctx, "dir"), nil)
	wantError(t, store.Set(ctx, "dir", "S1"), nil)
	wantError(t, store.Set(ctx, "комната/a b", strings.Repeat("s", MaxSecret)), nil)
	want("dir", "S1")
	want("комната/a b", strings.Repeat("s", MaxSecret))
	wantError(t, store.Set(ctx, "dir", "S2"), nil)
	want("dir", "S2")
	want("other", "")
	want("a::b", "")

	for _, c := range []struct{ space, secret string }{
		{"", "S"}, {"~a", "S"}, {"a::b", "S"}, {"a:", "S"}, {"dir", ""}, {"dir", "not-utf8-\xff"}, {"dir", strings.Repeat("s", MaxSecret+1)},
	} {
		err := store.Set(ctx, c.space, c.secret)
		wantError(t, err, ErrInvalid)
		if len(c.secret) > 1 && strings.Contains(fmt.Sprint(err), c.secret) {
			t.Errorf("the error has the secret in it: %v", err)
		}
	}
	wantError(t, store.Delete(ctx, "a::b"), ErrInvalid)
	want("dir", "S2")

	rotated, err := Rotate(ctx, store, "dir")
	wantError(t, err, nil)
	want("dir", rotated)
	if raw, err := base64.RawURLEncoding.DecodeString(rotated); err != nil || len(raw) < 16 {
		t.Errorf("rotated to %d bytes, %v", len(raw), err)
	}
	if again, _ := Rotate(ctx, store, "dir"); again == rotated {
		t.Error("rotated to the same secret twice")
	}
	_, err = Rotate(ctx, store, "a::b")
	wantError(t, err, ErrInvalid)
	wantError(t, store.Delete(ctx, "dir"), nil)
	want("dir", "")
}

func TestMemory(t *testing.T) {
	testStore(t, new(Memory))
}

func TestMemoryIsBounded(t *testing.T) {
	var m Memory
	for i := range maxMemorySpaces {
		if err := m.Set(t.Context(), fmt.Sprint(i), "S"); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, m.Set(t.Context(), "one-more", "S"), ErrFull)
	wantError(t, m.Set(t.Context(), "0", "S2"), nil)
	wantError(t, m.Delete(t.Context(), "1"), nil)
	wantError(t, m.Set(t.Context(), "one-more", "S"), nil)
}

func TestFixed(t *testing.T) {
	entries := map[string]string{"mine": "F1"}
	memory := memoryWith(t, "mine", "shadowed")
	fixed, err := NewFixed(entries, memory)
	wantError(t, err, nil)
	entries["late"] = "L1"
	testStore(t, fixed)

	wantError(t, fixed.Set(t.Context(), "mine", "S1"), ErrFixed)
	wantError(t, fixed.Delete(t.Context(), "mine"), ErrFixed)
	_, err = Rotate(t.Context(), fixed, "mine")
	wantError(t, err, ErrFixed)
	for space, want := range map[string]string{"mine": "F1", "late": ""} {
		if got, err := fixed.Secret(t.Context(), space); got != want || err != nil {
			t.Errorf("the secret of %q is %q, %v", space, got, err)
		}
	}
	wantError(t, fixed.Ping(t.Context()), nil)

	for space, secret := range map[string]string{"a::b": "top-secret", "": "top-secret", "dir": ""} {
		_, err := NewFixed(map[string]string{space: secret}, memory)
		wantError(t, err, ErrInvalid)
		if strings.Contains(fmt.Sprint(err), "top-secret") {
			t.Errorf("the error has the secret in it: %v", err)
		}
	}
}

func TestSwitching(t *testing.T) {
	var log strings.Builder
	s := NewSwitching(slog.New(slog.NewTextHandler(&log, nil)))
	testStore(t, s)
	wantError(t, s.Set(t.Context(), "dir", "in-memory"), nil)
	if secret, known := s.instant("dir"); secret != "in-memory" || !known {
		t.Errorf("in memory: %q, %v", secret, known)
	}

	store := newSlowStore(0)
	store.secrets = map[string]string{}
	s.Use(store)
	s.Use(new(Memory))
	if _, known := s.instant("dir"); known {
		t.Error("still answered from memory")
	}
	if secret, err := s.Secret(t.Context(), "dir"); secret != "" || err != nil {
		t.Errorf("what was in memory is still there: %q, %v", secret, err)
	}
	wantError(t, s.Set(t.Context(), "dir", "S1"), nil)
	if store.secrets["dir"] != "S1" {
		t.Error("set elsewhere than in the store")
	}
	wantError(t, s.Delete(t.Context(), "dir"), nil)
	if wantError(t, s.Ping(t.Context()), nil); store.pinged != 1 || len(store.secrets) != 0 {
		t.Errorf("pinged %d times, %d secrets left", store.pinged, len(store.secrets))
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 || strings.Contains(log.String(), "in-memory") {
		t.Errorf("log:\n%s", log.String())
	}
}

// With a Redis from the start there is nothing to tell.
func TestSwitchingWithNothingToDrop(t *testing.T) {
	var log strings.Builder
	s := NewSwitching(slog.New(slog.NewTextHandler(&log, nil)))
	s.Use(newSlowStore(0))
	if log.Len() > 0 {
		t.Errorf("log:\n%s", log.String())
	}
}
