// Package resolvers answers the fields of the schema. The generated methods are one line each; what they call is here
// and serves the REST routes as well, so that both validate, look up and fail alike.
package resolvers

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/bill"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/jobs"
	"github.com/coingraph/coingraph/limit"
	"github.com/coingraph/coingraph/loaders"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/relay"
)

// Resolver is what the fields need. Its exported methods are for callers outside of GraphQL: they check, charge and then
// answer. A GraphQL operation was checked and charged as a whole before its fields come here.
type Resolver struct {
	Market *market.Service
	Log    *audit.Log
	Meter  limit.Meter
	Keys   *auth.Registry
	Bill   *bill.Service
	Jobs   *jobs.Engine

	Answers *Answers // nil: none are kept
}

// Prices answers for each asset in each currency: asset by asset, currency by currency.
func (r *Resolver) Prices(ctx context.Context, assets []string, currencies []market.Currency, freshness *market.FreshnessInput) ([]market.Answer[*market.Price], Made, error) {
	if err := fault.Invalid(r.checkPrices(assets, currencies, freshness)...); err != nil {
		return nil, Made{}, err
	}
	pairs, units := pairsOf(assets, currencies), limit.Units{limit.SimplePrice: limit.Hundreds(len(assets) * len(currencies))}
	if freshness == nil {
		hand := r.Market.AtHand()
		if answers, ok := hand.Prices(pairs); ok {
			if err := r.charge(ctx, units); err != nil {
				return nil, Made{}, err
			}
			hand.Use(ctx)
			return answers, Made{hand, units}, nil
		}
	}
	// Begun before it is charged: both go to Redis together. Nothing has been done where the charge is refused.
	answers := r.Market.BeginPrices(ctx, pairs, r.freshness(ctx, freshness))
	if err := r.charge(ctx, units); err != nil {
		return nil, Made{}, err
	}
	return answers(), Made{}, nil
}

func (r *Resolver) prices(ctx context.Context, assets []string, currencies []market.Currency, freshness *market.FreshnessInput) []market.Answer[*market.Price] {
	return loaders.Of(ctx).Prices(ctx, pairsOf(assets, currencies), r.freshness(ctx, freshness))
}

// pairsOf are the assets in the currencies: asset by asset.
func pairsOf(assets []string, currencies []market.Currency) []market.Pair {
	pairs := make([]market.Pair, 0, len(assets)*len(currencies))
	for _, a := range assets {
		for _, c := range currencies {
			pairs = append(pairs, market.Pair{Asset: a, Currency: c})
		}
	}
	return pairs
}

// Chart answers for one chart.
func (r *Resolver) Chart(ctx context.Context, req market.ChartRequest, freshness *market.FreshnessInput) (*market.Chart, Made, error) {
	if err := fault.Invalid(r.checkChart(req, freshness)...); err != nil {
		return nil, Made{}, err
	}
	hand, requests, units := r.Market.AtHand(), []market.ChartRequest{req}, limit.Units{limit.MarketChart: 1}
	answers := r.Market.BeginCharts(ctx, requests, r.freshness(ctx, freshness))
	if err := r.charge(ctx, units); err != nil {
		return nil, Made{}, err
	}
	answer := answers()[0]
	if answer.Err != nil {
		return nil, Made{}, answer.Err
	}
	if _, old := r.Market.RenamedTo(req.Asset); old || freshness != nil || answer.Value.Stale {
		return answer.Value, Made{}, nil
	}
	hand.Series(requests, nil)
	hand.Until(answer.Value.FreshUntil)
	return answer.Value, Made{hand, units}, nil
}

func (r *Resolver) chart(ctx context.Context, req market.ChartRequest, freshness *market.FreshnessInput) (*market.Chart, error) {
	answer := loaders.Of(ctx).Charts(ctx, []market.ChartRequest{req}, r.freshness(ctx, freshness))[0]
	return answer.Value, answer.Err
}

// Metric answers for one on-chain metric.
func (r *Resolver) Metric(ctx context.Context, req market.MetricRequest) (*market.MetricSeries, error) {
	if err := fault.Invalid(checkMetric(req)...); err != nil {
		return nil, err
	}
	if err := r.charge(ctx, limit.Units{limit.OnChainMetric: 1}); err != nil {
		return nil, err
	}
	return r.metric(ctx, req)
}

func (r *Resolver) metric(ctx context.Context, req market.MetricRequest) (*market.MetricSeries, error) {
	answer := loaders.Of(ctx).Metrics(ctx, []market.MetricRequest{req}, market.Freshness{})[0]
	return answer.Value, answer.Err
}

