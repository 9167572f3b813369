package web

import (
	"encoding/csv"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/coingraph/coingraph/market"
)

// chartBody is a chart's object as encoding/json would write it.
type chartBody struct {
	Asset      string          `json:"asset"`
	Currency   market.Currency `json:"currency"`
	Interval   string          `json:"interval"`
	Days       market.Days     `json:"days"`
	Timestamps []int64         `json:"timestamps"`
	Prices     []*float64      `json:"prices"`
	MarketCaps []*float64      `json:"market_caps"`
	Volumes    []*float64      `json:"volumes"`
	Sources    []string        `json:"sources"`
	FetchedAt  time.Time       `json:"fetched_at"`
	Stale      bool            `json:"stale"`
	Coverage   coverageBody    `json:"coverage"`
}

// nullable has nil for what JSON has null for.
func nullable(values []float64) []*float64 {
	pointers := make([]*float64, len(values))
	for i, v := range values {
		if !math.IsInf(v, 0) && v == v {
			pointers[i] = &v
		}
	}
	return pointers
}

// oddCharts are charts with values and texts at which forms differ, and one with nothing at all.
func oddCharts() []*market.Chart {
	at := time.Date(2026, time.March, 10, 0, 0, 0, 123456789, time.UTC)
	day := func(d int) int64 { return time.Date(2026, time.March, d, 0, 0, 0, 0, time.UTC).UnixMilli() }
	holed := exampleChart()
	holed.Asset.ID, holed.Days, holed.FetchedAt, holed.Stale = "a <b> & [c]", market.AllDays, at, true
	holed.Timestamps = market.NewTimestamps(market.Daily, day(1), day(2), day(5), day(6))
	holed.Prices = market.NewColumn([]float64{0, 1e-7, 1e21, math.MaxFloat64})
	holed.MarketCaps = market.NewColumn([]float64{math.NaN(), math.NaN(), 0.1, math.SmallestNonzeroFloat64})
	holed.Volumes = market.NewColumn([]float64{math.Copysign(0, -1), 1e20, math.Inf(1), 123456789012345.67})
	holed.Sources = []string{"coingecko", "binance"}
	holed.Coverage = market.Coverage{From: &at, To: &at, Holes: []market.Hole{{From: at, To: at.Add(time.Hour), Reason: market.UpstreamHole}}}
	empty := &market.Chart{Reading: market.Reading{Asset: market.Asset{ID: "bitcoin"}, Interval: market.Hourly, Days: 7, FetchedAt: at}, Currency: "eur"}
	return []*market.Chart{exampleChart(), holed, empty}
}

func TestAChartIsWrittenAsEncodingJSONWould(t *testing.T) {
	for _, c := range oddCharts() {
		body := chartBody{
			c.Asset.ID, c.Currency, c.Interval.String(), c.Days, c.Timestamps.Values(), nullable(c.Prices.Values()), nullable(c.MarketCaps.Values()), nullable(c.Volumes.Values()),
			orEmpty(c.Sources), c.FetchedAt.Truncate(time.Second), c.Stale, coverageOf(c.Coverage),
		}
		want, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		if got := chartAs(plainJSON, c).body; string(got) != string(want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestRowsHaveTheColumnsValues(t *testing.T) {
	for _, c := range oddCharts() {
		prices, marketCaps, volumes := c.Prices.Values(), c.MarketCaps.Values(), c.Volumes.Values()
		rows, err := csv.NewReader(strings.NewReader(string(chartAs(csvMedia, c).body))).ReadAll()
		if err != nil || len(rows) != c.Timestamps.Len()+1 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		lines := strings.SplitAfter(string(chartAs(ndjsonMedia, c).body), "\n")
		for i, at := range c.Timestamps.Values() {
			instant := time.UnixMilli(at).UTC().Format(time.RFC3339)
			cell := func(v float64) string { return string(appendCell(nil, v)) }
			if got, want := strings.Join(rows[i+1], ","), instant+","+cell(prices[i])+","+cell(marketCaps[i])+","+cell(volumes[i]); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			number := func(v float64) string { return string(market.AppendNumber(nil, v)) }
			want := `{"timestamp":"` + instant + `","price":` + number(prices[i]) + `,"market_cap":` + number(marketCaps[i]) + `,"volume":` + number(volumes[i]) + "}\n"
			if lines[i] != want || !json.Valid([]byte(want)) {
				t.Errorf("got %s, want %s", lines[i], want)
			}
		}
	}
}
