package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// pages are the answers to the browser: the page, the names of the files, a file, and the secret with which the page may join.
func pages(c config, files folder, s *space, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		about := map[string]string{"url": strings.TrimSuffix(c.browserURL, "/"), "space": c.space, "folder": filepath.Base(string(files)), "path": string(files)}
		if err := page.Execute(w, about); err != nil {
			log.Debug("the browser has gone", "err", err)
		}
	})
	mux.HandleFunc("GET /_list", func(w http.ResponseWriter, _ *http.Request) {
		names, err := files.list()
		if err != nil {
			log.Error("cannot list the folder", "err", err)
			http.Error(w, "cannot list the folder", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if err := json.NewEncoder(w).Encode(names); err != nil {
			log.Debug("the browser has gone", "err", err)
		}
	})
	// The secret is told to ws-emit before it is told to the page, each time: ws-emit may have been started again meanwhile, without it.
	mux.HandleFunc("GET /_secret", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		if err := s.announce(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		if _, err := io.WriteString(w, s.secret); err != nil {
			log.Debug("the browser has gone", "err", err)
		}
	})
	mux.HandleFunc("GET /{file}", func(w http.ResponseWriter, r *http.Request) { serveFile(w, r, files) })
	return ownHost(c, mux)
}

// ownHost refuses requests that call the page by a name that is not its own. Whoever has such a name can let it point here, and then a
// browser takes what is served here for part of their site (DNS rebinding): their page would read the secret and the files.
func ownHost(c config, next http.Handler) http.Handler {
	names := []string{"localhost", c.host}
	if host, _, err := net.SplitHostPort(c.address); err == nil {
		names = append(names, host)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		host := (&url.URL{Host: r.Host}).Hostname() // without the port
		own := func(name string) bool { return name != "" && strings.EqualFold(name, host) }
		if _, err := netip.ParseAddr(host); err != nil && !slices.ContainsFunc(names, own) {
			why := fmt.Sprintf("This dir2web does not answer for the host %q. If browsers are to reach it by that name, start it with --host.", host)
			http.Error(w, why, http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serveFile answers with a file as it is, or a part of it. Whatever is in it, the browser takes it for plain text: a page from the folder
// must not act in the name of ours, which knows the secret.
func serveFile(w http.ResponseWriter, r *http.Request, files folder) {
	file, err := files.open(r.PathValue("file"))
	switch {
	case errors.Is(err, fs.ErrPermission):
		http.Error(w, "dir2web may not read this file", http.StatusForbidden)
		return
	case err != nil: // it may be there or not: who asks for what is not served is not told
		http.Error(w, "there is no such file", http.StatusNotFound)
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		http.Error(w, "cannot read the file", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "sandbox")
	// The time of a file is too coarse to tell two changes apart.
	w.Header().Set("Cache-Control", "no-store")
	http.ServeContent(w, r, "", info.ModTime(), file)
}
