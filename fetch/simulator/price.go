package simulator

import (
	"fmt"
	"math"
	"time"

	"github.com/coingraph/coingraph/market"
)

// anchor is [Anchor] in Unix ms.
const anchor = int64(1_788_220_800_000)

// Anchor is the instant at which the assets' prices are those of the table: 2026-09-01 00:00 UTC.
func Anchor() time.Time { return time.UnixMilli(anchor).UTC() }

// temper is how the assets of a kind move.
type temper struct {
	sigma    float64 // standard deviation of the logarithm, a day
	shared   float64 // which share of that is the market's
	growth   float64 // by how much, in the logarithm, the price grew since 2013
	turnover float64 // share of the supply that is traded a day
}

var tempers = map[Kind]temper{
	Major:    {0.025, 0.8, 4, 0.04},
	Alt:      {0.04, 0.65, 1.5, 0.06},
	Meme:     {0.055, 0.5, 0, 0.12},
	Pegged:   {0.0004, 0, 0, 0.2},
	Illiquid: {0.03, 0.3, 0, 0.0004},
}

// coin is an asset with what its price is computed from.
type coin struct {
	Asset
	temper
	listed  int64 // Unix ms
	stream        // for all that is not a price
	walk    walk
	origin  float64 // what level gives at the anchor
	trend   float64 // of the supply, a year
	refresh int64   // at which ms of a minute its data is renewed

	peg      *coin     // what it tracks, if that is a coin
	pegMoney *currency // or a currency

	id, symbol, name []byte // as JSON strings
}

// world is the market: all there is to know under one seed.
type world struct {
	shared     walk
	coins      map[string]*coin
	order      []*coin // ascending by id
	currencies map[market.Currency]*currency
}

// newWorld makes the market of the assets given. The coins that are vs currencies exist in any case, unlisted if not
// among them.
func newWorld(seed uint64, assets []Asset) *world {
	w := &world{shared: newWalk(newStream(seed, "market")), coins: map[string]*coin{}, currencies: map[market.Currency]*currency{}}
	hidden := map[string]*coin{}
	for _, a := range Assets() {
		hidden[a.ID] = w.newCoin(seed, a)
	}
	for _, a := range assets {
		if _, twice := w.coins[a.ID]; twice {
			panic(fmt.Sprintf("simulator: asset %q is there twice", a.ID))
		}
		c := w.newCoin(seed, a)
		w.coins[a.ID], hidden[a.ID] = c, c
		w.order = append(w.order, c)
	}
	for _, code := range market.AllCurrencies() {
		if c, ok := coinCurrencies[code]; ok {
			w.currencies[code] = &currency{coin: hidden[c.asset], scale: c.scale}
		} else if m, ok := moneyRates[code]; ok {
			w.currencies[code] = newMoney(newStream(seed, "rate "+string(code)), m.rate, m.drift, m.trend)
		} else {
			panic(fmt.Sprintf("simulator: no rate for the currency %q", code))
		}
	}
	for _, c := range hidden {
		if c.Kind != Pegged {
			continue
		}
		c.peg = hidden[c.Tracks]
		c.pegMoney = w.currencies[market.Currency(c.Tracks)]
		if c.peg == nil && (c.pegMoney == nil || c.pegMoney.coin != nil) || c.peg != nil && c.peg.Kind == Pegged {
			panic(fmt.Sprintf("simulator: asset %q tracks %q, which is neither money nor a coin with a price of its own", c.ID, c.Tracks))
		}
	}
	return w
}

func (w *world) newCoin(seed uint64, a Asset) *coin {
	t, ok := tempers[a.Kind]
	if !ok {
		panic(fmt.Sprintf("simulator: asset %q is of no known kind", a.ID))
	}
	c := &coin{Asset: a, temper: t, listed: a.Listed.UnixMilli(), stream: newStream(seed, "coin "+a.ID)}
	c.walk = newWalk(newStream(seed, "price "+a.ID))
	c.trend = 0.04 * c.unit(0)
	c.refresh = c.below(1, 60) * second
	c.origin = w.level(c, anchor)
	c.id, c.symbol, c.name = quote(a.ID), quote(a.Symbol), quote(a.Name)
	return c
}

// level is the logarithm of a coin's price, up to a constant.
func (w *world) level(c *coin, t int64) float64 {
	l := c.sigma * math.Sqrt(1-c.shared*c.shared) * c.walk.at(t)
	if c.shared > 0 {
		l += c.sigma * c.shared * w.shared.at(t)
	}
	if c.growth > 0 {
		const firstCoin, years = int64(1_367_107_200_000), 3.5 // 2013-04-28
		l -= c.growth * math.Exp(-float64(t-firstCoin)/(years*365*float64(day)))
	}
	return l
}

