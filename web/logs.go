package web

import (
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
)

const (
	exportPage    = 1000             // entries read from the store at once
	exportStalled = 30 * time.Second // how long a reader may take for a page
)

// logsExport is GET /logs/export: the entries that the filter selects, oldest first, as gzip NDJSON. It reads page by page
// and writes what it has read, so its memory does not grow with the range.
func (h *Handler) logsExport(w http.ResponseWriter, r *http.Request) error {
	if err := auth.Require(r.Context(), auth.Admin); err != nil {
		return err
	}
	p, err := parse(r)
	if err != nil {
		return err
	}
	filter := p.logFilter()
	if err := p.fields(fault.Invalid(filter.Check()...)); err != nil {
		return err
	}
	if err := h.opts.Resolver.ExportLogs(r.Context()); err != nil {
		return err
	}
	// The first page is read before the header is written: until then a fault can still be told.
	entries, err := h.opts.Logs.Page(r.Context(), filter, 0, exportPage)
	if err != nil {
		return err
	}
	header := w.Header()
	// A file that is compressed, not an answer compressed on its way: clients keep it as it is, and gzip -t checks it.
	header.Set("Content-Type", "application/gzip")
	header.Set("Content-Disposition", `attachment; filename="coingraph-logs.ndjson.gz"`)
	header.Set("Cache-Control", "no-store")
	h.rateHeaders(w, r)
	if r.Method == http.MethodHead {
		return nil
	}
	control := http.NewResponseController(w)
	out := gzip.NewWriter(w)
	lines := json.NewEncoder(out)
	for len(entries) > 0 {
		_ = control.SetWriteDeadline(time.Now().Add(exportStalled)) // not every ResponseWriter of a test can
		for i := range entries {
			if err := lines.Encode(&entries[i]); err != nil {
				return nil //nolint:nilerr // the reader has gone: there is nobody to tell
			}
		}
		if len(entries) < exportPage {
			break
		}
		if entries, err = h.opts.Logs.Page(r.Context(), filter, entries[len(entries)-1].ID, exportPage); err != nil {
			// The status is long sent. An answer cut off in the middle of its gzip member cannot be taken for a whole one.
			note(r, fault.Of(err))
			panic(http.ErrAbortHandler)
		}
	}
	_ = out.Close() // fails when the reader has gone
	return nil
}

func (p *parameters) logFilter() audit.Filter {
	f := audit.Filter{
		From: p.time("from"), To: p.time("to"), Event: p.one("event", ""), Key: p.one("key", ""),
		Provider: p.one("provider", ""), RequestID: p.one("requestId", ""),
	}
	if level := p.one("level", ""); level != "" {
		if err := f.Level.UnmarshalGQL(level); err != nil {
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
