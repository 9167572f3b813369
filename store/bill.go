package store

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/coingraph/coingraph/bill"
)

// billColumns are the columns that a line of the bill is split by.
var billColumns = map[bill.By]string{bill.ByKey: "caller", bill.ByOperation: "operation", bill.ByAsset: "asset", bill.ByLane: "lane"}

// Book adds calls to the bill, see [bill.Store].
func (s *Store) Book(ctx context.Context, lines []bill.Line) error {
	// Postgres refuses a statement that meets a row twice; and in one order, two of them cannot wait for each other in a
	// circle.
	sum := make(map[bill.Line]*bill.Line, len(lines))
	var order []*bill.Line
	for _, l := range lines {
		l.Minute = l.Minute.UTC().Truncate(time.Minute)
		l.Provider, l.Key, l.Lane = printable(l.Provider), printable(l.Key), printable(l.Lane)
		l.Operation, l.Asset, l.Caller = printable(l.Operation), printable(l.Asset), printable(l.Caller)
		calls, failed := l.Calls, l.Failed
		l.Calls, l.Failed = 0, 0
		if sum[l] == nil {
			line := l
			sum[l], order = &line, append(order, &line)
		}
		sum[l].Calls += calls
		sum[l].Failed += failed
	}
	if len(order) == 0 {
		return nil
	}
	slices.SortFunc(order, func(a, b *bill.Line) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), a.Minute.Compare(b.Minute), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Lane, b.Lane),
			cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Asset, b.Asset), cmp.Compare(a.Caller, b.Caller))
	})
	text := func(field func(*bill.Line) string) func(**bill.Line) string {
		return func(l **bill.Line) string { return field(*l) }
	}
	err := s.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		for part := range slices.Chunk(order, insertRows) {
			err := s.insert(ctx, tx, "ops.upstream_calls", batch{
				{"provider", of(part, text(func(l *bill.Line) string { return l.Provider }))},
				{"minute", of(part, func(l **bill.Line) int64 { return (*l).Minute.UnixMilli() })},
				{"pool_key", of(part, text(func(l *bill.Line) string { return l.Key }))},
				{"lane", of(part, text(func(l *bill.Line) string { return l.Lane }))},
				{"operation", of(part, text(func(l *bill.Line) string { return l.Operation }))},
				{"asset", of(part, text(func(l *bill.Line) string { return l.Asset }))},
				{"caller", of(part, text(func(l *bill.Line) string { return l.Caller }))},
				{"calls", of(part, func(l **bill.Line) int64 { return int64((*l).Calls) })},
				{"failed", of(part, func(l **bill.Line) int64 { return int64((*l).Failed) })},
			}, `ON CONFLICT (provider, minute, pool_key, lane, operation, asset, caller)
				DO UPDATE SET calls = t.calls + excluded.calls, failed = t.failed + excluded.failed`)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return s.fault(ctx, "book calls", err)
}

// Spend is a provider's bill, see [bill.Store].
func (s *Store) Spend(ctx context.Context, provider string, by bill.By, since time.Time, limit int) ([]bill.Row, error) {
	if !storable(provider) || limit <= 0 {
		return nil, nil
	}
	column := bun.Ident(billColumns[by])
	var sums []struct {
		Name          string
		Calls, Failed int
	}
	err := s.selectBill(provider, since).ColumnExpr("? AS name", column).
		ColumnExpr("CAST(sum(calls) AS bigint) AS calls").ColumnExpr("CAST(sum(failed) AS bigint) AS failed").
		GroupExpr("?", column).OrderExpr("2 DESC, 1").Limit(int64(limit)).Scan(ctx, &sums)
	if err != nil {
		return nil, s.fault(ctx, "read bill", err)
	}
	rows := make([]bill.Row, len(sums))
	for i, sum := range sums {
		rows[i] = bill.Row{Calls: sum.Calls, Failed: sum.Failed}
		if sum.Name != "" {
			rows[i].Name = &sum.Name
		}
	}
	return rows, nil
}

// Calls are a provider's calls by key and minute, see [bill.Store].
func (s *Store) Calls(ctx context.Context, provider string, since time.Time) ([]bill.Line, error) {
	if !storable(provider) {
		return nil, nil
	}
	var sums []struct {
		PoolKey string
		Minute  int64
		Calls   int
	}
	err := s.selectBill(provider, since).Column("pool_key", "minute").ColumnExpr("CAST(sum(calls) AS bigint) AS calls").
		GroupExpr("pool_key, minute").Scan(ctx, &sums)
	if err != nil {
		return nil, s.fault(ctx, "read bill", err)
	}
	lines := make([]bill.Line, len(sums))
	for i, sum := range sums {
		lines[i] = bill.Line{Key: sum.PoolKey, Minute: instant(sum.Minute), Calls: sum.Calls}
	}
	return lines, nil
}

func (s *Store) selectBill(provider string, since time.Time) *bun.SelectQuery {
	return s.reads().NewSelect().TableExpr(s.named("ops.upstream_calls")).Where("provider = ?", provider).
		Where("minute >= ?", since.UTC().Truncate(time.Minute).UnixMilli())
}

// PruneBill deletes old lines, see [bill.Store].
func (s *Store) PruneBill(ctx context.Context, before time.Time) (int, error) {
	result, err := s.writes().ExecContext(ctx, s.named("DELETE FROM ops.upstream_calls WHERE minute < ?"), before.UTC().Truncate(time.Minute).UnixMilli())
	if err != nil {
		return 0, s.fault(ctx, "prune bill", err)
	}
	n, err := result.RowsAffected()
	return int(n), s.fault(ctx, "prune bill", err)
}

// printable is a text that both databases take.
func printable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
