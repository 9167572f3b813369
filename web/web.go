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

// Options are what the handler needs. All must be set but Origins and where it says so.
type Options struct {
	Resolver  *resolvers.Resolver
	GraphQL   *resolvers.GraphQL
	Callers   Authenticator
	Strangers *AddressLimit // for requests without a valid credential
	Sink      *audit.Sink   // takes the requests' lines
	Log       *slog.Logger
	Now       func() time.Time     // nil: the real clock
	Metrics   *telemetry.Metrics   // nil: none are kept
	Traces    trace.TracerProvider // nil: requests are not traced

	MetricsPage http.Handler // serves /metrics; nil: it is served elsewhere
	OpenMetrics bool         // to everybody, not to admins alone

	// KeylessTier is the tier of /api/v3 clients without a credential; "": there are none.
	KeylessTier string
	RateWindow  time.Duration // what the limits are counted in

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
	opts     Options
	router   http.Handler
	document []byte // OpenAPI's
	ready    readiness
	coins    coinsList
}

// New assembles the routes.
func New(o Options) *Handler {
	h := &Handler{opts: o}
	r := chi.NewRouter()
	r.Use(h.observe, h.recover, trimGeckoPath, middleware.GetHead, clientAddress(o.TrustedProxies))
	if len(o.Origins) > 0 {
		r.Use(cors.New(cors.Options{
			AllowedOrigins: o.Origins,
			AllowedMethods: []string{http.MethodGet, http.MethodPost},
			AllowedHeaders: append([]string{"Authorization", "Content-Type", "X-API-Key"}, geckoHeaders...),
			ExposedHeaders: []string{"X-Request-Id", "Retry-After", "ETag", "Age", "Link", "Total", "Per-Page", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"},
			MaxAge:         int((10 * time.Minute).Seconds()),
		}).Handler)
	}
	r.NotFound(h.handle(func(_ http.ResponseWriter, r *http.Request) error {
		if speaksGecko(r) {
			return errIncorrectPath
		}
		return fault.New(fault.NotFound, "there is no such route")
	}))
	r.MethodNotAllowed(h.handle(methodNotAllowed))

	pages(r, builtAssets(builtFiles))
	operations := h.operations()
	for _, op := range operations {
		h.route(r, op)
	}
	h.unservedGecko(r)
	h.document = writeDocument(operations)
	r.Get("/openapi.json", serveDocument(h.document))
	h.router = r
	return h
}

func (h *Handler) now() time.Time {
	if h.opts.Now == nil {
		return time.Now()
	}
	return h.opts.Now()
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
