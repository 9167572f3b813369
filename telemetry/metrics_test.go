package telemetry_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/coingraph/coingraph/telemetry"
)

func page(m *telemetry.Metrics) string {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func TestMetrics(t *testing.T) {
	m := telemetry.NewMetrics("v1")
	m.Quotas(func() []telemetry.Quota {
		return []telemetry.Quota{{Provider: "p", Window: time.Minute, Limit: 30, Left: 7}}
	})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				m.Begin()
				m.Request("/x", "GET", 200, time.Millisecond)
				m.Field("Query.a", "", time.Millisecond)
				m.CacheHits(telemetry.Redis, "price", 2)
				m.CacheMisses("chart", 1)
			}
		})
	}
	group.Wait()
	m.UpstreamCall("p", "/e", "ok", time.Second)
	m.Line("WARN", "x")
	m.JobRun("refresh", "ok", time.Minute)
	got := page(m)
	for _, want := range []string{
		`coingraph_build_info{version="v1"} 1`, `coingraph_http_requests_total{method="GET",route="/x",status="200"} 800`, "coingraph_http_requests_in_flight 0",
		`coingraph_graphql_fields_total{code="ok",field="Query.a"} 800`, `coingraph_cache_hits_total{kind="price",tier="redis"} 1600`, `coingraph_cache_misses_total{kind="chart"} 800`,
		`coingraph_upstream_call_duration_seconds_count{endpoint="/e",provider="p"} 1`, `coingraph_log_lines_total{event="x",level="WARN"} 1`, `coingraph_job_runs_total{job="refresh",outcome="ok"} 1`,
		`coingraph_upstream_quota_limit{provider="p",window_seconds="60"} 30`, `coingraph_upstream_quota_left{provider="p",window_seconds="60"} 7`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
	if problems, err := testutil.GatherAndLint(m.Gatherer()); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}

// TestNoMetrics: whoever keeps none needs no special case.
func TestNoMetrics(*testing.T) {
	var m *telemetry.Metrics
	m.Begin()
	m.Request("", "", 0, 0)
	m.Field("", "", 0)
	m.CacheHits(telemetry.Memory, "", 1)
	m.CacheMisses("", 1)
	m.UpstreamCall("", "", "", 0)
	m.Line("", "")
	m.JobRun("", "", 0)
	m.Gauges("a", "b", nil, nil)
	m.Quotas(nil)
}

func TestRequestCostsNoAllocation(t *testing.T) {
	m := telemetry.NewMetrics("v1")
	if n := testing.AllocsPerRun(100, func() { m.Begin(); m.Request("/x", "GET", 200, time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSpans(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(recorder))
	ctx, root := provider.Tracer("test").Start(t.Context(), "root")
	below, span := telemetry.StartSpan(ctx, "below", "name", "value")
	span.End(context.Canceled)
	root.End()
	ended := recorder.Ended()
	if len(ended) != 2 || ended[0].Name() != "below" || ended[0].Parent().SpanID() != root.SpanContext().SpanID() || ended[0].Status().Code.String() != "Error" || ended[0].Status().Description != "" {
		t.Errorf("the spans: %+v", ended)
	}
	if got := telemetry.TraceID(below); got != root.SpanContext().TraceID().String() || len(got) != 32 {
		t.Errorf("the trace's id: %q", got)
	}
}

// TestNoSpans: without a trace nothing is made.
func TestNoSpans(t *testing.T) {
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		same, span := telemetry.StartSpan(ctx, "name", "key", "value")
		span.End(nil)
		if same != ctx {
			t.Fatal("another context")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if id := telemetry.TraceID(ctx); id != "" {
		t.Errorf("an id: %q", id)
	}
}
