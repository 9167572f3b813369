package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/bill"
	"github.com/coingraph/coingraph/cache"
	"github.com/coingraph/coingraph/config"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch"
	"github.com/coingraph/coingraph/jobs"
	"github.com/coingraph/coingraph/limit"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/pipeline"
	"github.com/coingraph/coingraph/resolvers"
	"github.com/coingraph/coingraph/store"
	"github.com/coingraph/coingraph/web"
	"github.com/coingraph/coingraph/web/cork"
)

const (
	migrateWithin = 30 * time.Second // for one try, which may have to wait for another replica's
	migrateRetry  = time.Second      // between two tries
)

// App is the server, wired: what main runs and end-to-end tests open.
type App struct {
	cfg      config.Config
	log      *slog.Logger
	store    *store.Store
	redis    redis.UniversalClient // nil without Redis
	lanes    *pipeline.Lanes       // what the cache and the meter take to it
	units    *limit.Redis          // nil likewise
	source   *fetch.Source
	ledger   *bill.Ledger
	market   *market.Service
	jobs     *jobs.Engine
	replica  string
	keys     *auth.Registry
	observed *observation
	metrics  net.Listener // nil: they are served with the rest
	handler  *web.Handler
	server   *http.Server
	listener net.Listener
	migrated atomic.Bool
}

// AppOptions are what does not come from the configuration.
type AppOptions struct {
	Observed *observation         // nil: one without a console
	Traces   trace.TracerProvider // nil: nothing is traced
	Listener net.Listener         // nil: one on the configured address
	Now      func() time.Time     // nil: the real clock
	Log      *slog.Logger         // Open logs to Observed instead
}

