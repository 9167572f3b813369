package coinmetrics

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/wire"
	"github.com/coingraph/coingraph/market"
)

const dayMs = int64(24 * time.Hour / time.Millisecond)

// pageSize is how many rows a page has at most: the reference's maximum, 27 years of days.
const pageSize = 10_000

// priceUSD is the metric that charts are made of.
const priceUSD = "PriceUSD"

// metrics are their names of market's metrics, and the units.
var metrics = map[market.Metric]struct{ name, unit string }{
	market.ActiveAddresses:  {"AdrActCnt", "addresses"},
	market.TransactionCount: {"TxCnt", "transactions"},
	market.MVRV:             {"CapMVRVCur", "ratio"},
}

// series is what is asked for.
type series struct {
	asset, metric string
	shift         int64 // from a row's time to its point's stamp
}

// seriesOf is what a key is called; false: it is not to be had here.
func (c *Client) seriesOf(key market.SeriesKey) (series, bool) {
	id, known := c.ids[key.Asset]
	switch {
	case !known || key.Interval != market.Daily:
		return series{}, false
	case !key.OnChain():
		return series{id[0], priceUSD, dayMs}, key.Currency == "usd"
	}
	m := metrics[key.Metric].name
	return series{id[0], m, 0}, m != "" && slices.Contains(strings.Fields(id[1]), m)
}

// Offers are the on-chain metrics, in market's order. It makes no call.
func (c *Client) Offers() []market.Offer {
	ids := make([]string, 0, len(c.ids))
	for id := range c.ids {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var offers []market.Offer
	for _, m := range market.AllMetrics() {
		for _, id := range ids {
			if slices.Contains(strings.Fields(c.ids[id][1]), metrics[m].name) {
				offers = append(offers, market.Offer{
					Metric: m, Asset: id, Intervals: []market.Interval{market.Daily}, Unit: metrics[m].unit, Provider: Name,
				})
			}
		}
	}
	return offers
}

// Series asks for the missing ranges of a chart in USD or of a metric (ascending grid ranges) in as few calls as there are
// pages. The running day has no row, and is not covered. Each answer is complete in itself; with an error, the answers
// that are there are good.
func (c *Client) Series(ctx context.Context, try Try, key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
	s, ok := c.seriesOf(key)
	if !ok {
		return nil, fault.New(fault.UpstreamNotFound, "")
	}
	now := c.now()
	// The last point is of the last day that is over.
	end := market.Daily.Floor(now.UnixMilli()) + s.shift
	calls, _ := wire.Plan(market.Daily, missing, 0, end, pageSize)
	var answers []market.Fetched
	for _, w := range calls {
		for page := ""; ; {
			err := try(ctx, assetMetrics.Path, func(ctx context.Context, _ string) error {
				f, next, err := c.fetch(ctx, s, w, page)
				if err != nil {
					return err
				}
				answers = append(answers, f)
				w.From, page = f.Covers.To, next
				return nil
			})
			if err != nil {
				return answers, err
			}
			if page == "" {
				break
			}
		}
	}
	if len(answers) == 0 { // only of days to come
		answers = append(answers, market.Fetched{Source: Name, FetchedAt: now})
	}
	return answers, nil
}

// Calls is how many calls Series would make, if each has one page. It makes none.
func (c *Client) Calls(key market.SeriesKey, missing []market.Range) int {
	s, ok := c.seriesOf(key)
	if !ok {
		return 0
	}
	calls, _ := wire.Plan(market.Daily, missing, 0, market.Daily.Floor(c.now().UnixMilli())+s.shift, pageSize)
	return len(calls)
}

// fetch makes one call for a page of a span, and gives the token of the next page; "": there is none.
func (c *Client) fetch(ctx context.Context, s series, w market.Range, page string) (market.Fetched, string, error) {
	asked := c.now()
	day := func(t int64) string { return time.UnixMilli(t).UTC().Format(time.DateOnly) }
	query := url.Values{
		"assets": {s.asset}, "metrics": {s.metric}, "frequency": {"1d"}, "page_size": {strconv.Itoa(pageSize)}, "paging_from": {"start"},
		"start_time": {day(w.From - s.shift)}, "end_time": {day(w.To - s.shift - dayMs)},
	}
	if page != "" {
		query.Set("next_page_token", page)
	}
	r, err := c.get(ctx, query)
	if err != nil {
		return market.Fetched{}, "", err
	}
	rows, next, err := decodeRows(r.Body, s, asked)
	if err != nil {
		return market.Fetched{}, "", c.nonsense(r, err)
	}
	f := wire.Answer(Name, rows, w, asked)
	if next != "" { // pages begin with the oldest rows: the next one has those behind the last
		if len(f.Points) == 0 {
			return market.Fetched{}, "", c.nonsense(r, errEmptyPage)
		}
		f.Covers.To = f.Points[len(f.Points)-1].Stamp + dayMs
	}
	return f, next, nil
}
