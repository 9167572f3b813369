package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/coingraph/coingraph/market"
)

// question is one request of the trace: prices, or one chart.
type question struct {
	at     time.Time
	assets []string // of prices
	chart  market.ChartRequest
}

// trace draws the questions: Poisson arrivals, assets by Zipf's law, seven in ten for prices of one to five assets, the
// others for charts of what people look at.
func trace(o options, start time.Time) []question {
	r := rand.New(rand.NewPCG(o.seed, 1)) //nolint:gosec // a trace that can be drawn again, not a secret
	popular := rand.NewZipf(r, 1.1, 1, uint64(o.assets-1))
	asset := func() string { return assetID(int(popular.Uint64())) }
	daily, hourly := []market.Days{1, 7, 30, 90, 180, 365}, []market.Days{1, 2, 7, 30, 90}
	var questions []question
	for at := time.Duration(0); at < o.span; at += time.Duration(r.ExpFloat64() / o.rate * float64(time.Second)) {
		q := question{at: start.Add(at)}
		switch n := r.IntN(10); {
		case n < 7:
			for range 1 + r.IntN(5) {
				q.assets = append(q.assets, asset())
			}
		case n < 9:
			q.chart = market.ChartRequest{SeriesKey: market.SeriesKey{Asset: asset(), Currency: "usd", Interval: market.Daily}, Days: daily[r.IntN(len(daily))]}
		default:
			q.chart = market.ChartRequest{SeriesKey: market.SeriesKey{Asset: asset(), Currency: "usd", Interval: market.Hourly}, Days: hourly[r.IntN(len(hourly))]}
		}
		questions = append(questions, q)
	}
	return questions
}

func assetID(n int) string { return fmt.Sprintf("coin-%03d", n) }
