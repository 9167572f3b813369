package market_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

func column(asset string) market.GridColumn { return market.GridColumn{Asset: asset} }

func marketColumn(asset string, v market.GridValue, c market.Currency) market.GridColumn {
	return market.GridColumn{Asset: asset, Value: &v, Currency: &c}
}

func metricColumn(asset string, m market.Metric) market.GridColumn {
	return market.GridColumn{Asset: asset, Metric: &m}
}

// gridHouse answers charts with the instant as price, twice that as volume, and metrics with the instant's negative.
func gridHouse(t *testing.T) *house {
	h := newHouse(t)
	withMetrics(h)
	h.source.chart = func(k market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
		f := market.Fetched{Covers: market.Range{From: missing[0].From, To: missing[len(missing)-1].To}, Source: "test", FetchedAt: h.clock.Now()}
		for at := max(f.Covers.From, march(1, 0)); at < f.Covers.To; at += k.Interval.Step() {
			p := market.Point{Stamp: at, Price: float64(at), MarketCap: 0, Volume: 2 * float64(at), Source: "test", FetchedAt: f.FetchedAt}
			if k.OnChain() {
				p.Price = -p.Price
			}
			f.Points = append(f.Points, p)
		}
		return []market.Fetched{f}, nil
	}
	return h
}

func (h *house) grid(r market.GridRequest) (*market.Grid, []error) {
	h.t.Helper()
	if bad := h.CheckGrid(r); len(bad) > 0 {
		h.t.Fatal(bad)
	}
	p := h.PlanGrid(r)
	g, errs := p.Read(h.Charts(h.t.Context(), p.Charts, fresh), h.Metrics(h.t.Context(), p.Metrics, fresh))
	for _, c := range g.Columns {
		if c != nil && c.Values.Len() != g.Timestamps.Len() {
			h.t.Fatalf("%s: %d values for %d instants", c.Label, c.Values.Len(), g.Timestamps.Len())
		}
	}
	return g, errs
}

// same takes null for equal to null.
func same(a market.Column, b []float64) bool {
	return slices.EqualFunc(a.Values(), b, func(a, b float64) bool { return a == b || a != a && b != b })
}

func TestDailyGrid(t *testing.T) {
	h := gridHouse(t)
	named := column("bitcoin")
	named.Label = new(string)
	*named.Label = "mine"
	g, errs := h.grid(market.GridRequest{Days: 3, Interval: market.Daily, Columns: []market.GridColumn{
		named, marketColumn("bitcoin", market.GridVolume, "usd"), marketColumn("bitcoin", market.GridMarketCap, "eur"), metricColumn("bitcoin", market.MVRV),
		metricColumn("0x", market.MVRV), column("nonesuch"),
	}})
	null := math.NaN()
	at := []float64{float64(march(8, 0)), float64(march(9, 0)), float64(march(10, 0))}
	if !slices.Equal(g.Timestamps.Values(), []int64{march(8, 0), march(9, 0), march(10, 0)}) {
		t.Errorf("instants: %v", g.Timestamps)
	}
	for i, want := range []struct {
		label   string
		values  []float64
		sources string
	}{
		{"mine", at, "test"},
		{"bitcoin VOLUME USD", []float64{2 * at[0], 2 * at[1], 2 * at[2]}, "test"},
		{"bitcoin MARKET_CAP EUR", []float64{null, null, null}, "test"},
		{"bitcoin MVRV", []float64{-at[0], -at[1], null}, "test"}, // today is not over
		{"0x MVRV", []float64{null, null, null}, ""},
	} {
		c := g.Columns[i]
		if c.Label != want.label || !same(c.Values, want.values) || strings.Join(c.Sources, " ") != want.sources {
			t.Errorf("column %d: %+v, want %+v", i, c, want)
		}
	}
	if holes := g.Columns[4].Coverage.Holes; len(holes) != 1 || holes[0].Reason != market.NotOffered {
		t.Errorf("what is not offered: %+v", holes)
	}
	if g.Columns[5] != nil || len(errs) != 6 || !fault.Is(errs[5], fault.NotFound) || errs[0] != nil {
		t.Errorf("an unknown asset: %+v %v", g.Columns[5], errs)
	}
	h.expect("a chart for two columns", budget{cacheGets: 2, cacheSets: 2, selects: 2, saves: 3, calls: 3})
}

func TestAGridOfMetricsEndsWhereTheyDo(t *testing.T) {
	h := gridHouse(t)
	g, _ := h.grid(market.GridRequest{Days: 2, Interval: market.Daily, Columns: []market.GridColumn{metricColumn("bitcoin", market.MVRV)}})
	if !slices.Equal(g.Timestamps.Values(), []int64{march(8, 0), march(9, 0)}) {
		t.Errorf("instants: %v", g.Timestamps)
	}
	g, _ = h.grid(market.GridRequest{Days: 1, Interval: market.Hourly, Columns: []market.GridColumn{metricColumn("bitcoin", market.MVRV)}})
	if g.Timestamps.Values()[0] != march(9, 12) || g.Timestamps.Values()[23] != march(10, 11) || g.Columns[0].Values.Values()[23] != -float64(march(10, 11)) {
		t.Errorf("an hourly metric stands at its own hours: %v %v", g.Timestamps, g.Columns[0].Values)
	}
}

