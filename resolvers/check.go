package resolvers

import (
	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/relay"
)

// The checks name everything that is wrong with the arguments of a field. They run before an operation is executed
// (arguments.go), so that a bad one is refused whole, and again in the methods that REST shares.

func (r *Resolver) checkPrices(assets []string, currencies []market.Currency, freshness *market.FreshnessInput) []fault.Field {
	bad := market.CheckAssets("assets", assets)
	bad = append(bad, r.Market.CheckCurrencies("currencies", currencies)...)
	return append(bad, freshness.Check()...)
}

func (r *Resolver) checkChart(req market.ChartRequest, freshness *market.FreshnessInput) []fault.Field {
	bad := market.CheckAsset("asset", req.Asset)
	bad = append(bad, r.Market.CheckCurrency("currency", req.Currency)...)
	bad = append(bad, market.CheckChart(req.Days, req.Interval)...)
	return append(bad, freshness.Check()...)
}

func checkMetric(req market.MetricRequest) []fault.Field {
	bad := market.CheckAsset("asset", req.Asset)
	bad = append(bad, market.CheckMetric("metric", req.Metric)...)
	return append(bad, market.CheckChart(req.Days, req.Interval)...)
}

func checkLogs(f *audit.Filter, first *int, after *string) []fault.Field {
	bad := f.Check()
	_, badFirst := relay.First(first)
	bad = append(bad, badFirst...)
	position, badAfter := relay.After(after)
	if badAfter == nil {
		if _, err := audit.ParsePlace(position); err != nil {
			badAfter = relay.BadCursor()
		}
	}
	return append(bad, badAfter...)
}
