package web

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzhttp"
)

// preferred is the one of the offered media types that the client likes best: of what it likes equally, what it names
// first; of a range the first offered; the first offered where it says nothing. false: it takes none of them.
// https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
func preferred(accept []string, offered ...string) (string, bool) {
	if len(accept) == 0 || len(accept) == 1 && (accept[0] == "*/*" || accept[0] == offered[0]) {
		return offered[0], true
	}
	best, bestQ := "", 0.0
	for candidate := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, params, err := mime.ParseMediaType(strings.TrimSpace(candidate))
		if err != nil {
			continue
		}
		q := 1.0
		if s, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(s, 64); err != nil {
				continue
			}
		}
		if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
			continue
		}
		if media = within(media, offered); media != "" && q > bestQ {
			best, bestQ = media, q
		}
	}
	return best, best != ""
}

// within is the first of the offered types that a media range has; "" if it has none.
func within(media string, offered []string) string {
	for _, o := range offered {
		kind, _, _ := strings.Cut(o, "/")
		if media == o || media == "*/*" || media == kind+"/*" {
			return o
		}
	}
	return ""
}

// compressed compresses what the handler answers, with zstd or gzip, for clients that ask for it.
func compressed(next http.Handler) http.Handler {
	compressing := gzhttp.GzipHandler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header["Accept-Encoding"]) > 0 {
			compressing.ServeHTTP(w, r)
			return
		}
		header := w.Header()
		header["Vary"] = append(header["Vary"], "Accept-Encoding") // as it says to others
		next.ServeHTTP(w, r)
	})
}