// TestADailyMetricOnAnHourlyGrid has at each hour the last day that was over then, and never a later one.
func TestADailyMetricOnAnHourlyGrid(t *testing.T) {
	for _, now := range [][3]int{{10, 12, 30}, {10, 0, 4}, {10, 0, 5}, {10, 0, 59}, {10, 1, 0}, {9, 23, 59}} {
		h := gridHouse(t)
		h.clock.Set(2026, 3, now[0], now[1], now[2])
		g, errs := h.grid(market.GridRequest{Days: 2, Interval: market.Hourly, Columns: []market.GridColumn{metricColumn("bitcoin", market.NUPL), column("bitcoin")}})
		if errs != nil || g.Timestamps.Len() != 48 {
			t.Fatalf("%v: %d instants, %v", now, g.Timestamps.Len(), errs)
		}
		served := market.SeriesKey{Metric: market.NUPL, Interval: market.Daily}.Newest(h.clock.Now())
		stamps, prices := g.Timestamps.Values(), g.Columns[1].Values.Values()
		for i, v := range g.Columns[0].Values.Values() {
			day := min(market.Daily.Floor(stamps[i])-market.Daily.Step(), served)
			if v != -float64(day) || prices[i] != float64(stamps[i]) {
				t.Errorf("%v: at %v the value of %v, want that of %v", now, time.UnixMilli(stamps[i]).UTC(), time.UnixMilli(int64(-v)).UTC(), time.UnixMilli(day).UTC())
			}
		}
	}
}

func TestAGridOfAllThereIs(t *testing.T) {
	h := gridHouse(t)
	g, _ := h.grid(market.GridRequest{Days: market.AllDays, Interval: market.Daily, Columns: []market.GridColumn{column("bitcoin"), metricColumn("bitcoin", market.MVRV)}})
	if g.Timestamps.Values()[0] != march(1, 0) || g.Timestamps.Len() != 10 {
		t.Errorf("begins where the first column does: %v", g.Timestamps)
	}
	g, _ = h.grid(market.GridRequest{Days: market.AllDays, Interval: market.Hourly, Columns: []market.GridColumn{metricColumn("bitcoin", market.NUPL)}})
	if g.Timestamps.Values()[0] != march(2, 0) || g.Columns[0].Values.Values()[0] != -float64(march(1, 0)) {
		t.Errorf("a carried metric begins when it is first known: %v", g.Timestamps.Values()[0])
	}
	g, _ = h.grid(market.GridRequest{Days: market.AllDays, Interval: market.Daily, Columns: []market.GridColumn{metricColumn("0x", market.MVRV)}})
	if g.Timestamps.Len() != 0 || g.Timestamps.String() != "[]" || len(g.Columns) != 1 {
		t.Errorf("nothing at all: %+v", g)
	}
}

func TestGridCounts(t *testing.T) {
	h := newHouse(t)
	r := market.GridRequest{Days: 30, Interval: market.Daily, Columns: []market.GridColumn{
		column("bitcoin"), marketColumn("bitcoin", market.GridVolume, "usd"), marketColumn("bitcoin", market.GridVolume, "eur"), column("ethereum"),
		metricColumn("bitcoin", market.MVRV), metricColumn("bitcoin", market.MVRV), metricColumn("bitcoin", market.SOPR),
	}}
	if charts, metrics := r.Series(); charts != 3 || metrics != 2 {
		t.Errorf("%d charts and %d metrics", charts, metrics)
	}
	if n := r.Points(h.clock.Now()); n != 30 {
		t.Errorf("%d points", n)
	}
	r.Days = 0
	if n := r.Points(h.clock.Now()); n != 0 {
		t.Errorf("%d points of no days", n)
	}
}

func TestCheckGrid(t *testing.T) {
	h := newHouse(t)
	label := func(l string) market.GridColumn { return market.GridColumn{Asset: "bitcoin", Label: &l} }
	both := metricColumn("bitcoin", market.MVRV)
	both.Currency = new(market.Currency)
	for _, c := range []struct {
		name    string
		columns []market.GridColumn
		want    string // fields
	}{
		{"fine", []market.GridColumn{column("bitcoin"), metricColumn("bitcoin", market.MVRV), label("ä"), label(strings.Repeat("ä", 100))}, ""},
		{"none", nil, "columns"},
		{"too many", make([]market.GridColumn, 101), "columns"},
		{
			"bad ids, labels and currencies",
			[]market.GridColumn{column("../x"), label(""), label(strings.Repeat("x", 101)), marketColumn("bitcoin", market.GridPrice, "nonesuch")},
			"columns[0].asset columns[1].label columns[2].label columns[3].currency",
		},
		{"a metric and a currency", []market.GridColumn{both}, "columns[0].metric"},
	} {
		var got []string
		for _, f := range h.CheckGrid(market.GridRequest{Columns: c.columns, Days: 1, Interval: market.Daily}) {
			got = append(got, f.Field)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}
