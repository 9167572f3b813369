package coinmetrics

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/coingraph/coingraph/fetch/wire"
	"github.com/coingraph/coingraph/market"
)

var errEmptyPage = errors.New("the page has no row that was asked for, and there are more pages")

// decodeRows reads a page of rows of one asset and metric: ascending, one a stamp; of rows with the same time the last
// counts. A value is a text with a number; one that lacks or is null is no value. Refused whole are: a body without data; a
// row of another asset; a time that is no midnight, older than Bitcoin or ahead of now; a value that is a bare number,
// negative or not finite.
func decodeRows(body []byte, s series, now time.Time) (points []market.Point, next string, err error) {
	var answer struct {
		Data []map[string]json.RawMessage `json:"data"`
		Next string                       `json:"next_page_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, "", err
	}
	if answer.Data == nil {
		return nil, "", errors.New("there are no data")
	}
	points = make([]market.Point, 0, len(answer.Data))
	for i, row := range answer.Data {
		p, err := decodeRow(row, s, now)
		if err != nil {
			return nil, "", fmt.Errorf("row %d: %w", i, err)
		}
		points = append(points, p)
	}
	return wire.Ascending(points), answer.Next, nil
}

func decodeRow(row map[string]json.RawMessage, s series, now time.Time) (market.Point, error) {
	var asset string
	if json.Unmarshal(row["asset"], &asset) != nil || asset != s.asset {
		return market.Point{}, fmt.Errorf("it is of the asset %.40q, not %s", row["asset"], s.asset)
	}
	var at time.Time
	if err := json.Unmarshal(row["time"], &at); err != nil { // RFC 3339, with nanoseconds
		return market.Point{}, fmt.Errorf("%.40q is no time", row["time"])
	}
	if err := wire.Instant(at, now); err != nil {
		return market.Point{}, err
	}
	t := at.UnixMilli()
	if market.Daily.Floor(t) != t {
		return market.Point{}, fmt.Errorf("%s is no midnight", at.UTC().Format(time.RFC3339))
	}
	p := market.Point{Stamp: t + s.shift, Price: math.NaN(), MarketCap: math.NaN(), Volume: math.NaN()}
	if s.metric == priceUSD {
		p.Missing = market.MissingMarketCap | market.MissingVolume
	}
	switch raw, there := row[s.metric]; {
	case !there:
		p.Missing |= market.MissingPrice
	case string(raw) == "null":
	default:
		text, err := wire.Text(raw)
		if err == nil {
			p.Price, err = wire.Amount(text)
		}
		if err != nil {
			return market.Point{}, fmt.Errorf("%s: %w", s.metric, err)
		}
	}
	return p, nil
}
