package resolvers

import (
	"context"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/limit"
	"github.com/coingraph/coingraph/loaders"
	"github.com/coingraph/coingraph/market"
)

// Grid answers for series side by side. A column whose series failed is nil, with its error at the same index; no errors
// at all are nil.
func (r *Resolver) Grid(ctx context.Context, req market.GridRequest) (*market.Grid, []error, error) {
	if err := fault.Invalid(r.Market.CheckGrid(req)...); err != nil {
		return nil, nil, err
	}
	if err := r.charge(ctx, gridUnits(req)); err != nil {
		return nil, nil, err
	}
	grid, errs := r.grid(ctx, req)
	return grid, errs, nil
}

func gridUnits(req market.GridRequest) limit.Units {
	charts, metrics := req.Series()
	return limit.Units{limit.MarketChart: charts, limit.OnChainMetric: metrics}
}

func (r *Resolver) grid(ctx context.Context, req market.GridRequest) (*market.Grid, []error) {
	plan, look := r.Market.PlanGrid(req), loaders.Of(ctx)
	charts := look.StartCharts(ctx, plan.Charts, market.Freshness{})
	metrics := look.Metrics(ctx, plan.Metrics, market.Freshness{})
	return plan.Read(charts(), metrics)
}

func (r *Resolver) gridField(ctx context.Context, req market.GridRequest) (*market.Grid, error) {
	grid, errs := r.grid(ctx, req)
	addErrors(ctx, errs, ast.PathName("columns"))
	return grid, nil
}

// gridArgs reads the arguments of the field.
func gridArgs(args map[string]any) market.GridRequest {
	req := market.GridRequest{Columns: list(args["columns"], gridColumn)}
	req.Days, req.Interval = spanArgs(args)
	return req
}

func gridColumn(v any) market.GridColumn {
	fields, _ := v.(map[string]any)
	c := market.GridColumn{Asset: id(fields["asset"]), Label: text(fields["label"])}
	if v := fields["value"]; v != nil {
		c.Value = new(market.GridValue)
		_ = c.Value.UnmarshalGQL(v)
	}
	if v := fields["currency"]; v != nil {
		c.Currency = new(market.Currency)
		_ = c.Currency.UnmarshalGQL(v)
	}
	if v := fields["metric"]; v != nil {
		c.Metric = new(market.Metric)
		_ = c.Metric.UnmarshalGQL(v)
	}
	return c
}
