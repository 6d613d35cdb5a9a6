package interop

import (
	"context"
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWrongFlags: what contradicts itself does not start, and says why in one
// line.
func TestWrongFlags(t *testing.T) {
	t.Parallel()
	path, err := wsEmitProgram()
	if err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	for _, args := range [][]string{
		{"--cors", "*", "--cors-credentials"},
		{"--address", "nowhere"},
		{"--address", "127.0.0.1:99999999"},
		{"--config", missing},
		{"--ping-interval", "soon"},
		{"--roomspace", "no-secret"},
		{"--no-such-flag"},
	} {
		t.Run(strings.Join(args[:len(args)-1], " ")+" "+filepath.Base(args[len(args)-1]), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, path, append([]string{"--redis", "none"}, args...)...)
			cmd.Env = clean(cmd.Environ())
			var stderr strings.Builder
			cmd.Stderr = &stderr
			err := cmd.Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 2 {
				t.Fatalf("ended with %v, want exit status 2; it said %q", err, stderr.String())
			}
			if said := stderr.String(); strings.Count(said, "\n") != 1 {
				t.Errorf("said %q, want one line", said)
			}
		})
	}
}

// TestBundle: the browser client is served as Node serves it.
func TestBundle(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--cors", "http://a.example")
	needBundle(t, s)
	get := func(path string, header ...string) *http.Response {
		t.Helper()
		req, err := http.NewRequest(http.MethodGet, s.url()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	for path, contentType := range map[string]string{
		"/socket.io/socket.io.js":               "application/javascript",
		"/socket.io/socket.io.js.map":           "application/json",
		"/socket.io/socket.io.min.js":           "application/javascript",
		"/socket.io/socket.io.min.js.map":       "application/json",
		"/socket.io/socket.io.esm.min.js":       "application/javascript",
		"/socket.io/socket.io.esm.min.js.map":   "application/json",
		"/socket.io/socket.io.msgpack.min.js":   "application/javascript",
		"/socket.io/socket.io.js?version=4.8.4": "application/javascript",
	} {
		resp := get(path)
		if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), contentType) {
			t.Errorf("GET %s answers %s %s, want 200 %s", path, resp.Status, resp.Header.Get("Content-Type"), contentType)
		}
		etag := resp.Header.Get("ETag")
		if etag == "" {
			t.Errorf("GET %s has no ETag", path)
		}
		if again := get(path, "If-None-Match", etag); again.StatusCode != http.StatusNotModified {
			t.Errorf("GET %s with the ETag answers %s, want 304", path, again.Status)
		}
	}
	// A page of another origin imports it as a module only with this header.
	resp := get("/socket.io/socket.io.esm.min.js", "Origin", "http://a.example")
	if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "http://a.example" {
		t.Errorf("the module has Access-Control-Allow-Origin %q, want the page's origin", got)
	}
	for _, path := range []string{"/socket.io/../main.go", "/socket.io/README.md", "/socket.io/socket.io.css"} {
		if resp := get(path); resp.StatusCode == http.StatusOK {
			t.Errorf("GET %s answers %s", path, resp.Status)
		}
	}
}
