package market_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

func metric(asset string, m market.Metric, interval market.Interval, days market.Days) market.MetricRequest {
	return market.MetricRequest{SeriesKey: market.SeriesKey{Asset: asset, Metric: m, Interval: interval}, Days: days}
}

// withMetrics offers MVRV of all assets by day and hour, and NUPL by day.
func withMetrics(h *house) {
	both, daily := []market.Interval{market.Daily, market.Hourly}, []market.Interval{market.Daily}
	h.source.offers = nil
	for _, a := range []string{"bitcoin", "ethereum"} {
		h.source.offers = append(h.source.offers,
			market.Offer{Metric: market.MVRV, Asset: a, Intervals: both, Unit: "ratio", Provider: "test"},
			market.Offer{Metric: market.NUPL, Asset: a, Intervals: daily, Unit: "part", Provider: "test"})
	}
	for i := range 50 {
		h.source.offers = append(h.source.offers, market.Offer{Metric: market.MVRV, Asset: fmt.Sprintf("coin-%03d", i), Intervals: both, Unit: "ratio", Provider: "test"})
	}
}

func march(d, hour int) int64 { return time.Date(2026, 3, d, hour, 0, 0, 0, time.UTC).UnixMilli() }

func TestMetricsWalk(t *testing.T) {
	h := newHouse(t)
	withMetrics(h)
	ctx := t.Context()
	var asked []market.MetricRequest
	for i := range 50 {
		asked = append(asked, metric(fmt.Sprintf("coin-%03d", i), market.MVRV, market.Daily, 30))
	}
	for i, a := range h.Metrics(ctx, asked, fresh) {
		m := a.Value
		if a.Err != nil || m.Timestamps.Len() != 30 || m.Asset.ID != asked[i].Asset || m.Metric != market.MVRV || m.Unit != "ratio" || !m.Coverage.Complete || m.Stale {
			t.Fatalf("%d: %+v %v", i, m, a.Err)
		}
		if last := m.Timestamps.Values()[29]; last != march(9, 0) || m.Values.Values()[29] != float64(last) || m.Points()[29].Value.Number() != market.Number(last) {
			t.Fatalf("the newest is that of the last day that is over: got %v %v", last, m.Values.Values()[29])
		}
	}
	h.expect("50 series, cold", budget{cacheGets: 1, cacheSets: 1, selects: 1, saves: 50, calls: 50})
	h.Metrics(ctx, asked, fresh)
	h.expect("50 series, warm", budget{cacheGets: 1})
	if got, ok := h.MetricsInMemory(ctx, asked); !ok || got[49].Value.Unit != "ratio" || got[49].Value.Timestamps.Values()[29] != march(9, 0) {
		t.Errorf("out of memory: %v", ok)
	}
	h.expect("out of memory", budget{})
	h.restart()
	if _, ok := h.MetricsInMemory(ctx, asked); ok {
		t.Error("an empty memory answered")
	}
	for i, a := range h.Metrics(ctx, asked, fresh) {
		if a.Err != nil || a.Value.Values.Len() != 30 || a.Value.Values.Values()[29] != float64(march(9, 0)) || !slices.Equal(a.Value.Sources, []string{"test"}) {
			t.Fatalf("%d out of the database: %+v %v", i, a.Value, a.Err)
		}
	}
	h.expect("50 series out of the database", budget{cacheGets: 1, cacheSets: 1, selects: 1})
	h.Metrics(ctx, []market.MetricRequest{metric("coin-000", market.MVRV, market.Daily, 7)}, fresh)
	h.expect("fewer days", budget{cacheGets: 1, cacheSets: 1, selects: 1})
}

