package simulator

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coingraph/coingraph/market"
)

func refuseCoinPaprika(status int) *reply {
	return flat(status, strings.ToLower(http.StatusText(status)))
}

func coinPaprikaEndpoint(q *request) string {
	switch n := len(q.segments); {
	case n == 1 && q.segments[0] == "tickers":
		return q.vendor.root + "/tickers"
	case n == 2 && q.segments[0] == "tickers":
		return q.vendor.root + "/tickers/{id}"
	case n == 3 && q.segments[0] == "tickers" && q.segments[2] == "historical":
		return q.vendor.root + "/tickers/{id}/historical"
	}
	return "unknown"
}

// coinPaprika is /tickers, /tickers/{id} and /tickers/{id}/historical with what the free plan is given.
func (s *Simulator) coinPaprika(q *request) *reply {
	endpoint := strings.TrimPrefix(q.endpoint(), q.vendor.root)
	if endpoint == "unknown" {
		return refuseCoinPaprika(http.StatusNotFound)
	}
	var quotes []market.Currency
	for _, code := range q.list("quotes") {
		quotes = append(quotes, market.Currency(strings.ToLower(code)))
	}
	if len(quotes) == 0 {
		quotes = []market.Currency{"usd"}
	}
	for _, code := range quotes {
		if s.world.currencies[code] == nil || len(quotes) > 3 {
			return refuseCoinPaprika(http.StatusBadRequest)
		}
	}
	if endpoint == "/tickers" {
		b := []byte{'['}
		for _, c := range s.world.order {
			if s.world.exists(c, q.now) {
				if len(b) > 1 {
					b = append(b, ',')
				}
				b = s.appendTicker(b, q.now, paprikaID(c), c, quotes)
			}
		}
		return plainJSON(append(b, ']'))
	}
	id := q.segments[1]
	symbol, _, _ := strings.Cut(id, "-")
	c := s.bySymbol(symbol, q.now)
	switch {
	case c == nil:
		return flat(http.StatusNotFound, "id not found")
	case endpoint == "/tickers/{id}":
		return plainJSON(s.appendTicker(nil, q.now, id, c, quotes))
	}
	return s.ticks(q, c)
}

// paprikaIDs are ids that are not made of symbol and name.
var paprikaIDs = map[string]string{"binancecoin": "bnb-binance-coin", "usd-coin": "usdc-usd-coin", "ripple": "xrp-xrp", "aave": "aave-new"}

// paprikaID is a coin's id there.
func paprikaID(c *coin) string {
	if id, ok := paprikaIDs[c.ID]; ok {
		return id
	}
	return strings.ToLower(c.Symbol + "-" + strings.ReplaceAll(c.Name, " ", "-"))
}

func (s *Simulator) appendTicker(b []byte, now int64, id string, c *coin, quotes []market.Currency) []byte {
	b = append(append(b, `{"id":`...), quote(id)...)
	b = append(append(b, `,"name":`...), c.name...)
	b = append(append(b, `,"symbol":`...), quote(strings.ToUpper(c.Symbol))...)
	b = append(b, `,"max_supply":0,"last_updated":"`...)
	b = time.UnixMilli(s.world.updated(c, now)).UTC().AppendFormat(b, time.RFC3339)
	b = append(b, `","quotes":{`...)
	for i, code := range quotes {
		v, ok := s.world.quote(c, s.world.currencies[code], now)
		if !ok {
			continue
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), strings.ToUpper(string(code))...), `":{"price":`...)
		b = appendShort(b, v.Price)
		b = append(appendShort(append(b, `,"volume_24h":`...), v.Volume24h), `,"market_cap":`...)
		b = appendShort(b, math.Round(v.MarketCap))
		if v.Change24h == v.Change24h {
			b = appendShort(append(b, `,"percent_change_24h":`...), round(v.Change24h, 2))
		}
		b = append(b, `,"ath_date":null}`...)
	}
	return append(b, `}}`...)
}

// ticks are the daily or hourly values of a coin; the free plan's end a year and a day ago.
func (s *Simulator) ticks(q *request, c *coin) *reply {
	step, back := daily, 366*day
	switch q.query.Get("interval") {
	case "1d", "24h":
	case "1h":
		step, back = hourly, day+hour
	default:
		return refuseCoinPaprika(http.StatusPaymentRequired)
	}
	cur := s.world.currencies[market.Currency(strings.ToLower(q.query.Get("quote")))]
	from, p := q.instant("start")
	if p != nil || cur == nil {
		return refuseCoinPaprika(http.StatusBadRequest)
	}
	to := q.now
	if q.query.Has("end") {
		if to, p = q.instant("end"); p != nil {
			return p
		}
	}
	limit, ok := q.whole("limit", 1000, 1, 5000)
	if !ok {
		return refuseCoinPaprika(http.StatusBadRequest)
	}
	if from < q.now-back {
		return flat(http.StatusPaymentRequired, "getting historical data before "+time.UnixMilli(q.now-back).UTC().Format(time.RFC3339)+" is not allowed in this plan")
	}
	b := []byte{'['}
	for t := (max(from, c.listed) + step - 1) / step * step; t <= min(to, q.now) && limit > 0; t += step {
		v, ok := s.world.point(c, cur, t)
		if !ok {
			continue
		}
		limit--
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = time.UnixMilli(t).UTC().AppendFormat(b, `{"timestamp":"2006-01-02T15:04:05Z","price":`)
		b = append(appendShort(b, v.Price), `,"volume_24h":`...)
		b = append(strconv.AppendFloat(b, math.Round(v.Volume), 'f', 0, 64), `,"market_cap":`...)
		b = append(strconv.AppendFloat(b, math.Round(v.MarketCap), 'f', 0, 64), '}')
	}
	return plainJSON(append(b, ']'))
}
