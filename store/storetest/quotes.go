package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

var quoteTests = []test{
	{"none", quotesNone},
	{"numbers", quotesNumbers},
	{"older never wins", quotesOlder},
	{"like market.Newer", quotesModel},
	{"12500 pairs", quotesMany},
	{"concurrent writers", quotesConcurrent},
	{"text that cannot be kept", quotesText},
	{"context", quotesContext},
}

func quotesNone(t *testing.T, connect func() Store) {
	s, ctx := connect(), t.Context()
	check(t, "no pairs", sortedQuotes(t, s, nil), nil)
	must(t, s.SaveQuotes(ctx, nil))
	q := market.Quote{Pair: market.Pair{Asset: "bitcoin", Currency: "usd"}, Price: 1, LastUpdatedAt: at(0), FetchedAt: at(1), Source: "x"}
	must(t, s.SaveQuotes(ctx, []market.Quote{q}))
	pairs := []market.Pair{{Asset: "bitcoin", Currency: "eur"}, q.Pair, {Asset: "Bitcoin", Currency: "usd"}, q.Pair, {}}
	check(t, "a pair twice, and some without a quote", sortedQuotes(t, s, pairs), []market.Quote{q})
	check(t, "pairs without a quote", sortedQuotes(t, s, pairs[:1]), nil)
}

func quotesNumbers(t *testing.T, connect func() Store) {
	s := connect()
	var want []market.Quote
	var pairs []market.Pair
	for i, n := range numbers {
		q := market.Quote{
			Pair:  market.Pair{Asset: fmt.Sprintf("asset-%02d", i), Currency: "usd"},
			Price: n, MarketCap: n, Volume24h: n, Change24h: -n, LastUpdatedAt: at(0), FetchedAt: at(1), Source: "it's \\ ? $1 \" é",
		}
		want, pairs = append(want, q), append(pairs, q.Pair)
	}
	q := market.Quote{
		Pair: market.Pair{Asset: "null", Currency: "usd"}, MarketCap: null, Volume24h: null, Change24h: null,
		LastUpdatedAt: time.UnixMilli(1).UTC(), FetchedAt: time.UnixMilli(1767225599999).UTC(),
	}
	want, pairs = append(want, q), append(pairs, q.Pair)
	must(t, s.SaveQuotes(t.Context(), want))
	check(t, "quotes", sortedQuotes(t, s, pairs), want)
}

func quotesOlder(t *testing.T, connect func() Store) {
	pair := market.Pair{Asset: "bitcoin", Currency: "usd"}
	quote := func(observed, fetched int) market.Quote {
		return market.Quote{
			Pair: pair, Price: float64(observed), MarketCap: float64(fetched), Volume24h: null, Change24h: 1,
			LastUpdatedAt: at(observed), FetchedAt: at(fetched), Source: fmt.Sprint(observed),
		}
	}
	fetchedAt := func(q market.Quote, fetched int) market.Quote { q.FetchedAt = at(fetched); return q }
	for _, c := range []struct {
		name  string
		saves []market.Quote
		want  market.Quote
	}{
		{"later", []market.Quote{quote(1, 1), quote(2, 2)}, quote(2, 2)},
		{"the same again", []market.Quote{quote(1, 1), quote(1, 1)}, quote(1, 1)},
		{"older, fetched before", []market.Quote{quote(5, 5), quote(4, 4)}, quote(5, 5)},
		{"older, fetched later", []market.Quote{quote(5, 5), quote(4, 6)}, fetchedAt(quote(5, 5), 6)},
		{"later, fetched before", []market.Quote{quote(4, 6), quote(5, 5)}, fetchedAt(quote(5, 5), 6)},
		{"as old, fetched later", []market.Quote{quote(5, 5), quote(5, 6)}, quote(5, 6)},
		{"older between", []market.Quote{quote(2, 2), quote(1, 9), quote(3, 3)}, fetchedAt(quote(3, 3), 9)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := connect()
			pair := market.Pair{Asset: c.name, Currency: "usd"}
			batch := make([]market.Quote, len(c.saves))
			for i, q := range c.saves {
				q.Pair = pair
				must(t, s.SaveQuotes(t.Context(), []market.Quote{q}))
				q.Currency = "eur"
				batch[i] = q
			}
			want := c.want
			want.Pair = pair
			check(t, "saved one by one", sortedQuotes(t, s, []market.Pair{pair}), []market.Quote{want})
			want.Currency = "eur"
			must(t, s.SaveQuotes(t.Context(), batch))
			check(t, "saved at once", sortedQuotes(t, s, []market.Pair{want.Pair}), []market.Quote{want})
		})
	}
}