// Open wires the server and takes its address. It reaches for nothing: a database or a Redis that is down is served
// when it comes back.
func Open(cfg config.Config, o AppOptions) (_ *App, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Observed == nil {
		o.Observed = observe(cfg, nil, cfg.LogLevel)
	}
	o.Log = o.Observed.sink.Logger()
	a := &App{cfg: cfg, log: o.Log, observed: o.Observed, listener: o.Listener, replica: o.Observed.replica}
	defer func() {
		if err != nil {
			a.Close()
		}
	}()
	if a.store, err = store.Open(store.Options{DatabaseURL: cfg.DatabaseURL.Reveal(), DataDir: cfg.DataDir, Replica: o.Observed.sink.Replica(), Log: o.Log}); err != nil {
		return nil, err
	}
	answers, leases, err := a.openCache()
	if err != nil {
		return nil, err
	}
	if err := a.openUpstream(o); err != nil {
		return nil, err
	}
	currencies, err := currenciesOf(cfg.Currencies)
	if err != nil {
		return nil, err
	}
	a.market = market.NewService(market.Options{
		Store: a.store, Source: a.source, Documents: a.source, Cache: answers, Leases: leases, Currencies: currencies, Now: o.Now, Log: o.Log,
		Guard:       market.Guard{Factor: float64(cfg.SpikeFactor)},
		Metrics:     a.observed.metrics,
		PriceMemory: cfg.MemoryCache / 4,
		PriceTTL:    cfg.TTL.Price, DailyTTL: cfg.TTL.ChartDaily, HourlyTTL: cfg.TTL.ChartHourly, OnChainTTL: cfg.TTL.OnChain, Budget: cfg.RequestTimeout,
	})
	if err := a.openJobs(o); err != nil {
		return nil, err
	}
	a.observed.sink.ShipTo(a.store)
	a.observed.read(a.store, a.redis, a.source)
	meter, err := a.openMeter()
	if err != nil {
		return nil, err
	}
	configured := keysOf(cfg.APIKeys)
	a.keys = auth.NewRegistry(auth.RegistryOptions{Configured: configured, Store: a.store, Tiers: tiersOf(cfg.RateLimits), Now: o.Now, Log: o.Log})
	callers, err := openCallers(cfg, a.keys, o)
	if err != nil {
		return nil, err
	}
	resolver := &resolvers.Resolver{
		Market: a.market, Log: audit.NewLog(a.store, a.observed.sink), Meter: meter, Keys: a.keys, Bill: bill.NewService(a.ledger, a.source.Quotas), Jobs: a.jobs,
		Answers: resolvers.NewAnswers(cfg.AnswerCache, o.Now),
	}
	a.handler = web.New(web.Options{
		Resolver: resolver,
		GraphQL: resolvers.NewGraphQL(resolver, resolvers.GraphQLOptions{
			OpenIntrospection: cfg.Env == config.Dev, Limits: queryLimitsOf(cfg.QueryLimits), Now: o.Now, Log: o.Log, Metrics: a.observed.metrics,
		}),
		Callers: callers, Strangers: web.NewAddressLimit(cfg.AddressLimit.Max, cfg.AddressLimit.Per),
		Sink: a.observed.sink, Log: o.Log, Metrics: a.observed.metrics, Traces: o.Traces, MetricsPage: a.metricsPage(), OpenMetrics: cfg.Env == config.Dev,
		Checks: a.checks(), Origins: cfg.CORSOrigins, TrustedProxies: prefixesOf(cfg.TrustedProxies),
		MaxBodyBytes: cfg.MaxBodyBytes, RequestTimeout: cfg.RequestTimeout,
		Now: o.Now, KeylessTier: cfg.AnonymousTier, RateWindow: cfg.RateLimitWindow,
	})
	a.server = newServer(a.handler)
	a.server.WriteTimeout = cfg.RequestTimeout + 20*time.Second // for the answer to get through to a slow reader
	if a.listener == nil {
		if a.listener, err = listen(context.Background(), cfg.ListenAddr); err != nil {
			return nil, err
		}
	}
	if cfg.MetricsAddr != "" {
		if a.metrics, err = listen(context.Background(), cfg.MetricsAddr); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// metricsPage is nil where the metrics have an address of their own.
func (a *App) metricsPage() http.Handler {
	if a.cfg.MetricsAddr != "" {
		return nil
	}
	return a.observed.metrics.Handler()
}

// MetricsAddr is where the metrics are served apart; nil: they are not.
func (a *App) MetricsAddr() net.Addr {
	if a.metrics == nil {
		return nil
	}
	return a.metrics.Addr()
}

// Addr is where the server listens.
func (a *App) Addr() net.Addr { return a.listener.Addr() }

// Serve answers requests until the context ends: then readiness turns red, the listener closes, what is under way
// finishes within the shutdown timeout, and buffers are flushed. It closes the App.
func (a *App) Serve(ctx context.Context) error {
	defer a.Close()
	workers, stopWorkers := context.WithCancel(context.WithoutCancel(ctx))
	// What the others log while they stop is shipped too: the log ends last.
	logging, stopLogging := context.WithCancel(context.WithoutCancel(ctx))
	var logged sync.WaitGroup
	logged.Go(func() { a.observed.sink.Run(logging) })
	defer logged.Wait()
	defer stopLogging()
	var group sync.WaitGroup
	defer group.Wait()
	defer stopWorkers()
	group.Go(func() { a.ledger.Run(workers) })
	group.Go(func() { a.keys.Run(workers) })
	a.migrate(workers)
	if err := a.requireKey(workers); err != nil {
		return err
	}
	if !a.migrated.Load() {
		group.Go(func() { a.migrateUntilDone(workers) })
	}
	group.Go(func() { a.market.RunCatalogue(workers) })
	group.Go(func() { a.jobs.Run(workers) })
	if a.cfg.Scheduler {
		group.Go(func() { a.jobs.RunSchedule(workers) })
	}
	if a.metrics != nil {
		group.Go(func() {
			if err := a.observed.serveMetrics(workers, a.metrics); err != nil {
				a.log.ErrorContext(workers, "the metrics are not served", "event", "metrics", "error", err)
			}
		})
	}
	a.log.InfoContext(ctx, "serving", "event", "start", "address", a.Addr().String(), "store", a.store.Name(), "redis", a.redis != nil, "version", version)

	stop := context.AfterFunc(ctx, a.handler.Stopping)
	defer stop()
	err := serveUntil(ctx, a.server, a.listener, a.cfg.ShutdownTimeout)
	stopWorkers()
	group.Wait()
	a.giveBack()
	a.log.InfoContext(ctx, "stopped", "event", "stop")
	return err
}

// giveBack returns the units that this replica has leased: nobody asks it any more.
func (a *App) giveBack() {
	if a.units == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	a.units.Close(ctx)
}

// Close lets go of everything. Calls after the first do nothing.
func (a *App) Close() {
	if a.redis != nil {
		_ = a.redis.Close()
	}
	if a.store != nil {
		_ = a.store.Close()
	}
	for _, l := range []net.Listener{a.listener, a.metrics} {
		if l != nil {
			_ = l.Close()
		}
	}
	a.observed.sink.Close()
}

// migrate brings the schema up to date, if the database can be reached.
func (a *App) migrate(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, migrateWithin)
	defer cancel()
	if err := a.store.Migrate(ctx); err != nil {
		a.log.ErrorContext(ctx, "the database is not migrated", "event", "migrate", "error", err)
		return
	}
	a.migrated.Store(true)
}

// migrateUntilDone tries again until the database is there.
func (a *App) migrateUntilDone(ctx context.Context) {
	for !a.migrated.Load() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(migrateRetry):
			a.migrate(ctx)
		}
	}
}

