package server

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"
)

//go:embed client
var clientFiles embed.FS

// noBundle is the answer where a file of the client was not there when the server was built.
const noBundle = "Not found. This server was built without the browser client: build it with `make`, with npm installed, or load the npm package socket.io-client from somewhere else.\n"

// bundle is the browser client, as the reference server serves it.
type bundle struct {
	files map[string]*bundleFile
}

type bundleFile struct {
	plain []byte
	etag  string

	zipOnce sync.Once
	zipped  []byte
}

func newBundle() *bundle {
	b := &bundle{files: map[string]*bundleFile{}}
	entries, _ := fs.ReadDir(clientFiles, "client") // embedded: cannot fail
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "socket.io.") {
			continue
		}
		data, _ := clientFiles.ReadFile("client/" + e.Name())
		sum := sha256.Sum256(data)
		b.files[e.Name()] = &bundleFile{plain: data, etag: base64.RawURLEncoding.EncodeToString(sum[:12])}
	}
	return b
}

func (b *bundle) serve(w http.ResponseWriter, r *http.Request, name string) {
	f := b.files[name]
	isClient := strings.HasPrefix(name, "socket.io.")
	switch {
	case f == nil && isClient:
		plain(w, http.StatusNotFound, noBundle)
		return
	case f == nil:
		plain(w, http.StatusNotFound, "Not found\n")
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		plain(w, http.StatusMethodNotAllowed, "Only GET is allowed\n")
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=0")
	h.Set("Content-Type", "application/javascript; charset=utf-8")
	if strings.HasSuffix(name, ".map") {
		h.Set("Content-Type", "application/json; charset=utf-8")
	}
	h.Add("Vary", "Accept-Encoding")
	data, etag := f.plain, f.etag
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && r.Header.Get("Range") == "" {
		data, etag = f.gzip(), f.etag+"-gzip"
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

func (f *bundleFile) gzip() []byte {
	f.zipOnce.Do(func() {
		var buf bytes.Buffer
		z := gzip.NewWriter(&buf)
		_, _ = z.Write(f.plain) // to memory: cannot fail
		_ = z.Close()
		f.zipped = buf.Bytes()
	})
	return f.zipped
}
