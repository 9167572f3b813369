package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/coingraph/coingraph/market"
)

// maxDemand is how many rows of a day are kept: what is new on a day that has so many is left out.
const maxDemand = 10_000

// dayOf is the beginning of an instant's day, in UTC.
func dayOf(t time.Time) int64 { return market.Daily.Floor(t.UnixMilli()) }

// intervalName is the interval as it is stored; a price has none.
func intervalName(i market.Interval) string {
	if !i.Valid() {
		return ""
	}
	return i.String()
}

// AddDemand adds to what was asked for, see [jobs.Store].
func (s *Store) AddDemand(ctx context.Context, day time.Time, asked []market.Demand) error {
	// One row each, in one order: see [Store.Book].
	asked = slices.Clone(asked)
	order := func(a, b market.Demand) int {
		return cmp.Or(cmp.Compare(a.Asset, b.Asset), cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.Metric, b.Metric),
			cmp.Compare(intervalName(a.Interval), intervalName(b.Interval)), cmp.Compare(a.Days, b.Days))
	}
	slices.SortFunc(asked, order)
	n := 0
	for _, d := range asked {
		if n > 0 && order(asked[n-1], d) == 0 {
			asked[n-1].Asked += d.Asked
			continue
		}
		asked[n] = d
		n++
	}
	asked = asked[:n]
	if n == 0 {
		return nil
	}
	err := s.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := s.lock(ctx, tx, lockJobs); err != nil {
			return err
		}
		var stored []demandRow
		if err := s.selectDemand(tx, "day = ?", dayOf(day)).Scan(ctx, &stored); err != nil {
			return err
		}
		there := make(map[market.Demand]bool, len(stored))
		for _, r := range stored {
			there[r.demand(0)] = true
		}
		room := maxDemand - len(stored)
		kept := slices.DeleteFunc(asked, func(d market.Demand) bool {
			d.Asked = 0
			if there[d] {
				return false
			}
			room--
			return room < 0
		})
		return s.insert(ctx, tx, "ops.demand", batch{
			{"day", of(kept, func(*market.Demand) int64 { return dayOf(day) })},
			{"asset", of(kept, func(d *market.Demand) string { return d.Asset })},
			{"currency", of(kept, func(d *market.Demand) string { return string(d.Currency) })},
			{"metric", of(kept, func(d *market.Demand) string { return string(d.Metric) })},
			{"interval", of(kept, func(d *market.Demand) string { return intervalName(d.Interval) })},
			{"days", of(kept, func(d *market.Demand) int64 { return int64(d.Days) })},
			{"asked", of(kept, func(d *market.Demand) int64 { return d.Asked })},
		}, "ON CONFLICT (day, asset, currency, metric, interval, days) DO UPDATE SET asked = t.asked + excluded.asked")
	})
	return s.fault(ctx, "add demand", err)
}

// demandRow is what was asked for, without how often.
type demandRow struct {
	Asset, Currency, Metric, Interval string
	Days                              int64
}

func (r demandRow) demand(asked int64) market.Demand {
	interval, _ := market.IntervalNamed(r.Interval)
	return market.Demand{
		SeriesKey: market.SeriesKey{Asset: r.Asset, Currency: market.Currency(r.Currency), Metric: market.Metric(r.Metric), Interval: interval},
		Days:      market.Days(r.Days), Asked: asked,
	}
}

func (s *Store) selectDemand(db bun.IDB, where string, args ...any) *bun.SelectQuery {
	return db.NewSelect().TableExpr(s.named("ops.demand")).Column("asset", "currency", "metric", "interval", "days").Where(where, args...)
}

// Demand is what was asked for, see [jobs.Store].
func (s *Store) Demand(ctx context.Context, since time.Time, limit int) ([]market.Demand, error) {
	var rows []struct {
		demandRow
		Total int64
	}
	err := s.selectDemand(s.reads(), "day >= ?", dayOf(since)).ColumnExpr("CAST(sum(asked) AS bigint) AS total").
		Group("asset", "currency", "metric", "interval", "days").Order("total DESC", "asset", "currency", "metric", "interval", "days").
		Limit(int64(limit)).Scan(ctx, &rows)
	if err != nil {
		return nil, s.fault(ctx, "read demand", err)
	}
	asked := make([]market.Demand, len(rows))
	for i, r := range rows {
		asked[i] = r.demand(r.Total)
	}
	return asked, nil
}

// PruneDemand deletes what was asked for long ago, see [jobs.Store].
func (s *Store) PruneDemand(ctx context.Context, before time.Time) error {
	_, err := s.writes().ExecContext(ctx, s.named("DELETE FROM ops.demand WHERE day < ?"), dayOf(before))
	return s.fault(ctx, "prune demand", err)
}
