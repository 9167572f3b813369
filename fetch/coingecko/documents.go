package coingecko

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/wire"
	"github.com/coingraph/coingraph/market"
)

// Document gives one of CoinGecko's answers as it came. What is asked is built of the query's fields alone: no path and no
// parameter is anybody else's text. https://docs.coingecko.com/reference has the endpoints.
func (c *Client) Document(ctx context.Context, try Try, q market.DocumentQuery) (market.Document, error) {
	e, id, query, opening, err := c.request(q)
	if err != nil {
		return market.Document{}, err
	}
	var d market.Document
	err = try(ctx, e.Path, func(ctx context.Context, apiKey string) error {
		asked := c.now()
		r, err := c.get(ctx, apiKey, e, id, query.Encode())
		if err != nil {
			return err
		}
		if err := c.whole(r, opening); err != nil {
			return err
		}
		d = market.Document{Body: r.Body, Total: totalOf(r), Source: Name, FetchedAt: asked}
		return nil
	})
	return d, err
}

// request is the call that a query stands for, and the byte that a good answer begins with.
func (c *Client) request(q market.DocumentQuery) (e endpoint, id string, query url.Values, opening byte, err error) {
	query = make(url.Values)
	set := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	switch q := q.(type) {
	case market.MarketsQuery:
		set("vs_currency", string(q.Currency))
		set("ids", strings.Join(q.IDs, ","))
		set("names", strings.Join(q.Names, ","))
		set("symbols", strings.Join(q.Symbols, ","))
		set("category", q.Category)
		set("order", q.Order)
		set("price_change_percentage", strings.Join(q.PriceChangePercentage, ","))
		set("locale", q.Locale)
		set("precision", q.Precision)
		set("page", positive(q.Page))
		set("per_page", positive(q.PerPage))
		if q.Sparkline {
			set("sparkline", "true")
		}
		return coinsMarkets, "", query, '[', nil
	case market.CandlesQuery:
		set("vs_currency", string(q.Currency))
		set("days", q.Days)
		set("interval", q.Interval)
		set("precision", q.Precision)
		return coinsOHLC, q.Asset, query, '[', validID(q.Asset)
	case market.SnapshotQuery:
		set("date", q.Date.Format("02-01-2006"))
		set("localization", strconv.FormatBool(q.Localization))
		return coinsHistory, q.Asset, query, '{', validID(q.Asset)
	case market.PlatformsQuery:
		set("include_platform", "true")
		return coinsList, "", query, '[', nil
	}
	return endpoint{}, "", nil, 0, fault.Wrap(fault.UpstreamPlan, fmt.Errorf("coingecko has no %T", q))
}

func validID(id string) error {
	if !market.ValidAssetID(id) {
		return fault.New(fault.UpstreamNotFound, "")
	}
	return nil
}

func positive(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// whole refuses an answer that is not JSON of the kind expected, or is an error in spite of its status.
func (c *Client) whole(r *reply, opening byte) error {
	body := bytes.TrimSpace(r.Body)
	if !json.Valid(body) {
		return c.nonsense(r, errors.New("it is no JSON"))
	}
	if body[0] == '{' {
		// An error's body is small and has nothing beside it; of an object with an id nothing is an error.
		members, err := wire.Object(body)
		if code, message := readErrorObject(members); err == nil && members["id"] == nil && (code != 0 || message != "") {
			return c.refusal(r)
		}
	}
	if body[0] != opening {
		return c.nonsense(r, fmt.Errorf("it begins with %q", body[0]))
	}
	return nil
}

// totalOf is how many rows all pages have together, -1 where the answer does not say.
func totalOf(r *reply) int {
	n, err := strconv.Atoi(r.Header.Get("Total"))
	if err != nil || n < 0 {
		return -1
	}
	return n
}
