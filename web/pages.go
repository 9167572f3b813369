package web

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"embed"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
)

var (
	//go:embed pages
	ownFiles embed.FS

	// What web/ui builds out of npm, compressed; nothing but a README where it was not built.
	//go:embed assets
	builtFiles embed.FS
)

// assetsPath is where the files are served that the npm pages load.
const assetsPath = "/assets/"

// The pages' Content-Security-Policies. Nothing comes from another host, and no script runs that is not a file of ours.
// Where a library adds <style> elements, they carry the nonce of the answer.
const (
	policyBase       = "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
	policyCharts     = policyBase + "style-src 'self'; img-src 'self'"
	policyDocs       = policyBase + "style-src 'self'; img-src 'self' data:"
	policyRedoc      = policyBase + "style-src 'self' 'nonce-" + nonceHole + "'; img-src 'self' data:; worker-src blob:" // its search is a worker
	policyPlayground = policyBase + "style-src 'self' 'nonce-" + nonceHole + "'; img-src 'self' data:; font-src data:"
)

// nonceHole is where a nonce stands in a page and in its policy.
const nonceHole = "NONCE"

// page is one of our own files, with the policy under which a browser shows it.
type page struct{ file, policy string }

// pages serves the charts, which draw the GraphQL API and are always there, and the documentation and the playground, which
// are where they were built in.
func pages(r chi.Router, built map[string]*asset) {
	for route, p := range map[string]page{
		"/":            {"index.html", policyCharts},
		"/page.js":     {"page.js", policyCharts},
		"/page.css":    {"page.css", policyCharts},
		"/favicon.svg": {"favicon.svg", policyCharts},
	} {
		r.Get(route, p.serve(http.StatusOK))
	}
	for route, p := range map[string]page{
		"/docs":       {"docs.html", policyDocs},
		"/redoc":      {"redoc.html", policyRedoc},
		"/playground": {"playground.html", policyPlayground},
	} {
		if len(built) == 0 {
			r.Get(route, page{"unbuilt.html", policyCharts}.serve(http.StatusNotImplemented))
			continue
		}
		r.Get(route, p.serve(http.StatusOK))
	}
	for name, a := range built {
		r.Get(assetsPath+name, a.serve)
	}
}

func (p page) serve(status int) http.HandlerFunc {
	body, err := ownFiles.ReadFile("pages/" + p.file)
	if err != nil {
		panic(err) // the file is embedded or the program does not build
	}
	return func(w http.ResponseWriter, r *http.Request) {
		body, policy := body, p.policy
		if strings.Contains(policy, nonceHole) {
			nonce := rand.Text()
			body, policy = bytes.ReplaceAll(body, []byte(nonceHole), []byte(nonce)), strings.ReplaceAll(policy, nonceHole, nonce)
			w.Header().Set("Cache-Control", "no-store")
		}
		header := w.Header()
		header.Set("Content-Type", mediaOf(p.file))
		header.Set("Content-Security-Policy", policy)
		header.Set("Referrer-Policy", "no-referrer")
		servePublic(w, r, status, body)
	}
}

// asset is a built file.
type asset struct {
	name       string
	compressed []byte
}

// builtAssets are the built files by name; none where there are none.
func builtAssets(files fs.FS) map[string]*asset {
	built := make(map[string]*asset)
	names, err := fs.Glob(files, "assets/*.gz")
	if err != nil {
		panic(err) // the pattern is well formed
	}
	for _, name := range names {
		compressed, err := fs.ReadFile(files, name)
		if err != nil {
			panic(err) // it is embedded
		}
		short := strings.TrimSuffix(path.Base(name), ".gz")
		built[short] = &asset{short, compressed}
	}
	return built
}

// serve sends the file as it is embedded to whoever takes gzip, which is every browser.
func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", mediaOf(a.name))
	header.Set("Vary", "Accept-Encoding")
	if acceptsGzip(r.Header.Values("Accept-Encoding")) {
		header.Set("Content-Encoding", "gzip")
		servePublic(w, r, http.StatusOK, a.compressed)
		return
	}
	plain, err := gzip.NewReader(bytes.NewReader(a.compressed))
	if err != nil {
		panic(err) // our own build has written it
	}
	body, err := io.ReadAll(plain)
	if err != nil {
		panic(err)
	}
	servePublic(w, r, http.StatusOK, body)
}

// acceptsGzip reads Accept-Encoding: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3
func acceptsGzip(values []string) bool {
	for candidate := range strings.SplitSeq(strings.Join(values, ","), ",") {
		coding, params, err := mime.ParseMediaType(strings.TrimSpace(candidate))
		if err != nil || coding != "gzip" && coding != "*" {
			continue
		}
		q, err := strconv.ParseFloat(params["q"], 64)
		return params["q"] == "" || err == nil && q > 0
	}
	return false
}

// mediaOf is the media type of one of our files. It does not ask the machine's own table of types.
func mediaOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return "text/plain; charset=utf-8"
}

// servePublic answers with what is the same for everybody and changes with the program only: the client asks again after
// a while, and usually hears that nothing is new.
func servePublic(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	header := w.Header()
	if header.Get("Cache-Control") == "" && status == http.StatusOK {
		header.Set("Cache-Control", "public, max-age=300")
		etag := entityTag(body)
		header.Set("ETag", etag)
		if matches(r.Header.Values("If-None-Match"), etag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
