package market_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

var fresh market.Freshness // the rule for everybody

func TestPricesWalk(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	asked := pairs("usd", "ethereum", "bitcoin", "0x", "bitcoin")
	for i, a := range h.Prices(ctx, asked, fresh) {
		if a.Err != nil || a.Value.Asset.ID != asked[i].Asset || a.Value.Price != market.Number(h.quote(asked[i]).Price) || a.Value.Stale {
			t.Fatalf("%d: %+v %v", i, a.Value, a.Err)
		}
	}
	h.expect("cold", budget{cacheGets: 1, cacheSets: 1, selects: 1, saves: 1, calls: 1})
	h.Prices(ctx, asked, fresh)
	h.expect("warm", budget{})
	h.Prices(ctx, pairs("usd", "bitcoin", "bitcoin-cash", "0x"), fresh)
	h.expect("hits and a miss in one batch", budget{cacheGets: 1, cacheSets: 1, selects: 1, saves: 1, calls: 1})

	h.restart()
	h.Prices(ctx, asked, fresh)
	h.expect("an empty cache and fresh rows", budget{cacheGets: 1, cacheSets: 1, selects: 1})

	h.clock.Advance(ttl)
	h.restart()
	h.Prices(ctx, pairs("usd", "bitcoin", "coin-007"), fresh)
	h.expect("an old row and an absent one", budget{cacheGets: 1, cacheSets: 1, selects: 1, saves: 1, calls: 1})
}

func TestChartsWalk(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	var asked []market.ChartRequest
	for i := range 50 {
		asked = append(asked, chart(fmt.Sprintf("coin-%03d", i), market.Daily, 30))
	}
	for i, a := range h.Charts(ctx, asked, fresh) {
		if a.Err != nil || a.Value.Timestamps.Len() != 30 || a.Value.Asset.ID != asked[i].Asset || !a.Value.Coverage.Complete || a.Value.Stale {
			t.Fatalf("%d: %+v %v", i, a.Value, a.Err)
		}
	}
	h.expect("50 series, cold", budget{cacheGets: 1, cacheSets: 1, selects: 1, saves: 50, calls: 50})
	h.Charts(ctx, asked, fresh)
	h.expect("50 series, warm", budget{cacheGets: 1})
	h.restart()
	for i, a := range h.Charts(ctx, asked, fresh) {
		if a.Err != nil || a.Value.Prices.Len() != 30 || a.Value.Prices.Values()[29] != float64(a.Value.Timestamps.Values()[29]) {
			t.Fatalf("%d out of the database: %+v %v", i, a.Value, a.Err)
		}
	}
	h.expect("50 series out of the database", budget{cacheGets: 1, cacheSets: 1, selects: 1})
}

func TestAChartAskedAThousandTimesCostsOneCall(t *testing.T) {
	h := newHouse(t)
	for range 1000 {
		if a := h.Charts(t.Context(), []market.ChartRequest{chart("bitcoin", market.Daily, 30)}, fresh)[0]; a.Err != nil {
			t.Fatal(a.Err)
		}
	}
	h.expect("1,000 times", budget{cacheGets: 1000, cacheSets: 1, selects: 1, saves: 1, calls: 1})
	h.restart()
	h.Charts(t.Context(), []market.ChartRequest{chart("bitcoin", market.Daily, 30)}, fresh)
	h.expect("after a restart", budget{cacheGets: 1, cacheSets: 1, selects: 1})
}