// requireKey refuses to serve in prod what nobody could ask: no API key in the configuration, and none in a database that
// can be reached.
func (a *App) requireKey(ctx context.Context) error {
	if a.cfg.Env != config.Prod || len(a.cfg.APIKeys) > 0 || !a.migrated.Load() {
		return nil
	}
	keys, err := a.keys.Keys(auth.WithActor(ctx, auth.Operator()))
	if err != nil {
		a.log.WarnContext(ctx, "the API keys could not be looked up", "event", "start", "error", err)
		return nil
	}
	for _, k := range keys {
		if k.RevokedAt.IsZero() {
			return nil
		}
	}
	return misconfigured("API_KEYS", "prod needs an API key, here (name:tier:secret) or in the database (coingraph keys create)")
}

func (a *App) checks() map[string]func(context.Context) error {
	checks := map[string]func(context.Context) error{
		"database": func(ctx context.Context) error {
			if !a.migrated.Load() {
				return fault.New(fault.StoreUnavailable, "not migrated yet")
			}
			return a.store.Ping(ctx)
		},
	}
	if a.redis != nil {
		checks["redis"] = func(ctx context.Context) error { return a.redis.Ping(ctx).Err() }
	}
	return checks
}

// openCache opens the cache and, where replicas may share it, their leases.
func (a *App) openCache() (market.Cache, market.Leases, error) {
	memory := cache.NewMemory(cache.MemoryOptions{MaxBytes: max(1, a.cfg.MemoryCache-a.cfg.MemoryCache/4)})
	if !a.cfg.RedisURL.IsSet() {
		return cache.NewObserved(memory, a.observed.metrics), nil, nil
	}
	client, err := cache.OpenPatient(a.cfg.RedisURL.Reveal(), 3*a.cfg.RedisTimeout)
	if err != nil {
		return nil, nil, misconfigured("REDIS_URL", err.Error())
	}
	a.redis, a.lanes = client, pipeline.New(client, pipeline.Options{Timeout: a.cfg.RedisTimeout})
	shared := cache.NewRedis(client, cache.RedisOptions{Lanes: a.lanes, Log: a.log})
	if a.cfg.MemoryCache == 0 {
		return cache.NewObserved(shared, a.observed.metrics), cache.NewLeases(shared), nil
	}
	tiers := cache.NewTiered(memory, shared, cache.TieredOptions{})
	return cache.NewObserved(tiers, a.observed.metrics), cache.NewLeases(shared), nil
}

// openMeter counts on Redis, and on a budget of this process's own while Redis is away; without Redis in memory.
func (a *App) openMeter() (limit.Meter, error) {
	rules := make([]limit.Rule, len(a.cfg.RateLimits))
	for i, r := range a.cfg.RateLimits {
		rules[i] = limit.Rule{Tier: r.Tier, Endpoint: r.Endpoint, Max: r.Max}
	}
	policy, err := limit.NewPolicy(a.cfg.RateLimitWindow, rules)
	if err != nil {
		return nil, misconfigured("RATE_LIMITS", err.Error())
	}
	tiers := tiersOf(a.cfg.RateLimits)
	for _, k := range a.cfg.APIKeys {
		if !slices.Contains(tiers, k.Tier) {
			return nil, misconfigured("RATE_LIMITS", fmt.Sprintf("has no rule for the tier %s of the key %s", k.Tier, k.Name))
		}
	}
	if t := a.cfg.AnonymousTier; t != "" && !slices.Contains(tiers, t) {
		return nil, misconfigured("ANONYMOUS_TIER", "has no rule in RATE_LIMITS")
	}
	if a.redis == nil {
		return limit.NewMemory(policy), nil
	}
	a.units = limit.NewRedis(a.redis, policy, limit.RedisOptions{Lanes: a.lanes, Lease: a.cfg.RateLimitLease})
	return limit.NewFallback(a.units, limit.FallbackOptions{Log: a.log}), nil
}

