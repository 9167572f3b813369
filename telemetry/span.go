package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Scope names this program's spans.
const Scope = "github.com/coingraph/coingraph"

// Span is a part of a trace. The zero Span, which is that of a request that is not traced, does nothing.
type Span struct{ span trace.Span }

// StartSpan begins a span below the context's, with pairs of attribute names and values. Without a span above, or below
// one that is not recorded, there is none: nothing is made then, so that tracing costs nothing where it is off. Names and
// values hold no statement, no key and no secret.
func StartSpan(ctx context.Context, name string, pairs ...string) (context.Context, Span) {
	above := trace.SpanFromContext(ctx)
	if !above.IsRecording() {
		return ctx, Span{}
	}
	attrs := make([]attribute.KeyValue, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		attrs = append(attrs, attribute.String(pairs[i], pairs[i+1]))
	}
	ctx, span := above.TracerProvider().Tracer(Scope).Start(ctx, name, trace.WithAttributes(attrs...))
	return ctx, Span{span}
}

// End ends the span, as failed where there is an error. The error's text stays out of it: it may hold what a provider or
// a driver said.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}

// TraceID is the id of the trace that the context belongs to, ours or a caller's; "" for none.
func TraceID(ctx context.Context) string {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.HasTraceID() {
		return ""
	}
	return sc.TraceID().String()
}