// usd is a coin's price in USD at an instant, whether or not it was listed then.
func (w *world) usd(c *coin, t int64) float64 {
	if c.Kind == Illiquid {
		t = w.lastTrade(c, t)
	}
	p := c.Price * math.Exp(w.level(c, t)-c.origin)
	switch {
	case c.peg != nil:
		p *= w.usd(c.peg, t)
	case c.pegMoney != nil:
		p /= c.pegMoney.perUSD(t)
	}
	return p
}

// An illiquid asset trades at most once in a cell of time.
const (
	tradeCell  = 12 * hour
	tradeOdds  = 0.35
	tradeCells = 100 // how many cells are looked at; that all are empty has a chance of 1e-19
)

// lastTrade is when (Unix ms, in whole seconds) the last trade at or before an instant was.
func (w *world) lastTrade(c *coin, t int64) int64 {
	if c.Kind != Illiquid {
		return t
	}
	cell := t / tradeCell
	for i := cell; i > cell-tradeCells; i-- {
		if c.unit(2*i) >= tradeOdds {
			continue
		}
		if at := i*tradeCell + c.below(2*i+1, tradeCell/second)*second; at <= t {
			return max(at, min(c.listed, t))
		}
	}
	return min(c.listed, t)
}

// marketCapUSD is 0 where the supply is not verified.
func (w *world) marketCapUSD(c *coin, t int64, usd float64) float64 {
	return usd * c.Supply * math.Exp(c.trend*float64(t-anchor)/float64(365*day))
}

// volumeUSD is what was traded in the 24 hours before an instant.
func (w *world) volumeUSD(c *coin, t int64, usd float64) float64 {
	last := w.lastTrade(c, t)
	if t-last >= day {
		return 0
	}
	coins := c.Supply
	if coins == 0 {
		coins = 5e6 / c.Price
	}
	v := usd * coins * c.turnover
	if c.Kind == Illiquid {
		return v * (0.2 + c.unit(last))
	}
	v *= math.Exp(0.5 * c.walk[5].at(t-7*day) / c.walk[5].weight)
	if slot := t / hour; c.below(slot^0x5bd1e995, 300) == 0 {
		v /= 7 // see the package comment
	}
	return v
}

// convert gives an amount of USD in another currency; false if that was not traded at the time.
func (w *world) convert(to *currency, usd float64, t int64) (float64, bool) {
	if to.coin == nil {
		return usd * to.perUSD(t), true
	}
	if t < to.coin.listed {
		return 0, false
	}
	return usd / w.usd(to.coin, t) * to.scale, true
}

// price is a coin's price in a currency; false if one of them was not listed.
func (w *world) price(c *coin, in *currency, t int64) (float64, bool) {
	if t < c.listed {
		return 0, false
	}
	return w.convert(in, w.usd(c, t), t)
}

// updated is when (Unix ms, in whole seconds) the data that is current at a time was made: once a minute, and for an
// illiquid asset at its last trade.
func (w *world) updated(c *coin, now int64) int64 {
	return w.lastTrade(c, now-modulo(now-c.refresh, minute))
}

func modulo(a, n int64) int64 { return ((a % n) + n) % n }

// exists tells whether the coin is listed and has data at a time.
func (w *world) exists(c *coin, now int64) bool { return w.updated(c, now) >= c.listed }

// Quote is what is known of an asset in a currency at a time, in full precision.
type Quote struct {
	Price     float64
	MarketCap float64 // 0: not known
	Volume24h float64
	Change24h float64 // percent; NaN: there is none
	UpdatedAt int64   // Unix ms, in whole seconds
}

func (w *world) quote(c *coin, in *currency, now int64) (Quote, bool) {
	t := w.updated(c, now)
	q := Quote{UpdatedAt: t, Change24h: math.NaN()}
	usd := w.usd(c, t)
	var ok bool
	if q.Price, ok = w.price(c, in, t); !ok {
		return Quote{}, false
	}
	q.MarketCap, _ = w.convert(in, w.marketCapUSD(c, t, usd), t)
	if now-t < day {
		q.Volume24h, _ = w.convert(in, w.volumeUSD(c, t, usd), t)
		if before, ok := w.price(c, in, t-day); ok {
			q.Change24h = (q.Price/before - 1) * 100
		}
	}
	return q, true
}
