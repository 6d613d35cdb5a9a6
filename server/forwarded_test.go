package server_test

import (
	"bufio"
	"net/netip"
	"strings"
	"testing"

	"github.com/ws-emit/ws-emit/server"
)

// loopback are the proxies of these tests.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("2001:db8:9::/48"), netip.MustParsePrefix("::1/128")}

// dialFrom opens a session on a WebSocket through a proxy that says where it comes from: each is one X-Forwarded-For.
func dialFrom(base string, forwarded ...string) (*socketWire, error) {
	c, err := dialHost(base)
	if err != nil {
		return nil, err
	}
	w := &socketWire{c, bufio.NewReader(c)}
	request := strings.TrimSuffix(handshake(base, ""), "\r\n")
	for _, f := range forwarded {
		request += "X-Forwarded-For: " + f + "\r\n"
	}
	err = w.open(request + "\r\n")
	if err == nil {
		_, err = expect(w, "0{")
	}
	if err == nil {
		err = connect(w)
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// guess makes 60 joins from one address fail at the same time, each in a session of its own, and reports whether one of them was refused unchecked: 60 in a
// minute are let pass, and then 50 wait for their turn.
func (n *node) guess(t testing.TB, forwarded ...string) (limited bool) {
	t.Helper()
	var sessions [60]*socketWire
	defer func() { closeAll(sessions[:]) }()
	parallel(t, len(sessions), 16, func(i int) (err error) {
		sessions[i], err = dialFrom(n.url, forwarded...)
		return err
	})
	for _, w := range sessions {
		if err := w.write(`420["join",{"room":"fixed::a","secret":"no"}]`); err != nil {
			t.Fatal(err)
		}
	}
	refused := make(chan bool, len(sessions))
	for _, w := range sessions {
		go func() {
			_, err := expect(w, `430[{"ok":false,"room":"fixed::a","error":"limit"}]`)
			refused <- err == nil
		}()
	}
	for range sessions {
		limited = limited || <-refused
		if limited {
			closeAll(sessions[:]) // the others need not wait
		}
	}
	return limited
}

func closeAll(sessions []*socketWire) {
	for _, w := range sessions {
		if w != nil {
			w.close()
		}
	}
}

// The address of a client is that of the connection or, behind a trusted proxy, the rightmost one in X-Forwarded-For that is not a trusted proxy's. It shows
// where joins fail too often: a client with the same address as the guesser has to wait, everybody else has not.
func TestForwardedFor(t *testing.T) {
	for name, c := range map[string]struct {
		trusted       []netip.Prefix
		guesser       []string
		same, another [][]string
	}{
		"IPv4": {
			loopback, []string{"192.0.2.1"},
			[][]string{
				{"192.0.2.1"}, {"192.0.2.1:4711"}, {"::ffff:192.0.2.1"}, {"[::ffff:192.0.2.1]:4711"}, {"192.0.2.1, 127.0.0.9"}, {"192.0.2.1,127.0.0.9,2001:db8:9::1"},
				{"192.0.2.1", "127.0.0.9"}, {"8.8.8.8, 192.0.2.1"}, {"8.8.8.8", "192.0.2.1"}, {"127.0.0.1, 192.0.2.1"}, {"what?, 192.0.2.1"},
			},
			[][]string{{"192.0.2.2"}, {"192.0.2.1, 192.0.2.3"}, {"192.0.2.1", "192.0.2.4"}, {"2001:db8::1"}, {}},
		},
		"IPv6, of which a /64 is one subscriber": {
			loopback, []string{"2001:db8::1"},
			[][]string{{"2001:db8::2"}, {"[2001:db8::ffff]:4711"}, {"2001:db8::ffff:0:0:1%eth0"}, {"[2001:db8::7]"}},
			[][]string{{"2001:db8:0:1::1"}, {"192.0.2.1"}},
		},
		"no proxy is trusted, so all are loopback, which is never limited": {
			nil, []string{"192.0.2.1"}, nil, [][]string{{"192.0.2.1"}, {}},
		},
		"only trusted proxies, which are never limited": {
			loopback, []string{"127.0.0.9, 2001:db8:9::1"}, nil, [][]string{{"127.0.0.9, 2001:db8:9::1"}},
		},
		"no address, so there is none to limit": {
			loopback, []string{"192.0.2.1, unknown"}, nil, [][]string{{"192.0.2.1, unknown"}, {"192.0.2.1"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, server.Config{TrustedProxies: c.trusted, RoomSecrets: map[string]string{"fixed": "S"}})
			if n.guess(t, c.guesser...) {
				t.Error("the guesser was limited at once")
			}
			for _, f := range c.same {
				// Where turns come up as fast as this machine takes them, they are not used up at once.
				limited := false
				for range 3 {
					limited = limited || n.guess(t, f...)
				}
				if !limited {
					t.Errorf("%q, which is the guesser, was not limited", f)
				}
			}
			for _, f := range c.another {
				if n.guess(t, f...) {
					t.Errorf("%q, which is not the guesser, was limited", f)
				}
			}
		})
	}
}
