package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestErrorIsOnePrintableLine: whatever a server says, it cannot make a terminal do something.
func TestErrorIsOnePrintableLine(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"\u001b[31mred\n\u202e\u009b\udb40\udc01\"é\\"}`)
	}))
	t.Cleanup(srv.Close)
	var stdout, stderr bytes.Buffer
	status := run([]string{"emit", "--url", srv.URL, "room", "event"}, []string{"SECRET=s"}, &stdout, &stderr)
	want := `ws-emit: the server answered 400: \u001b[31mred; \u202e\u009b\udb40\udc01"é\` + "\n"
	if said := stderr.String(); status != exitFailure || said != want {
		t.Errorf("exit status %d, said %q, want %q", status, said, want)
	}
}

func TestWithoutPackage(t *testing.T) {
	for said, want := range map[string]string{
		"server: redis-channels: redisbus: wrong":             "redis-channels: wrong",
		"the connection is lost: sioclient: closed":           "the connection is lost: closed",
		"not the server: \"roomspace: \"":                     "not the server: \"roomspace: \"",
		"dial tcp: refused":                                   "dial tcp: refused",
		errors.Join(errors.New("emitter: a"), io.EOF).Error(): "a\nEOF",
		"first\nserver: second":                               "first\nsecond",
	} {
		if got := withoutPackage(errors.New(said)).Error(); got != want {
			t.Errorf("%q: got %q, want %q", said, got, want)
		}
	}
}

// FuzzQuote: in a line there is no way to take text for anything but text, and what is quoted can be read back.
func FuzzQuote(f *testing.F) {
	for _, text := range []string{"", "news", "a b", `"a"`, `\u001b`, "\x1b", "\u202e", "\U000e0001", "\x9b", "a\tb\n", "é", "\ufffd"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, quoted := range map[string]string{"word": word(text), "field": field(text)} {
			if !utf8.ValidString(quoted) || strings.ContainsFunc(quoted, func(r rune) bool { return !strconv.IsPrint(r) }) {
				t.Errorf("%s: %q is not printable: %q", name, text, quoted)
			}
			if back, err := strconv.Unquote(quoted); quoted != text && (err != nil || back != text) {
				t.Errorf("%s: %q is %s, which reads %q, %v", name, text, quoted, back, err)
			}
		}
		if strings.ContainsAny(word(text), " ,;()") && !strings.HasPrefix(word(text), `"`) {
			t.Errorf("%q is %s", text, word(text))
		}
	})
}
