package coinpaprika

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/wire"
	"github.com/coingraph/coingraph/market"
)

// maxRows is how many rows a call gives at most.
const maxRows = 5000

// steps are how the intervals are called, and how far back the free plan has them. What a paid plan has is not asked for
// ahead: it refuses what is beyond.
// https://docs.coinpaprika.com/api-reference/tickers/get-historical-ticks-for-a-specific-coin
var steps = map[market.Interval]struct {
	name string
	free time.Duration
}{
	market.Daily:  {"1d", 365 * 24 * time.Hour},
	market.Hourly: {"1h", 24 * time.Hour},
}

// Series asks for the missing ranges of a chart in USD or BTC (ascending grid ranges). What is older than the free plan's
// history is told as Beyond, without a call. Each answer is complete in itself; with an error, the answers that are there
// are good.
func (c *Client) Series(ctx context.Context, try Try, key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
	id, known := c.ids[key.Asset]
	if !known || !offered(key) {
		return nil, fault.New(fault.UpstreamNotFound, "")
	}
	now := c.now()
	calls, beyond := c.plan(key, missing, now)
	return wire.Job{Source: Name, Endpoint: historical.Path, Calls: calls, Beyond: beyond, Now: now}.Do(ctx, try,
		func(ctx context.Context, w market.Range) (market.Fetched, error) { return c.fetch(ctx, id[0], key, w) })
}

// offered tells whether there are such series at all.
func offered(key market.SeriesKey) bool {
	_, stepped := steps[key.Interval]
	return stepped && !key.OnChain() && (key.Currency == "usd" || key.Currency == "btc")
}

func (c *Client) plan(key market.SeriesKey, missing []market.Range, now time.Time) (calls, beyond []market.Range) {
	first := int64(0)
	if c.free {
		const late = time.Minute // the request takes its time
		first = wire.Ceil(key.Interval, now.Add(late-steps[key.Interval].free).UnixMilli())
	}
	return wire.Plan(key.Interval, missing, first, key.Interval.Floor(now.UnixMilli())+key.Interval.Step(), maxRows)
}

// Calls is how many calls Series would make. It makes none.
func (c *Client) Calls(key market.SeriesKey, missing []market.Range) int {
	if _, known := c.ids[key.Asset]; !known || !offered(key) {
		return 0
	}
	calls, _ := c.plan(key, missing, c.now())
	return len(calls)
}

func (c *Client) fetch(ctx context.Context, id string, key market.SeriesKey, w market.Range) (market.Fetched, error) {
	asked := c.now()
	step := key.Interval.Step()
	query := fmt.Sprintf("start=%d&end=%d&interval=%s&quote=%s&limit=%d",
		w.From/1000, (w.To-step)/1000, steps[key.Interval].name, key.Currency, maxRows)
	r, err := c.get(ctx, historical, id, query)
	if err != nil {
		return market.Fetched{}, err
	}
	rows, err := decodeTicks(r.Body, key.Interval, asked)
	if err != nil {
		return market.Fetched{}, c.wire.Nonsense(r, err)
	}
	return wire.Answer(Name, rows, w, asked), nil
}

// decodeTicks reads historical values: ascending, one a stamp; of rows with the same stamp the last counts. Refused whole
// are: a body that is no array of objects; a timestamp off the grid, older than Bitcoin or ahead of now; a value that is
// text, negative or not finite.
func decodeTicks(body []byte, interval market.Interval, now time.Time) ([]market.Point, error) {
	var rows []map[string]json.RawMessage
	if err := json.Unmarshal(body, &rows); err != nil {
		return nil, err
	}
	if rows == nil {
		return nil, errors.New("null is no array")
	}
	points := make([]market.Point, 0, len(rows))
	for i, row := range rows {
		p, err := decodeTick(row, interval, now)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
		points = append(points, p)
	}
	return wire.Ascending(points), nil
}

func decodeTick(row map[string]json.RawMessage, interval market.Interval, now time.Time) (market.Point, error) {
	var at time.Time
	if err := json.Unmarshal(row["timestamp"], &at); err != nil {
		return market.Point{}, fmt.Errorf("%.40q is no time", row["timestamp"])
	}
	if err := wire.Instant(at, now); err != nil {
		return market.Point{}, err
	}
	p := market.Point{Stamp: at.UnixMilli()}
	if interval.Floor(p.Stamp) != p.Stamp {
		return market.Point{}, fmt.Errorf("%s is not on the grid", at.UTC().Format(time.RFC3339))
	}
	for _, v := range [...]struct {
		name string
		into *float64
		bit  market.Missing
	}{
		{"price", &p.Price, market.MissingPrice}, {"market_cap", &p.MarketCap, market.MissingMarketCap}, {"volume_24h", &p.Volume, market.MissingVolume},
	} {
		raw, there := row[v.name]
		if !there {
			*v.into, p.Missing = math.NaN(), p.Missing|v.bit
			continue
		}
		var err error
		if *v.into, err = wire.Amount(raw); err != nil {
			return market.Point{}, fmt.Errorf("%s: %w", v.name, err)
		}
	}
	return p, nil
}
