package web

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/go-chi/chi/v5"
)

// TestPages: with the assets that npm builds the pages are there, each answer with a nonce of its own; without, they say
// how to get them.
func TestPages(t *testing.T) {
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	_, _ = w.Write([]byte("let x"))
	_ = w.Close()
	built := chi.NewRouter()
	pages(built, builtAssets(fstest.MapFS{"assets/playground.js.gz": {Data: compressed.Bytes()}, "assets/README.md": {}}))
	unbuilt := chi.NewRouter()
	pages(unbuilt, builtAssets(fstest.MapFS{"assets/README.md": {}}))

	get := func(h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		if len(header) > 0 {
			r.Header.Set(header[0], header[1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	nonces := make(map[string]bool)
	for _, path := range []string{"/docs", "/redoc", "/playground", "/playground", "/"} {
		page := get(built, path)
		policy := page.Header().Get("Content-Security-Policy")
		if page.Code != http.StatusOK || !strings.HasPrefix(policy, "default-src 'none'; script-src 'self';") || strings.Contains(policy+page.Body.String(), nonceHole) || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: %d %s %s", path, page.Code, policy, page.Body)
		}
		if match := regexp.MustCompile(`'nonce-(\w+)'`).FindStringSubmatch(policy); match != nil {
			if nonces[match[1]] || !strings.Contains(page.Body.String(), match[1]) || page.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: the nonce %s is old, not in the page, or kept: %v", path, match[1], page.Header())
			}
			nonces[match[1]] = true
		}
		if path == "/" {
			continue
		}
		if page = get(unbuilt, path); page.Code != http.StatusNotImplemented || !strings.Contains(page.Body.String(), "make build") {
			t.Errorf("unbuilt %s: %d %s", path, page.Code, page.Body)
		}
	}
	if len(nonces) != 3 {
		t.Errorf("%d nonces", len(nonces))
	}

	for accept, want := range map[string]string{"gzip, br": compressed.String(), "br, *;q=0.1": compressed.String(), "gzip;q=0, *;q=0": "let x", "br": "let x", "": "let x"} {
		a := get(built, "/assets/playground.js", "Accept-Encoding", accept)
		if a.Code != http.StatusOK || a.Body.String() != want || (a.Header().Get("Content-Encoding") == "gzip") != (want != "let x") || a.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: %d %v %q", accept, a.Code, a.Header(), a.Body)
		}
		if again := get(built, "/assets/playground.js", "If-None-Match", a.Header().Get("ETag")); want == "let x" && again.Code != http.StatusNotModified {
			t.Errorf("%q: %d", accept, again.Code)
		}
	}
	if a := get(built, "/assets/README.md"); a.Code != http.StatusNotFound {
		t.Errorf("%d", a.Code)
	}
}
