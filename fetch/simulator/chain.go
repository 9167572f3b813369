package simulator

import (
	"math"
	"sync"
	"time"
)

// chain is an asset's blockchain: what CryptoQuant and Coin Metrics tell of it.
type chain struct {
	*coin
	w      *world
	stream // one number a slot and metric
	holds  walk
	use    walk
	mined  bool // by proof of work
}

// newChains are the chains by CryptoQuant's names.
func newChains(seed uint64, w *world) map[string]*chain {
	chains := map[string]*chain{}
	for name, id := range map[string]string{"btc": "bitcoin", "eth": "ethereum"} {
		if c := w.coins[id]; c != nil {
			s := newStream(seed, "chain "+id)
			chains[name] = &chain{c, w, s, newWalk(newStream(seed, "reserve "+id)), newWalk(newStream(seed, "use "+id)), id == "bitcoin"}
		}
	}
	return chains
}

// chainMetric is a metric of a chain: its value in the period [t, t+step).
type chainMetric struct {
	field string
	flow  bool // counted over the period: less of it in an hour than in a day, and revised
	mined bool // only with proof of work
	only  string
	value func(c *chain, t, step int64) float64
}

// chainMetrics are the metrics by CryptoQuant's paths.
var chainMetrics = map[string]chainMetric{
	"exchange-flows/netflow":          {field: "netflow_total", flow: true, value: func(c *chain, t, step int64) float64 { return c.inflow(t, step) - c.outflow(t, step) }},
	"exchange-flows/inflow":           {field: "inflow_total", flow: true, value: (*chain).inflow},
	"exchange-flows/outflow":          {field: "outflow_total", flow: true, value: (*chain).outflow},
	"exchange-flows/reserve":          {field: "reserve", value: func(c *chain, t, step int64) float64 { return c.reserve(t + step) }},
	"market-indicator/mvrv":           {field: "mvrv", only: "btc", value: (*chain).mvrv},
	"market-indicator/sopr":           {field: "sopr", only: "btc", value: (*chain).sopr},
	"network-indicator/nupl":          {field: "nupl", only: "btc", value: func(c *chain, t, step int64) float64 { return 1 - 1/c.mvrv(t, step) }},
	"network-data/addresses-count":    {field: "addresses_count_active", value: func(c *chain, t, step int64) float64 { return c.count(active, t, step, 0.6) }},
	"network-data/transactions-count": {field: "transactions_count_total", value: func(c *chain, t, step int64) float64 { return c.count(active/2, t, step, 1) }},
	"network-data/fees":               {field: "fees_total", flow: true, value: (*chain).fees},
	"network-data/hashrate":           {field: "hashrate", mined: true, value: func(c *chain, t, step int64) float64 { return c.hashRate(t + step/2) }},
	"network-data/difficulty":         {field: "difficulty", mined: true, value: (*chain).difficulty},
}

// reserve is what exchanges hold at an instant, in coins.
func (c *chain) reserve(t int64) float64 { return 0.12 * c.Supply * math.Exp(0.004*c.holds.at(t)) }

// inflow and outflow differ by the change of the reserve.
func (c *chain) inflow(t, step int64) float64 {
	return c.turnedOver(t, step) + max(0, c.reserve(t+step)-c.reserve(t))
}

func (c *chain) outflow(t, step int64) float64 {
	return c.turnedOver(t, step) + max(0, c.reserve(t)-c.reserve(t+step))
}

func (c *chain) turnedOver(t, step int64) float64 {
	return 0.002 * c.Supply * float64(step) / float64(day) * (0.6 + 0.8*c.unit(t/step))
}

// mvrv is the price at the period's end over the mean price of the year before.
func (c *chain) mvrv(t, step int64) float64 {
	end, sum := t+step, 0.0
	const months = 12
	for i := range int64(months) {
		sum += c.w.usd(c.coin, max(c.listed, end-i*30*day))
	}
	return c.w.usd(c.coin, end) / (sum / months)
}

func (c *chain) sopr(t, step int64) float64 {
	return 1 + 0.05*(c.mvrv(t, step)-1) + 0.01*(c.unit(^(t/step))-0.5)
}

// active is how many addresses are active a day, by and large.
const active = 650_000

// count is a number of things a day, in the period: of addresses an hour has more than a 24th.
func (c *chain) count(aDay float64, t, step int64, power float64) float64 {
	part := math.Pow(float64(step)/float64(day), power)
	return math.Round(aDay * part * math.Exp(0.05*c.use.at(t+step)) * (0.95 + 0.1*c.unit(t/step+1<<40)))
}

func (c *chain) fees(t, step int64) float64 {
	return 25 * float64(step) / float64(day) * math.Exp(0.1*c.use.at(t+step)) * (0.8 + 0.4*c.unit(t/step+1<<41))
}

// hashRate is in TH/s: it doubles in two years.
func (c *chain) hashRate(t int64) float64 {
	years := float64(t-anchor) / float64(365*day)
	return 9e8 * math.Exp2(years/2) * math.Exp(0.02*c.use.at(t))
}

// difficulty follows the hash rate every fortnight, as 2016 blocks take one.
func (c *chain) difficulty(t, _ int64) float64 {
	const fortnight = 14 * day
	return math.Round(c.hashRate(t/fortnight*fortnight) * 1e12 * 600 / (1 << 32))
}

// revisions are the spans of time whose flows were counted again.
type revisions struct {
	mu    sync.Mutex
	spans [][2]int64
}

// Revise counts the flows of exchanges anew whose periods begin in [from, to), as better knowledge of who owns which
// address does: each time they change by a part in a hundred.
func (s *Simulator) Revise(from, to time.Time) {
	s.revisions.mu.Lock()
	defer s.revisions.mu.Unlock()
	s.revisions.spans = append(s.revisions.spans, [2]int64{from.UnixMilli(), to.UnixMilli()})
}

// factor is what a flow of a period is multiplied by.
func (r *revisions) factor(t int64) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := 1.0
	for _, s := range r.spans {
		if s[0] <= t && t < s[1] {
			f *= 1.01
		}
	}
	return f
}

// Metric is the exact value of a metric in the period of the step (an hour or a day) that begins at an instant, by
// CryptoQuant's path, such as "btc" and "market-indicator/mvrv"; false if there is none.
func (s *Simulator) Metric(chain, path string, at time.Time, step time.Duration) (float64, bool) {
	c, m, ok := s.metric(chain, path)
	t := at.UnixMilli()
	if !ok || t < c.listed {
		return 0, false
	}
	return s.metricValue(c, m, t, step.Milliseconds(), t+step.Milliseconds()), true
}

func (s *Simulator) metric(name, path string) (*chain, chainMetric, bool) {
	c, m := s.chains[name], chainMetrics[path]
	ok := c != nil && m.value != nil && (m.only == "" || m.only == name) && (!m.mined || c.mined)
	return c, m, ok
}

// metricValue is a metric's value by what is known at a time: of the running period a flow is a part.
func (s *Simulator) metricValue(c *chain, m chainMetric, t, step, now int64) float64 {
	v := m.value(c, t, step)
	if m.flow {
		v *= s.revisions.factor(t) * min(1, float64(now-t)/float64(step))
	}
	return v
}
