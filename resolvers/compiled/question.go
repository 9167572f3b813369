package compiled

import (
	"time"

	"github.com/coingraph/coingraph/limit"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/relay"
)

// Question is what an operation asks for with the variables of a request.
type Question struct {
	Units limit.Units
	Cost  int // values in the answer, as it is measured

	// Freshness is what the caller consents to for Pairs; nil: the rule for everybody.
	Freshness *market.FreshnessInput
	Pairs     []market.Pair
	Charts    []market.ChartRequest
	Metrics   []market.MetricRequest
	Assets    []string // which are to be found in the catalogue

	operation *Operation
	parts     []part
}

// part is what of a question belongs to one root field, and to one edge of its assets.
type part struct {
	prices, charts, metrics, assets span
	edges                           []span // of the assets: in Pairs, Charts or Metrics, one for each asset
}

// span is a range of one of a question's lists.
type span struct{ from, to int }

// rowsByDefault is how many assets a list has at most whose size was not asked for.
var rowsByDefault, _ = relay.First(nil)

// Bind asks the operation with the variables of a request; nil: the executor must.
func (o *Operation) Bind(service *market.Service, given map[string]any, now time.Time) *Question {
	q := &Question{operation: o, parts: make([]part, len(o.roots))}
	v := variables{given, o.defaults}
	for i := range o.roots {
		if !q.bind(&o.roots[i], &q.parts[i], v, service, now) {
			return nil
		}
	}
	return q
}

func (q *Question) bind(r *root, p *part, v variables, service *market.Service, now time.Time) bool {
	switch r.kind {
	case rootPrices:
		ids, ok := r.args.ids("assets", v)
		if !ok {
			return false
		}
		currencies, ok := r.args.currencies("currencies", v, service)
		if !ok {
			return false
		}
		freshness, ok := r.args.freshness()
		if !ok || freshness != nil && len(q.parts) > 1 {
			return false // one freshness for all pairs
		}
		q.Freshness = freshness
		p.prices.from = len(q.Pairs)
		if q.Pairs == nil {
			q.Pairs = make([]market.Pair, 0, len(ids)*len(currencies))
		}
		for _, id := range ids {
			for _, c := range currencies {
				q.Pairs = append(q.Pairs, market.Pair{Asset: id, Currency: c})
			}
		}
		p.prices.to = len(q.Pairs)
		n := len(ids) * len(currencies)
		q.Units[limit.SimplePrice] += limit.Hundreds(n)
		q.Cost += n * r.price.leaves
	case rootChart, rootMetric:
		id, ok := r.args.id("asset", v)
		if !ok || r.args.has("freshness") {
			return false
		}
		req, ok := edge{r.kind, r.args, r.series}.seriesRequest(v, service)
		if !ok {
			return false
		}
		req.Asset = id
		if r.kind == rootChart {
			p.charts = span{len(q.Charts), len(q.Charts) + 1}
		} else {
			p.metrics = span{len(q.Metrics), len(q.Metrics) + 1}
		}
		q.series(r.kind, r.series, []string{id}, req, now)
	case rootAsset, rootAssets:
		ids, ok := r.assets(v)
		if !ok || len(ids) > rowsByDefault {
			return false
		}
		q.Units[limit.SimplePrice] += limit.Hundreds(len(ids))
		p.assets = span{len(q.Assets), len(q.Assets) + len(ids)}
		q.Assets = append(q.Assets, ids...)
		q.Cost += len(ids) * r.asset.leaves
		p.edges = make([]span, len(r.asset.edges))
		for i, e := range r.asset.edges {
			if e.kind == rootPrices {
				c, ok := e.args.currency("currency", v, service)
				if !ok {
					return false
				}
				p.edges[i] = span{len(q.Pairs), len(q.Pairs) + len(ids)}
				for _, id := range ids {
					q.Pairs = append(q.Pairs, market.Pair{Asset: id, Currency: c})
				}
				q.Units[limit.SimplePrice] += limit.Hundreds(len(ids))
				q.Cost += len(ids) * e.sub.leaves
				continue
			}
			req, ok := e.seriesRequest(v, service)
			if !ok {
				return false
			}
			at := len(q.Charts)
			if e.kind == rootMetric {
				at = len(q.Metrics)
			}
			p.edges[i] = span{at, at + len(ids)}
			q.series(e.kind, e.sub, ids, req, now)
		}
	}
	return true
}

// assets are those that a root field asks for by their ids.
func (r *root) assets(v variables) ([]string, bool) {
	if r.kind == rootAssets {
		return r.args.ids("ids", v)
	}
	id, ok := r.args.id("id", v)
	return []string{id}, ok
}

// series asks for one series of each asset.
func (q *Question) series(kind rootKind, sub *object, ids []string, req market.SeriesRequest, now time.Time) {
	endpoint, list := limit.MarketChart, &q.Charts
	if kind == rootMetric {
		endpoint, list = limit.OnChainMetric, &q.Metrics
	}
	for _, id := range ids {
		req.Asset = id
		*list = append(*list, req)
	}
	q.Units[endpoint] += len(ids)
	q.Cost += len(ids) * (sub.leaves + sub.points*req.Points(now))
}
