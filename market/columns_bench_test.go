package market

import (
	"math/rand/v2"
	"testing"
	"time"
)

func benchChart(n int) (ChartRequest, *Chart) {
	req := ChartRequest{SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: Hourly}, 90}
	c := &Chart{Reading: Reading{Asset: Asset{ID: "bitcoin"}, Interval: Hourly, Days: 90, Sources: []string{"coingecko"}, FetchedAt: t0, FreshUntil: t0.Add(time.Minute)}, Currency: "usd"}
	r := rand.New(rand.NewPCG(1, 2))
	var prices, marketCaps, volumes []float64
	for range n {
		prices = append(prices, 60000+40000*r.Float64())
		marketCaps = append(marketCaps, 1e12+2e12*r.Float64())
		volumes = append(volumes, 1e10+9e10*r.Float64())
	}
	c.Prices, c.MarketCaps, c.Volumes = NewColumn(prices), NewColumn(marketCaps), NewColumn(volumes)
	from := ms(2026, 1, 1, 0, 0)
	c.Timestamps = spanning(Hourly, Range{from, from + int64(n)*Hourly.Step()})
	c.cover()
	return req, c
}

func BenchmarkDecodeChart(b *testing.B) {
	req, c := benchChart(2160)
	encoded := encodeChart(req, c)
	b.SetBytes(int64(len(encoded)))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = decodeChart(req, c.Asset, encoded)
	}
}

func BenchmarkAppendColumns(b *testing.B) {
	_, c := benchChart(2160)
	buf := make([]byte, 0, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		buf = c.Timestamps.AppendJSON(buf[:0])
		buf = c.Prices.AppendJSON(buf)
		buf = c.MarketCaps.AppendJSON(buf)
		buf = c.Volumes.AppendJSON(buf)
	}
	b.SetBytes(int64(len(buf)))
}
