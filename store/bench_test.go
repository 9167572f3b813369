package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

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

// BenchmarkBackfill stores 100 assets × 10 years of daily points as a backfill does, an answer of each asset, by one writer and by as
// many as BACKFILL_CONCURRENCY has by default, and then copies the same rows into the same table in one COPY: ratio is how the
// speeds compare.
func BenchmarkBackfill(b *testing.B) {
	for _, writers := range []int{1, 4} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) { backfill(b, writers) })
	}
}

func backfill(b *testing.B, writers int) {
	const assets, days = 100, 3650
	ctx := context.Background()
	answers := make([]market.SeriesWrite, assets)
	for i := range answers {
		w := series(fmt.Sprint("asset ", i), days)
		w.Interval = market.Daily
		start := time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
		for d := range w.Points {
			w.Points[d].Stamp = start + int64(d)*market.Daily.Step()
		}
		w.Covers = market.Range{From: start, To: start + days*market.Daily.Step()}
		w.Known[0].Range = w.Covers
		answers[i] = w
	}
	var saving, copying time.Duration
	for b.Loop() {
		o := newPostgres(b)
		s := migrated(b, o)
		began := time.Now()
		var group errgroup.Group
		group.SetLimit(writers)
		for _, w := range answers {
			group.Go(func() error { return s.SaveSeries(ctx, w) })
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
		saving += time.Since(began)

		conn, err := pgx.Connect(ctx, o.DatabaseURL)
		if err != nil {
			b.Fatal(err)
		}
		began = time.Now()
		n, err := conn.CopyFrom(ctx, pgx.Identifier{"charts", "points"}, []string{"ts", "fetched_at", "price", "market_cap", "volume", "series_id", "source_id", "missing"},
			pgx.CopyFromSlice(assets*days, func(i int) ([]any, error) {
				p := &answers[i/days].Points[i%days]
				return []any{p.Stamp, p.FetchedAt.UnixMilli(), p.Price, p.MarketCap, p.Volume, int32(1_000_000 + i/days), int16(1), int16(0)}, nil
			}))
		copying += time.Since(began)
		if err != nil || n != assets*days {
			b.Fatal(n, err)
		}
		_ = conn.Close(ctx)
	}
	rows := float64(b.N) * assets * days
	b.ReportMetric(rows/saving.Seconds(), "rows/s")
	b.ReportMetric(rows/copying.Seconds(), "COPY-rows/s")
	b.ReportMetric(copying.Seconds()/saving.Seconds(), "ratio")
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
