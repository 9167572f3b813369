package web

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/telemetry"
)

const (
	metricsPath  = "/metrics"
	metricsMedia = "text/plain; version=0.0.4"
)

// trace begins the request's span, below its caller's where it came with one, and gives what ends it. Without a provider
// of tracers only the caller's trace is taken note of, for the log.
func (h *Handler) trace(r *http.Request) (context.Context, func(*audit.Request)) {
	ctx := r.Context()
	if r.Header.Get("Traceparent") != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	if h.opts.Traces == nil {
		return ctx, func(*audit.Request) {}
	}
	ctx, span := h.opts.Traces.Tracer(telemetry.Scope).Start(ctx, method(r.Method), trace.WithSpanKind(trace.SpanKindServer))
	return ctx, func(e *audit.Request) {
		span.SetName(e.Method + " " + e.Route)
		span.SetAttributes(attribute.String("http.request.method", e.Method), attribute.String("http.route", e.Route),
			attribute.Int("http.response.status_code", e.Status), attribute.String("coingraph.request_id", e.RequestID))
		if e.Operation != "" {
			span.SetAttributes(attribute.String("graphql.operation", e.Operation))
		}
		if e.Code != "" {
			span.SetAttributes(attribute.String("error.type", e.Code))
		}
		if e.Status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// metrics is GET /metrics: for whoever asks where they are open, and for admins elsewhere.
func (h *Handler) metrics(w http.ResponseWriter, r *http.Request, _ *parameters) error {
	w.Header().Set("Cache-Control", "no-store")
	h.opts.MetricsPage.ServeHTTP(w, r)
	return nil
}
