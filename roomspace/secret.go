package roomspace

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"unicode/utf8"
)

const (
	// MaxSecret is the longest secret that Set takes, in bytes.
	MaxSecret = 1024

	// maxMemorySpaces bounds what backends can make a Memory hold.
	maxMemorySpaces = 100_000
)

// SecretStore holds the join secret of each space. Its methods may be called concurrently, may block, and return soon after ctx has
// ended. Their errors never contain a secret.
type SecretStore interface {
	// Secret returns the secret of space, "" when it has none. It need not be a valid space.
	Secret(ctx context.Context, space string) (string, error)
	// Set stores the secret of space: ErrInvalid unless ValidSpace(space) holds and the secret is 1 to MaxSecret bytes of valid UTF-8,
	// ErrFixed when it cannot be changed.
	Set(ctx context.Context, space, secret string) error
	// Delete removes the secret of space: from then on nobody joins its rooms. Without a secret it does nothing. Errors as Set.
	Delete(ctx context.Context, space string) error
}

// Pinger is a SecretStore that can tell whether it answers, asked after it failed.
type Pinger interface {
	Ping(ctx context.Context) error
}

// instant is a store that knows the secrets of some spaces without asking anybody, so also while what it would ask is away.
type instant interface {
	// instant returns the secret of space ("" for none) and whether it is known here.
	instant(space string) (secret string, known bool)
}

var (
	_ SecretStore = (*Memory)(nil)
	_ SecretStore = (*Fixed)(nil)
	_ SecretStore = (*Switching)(nil)
	_ Pinger      = (*Fixed)(nil)
	_ Pinger      = (*Switching)(nil)
	_ instant     = (*Memory)(nil)
	_ instant     = (*Fixed)(nil)
	_ instant     = (*Switching)(nil)
)

// Rotate gives space a new secret of 256 random bits, as 43 base64url characters, and returns it. Members stay in their rooms. Errors are
// those of the store's Set.
func Rotate(ctx context.Context, store SecretStore, space string) (string, error) {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails: it ends the process instead
	secret := base64.RawURLEncoding.EncodeToString(raw[:])
	if err := store.Set(ctx, space, secret); err != nil {
		return "", err
	}
	return secret, nil
}

func validSecret(secret string) error {
	if secret == "" || len(secret) > MaxSecret || !utf8.ValidString(secret) {
		return fmt.Errorf("%w: secret is not 1 to %d bytes of valid UTF-8", ErrInvalid, MaxSecret)
	}
	return nil
}

func validEntry(space, secret string) error {
	if err := ValidSpace(space); err != nil {
		return err
	}
	return validSecret(secret)
}

// Memory keeps secrets in memory, of at most 100,000 spaces (ErrFull). Its zero value is empty and ready.
type Memory struct {
	mu      sync.RWMutex // guards the following
	secrets map[string]string
}

// Secret implements SecretStore.
func (m *Memory) Secret(_ context.Context, space string) (string, error) {
	secret, _ := m.instant(space)
	return secret, nil
}

func (m *Memory) instant(space string) (string, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.secrets[space], true
}

// Set implements SecretStore.
func (m *Memory) Set(_ context.Context, space, secret string) error {
	if err := validEntry(space, secret); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, replaces := m.secrets[space]; !replaces && len(m.secrets) >= maxMemorySpaces {
		return ErrFull
	}
	if m.secrets == nil {
		m.secrets = make(map[string]string)
	}
	m.secrets[space] = secret
	return nil
}

// Delete implements SecretStore.
func (m *Memory) Delete(_ context.Context, space string) error {
	if err := ValidSpace(space); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.secrets, space)
	return nil
}

func (m *Memory) len() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.secrets)
}

// Fixed is a store with entries on top that win over it and cannot be changed. Joins to their spaces are answered also while the store
// below is away.
type Fixed struct {
	entries map[string]string // never modified
	store   SecretStore
}

// NewFixed puts entries, space to secret, on top of store. The error is an ErrInvalid that names the space.
func NewFixed(entries map[string]string, store SecretStore) (*Fixed, error) {
	for space, secret := range entries {
		if err := validEntry(space, secret); err != nil {
			return nil, fmt.Errorf("fixed space %q: %w", space, err)
		}
	}
	return &Fixed{entries: maps.Clone(entries), store: store}, nil
}

// Secret implements SecretStore.
func (f *Fixed) Secret(ctx context.Context, space string) (string, error) {
	if secret, fixed := f.entries[space]; fixed {
		return secret, nil
	}
	return f.store.Secret(ctx, space)
}

func (f *Fixed) instant(space string) (string, bool) {
	if secret, fixed := f.entries[space]; fixed {
		return secret, true
	}
	return instantly(f.store, space)
}

// Set implements SecretStore. It is ErrFixed for the entries.
func (f *Fixed) Set(ctx context.Context, space, secret string) error {
	if _, fixed := f.entries[space]; fixed {
		return ErrFixed
	}
	return f.store.Set(ctx, space, secret)
}

// Delete implements SecretStore. It is ErrFixed for the entries.
func (f *Fixed) Delete(ctx context.Context, space string) error {
	if _, fixed := f.entries[space]; fixed {
		return ErrFixed
	}
	return f.store.Delete(ctx, space)
}

// Ping implements Pinger, for the store below.
func (f *Fixed) Ping(ctx context.Context) error { return ping(ctx, f.store) }

// Switching keeps secrets in memory until another store is there to hold them, then in that one.
type Switching struct {
	log *slog.Logger // immutable

	mu    sync.RWMutex // guards the following
	store SecretStore  // a *Memory until Use
}

// NewSwitching returns a store that is in memory until Use is called. logger may be nil.
func NewSwitching(logger *slog.Logger) *Switching {
	return &Switching{log: orDiscard(logger), store: new(Memory)}
}

// Use makes store, normally a *Redis, the one that holds the secrets from now on. What was in memory is dropped, with one log line if
// there was any. Later calls do nothing.
func (s *Switching) Use(store SecretStore) {
	s.mu.Lock()
	memory, first := s.store.(*Memory)
	if first {
		s.store = store
	}
	s.mu.Unlock()
	if first && memory.len() > 0 {
		s.log.Info("room-space secrets are in Redis from now on, those in memory are dropped", "dropped", memory.len())
	}
}

// Secret implements SecretStore.
func (s *Switching) Secret(ctx context.Context, space string) (string, error) {
	return s.current().Secret(ctx, space)
}

func (s *Switching) instant(space string) (string, bool) { return instantly(s.current(), space) }

// Set implements SecretStore.
func (s *Switching) Set(ctx context.Context, space, secret string) error {
	return s.current().Set(ctx, space, secret)
}

// Delete implements SecretStore.
func (s *Switching) Delete(ctx context.Context, space string) error {
	return s.current().Delete(ctx, space)
}

// Ping implements Pinger, for the store in use.
func (s *Switching) Ping(ctx context.Context) error { return ping(ctx, s.current()) }

func (s *Switching) current() SecretStore {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.store
}

func instantly(store SecretStore, space string) (string, bool) {
	if s, ok := store.(instant); ok {
		return s.instant(space)
	}
	return "", false
}

func ping(ctx context.Context, store SecretStore) error {
	if p, ok := store.(Pinger); ok {
		return p.Ping(ctx)
	}
	return nil
}

func orDiscard(logger *slog.Logger) *slog.Logger {
	if logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return logger
}
