package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/config"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch"
	"github.com/coingraph/coingraph/store"
	"github.com/coingraph/coingraph/telemetry"
)

// observation is what looks at the running program: its log and its metrics.
type observation struct {
	sink    *audit.Sink
	metrics *telemetry.Metrics
	replica string // what this process is called in the log
}

// observe begins to log, to a console from a level on and to segments in the data directory. Nothing is shipped before an
// App serves.
func observe(cfg config.Config, console io.Writer, consoleLevel slog.Level) *observation {
	m, replica := telemetry.NewMetrics(version), replicaName()
	return &observation{metrics: m, replica: replica, sink: audit.NewSink(audit.SinkOptions{
		Console: console, ConsoleLevel: consoleLevel, Level: cfg.LogLevel,
		Dir: filepath.Join(cfg.DataDir, "logs"), Replica: replica, Retention: cfg.LogRetention,
		Secrets: secretsOf(cfg), Metrics: m,
	})}
}

// secretsOf are the texts that no line of the log may hold. The types of the configuration redact themselves; this is for
// what a driver or a provider says.
func secretsOf(cfg config.Config) []string {
	var texts []string
	add := func(s config.Secret) {
		if s.IsSet() {
			texts = append(texts, s.Reveal())
		}
	}
	password := func(s config.Secret) {
		add(s)
		for part := range strings.SplitSeq(s.Reveal(), ",") {
			u, err := url.Parse(part)
			if err != nil || u.User == nil {
				continue
			}
			if p, ok := u.User.Password(); ok {
				texts = append(texts, p, url.QueryEscape(p))
			}
		}
	}
	password(cfg.DatabaseURL)
	password(cfg.RedisURL)
	for _, k := range cfg.APIKeys {
		add(k.Secret)
	}
	add(cfg.JWT.Secret)
	add(cfg.JWT.Previous)
	for _, k := range cfg.CoinGecko.Keys {
		add(k)
	}
	add(cfg.CryptoQuant.Key)
	for _, p := range cfg.Fallbacks {
		add(p.Key)
	}
	// A password such as "postgres" is in half of all lines, and keeps nobody out.
	return slices.DeleteFunc(texts, func(s string) bool { return len(s) < 8 })
}

// read has the metrics read what the App's parts keep themselves.
func (o *observation) read(s *store.Store, client redis.UniversalClient, source *fetch.Source) {
	m := o.metrics
	upstreams := &standing{read: source.Quotas}
	m.Gauges("log_queue_bytes", "Log lines that wait for the disk.", nil, func(set telemetry.Set) { set(float64(o.sink.Stats().QueueBytes)) })
	m.Gauges("log_waiting_segments", "Closed log segments that wait for the database.", nil, func(set telemetry.Set) { set(float64(o.sink.Stats().Waiting)) })
	m.Gauges("log_waiting_bytes", "Bytes of the closed log segments that wait for the database.", nil, func(set telemetry.Set) { set(float64(o.sink.Stats().WaitingBytes)) })
	m.Counters("log_dropped_lines_total", "Log lines that got lost, by where they were headed.", []string{"target"}, func(set telemetry.Set) {
		st := o.sink.Stats()
		set(float64(st.Dropped), "segment")
		set(float64(st.ConsoleDropped), "console")
	})
	m.Gauges("upstream_gate", "1 for the state of each provider's gate: open, paused (it asked for that) or shut (it is only probed).", []string{"provider", "state"}, func(set telemetry.Set) {
		for _, status := range upstreams.all() {
			now := gateOf(status)
			for _, state := range []string{gateOpen, gatePaused, gateShut} {
				value := 0.0
				if state == now {
					value = 1
				}
				set(value, status.Provider, state)
			}
		}
	})
	m.Quotas(upstreams.quotas)
	pool := []string{"pool"}
	type figures struct {
		name                   string
		max, open, inUse, idle int
		waits                  int64
		waited                 time.Duration
	}
	pools := func() []figures {
		var all []figures
		for _, p := range s.Pools() {
			all = append(all, figures{p.Name, p.Max, p.Open, p.InUse, p.Idle, p.Waits, p.Waited})
		}
		if client != nil {
			p := client.PoolStats()
			all = append(all, figures{"redis", 0, int(p.TotalConns), int(p.TotalConns - p.IdleConns), int(p.IdleConns), int64(p.WaitCount), time.Duration(p.WaitDurationNs)})
		}
		return all
	}
	each := func(value func(figures) float64) func(telemetry.Set) {
		return func(set telemetry.Set) {
			for _, p := range pools() {
				set(value(p), p.name)
			}
		}
	}
	m.Gauges("pool_connections", "Open connections.", pool, each(func(f figures) float64 { return float64(f.open) }))
	m.Gauges("pool_connections_in_use", "Connections that somebody uses.", pool, each(func(f figures) float64 { return float64(f.inUse) }))
	m.Gauges("pool_connections_max", "The most connections there may be; 0 where that is the client's default.", pool, each(func(f figures) float64 { return float64(f.max) }))
	m.Counters("pool_waits_total", "How often somebody had to wait for a connection.", pool, each(func(f figures) float64 { return float64(f.waits) }))
	m.Counters("pool_wait_seconds_total", "How long they waited.", pool, each(func(f figures) float64 { return f.waited.Seconds() }))
}

// called notes a call to a provider.
func (o *observation) called(c fetch.Call) {
	outcome := "ok"
	if c.Err != nil {
		outcome = fault.Of(c.Err).Kind.String()
	}
	o.metrics.UpstreamCall(c.Provider, c.Endpoint, outcome, c.Duration)
}

// serveMetrics serves nothing but the metrics until the context ends.
func (o *observation) serveMetrics(ctx context.Context, listener net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", o.metrics.Handler())
	server := newServer(mux)
	server.WriteTimeout = 30 * time.Second
	return serveUntil(ctx, server, listener, time.Second)
}

// openTraces exports traces over OTLP/HTTP where one of the standard variables says whereto; otherwise there are none, and
// the provider is nil. https://opentelemetry.io/docs/specs/otel/protocol/exporter/
func openTraces(ctx context.Context, environ []string, log *slog.Logger) (trace.TracerProvider, func(context.Context), error) {
	nothing := func(context.Context) {}
	if !tracesWanted(environ) {
		return nil, nothing, nil
	}
	exporter, err := otlptracehttp.New(ctx) // reads the variables itself
	if err != nil {
		return nil, nothing, misconfigured("OTEL_EXPORTER_OTLP_ENDPOINT", err.Error())
	}
	described, err := resource.New(ctx, resource.WithAttributes(semconv.ServiceName("coingraph"), semconv.ServiceVersion(version)), resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		log.WarnContext(ctx, "the traces' resource is incomplete", "event", "traces", "error", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(described))
	return provider, func(ctx context.Context) {
		if err := provider.Shutdown(ctx); err != nil {
			log.WarnContext(ctx, "the last traces were not exported", "event", "traces", "error", err)
		}
	}, nil
}

func tracesWanted(environ []string) bool {
	value := func(name string) string {
		for _, entry := range environ {
			if v, ok := strings.CutPrefix(entry, name+"="); ok {
				return v
			}
		}
		return ""
	}
	if strings.EqualFold(value("OTEL_SDK_DISABLED"), "true") || value("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return value("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || value("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}
