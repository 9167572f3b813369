package coingecko

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/coingraph/coingraph/fetch/wire"
	"github.com/coingraph/coingraph/market"
)

// Bounds of a page of ids. The reference names none; CoinGecko's own sample client asks for up to 515, and 7 KB stay below
// the 8 KB that proxies take for a request's line.
const (
	maxIDs   = 500
	maxQuery = 7 << 10
)

const quoteOptions = "&include_market_cap=true&include_24hr_vol=true&include_24hr_change=true&include_last_updated_at=true&precision=full"

// Quotes asks for all pairs of the pairs' assets and currencies, which costs no more calls than the pairs alone, and gives
// those that have a price. With an error, pairs that are missing were not answered.
// https://docs.coingecko.com/reference/simple-price
func (c *Client) Quotes(ctx context.Context, try Try, pairs []market.Pair) ([]market.Quote, error) {
	var ids []string
	var currencies []market.Currency
	for _, p := range pairs {
		if market.ValidAssetID(p.Asset) {
			ids = append(ids, p.Asset)
			currencies = append(currencies, p.Currency)
		}
	}
	currencies = unique(currencies)
	var quotes []market.Quote
	for _, page := range pagesOf(unique(ids), currencies) {
		err := try(ctx, simplePrice.Path, func(ctx context.Context, apiKey string) error {
			asked := c.now()
			r, err := c.get(ctx, apiKey, simplePrice, "", page.query)
			if err != nil {
				return err
			}
			got, err := c.decodeQuotes(r, page.ids, currencies, asked)
			quotes = append(quotes, got...)
			return err
		})
		if err != nil {
			return quotes, err
		}
	}
	return quotes, nil
}

// Riders are those of more, in their order, that fit into the calls that pairs cost anyhow. No currency comes along that is
// not among the pairs': it would make every asset's answer larger.
func (c *Client) Riders(pairs, more []market.Pair) []market.Pair {
	var ids []string
	var currencies []market.Currency
	for _, p := range pairs {
		ids = append(ids, p.Asset)
		currencies = append(currencies, p.Currency)
	}
	ids, currencies = unique(ids), unique(currencies)
	more = slices.DeleteFunc(slices.Clone(more), func(p market.Pair) bool {
		_, asked := slices.BinarySearch(currencies, p.Currency)
		return !asked || !market.ValidAssetID(p.Asset)
	})
	calls := len(pagesOf(ids, currencies))
	fits := func(n int) bool {
		all := slices.Clone(ids)
		for _, p := range more[:n] {
			all = append(all, p.Asset)
		}
		return len(pagesOf(unique(all), currencies)) <= calls
	}
	// The largest number that fits, as if more never fitted again: how ids fall into pages is not quite regular.
	n := sort.Search(len(more), func(n int) bool { return !fits(n + 1) })
	return more[:n]
}

func unique[T ~string](s []T) []T {
	slices.Sort(s)
	return slices.Compact(s)
}

// page is what one call asks for.
type page struct {
	ids   []string
	query string
}

// pagesOf cuts ids into the fewest pages. Commas stay as they are: escaping them would take three bytes each.
func pagesOf(ids []string, currencies []market.Currency) []page {
	var csv strings.Builder
	for i, cur := range currencies {
		if i > 0 {
			csv.WriteByte(',')
		}
		csv.WriteString(url.QueryEscape(string(cur)))
	}
	rest := "&vs_currencies=" + csv.String() + quoteOptions
	var pages []page
	for len(ids) > 0 {
		query, n := "ids=", 0
		for n < min(len(ids), maxIDs) {
			id := url.QueryEscape(ids[n])
			if n > 0 {
				id = "," + id
			}
			if n > 0 && len(query)+len(id)+len(rest) > maxQuery {
				break
			}
			query += id
			n++
		}
		pages = append(pages, page{ids[:n], query + rest})
		ids = ids[n:]
	}
	return pages
}

// decodeQuotes reads the prices of the ids in the currencies. An id or a price that is missing or null is a pair without a
// price. Anything that is no amount, or of a time that cannot be, refuses the whole answer.
func (c *Client) decodeQuotes(r *reply, ids []string, currencies []market.Currency, asked time.Time) ([]market.Quote, error) {
	coins, err := c.object(r)
	if err != nil {
		return nil, err
	}
	// Not only those that were asked for: an answer of another kind has none of them, and would be taken for "no price".
	for id, raw := range coins {
		if raw[0] != '{' && string(raw) != "null" {
			return nil, c.nonsense(r, fmt.Errorf("%s is no object", id))
		}
	}
	quotes := make([]market.Quote, 0, len(ids)*len(currencies))
	for _, id := range ids {
		raw, ok := coins[id]
		if !ok {
			continue
		}
		var values map[string]json.RawMessage
		if err := json.Unmarshal(raw, &values); err != nil {
			return nil, c.nonsense(r, fmt.Errorf("%s: %w", id, err))
		}
		for _, cur := range currencies {
			q, ok, err := decodeQuote(values, cur, asked)
			if err != nil {
				return nil, c.nonsense(r, fmt.Errorf("%s in %s: %w", id, cur, err))
			}
			if ok {
				q.Asset = id
				quotes = append(quotes, q)
			}
		}
	}
	return quotes, nil
}

// decodeQuote reads an asset's values in one currency; false: it has no price in it.
func decodeQuote(values map[string]json.RawMessage, cur market.Currency, asked time.Time) (q market.Quote, ok bool, err error) {
	value := func(suffix string, read func([]byte) (float64, error)) float64 {
		raw, there := values[string(cur)+suffix]
		if !there || string(raw) == "null" {
			return math.NaN()
		}
		v, e := read(raw)
		if e != nil && err == nil {
			err = fmt.Errorf("%s%s: %w", cur, suffix, e)
		}
		return v
	}
	q = market.Quote{
		Pair: market.Pair{Currency: cur}, Price: value("", wire.Amount), MarketCap: value("_market_cap", wire.Amount),
		Volume24h: value("_24h_vol", wire.Amount), Change24h: value("_24h_change", wire.Float),
		LastUpdatedAt: asked, FetchedAt: asked, Source: Name,
	}
	if err != nil || math.IsNaN(q.Price) {
		return q, false, err
	}
	if raw, there := values["last_updated_at"]; there && string(raw) != "null" {
		seconds, err := wire.Digits(raw)
		if err != nil {
			return q, false, err
		}
		q.LastUpdatedAt = time.Unix(seconds, 0).UTC()
		if err := wire.Instant(q.LastUpdatedAt, asked); err != nil {
			return q, false, err
		}
	}
	return q, true, nil
}

// object reads the members of an answer, or the error that it is in spite of its status.
func (c *Client) object(r *reply) (map[string]json.RawMessage, error) {
	members, err := wire.Object(r.Body)
	if err != nil {
		return nil, c.nonsense(r, err)
	}
	// "status" alone says nothing: there is an asset of that id.
	if code, message := readErrorObject(members); code != 0 || message != "" {
		return nil, c.refusal(r)
	}
	return members, nil
}
