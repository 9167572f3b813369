package resolvers

import (
	"testing"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/limit"
	"github.com/coingraph/coingraph/market"
)

// TestMethodsCheckAndCharge: what callers outside of GraphQL use refuses bad arguments for nothing, charges each series
// once, and asks nobody for what is beyond the limit.
func TestMethodsCheckAndCharge(t *testing.T) {
	source := new(countedSource)
	r := newResolver(t, source, 3)
	mvrv := market.MVRV
	metric := market.MetricRequest{SeriesKey: market.SeriesKey{Asset: "coin-1", Metric: mvrv, Interval: market.Daily}, Days: 7}
	grid := market.GridRequest{Days: 7, Interval: market.Daily, Columns: []market.GridColumn{
		{Asset: "coin-1"}, {Asset: "coin-1"}, {Asset: "coin-1", Metric: &mvrv}, {Asset: "coin-2", Metric: &mvrv}, {Asset: "nonesuch"},
	}}
	ask := func() error { _, err := r.Metric(r.requestOf(t), metric); return err }

	bad := metric
	bad.Metric, bad.Days = "nonesuch", 0
	_, err := r.Metric(r.requestOf(t), bad)
	if f := fault.Of(err); f.Kind != fault.BadInput || len(f.Fields) != 2 || f.Fields[0].Field != "metric" || f.Fields[1].Field != "days" {
		t.Errorf("a bad metric: %v", err)
	}
	_, _, err = r.Grid(r.requestOf(t), market.GridRequest{})
	if f := fault.Of(err); f.Kind != fault.BadInput || len(f.Fields) != 3 {
		t.Errorf("a bad grid: %v", err)
	}

	ctx := r.requestOf(t)
	g, errs, err := r.Grid(ctx, grid)
	if err != nil || len(g.Columns) != 5 || g.Columns[4] != nil || !fault.Is(errs[4], fault.NotFound) || g.Timestamps.Len() != 7 {
		t.Fatalf("%+v %v %v", g, errs, err)
	}
	status, _ := r.Status(ctx)
	for _, l := range status.Limits {
		if want := map[limit.Endpoint]int{limit.MarketChart: 1, limit.OnChainMetric: 1}[l.Endpoint]; (l.Endpoint == limit.MarketChart || l.Endpoint == limit.OnChainMetric) && l.Remaining != want {
			t.Errorf("%s: %d left, want %d", l.Endpoint, l.Remaining, want)
		}
	}
	if err := ask(); err != nil {
		t.Error(err)
	}
	calls := source.metrics
	if err := ask(); !fault.Is(err, fault.RateLimited) || source.metrics != calls {
		t.Errorf("beyond the limit: %v", err)
	}
	if _, _, err := r.Grid(r.requestOf(t), grid); !fault.Is(err, fault.RateLimited) {
		t.Errorf("beyond the limit: %v", err)
	}
}
