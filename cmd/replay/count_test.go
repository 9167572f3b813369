package main

import (
	"testing"
	"time"

	"github.com/coingraph/coingraph/market"
)

func TestCounting(t *testing.T) {
	at := func(minutes float64) time.Time {
		return time.Date(2026, 3, 10, 12, 10, 0, 0, time.UTC).Add(time.Duration(minutes * float64(time.Minute)))
	}
	price := func(minutes float64, assets ...string) question { return question{at: at(minutes), assets: assets} }
	chart := func(minutes float64, interval market.Interval, days market.Days) question {
		return question{at: at(minutes), chart: market.ChartRequest{SeriesKey: market.SeriesKey{Asset: "a", Currency: "usd", Interval: interval}, Days: days}}
	}
	for _, c := range []struct {
		name         string
		questions    []question
		least, plain calls
	}{
		{"nothing", nil, calls{}, calls{}},
		{"a window is one call, whatever is asked", []question{price(0, "a", "b"), price(.1, "b", "c"), price(.4, "d")}, calls{prices: 1}, calls{prices: 4}},
		{"two windows", []question{price(0, "a"), price(.6, "a")}, calls{prices: 2}, calls{prices: 2}},
		{"days are one call a year", []question{chart(0, market.Daily, 30), chart(1, market.Daily, 365)}, calls{charts: 1}, calls{charts: 2}},
		{"the next day's point is one more", []question{chart(0, market.Daily, 30), chart(24*60, market.Daily, 7)}, calls{charts: 2}, calls{charts: 2}},
		{"90 days of hours are one", []question{chart(0, market.Hourly, 1), chart(1, market.Hourly, 90), chart(2, market.Hourly, 90)}, calls{charts: 1}, calls{charts: 2}},
		{"a year of hours is five", []question{chart(0, market.Hourly, 365)}, calls{charts: 5}, calls{charts: 1}},
		{"each hour that is asked for is one more", []question{chart(0, market.Hourly, 1), chart(60, market.Hourly, 1), chart(180, market.Hourly, 1)}, calls{charts: 3}, calls{charts: 3}},
	} {
		if got := leastCalls(c.questions); got != c.least {
			t.Errorf("%s: the least: %+v, want %+v", c.name, got, c.least)
		}
		if got := plainCalls(c.questions); got != c.plain {
			t.Errorf("%s: plain: %+v, want %+v", c.name, got, c.plain)
		}
	}
}
