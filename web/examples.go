package web

import (
	"encoding/json"
	"time"

	"github.com/coingraph/coingraph/market"
)

// What examples in the document are made of.
const (
	exampleRequestID = "4TZJJQCJ5OLV4QZ4T5DVDBFZZZ"
	exampleWait      = 17 * time.Second
)

// exampleTime is when the examples happen.
var exampleTime = time.Date(2026, time.November, 24, 11, 9, 30, 0, time.UTC)

// pricesExample is written by the code that writes the answers.
func pricesExample() any { return json.RawMessage(pricesAs(plainJSON, examplePrices()).body) }

func examplePrices() []*market.Price {
	quote := func(asset string, price, marketCap, volume, change float64) *market.Price {
		return &market.Price{
			Asset: market.Asset{ID: asset}, Currency: "usd",
			Price: market.Number(price), MarketCap: market.Number(marketCap), Volume24h: market.Number(volume), Change24h: market.Number(change),
			LastUpdatedAt: exampleTime.Add(-8 * time.Second), FetchedAt: exampleTime, Source: "coingecko",
		}
	}
	return []*market.Price{
		quote("bitcoin", 136459.46064396048, 2736033801508.314, 103942731186.31, 1.090038650167946),
		quote("ethereum", 4216.872644634808, 511197773477.7821, 40815296733.9, 0.591399409555593),
	}
}

func chartExample() any { return json.RawMessage(chartAs(plainJSON, exampleChart()).body) }

// exampleRows is the example of a chart in a media type of rows.
func exampleRows(media string) string { return string(chartAs(media, exampleChart()).body) }

func exampleChart() *market.Chart {
	day := func(d int) time.Time { return time.Date(2026, time.November, d, 0, 0, 0, 0, time.UTC) }
	from, to := day(22), day(24)
	return &market.Chart{
		Reading: market.Reading{
			Asset: market.Asset{ID: "bitcoin"}, Interval: market.Daily, Days: 3,
			Timestamps: market.NewTimestamps(market.Daily, from.UnixMilli(), day(23).UnixMilli(), to.UnixMilli()),
			Sources:    []string{"coingecko"}, FetchedAt: exampleTime,
			Coverage: market.Coverage{Complete: true, From: &from, To: &to},
		},
		Currency:   "usd",
		Prices:     market.NewColumn([]float64{135437.19151380117, 136890.34704203627, 134118.7620913267}),
		MarketCaps: market.NewColumn([]float64{2715060642630.5576, 2744355250710.5186, float64(market.Null())}),
		Volumes:    market.NewColumn([]float64{107687429567.79803, 138575819535.98965, 148196062746.15964}),
	}
}
