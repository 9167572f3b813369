package web

import (
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/fault"
)

const (
	exportPage    = 1000             // entries read from the store at once
	exportStalled = 30 * time.Second // how long a reader may take for a page
)

// logsExport is GET /logs/export: the entries that the filter selects, oldest first, as gzip NDJSON. It reads page by page
// and writes what it has read, so its memory does not grow with the range.
func (h *Handler) logsExport(w http.ResponseWriter, r *http.Request, p *parameters) error {
	filter := logFilter(p)
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

// logFilter reads what the checks of the parameters took; what they refused reads as absent.
func logFilter(p *parameters) audit.Filter {
	f := audit.Filter{
		Event: p.text("event"), Key: p.text("key"), Level: audit.Level(p.text("level")), Provider: p.text("provider"), RequestID: p.text("requestId"),
	}
	f.From, _ = time.Parse(time.RFC3339, p.text("from"))
	f.To, _ = time.Parse(time.RFC3339, p.text("to"))
	f.Status, _ = strconv.Atoi(p.text("status"))
	return f
}

func checkLogFilter(p *parameters) []fault.Field {
	f := logFilter(p)
	return f.Check()
}
