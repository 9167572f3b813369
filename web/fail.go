package web

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/resolvers"
	"github.com/coingraph/coingraph/telemetry"
)

const problemJSON = "application/problem+json"

// problem is an error body: https://www.rfc-editor.org/rfc/rfc9457
type problem struct {
	Type      string        `json:"type"`
	Title     string        `json:"title"`
	Status    int           `json:"status"`
	Detail    string        `json:"detail"`
	Code      string        `json:"code"`
	RequestID string        `json:"requestId"`
	Errors    []fault.Field `json:"errors,omitempty"`
}

func problemOf(f *fault.Error, requestID string) problem {
	return problem{
		Type: "about:blank", Title: http.StatusText(f.Kind.Status()), Status: f.Kind.Status(), Detail: f.Safe(),
		Code: f.Kind.Code(), RequestID: requestID, Errors: f.Fields,
	}
}

// fail renders an error: one of the two places where errors become text for clients. The other is the GraphQL error
// presenter, whom it asks where the client speaks GraphQL.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := fault.Of(err)
	if r.URL.Path == graphQLPath {
		h.refuse(w, r, f)
		return
	}
	note(r, f)
	if f.Kind == fault.Internal {
		h.opts.Log.ErrorContext(r.Context(), "internal error", "event", "internal", "request_id", telemetry.RequestID(r.Context()), "error", err)
	}
	form := &problems
	if speaksGecko(r) {
		form, f = &geckoErrors, geckoFault(f)
	}
	body, err := json.Marshal(form.body(f, telemetry.RequestID(r.Context()), h.now()))
	if err != nil { // cannot be: strings and integers only
		panic(err)
	}
	faultHeaders(w, f)
	h.rateHeaders(w, r)
	w.Header().Set("Content-Type", form.media)
	w.WriteHeader(form.statusOf(f.Kind))
	_, _ = w.Write(append(body, '\n'))
}

// faultHeaders sets what HTTP has headers for.
func faultHeaders(w http.ResponseWriter, f *fault.Error) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	if f.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(resolvers.RetryAfterSeconds(f.RetryAfter)))
	}
	if f.Kind == fault.Unauthenticated {
		header.Set("WWW-Authenticate", `ApiKey realm="coingraph", header="X-API-Key"`)
	}
}
