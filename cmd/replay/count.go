package main

import (
	"time"

	"github.com/coingraph/coingraph/market"
)

// calls are calls to the provider.
type calls struct{ prices, charts int }

// What a call can carry: of prices so many pairs, of hours so many days; days as many as a year has.
const (
	pairsPerCall = 500
	hourlyWindow = 90 * 24
)

// leastCalls is the fewest calls that any cache could make, which knows the future.
func leastCalls(questions []question) calls {
	var c calls
	window := make(map[string]bool)
	var ends time.Time
	series := make(map[market.SeriesKey]*asked)
	for _, q := range questions {
		if q.assets != nil {
			if !q.at.Before(ends) {
				c.prices += ceil(len(window), pairsPerCall)
				clear(window)
				ends = q.at.Truncate(priceTTL).Add(priceTTL)
			}
			for _, a := range q.assets {
				window[a] = true
			}
			continue
		}
		s := series[q.chart.SeriesKey]
		newest, points := q.chart.Interval.Newest(q.at), int64(q.chart.Points(q.at))
		oldest := newest - (points-1)*q.chart.Interval.Step()
		if s == nil {
			series[q.chart.SeriesKey] = &asked{first: newest, oldest: oldest, newest: newest}
			continue
		}
		s.oldest = min(s.oldest, oldest)
		if newest > s.newest {
			s.newest = newest
			s.further++
		}
	}
	c.prices += ceil(len(window), pairsPerCall)
	for key, s := range series {
		windows := 1
		if key.Interval == market.Hourly {
			windows = ceil(int((s.first-s.oldest)/key.Interval.Step())+1, hourlyWindow)
		}
		c.charts += windows + s.further
	}
	return c
}

// asked is what was asked of a series.
type asked struct {
	first, oldest, newest int64 // the newest point of the first question, and of all
	further               int   // questions for a point that no earlier one could have
}

func ceil(n, d int) int { return (n + d - 1) / d }

// plainCalls is what a cache of each price and each chart for its TTL would cost, shared by all replicas.
func plainCalls(questions []question) calls {
	var c calls
	expires := make(map[any]time.Time)
	miss := func(key any, at time.Time, ttl time.Duration) bool {
		if at.Before(expires[key]) {
			return false
		}
		expires[key] = at.Add(ttl)
		return true
	}
	for _, q := range questions {
		for _, a := range q.assets {
			if miss(a, q.at, priceTTL) {
				c.prices++
			}
		}
		if q.assets == nil {
			ttl := dailyTTL
			if q.chart.Interval == market.Hourly {
				ttl = hourlyTTL
			}
			if miss(q.chart, q.at, ttl) {
				c.charts++
			}
		}
	}
	return c
}