func TestOnlyWhatLacksIsFetched(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	at := func(d, hour int) int64 { return time.Date(2026, 3, d, hour, 0, 0, 0, time.UTC).UnixMilli() }
	ask := func(what string, r market.ChartRequest, want ...market.Range) {
		t.Helper()
		h.source.asked = nil
		if a := h.Charts(ctx, []market.ChartRequest{r}, fresh)[0]; a.Err != nil || !a.Value.Coverage.Complete {
			t.Fatalf("%s: %+v %v", what, a.Value, a.Err)
		}
		var got []market.Range
		for _, a := range h.source.asked {
			got = append(got, a...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: asked for %v, want %v", what, got, want)
		}
	}
	ask("five days", chart("bitcoin", market.Daily, 5), market.Range{From: at(6, 0), To: at(11, 0)})
	ask("eight days, five known", chart("bitcoin", market.Daily, 8), market.Range{From: at(3, 0), To: at(6, 0)})
	ask("four days, all known", chart("bitcoin", market.Daily, 4))
	h.clock.Set(2026, 3, 11, 0, 59)
	ask("before the next day is due", chart("bitcoin", market.Daily, 5))
	h.clock.Set(2026, 3, 11, 1, 0)
	ask("once it is due", chart("bitcoin", market.Daily, 5), market.Range{From: at(11, 0), To: at(12, 0)})
	h.clock.Set(2026, 3, 11, 2, 30)
	ask("once it has settled", chart("bitcoin", market.Daily, 5), market.Range{From: at(11, 0), To: at(12, 0)})
	h.clock.Set(2026, 3, 11, 23, 0)
	ask("and no more", chart("bitcoin", market.Daily, 5))
	ask("another interval is another series", chart("bitcoin", market.Hourly, 1), market.Range{From: at(10, 23), To: at(11, 23)})
}

func TestACachedChartDoesNotOutliveItsNextPoint(t *testing.T) {
	h := newHouse(t)
	h.clock.Set(2026, 3, 11, 0, 50)
	a := h.Charts(t.Context(), []market.ChartRequest{chart("bitcoin", market.Daily, 5)}, fresh)[0]
	if want := time.Date(2026, 3, 11, 1, 0, 0, 0, time.UTC); a.Err != nil || !a.Value.FreshUntil.Equal(want) {
		t.Errorf("fresh until %v (%v), want %v", a.Value.FreshUntil, a.Err, want)
	}
}

func TestTwoHundredClientsOneCall(t *testing.T) {
	h := newHouse(t)
	release := make(chan struct{})
	begun := make(chan struct{}, 1)
	answer := h.source.quotes
	h.source.quotes = func(p []market.Pair) ([]market.Quote, error) {
		begun <- struct{}{}
		<-release
		return answer(p)
	}
	first, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- h.Prices(first, pairs("usd", "bitcoin"), fresh)[0].Err }()
	<-begun // the provider is being asked
	var group sync.WaitGroup
	errs := make(chan error, 200)
	for range 200 {
		group.Go(func() {
			a := h.Prices(t.Context(), pairs("usd", "bitcoin"), fresh)[0]
			if a.Err == nil && a.Value.Price != 7.1 {
				a.Err = fmt.Errorf("got %v", a.Value.Price)
			}
			errs <- a.Err
		})
	}
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the one who left: %v", err)
	}
	close(release)
	group.Wait()
	for range 200 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	if n := h.source.nQuotes.Load(); n != 1 {
		t.Errorf("%d upstream calls", n)
	}
}

func TestTwoHundredChartsOneCall(t *testing.T) {
	h := newHouse(t)
	release, begun := make(chan struct{}), make(chan struct{}, 10)
	answer := h.source.chart
	h.source.chart = func(k market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
		begun <- struct{}{}
		<-release
		return answer(k, missing)
	}
	errs := make(chan error, 201)
	ask := func(days market.Days) {
		a := h.Charts(t.Context(), []market.ChartRequest{chart("bitcoin", market.Daily, days)}, fresh)[0]
		if a.Err == nil && a.Value.Timestamps.Len() != int(days) {
			a.Err = fmt.Errorf("%d points for %d days", a.Value.Timestamps.Len(), days)
		}
		errs <- a.Err
	}
	go ask(90)
	<-begun
	for i := range 200 {
		go ask(market.Days(1 + i%90)) // single flight is for the series, whatever the days
	}
	close(release)
	for range 201 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	if n := h.source.nCharts.Load(); n != 1 {
		t.Errorf("%d upstream calls", n)
	}
}

func TestAFailureIsForEverybodyAndForNobodyAfter(t *testing.T) {
	h := newHouse(t)
	release, begun := make(chan struct{}), make(chan struct{}, 10)
	good := h.source.quotes
	h.source.quotes = func([]market.Pair) ([]market.Quote, error) {
		begun <- struct{}{}
		<-release
		return nil, fault.Wrap(fault.UpstreamUnavailable, errors.New("made up"))
	}
	errs := make(chan error, 50)
	ask := func() { errs <- h.Prices(t.Context(), pairs("usd", "bitcoin"), fresh)[0].Err }
	go ask()
	<-begun
	close(release)
	if err := <-errs; !fault.Is(err, fault.UpstreamUnavailable) {
		t.Fatal(err)
	}
	h.expect("the failure", budget{cacheGets: 1, selects: 1, calls: 1})
	h.source.quotes = good
	if a := h.Prices(t.Context(), pairs("usd", "bitcoin"), fresh)[0]; a.Err != nil {
		t.Errorf("after the failure: %v", a.Err)
	}
	h.expect("the next", budget{cacheGets: 1, cacheSets: 1, selects: 1, saves: 1, calls: 1})
}

