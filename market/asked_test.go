package market

import (
	"slices"
	"testing"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/telemetry"
)

func askedPairs(all *snapshot, keys ...Pair) *asked[Pair, *Price] {
	return ask(all, keys, func(p *Pair) *string { return &p.Asset }, (*Price).named)
}

// TestAsked: what is asked for several times is looked up once and answered everywhere, under the id that it was asked by.
func TestAsked(t *testing.T) {
	all := newSnapshot([]Asset{{ID: "a"}, {ID: "b"}}, t0)
	all.aliases = map[string]string{"old-b": "b"}
	a := askedPairs(all, Pair{"b", "usd"}, Pair{"x", "usd"}, Pair{"a", "usd"}, Pair{"a", "eur"}, Pair{"old-b", "usd"}, Pair{"a", "usd"}, Pair{"x", "eur"}, Pair{"b", "usd"}, Pair{"b", "eur"})
	want := []Pair{{"b", "usd"}, {"a", "usd"}, {"a", "eur"}, {"b", "eur"}}
	if !slices.Equal(a.distinct, want) {
		t.Fatalf("distinct are %v", a.distinct)
	}
	a.drop(func(n int) bool {
		if a.distinct[n] != (Pair{"a", "eur"}) {
			return false
		}
		a.answer(n, shownPrice("a", "eur", 2, t0), nil)
		return true
	})
	if want = slices.Delete(want, 2, 3); !slices.Equal(a.distinct, want) {
		t.Fatalf("left are %v", a.distinct)
	}
	for n, p := range a.distinct {
		a.answer(n, shownPrice(p.Asset, p.Currency, float64(n), t0), nil)
	}
	ids := make([]string, len(a.answers))
	for i, answer := range a.answers {
		if ids[i] = "-"; answer.Err == nil {
			ids[i] = answer.Value.Asset.ID + " " + string(answer.Value.Currency)
		} else if !fault.Is(answer.Err, fault.NotFound) {
			t.Error(answer.Err)
		}
	}
	if got := ids; !slices.Equal(got, []string{"b usd", "-", "a usd", "a eur", "old-b usd", "a usd", "-", "b usd", "b eur"}) {
		t.Errorf("answered were %q", got)
	}
}

// cachedPrices are 200 pairs, four of each asset, and what a cache has of them.
func cachedPrices() (all *snapshot, pairs []Pair, hits []CacheHit) {
	var assets []Asset
	for n := range 50 {
		id := "asset-" + string(rune('a'+n/10)) + string(rune('0'+n%10))
		assets = append(assets, Asset{ID: id, Symbol: "x", Name: "X"})
		for _, c := range []Currency{"usd", "eur", "gbp", "jpy"} {
			q := &Quote{Pair: Pair{id, c}, Price: 1234.5, MarketCap: 1e12, Volume24h: 1e9, Change24h: -1.25, LastUpdatedAt: t0, FetchedAt: t0, Source: "coingecko"}
			pairs, hits = append(pairs, q.Pair), append(hits, CacheHit{Value: encodeQuote(q.Pair, q)})
		}
	}
	return newSnapshot(assets, t0), pairs, hits
}

// TestPricesFromTheCacheAllocate: nothing for each of them.
func TestPricesFromTheCacheAllocate(t *testing.T) {
	s := newBoard(0)
	all, pairs, hits := cachedPrices()
	var tally telemetry.Tally
	const most = 20
	if got := testing.AllocsPerRun(50, func() { answerFromCache(t, s, all, pairs, hits, &tally) }); got > most {
		t.Errorf("%.0f allocations for %d prices, want at most %d", got, len(pairs), most)
	}
}

func BenchmarkPricesFromTheCache(b *testing.B) {
	s := newBoard(0)
	all, pairs, hits := cachedPrices()
	var tally telemetry.Tally
	b.ReportAllocs()
	for b.Loop() {
		answerFromCache(b, s, all, pairs, hits, &tally)
	}
}

func answerFromCache(tb testing.TB, s *Service, all *snapshot, pairs []Pair, hits []CacheHit, tally *telemetry.Tally) {
	q := s.askPrices(all, pairs, Freshness{})
	q.keys()
	if absent := q.take(hits, tally); len(absent) > 0 || q.answers[len(pairs)-1].Value.Price != 1234.5 {
		tb.Fatalf("%d of them are absent", len(absent))
	}
}
