package simulator

import (
	"net/http"
	"strings"
	"time"

	"github.com/coingraph/coingraph/market"
)

// Plan is the access that the simulated provider sells.
type Plan string

// The plans: which hosts they stand for, what they require and give.
const (
	Public Plan = "public" // no key; 365 days of history
	Demo   Plan = "demo"   // x-cg-demo-api-key; 365 days of history
	Pro    Plan = "pro"    // x-cg-pro-api-key; all history, interval=hourly, /key
)

// Options configure a [Simulator]. The zero value is the built-in market on a public host without a limit.
type Options struct {
	Seed   uint64
	Now    func() time.Time // nil: time.Now
	Plan   Plan             // "": Public
	Keys   []string         // the keys that are right; empty: any, and none, will do
	Limit  int              // calls a minute for each key or, without one, client address; 0: none
	Assets []Asset          // nil: those of [Assets]

	CryptoQuant CryptoQuant // zero: any key, all history, no limit
}

// Simulator is an [http.Handler] for CoinGecko's API below /api/v3, CryptoQuant's below /v1, the fallbacks' below
// /coinmetrics/v4, /coinpaprika/v1 and /binance/api/v3, and for its own controls below /_sim.
type Simulator struct {
	opts      Options
	world     *world
	chains    map[string]*chain // by CryptoQuant's name
	limits    limits
	faults    faults
	calls     calls
	revisions revisions
}

// New makes a simulator. It panics when the options contradict themselves: an unknown plan or kind, an asset that is
// there twice or tracks something unknown.
func New(opts Options) *Simulator {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	switch opts.Plan {
	case "":
		opts.Plan = Public
	case Public, Demo, Pro:
	default:
		panic("simulator: unknown plan " + string(opts.Plan))
	}
	if opts.Assets == nil {
		opts.Assets = Assets()
	}
	if opts.CryptoQuant.Reach == "" {
		opts.CryptoQuant.Reach = unlimited
	}
	if !reachForm.MatchString(opts.CryptoQuant.Reach) {
		panic("simulator: CryptoQuant has no plan that reaches back " + opts.CryptoQuant.Reach)
	}
	s := &Simulator{opts: opts, world: newWorld(opts.Seed, opts.Assets)}
	s.chains = newChains(opts.Seed, s.world)
	s.calls.arrived = make(chan struct{})
	s.faults.cleared = make(chan struct{})
	return s
}

// ServeHTTP answers as the API would, unless something was injected.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if path, ok := strings.CutPrefix(r.URL.Path, "/_sim/"); ok {
		s.control(w, r, path)
		return
	}
	q := s.parse(r)
	s.calls.record(q)
	if !s.faults.passGates(q) {
		return
	}
	if f, ok := s.faults.take(q); ok {
		s.fail(w, q, f)
		return
	}
	s.answer(q).write(w, r)
}

func (s *Simulator) millis() int64 { return s.opts.Now().UnixMilli() }

func (s *Simulator) find(asset string, in market.Currency) (*coin, *currency, bool) {
	c, c2 := s.world.coins[asset], s.world.currencies[in]
	return c, c2, c != nil && c2 != nil
}

// Price is the exact price of an asset at an instant; false if there is none: one of the two is unknown or was not
// listed yet. The future has prices too.
func (s *Simulator) Price(asset string, in market.Currency, t time.Time) (float64, bool) {
	c, cur, ok := s.find(asset, in)
	if !ok {
		return 0, false
	}
	return s.world.price(c, cur, t.UnixMilli())
}

// Quote is what /simple/price would answer with precision=full at a time.
func (s *Simulator) Quote(asset string, in market.Currency, now time.Time) (Quote, bool) {
	c, cur, ok := s.find(asset, in)
	if !ok || !s.world.exists(c, now.UnixMilli()) {
		return Quote{}, false
	}
	return s.world.quote(c, cur, now.UnixMilli())
}

// Chart are the points with stamps in [from, to] that a chart of the step (5 minutes, an hour or a day) would hold when
// all of them are published; the point of now is not among them.
func (s *Simulator) Chart(asset string, in market.Currency, from, to time.Time, step time.Duration) []Point {
	c, cur, ok := s.find(asset, in)
	if !ok {
		return nil
	}
	switch step.Milliseconds() {
	case daily, hourly, fiveMinutes:
		return s.world.between(c, cur, step.Milliseconds(), from.UnixMilli(), to.UnixMilli(), to.UnixMilli()+day)
	}
	return nil
}

// between are the points of a chart with stamps in [from, to].
func (w *world) between(c *coin, in *currency, step, from, to, now int64) []Point {
	points := w.chart(c, in, step, from/step-1, to/step, now)
	for len(points) > 0 && points[0].Stamp < from {
		points = points[1:]
	}
	for len(points) > 0 && points[len(points)-1].Stamp > to {
		points = points[:len(points)-1]
	}
	return points
}