func TestWhatDoesNotExist(t *testing.T) {
	h := newHouse(t)
	good := h.source.quotes
	h.source.quotes = func(asked []market.Pair) ([]market.Quote, error) {
		return good(slices.DeleteFunc(slices.Clone(asked), func(p market.Pair) bool { return p.Currency == "xag" }))
	}
	for range 100 {
		a := h.Prices(t.Context(), []market.Pair{{Asset: "nonesuch", Currency: "usd"}, {Asset: "bitcoin", Currency: "xag"}, {Asset: "bitcoin", Currency: "usd"}}, fresh)
		if !fault.Is(a[0].Err, fault.NotFound) || !fault.Is(a[1].Err, fault.NotFound) || a[2].Err != nil {
			t.Fatalf("got %v, %v, %v", a[0].Err, a[1].Err, a[2].Err)
		}
		if a := h.Charts(t.Context(), []market.ChartRequest{chart("nonesuch", market.Daily, 1)}, fresh)[0]; !fault.Is(a.Err, fault.NotFound) {
			t.Fatal(a.Err)
		}
	}
	if n := h.source.nQuotes.Load() + h.source.nCharts.Load(); n != 1 {
		t.Errorf("%d upstream calls for 100 asks", n)
	}

	h.source.chart = func(market.SeriesKey, []market.Range) ([]market.Fetched, error) {
		return nil, fault.Wrap(fault.UpstreamRejected, errors.New("invalid vs_currency"))
	}
	for range 100 {
		if a := h.Charts(t.Context(), []market.ChartRequest{chart("bitcoin", market.Daily, 1)}, fresh)[0]; !fault.Is(a.Err, fault.NotFound) {
			t.Fatal(a.Err)
		}
	}
	if n := h.source.nCharts.Load(); n != 1 {
		t.Errorf("%d upstream calls for 100 asks of a chart that was refused", n)
	}
	h.clock.Advance(10 * time.Minute)
	h.Charts(t.Context(), []market.ChartRequest{chart("bitcoin", market.Daily, 1)}, fresh)
	if n := h.source.nCharts.Load(); n != 2 {
		t.Errorf("a refusal is remembered for ever: %d calls", n)
	}
}

func TestFreshness(t *testing.T) {
	h := newHouse(t)
	ctx, asked := t.Context(), pairs("usd", "bitcoin")
	price := func(f market.Freshness) (*market.Price, error) {
		a := h.Prices(ctx, asked, f)[0]
		return a.Value, a.Err
	}
	if _, err := price(fresh); err != nil {
		t.Fatal(err)
	}
	h.clock.Advance(3 * ttl)
	h.restart() // nothing in the cache: entries there end with the TTL
	if p, err := price(market.Freshness{MaxAge: 5 * ttl}); err != nil || !p.Stale {
		t.Errorf("content with an old one: %+v %v", p, err)
	}
	if n := h.source.nQuotes.Load(); n != 1 {
		t.Errorf("%d calls", n)
	}

	h.source.quotes = func([]market.Pair) ([]market.Quote, error) {
		return nil, fault.Wrap(fault.UpstreamTimeout, errors.New("made up"))
	}
	if _, err := price(fresh); !fault.Is(err, fault.UpstreamTimeout) {
		t.Errorf("without consent stale data was served, or another error: %v", err)
	}
	if p, err := price(market.Freshness{StaleIfError: 5 * ttl}); err != nil || !p.Stale {
		t.Errorf("with consent: %+v %v", p, err)
	}
	if _, err := price(market.Freshness{StaleIfError: ttl}); !fault.Is(err, fault.UpstreamTimeout) {
		t.Errorf("older than the consent: %v", err)
	}
	if got := h.Freshness(&market.FreshnessInput{MaxAgeSeconds: new(int)}, false); got.MaxAge != ttl {
		t.Errorf("a user's age of 0 is %v, want the TTL", got.MaxAge)
	}
	if got := h.Freshness(&market.FreshnessInput{MaxAgeSeconds: new(int)}, true); got.MaxAge <= 0 || got.MaxAge > time.Millisecond {
		t.Errorf("an admin's age of 0 is %v", got.MaxAge)
	}
}

