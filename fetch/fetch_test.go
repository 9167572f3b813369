package fetch

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/coingecko"
	"github.com/coingraph/coingraph/market"
)

// The compiler checks what both sides say of each other.
var (
	_ PriceProvider     = (*coingecko.Client)(nil)
	_ SeriesProvider    = (*coingecko.Client)(nil)
	_ CatalogueProvider = (*coingecko.Client)(nil)
)

// TestNextProviderServesTheRest: what the preferred provider did not answer is asked of the next, and only that. What
// neither answered is still the preferred one's failure.
func TestNextProviderServesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		usd := func(id string) market.Pair { return market.Pair{Asset: id, Currency: "usd"} }
		key := market.SeriesKey{Asset: "a", Currency: "usd", Interval: market.Daily}
		fail := func(ctx context.Context, try Try) error { return try(ctx, "/x", failing(fault.UpstreamUnavailable)) }
		var askedPairs []market.Pair
		first := &vendor{
			name: "first",
			quotes: func(ctx context.Context, try Try, _ []market.Pair) ([]market.Quote, error) {
				return []market.Quote{{Pair: usd("b"), Source: "first"}}, fail(ctx, try)
			},
			assets: func(ctx context.Context, try Try) ([]market.Asset, error) { return nil, fail(ctx, try) },
		}
		second := &vendor{
			name: "second",
			quotes: func(_ context.Context, _ Try, pairs []market.Pair) ([]market.Quote, error) {
				askedPairs = pairs
				return []market.Quote{{Pair: usd("a"), Source: "second"}}, nil
			},
			chart: func(_ context.Context, _ Try, _ market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
				return []market.Fetched{{Covers: missing[0], Source: "second"}}, nil
			},
			assets: func(context.Context, Try) ([]market.Asset, error) { return []market.Asset{{ID: "a"}}, nil },
		}
		o := defaults
		o.Prices, o.Catalogue = []PriceProvider{first, second}, []CatalogueProvider{first, second}
		o.Charts = []SeriesProvider{first, second}
		source := New(o)

		pairs := []market.Pair{usd("a"), usd("b"), usd("c")}
		quotes, err := source.Quotes(t.Context(), pairs)
		if !fault.Is(err, fault.UpstreamUnavailable) || len(quotes) != 2 || quotes[0].Source != "first" || quotes[1].Source != "second" {
			t.Errorf("got %v, %v", quotes, err)
		}
		if want := []market.Pair{usd("a"), usd("c")}; !slices.Equal(askedPairs, want) || pairs[1] != usd("b") {
			t.Errorf("the second was asked for %v", askedPairs)
		}
		if got := source.Providers(key); !slices.Equal(got, []string{"first", "second"}) {
			t.Errorf("the providers are %v", got)
		}
		charts, err := source.Series(t.Context(), "second", key, []market.Range{{From: 0, To: 25}})
		if err != nil || len(charts) != 1 || charts[0].Source != "second" || charts[0].Covers.To != 25 {
			t.Errorf("got %v, %v", charts, err)
		}
		if _, err := source.Series(t.Context(), "third", key, nil); !fault.Is(err, fault.Internal) {
			t.Errorf("of a provider that there is not: %v", err)
		}
		if assets, err := source.Assets(t.Context()); err != nil || len(assets) != 1 {
			t.Errorf("got %v, %v", assets, err)
		}
	})
}

// TestAllProvidersFail gives the preferred one's error, and what there is.
func TestAllProvidersFail(t *testing.T) {
	failure := func(name string, kind fault.Kind) *vendor {
		return &vendor{name: name, quotes: func(ctx context.Context, try Try, pairs []market.Pair) ([]market.Quote, error) {
			return []market.Quote{{Pair: pairs[0], Source: name}}, try(ctx, "/x", failing(kind))
		}}
	}
	o := Options{Prices: []PriceProvider{failure("first", fault.UpstreamPlan), failure("second", fault.UpstreamKey)}}
	quotes, err := New(o).Quotes(t.Context(), []market.Pair{{Asset: "a", Currency: "usd"}, {Asset: "b", Currency: "usd"}, {Asset: "c", Currency: "usd"}})
	wantKind(t, "both fail", err, fault.UpstreamPlan)
	if len(quotes) != 2 || quotes[1].Asset != "b" {
		t.Errorf("got %v", quotes)
	}
}

// TestShutProviderIsSkipped: the second answers at once while the first is shut.
func TestShutProviderIsSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{ends: []func(context.Context, string) error{limited(time.Hour)}}
		list := func(name string, call func(context.Context, string) error) *vendor {
			return &vendor{name: name, assets: func(ctx context.Context, try Try) ([]market.Asset, error) {
				return []market.Asset{{ID: name}}, try(ctx, "/list", call)
			}}
		}
		o := defaults
		o.Catalogue = []CatalogueProvider{list("first", s.call), list("second", well)}
		source := New(o)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		for range 5 {
			if got, err := source.Assets(ctx); err != nil || got[0].ID != "second" {
				t.Errorf("got %v, %v", got, err)
			}
		}
		if s.count() != 1 || time.Since(start) != 0 {
			t.Errorf("%d calls in %v", s.count(), time.Since(start))
		}
	})
}