// TestAMetricAndAChartAreApart: neither the cache nor the store takes one for the other.
func TestAMetricAndAChartAreApart(t *testing.T) {
	h := newHouse(t)
	withMetrics(h)
	for range 2 {
		c := h.Charts(t.Context(), []market.ChartRequest{chart("bitcoin", market.Daily, 5)}, fresh)[0]
		m := h.Metrics(t.Context(), []market.MetricRequest{metric("bitcoin", market.MVRV, market.Daily, 5)}, fresh)[0]
		if c.Err != nil || m.Err != nil || c.Value.Timestamps.Values()[4] != march(10, 0) || m.Value.Timestamps.Values()[4] != march(9, 0) {
			t.Fatalf("%+v %+v", c, m)
		}
		h.restart()
	}
	if n := h.source.nCharts.Load(); n != 2 {
		t.Errorf("%d calls", n)
	}
}

// TestWhenMetricsAreBought: what lacks, once; the newest point again once it has settled; the last eight days once a day.
func TestWhenMetricsAreBought(t *testing.T) {
	h := newHouse(t)
	withMetrics(h)
	ask := func(what string, r market.MetricRequest, want ...market.Range) *market.MetricSeries {
		t.Helper()
		h.source.asked = nil
		a := h.Metrics(t.Context(), []market.MetricRequest{r}, fresh)[0]
		if a.Err != nil || !a.Value.Coverage.Complete || a.Value.Stale {
			t.Fatalf("%s: %+v %v", what, a.Value, a.Err)
		}
		if got := slices.Concat(h.source.asked...); !slices.Equal(got, want) {
			t.Errorf("%s: asked for %v, want %v", what, got, want)
		}
		return a.Value
	}
	daily := func(days market.Days) market.MetricRequest { return metric("bitcoin", market.MVRV, market.Daily, days) }
	ask("nine days", daily(9), market.Range{From: march(1, 0), To: march(10, 0)})
	ask("five, all known", daily(5))
	h.clock.Set(2026, 3, 11, 0, 59)
	if m := ask("before yesterday is due", daily(5)); m.Timestamps.Values()[4] != march(9, 0) {
		t.Errorf("newest: %v", m.Timestamps.Values()[4])
	}
	h.clock.Set(2026, 3, 11, 1, 0)
	if m := ask("once it is", daily(5), market.Range{From: march(10, 0), To: march(11, 0)}); m.Timestamps.Values()[4] != march(10, 0) {
		t.Errorf("newest: %v", m.Timestamps.Values()[4])
	}
	h.clock.Set(2026, 3, 11, 2, 30)
	ask("once it has settled, together with the eight that may be revised", daily(20),
		market.Range{From: time.Date(2026, 2, 19, 0, 0, 0, 0, time.UTC).UnixMilli(), To: march(1, 0)}, market.Range{From: march(2, 0), To: march(11, 0)})
	h.clock.Set(2026, 3, 12, 0, 30)
	ask("and no more that day", daily(20))
	h.clock.Set(2026, 3, 12, 9, 0)
	ask("the next day", daily(20), market.Range{From: march(3, 0), To: march(12, 0)})
	h.clock.Set(2026, 3, 30, 9, 0)
	ask("after a pause", daily(30), market.Range{From: march(4, 0), To: march(30, 0)})
	h.clock.Set(2026, 3, 31, 9, 0)
	ask("final is what was fetched eight days after it", daily(30), market.Range{From: march(22, 0), To: march(31, 0)})
}

func TestWhenHourlyMetricsAreBought(t *testing.T) {
	h := newHouse(t)
	withMetrics(h)
	hourly := metric("bitcoin", market.MVRV, market.Hourly, 1)
	for _, c := range []struct {
		what       string
		d, hr, min int
		want       []market.Range
	}{
		{"a day", 10, 12, 30, []market.Range{{From: march(9, 12), To: march(10, 12)}}},
		{"before the next hour is due", 10, 13, 4, nil},
		{"once it is", 10, 13, 5, []market.Range{{From: march(10, 12), To: march(10, 13)}}},
		{"not alone because it has settled", 10, 13, 30, nil},
		{"but with the next", 10, 14, 5, []market.Range{{From: march(10, 12), To: march(10, 14)}}},
		{"revisions are not due yet", 11, 2, 0, []market.Range{{From: march(10, 13), To: march(11, 1)}}},
		{"the newest, and once a day all that may be revised, in one call", 11, 2, 5, []market.Range{{From: march(10, 2), To: march(11, 2)}}},
		{"an hour later only the newest", 11, 3, 20, []market.Range{{From: march(11, 1), To: march(11, 3)}}},
	} {
		h.clock.Set(2026, 3, c.d, c.hr, c.min)
		h.source.asked = nil
		a := h.Metrics(t.Context(), []market.MetricRequest{hourly}, fresh)[0]
		if a.Err != nil || a.Value.Timestamps.Len() != 24 {
			t.Fatalf("%s: %+v %v", c.what, a.Value, a.Err)
		}
		if got := slices.Concat(h.source.asked...); !slices.Equal(got, c.want) {
			t.Errorf("%s: asked for %v, want %v", c.what, got, c.want)
		}
	}
}

