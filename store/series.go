package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"github.com/coingraph/coingraph/market"
)

// SaveSeries stores a provider's answer, see [market.Store]. Writers of one series wait for each other; writers of
// different ones do not, except on SQLite.
func (s *Store) SaveSeries(ctx context.Context, w market.SeriesWrite) error {
	if !w.Interval.Valid() {
		return errors.New("store: save series: not an interval")
	}
	err := s.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		id, err := s.lockSeries(ctx, tx, w.SeriesKey)
		if err != nil {
			return err
		}
		if err := s.savePoints(ctx, tx, id, &w); err != nil {
			return err
		}
		return s.saveKnown(ctx, tx, id, w.Known)
	})
	return s.fault(ctx, "save series", err)
}

// lockSeries makes the series if it is new, and holds its row until the transaction ends.
func (s *Store) lockSeries(ctx context.Context, tx bun.Tx, key market.SeriesKey) (id int64, err error) {
	err = batch{{"asset", []string{key.Asset}}, {"currency", []string{string(key.Currency)}}}.check()
	if err != nil {
		return 0, err
	}
	find := func() error {
		return tx.NewRaw(s.named("SELECT id FROM charts.series WHERE asset = ? AND currency = ? AND interval = ?"+s.forUpdate()),
			key.Asset, key.Currency, key.Interval.String()).Scan(ctx, &id)
	}
	// An INSERT uses up an id even where the row exists, so it comes second.
	if err = find(); !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	_, err = tx.ExecContext(ctx, s.named("INSERT INTO charts.series (asset, currency, interval) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"),
		key.Asset, key.Currency, key.Interval.String())
	if err != nil {
		return 0, err
	}
	return id, find()
}

// savePoints changes the points and the tail of a series whose lock is held.
func (s *Store) savePoints(ctx context.Context, tx bun.Tx, id int64, w *market.SeriesWrite) error {
	var stored []stamped
	if r := reach(w); !r.Empty() {
		err := tx.NewSelect().TableExpr(s.named("charts.points AS p")).Join(s.named("JOIN charts.sources AS o ON o.id = p.source_id")).
			ColumnExpr("p.ts, p.fetched_at, o.name AS source").
			Where("p.series_id = ? AND p.ts >= ? AND p.ts < ?", id, r.From, r.To).Scan(ctx, &stored)
		if err != nil {
			return err
		}
	}
	drop, put := plan(w, stored)
	tail := put[:0:0]
	if w.Tail != nil {
		tail = append(tail, *w.Tail)
	}
	sources, err := s.sources(ctx, tx, sourceNames(slices.Concat(put, tail)))
	if err != nil {
		return err
	}
	for part := range slices.Chunk(drop, insertRows) {
		_, err := tx.NewDelete().TableExpr(s.named("charts.points")).Where("series_id = ?", id).Where("ts IN (?)", bun.List(part)).Exec(ctx)
		if err != nil {
			return err
		}
	}
	for part := range slices.Chunk(put, insertRows) {
		if err := s.insert(ctx, tx, "charts.points", pointBatch(id, part, sources), "ON CONFLICT (series_id, ts) DO UPDATE SET "+setPoint); err != nil {
			return err
		}
	}
	if len(tail) == 0 {
		return nil
	}
	return s.insert(ctx, tx, "charts.tails", pointBatch(id, tail, sources),
		"ON CONFLICT (series_id) DO UPDATE SET ts = excluded.ts, "+setPoint+" WHERE t.fetched_at < excluded.fetched_at")
}

const setPoint = "price = excluded.price, market_cap = excluded.market_cap, volume = excluded.volume, " +
	"missing = excluded.missing, source_id = excluded.source_id, fetched_at = excluded.fetched_at"

func pointBatch(id int64, points []market.Point, sources map[string]int64) batch {
	return batch{
		{"series_id", of(points, func(*market.Point) int64 { return id })},
		{"ts", of(points, func(p *market.Point) int64 { return p.Stamp })},
		{"price", of(points, func(p *market.Point) float64 { return p.Price })},
		{"market_cap", of(points, func(p *market.Point) float64 { return p.MarketCap })},
		{"volume", of(points, func(p *market.Point) float64 { return p.Volume })},
		{"missing", of(points, func(p *market.Point) int64 { return int64(p.Missing) })},
		{"source_id", of(points, func(p *market.Point) int64 { return sources[p.Source] })},
		{"fetched_at", of(points, func(p *market.Point) int64 { return p.FetchedAt.UnixMilli() })},
	}
}

