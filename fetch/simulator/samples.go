package simulator

import (
	"math"
	"time"
)

// Point is one sample of a chart.
type Point struct {
	Stamp     int64 // Unix ms
	Price     float64
	MarketCap float64 // 0: not known; NaN: null, or no row at all
	Volume    float64 // of the 24 hours before
	// NoMarketCap: market_caps lacks this row.
	NoMarketCap bool
}

// The steps of charts, in ms.
const (
	daily       = day
	hourly      = hour
	fiveMinutes = 5 * minute
)

// The finer steps have no data before these instants (CoinGecko's changelog, 2025-01-09), Unix ms.
const (
	firstFiveMinutes = int64(1_518_134_400_000) // 2018-02-09
	firstHourly      = int64(1_517_270_400_000) // 2018-01-30
)

// dayDelay is how long after midnight the day's first point appears.
const dayDelay = 10 * minute

// stamp is where the sample of a slot lies: daily ones on the grid, the others behind it, as recordings have them (hourly
// within a minute, rarely two; 5-minutely anywhere in some minutes). It is the same for all currencies.
func (c *coin) stamp(step, slot int64) int64 {
	t, i := slot*step, slot*8+step%7 // an index of its own for each step
	switch step {
	case daily:
		return t
	case hourly:
		if c.below(^i, 25) == 0 {
			return t + minute + c.below(i, 65*second)
		}
		return t + 900 + c.below(i, 60*second)
	default:
		return t + 300 + c.below(i, 210*second)
	}
}

// newest is the last slot whose sample is published at a time.
func (c *coin) newest(step, now int64) int64 {
	if step == daily {
		return (now - dayDelay) / daily
	}
	slot := now / step
	if c.stamp(step, slot) > now {
		slot--
	}
	return slot
}

// first is the first slot with a sample.
func (c *coin) first(step int64) int64 {
	from := c.listed
	switch step {
	case hourly:
		from = max(from, firstHourly)
	case fiveMinutes:
		from = max(from, firstFiveMinutes)
	}
	return (from + step - 1) / step
}

// sampled tells whether a slot has a sample: an illiquid asset has few when it does not trade.
func (w *world) sampled(c *coin, step, slot, stamp int64) bool {
	return step == daily || c.Kind != Illiquid || stamp-w.lastTrade(c, stamp) < 6*hour || c.below(slot, 10) == 0
}

// point is the sample at an instant; false if it has no price there.
func (w *world) point(c *coin, in *currency, t int64) (Point, bool) {
	if t < c.listed {
		return Point{}, false
	}
	usd := w.usd(c, t)
	price, ok := w.convert(in, usd, t)
	if !ok {
		return Point{}, false
	}
	// The three amounts share one rate; only the price must be exact to the last digit (1.0 for a coin in itself).
	rate := price / usd
	return Point{Stamp: t, Price: price, MarketCap: w.marketCapUSD(c, t, usd) * rate, Volume: w.volumeUSD(c, t, usd) * rate}, true
}

// chart are the samples of the slots from..to, both included, that exist at a time.
func (w *world) chart(c *coin, in *currency, step, from, to, now int64) []Point {
	from, to = max(from, c.first(step)), min(to, c.newest(step, now))
	if from > to {
		return nil
	}
	points := make([]Point, 0, to-from+2) // one more for now
	for slot := from; slot <= to; slot++ {
		stamp := c.stamp(step, slot)
		if !w.sampled(c, step, slot, stamp) {
			continue
		}
		if p, ok := w.point(c, in, stamp); ok {
			if step == daily {
				c.loseMarketCap(&p)
			}
			points = append(points, p)
		}
	}
	return points
}

// loseMarketCap makes the faults of market_caps that the package comment names.
func (c *coin) loseMarketCap(p *Point) {
	switch c.ID {
	case "bitcoin", "dogecoin", "litecoin":
	default:
		return
	}
	year, month, date := time.UnixMilli(p.Stamp).UTC().Date()
	if month != time.April || date != 2 || c.ID == "bitcoin" && year != 2017 {
		return
	}
	p.MarketCap, p.NoMarketCap = math.NaN(), c.ID != "litecoin"
}

// nowPoint is the one that charts end with.
func (w *world) nowPoint(c *coin, in *currency, now int64) (Point, bool) {
	p, ok := w.point(c, in, w.updated(c, now))
	if ok && now-p.Stamp >= day {
		p.Volume = 0
	}
	return p, ok
}
