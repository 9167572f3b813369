package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/fault"
)

const (
	exportStalled  = 30 * time.Second // how long a reader may take for a segment
	missingTrailer = "X-Missing-Replicas"
)

// logsExport is GET /logs/export: what the filter selects, of all replicas, as gzip members of JSON lines. Its memory does
// not grow with the range.
func (h *Handler) logsExport(w http.ResponseWriter, r *http.Request, p *parameters) error {
	// Until the header is written a fault can still be told.
	export, err := h.opts.Resolver.ExportLogs(r.Context(), logFilter(p))
	if err != nil {
		return err
	}
	header := w.Header()
	// A file that is compressed, not an answer compressed on its way: clients keep it as it is, and gzip -t checks it.
	header.Set("Content-Type", "application/gzip")
	header.Set("Content-Disposition", `attachment; filename="coingraph-logs.ndjson.gz"`)
	header.Set("Cache-Control", "no-store")
	header.Set("Trailer", missingTrailer)
	h.rateHeaders(w, r)
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	control := http.NewResponseController(w)
	_ = control.Flush() // the first segment may take a while to be found
	err = export.Write(r.Context(), w, func() {
		_ = control.SetWriteDeadline(time.Now().Add(exportStalled)) // not every ResponseWriter of a test can
	})
	if err != nil {
		// The status is long sent, or the reader has gone. An answer cut off before its end cannot be taken for a whole one.
		note(r, fault.Of(err))
		panic(http.ErrAbortHandler)
	}
	header.Set(missingTrailer, strings.Join(export.Missing, ", "))
	return nil
}

// exporter lets in who shows a credential, or a link that a replica has signed.
func (h *Handler) exporter(next http.Handler) http.Handler {
	credential := h.authenticate(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := parse(r)
		if err != nil || !audit.IsLink(p.query) {
			credential.ServeHTTP(w, r)
			return
		}
		actor, err := h.opts.Resolver.Log.Verify(r.Context(), p.query, time.Now())
		h.admit(w, r, next, actor, err)
	})
}

// logFilter reads what the checks of the parameters took; what they refused reads as absent.
func logFilter(p *parameters) audit.Filter {
	f := audit.Filter{
		Event: p.text("event"), Key: p.text("key"), Level: audit.Level(strings.ToUpper(p.text("level"))), Provider: p.text("provider"), RequestID: p.text("requestId"),
	}
	f.From, _ = time.Parse(time.RFC3339, p.text("from"))
	f.To, _ = time.Parse(time.RFC3339, p.text("to"))
	f.Status, _ = strconv.Atoi(p.text("status"))
	return f
}

// checkLogFilter also refuses a part of a link, which would pass for a filter.
func checkLogFilter(p *parameters) []fault.Field {
	f := logFilter(p)
	bad := f.Check()
	if audit.IsLink(p.query) {
		return bad
	}
	for _, name := range audit.LinkParams() {
		if p.query.Has(name) {
			bad = append(bad, fault.Field{Field: name, Message: "is part of a download link, which has a signature"})
		}
	}
	return bad
}
