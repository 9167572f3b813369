// Package web is the only place that writes HTTP: the router and the order of its middleware, REST, GraphQL over HTTP,
// the log export, health, and the page.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/rs/cors"
	"go.opentelemetry.io/otel/trace"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/resolvers"
	"github.com/coingraph/coingraph/telemetry"
)

// Options are what the handler needs. All must be set but Origins and what may be nil.
type Options struct {
	Resolver  *resolvers.Resolver
	GraphQL   *resolvers.GraphQL
	Callers   Authenticator
	Strangers *AddressLimit // for requests without a valid credential
	Sink      *audit.Sink   // takes the requests' lines
	Log       *slog.Logger
	Metrics   *telemetry.Metrics   // nil: none are kept
	Traces    trace.TracerProvider // nil: requests are not traced

	MetricsPage http.Handler // serves /metrics; nil: it is served elsewhere
	OpenMetrics bool         // to everybody, not to admins alone

	// Checks are the dependencies that readiness depends on, by name. Their errors go to the log.
	Checks map[string]func(context.Context) error

	Origins        []string // CORS; none: no cross-origin browser may read answers
	TrustedProxies []string // prefixes of addresses whose X-Forwarded-For is believed
	MaxBodyBytes   int64
	RequestTimeout time.Duration
}

// Authenticator knows who is asking.
type Authenticator interface {
	// Authenticate finds the actor by the API keys and the Authorization headers that a request shows. It fails with
	// fault.Unauthenticated, or with fault.StoreUnavailable where that cannot be told.
	Authenticate(ctx context.Context, keys, authorization []string) (auth.Actor, error)
}

// Handler is the whole HTTP surface.
type Handler struct {
	opts   Options
	router http.Handler
	ready  readiness
}

// New assembles the routes.
func New(o Options) *Handler {
	h := &Handler{opts: o}
	r := chi.NewRouter()
	r.Use(h.observe, h.recover, middleware.GetHead, clientAddress(o.TrustedProxies))
	if len(o.Origins) > 0 {
		r.Use(cors.New(cors.Options{
			AllowedOrigins: o.Origins,
			AllowedMethods: []string{http.MethodGet, http.MethodPost},
			AllowedHeaders: []string{"Authorization", "Content-Type", "X-API-Key"},
			ExposedHeaders: []string{"X-Request-Id", "Retry-After", "ETag", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"},
			MaxAge:         int((10 * time.Minute).Seconds()),
		}).Handler)
	}
	r.NotFound(h.handle(func(http.ResponseWriter, *http.Request) error {
		return fault.New(fault.NotFound, "there is no such route")
	}))
	r.MethodNotAllowed(h.handle(methodNotAllowed))

	r.Get("/healthz", h.healthz)
	r.Get("/readyz", h.readyz)
	h.pages(r)

	r.Group(func(r chi.Router) {
		r.Use(h.limit, h.authenticate)
		r.Get("/simple_price", h.handle(h.simplePrice))
		r.Get("/market_chart", h.handle(h.marketChart))
		r.Get(graphQLPath, h.graphQL)
		r.Post(graphQLPath, h.graphQL)
	})
	r.With(h.exporter).Get(audit.ExportPath, h.handle(h.logsExport))
	if o.MetricsPage != nil {
		if o.OpenMetrics {
			r.Get(metricsPath, h.handle(h.metrics))
		} else {
			r.With(h.authenticate).Get(metricsPath, h.handle(h.metrics))
		}
	}
	h.router = r
	return h
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.router.ServeHTTP(w, r) }

// handle turns a handler that may fail into an http.HandlerFunc; what fails is rendered in one place.
func (h *Handler) handle(f func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			h.fail(w, r, err)
		}
	}
}

func methodNotAllowed(w http.ResponseWriter, r *http.Request) error {
	rctx := chi.RouteContext(r.Context())
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if rctx.Routes.Match(chi.NewRouteContext(), method, r.URL.Path) {
			w.Header().Add("Allow", method)
		}
	}
	return fault.Wrap(fault.MethodNotAllowed, nil)
}
