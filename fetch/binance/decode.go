package binance

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/coingraph/coingraph/fetch/wire"
	"github.com/coingraph/coingraph/market"
)

// A candle's columns: https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints
const (
	openTime  = 0 // Unix ms
	openPrice = 1 // the prices are texts
	closeTime = 6 // Unix ms, one before the next candle's open time
	columns   = 12
)

// decodeCandles reads candles as samples at the instants where they open: ascending, one a stamp; of rows with the same
// stamp the last counts. Refused whole are: a body that is no array of rows of 12; a candle of another step, off the grid,
// older than Bitcoin or ahead of now; a price that is a bare number, negative or not finite.
func decodeCandles(body []byte, interval market.Interval, now time.Time) ([]market.Point, error) {
	var rows [][]json.RawMessage
	if err := json.Unmarshal(body, &rows); err != nil {
		return nil, err
	}
	if rows == nil {
		return nil, errors.New("null is no array")
	}
	points := make([]market.Point, 0, len(rows))
	for i, row := range rows {
		p, err := decodeCandle(row, interval, now)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
		points = append(points, p)
	}
	return wire.Ascending(points), nil
}

func decodeCandle(row []json.RawMessage, interval market.Interval, now time.Time) (market.Point, error) {
	if len(row) != columns {
		return market.Point{}, fmt.Errorf("it has %d columns", len(row))
	}
	opened, err := wire.Digits(row[openTime])
	if err != nil {
		return market.Point{}, err
	}
	closed, err := wire.Digits(row[closeTime])
	if err != nil {
		return market.Point{}, err
	}
	if err := wire.Instant(time.UnixMilli(opened), now); err != nil {
		return market.Point{}, err
	}
	if interval.Floor(opened) != opened || closed != opened+interval.Step()-1 {
		return market.Point{}, fmt.Errorf("the candle from %d to %d is none of the step %s", opened, closed, interval)
	}
	text, err := wire.Text(row[openPrice])
	if err != nil {
		return market.Point{}, err
	}
	price, err := wire.Amount(text)
	if err != nil {
		return market.Point{}, err
	}
	return market.Point{
		Stamp: opened, Price: price, MarketCap: math.NaN(), Volume: math.NaN(),
		Missing: market.MissingMarketCap | market.MissingVolume,
	}, nil
}
