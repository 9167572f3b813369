package simulator

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/coingraph/coingraph/market"
)

// simplePrice is /simple/price. Its keys are sorted; what is unknown is left out.
func (s *Simulator) simplePrice(q *request) *reply {
	if q.query.Get("vs_currencies") == "" {
		return missing("vs_currencies")
	}
	wanted, p := s.wanted(q)
	if p != nil {
		return p
	}
	precision, p := q.precision(auto)
	if p != nil {
		return p
	}
	currencies := q.list("vs_currencies")
	for i, c := range currencies {
		currencies[i] = strings.ToLower(c)
	}

	b := make([]byte, 0, 64*len(wanted)*(len(currencies)+1))
	b = append(b, '{')
	for _, want := range wanted {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(b, want.key...), ':')
		b = s.appendQuotes(b, q, want.coin, currencies, precision)
	}
	return success(append(b, '}'), 60)
}

// wanted is a coin under the key that it was asked by, as a JSON string.
type wanted struct {
	key  []byte
	coin *coin
}

// wanted are the coins that a request selects: by ids, else names, else symbols, of which the largest coin is meant.
func (s *Simulator) wanted(q *request) ([]wanted, *reply) {
	var out []wanted
	keys := q.list("ids")
	find := func(k string) *coin { return s.world.coins[k] }
	switch {
	case len(keys) > 0:
	case q.query.Get("names") != "":
		keys, find = q.list("names"), s.largest(q.now, func(c *coin) string { return c.Name })
	case q.query.Get("symbols") != "":
		keys, find = q.list("symbols"), s.largest(q.now, func(c *coin) string { return c.Symbol })
	default:
		return nil, missing("ids")
	}
	slices.Sort(keys)
	for _, k := range keys {
		if c := find(k); c != nil && s.world.exists(c, q.now) {
			out = append(out, wanted{quote(k), c})
		}
	}
	return out, nil
}

// largest finds the coin with the largest market cap of those that a property is the same of, whatever the case.
func (s *Simulator) largest(now int64, of func(*coin) string) func(string) *coin {
	return func(key string) *coin {
		var all []*coin
		for _, c := range s.world.order {
			if strings.EqualFold(of(c), key) && s.world.exists(c, now) {
				all = append(all, c)
			}
		}
		if len(all) == 0 {
			return nil
		}
		return slices.MaxFunc(all, func(a, b *coin) int {
			return cmp.Compare(s.world.capNow(a, now), s.world.capNow(b, now))
		})
	}
}

// capNow is the market cap in USD.
func (w *world) capNow(c *coin, now int64) float64 {
	t := w.updated(c, now)
	return w.marketCapUSD(c, t, w.usd(c, t))
}

func (s *Simulator) appendQuotes(b []byte, q *request, c *coin, currencies []string, precision int) []byte {
	b = append(b, '{')
	start := len(b)
	value := func(code, suffix string, v float64) {
		b = append(append(append(append(b, '"'), code...), suffix...), `":`...)
		b = append(appendFloat(b, v), ',')
	}
	for _, code := range currencies {
		cur, ok := s.world.currencies[market.Currency(code)]
		if !ok {
			continue
		}
		v, ok := s.world.quote(c, cur, q.now)
		if !ok {
			continue
		}
		n := precision
		if n == auto {
			n = decimals(v.Price, cur.coin != nil)
		}
		b = append(append(append(b, '"'), code...), `":`...)
		b = append(appendPrice(b, v.Price, n), ',')
		if q.flag("include_market_cap") {
			value(code, "_market_cap", v.MarketCap)
		}
		if q.flag("include_24hr_vol") {
			value(code, "_24h_vol", v.Volume24h)
		}
		if q.flag("include_24hr_change") {
			value(code, "_24h_change", v.Change24h)
		}
	}
	if len(b) == start {
		return append(b, '}')
	}
	if q.flag("include_last_updated_at") {
		b = append(b, `"last_updated_at":`...)
		b = append(strconv.AppendInt(b, s.world.updated(c, q.now)/second, 10), ',')
	}
	b[len(b)-1] = '}' // in the place of the last comma
	return b
}