func tiersOf(rules []config.RateLimit) []string {
	var tiers []string
	for _, r := range rules {
		if !slices.Contains(tiers, r.Tier) {
			tiers = append(tiers, r.Tier)
		}
	}
	return tiers
}

// openCallers knows API keys, and tokens where they are switched on.
func openCallers(cfg config.Config, keys *auth.Registry, o AppOptions) (*auth.Authenticator, error) {
	callers := &auth.Authenticator{Keys: keys}
	if cfg.JWT.Secret.IsSet() || cfg.JWT.JWKSURL != "" {
		tokens, err := openTokens(cfg, o)
		if err != nil {
			return nil, err
		}
		callers.Tokens = tokens
	}
	return callers, nil
}

func openTokens(cfg config.Config, o AppOptions) (*auth.JWT, error) {
	tokens, err := auth.NewJWT(auth.JWTOptions{
		Secret: cfg.JWT.Secret.Reveal(), Previous: cfg.JWT.Previous.Reveal(), JWKSURL: cfg.JWT.JWKSURL, Loopback: cfg.Env == config.Dev,
		Issuer: cfg.JWT.Issuer, Audience: cfg.JWT.Audience, Now: o.Now, Log: o.Log,
	})
	if err != nil {
		return nil, misconfigured("JWT_JWKS_URL", err.Error())
	}
	return tokens, nil
}

// queryLimitsOf are the limits of each tier that has one of its own.
func queryLimitsOf(rules []config.RateLimit) map[string]resolvers.QueryLimits {
	limits := make(map[string]resolvers.QueryLimits)
	for _, r := range rules {
		l, ok := limits[r.Tier]
		if !ok {
			l = resolvers.DefaultQueryLimits(r.Tier)
		}
		switch r.Endpoint {
		case "tokens":
			l.Tokens = r.Max
		case "depth":
			l.Depth = r.Max
		case "aliases":
			l.Aliases = r.Max
		case "directives":
			l.Directives = r.Max
		case "selections":
			l.Selections = r.Max
		case "cost":
			l.Cost = r.Max
		}
		limits[r.Tier] = l
	}
	return limits
}

func prefixesOf(networks []netip.Prefix) []string {
	prefixes := make([]string, len(networks))
	for i, n := range networks {
		prefixes[i] = n.String()
	}
	return prefixes
}

// misconfigured is a fault of the configuration that only the wiring can see.
func misconfigured(variable, message string) error {
	return &config.Error{Faults: []config.Fault{{Variable: variable, Message: message}}}
}

func keysOf(configured []config.APIKey) *auth.Keys {
	keys := make([]auth.Key, len(configured))
	for i, k := range configured {
		keys[i] = auth.Key{Name: k.Name, Tier: k.Tier, Secret: k.Secret.Reveal()}
	}
	return auth.NewKeys(keys)
}

func currenciesOf(names []string) ([]market.Currency, error) {
	if len(names) == 0 {
		return market.AllCurrencies(), nil
	}
	currencies := make([]market.Currency, len(names))
	for i, name := range names {
		c, ok := market.ParseCurrency(name)
		if !ok {
			return nil, misconfigured("CURRENCIES", fmt.Sprintf("%q is not a currency that CoinGecko quotes in", name))
		}
		currencies[i] = c
	}
	return currencies, nil
}

func replicaName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "coingraph"
	}
	// It becomes a directory's name.
	host = strings.Map(func(r rune) rune {
		if r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_') {
			return r
		}
		return '-'
	}, host[:min(len(host), 64)])
	return host + "-" + rand.Text()[:6]
}

// newServer is an HTTP server that does not wait for ever: net/http's own has no timeouts.
func newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		IdleTimeout:       60 * time.Second,
		ConnContext:       cork.Context,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // broken connections are the clients' business
	}
}

// serveUntil serves until the context ends, and then lets requests in flight finish within the timeout.
func serveUntil(ctx context.Context, server *http.Server, listener net.Listener, timeout time.Duration) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(cork.Listen(listener)) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	if err := server.Shutdown(within); err != nil {
		_ = server.Close() // those who did not finish in time
	}
	return nil
}
