package roomspace

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func memoryWith(t testing.TB, space, secret string) *Memory {
	t.Helper()
	m := new(Memory)
	if err := m.Set(t.Context(), space, secret); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRightJoinsAreNeverLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthorizer(t, Config{Store: memoryWith(t, "dir", "S1")})
		start, conn := time.Now(), new(ConnState)
		for range 1000 {
			wantError(t, a.Join(t.Context(), Request{Space: "dir", Secret: "S1", Conn: conn, Addr: netip.MustParseAddr("192.0.2.1")}), nil)
		}
		if time.Since(start) != 0 {
			t.Errorf("they took %v", time.Since(start))
		}
	})
}

func TestConnectionThatFailsIsLimitedForTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSlowStore(0)
		a := newAuthorizer(t, Config{Store: store})
		conn := new(ConnState)
		join := func(secret string) error {
			return a.Join(t.Context(), Request{Space: "dir", Secret: secret, Conn: conn, Arrived: time.Now()})
		}
		for range 9 {
			wantError(t, join("bad"), ErrDenied)
		}
		wantError(t, join("S1"), nil)
		after(t, 30*time.Second)
		wantError(t, join("bad"), ErrDenied)
		asked, _ := store.count()
		for range 1000 {
			wantError(t, join("S1"), ErrLimit)
		}
		if now, _ := store.count(); now != asked {
			t.Error("joins over the limit were checked")
		}
		wantError(t, a.Join(t.Context(), Request{Space: "dir", Secret: "S1", Conn: new(ConnState)}), nil)
		after(t, 30*time.Second)
		wantError(t, join("S1"), nil)
		wantError(t, join("bad"), ErrDenied)
	})
}

// failAll uses up the failures of an address, each on a connection of its own.
func failAll(t testing.TB, a *Authorizer, addr string, failures int) {
	t.Helper()
	for range failures {
		wantError(t, a.Join(t.Context(), Request{Space: "dir", Secret: "bad", Conn: new(ConnState), Addr: netip.MustParseAddr(addr)}), ErrDenied)
	}
}

func TestAddressThatFailsWaitsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthorizer(t, Config{Store: memoryWith(t, "dir", "S1")})
		const guesser = "198.51.100.7"
		failAll(t, a, guesser, 60)

		start := time.Now()
		var mu sync.Mutex
		var joined, limited int
		var last time.Duration
		var joins sync.WaitGroup
		for range 100 { // right secrets, at once
			joins.Go(func() {
				err := a.Join(t.Context(), Request{Space: "dir", Secret: "S1", Conn: new(ConnState), Addr: netip.MustParseAddr(guesser)})
				mu.Lock()
				defer mu.Unlock()
				switch ResultOf(err) {
				case ResultOK:
					joined++
					last = max(last, time.Since(start))
				case ResultLimit:
					limited++
					if time.Since(start) != 0 {
						t.Errorf("refused after %v, not at once", time.Since(start))
					}
				default:
					t.Error(err)
				}
			})
		}
		joins.Wait()
		if joined != 51 || limited != 49 || last != maxTurnWait {
			t.Errorf("%d joined, the last after %v, %d limited", joined, last, limited)
		}
		// No other address notices.
		start = time.Now()
		wantError(t, a.Join(t.Context(), Request{Space: "dir", Secret: "S1", Addr: netip.MustParseAddr("198.51.100.8")}), nil)
		if time.Since(start) != 0 {
			t.Error("another address waited")
		}
		// One failure a second is within the rate again.
		after(t, 2*time.Second)
		start = time.Now()
		wantError(t, a.Join(t.Context(), Request{Space: "dir", Secret: "S1", Addr: netip.MustParseAddr(guesser)}), nil)
		if time.Since(start) != 0 {
			t.Errorf("still waited %v later", time.Since(start))
		}
	})
}

func TestGuessingFromOneAddressIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthorizer(t, Config{Store: memoryWith(t, "dir", "S1")})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		var mu sync.Mutex
		guesses := 0
		var guessers sync.WaitGroup
		for range 100 {
			guessers.Go(func() {
				for ctx.Err() == nil {
					err := a.Join(ctx, Request{Space: "dir", Secret: "bad", Conn: new(ConnState), Addr: netip.MustParseAddr("192.0.2.9")})
					mu.Lock()
					if ResultOf(err) == ResultDenied {
						guesses++
					}
					mu.Unlock()
					_ = sleep(ctx, time.Second)
				}
			})
		}
		guessers.Wait()
		if guesses > 10*60*10+200 {
			t.Errorf("%d guesses in ten minutes", guesses)
		}
		// The debt is bounded, so neighbours are not punished for long.
		after(t, failureWindow+2*time.Second)
		start := time.Now()
		for range 20 {
			wantError(t, a.Join(t.Context(), Request{Space: "dir", Secret: "S1", Addr: netip.MustParseAddr("192.0.2.9")}), nil)
		}
		if time.Since(start) != 0 {
			t.Errorf("waited %v after the guessing had ended", time.Since(start))
		}
	})
}

func TestKeyOf(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1":           "192.0.2.1/32",
		"::ffff:192.0.2.1":    "192.0.2.1/32",
		"2001:db8:1:2:3::4":   "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::": "2001:db8:1:2::/64",
		"fe80::1%eth0":        "fe80::/64",
		"127.0.0.1":           "",
		"::ffff:127.0.0.5":    "",
		"::1":                 "",
	} {
		key, ok := keyOf(netip.MustParseAddr(addr))
		if ok != (want != "") || (ok && key.String() != want) {
			t.Errorf("keyOf(%s) = %v, %v", addr, key, ok)
		}
	}
	if key, ok := keyOf(netip.Addr{}); ok {
		t.Errorf("the zero address has the key %v", key)
	}
}

func TestNoKeyIsNeverLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthorizer(t, Config{Store: memoryWith(t, "dir", "S1")})
		start := time.Now()
		for _, addr := range []netip.Addr{{}, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")} {
			for range 1000 {
				wantError(t, a.Join(t.Context(), Request{Space: "dir", Secret: "bad", Addr: addr}), ErrDenied)
			}
		}
		if time.Since(start) != 0 || len(a.addrs.known) != 0 {
			t.Errorf("took %v, %d addresses known", time.Since(start), len(a.addrs.known))
		}
	})
}

func TestNegativeLimitsAreOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthorizer(t, Config{Store: memoryWith(t, "dir", "S1"), ConnFailures: -1, AddrFailures: -1})
		start, conn := time.Now(), new(ConnState)
		for range 1000 {
			wantError(t, a.Join(t.Context(), Request{Space: "dir", Secret: "bad", Conn: conn, Addr: netip.MustParseAddr("192.0.2.1")}), ErrDenied)
		}
		if time.Since(start) != 0 {
			t.Errorf("took %v", time.Since(start))
		}
	})
}

func TestWaitingForATurnEndsWithTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthorizer(t, Config{Store: memoryWith(t, "dir", "S1")})
		failAll(t, a, "2001:db8::1", 60)
		ctx, cancel := context.WithCancel(t.Context())
		var joins sync.WaitGroup
		for range 30 {
			joins.Go(func() {
				_ = a.Join(ctx, Request{Space: "dir", Secret: "S1", Addr: netip.MustParseAddr("2001:db8::2")})
			})
		}
		synctest.Wait()
		start := time.Now()
		cancel()
		joins.Wait()
		if time.Since(start) != 0 {
			t.Error("callers that left had to wait")
		}
	})
}

func TestAddressesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAddresses(60)
		addr := func(i int) netip.Addr {
			var b [16]byte
			b[0] = 0x20
			binary.BigEndian.PutUint32(b[4:], uint32(i))
			return netip.AddrFrom16(b)
		}
		known := func(i int) bool {
			key, _ := keyOf(addr(i))
			return a.known[key] != nil
		}
		for i := range maxAddresses + 1000 {
			a.failed(addr(i), time.Now())
		}
		if len(a.known) != maxAddresses || a.byTime.Len() != maxAddresses {
			t.Errorf("%d addresses are known, %d listed", len(a.known), a.byTime.Len())
		}
		if known(0) || !known(maxAddresses+999) {
			t.Error("not the oldest ones were forgotten")
		}
		after(t, 2*failureWindow)
		a.failed(addr(0), time.Now())
		if len(a.known) != 1 || a.byTime.Len() != 1 {
			t.Errorf("%d addresses are known later, %d listed", len(a.known), a.byTime.Len())
		}
	})
}
