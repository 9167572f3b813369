package coinpaprika

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/coingraph/coingraph/fetch/wire"
	"github.com/coingraph/coingraph/market"
)

// maxQuotes is how many currencies a call may name.
const maxQuotes = 3

// currencies are those that prices are to be had in.
// https://docs.coinpaprika.com/api-reference/tickers/get-tickers-for-all-active-coins
var currencies = []market.Currency{
	"usd", "btc", "eth", "eur", "pln", "krw", "gbp", "cad", "jpy", "rub", "try", "nzd", "aud", "chf", "uah", "hkd", "sgd", "ngn", "php",
	"mxn", "brl", "thb", "clp", "cny", "czk", "dkk", "huf", "idr", "ils", "inr", "myr", "nok", "pkr", "sek", "twd", "zar", "vnd", "ars",
}

// Quotes gives the prices of those of the pairs that are known here. Three currencies take one call: for one asset its
// ticker, for more the list of all. With an error, pairs that are missing were not answered.
func (c *Client) Quotes(ctx context.Context, try Try, pairs []market.Pair) ([]market.Quote, error) {
	wanted := make(map[market.Currency][]string) // CoinGecko's ids
	for _, p := range pairs {
		if c.ids[p.Asset] != nil && slices.Contains(currencies, p.Currency) && !slices.Contains(wanted[p.Currency], p.Asset) {
			wanted[p.Currency] = append(wanted[p.Currency], p.Asset)
		}
	}
	codes := make([]market.Currency, 0, len(wanted))
	for code := range wanted {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	var quotes []market.Quote
	for page := range slices.Chunk(codes, maxQuotes) {
		var assets []string
		for _, code := range page {
			assets = append(assets, wanted[code]...)
		}
		slices.Sort(assets)
		assets = slices.Compact(assets)
		e, id := tickers, ""
		if len(assets) == 1 {
			e, id = ticker, c.ids[assets[0]][0]
		}
		err := try(ctx, e.Path, func(ctx context.Context, _ string) error {
			got, err := c.fetchQuotes(ctx, e, id, assets, page)
			quotes = append(quotes, got...)
			return err
		})
		if err != nil {
			return quotes, err
		}
	}
	return quotes, nil
}

func (c *Client) fetchQuotes(ctx context.Context, e wire.Endpoint, id string, assets []string, page []market.Currency) ([]market.Quote, error) {
	codes := make([]string, len(page))
	for i, code := range page {
		codes[i] = strings.ToUpper(string(code))
	}
	asked := c.now()
	r, err := c.get(ctx, e, id, "quotes="+strings.Join(codes, ","))
	if err != nil {
		return nil, err
	}
	quotes, err := c.decodeTickers(r.Body, id != "", assets, page, asked)
	if err != nil {
		return nil, c.wire.Nonsense(r, err)
	}
	return quotes, nil
}

// tickerRow is what is read of a ticker.
type tickerRow struct {
	ID          string                                `json:"id"`
	LastUpdated time.Time                             `json:"last_updated"`
	Quotes      map[string]map[string]json.RawMessage `json:"quotes"`
}

// decodeTickers reads one ticker, or the list of all, and gives the prices of the assets in the currencies. A coin that lacks
// or was never updated, and a price that lacks or is null, are pairs without a price. Anything that is no amount, or of a
// time that cannot be, refuses the whole answer.
func (c *Client) decodeTickers(body []byte, single bool, assets []string, page []market.Currency, asked time.Time) ([]market.Quote, error) {
	var rows []tickerRow
	if single {
		rows = make([]tickerRow, 1)
		if err := json.Unmarshal(body, &rows[0]); err != nil {
			return nil, err
		}
	} else if err := json.Unmarshal(body, &rows); err != nil {
		return nil, err
	}
	byID := make(map[string]tickerRow, len(rows))
	for _, row := range rows {
		byID[row.ID] = row
	}
	if len(rows) == 0 || rows[0].ID == "" || rows[0].Quotes == nil {
		return nil, errors.New("it has no ticker")
	}
	var quotes []market.Quote
	for _, asset := range assets {
		row, there := byID[c.ids[asset][0]]
		switch {
		case !there && single:
			return nil, fmt.Errorf("it is of %.40q, not %s", rows[0].ID, c.ids[asset][0])
		case !there || row.LastUpdated.Year() <= 1:
			continue
		}
		if err := wire.Instant(row.LastUpdated, asked); err != nil {
			return nil, fmt.Errorf("%s: %w", row.ID, err)
		}
		for _, code := range page {
			q, ok, err := decodeQuote(row.Quotes[strings.ToUpper(string(code))])
			if err != nil {
				return nil, fmt.Errorf("%s in %s: %w", row.ID, code, err)
			}
			if ok {
				q.Pair = market.Pair{Asset: asset, Currency: code}
				q.LastUpdatedAt, q.FetchedAt, q.Source = row.LastUpdated.UTC(), asked, Name
				quotes = append(quotes, q)
			}
		}
	}
	return quotes, nil
}

// decodeQuote reads a ticker's values in one currency; false: it has no price in it.
func decodeQuote(values map[string]json.RawMessage) (q market.Quote, ok bool, err error) {
	value := func(name string, read func([]byte) (float64, error)) float64 {
		raw, there := values[name]
		if !there {
			return math.NaN()
		}
		v, e := read(raw)
		if e != nil && err == nil {
			err = fmt.Errorf("%s: %w", name, e)
		}
		return v
	}
	q.Price, q.MarketCap = value("price", wire.Amount), value("market_cap", wire.Amount)
	q.Volume24h, q.Change24h = value("volume_24h", wire.Amount), value("percent_change_24h", wire.Value)
	return q, err == nil && !math.IsNaN(q.Price), err
}
