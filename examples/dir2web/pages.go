package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"path/filepath"
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
	return mux
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
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "sandbox")
	// The time of a file is too coarse to tell two changes apart.
	w.Header().Set("Cache-Control", "no-store")
	http.ServeContent(w, r, "", info.ModTime(), file)
}
