package simulator

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/coingraph/coingraph/market"
)

// answer is what the API says to a request.
func (s *Simulator) answer(q *request) *reply {
	if q.vendor != nil {
		return q.vendor.answer(s, q)
	}
	if p := s.admit(q); p != nil {
		return p
	}
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		return incorrectPath()
	}
	switch q.endpoint() {
	case "/ping":
		return success([]byte(`{"gecko_says":"(V3) To the Moon!"}`), 30)
	case "/key":
		return s.key(q)
	case "/simple/price":
		return s.simplePrice(q)
	case "/simple/supported_vs_currencies":
		return supportedCurrencies()
	case "/coins/list":
		return s.list(q)
	case "/coins/markets":
		return s.markets(q)
	case "/coins/{id}/market_chart":
		return s.forCoin(q, s.marketChart)
	case "/coins/{id}/market_chart/range":
		return s.forCoin(q, s.marketChartRange)
	case "/coins/{id}/ohlc":
		return s.forCoin(q, s.ohlc)
	case "/coins/{id}/history":
		return s.forCoin(q, s.history)
	}
	return incorrectPath()
}

// forCoin answers for the coin that the path names. An id that no path can hold is a wrong path, not an unknown coin.
func (s *Simulator) forCoin(q *request, answer func(*request, *coin) *reply) *reply {
	id := q.segments[1]
	c, ok := s.world.coins[id]
	switch {
	case ok && s.world.exists(c, q.now):
		return answer(q, c)
	case id == "" || strings.ContainsAny(id, " <>\"{}|\\^`"):
		return incorrectPath()
	}
	return flat(http.StatusNotFound, "coin not found")
}

func supportedCurrencies() *reply {
	body, err := json.Marshal(market.AllCurrencies())
	if err != nil {
		panic(err) // strings
	}
	return success(body, 1800)
}

// list is /coins/list: the coins that are listed by now.
func (s *Simulator) list(q *request) *reply {
	b := make([]byte, 0, 96*len(s.world.order))
	b = append(b, '[')
	for _, c := range s.world.order {
		if !s.world.exists(c, q.now) {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = c.appendNames(b)
		if q.flag("include_platform") {
			b = append(b, `,"platforms":`...)
			b = c.appendPlatforms(b)
		}
		b = append(b, '}')
	}
	return success(append(b, ']'), 1800)
}

// appendNames begins the object of a coin.
func (c *coin) appendNames(b []byte) []byte {
	b = append(append(b, `{"id":`...), c.id...)
	b = append(append(b, `,"symbol":`...), c.symbol...)
	return append(append(b, `,"name":`...), c.name...)
}

// appendPlatforms gives tokens an invented contract address, and an empty one to the illiquid.
func (c *coin) appendPlatforms(b []byte) []byte {
	switch c.Kind {
	case Major:
		return append(b, `{}`...)
	case Illiquid:
		return append(b, `{"ethereum":""}`...)
	}
	const digits = "0123456789abcdef"
	b = append(b, `{"ethereum":"0x`...)
	for i := range int64(40) {
		b = append(b, digits[c.below(^i, 16)])
	}
	return append(b, `"}`...)
}

// key is /key, which only paid plans have.
func (s *Simulator) key(q *request) *reply {
	if s.opts.Plan != Pro {
		return paidOnly()
	}
	const credits = 500_000
	spent := s.limits.count(q.client(), q.now)
	body, err := json.Marshal(map[string]any{
		"plan":                                    "Analyst",
		"rate_limit_request_per_minute":           s.opts.Limit,
		"monthly_call_credit":                     credits,
		"current_total_monthly_calls":             spent,
		"current_remaining_monthly_calls":         credits - spent,
		"api_key_rate_limit_request_per_minute":   s.opts.Limit,
		"api_key_monthly_call_credit":             credits,
		"api_key_current_total_monthly_calls":     spent,
		"api_key_current_remaining_monthly_calls": credits - spent,
	})
	if err != nil {
		panic(err) // numbers and strings
	}
	return success(body, 30)
}