// ExportLogs prepares an admin's export of the log, and charges for it.
func (r *Resolver) ExportLogs(ctx context.Context, filter audit.Filter) (*audit.Export, error) {
	if err := auth.Require(ctx, auth.Admin); err != nil {
		return nil, err
	}
	if err := r.charge(ctx, limit.Units{limit.LogExport: 1}); err != nil {
		return nil, err
	}
	return r.Log.Export(ctx, filter)
}

// logs is a page of the request log. Only admins get one, whoever calls.
func (r *Resolver) logs(ctx context.Context, filter *audit.Filter, first *int, after *string) (*audit.Page, error) {
	if err := auth.Require(ctx, auth.Admin); err != nil {
		return nil, err
	}
	if filter == nil {
		filter = &audit.Filter{}
	}
	if err := fault.Invalid(checkLogs(filter, first, after)...); err != nil {
		return nil, err
	}
	rows, _ := relay.First(first)
	position, _ := relay.After(after)
	place, _ := audit.ParsePlace(position)
	return r.Log.Page(ctx, *filter, place, rows)
}

// freshness reads what the caller wrote; only admins may ask for younger data than everybody gets.
func (r *Resolver) freshness(ctx context.Context, in *market.FreshnessInput) market.Freshness {
	return r.Market.Freshness(in, auth.ActorOf(ctx).Role == auth.Admin)
}

func (r *Resolver) simplePrice(ctx context.Context, assets []string, currencies []market.Currency, freshness *market.FreshnessInput) ([]*market.Price, error) {
	prices, errs := split(r.prices(ctx, assets, currencies, freshness))
	addErrors(ctx, errs)
	return prices, nil
}

// addErrors reports errors of the elements of a list that is the field's value, or of one below it.
func addErrors(ctx context.Context, errs []error, below ...ast.PathElement) {
	for i, err := range errs {
		if err != nil {
			graphql.AddError(ctx, &gqlerror.Error{Err: err, Path: append(append(graphql.GetPath(ctx), below...), ast.PathIndex(i))})
		}
	}
}

func (r *Resolver) asset(ctx context.Context, id string) (*market.Asset, error) {
	asset, err := r.Market.Asset(ctx, id)
	if err != nil {
		return nil, err
	}
	return &asset, nil
}

func (r *Resolver) assets(ctx context.Context, ids []string, search *string, first *int, after *string) (*market.AssetPage, error) {
	q := market.AssetQuery{IDs: ids}
	if search != nil {
		q.Search = *search
	}
	q.First, _ = relay.First(first)
	q.After, _ = relay.After(after)
	page, unknown, err := r.Market.Assets(ctx, q)
	if len(unknown) > 0 {
		graphql.AddError(ctx, market.UnknownAssets(unknown))
	}
	return page, err
}

func (r *Resolver) assetPrices(ctx context.Context, assets []*market.Asset, currency market.Currency) ([]*market.Price, error) {
	pairs := make([]market.Pair, len(assets))
	for i, a := range assets {
		pairs[i] = market.Pair{Asset: a.ID, Currency: currency}
	}
	return batch(loaders.Of(ctx).Prices(ctx, pairs, market.Freshness{}))
}

func (r *Resolver) assetCharts(ctx context.Context, assets []*market.Asset, currency market.Currency, days market.Days, interval market.Interval) ([]*market.Chart, error) {
	requests := make([]market.ChartRequest, len(assets))
	for i, a := range assets {
		requests[i] = market.ChartRequest{SeriesKey: market.SeriesKey{Asset: a.ID, Currency: currency, Interval: interval}, Days: days}
	}
	return batch(loaders.Of(ctx).Charts(ctx, requests, market.Freshness{}))
}

func (r *Resolver) assetMetrics(ctx context.Context, assets []*market.Asset, metric market.Metric, days market.Days, interval market.Interval) ([]*market.MetricSeries, error) {
	requests := make([]market.MetricRequest, len(assets))
	for i, a := range assets {
		requests[i] = market.MetricRequest{SeriesKey: market.SeriesKey{Asset: a.ID, Metric: metric, Interval: interval}, Days: days}
	}
	return batch(loaders.Of(ctx).Metrics(ctx, requests, market.Freshness{}))
}

// batch gives a batch resolver's values with the errors at their own places.
func batch[T any](answers []market.Answer[*T]) ([]*T, error) {
	values, errs := split(answers)
	if errs == nil {
		return values, nil
	}
	return values, graphql.BatchErrorList(errs)
}

// split parts answers into values and errors, index by index; no errors at all are nil.
func split[T any](answers []market.Answer[*T]) (values []*T, errs []error) {
	values = make([]*T, len(answers))
	for i, a := range answers {
		values[i] = a.Value
		if a.Err != nil {
			if errs == nil {
				errs = make([]error, len(answers))
			}
			errs[i] = a.Err
		}
	}
	return values, errs
}
