package simulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func refuseCoinMetrics(status int) *reply {
	kind := strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
	p := refuse(status, map[string]any{"error": map[string]string{"type": kind, "message": http.StatusText(status)}})
	if status == http.StatusTooManyRequests {
		p.header.Set("X-Ratelimit-Remaining", "0")
	}
	return p
}

// coinMetrics is /timeseries/asset-metrics with what the community is given: daily rows of the assets and metrics asked
// for, values as texts, ascending. A row of a day has the price of its end, and is published half an hour after.
func (s *Simulator) coinMetrics(q *request) *reply {
	if q.endpoint() == "unknown" {
		return refuseCoinMetrics(http.StatusNotFound)
	}
	names := q.list("metrics")
	from, okFrom := q.isoDay("start_time", 0)
	to, okTo := q.isoDay("end_time", q.now)
	size, okSize := q.whole("page_size", 100, 1, 10_000)
	skip, okSkip := q.whole("next_page_token", 0, 0, 1<<40)
	assets := q.list("assets")
	if len(names) == 0 || len(assets) == 0 || !okFrom || !okTo || !okSize || !okSkip || q.query.Get("frequency") != "1d" {
		return refuseCoinMetrics(http.StatusBadRequest)
	}
	for _, name := range names {
		if !slices.Contains([]string{"PriceUSD", "CapMrktCurUSD", "AdrActCnt", "TxCnt", "CapMVRVCur"}, name) {
			return refuseCoinMetrics(http.StatusForbidden)
		}
	}
	type row = map[string]string
	rows := []row{}
	for _, asset := range assets {
		c := s.bySymbol(asset, q.now)
		if c == nil {
			return refuseCoinMetrics(http.StatusBadRequest)
		}
		const lag = 30 * minute
		for t := max((from+daily-1)/daily*daily, c.listed); t <= to && t+daily+lag <= q.now; t += daily {
			r := row{"asset": asset, "time": time.UnixMilli(t).UTC().Format("2006-01-02T15:04:05.000000000Z")}
			for _, name := range names {
				if v, ok := s.communityValue(asset, c, name, t); ok {
					r[name] = string(appendShort(nil, v))
				}
			}
			rows = append(rows, r)
		}
	}
	answer := map[string]any{}
	// Pages count from the end, unless they are told otherwise; the rows of a page ascend.
	end := len(rows) - min(int(skip), len(rows))
	start := max(0, end-int(size))
	if q.query.Get("paging_from") == "start" {
		start = min(int(skip), len(rows))
		end = min(start+int(size), len(rows))
		if end < len(rows) {
			answer["next_page_token"] = strconv.Itoa(end)
		}
	} else if start > 0 {
		answer["next_page_token"] = strconv.Itoa(len(rows) - start)
	}
	answer["data"] = rows[start:end]
	body, err := json.Marshal(answer)
	if err != nil {
		panic(err) // texts
	}
	return plainJSON(body)
}

func (s *Simulator) communityValue(asset string, c *coin, name string, t int64) (float64, bool) {
	end := t + daily
	switch name {
	case "PriceUSD":
		return s.world.usd(c, end), true
	case "CapMrktCurUSD":
		v := s.world.marketCapUSD(c, end, s.world.usd(c, end))
		return v, v > 0
	}
	chain := s.chains[asset]
	if chain == nil {
		return 0, false
	}
	path := map[string]string{"AdrActCnt": "network-data/addresses-count", "TxCnt": "network-data/transactions-count", "CapMVRVCur": "market-indicator/mvrv"}[name]
	return chainMetrics[path].value(chain, t, daily), true
}

// isoDay is a parameter in ISO 8601, as Unix ms.
func (q *request) isoDay(name string, otherwise int64) (int64, bool) {
	v := q.query.Get(name)
	if v == "" {
		return otherwise, true
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano} {
		if t, err := time.Parse(layout, v); err == nil && t.Unix() >= 0 {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}
