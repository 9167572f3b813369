package simulator

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/coingraph/coingraph/market"
)

// history is /coins/{id}/history: the prices at 00:00 UTC of a day in all currencies. Before the listing there is no
// market_data.
func (s *Simulator) history(q *request, c *coin) *reply {
	v := q.query.Get("date")
	if v == "" {
		return missing("date")
	}
	date, err := time.Parse("02-01-2006", v)
	if err != nil {
		date, err = time.Parse(time.DateOnly, v)
	}
	t := date.UnixMilli()
	if err != nil || t > q.now || t < 0 {
		return flat(http.StatusBadRequest, "invalid date") // words of our own
	}
	if s.opts.Plan != Pro && t < q.now-reach-day {
		return beyondReach(q.now)
	}
	b := c.appendNames(make([]byte, 0, 8192))
	b = append(b, `,"image":`...)
	b = append(b, quote(c.image("thumb"))...)
	if t >= c.listed {
		columns := []struct {
			name string
			of   func(*Point) float64
		}{
			{`,"market_data":{"current_price":{`, func(p *Point) float64 { return p.Price }},
			{`},"market_cap":{`, func(p *Point) float64 { return p.MarketCap }},
			{`},"total_volume":{`, func(p *Point) float64 { return p.Volume }},
		}
		codes := slices.Sorted(maps.Keys(s.world.currencies))
		for _, col := range columns {
			b = s.appendSnapshot(append(b, col.name...), c, codes, t, col.of)
		}
		b = append(b, `}}`...)
	}
	return success(append(b, '}'), 1800)
}

// appendSnapshot appends a value in each currency that had one at the time.
func (s *Simulator) appendSnapshot(b []byte, c *coin, codes []market.Currency, t int64, of func(*Point) float64) []byte {
	first := len(b)
	for _, code := range codes {
		p, ok := s.world.point(c, s.world.currencies[code], t)
		if !ok {
			continue
		}
		if len(b) > first {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), code...), `":`...)
		b = appendFloat(b, of(&p))
	}
	return b
}

// image is where a picture of the coin would be.
func (c *coin) image(size string) string {
	return "https://assets.coingecko.com/coins/images/1/" + size + "/" + c.ID + ".png"
}
