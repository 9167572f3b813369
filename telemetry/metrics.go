package telemetry

import (
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// namespace begins the name of every metric of ours.
const namespace = "coingraph"

// Metrics is what Prometheus scrapes of this process. Its labels have few values each: routes and not paths, root fields,
// providers, kinds; no asset, no key. Its methods are safe for concurrent use and on nil, where they do nothing.
type Metrics struct {
	registry *prometheus.Registry

	inFlight  prometheus.Gauge
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	routes    children[requestLabels, requestChild]

	fields         *prometheus.CounterVec
	fieldDurations *prometheus.HistogramVec
	fieldChildren  children[fieldLabels, requestChild]

	hits, misses *prometheus.CounterVec
	hitChildren  children[hitLabels, prometheus.Counter]

	calls         *prometheus.CounterVec
	callDurations *prometheus.HistogramVec

	lines *prometheus.CounterVec

	runs         *prometheus.CounterVec
	runDurations *prometheus.HistogramVec
}

// Buckets of durations, in seconds: an answer from memory takes a fraction of a millisecond, a provider a second.
var (
	answerBuckets = []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	callBuckets   = []float64{.025, .05, .1, .2, .3, .5, .75, 1, 1.5, 2, 3, 5, 10}
	runBuckets    = []float64{.1, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600}
)

// NewMetrics makes metrics of a program's version.
func NewMetrics(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.Gauges("build_info", "The running version; always 1.", []string{"version"}, func(set Set) { set(1, version) })

	m.inFlight = prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "http_requests_in_flight", Help: "Requests that are being answered."})
	m.registry.MustRegister(m.inFlight)
	m.requests = m.counter("http_requests_total", "Requests that were answered.", "route", "method", "status")
	m.durations = m.histogram("http_request_duration_seconds", "How long answers took.", answerBuckets, "route")
	m.fields = m.counter("graphql_fields_total", "Root fields that were resolved; code is ok or that of the first error below them.", "field", "code")
	m.fieldDurations = m.histogram("graphql_field_duration_seconds", "How long root fields took.", answerBuckets, "field")
	m.hits = m.counter("cache_hits_total", "Values that a tier of the cache had.", "tier", "kind")
	m.misses = m.counter("cache_misses_total", "Values that no tier of the cache had.", "kind")
	m.calls = m.counter("upstream_calls_total", "Calls to providers; outcome is ok or the kind of the fault.", "provider", "endpoint", "outcome")
	m.callDurations = m.histogram("upstream_call_duration_seconds", "How long calls to providers took.", callBuckets, "provider", "endpoint")
	m.lines = m.counter("log_lines_total", "Lines of the log beside those of requests.", "level", "event")
	m.runs = m.counter("job_runs_total", "Runs of jobs that ended.", "job", "outcome")
	m.runDurations = m.histogram("job_duration_seconds", "How long runs of jobs took.", runBuckets, "job")
	return m
}

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(v)
	return v
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Gatherer is what the metrics can be read from.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// Set gives a reading its value and, in their order, the values of its labels.
type Set func(value float64, labels ...string)

// Gauges are values that are read when they are scraped: the hook for whatever keeps its own figures. The name is without
// the namespace.
func (m *Metrics) Gauges(name, help string, labels []string, read func(Set)) {
	m.read(prometheus.GaugeValue, name, help, labels, read)
}

// Counters is Gauges for values that only grow; their names end in _total.
func (m *Metrics) Counters(name, help string, labels []string, read func(Set)) {
	m.read(prometheus.CounterValue, name, help, labels, read)
}

func (m *Metrics) read(kind prometheus.ValueType, name, help string, labels []string, read func(Set)) {
	if m == nil {
		return
	}
	m.registry.MustRegister(readings{kind, prometheus.NewDesc(namespace+"_"+name, help, labels, nil), read})
}

// readings is a collector of values that somebody else keeps.
type readings struct {
	kind prometheus.ValueType
	desc *prometheus.Desc
	read func(Set)
}

