package web

import (
	"embed"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"
)

//go:embed pages
var files embed.FS

// pages serves the page at /, which draws charts out of the GraphQL API. Nothing in it comes from another host, and no
// script runs that is not a file of ours.
func (h *Handler) pages(r chi.Router) {
	for route, file := range map[string]struct{ name, media string }{
		"/":            {"index.html", "text/html; charset=utf-8"},
		"/page.js":     {"page.js", "text/javascript; charset=utf-8"},
		"/page.css":    {"page.css", "text/css; charset=utf-8"},
		"/favicon.svg": {"favicon.svg", "image/svg+xml"},
	} {
		body, err := files.ReadFile("pages/" + file.name)
		if err != nil {
			panic(err) // the file is embedded or the program does not build
		}
		r.Get(route, func(w http.ResponseWriter, _ *http.Request) {
			header := w.Header()
			header.Set("Content-Type", file.media)
			header.Set("Cache-Control", "public, max-age=300")
			header.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
			header.Set("Referrer-Policy", "no-referrer")
			_, _ = w.Write(body)
		})
	}
}

// servePublic answers with what is the same for everybody and changes with the program only: the client asks again after
// a while, and usually hears that nothing is new.
func servePublic(w http.ResponseWriter, r *http.Request, body []byte) {
	header := w.Header()
	header.Set("Cache-Control", "public, max-age=300")
	etag := entityTag(body)
	header.Set("ETag", etag)
	if matches(r.Header.Values("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}