func quotesModel(t *testing.T, connect func() Store) {
	s, run := connect(), 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		model := map[market.Pair]market.Quote{}
		number := rapid.OneOf(rapid.SampledFrom(numbers), rapid.Float64(), rapid.Just(null))
		for range rapid.IntRange(1, 4).Draw(t, "batches") {
			var batch []market.Quote
			for range rapid.IntRange(0, 6).Draw(t, "quotes") {
				q := market.Quote{
					Pair:  market.Pair{Asset: fmt.Sprintf("%d-%d", run, rapid.IntRange(0, 2).Draw(t, "asset")), Currency: "usd"},
					Price: rapid.Float64Min(0).Draw(t, "price"), MarketCap: number.Draw(t, "cap"), Volume24h: number.Draw(t, "volume"),
					Change24h: number.Draw(t, "change"), LastUpdatedAt: at(rapid.IntRange(0, 4).Draw(t, "observed")),
					FetchedAt: at(rapid.IntRange(0, 4).Draw(t, "fetched")), Source: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "source"),
				}
				batch = append(batch, q)
				if stored, ok := model[q.Pair]; ok {
					q = market.Newer(stored, q)
				}
				model[q.Pair] = q
			}
			must(t, s.SaveQuotes(context.Background(), batch))
		}
		for pair, want := range model {
			check(t, "stored", sortedQuotes(t, s, []market.Pair{pair}), []market.Quote{want})
		}
	})
}

func quotesMany(t *testing.T, connect func() Store) {
	s := connect()
	var want []market.Quote
	var pairs []market.Pair
	for asset := range 250 {
		for currency := range 50 {
			q := market.Quote{
				Pair:  market.Pair{Asset: fmt.Sprintf("an-asset-with-a-long-name-%03d", asset), Currency: market.Currency(fmt.Sprintf("c%02d", currency))},
				Price: float64(asset) + 1/float64(currency+3), LastUpdatedAt: at(asset), FetchedAt: at(currency), Source: "coingecko",
			}
			want, pairs = append(want, q), append(pairs, q.Pair)
		}
	}
	for range 2 {
		must(t, s.SaveQuotes(t.Context(), want))
		check(t, "quotes", sortedQuotes(t, s, pairs), want)
	}
}

// quotesConcurrent has replicas save overlapping pairs in different orders: nobody may wait for ever, and of each pair the
// newest observation stays.
func quotesConcurrent(t *testing.T, connect func() Store) {
	stores := []Store{connect(), connect()}
	const writers, rounds, assets = 8, 10, 40
	var pairs []market.Pair
	for a := range assets {
		pairs = append(pairs, market.Pair{Asset: fmt.Sprintf("asset-%02d", a), Currency: "usd"})
	}
	g, ctx := errgroup.WithContext(t.Context())
	for w := range writers {
		g.Go(func() error {
			for round := range rounds {
				observed := round*writers + w
				var batch []market.Quote
				for _, i := range rand.Perm(assets) {
					batch = append(batch, market.Quote{Pair: pairs[i], Price: float64(observed), LastUpdatedAt: at(observed), FetchedAt: at(observed)})
				}
				if err := stores[w%len(stores)].SaveQuotes(ctx, batch); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(t, g.Wait())
	const last = writers*rounds - 1
	for _, q := range sortedQuotes(t, stores[0], pairs) {
		check(t, q.Asset, q, market.Quote{Pair: q.Pair, Price: last, LastUpdatedAt: at(last), FetchedAt: at(last)})
	}
}

func quotesText(t *testing.T, connect func() Store) {
	s := connect()
	good := market.Quote{Pair: market.Pair{Asset: "a", Currency: "usd"}, Price: 1, LastUpdatedAt: at(0), FetchedAt: at(0)}
	for _, text := range []string{"a\x00b", "a\xffb"} {
		bad := good
		bad.Asset = text
		if err := s.SaveQuotes(t.Context(), []market.Quote{good, bad}); err == nil || fault.Is(err, fault.StoreUnavailable) {
			t.Errorf("saving %q: %v", text, err)
		}
		if _, err := s.Quotes(t.Context(), []market.Pair{bad.Pair}); err == nil || fault.Is(err, fault.StoreUnavailable) {
			t.Errorf("asking for %q: %v", text, err)
		}
	}
	check(t, "a batch that failed left nothing", sortedQuotes(t, s, []market.Pair{good.Pair}), nil)
}

func quotesContext(t *testing.T, connect func() Store) {
	s := connect()
	q := market.Quote{Pair: market.Pair{Asset: "a", Currency: "usd"}, Price: 1, LastUpdatedAt: at(0), FetchedAt: at(0)}
	_, err := s.Quotes(canceled(), []market.Pair{q.Pair})
	for what, err := range map[string]error{"read": err, "save": s.SaveQuotes(canceled(), []market.Quote{q})} {
		if !errors.Is(err, context.Canceled) || fault.Is(err, fault.StoreUnavailable) {
			t.Errorf("%s with an ended context: %v", what, err)
		}
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if _, err := s.Quotes(late, []market.Pair{q.Pair}); !errors.Is(err, context.DeadlineExceeded) || fault.Is(err, fault.StoreUnavailable) {
		t.Errorf("read after the deadline: %v", err)
	}
}
