package roomspace

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const jsonType, textType = "application/json", "text/plain"

func TestSecretsHandler(t *testing.T) {
	memory := memoryWith(t, "gone", "S1")
	fixed, err := NewFixed(map[string]string{"mine": "F1"}, memory)
	wantError(t, err, nil)
	h := SecretsHandler(fixed, "emit-secret", nil)
	const bearer = "Bearer emit-secret"

	for _, c := range []struct {
		name, method, path, auth, media, body string
		status                                int
		space, secret                         string // what is stored afterwards
	}{
		{"json", "PUT", "/roomspaces/a", bearer, jsonType, `{"secret":"S1"}`, 204, "a", "S1"},
		{"replace", "PUT", "/roomspaces/a", bearer, jsonType + "; charset=UTF-8", `{"other":1,"secret":"S\u00e9"}`, 204, "a", "Sé"},
		{"text", "PUT", "/roomspaces/b", "bearer  emit-secret", textType, "S 2", 204, "b", "S 2"},
		{"text line", "PUT", "/roomspaces/b", bearer, textType + "; charset=utf-8", "S3\r\n", 204, "b", "S3"},
		{"text lines", "PUT", "/roomspaces/b", bearer, textType, "S4\n\n", 204, "b", "S4\n"},
		{"encoded", "PUT", "/roomspaces/a%2Fb%20%C3%A4%3F", bearer, textType, "S", 204, "a/b ä?", "S"},
		{"dots", "PUT", "/roomspaces/%2E%2E", bearer, textType, "S", 204, "..", "S"},
		{"longest space", "PUT", "/roomspaces/" + strings.Repeat("s", MaxSpace), bearer, textType, "S", 204, "", ""},
		{"longest secret", "PUT", "/roomspaces/l", bearer, textType, strings.Repeat("s", MaxSecret), 204, "l", strings.Repeat("s", MaxSecret)},
		{"delete", "DELETE", "/roomspaces/gone", bearer, "", "", 204, "gone", ""},
		{"delete nothing", "DELETE", "/roomspaces/never", bearer, "", "", 204, "never", ""},

		{"space with ::", "PUT", "/roomspaces/a::b", bearer, textType, "S", 400, "a::b", ""},
		{"space with :", "PUT", "/roomspaces/a:", bearer, textType, "S", 400, "", ""},
		{"reserved space", "PUT", "/roomspaces/~a", bearer, textType, "S", 400, "~a", ""},
		{"reserved, encoded", "PUT", "/roomspaces/%7Ea", bearer, textType, "S", 400, "~a", ""},
		{"space not UTF-8", "PUT", "/roomspaces/%FF", bearer, textType, "S", 400, "", ""},
		{"long space", "DELETE", "/roomspaces/" + strings.Repeat("s", MaxSpace+1), bearer, "", "", 400, "", ""},
		{"empty secret", "PUT", "/roomspaces/a", bearer, jsonType, `{"secret":""}`, 400, "a", "Sé"},
		{"null secret", "PUT", "/roomspaces/a", bearer, jsonType, `{"secret":null}`, 400, "a", "Sé"},
		{"number", "PUT", "/roomspaces/a", bearer, jsonType, `{"secret":123}`, 400, "a", "Sé"},
		{"key case", "PUT", "/roomspaces/a", bearer, jsonType, `{"Secret":"S9"}`, 400, "a", "Sé"},
		{"no object", "PUT", "/roomspaces/a", bearer, jsonType, `["S9"]`, 400, "a", "Sé"},
		{"null", "PUT", "/roomspaces/a", bearer, jsonType, `null`, 400, "a", "Sé"},
		{"no JSON", "PUT", "/roomspaces/a", bearer, jsonType, `{"secret":"S9"} x`, 400, "a", "Sé"},
		{"empty body", "PUT", "/roomspaces/a", bearer, jsonType, "", 400, "a", "Sé"},
		{"empty text", "PUT", "/roomspaces/a", bearer, textType, "\n", 400, "a", "Sé"},
		{"JSON not UTF-8", "PUT", "/roomspaces/a", bearer, jsonType, "{\"secret\":\"\xff\"}", 400, "a", "Sé"},
		{"text not UTF-8", "PUT", "/roomspaces/a", bearer, textType, "\xff", 400, "a", "Sé"},
		{"long secret", "PUT", "/roomspaces/a", bearer, textType, strings.Repeat("s", MaxSecret+1), 400, "a", "Sé"},

		{"no auth", "PUT", "/roomspaces/a", "", textType, "S9", 403, "a", "Sé"},
		{"wrong auth", "PUT", "/roomspaces/a", "Bearer emit-secre", textType, "S9", 403, "a", "Sé"},
		{"empty auth", "PUT", "/roomspaces/a", "Bearer ", textType, "S9", 403, "a", "Sé"},
		{"basic auth", "DELETE", "/roomspaces/a", "Basic emit-secret", "", "", 403, "a", "Sé"},
		{"wrong auth, bad space", "PUT", "/roomspaces/~a", "Bearer x", textType, "S9", 403, "", ""},

		{"get", "GET", "/roomspaces/a", bearer, "", "", 405, "", ""},
		{"head", "HEAD", "/roomspaces/a", bearer, "", "", 405, "", ""},
		{"post", "POST", "/roomspaces/a", bearer, textType, "S9", 405, "a", "Sé"},
		{"options", "OPTIONS", "/roomspaces/a", "", "", "", 405, "", ""},

		{"list", "GET", "/roomspaces/", bearer, "", "", 404, "", ""},
		{"deeper", "PUT", "/roomspaces/a/b", bearer, textType, "S9", 404, "a", "Sé"},

		{"fixed", "PUT", "/roomspaces/mine", bearer, textType, "S9", 409, "mine", "F1"},
		{"delete fixed", "DELETE", "/roomspaces/mine", bearer, "", "", 409, "mine", "F1"},

		{"large", "PUT", "/roomspaces/a", bearer, jsonType, `{"secret":"` + strings.Repeat("s", maxBody) + `"}`, 413, "a", "Sé"},

		{"no media type", "PUT", "/roomspaces/a", bearer, "", "S9", 415, "a", "Sé"},
		{"form", "PUT", "/roomspaces/a", bearer, "application/x-www-form-urlencoded", "secret=S9", 415, "a", "Sé"},
		{"latin1", "PUT", "/roomspaces/a", bearer, "text/plain; charset=iso-8859-1", "S9", 415, "a", "Sé"},
		{"bad media type", "PUT", "/roomspaces/a", bearer, "text/plain; =", "S9", 415, "a", "Sé"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
			r.Header.Set("Authorization", c.auth)
			r.Header.Set("Content-Type", c.media)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.status {
				t.Errorf("status %d, want %d: %s", w.Code, c.status, w.Body)
			}
			if strings.Contains(w.Body.String(), "roomspace:") {
				t.Errorf("the answer names a Go package: %q", w.Body)
			}
			if c.status == 403 && w.Body.String() != "Incorrect secret\n" {
				t.Errorf("body %q", w.Body)
			}
			if got := w.Header().Get("Allow"); (c.status == 405) != (got == "DELETE, PUT") {
				t.Errorf("Allow %q", got)
			}
			if c.status != 204 && strings.Contains(w.Body.String(), "S9") {
				t.Errorf("the answer repeats the secret: %q", w.Body)
			}
			if got, _ := fixed.Secret(t.Context(), c.space); got != c.secret {
				t.Errorf("the secret is %q afterwards, want %q", got, c.secret)
			}
		})
	}
}

