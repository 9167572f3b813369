package store

import (
	"context"

	"github.com/coingraph/coingraph/market"
)

// StoredSeries are the series of charts and of metrics that there is anything of, ascending.
func (s *Store) StoredSeries(ctx context.Context) ([]market.SeriesKey, error) {
	var keys []market.SeriesKey
	for _, k := range []*seriesKind{chartKind, metricKind} {
		var rows []struct{ Asset, Subject, Interval string }
		err := s.reads().NewSelect().TableExpr(s.named(k.table("series"))).Column("asset", "interval").ColumnExpr(k.subject+" AS subject").
			Order("asset", k.subject, "interval").Scan(ctx, &rows)
		if err != nil {
			return nil, s.fault(ctx, "list series", err)
		}
		for _, r := range rows {
			key := market.SeriesKey{Asset: r.Asset}
			key.Interval, _ = market.IntervalNamed(r.Interval)
			if k.onChain {
				key.Metric = market.Metric(r.Subject)
			} else {
				key.Currency = market.Currency(r.Subject)
			}
			keys = append(keys, key)
		}
	}
	return keys, nil
}
