package market

import (
	"context"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/telemetry"
)

// Service answers for prices, charts and assets: memory, Redis, database, provider, each asked once for all that the
// one before lacks. Create one with [NewService]; its methods are safe for concurrent use.
type Service struct {
	opts         Options
	whitelist    map[Currency]bool
	currencyList string

	quotes    flight[Pair, quoted]
	reader    reader
	gathered  gatherer
	board     board
	demand    demand
	renewing  sync.Map // Pair: it is being renewed
	filling   sync.Map // SeriesKey: work that nobody waits for is buying of it
	series    flight[SeriesKey, loaded]
	documents flight[string, Document]
	refusals  refusals
	catalogue catalogue
}

// Options are what a Service needs. All fields but Leases, Documents, Guard, Metrics, PriceMemory and the durations must be set.
type Options struct {
	Store      Store
	Source     Source
	Documents  DocumentSource // nil: there are none
	Cache      Cache
	Leases     Leases     // nil: this is the only replica
	Currencies []Currency // the whitelist
	Now        func() time.Time
	Log        *slog.Logger

	Guard   Guard              // the zero value guards nothing
	Metrics *telemetry.Metrics // told of the prices that the cache is not asked for; nil: none are kept

	// PriceMemory is how many bytes of prices are kept as they go out, in front of the cache. 0: none are.
	PriceMemory int64

	// How long prices, charts by interval, and metrics are served from the cache.
	PriceTTL, DailyTTL, HourlyTTL, OnChainTTL time.Duration

	// Budget bounds the work behind one question: the store and all tries of all providers. It goes on when the caller
	// who began it is gone. Default 10 s.
	Budget time.Duration
	// StoreTimeout bounds one visit to the store: a store that hangs costs this much, and then counts as away. Default 2 s.
	StoreTimeout time.Duration
}

// NewService makes a Service.
func NewService(o Options) *Service {
	if o.Budget == 0 {
		o.Budget = 10 * time.Second
	}
	if o.StoreTimeout == 0 {
		o.StoreTimeout = 2 * time.Second
	}
	s := &Service{opts: o, whitelist: make(map[Currency]bool)}
	names := make([]string, len(o.Currencies))
	for i, c := range o.Currencies {
		s.whitelist[c], names[i] = true, string(c)
	}
	s.currencyList = strings.Join(names, ", ")
	s.refusals.now = o.Now
	s.board.prices = int(o.PriceMemory / priceBytes / int64(len(s.board.shards)))
	return s
}

// Serves tells whether the currency may be asked for.
func (s *Service) Serves(c Currency) bool { return s.whitelist[c] }

// Currencies is the whitelist, in its configured order.
func (s *Service) Currencies() []Currency { return s.opts.Currencies }

// detach makes a context for work that outlives its first caller: it keeps what observes, and has a deadline of its own.
func (s *Service) detach(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), s.opts.Budget)
}

// visitStore runs one visit to the store within its timeout, and takes a fault for an empty answer: the read-through
// goes on to the provider, and what it fetched is served unsaved.
func (s *Service) visitStore(ctx context.Context, what string, visit func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.StoreTimeout)
	defer cancel()
	if err := visit(ctx); err != nil {
		s.opts.Log.WarnContext(ctx, "the store did not answer", "event", "store.fault", "what", what, "error", err)
	}
}

// settleOnPanic is deferred by detached work: a panic there would end the process, and leave its callers waiting.
func settleOnPanic[K comparable, V any](s *Service, owned []K, settle func(K, V, error)) {
	var err error
	if p := recover(); p != nil {
		err = s.panicked(p)
	}
	var zero V
	for _, k := range owned {
		if err == nil {
			err = fault.New(fault.Internal, "")
		}
		settle(k, zero, err) // does nothing for those that are settled
	}
}

// panicked logs a panic and gives what its callers are told.
func (s *Service) panicked(p any) error {
	s.opts.Log.Error("panic in detached work", "event", "panic", "panic", p, "stack", string(debug.Stack()))
	return fault.New(fault.Internal, "")
}

// ttl is how long an answer about the series is served from the cache.
func (s *Service) ttl(k SeriesKey) time.Duration {
	switch {
	case k.OnChain():
		return s.opts.OnChainTTL
	case k.Interval == Daily:
		return s.opts.DailyTTL
	default:
		return s.opts.HourlyTTL
	}
}
