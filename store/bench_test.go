package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/coingraph/coingraph/market"
)

func onEachBackend(b *testing.B, bench func(b *testing.B, fresh database)) {
	for name, fresh := range databases() {
		b.Run(name, func(b *testing.B) { bench(b, fresh) })
	}
}

// series is a new series of n hourly points.
func series(asset string, n int) market.SeriesWrite {
	start, fetched := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	step := market.Hourly.Step()
	w := market.SeriesWrite{SeriesKey: market.SeriesKey{Asset: asset, Currency: "usd", Interval: market.Hourly}}
	w.Covers, w.FetchedAt = market.Range{From: start, To: start + int64(n)*step}, fetched
	for i := range n {
		w.Points = append(w.Points, market.Point{
			Stamp: start + int64(i)*step, Price: float64(i) / 3, MarketCap: float64(i) * 1e6, Volume: float64(i) * 7,
			Source: "coingecko", FetchedAt: fetched,
		})
	}
	w.Known = []market.Known{{Range: w.Covers, Provider: "coingecko", FetchedAt: fetched}}
	return w
}

func reportRows(b *testing.B, rows int) {
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkSaveSeries(b *testing.B) {
	onEachBackend(b, func(b *testing.B, fresh database) {
		s := migrated(b, fresh(b))
		const rows = 5000
		w := series("", rows)
		for i := 0; b.Loop(); i++ {
			w.Asset = fmt.Sprint("asset ", i)
			if err := s.SaveSeries(context.Background(), w); err != nil {
				b.Fatal(err)
			}
		}
		reportRows(b, rows)
	})
}

// BenchmarkRefreshSeries writes what is stored already, fetched later.
func BenchmarkRefreshSeries(b *testing.B) {
	onEachBackend(b, func(b *testing.B, fresh database) {
		s := migrated(b, fresh(b))
		const rows = 5000
		w := series("bitcoin", rows)
		for b.Loop() {
			w.FetchedAt = w.FetchedAt.Add(time.Second)
			for i := range w.Points {
				w.Points[i].FetchedAt = w.FetchedAt
			}
			if err := s.SaveSeries(context.Background(), w); err != nil {
				b.Fatal(err)
			}
		}
		reportRows(b, rows)
	})
}

func BenchmarkHistories(b *testing.B) {
	onEachBackend(b, func(b *testing.B, fresh database) {
		s := migrated(b, fresh(b))
		const assets, points = 250, 1000
		var windows []market.Window
		for i := range assets {
			w := series(fmt.Sprint("asset ", i), points)
			if err := s.SaveSeries(context.Background(), w); err != nil {
				b.Fatal(err)
			}
			windows = append(windows, market.Window{SeriesKey: w.SeriesKey, Range: market.Range{From: w.Covers.To - 365*market.Hourly.Step(), To: w.Covers.To}})
		}
		for _, n := range []int{1, 250} {
			b.Run(fmt.Sprintf("%dx365", n), func(b *testing.B) {
				for i := 0; b.Loop(); i++ {
					histories, err := s.Histories(context.Background(), windows[i%(assets-n+1):][:n])
					if err != nil || len(histories[n-1].Points) != 365 {
						b.Fatal(err)
					}
				}
				reportRows(b, n*365)
			})
		}
	})
}

func BenchmarkQuotes(b *testing.B) {
	onEachBackend(b, func(b *testing.B, fresh database) {
		s := migrated(b, fresh(b))
		const assets, currencies = 250, 50
		var quotes []market.Quote
		var pairs []market.Pair
		for i := range assets * currencies {
			q := quote
			q.Asset, q.Currency = fmt.Sprint("asset ", i/currencies), market.Currency(fmt.Sprint("c", i%currencies))
			quotes, pairs = append(quotes, q), append(pairs, q.Pair)
		}
		b.Run("save", func(b *testing.B) {
			for b.Loop() {
				if err := s.SaveQuotes(context.Background(), quotes); err != nil {
					b.Fatal(err)
				}
			}
			reportRows(b, len(quotes))
		})
		for _, n := range []int{1, 100, len(pairs)} {
			b.Run(fmt.Sprintf("read %d", n), func(b *testing.B) {
				for b.Loop() {
					got, err := s.Quotes(context.Background(), pairs[:n])
					if err != nil || len(got) != n {
						b.Fatal(len(got), err)
					}
				}
				reportRows(b, n)
			})
		}
	})
}
