package simulator

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// markets is /coins/markets: coins with their market data, a page at a time.
func (s *Simulator) markets(q *request) *reply {
	cur, p := q.currency(s.world)
	if p != nil {
		return p
	}
	precision, p := q.precision(auto)
	if p != nil {
		return p
	}
	perPage, p := q.number("per_page", 100, 250)
	if p != nil {
		return p
	}
	page, p := q.number("page", 1, math.MaxInt32)
	if p != nil {
		return p
	}
	rows, p := s.marketRows(q, cur)
	if p != nil {
		return p
	}
	total := len(rows)
	rows = rows[min(total, (page-1)*perPage):min(total, page*perPage)]
	b := []byte{'['}
	for i, r := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.appendMarket(b, r, cur, precision)
	}
	answer := success(append(b, ']'), 60)
	answer.header.Set("Total", strconv.Itoa(total))
	answer.header.Set("Per-Page", strconv.Itoa(perPage))
	if links := pageLinks(q, page, (total+perPage-1)/perPage); links != "" {
		answer.header.Set("Link", links)
	}
	return answer
}

// number is a positive parameter of at most so much; more is cut.
func (q *request) number(name string, otherwise, most int) (int, *reply) {
	v := q.query.Get(name)
	if v == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		return 0, flat(http.StatusBadRequest, "invalid "+name) // words of our own
	}
	return min(n, most), nil
}

// marketRow is a coin with its quote and its place by market cap; 0 when that is not known.
type marketRow struct {
	*coin
	Quote
	rank int
}

func (s *Simulator) marketRows(q *request, cur *currency) ([]marketRow, *reply) {
	var all []marketRow
	for _, c := range s.world.order {
		if v, ok := s.world.quote(c, cur, q.now); ok {
			all = append(all, marketRow{coin: c, Quote: v})
		}
	}
	byCap := func(a, b marketRow) int {
		return cmp.Or(cmp.Compare(b.MarketCap, a.MarketCap), cmp.Compare(a.ID, b.ID))
	}
	slices.SortFunc(all, byCap)
	for i := range all {
		if all[i].MarketCap > 0 {
			all[i].rank = i + 1
		}
	}
	switch order := q.query.Get("order"); order {
	case "", "market_cap_desc":
	case "market_cap_asc":
		slices.Reverse(all)
	case "volume_desc", "volume_asc":
		slices.SortStableFunc(all, func(a, b marketRow) int { return cmp.Compare(b.Volume24h, a.Volume24h) })
		if order == "volume_asc" {
			slices.Reverse(all)
		}
	case "id_asc", "id_desc":
		slices.SortFunc(all, func(a, b marketRow) int { return cmp.Compare(a.ID, b.ID) })
		if order == "id_desc" {
			slices.Reverse(all)
		}
	default:
		return nil, flat(http.StatusBadRequest, "invalid order") // words of our own
	}
	if q.query.Get("ids") != "" || q.query.Get("names") != "" || q.query.Get("symbols") != "" {
		chosen, p := s.wanted(q)
		if p != nil {
			return nil, p
		}
		all = slices.DeleteFunc(all, func(r marketRow) bool {
			return !slices.ContainsFunc(chosen, func(w wanted) bool { return w.coin == r.coin })
		})
	}
	return all, nil
}

func (s *Simulator) appendMarket(b []byte, r marketRow, cur *currency, precision int) []byte {
	w, t := s.world, r.UpdatedAt
	money := func(name string, v float64) {
		n := precision
		if n == auto {
			n = decimals(math.Abs(v), cur.coin != nil)
		}
		b = append(append(append(b, `,"`...), name...), `":`...)
		b = appendPrice(b, v, n)
	}
	number := func(name string, v float64, places int) {
		b = append(append(append(b, `,"`...), name...), `":`...)
		b = appendPrice(b, v, places)
	}
	null := func(names ...string) {
		for _, n := range names {
			b = append(append(append(b, `,"`...), n...), `":null`...)
		}
	}
	b = r.appendNames(b)
	b = append(append(b, `,"image":`...), quote(r.image("large"))...)
	money("current_price", r.Price)
	number("market_cap", r.MarketCap, 0)
	if r.rank > 0 {
		number("market_cap_rank", float64(r.rank), 0)
	} else {
		null("market_cap_rank")
	}
	number("fully_diluted_valuation", r.MarketCap, 0)
	number("total_volume", r.Volume24h, 0)
	if candle, ok := w.candle(r.coin, cur, t-day, t, day); ok && !math.IsNaN(r.Change24h) {
		money("high_24h", candle[1])
		money("low_24h", candle[2])
		money("price_change_24h", r.Price-r.Price/(1+r.Change24h/100))
		number("price_change_percentage_24h", r.Change24h, 5)
		number("market_cap_change_24h", r.MarketCap-r.MarketCap/(1+r.Change24h/100), 0)
		number("market_cap_change_percentage_24h", r.Change24h, 5)
	} else {
		null("high_24h", "low_24h", "price_change_24h", "price_change_percentage_24h", "market_cap_change_24h", "market_cap_change_percentage_24h")
	}
	if r.Supply > 0 {
		number("circulating_supply", r.MarketCap/r.Price, 0)
		number("total_supply", r.MarketCap/r.Price, 0)
	} else {
		null("circulating_supply", "total_supply")
	}
	null("max_supply")
	high, low := w.extremes(r.coin, cur, t)
	for _, e := range []struct {
		name string
		at   extreme
	}{{"ath", high}, {"atl", low}} {
		money(e.name, e.at.price)
		number(e.name+"_change_percentage", (r.Price/e.at.price-1)*100, 5)
		b = append(append(append(b, `,"`...), e.name...), `_date":"`...)
		b = append(appendTime(b, e.at.at), '"')
	}
	null("roi")
	b = append(b, `,"last_updated":"`...)
	return append(appendTime(b, t), `"}`...)
}

type extreme struct {
	price float64
	at    int64
}

// extremes are the highest and the lowest price, as far as a sample a month shows.
func (w *world) extremes(c *coin, in *currency, now int64) (high, low extreme) {
	last, _ := w.price(c, in, now)
	high, low = extreme{last, now}, extreme{last, now}
	for t := c.listed; t < now; t += 30 * day {
		v, ok := w.price(c, in, t)
		if ok && v > high.price {
			high = extreme{v, t}
		}
		if ok && v < low.price {
			low = extreme{v, t}
		}
	}
	return high, low
}

func appendTime(b []byte, t int64) []byte {
	return time.UnixMilli(t).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
}

// pageLinks is the link header (RFC 8288).
func pageLinks(q *request, page, pages int) string {
	var links []string
	link := func(rel string, n int) {
		v := q.URL.Query()
		v.Del(demoParam)
		v.Del(proParam)
		v.Set("page", strconv.Itoa(n))
		links = append(links, fmt.Sprintf(`<http://%s%s?%s>; rel="%s"`, q.Host, q.URL.EscapedPath(), v.Encode(), rel))
	}
	if page > 1 {
		link("first", 1)
		link("prev", page-1)
	}
	if page < pages {
		link("next", page+1)
		link("last", pages)
	}
	return strings.Join(links, ", ")
}
