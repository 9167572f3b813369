package store

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"github.com/coingraph/coingraph/telemetry"
)

// Statements hold values, so that a span tells only what kind of statement it was.

// verb is the first word of a statement.
func verb(query string) string {
	query = strings.TrimLeft(query, " \t\r\n")
	end := strings.IndexFunc(query, func(r rune) bool { return r < 'A' || r > 'z' })
	if end < 0 {
		end = len(query)
	}
	return strings.ToUpper(query[:min(end, 16)])
}

// pgxTracer makes a span of each statement that goes to Postgres.
type pgxTracer struct{}

type spanKey struct{}

// TraceQueryStart implements [pgx.QueryTracer].
func (pgxTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	ctx, span := telemetry.StartSpan(ctx, "sql", "db.system.name", "postgresql", "db.operation.name", verb(data.SQL))
	if span == (telemetry.Span{}) {
		return ctx
	}
	return context.WithValue(ctx, spanKey{}, span)
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (pgxTracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	if span, ok := ctx.Value(spanKey{}).(telemetry.Span); ok {
		span.End(data.Err)
	}
}

// bunTracer makes a span of each statement that Bun gives to SQLite.
type bunTracer struct{}

// BeforeQuery implements [bun.QueryHook].
func (bunTracer) BeforeQuery(ctx context.Context, event *bun.QueryEvent) context.Context {
	ctx, span := telemetry.StartSpan(ctx, "sql", "db.system.name", "sqlite", "db.operation.name", verb(event.Query))
	if span == (telemetry.Span{}) {
		return ctx
	}
	return context.WithValue(ctx, spanKey{}, span)
}

// AfterQuery implements [bun.QueryHook].
func (bunTracer) AfterQuery(ctx context.Context, event *bun.QueryEvent) {
	if span, ok := ctx.Value(spanKey{}).(telemetry.Span); ok {
		span.End(event.Err)
	}
}
