package web

import (
	"net/http"
	"slices"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/web/openapi"
)

// operations are all REST routes, in the order in which the document shows them.
func (h *Handler) operations() []*operation {
	return slices.Concat(
		[]*operation{h.simplePriceOperation(), h.marketChartOperation()},
		h.graphQLOperations(),
		h.geckoOperations(),
		[]*operation{h.logsExportOperation()},
		h.metricsOperations(),
		[]*operation{h.healthOperation(), h.readinessOperation()},
	)
}

// upstreamFaults are what an answer that may need a provider can fail with.
var upstreamFaults = []fault.Kind{
	fault.NotFound, fault.UpstreamUnavailable, fault.UpstreamRateLimited, fault.QuotaExhausted, fault.UpstreamTimeout,
}

// cached are the headers of an answer that may be kept.
var cached = []string{"ETag", "Cache-Control", "Age"}

// rated are the headers of an answer that was charged for.
var rated = []string{"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"}

func (h *Handler) simplePriceOperation() *operation {
	return &operation{
		method: http.MethodGet, path: "/simple_price", id: "simplePrice", tag: tagPrices, access: h.keyed(), reused: true,
		summary: "Current prices",
		description: "The current price, market capitalisation, 24 h volume and 24 h change of each asset in each currency.\n\n" +
			"An unknown asset or a pair without a price is an error that names it: there is never half an answer. " +
			"Costs one unit of `simple_price` for each started 100 pairs.",
		parameters: []parameter{
			{
				name: "assets", required: true, values: assetListValues(), example: "bitcoin,ethereum",
				description: "CoinGecko's asset ids, separated by commas, at most 250. GraphQL's `assets(search:)` finds them.",
			},
			{
				name: "currencies", fallback: "usd", values: h.currencyListValues(), example: "usd,eur",
				description: "The currencies to quote in, separated by commas, at most 50, in either case.",
			},
			maxAgeParameter, staleIfErrorParameter, formatParameter,
		},
		answers: []answer{{
			description: "The prices, by asset and currency, in the order asked. A `null` is what the provider does not know.",
			headers:     slices.Concat(cached, rated),
			content: []content{
				{plainJSON, openapi.Ref("Prices"), pricesExample()},
				{csvMedia, rowsSchema("One line for each pair."), string(pricesAs(csvMedia, examplePrices()).body)},
				{ndjsonMedia, rowsSchema("One object for each pair."), string(pricesAs(ndjsonMedia, examplePrices()).body)},
			},
		}},
		faults: append([]fault.Kind{fault.NotAcceptable}, upstreamFaults...),
		serve:  h.simplePrice,
	}
}

func (h *Handler) marketChartOperation() *operation {
	return &operation{
		method: http.MethodGet, path: "/market_chart", id: "marketChart", tag: tagPrices, access: h.keyed(), reused: true,
		summary: "The history of one asset",
		description: "Price, market capitalisation and 24 h volume on a regular grid in UTC, as columns: the `days` newest daily points, or 24 hourly " +
			"points for each day. Fewer points than asked come only where there are no more, and `coverage` says why.\n\n" +
			"Costs one unit of `market_chart`.",
		parameters: []parameter{
			{name: "asset", required: true, values: assetValues(), example: "bitcoin", description: "CoinGecko's asset id."},
			{name: "currency", fallback: "usd", values: h.currencyValues(), example: "usd", description: "The currency to quote in, in either case."},
			{name: "days", required: true, values: daysValues(), example: "30", description: "How many days of history: 1 to 10000, or `max` for all there is."},
			{name: "interval", fallback: "daily", values: intervalValues(), example: "daily", description: "The step: samples at 00:00 UTC, or at each full hour."},
			maxAgeParameter, staleIfErrorParameter, formatParameter,
		},
		answers: []answer{{
			description: "The chart. All columns have the same length, index by index.",
			headers:     slices.Concat(cached, rated),
			content: []content{
				{plainJSON, openapi.Ref("Chart"), chartExample()},
				{csvMedia, rowsSchema("One line for each point; what is null is empty."), exampleRows(csvMedia)},
				{ndjsonMedia, rowsSchema("One object for each point."), exampleRows(ndjsonMedia)},
			},
		}},
		faults: append([]fault.Kind{fault.NotAcceptable}, upstreamFaults...),
		serve:  h.marketChart,
	}
}

