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

func (nowhere) SaveCatalogue(context.Context, []market.Asset, time.Time) error { return away() }

func (nowhere) Catalogue(context.Context, time.Time) ([]market.Asset, time.Time, error) {
	return nil, time.Time{}, away()
}

func (nowhere) Get(_ context.Context, keys []string) []market.CacheHit {
	return make([]market.CacheHit, len(keys))
}

func (nowhere) Near(keys []string) []market.CacheHit     { return make([]market.CacheHit, len(keys)) }
func (nowhere) Set(context.Context, []market.CacheEntry) {}

// countedSource is a provider that remembers what it was asked.
type countedSource struct {
	mu     sync.Mutex
	quotes []int // pairs in each call
	charts int
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

func (s *countedSource) Offers() []market.Offer { return nil }

func (s *countedSource) Providers(market.SeriesKey) []string { return []string{"test"} }

func (s *countedSource) Series(_ context.Context, _ string, _ market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.charts++
	return []market.Fetched{{Covers: missing[0], Source: "test", FetchedAt: time.Now()}}, nil
}

func (*countedSource) Assets(context.Context) ([]market.Asset, error) {
	assets := make([]market.Asset, 60)
	for i := range assets {
		assets[i].ID = fmt.Sprintf("coin-%d", i)
	}
	return assets, nil
}

// TestAnOperationIsFewBatches: root fields and edges of a level look up together, and no pair is looked up twice. How many
// batches it takes depends on how soon the scheduler lets all fields begin: at best one a level.
func TestAnOperationIsFewBatches(t *testing.T) {
	aliases := new(strings.Builder)
	for i := range 10 {
		fmt.Fprintf(aliases, ` a%d: simplePrice(assets: ["coin-%d"]) { price asset { price(currency: EUR) { price } } }`, i, i)
	}
	for _, c := range []struct {
		name, query          string
		pairs, charts, calls int // calls: at most
	}{
		// The first page has fifty assets, six of the ten aliased ones among them; the edges add ten in another currency.
		{"ten aliases and a list with an edge, then the edges below them", "{" + aliases.String() + ` assets(first: 50) { nodes { price { price } } } }`, 50 + 4 + 10, 0, 10},
		{"a list with two edges", `{ assets(first: 50) { nodes { price { price } chart(days: 30) { prices } } } }`, 50, 50, 1},
		{"one pair in many places", `{ a: simplePrice(assets: ["coin-1"]) { price } b: simplePrice(assets: ["coin-1", "coin-1"]) { price } asset(id: "coin-1") { price { price } } }`, 1, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			source := new(countedSource)
			policy, err := limit.NewPolicy(time.Minute, []limit.Rule{{Tier: "public", Endpoint: limit.Every, Max: 1_000_000}})
			if err != nil {
				t.Fatal(err)
			}
			quiet := slog.New(slog.DiscardHandler)
			r := &Resolver{Meter: limit.NewMemory(policy), Market: market.NewService(market.Options{
				Store: nowhere{}, Cache: nowhere{}, Source: source, Currencies: market.AllCurrencies(), Now: time.Now, Log: quiet,
				PriceTTL: time.Minute, DailyTTL: time.Hour, HourlyTTL: time.Hour,
			})}
			g := NewGraphQL(r, GraphQLOptions{Now: time.Now, Log: quiet})
			ctx := r.Request(auth.WithActor(t.Context(), auth.Actor{ID: "test", Tier: "public", Role: auth.User}))
			result := g.Do(ctx, &graphql.RawParams{Query: c.query}, true)
			if result.Refused != nil || len(result.Errors) > 0 {
				t.Fatalf("%v %v", result.Refused, result.Errors)
			}
			asked := 0
			for _, n := range source.quotes {
				asked += n
			}
			if asked != c.pairs || len(source.quotes) > c.calls || source.charts != c.charts {
				t.Errorf("calls for %v pairs and %d charts, want %d pairs in at most %d calls and %d charts", source.quotes, source.charts, c.pairs, c.calls, c.charts)
			}
		})
	}
}