func TestSecretsHandlerWithoutEmitSecret(t *testing.T) {
	memory := new(Memory)
	h := SecretsHandler(memory, "", nil)
	for _, auth := range []string{"", "Bearer ", "Bearer x"} {
		for _, method := range []string{"PUT", "DELETE", "GET"} {
			r := httptest.NewRequest(method, "/roomspaces/a", strings.NewReader("S9"))
			r.Header.Set("Authorization", auth)
			r.Header.Set("Content-Type", textType)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != http.StatusNotFound || memory.len() != 0 {
				t.Errorf("%s with %q: %d", method, auth, w.Code)
			}
		}
	}
}

// brokenStore fails every change.
type brokenStore struct{ SecretStore }

func (brokenStore) Set(context.Context, string, string) error {
	return errors.New("connection refused")
}
func (brokenStore) Delete(context.Context, string) error { return errors.New("connection refused") }

func TestSecretsHandlerWhenTheStoreFails(t *testing.T) {
	var log strings.Builder
	h := SecretsHandler(brokenStore{}, "emit-secret", slog.New(slog.NewTextHandler(&log, nil)))
	for _, method := range []string{"PUT", "DELETE"} {
		r := httptest.NewRequest(method, "/roomspaces/a", strings.NewReader("top-secret"))
		r.Header.Set("Authorization", "Bearer emit-secret")
		r.Header.Set("Content-Type", textType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d, %v", method, w.Code, w.Header())
		}
		if strings.Contains(w.Body.String(), "refused") {
			t.Errorf("%s: the internal error was sent: %s", method, w.Body)
		}
	}
	if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "refused") ||
		strings.Contains(text, "top-secret") || strings.Contains(text, "emit-secret") {
		t.Errorf("log:\n%s", text)
	}
}
