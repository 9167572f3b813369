package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
)

const (
	exportStalled  = 30 * time.Second // how long a reader may take for a segment
	missingTrailer = "X-Missing-Replicas"
)

// filterParams are the parameters of /logs/export. Any other is refused: an export that ignored a misspelt one would hold
// more than was asked for.
var filterParams = []string{"from", "to", "level", "event", "key", "status", "provider", "requestId"}

// logsExport is GET /logs/export: what the filter selects, of all replicas, as gzip members of JSON lines. Its memory does
// not grow with the range.
func (h *Handler) logsExport(w http.ResponseWriter, r *http.Request) error {
	if err := auth.Require(r.Context(), auth.Admin); err != nil {
		return err
	}
	p, err := parse(r)
	if err != nil {
		return err
	}
	filter := p.logFilter(audit.IsLink(p.query))
	if err := p.fields(fault.Invalid(filter.Check()...)); err != nil {
		return err
	}
	// Until the header is written a fault can still be told.
	export, err := h.opts.Resolver.ExportLogs(r.Context(), filter)
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

func (p *parameters) logFilter(link bool) audit.Filter {
	for name := range p.query {
		if !slices.Contains(filterParams, name) && !(link && slices.Contains(audit.LinkParams(), name)) {
			p.refuse(shown(name), "must not be given: there are "+strings.Join(filterParams, ", "))
		}
	}
	f := audit.Filter{
		From: p.time("from"), To: p.time("to"), Event: p.one("event", ""), Key: p.one("key", ""),
		Provider: p.one("provider", ""), RequestID: p.one("requestId", ""),
	}
	if level := p.one("level", ""); level != "" {
		if err := f.Level.UnmarshalGQL(strings.ToUpper(level)); err != nil {
			p.refuse("level", err.Error())
		}
	}
	if status := p.one("status", ""); status != "" {
		var err error
		if f.Status, err = strconv.Atoi(status); err != nil {
			p.refuse("status", "must be an HTTP status")
		}
	}
	return f
}

func (p *parameters) time(name string) time.Time {
	value := p.one(name, "")
	if value == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		p.refuse(name, "must be an instant, RFC 3339: 2026-01-31T00:00:00Z")
	}
	return t
}
