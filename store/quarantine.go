package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/market"
)

// quarantineRow is a row of ops.quarantine.
type quarantineRow struct {
	ID            int64
	Asset         string
	Currency      string
	Metric        string
	Interval      string
	TS            int64 `bun:"ts"`
	Price         number
	MarketCap     number
	Volume        number
	Missing       int64
	Source        string
	FetchedAt     int64
	QuarantinedAt int64
	Reason        string
	ReleasedAt    *int64
	ReleasedBy    string
}

func (r *quarantineRow) entry() market.QuarantineEntry {
	interval, _ := market.IntervalNamed(r.Interval)
	e := market.QuarantineEntry{
		ID:        r.ID,
		SeriesKey: market.SeriesKey{Asset: r.Asset, Currency: market.Currency(r.Currency), Metric: market.Metric(r.Metric), Interval: interval},
		Quarantined: market.Quarantined{
			Point: market.Point{
				Stamp: r.TS, Price: float64(r.Price), MarketCap: float64(r.MarketCap), Volume: float64(r.Volume),
				Missing: market.Missing(r.Missing), Source: r.Source, FetchedAt: instant(r.FetchedAt),
			},
			At: instant(r.QuarantinedAt), Reason: r.Reason,
		},
		ReleasedBy: r.ReleasedBy,
	}
	if r.ReleasedAt != nil {
		at := instant(*r.ReleasedAt)
		e.ReleasedAt = &at
	}
	return e
}

// saveQuarantined keeps points apart; the lock of their series is held.
func (s *Store) saveQuarantined(ctx context.Context, tx bun.Tx, key market.SeriesKey, points []market.Quarantined) error {
	if len(points) == 0 {
		return nil
	}
	same := func(text string) func(*market.Quarantined) string {
		return func(*market.Quarantined) string { return text }
	}
	return s.insert(ctx, tx, "ops.quarantine", batch{
		{"asset", of(points, same(key.Asset))},
		{"currency", of(points, same(string(key.Currency)))},
		{"metric", of(points, same(string(key.Metric)))},
		{"interval", of(points, same(key.Interval.String()))},
		{"ts", of(points, func(q *market.Quarantined) int64 { return q.Stamp })},
		{"price", of(points, func(q *market.Quarantined) float64 { return q.Price })},
		{"market_cap", of(points, func(q *market.Quarantined) float64 { return q.MarketCap })},
		{"volume", of(points, func(q *market.Quarantined) float64 { return q.Volume })},
		{"missing", of(points, func(q *market.Quarantined) int64 { return int64(q.Missing) })},
		{"source", of(points, func(q *market.Quarantined) string { return q.Source })},
		{"fetched_at", of(points, func(q *market.Quarantined) int64 { return q.FetchedAt.UnixMilli() })},
		{"quarantined_at", of(points, func(q *market.Quarantined) int64 { return q.At.UnixMilli() })},
		{"reason", of(points, func(q *market.Quarantined) string { return q.Reason })},
	}, `ON CONFLICT (asset, currency, metric, interval, ts, source) WHERE released_at IS NULL DO UPDATE SET
		price = excluded.price, market_cap = excluded.market_cap, volume = excluded.volume, missing = excluded.missing,
		fetched_at = excluded.fetched_at, reason = excluded.reason WHERE t.fetched_at <= excluded.fetched_at`)
}

// Quarantine is what was held back, see [market.Store].
func (s *Store) Quarantine(ctx context.Context, below int64, limit int) ([]market.QuarantineEntry, error) {
	if limit <= 0 {
		return nil, nil
	}
	q := s.reads().NewSelect().TableExpr(s.named("ops.quarantine")).Column("*").Order("id DESC").Limit(int64(limit))
	if below > 0 {
		q = q.Where("id < ?", below)
	}
	var rows []quarantineRow
	if err := q.Scan(ctx, &rows); err != nil {
		return nil, s.fault(ctx, "read quarantine", err)
	}
	return of(rows, (*quarantineRow).entry), nil
}

// Release makes a quarantined point one like all others, see [market.Store].
func (s *Store) Release(ctx context.Context, id int64, by string, at time.Time) (*market.QuarantineEntry, error) {
	var released *market.QuarantineEntry
	err := s.bulk(ctx, func(ctx context.Context, tx bulkTx) error {
		var row quarantineRow
		read := func() error {
			return tx.NewRaw(s.named("SELECT * FROM ops.quarantine WHERE id = ?"), id).Scan(ctx, &row)
		}
		err := read()
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		// As whoever holds a point back: the lock of the series first, and then the row. No row is ever deleted.
		key := row.entry().SeriesKey
		if _, err := s.lockSeries(ctx, tx.Tx, kindOf(key), key); err != nil {
			return err
		}
		row = quarantineRow{}
		if err := read(); err != nil {
			return err
		}
		if row.ReleasedAt == nil {
			if err := s.release(ctx, tx, &row, by, at.UnixMilli()); err != nil {
				return err
			}
		}
		e := row.entry()
		released = &e
		return nil
	})
	if err != nil {
		return nil, s.fault(ctx, "release from quarantine", err)
	}
	return released, nil
}

// release is what happens when a point is released: all of it in one transaction, or nothing.
func (s *Store) release(ctx context.Context, tx bulkTx, row *quarantineRow, by string, at int64) error {
	e := row.entry()
	w := market.SeriesWrite{SeriesKey: e.SeriesKey, Fetched: market.Fetched{
		Points: []market.Point{e.Point}, Covers: e.SlotOf(), Source: e.Source, FetchedAt: e.FetchedAt,
	}}
	if err := s.saveAnswer(ctx, tx, &w); err != nil {
		return err
	}
	row.ReleasedAt, row.ReleasedBy = &at, by
	_, err := tx.ExecContext(ctx, s.named("UPDATE ops.quarantine SET released_at = ?, released_by = ? WHERE id = ?"), at, by, row.ID)
	if err != nil {
		return err
	}
	return s.record(ctx, tx.Tx, audit.Action{
		Event: "quarantine.release", Message: "a point was released from quarantine", Target: strconv.FormatInt(row.ID, 10),
		Details: []slog.Attr{
			slog.String("asset", e.Asset), slog.String("currency", string(e.Currency)), slog.String("metric", string(e.Metric)),
			slog.String("interval", e.Interval.String()), slog.Time("stamp", time.UnixMilli(e.Point.Stamp).UTC()),
		},
	})
}