func TestAnAdminGetsANewPriceAtOnce(t *testing.T) {
	h := newHouse(t)
	h.Prices(t.Context(), pairs("usd", "bitcoin"), fresh)
	h.clock.Advance(time.Second)
	a := h.Prices(t.Context(), pairs("usd", "bitcoin"), market.Freshness{MaxAge: time.Nanosecond})[0]
	if a.Err != nil || !a.Value.FetchedAt.Equal(h.clock.Now()) || h.source.nQuotes.Load() != 2 {
		t.Errorf("fetched at %v (%v) with %d calls", a.Value.FetchedAt, a.Err, h.source.nQuotes.Load())
	}
}

func TestChartFreshness(t *testing.T) {
	h := newHouse(t)
	r := []market.ChartRequest{chart("bitcoin", market.Hourly, 1)}
	h.Charts(t.Context(), r, fresh)
	h.clock.Advance(2 * time.Hour)
	h.source.chart = func(market.SeriesKey, []market.Range) ([]market.Fetched, error) {
		return nil, fault.Wrap(fault.UpstreamUnavailable, errors.New("made up"))
	}
	if a := h.Charts(t.Context(), r, fresh)[0]; !fault.Is(a.Err, fault.UpstreamUnavailable) {
		t.Errorf("without consent: %+v %v", a.Value, a.Err)
	}
	a := h.Charts(t.Context(), r, market.Freshness{StaleIfError: 3 * time.Hour})[0]
	if a.Err != nil || !a.Value.Stale || a.Value.Coverage.Complete || a.Value.Timestamps.Len() != 22 || a.Value.Coverage.Holes[0].Reason != market.Failed {
		t.Errorf("with consent: %+v %v", a.Value, a.Err)
	}
	if a := h.Charts(t.Context(), r, market.Freshness{StaleIfError: time.Minute})[0]; a.Err == nil {
		t.Error("older than the consent was served")
	}
	calls := h.source.nCharts.Load()
	if a := h.Charts(t.Context(), r, market.Freshness{MaxAge: 3 * time.Hour})[0]; a.Err != nil || !a.Value.Stale || h.source.nCharts.Load() != calls {
		t.Errorf("content with an old one: %+v %v", a.Value, a.Err)
	}
}

func TestTheStoreIsAway(t *testing.T) {
	h := newHouse(t)
	away := error(fault.Wrap(fault.StoreUnavailable, errors.New("made up")))
	h.store.fault.Store(&away)
	if a := h.Prices(t.Context(), pairs("usd", "bitcoin"), fresh)[0]; a.Err != nil || a.Value.Price != 7.1 {
		t.Errorf("price: %+v %v", a.Value, a.Err)
	}
	if a := h.Charts(t.Context(), []market.ChartRequest{chart("bitcoin", market.Daily, 30)}, fresh)[0]; a.Err != nil || a.Value.Prices.Len() != 30 || !a.Value.Coverage.Complete {
		t.Errorf("chart: %+v %v", a.Value, a.Err)
	}
	h.expect("both", budget{cacheGets: 2, cacheSets: 2, selects: 2, saves: 2, calls: 2})
	h.Prices(t.Context(), pairs("usd", "bitcoin"), fresh)
	h.expect("out of memory", budget{})
}

func TestAnOlderObservationDoesNotReplaceANewerOne(t *testing.T) {
	h := newHouse(t)
	h.Prices(t.Context(), pairs("usd", "bitcoin"), fresh)
	h.clock.Advance(2 * ttl)
	h.restart()
	h.source.quotes = func(p []market.Pair) ([]market.Quote, error) {
		q := h.quote(p[0])
		q.Price, q.LastUpdatedAt = 1, h.clock.Now().Add(-time.Hour)
		return []market.Quote{q}, nil
	}
	if a := h.Prices(t.Context(), pairs("usd", "bitcoin"), fresh)[0]; a.Err != nil || a.Value.Price != 7.1 || a.Value.Stale {
		t.Errorf("got %+v %v", a.Value, a.Err)
	}
}