func TestRevisedValuesReplaceOldOnes(t *testing.T) {
	h := newHouse(t)
	withMetrics(h)
	good := h.source.chart
	revision := 1.0
	h.source.chart = func(k market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
		answers, err := good(k, missing)
		for i := range answers[0].Points {
			answers[0].Points[i].Price = revision
		}
		return answers, err
	}
	r := metric("bitcoin", market.MVRV, market.Daily, 10)
	h.Metrics(t.Context(), []market.MetricRequest{r}, fresh)
	revision = 2
	h.clock.Set(2026, 3, 11, 12, 0)
	for _, where := range []string{"as fetched", "out of the database"} {
		m := h.Metrics(t.Context(), []market.MetricRequest{r}, fresh)[0].Value
		// 1 March was over more than eight days before it was fetched first.
		if want := ([]float64{2, 2, 2, 2, 2, 2, 2, 2, 2}); m.Timestamps.Values()[0] != march(1, 0) || m.Values.Values()[0] != 1 || !slices.Equal(m.Values.Values()[1:], want) {
			t.Errorf("%s: %v", where, m.Values)
		}
		h.restart()
	}
}

func TestWhatIsNotOffered(t *testing.T) {
	h := newHouse(t)
	withMetrics(h)
	h.source.offers = append(h.source.offers, market.Offer{Metric: market.SOPR, Asset: "bitcoin", Intervals: []market.Interval{market.Daily}, Unit: "ratio", Provider: "test"})
	h.source.chart = func(market.SeriesKey, []market.Range) ([]market.Fetched, error) {
		return nil, fault.New(fault.UpstreamNotFound, "") // of SOPR, which it was believed to have
	}
	hole := func(what string, r market.MetricRequest, unit string, from, to int64) {
		t.Helper()
		a := h.Metrics(t.Context(), []market.MetricRequest{r}, fresh)[0]
		if a.Err != nil {
			t.Fatalf("%s: %v", what, a.Err)
		}
		m := a.Value
		if m.Timestamps.Len() != 0 || m.Values.Len() != 0 || len(m.Sources) != 0 || m.Unit != unit || m.Stale || m.Coverage.Complete || m.FetchedAt.IsZero() || !m.FreshUntil.After(h.clock.Now()) {
			t.Errorf("%s: %+v", what, m)
		}
		want := []market.Hole{{From: time.UnixMilli(from).UTC(), To: time.UnixMilli(to).UTC(), Reason: market.NotOffered}}
		if !slices.Equal(m.Coverage.Holes, want) {
			t.Errorf("%s: %+v, want %+v", what, m.Coverage.Holes, want)
		}
	}
	hole("an asset without the metric", metric("0x", market.MVRV, market.Daily, 3), "", march(7, 0), march(10, 0))
	hole("an interval without it", metric("bitcoin", market.NUPL, market.Hourly, 1), "part", march(9, 12), march(10, 12))
	hole("max", metric("0x", market.MVRV, market.Daily, market.AllDays), "", time.Date(2009, 1, 3, 0, 0, 0, 0, time.UTC).UnixMilli(), march(10, 0))
	h.expect("nobody is asked", budget{})
	if a := h.Metrics(t.Context(), []market.MetricRequest{metric("nonesuch", market.MVRV, market.Daily, 3)}, fresh)[0]; !fault.Is(a.Err, fault.NotFound) {
		t.Errorf("an unknown asset: %v", a.Err)
	}

	for range 3 {
		hole("a provider that has it not after all", metric("bitcoin", market.SOPR, market.Daily, 3), "ratio", march(7, 0), march(10, 0))
		h.restart()
	}
	if n := h.source.nCharts.Load(); n != 1 {
		t.Errorf("%d calls for what it does not have", n)
	}
}

