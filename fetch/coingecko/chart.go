package coingecko

import (
	"context"
	"net/url"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

// Series asks for the missing ranges of a series (ascending grid ranges) in as few calls as CoinGecko's windows allow. What
// is older than the plan's history is told as Beyond, without a call. Each answer is complete in itself; with an error,
// the answers that are there are good.
func (c *Client) Series(ctx context.Context, try Try, key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
	if !market.ValidAssetID(key.Asset) {
		return nil, fault.New(fault.UpstreamNotFound, "")
	}
	now := c.now()
	calls, beyond := c.plan(key.Interval, missing, now)
	answers := make([]market.Fetched, 0, len(beyond)+len(calls))
	for _, r := range beyond {
		answers = append(answers, market.Fetched{Beyond: r, Source: Name, FetchedAt: now})
	}
	for _, w := range calls {
		err := try(ctx, w.Path, func(ctx context.Context, apiKey string) error {
			f, err := c.fetch(ctx, apiKey, key, w, missing)
			if err == nil {
				answers = append(answers, f)
			}
			return err
		})
		if err != nil {
			return answers, err
		}
	}
	return answers, nil
}

// Calls is how many calls Series would make. It makes none.
func (c *Client) Calls(key market.SeriesKey, missing []market.Range) int {
	calls, _ := c.plan(key.Interval, missing, c.now())
	return len(calls)
}

// fetch makes one call and reads its answer. A call may be a retry, some time after it was planned.
func (c *Client) fetch(ctx context.Context, apiKey string, key market.SeriesKey, w window, missing []market.Range) (market.Fetched, error) {
	asked := c.now()
	r, err := c.get(ctx, apiKey, w.endpoint, key.Asset, "vs_currency="+url.QueryEscape(string(key.Currency))+"&"+w.query)
	if err != nil {
		return market.Fetched{}, err
	}
	members, err := c.object(r)
	if err != nil {
		return market.Fetched{}, err
	}
	s, err := decodeChart(members, key.Interval, w.live, asked)
	if err != nil {
		return market.Fetched{}, c.nonsense(r, err)
	}
	f := market.Fetched{Points: s.points, Tail: s.tail, Covers: w.covers(key.Interval, missing, s.points, asked), Source: Name, FetchedAt: asked}
	stamp(f.Points, asked)
	if f.Tail != nil {
		f.Tail.FetchedAt = asked
	}
	return f, nil
}

func stamp(points []market.Point, fetchedAt time.Time) {
	for i := range points {
		points[i].FetchedAt = fetchedAt
	}
}