func TestAPanicInAProviderIsAFaultOfThatQuestion(t *testing.T) {
	h := newHouse(t)
	h.source.quotes = func([]market.Pair) ([]market.Quote, error) { panic("made up") }
	h.source.chart = func(market.SeriesKey, []market.Range) ([]market.Fetched, error) { panic("made up") }
	if a := h.Prices(t.Context(), pairs("usd", "bitcoin"), fresh)[0]; !fault.Is(a.Err, fault.Internal) {
		t.Errorf("price: %v", a.Err)
	}
	if a := h.Charts(t.Context(), []market.ChartRequest{chart("bitcoin", market.Daily, 30)}, fresh)[0]; !fault.Is(a.Err, fault.Internal) {
		t.Errorf("chart: %v", a.Err)
	}
}

func TestCatalogue(t *testing.T) {
	h := newHouse(t)
	if n := h.source.nAssets.Load(); n != 1 {
		t.Errorf("%d calls", n)
	}
	h.restart()
	if n := h.source.nAssets.Load(); n != 1 {
		t.Errorf("%d calls after a restart with a stored catalogue", n)
	}
	all := func(q market.AssetQuery) (ids []string, pages int) {
		q.First = max(q.First, 1)
		for {
			page, _, err := h.Assets(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range page.Nodes {
				ids = append(ids, a.ID)
			}
			if pages++; !page.PageInfo.HasNextPage {
				if page.TotalCount != len(ids) {
					t.Errorf("%d of %d", len(ids), page.TotalCount)
				}
				return ids, pages
			}
			q.After = position(t, *page.PageInfo.EndCursor)
		}
	}
	ids, pages := all(market.AssetQuery{First: 50})
	if len(ids) != 304 || pages != 7 || !slices.IsSorted(ids) {
		t.Errorf("%d assets on %d pages", len(ids), pages)
	}
	if ids, _ := all(market.AssetQuery{Search: "BTC"}); !slices.Equal(ids, []string{"bitcoin"}) {
		t.Errorf("by symbol: %v", ids)
	}
	if ids, _ := all(market.AssetQuery{Search: "bitcoin"}); !slices.Equal(ids, []string{"bitcoin", "bitcoin-cash"}) {
		t.Errorf("best matches first: %v", ids)
	}
	if ids, _ := all(market.AssetQuery{Search: "protocol"}); !slices.Equal(ids, []string{"0x"}) {
		t.Errorf("by name: %v", ids)
	}
	if ids, _ := all(market.AssetQuery{IDs: []string{"ethereum", "bitcoin", "ethereum"}}); !slices.Equal(ids, []string{"ethereum", "bitcoin", "ethereum"}) {
		t.Errorf("in the order asked: %v", ids)
	}
	_, unknown, err := h.Assets(t.Context(), market.AssetQuery{IDs: []string{"bitcoin", "nonesuch"}, First: 10})
	if err != nil || !slices.Equal(unknown, []string{"nonesuch"}) {
		t.Errorf("unknown: %v %v", unknown, err)
	}
}

func TestWhatMemoryHoldsIsAnsweredAtOnce(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	asked := pairs("usd", "bitcoin", "nonesuch", "ethereum")
	charts := []market.ChartRequest{chart("bitcoin", market.Daily, 30)}
	if _, ok := h.PricesInMemory(ctx, asked, fresh); ok {
		t.Error("an empty memory answered for prices")
	}
	if _, ok := h.ChartsInMemory(ctx, charts); ok {
		t.Error("an empty memory answered for a chart")
	}
	h.expect("looking into memory", budget{})
	want, wantCharts := h.Prices(ctx, asked, fresh), h.Charts(ctx, charts, fresh)
	h.expect("cold", budget{cacheGets: 2, cacheSets: 2, selects: 2, saves: 2, calls: 2})
	got, ok := h.PricesInMemory(ctx, asked, fresh)
	if !ok || got[0].Value.Quote() != want[0].Value.Quote() || !fault.Is(got[1].Err, fault.NotFound) || got[2].Value.Quote() != want[2].Value.Quote() {
		t.Errorf("prices: %v %+v", ok, got)
	}
	if got, ok := h.ChartsInMemory(ctx, charts); !ok || !slices.Equal(got[0].Value.Prices.Values(), wantCharts[0].Value.Prices.Values()) {
		t.Errorf("chart: %v", ok)
	}
	if _, ok := h.PricesInMemory(ctx, pairs("usd", "bitcoin", "0x"), fresh); ok {
		t.Error("one that is not there")
	}
	h.clock.Advance(time.Second)
	if _, ok := h.PricesInMemory(ctx, asked, market.Freshness{MaxAge: time.Nanosecond}); ok {
		t.Error("one that is too old for the caller")
	}
	h.expect("out of memory", budget{})
}