func TestAMetricsFailureIsAnError(t *testing.T) {
	h := newHouse(t)
	withMetrics(h)
	good := h.source.chart
	h.source.chart = func(market.SeriesKey, []market.Range) ([]market.Fetched, error) {
		return nil, fault.New(fault.UpstreamUnavailable, "")
	}
	r := []market.MetricRequest{metric("bitcoin", market.MVRV, market.Daily, 3), metric("0x", market.MVRV, market.Daily, 3)}
	got := h.Metrics(t.Context(), r, fresh)
	if !fault.Is(got[0].Err, fault.UpstreamUnavailable) || got[1].Err != nil {
		t.Errorf("got %v, %v", got[0].Err, got[1].Err)
	}
	h.source.chart = good
	if got := h.Metrics(t.Context(), r, fresh); got[0].Err != nil || !got[0].Value.Coverage.Complete {
		t.Errorf("after it: %+v", got[0])
	}
}

func TestACachedMetricDoesNotOutliveItsNextPoint(t *testing.T) {
	h := newHouse(t)
	withMetrics(h)
	for _, c := range []struct {
		interval market.Interval
		want     time.Time
	}{
		{market.Daily, time.Date(2026, 3, 11, 1, 0, 0, 0, time.UTC)},
		{market.Hourly, time.Date(2026, 3, 11, 1, 5, 0, 0, time.UTC)},
	} {
		h.clock.Set(2026, 3, 11, 0, 50)
		a := h.Metrics(t.Context(), []market.MetricRequest{metric("bitcoin", market.MVRV, c.interval, 2)}, fresh)[0]
		if a.Err != nil || !a.Value.FreshUntil.Equal(c.want) {
			t.Errorf("%s: fresh until %v (%v), want %v", c.interval, a.Value.FreshUntil, a.Err, c.want)
		}
	}
}

func TestMetricCatalogue(t *testing.T) {
	h := newHouse(t)
	if got := h.MetricCatalogue(); got == nil || len(got) != 0 {
		t.Errorf("without a provider: %v", got)
	}
	since := time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)
	daily := []market.Interval{market.Daily}
	h.source.offers = []market.Offer{
		{Metric: market.Fees, Asset: "bitcoin", Intervals: daily, Unit: "BTC", Provider: "a"},
		{Metric: market.MVRV, Asset: "bitcoin", Intervals: daily, Unit: "ratio", Provider: "a", Since: since},
		{Metric: market.MVRV, Asset: "ethereum", Intervals: daily, Unit: "ratio", Provider: "a", Since: since},
		{Metric: market.MVRV, Asset: "dogecoin", Intervals: daily, Unit: "ratio", Provider: "a"},
		{Metric: market.MVRV, Asset: "bitcoin", Intervals: daily, Unit: "ratio", Provider: "b", Since: since},
	}
	var got []string
	for _, i := range h.MetricCatalogue() {
		from := "?"
		if i.Since != nil {
			from = i.Since.Format(time.DateOnly)
		}
		if i.Description() == "" {
			t.Errorf("%s has no description", i.Metric)
		}
		got = append(got, fmt.Sprintf("%s %v %v %s %s %s", i.Metric, i.Assets, i.Intervals, i.Unit, from, i.Provider))
	}
	if want := []string{
		"mvrv [bitcoin ethereum] [daily] ratio 2015-01-01 a", "mvrv [dogecoin] [daily] ratio ? a", "mvrv [bitcoin] [daily] ratio 2015-01-01 b",
		"fees [bitcoin] [daily] BTC ? a",
	}; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
