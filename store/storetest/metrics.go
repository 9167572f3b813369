package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

// metricTests are those of the series that say nothing of a chart's values, on metrics, and what is peculiar to these.
var metricTests = append(asMetrics(
	"none", "within and outside of what is covered", "jitter leaves no near-duplicates", "older never wins", "like the specification",
	"knowledge", "knowledge like market.MergeKnown", "all or nothing", "concurrent writers of one series",
	"concurrent writers of many series", "a reader sees whole writes", "context",
), []test{
	{"null, missing and zero", metricNulls},
	{"numbers", metricNumbers},
	{"many windows of both kinds", metricManyWindows},
	{"revisions", metricRevisions},
	{"no tail", metricTail},
}...)

// asMetrics are tests of seriesTests, on metrics.
func asMetrics(names ...string) []test {
	var tests []test
	for _, of := range seriesTests {
		if slices.Contains(names, of.name) {
			tests = append(tests, test{of.name, func(t *testing.T, connect func() Store) {
				of.run(t, func() Store { return metricStore{connect()} })
			}})
		}
	}
	if len(tests) != len(names) {
		panic("a test of the series has another name")
	}
	return tests
}

// metricStore takes a chart for the metric that is named as its currency.
type metricStore struct{ Store }

func metricOf(k market.SeriesKey) market.SeriesKey {
	return market.SeriesKey{Asset: k.Asset, Metric: market.Metric(k.Currency), Interval: k.Interval}
}

func (s metricStore) SaveSeries(ctx context.Context, w market.SeriesWrite) error {
	w.SeriesKey, w.Tail = metricOf(w.SeriesKey), nil
	return s.Store.SaveSeries(ctx, w)
}

func (s metricStore) Histories(ctx context.Context, windows []market.Window) ([]market.History, error) {
	windows = slices.Clone(windows)
	for i := range windows {
		windows[i].SeriesKey = metricOf(windows[i].SeriesKey)
	}
	return s.Store.Histories(ctx, windows)
}

var metricKey = market.SeriesKey{Asset: "bitcoin", Metric: market.MVRV, Interval: market.Hourly}

// value is a metric's point, so many hours after the epoch.
func value(h int64, v float64, fetched int) market.Point {
	return market.Point{Stamp: ms(epoch) + h*hour, Price: v, MarketCap: null, Volume: null, Source: "cryptoquant", FetchedAt: at(fetched)}
}

func metricNulls(t *testing.T, connect func() Store) {
	s := connect()
	points := []market.Point{value(0, null, 0), value(1, null, 1), value(2, 0, 2), value(3, -1, 3)}
	points[1].Missing = market.MissingPrice
	for i := range points {
		points[i].Source = fmt.Sprint("source ", i)
	}
	must(t, s.SaveSeries(t.Context(), write(metricKey, hours(0, 4), at(0), points...)))
	check(t, "points", history(t, s, metricKey, ever).Points, points)

	// What a metric does not have is not kept.
	odd := value(9, 1, 9)
	odd.MarketCap, odd.Volume = 5, 5
	must(t, s.SaveSeries(t.Context(), write(metricKey, hours(9, 10), at(9), odd)))
	check(t, "a metric has one value", history(t, s, metricKey, hours(9, 10)).Points, []market.Point{value(9, 1, 9)})
}

func metricNumbers(t *testing.T, connect func() Store) {
	s, run := connect(), 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		key := metricKey
		key.Asset = fmt.Sprint("asset ", run)
		var want []market.Point
		for i := range int64(rapid.IntRange(1, 20).Draw(t, "points")) {
			want = append(want, value(i, rapid.OneOf(rapid.SampledFrom(numbers), rapid.Float64()).Draw(t, "value"), 0))
		}
		must(t, s.SaveSeries(context.Background(), write(key, ever, at(0), want...)))
		check(t, "points", history(t, s, key, ever).Points, want)
	})
}

// metricManyWindows reads charts and metrics of the same assets together: each window gets its own.
func metricManyWindows(t *testing.T, connect func() Store) {
	s := connect()
	var windows []market.Window
	var want []market.History
	for a := range 20 {
		for kind, key := range []market.SeriesKey{
			{Asset: fmt.Sprint("asset ", a), Currency: "usd", Interval: market.Hourly},
			{Asset: fmt.Sprint("asset ", a), Metric: "usd", Interval: market.Hourly},
			{Asset: fmt.Sprint("asset ", a), Metric: market.SOPR, Interval: market.Hourly},
			{Asset: fmt.Sprint("asset ", a), Metric: market.SOPR, Interval: market.Daily},
		} {
			w := write(key, hours(0, 48), at(a))
			for h := range int64(2) {
				w.Points = append(w.Points, value(24*h, float64(100*a+10*kind)+float64(h), a))
			}
			w.Known = []market.Known{{Range: w.Covers, Provider: fmt.Sprint("of kind ", kind), FetchedAt: at(a)}}
			must(t, s.SaveSeries(t.Context(), w))
			windows = append(windows, market.Window{SeriesKey: key, Range: hours(24, 48)})
			want = append(want, market.History{Points: w.Points[1:], Known: w.Known})
		}
	}
	windows[6].Asset, want[6] = "not stored", market.History{}
	got, err := s.Histories(t.Context(), windows)
	must(t, err)
	check(t, "histories", got, want)
}

// metricRevisions: what a provider says later of the past replaces what it said before, and nothing else.
func metricRevisions(t *testing.T, connect func() Store) {
	s := connect()
	first := write(metricKey, hours(0, 4), at(0), value(0, 1, 0), value(1, 1, 0), value(2, 1, 0), value(3, 1, 0))
	first.Known = []market.Known{{Range: first.Covers, Provider: "cryptoquant", FetchedAt: at(0), DueAt: ms(at(60))}}
	must(t, s.SaveSeries(t.Context(), first))
	again := write(metricKey, hours(2, 4), at(60), value(2, 2, 60), value(3, 1, 60))
	again.Known = []market.Known{{Range: again.Covers, Provider: "cryptoquant", FetchedAt: at(60), DueAt: ms(at(120))}}
	for range 2 {
		must(t, s.SaveSeries(t.Context(), again))
		first.Known[0].To = again.Covers.From
		check(t, "revised", history(t, s, metricKey, ever), market.History{
			Points: []market.Point{first.Points[0], first.Points[1], again.Points[0], again.Points[1]},
			Known:  []market.Known{first.Known[0], again.Known[0]},
		})
	}
}

func metricTail(t *testing.T, connect func() Store) {
	s := connect()
	w := write(metricKey, hours(0, 1), at(0), value(0, 1, 0))
	w.Tail = &w.Points[0]
	if err := s.SaveSeries(t.Context(), w); err == nil || fault.Is(err, fault.StoreUnavailable) {
		t.Errorf("a metric with a trailing point: %v", err)
	}
	check(t, "history", history(t, s, metricKey, ever), market.History{})
}