func (r readings) Describe(ch chan<- *prometheus.Desc) { ch <- r.desc }

func (r readings) Collect(ch chan<- prometheus.Metric) {
	r.read(func(value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(r.desc, r.kind, value, labels...)
	})
}

// children are the parts of vectors that are in use, found without hashing and joining label values. They are few, and a
// new one is rare: the map is copied then.
type children[K comparable, V any] struct {
	mu    sync.Mutex
	found atomic.Pointer[map[K]V]
}

func (c *children[K, V]) get(key K, make func() V) V {
	found := c.found.Load()
	if found != nil {
		if v, ok := (*found)[key]; ok {
			return v
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	next := map[K]V{}
	if found := c.found.Load(); found != nil {
		if v, ok := (*found)[key]; ok {
			return v
		}
		next = maps.Clone(*found)
	}
	v := make()
	next[key] = v
	c.found.Store(&next)
	return v
}

type (
	requestLabels struct {
		route, method string
		status        int
	}
	fieldLabels struct{ field, code string }
	hitLabels   struct{ tier, kind string }

	requestChild struct {
		count prometheus.Counter
		took  prometheus.Observer
	}
)

// Begin notes that a request is being answered.
func (m *Metrics) Begin() {
	if m != nil {
		m.inFlight.Inc()
	}
}

// Request notes that a request was answered. The route is the router's pattern, or "" where there is none.
func (m *Metrics) Request(route, method string, status int, took time.Duration) {
	if m == nil {
		return
	}
	m.inFlight.Dec()
	if route == "" {
		route = "none"
	}
	child := m.routes.get(requestLabels{route, method, status}, func() requestChild {
		return requestChild{m.requests.WithLabelValues(route, method, strconv.Itoa(status)), m.durations.WithLabelValues(route)}
	})
	child.count.Inc()
	child.took.Observe(took.Seconds())
}

// Field notes that a root field was resolved; the code is "" or that of the first error below it.
func (m *Metrics) Field(field, code string, took time.Duration) {
	if m == nil {
		return
	}
	if code == "" {
		code = "ok"
	}
	child := m.fieldChildren.get(fieldLabels{field, code}, func() requestChild {
		return requestChild{m.fields.WithLabelValues(field, code), m.fieldDurations.WithLabelValues(field)}
	})
	child.count.Inc()
	child.took.Observe(took.Seconds())
}

// CacheHits notes that a tier of the cache had n values of a kind.
func (m *Metrics) CacheHits(tier Tier, kind string, n int) {
	if m != nil && n > 0 {
		m.hitChildren.get(hitLabels{tier.String(), kind}, func() prometheus.Counter { return m.hits.WithLabelValues(tier.String(), kind) }).Add(float64(n))
	}
}

// CacheMisses notes that no tier of the cache had n values of a kind.
func (m *Metrics) CacheMisses(kind string, n int) {
	if m != nil && n > 0 {
		m.hitChildren.get(hitLabels{"", kind}, func() prometheus.Counter { return m.misses.WithLabelValues(kind) }).Add(float64(n))
	}
}

// UpstreamCall notes a call to a provider. The endpoint is a pattern without ids; the outcome "ok" or a fault's kind.
func (m *Metrics) UpstreamCall(provider, endpoint, outcome string, took time.Duration) {
	if m != nil {
		m.calls.WithLabelValues(provider, endpoint, outcome).Inc()
		m.callDurations.WithLabelValues(provider, endpoint).Observe(took.Seconds())
	}
}

// Line notes a line of the log that is not a request's. Events are constants of the program.
func (m *Metrics) Line(level, event string) {
	if m != nil {
		m.lines.WithLabelValues(level, event).Inc()
	}
}

// JobRun notes that a run of a job ended; the outcome is "ok", "failed" or "canceled".
func (m *Metrics) JobRun(job, outcome string, took time.Duration) {
	if m != nil {
		m.runs.WithLabelValues(job, outcome).Inc()
		m.runDurations.WithLabelValues(job).Observe(took.Seconds())
	}
}