// sources are the ids of the sources' names (ascending), which it gives to those that have none.
func (s *Store) sources(ctx context.Context, tx bun.Tx, names []string) (map[string]int64, error) {
	ids := make(map[string]int64, len(names))
	if len(names) == 0 {
		return ids, nil
	}
	find := func() error {
		var found []struct {
			ID   int64
			Name string
		}
		err := tx.NewSelect().TableExpr(s.named("charts.sources")).Column("id", "name").Where("name IN (?)", bun.List(names)).Scan(ctx, &found)
		for _, source := range found {
			ids[source.Name] = source.ID
		}
		return err
	}
	if err := find(); err != nil || len(ids) == len(names) {
		return ids, err
	}
	// Ids are few, so none may be used up by an INSERT that finds its row there.
	fresh := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return ids[name] != 0 })
	if err := s.insert(ctx, tx, "charts.sources", batch{{"name", fresh}}, "ON CONFLICT DO NOTHING"); err != nil {
		return nil, err
	}
	if err := find(); err != nil {
		return nil, err
	}
	if len(ids) != len(names) {
		return nil, fmt.Errorf("sources %q have no id", names)
	}
	return ids, nil
}

// knownRow is a row of charts.coverage.
type knownRow struct {
	FromTS    int64 `bun:"from_ts"`
	ToTS      int64 `bun:"to_ts"`
	Provider  string
	FetchedAt int64
	DueAt     int64
	Tries     int64
	Hole      string
}

func rowsOfKnown(known []market.Known) []knownRow {
	return of(known, func(k *market.Known) knownRow {
		return knownRow{k.From, k.To, k.Provider, k.FetchedAt.UnixMilli(), k.DueAt, int64(k.Tries), string(k.Hole)}
	})
}

func (r knownRow) known() market.Known {
	return market.Known{
		Range: market.Range{From: r.FromTS, To: r.ToTS}, Provider: r.Provider, FetchedAt: instant(r.FetchedAt),
		DueAt: r.DueAt, Tries: int(r.Tries), Hole: market.HoleReason(r.Hole),
	}
}

// saveKnown lays fresh knowledge over the stored one of a series whose lock is held.
func (s *Store) saveKnown(ctx context.Context, tx bun.Tx, id int64, fresh []market.Known) error {
	if len(fresh) == 0 {
		return nil
	}
	var stored []knownRow
	err := tx.NewSelect().TableExpr(s.named("charts.coverage")).
		Column("from_ts", "to_ts", "provider", "fetched_at", "due_at", "tries", "hole").
		Where("series_id = ?", id).Scan(ctx, &stored)
	if err != nil {
		return err
	}
	old := make([]market.Known, len(stored))
	for i, r := range stored {
		old[i] = r.known()
	}
	market.SortKnown(old)
	rows := rowsOfKnown(market.MergeKnown(old, fresh))
	if slices.Equal(rows, rowsOfKnown(old)) {
		return nil
	}
	if _, err := tx.NewDelete().TableExpr(s.named("charts.coverage")).Where("series_id = ?", id).Exec(ctx); err != nil {
		return err
	}
	for part := range slices.Chunk(rows, insertRows) {
		err := s.insert(ctx, tx, "charts.coverage", batch{
			{"series_id", of(part, func(*knownRow) int64 { return id })},
			{"from_ts", of(part, func(r *knownRow) int64 { return r.FromTS })},
			{"to_ts", of(part, func(r *knownRow) int64 { return r.ToTS })},
			{"provider", of(part, func(r *knownRow) string { return r.Provider })},
			{"fetched_at", of(part, func(r *knownRow) int64 { return r.FetchedAt })},
			{"due_at", of(part, func(r *knownRow) int64 { return r.DueAt })},
			{"tries", of(part, func(r *knownRow) int64 { return r.Tries })},
			{"hole", of(part, func(r *knownRow) string { return r.Hole })},
		}, "")
		if err != nil {
			return err
		}
	}
	return nil
}
