package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/resolvers"
	"github.com/coingraph/coingraph/telemetry"
)

// line is what the request's line in the log is made of, filled in on the way.
type line struct {
	keyID     string
	operation string
	variables string
	code      string
}

type lineKey struct{}

// observed is the context of a request, with its line.
type observed struct {
	telemetry.Request
	line line
}

func (o *observed) Value(key any) any {
	if _, ok := key.(lineKey); ok {
		return &o.line
	}
	return o.Request.Value(key)
}

func lineOf(r *http.Request) *line { return r.Context().Value(lineKey{}).(*line) }

// note writes a fault into the request's line.
func note(r *http.Request, f *fault.Error) { lineOf(r).code = f.Kind.Code() }

// observe gives the request its id, its tally and its trace, and writes its line when it is answered. The raw path and
// query are not in it: they may hold a secret that a client put there by mistake.
func (h *Handler) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := rand.Text()
		w.Header()["X-Request-Id"] = []string{id}
		w.Header()["X-Content-Type-Options"] = noSniff
		ctx, endSpan := h.trace(r)
		o := &observed{Request: telemetry.Request{Context: ctx, ID: id}}
		l, tally := &o.line, &o.Tally
		r = r.WithContext(o)
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		h.opts.Metrics.Begin()
		defer func() {
			now := time.Now()
			e := audit.Request{
				Time: now, Level: slog.LevelInfo, RequestID: id, TraceID: telemetry.TraceID(ctx), KeyID: l.keyID,
				Method: method(r.Method), Route: chi.RouteContext(r.Context()).RoutePattern(), Operation: l.operation, Variables: l.variables,
				Status: ww.Status(), Code: l.code, Duration: now.Sub(start),
				Cache: tally.Outcome(), UpstreamCalls: tally.UpstreamCalls(), Bytes: int64(ww.BytesWritten()),
			}
			if e.Status == 0 {
				e.Status = http.StatusOK
			}
			if e.Status >= http.StatusInternalServerError && e.Status != http.StatusNotImplemented { // that is the client's
				e.Level = slog.LevelError
			}
			if quiet[e.Route] {
				e.Level = slog.LevelDebug
			}
			h.opts.Sink.Request(&e)
			h.opts.Metrics.Request(e.Route, e.Method, e.Status, e.Duration)
			endSpan(&e)
		}()
		next.ServeHTTP(ww, r)
	})
}

// quiet are the routes that probes ask every few seconds.
var quiet = map[string]bool{"/healthz": true, "/readyz": true, metricsPath: true}

// method is the request's method if it is a usual one: others are whatever the client wrote.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "OTHER"
}

// recover answers for a panic like for any other fault.
func (h *Handler) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it like this as well
				panic(p)
			}
			h.opts.Log.ErrorContext(r.Context(), "panic in a handler", "event", "panic", "request_id", telemetry.RequestID(r.Context()), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			h.fail(w, r, fault.Wrap(fault.Internal, fmt.Errorf("panic: %v", p)))
		}()
		next.ServeHTTP(w, r)
	})
}

// limit bounds the request's body and time.
func (h *Handler) limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), h.opts.RequestTimeout)
		defer cancel()
		r = r.WithContext(ctx)
		r.Body = http.MaxBytesReader(w, r.Body, h.opts.MaxBodyBytes)
		next.ServeHTTP(w, r)
	})
}

// authenticate lets through whoever shows valid credentials. Who does not is counted by address: looked at before, so that
// guessing keys becomes slow, charged after, so that valid callers behind the same address are not slowed down.
func (h *Handler) authenticate(next http.Handler) http.Handler {
	return h.identify(next, func(r *http.Request) []string { return r.Header.Values("X-API-Key") }, "")
}

// identify is authenticate with the API keys where they are read from. Who shows no credential at all is a member of the
// tier for keyless callers, if there is one, and known by the address.
func (h *Handler) identify(next http.Handler, keys func(*http.Request) []string, keyless string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		actor, err := h.opts.Callers.Authenticate(r.Context(), keys(r), r.Header.Values("Authorization"))
		if keyless != "" && errors.Is(err, auth.ErrNoCredential) {
			actor, err = auth.Actor{ID: "anonymous:" + addressOf(r), Tier: keyless, Role: auth.User, Name: "anonymous"}, nil
		}
		h.admit(w, r, next, actor, err)
	})
}

// admit lets an actor through, or answers why there is none.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request, next http.Handler, actor auth.Actor, err error) {
	if fault.Is(err, fault.Unauthenticated) {
		if limited := h.opts.Strangers.charge(r); limited != nil {
			err = limited
		}
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	lineOf(r).keyID = actor.ID
	ctx := telemetry.WithCaller(auth.WithActor(r.Context(), actor), actor.ID)
	next.ServeHTTP(w, r.WithContext(h.opts.Resolver.Request(ctx)))
}

// rateLimitHeaders are RateLimit-Limit, -Remaining and -Reset in the form that a map of headers has them in.
var rateLimitHeaders = [...]string{http.CanonicalHeaderKey("RateLimit-Limit"), http.CanonicalHeaderKey("RateLimit-Remaining"), http.CanonicalHeaderKey("RateLimit-Reset")}

// noSniff is shared by all answers: headers are replaced, never changed in place.
var noSniff = []string{"nosniff"}

// rateHeaders says where the caller stands, of the endpoint with the least left, on whatever answer.
func (h *Handler) rateHeaders(w http.ResponseWriter, r *http.Request) {
	s, ok := h.opts.Resolver.Status(r.Context())
	if !ok || len(s.Limits) == 0 {
		return
	}
	header, values := w.Header(), []string{strconv.Itoa(s.Least.Max), strconv.Itoa(s.Least.Remaining), strconv.Itoa(resolvers.RetryAfterSeconds(s.Reset))}
	for i, name := range rateLimitHeaders {
		header[name] = values[i : i+1 : i+1]
	}
}
