package market_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

// background is the house's work that nobody waits for.
func (h *house) background() *market.Background { return h.Background(h.source, h.store) }

func want(b *market.Background, asset string, interval market.Interval, days market.Days) market.Want {
	return market.Want{Window: b.Window(chart(asset, interval, days).SeriesKey, days)}
}

func fill(t *testing.T, b *market.Background, w market.Want) market.Bought {
	t.Helper()
	bought, err := b.Fill(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return bought
}

func TestFillBuysOnce(t *testing.T) {
	h := newHouse(t)
	b := h.background()
	h.expect("the catalogue", budget{})
	if got := fill(t, b, want(b, "bitcoin", market.Daily, 30)); got.Points != 30 || got.Revised != 0 || got.NotOffered {
		t.Errorf("got %+v", got)
	}
	h.expect("a series that nobody has", budget{selects: 1, saves: 1, calls: 1})
	if got := fill(t, b, want(b, "bitcoin", market.Daily, 30)); got != (market.Bought{}) {
		t.Errorf("got %+v", got)
	}
	h.expect("the same again", budget{selects: 1})
	if got := fill(t, b, want(b, "bitcoin", market.Daily, 40)); got.Points != 10 {
		t.Errorf("got %+v", got)
	}
	h.expect("ten days more", budget{selects: 1, saves: 1, calls: 1})
}

// TestFillStoresEachAnswer: what was answered before a call failed is stored, and is not bought again.
func TestFillStoresEachAnswer(t *testing.T) {
	h := newHouse(t)
	b := h.background()
	newest := market.Daily.Newest(h.clock.Now())
	day := market.Daily.Step()
	fill(t, b, market.Want{Window: market.Window{SeriesKey: chart("bitcoin", market.Daily, 1).SeriesKey, Range: market.Range{From: newest - 9*day, To: newest - 4*day}}})
	whole := h.source.chart
	h.source.chart = func(key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
		if missing[0].To > newest {
			return nil, fault.New(fault.UpstreamUnavailable, "")
		}
		return whole(key, missing)
	}
	all := want(b, "bitcoin", market.Daily, 20) // ten days before the stored ones, four after
	got, err := b.Fill(t.Context(), all)
	if !fault.Is(err, fault.UpstreamUnavailable) || got.Points != 10 {
		t.Fatalf("got %+v, %v", got, err)
	}
	h.source.chart = whole
	h.source.asked = nil
	if got := fill(t, b, all); got.Points != 5 {
		t.Errorf("got %+v", got)
	}
	if want := [][]market.Range{{{From: newest - 4*day, To: newest + day}}}; !slices.EqualFunc(h.source.asked, want, slices.Equal) {
		t.Errorf("asked for %v, want %v", h.source.asked, want)
	}
}

// TestFillCountsRevisions: the newest point is bought again once it has settled, and replaces what was stored.
func TestFillCountsRevisions(t *testing.T) {
	h := newHouse(t)
	h.clock.Set(2026, 3, 10, 1, 30)
	b := h.background()
	fill(t, b, want(b, "bitcoin", market.Daily, 3))
	whole := h.source.chart
	h.source.chart = func(key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
		answers, err := whole(key, missing)
		for i := range answers[0].Points {
			answers[0].Points[i].Volume++
		}
		return answers, err
	}
	h.clock.Set(2026, 3, 10, 2, 1)
	if got := fill(t, b, want(b, "bitcoin", market.Daily, 3)); got.Points != 0 || got.Revised != 1 {
		t.Errorf("got %+v", got)
	}
	read := h.Charts(t.Context(), []market.ChartRequest{chart("bitcoin", market.Daily, 3)}, market.Freshness{})[0].Value
	if !slices.Equal(read.Volumes.Values(), []float64{3, 3, 4}) {
		t.Errorf("volumes %v", read.Volumes)
	}
}

// TestFillForced: a hole that is not due is asked for again, once.
func TestFillForced(t *testing.T) {
	h := newHouse(t)
	b := h.background()
	whole := h.source.chart
	hole := market.Daily.Newest(h.clock.Now()) - 3*market.Daily.Step()
	h.source.chart = func(key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
		answers, err := whole(key, missing)
		answers[0].Points = slices.DeleteFunc(answers[0].Points, func(p market.Point) bool { return p.Stamp == hole })
		return answers, err
	}
	fill(t, b, want(b, "bitcoin", market.Daily, 10))
	gaps := func() []market.Hole {
		all, err := h.Gaps(t.Context(), []market.SeriesRequest{chart("bitcoin", market.Daily, 10)})
		if err != nil {
			t.Fatal(err)
		}
		if all[0].Points+all[0].Missing() != 10 {
			t.Errorf("%d points and %d missing", all[0].Points, all[0].Missing())
		}
		return all[0].Holes
	}
	at := time.UnixMilli(hole).UTC()
	if got := gaps(); len(got) != 1 || got[0] != (market.Hole{From: at, To: at.AddDate(0, 0, 1), Reason: market.UpstreamHole}) {
		t.Errorf("gaps %v", got)
	}
	w := want(b, "bitcoin", market.Daily, 10)
	if got := fill(t, b, w); got != (market.Bought{}) {
		t.Errorf("a hole that is not due was asked for: %+v", got)
	}
	h.source.nCharts.Store(0)
	h.clock.Advance(time.Minute)
	w.Again = h.clock.Now()
	fill(t, b, w) // still not there
	fill(t, b, w) // asked for since then
	if n := h.source.nCharts.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	h.source.chart = whole
	h.clock.Advance(time.Minute)
	w.Again = h.clock.Now()
	if got := fill(t, b, w); got.Points != 1 || len(gaps()) != 0 {
		t.Errorf("got %+v, gaps %v", got, gaps())
	}
}

func TestGapsOfWhatWasNeverAsked(t *testing.T) {
	h := newHouse(t)
	all, err := h.Gaps(t.Context(), []market.SeriesRequest{chart("bitcoin", market.Hourly, 2)})
	if err != nil {
		t.Fatal(err)
	}
	if g := all[0]; g.Points != 0 || g.Missing() != 48 || len(g.Holes) != 1 || g.Holes[0].Reason != market.Failed {
		t.Errorf("got %+v", g)
	}
	h.expect("gaps", budget{selects: 1})
}

// TestFillFailsWithTheStore: what could not be stored was not bought well, unlike for a client.
func TestFillFailsWithTheStore(t *testing.T) {
	h := newHouse(t)
	b := h.background()
	down := error(fault.New(fault.StoreUnavailable, ""))
	whole := h.source.chart
	h.source.chart = func(key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
		h.store.fault.Store(&down)
		return whole(key, missing)
	}
	if _, err := b.Fill(t.Context(), want(b, "bitcoin", market.Daily, 3)); !fault.Is(err, fault.StoreUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestFillNotOffered(t *testing.T) {
	h := newHouse(t)
	b := h.background()
	h.source.chart = func(market.SeriesKey, []market.Range) ([]market.Fetched, error) {
		return nil, fault.New(fault.UpstreamNotFound, "")
	}
	if got := fill(t, b, want(b, "bitcoin", market.Daily, 3)); !got.NotOffered {
		t.Errorf("got %+v", got)
	}
	metric := market.Want{Window: b.Window(market.SeriesKey{Asset: "bitcoin", Metric: market.MVRV, Interval: market.Daily}, 3)}
	if got := fill(t, b, metric); !got.NotOffered || got.Calls != 0 {
		t.Errorf("got %+v", got)
	}
}

// TestFillRenewsTheCache: clients find the answers there.
func TestFillRenewsTheCache(t *testing.T) {
	h := newHouse(t)
	b := h.background()
	w := want(b, "bitcoin", market.Daily, 30)
	w.Days = []market.Days{7, 30}
	fill(t, b, w)
	h.expect("a series with answers", budget{selects: 2, saves: 1, calls: 1, cacheSets: 1})
	for _, days := range w.Days {
		answers, ok := h.ChartsInMemory(t.Context(), []market.ChartRequest{chart("bitcoin", market.Daily, days)})
		if !ok || answers[0].Value.Prices.Len() != int(days) {
			t.Errorf("%d days are not in memory", days)
		}
	}
}

func TestPlanCostsNothing(t *testing.T) {
	h := newHouse(t)
	b := h.background()
	fill(t, b, want(b, "bitcoin", market.Daily, 30))
	h.expect("a series", budget{selects: 1, saves: 1, calls: 1})
	plans, err := b.Plan(t.Context(), []market.Want{want(b, "bitcoin", market.Daily, 30), want(b, "bitcoin", market.Daily, 31), want(b, "ethereum", market.Hourly, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if plans[0] != nil || plans[1]["test"] != 1 || plans[2]["test"] != 1 {
		t.Errorf("got %v", plans)
	}
	h.expect("a plan", budget{selects: 1})
}

func TestBackgroundQuotes(t *testing.T) {
	h := newHouse(t)
	b := h.background()
	asked := pairs("usd", "bitcoin", "ethereum")
	whole := h.source.quotes
	h.source.quotes = func(p []market.Pair) ([]market.Quote, error) {
		return whole(slices.DeleteFunc(slices.Clone(p), func(p market.Pair) bool { return p.Asset == "ethereum" }))
	}
	began := h.clock.Now()
	_, without, err := b.Quotes(t.Context(), asked, began)
	if err != nil || !slices.Equal(without, asked[1:]) {
		t.Errorf("without %v, %v", without, err)
	}
	h.source.quotes = whole
	h.clock.Advance(2 * ttl)
	if _, without, err = b.Quotes(t.Context(), asked[:1], began.Add(-time.Second)); err != nil || without != nil || h.source.nQuotes.Load() != 1 {
		t.Errorf("what was bought since was bought again: %v, %v", without, err)
	}
	if _, without, err = b.Quotes(t.Context(), asked, h.clock.Now()); err != nil || without != nil || h.source.nQuotes.Load() != 2 {
		t.Errorf("without %v, %v", without, err)
	}
	if _, ok := h.PricesInMemory(t.Context(), asked, market.Freshness{}); !ok {
		t.Error("the prices are not in memory")
	}
}

func TestRankingLeavesOutTheUnknown(t *testing.T) {
	h := newHouse(t)
	if ids, _, err := h.background().Ranking(t.Context(), 3); err != nil || !slices.Equal(ids, []string{"bitcoin", "ethereum"}) {
		t.Errorf("got %v, %v", ids, err)
	}
}

func TestDemand(t *testing.T) {
	h := newHouse(t)
	for range 2 {
		h.Charts(t.Context(), []market.ChartRequest{chart("bitcoin", market.Daily, 30)}, market.Freshness{})
	}
	h.ChartsInMemory(t.Context(), []market.ChartRequest{chart("bitcoin", market.Daily, 30)})
	h.Prices(t.Context(), pairs("usd", "bitcoin", "no-such-asset"), market.Freshness{})
	b := h.background()
	fill(t, b, want(b, "ethereum", market.Daily, 3)) // is no client's
	got := make(map[market.Demand]int64)
	for _, d := range h.TakeDemand() {
		n := d.Asked
		d.Asked = 0
		got[d] = n
	}
	series := market.Demand{SeriesKey: chart("bitcoin", market.Daily, 30).SeriesKey, Days: 30}
	price := market.Demand{SeriesKey: market.SeriesKey{Asset: "bitcoin", Currency: "usd"}}
	if len(got) != 2 || got[series] != 3 || got[price] != 1 || !price.IsPrice() || series.IsPrice() {
		t.Errorf("got %v", got)
	}
	if again := h.TakeDemand(); len(again) != 0 {
		t.Errorf("again %v", again)
	}
}

// TestFillEndsWithItsCaller: cancelled, a series is not bought on.
func TestFillEndsWithItsCaller(t *testing.T) {
	h := newHouse(t)
	b := h.background()
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	whole := h.source.chart
	h.source.chart = func(key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
		cancel(gone)
		return whole(key, missing)
	}
	if _, err := b.Fill(ctx, want(b, "bitcoin", market.Daily, 3)); err == nil {
		t.Error("there was no error")
	}
	if n := h.source.nCharts.Load(); n != 1 {
		t.Errorf("%d calls", n)
	}
}
