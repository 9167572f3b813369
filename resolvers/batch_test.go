package resolvers

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/limit"
	"github.com/coingraph/coingraph/limit/limittest"
	"github.com/coingraph/coingraph/market"
)

// nowhere is a store that is away, and a cache that has nothing: each look-up goes to the provider.
type nowhere struct{ market.Store }

func away() error { return fault.Wrap(fault.StoreUnavailable, nil) }

func (nowhere) Quotes(context.Context, []market.Pair) ([]market.Quote, error) { return nil, away() }

func (nowhere) SaveQuotes(context.Context, []market.Quote) error { return away() }

func (nowhere) Histories(context.Context, []market.Window) ([]market.History, error) {
	return nil, away()
}

func (nowhere) SaveSeries(context.Context, market.SeriesWrite) error { return away() }

func (nowhere) Aliases(context.Context) ([]market.Alias, error) { return nil, away() }

func (nowhere) SaveCatalogue(context.Context, []market.Asset, time.Time) error { return away() }

func (nowhere) Catalogue(context.Context, time.Time) ([]market.Asset, time.Time, error) {
	return nil, time.Time{}, away()
}

func (nowhere) Get(_ context.Context, keys []string) []market.CacheHit {
	return make([]market.CacheHit, len(keys))
}

func (nowhere) Begin(_ context.Context, keys []string) func() []market.CacheHit {
	return func() []market.CacheHit { return make([]market.CacheHit, len(keys)) }
}

func (nowhere) Near(keys []string) []market.CacheHit     { return make([]market.CacheHit, len(keys)) }
func (nowhere) Set(context.Context, []market.CacheEntry) {}

// countedSource is a provider that remembers what it was asked.
type countedSource struct {
	mu      sync.Mutex
	quotes  []int // pairs in each call
	charts  int
	metrics int
}

func (s *countedSource) Quotes(_ context.Context, pairs []market.Pair) ([]market.Quote, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quotes = append(s.quotes, len(pairs))
	quotes := make([]market.Quote, len(pairs))
	for i, p := range pairs {
		quotes[i] = market.Quote{Pair: p, Price: 1, LastUpdatedAt: time.Now(), FetchedAt: time.Now(), Source: "test"}
	}
	return quotes, nil
}

func (s *countedSource) Riders(_, _ []market.Pair) []market.Pair { return nil }

// Offers are MVRV of all assets, by day.
func (*countedSource) Offers() []market.Offer {
	offers := make([]market.Offer, 60)
	for i := range offers {
		offers[i] = market.Offer{Metric: market.MVRV, Asset: fmt.Sprintf("coin-%d", i), Intervals: []market.Interval{market.Daily}, Unit: "ratio", Provider: "test"}
	}
	return offers
}

func (s *countedSource) Providers(market.SeriesKey) []string { return []string{"test"} }

func (s *countedSource) Series(_ context.Context, _ string, key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key.OnChain() {
		s.metrics++
	} else {
		s.charts++
	}
	return []market.Fetched{{Covers: missing[0], Source: "test", FetchedAt: time.Now()}}, nil
}

func (*countedSource) Assets(context.Context) ([]market.Asset, error) {
	assets := make([]market.Asset, 60)
	for i := range assets {
		assets[i].ID = fmt.Sprintf("coin-%d", i)
	}
	return assets, nil
}

// newResolver has nothing but a provider.
func newResolver(t *testing.T, source market.Source, most int) *Resolver {
	t.Helper()
	policy, err := limit.NewPolicy(limittest.Long, []limit.Rule{{Tier: "public", Endpoint: limit.Every, Max: most}})
	if err != nil {
		t.Fatal(err)
	}
	return &Resolver{Meter: limit.NewMemory(policy), Market: market.NewService(market.Options{
		Store: nowhere{}, Cache: nowhere{}, Source: source, Currencies: market.AllCurrencies(), Now: time.Now, Log: slog.New(slog.DiscardHandler),
		PriceTTL: time.Minute, DailyTTL: time.Hour, HourlyTTL: time.Hour, OnChainTTL: time.Hour,
	})}
}

// requestOf is a request's context, of a caller of the tier public.
func (r *Resolver) requestOf(t *testing.T) context.Context {
	return r.Request(auth.WithActor(t.Context(), auth.Actor{ID: "test", Tier: "public", Role: auth.User}))
}

// TestAnOperationIsFewBatches: root fields and edges of a level look up together, and no pair is looked up twice. How many
// batches it takes depends on how soon the scheduler lets all fields begin: at best one a level.
func TestAnOperationIsFewBatches(t *testing.T) {
	aliases := new(strings.Builder)
	for i := range 10 {
		fmt.Fprintf(aliases, ` a%d: simplePrice(assets: ["coin-%d"]) { price asset { price(currency: EUR) { price } } }`, i, i)
	}
	for _, c := range []struct {
		name, query                   string
		pairs, charts, metrics, calls int // calls: at most
	}{
		// The first page has fifty assets, six of the ten aliased ones among them; the edges add ten in another currency.
		{"ten aliases and a list with an edge, then the edges below them", "{" + aliases.String() + ` assets(first: 50) { nodes { price { price } } } }`, 50 + 4 + 10, 0, 0, 10},
		{"a list with two edges", `{ assets(first: 50) { nodes { price { price } chart(days: 30) { prices } } } }`, 50, 50, 0, 1},
		{"one pair in many places", `{ a: simplePrice(assets: ["coin-1"]) { price } b: simplePrice(assets: ["coin-1", "coin-1"]) { price } asset(id: "coin-1") { price { price } } }`, 1, 0, 0, 1},
		{"a list with a chart and a metric", `{ assets(first: 50) { nodes { chart(days: 30) { prices } onChain(metric: MVRV, days: 30) { values } } } }`, 0, 50, 50, 0},
		{
			"series in many places", `{ a: onChainMetric(asset: "coin-1", metric: MVRV, days: 7) { values } marketChart(asset: "coin-1", days: 7) { prices } asset(id: "coin-1") { onChain(metric: MVRV, days: 7) { values } }
				grid(days: 7, columns: [{asset: "coin-1"}, {asset: "coin-1", value: VOLUME}, {asset: "coin-1", metric: MVRV}, {asset: "coin-2", metric: MVRV}, {asset: "coin-3", metric: SOPR}]) { columns { values } } }`,
			0, 1, 2, 0,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			source := new(countedSource)
			r := newResolver(t, source, 1_000_000)
			g := NewGraphQL(r, GraphQLOptions{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
			result := g.Do(r.requestOf(t), &graphql.RawParams{Query: c.query}, true)
			if result.Refused != nil || len(result.Errors) > 0 {
				t.Fatalf("%v %v", result.Refused, result.Errors)
			}
			asked := 0
			for _, n := range source.quotes {
				asked += n
			}
			if asked != c.pairs || len(source.quotes) > c.calls || source.charts != c.charts || source.metrics != c.metrics {
				t.Errorf("calls for %v pairs, %d charts and %d metrics, want %d pairs in at most %d calls, %d charts and %d metrics",
					source.quotes, source.charts, source.metrics, c.pairs, c.calls, c.charts, c.metrics)
			}
		})
	}
}