func (h *Handler) logsExportOperation() *operation {
	access := h.adminOnly()
	access.identify = h.exporter
	return &operation{
		method: http.MethodGet, path: audit.ExportPath, id: "exportLogs", tag: tagOperation, access: access,
		summary: "Export the log",
		description: "All log entries that the filter selects, of all replicas, as a gzip file of NDJSON, streamed. Without a range: all that is kept. " +
			"Segments of several replicas overlap in time; within one, entries ascend. " +
			"For admins, and without a credential for whoever has a link that GraphQL's `logExport { downloadUrl }` made. Costs one unit of `log_export`.\n\n" +
			"A failure after the first bytes cuts the answer off before its end, so that it cannot be taken for a whole one. " +
			"The trailer `X-Missing-Replicas` names the replicas that did not hand over their newest entries in time; it is empty where none lacks.",
		closed: true,
		parameters: []parameter{
			{name: "from", values: instantValues(), example: "2026-01-01T00:00:00Z", description: "The first instant, RFC 3339."},
			{name: "to", values: instantValues(), example: "2036-01-01T00:00:00Z", description: "The instant after the last, RFC 3339."},
			{name: "level", values: levelValues(), example: "INFO", description: "The level of the entries, in either case."},
			{name: "event", values: filterTextValues(audit.WordPattern), example: "request", description: "The event's name, such as `request`."},
			{name: "key", values: filterTextValues(audit.KeyPattern), description: "The id of an API key, never the key."},
			{name: "status", values: integerValues(100, 599, "must be an HTTP status"), example: "200", description: "An HTTP status."},
			{name: "provider", values: filterTextValues(audit.WordPattern), description: "The provider that was asked."},
			{name: "requestId", values: filterTextValues(audit.IDPattern), description: "A request's `X-Request-Id`."},
			{name: "actor", values: linkValues(), description: "Of a download link: who made it."},
			{name: "tier", values: linkValues(), description: "Of a download link: the tier of who made it."},
			{name: "expires", values: linkValues(), description: "Of a download link: until when it is good, Unix seconds."},
			{name: "signature", values: linkValues(), description: "Of a download link: what makes it one. It stands for all other parameters as they are."},
		},
		check: checkLogFilter,
		answers: []answer{{
			description: "A gzip file; each line of its content is a JSON object, an entry.",
			headers:     rated,
			content:     []content{{"application/gzip", nil, nil}},
		}},
		serve: h.logsExport,
	}
}

// metricsOperations are none where the metrics are served elsewhere.
func (h *Handler) metricsOperations() []*operation {
	if h.opts.MetricsPage == nil {
		return nil
	}
	access := h.adminOnly()
	if h.opts.OpenMetrics {
		access = h.open()
	}
	return []*operation{{
		method: http.MethodGet, path: metricsPath, id: "metrics", tag: tagOperation, access: access,
		summary:     "Metrics of this process",
		description: "For Prometheus, in its text format or whichever it asks for. For admins; in development for everybody.",
		answers: []answer{{
			description: "The metrics.",
			content:     []content{{metricsMedia, &openapi.Schema{Type: openapi.Types{"string"}}, "coingraph_http_requests_in_flight 1\n"}},
		}},
		serve: h.metrics,
	}}
}

func (h *Handler) healthOperation() *operation {
	return &operation{
		method: http.MethodGet, path: "/healthz", id: "health", tag: tagOperation, access: h.open(),
		summary: "Whether the process lives",
		answers: []answer{{description: "It does.", content: []content{{plainJSON, openapi.Ref("Health"), map[string]any{"status": "ok"}}}}},
		serve:   h.healthz,
	}
}

func (h *Handler) readinessOperation() *operation {
	return &operation{
		method: http.MethodGet, path: "/readyz", id: "readiness", tag: tagOperation, access: h.open(),
		summary:     "Whether it can serve",
		description: "Says which dependency is away, and as much of why as is safe to show; the rest is in the log.",
		answers: []answer{
			{description: "It can.", content: []content{{plainJSON, openapi.Ref("Readiness"), map[string]any{"status": "ready", "checks": map[string]string{"database": "ok"}}}}},
			{
				status: http.StatusServiceUnavailable, description: "It cannot, or is about to stop.",
				content: []content{{plainJSON, openapi.Ref("Readiness"), map[string]any{
					"status": "not ready", "checks": map[string]string{"database": "away"}, "reasons": map[string]string{"database": "not migrated yet"},
				}}},
			},
		},
		serve: h.readyz,
	}
}
