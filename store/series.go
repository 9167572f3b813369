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
	if w.OnChain() && w.Tail != nil {
		return errors.New("store: save series: a metric has no trailing point")
	}
	err := s.bulk(ctx, func(ctx context.Context, tx bulkTx) error { return s.saveAnswer(ctx, tx, &w) })
	return s.fault(ctx, "save series", err)
}

// saveAnswer is SaveSeries within a transaction.
func (s *Store) saveAnswer(ctx context.Context, tx bulkTx, w *market.SeriesWrite) error {
	k := kindOf(w.SeriesKey)
	id, err := s.lockSeries(ctx, tx.Tx, k, w.SeriesKey)
	if err != nil {
		return err
	}
	if err := s.savePoints(ctx, tx, k, id, w); err != nil {
		return err
	}
	if err := s.saveQuarantined(ctx, tx.Tx, w.SeriesKey, w.Quarantined); err != nil {
		return err
	}
	return s.saveKnown(ctx, tx.Tx, k, id, w.Known)
}

// lockSeries makes the series if it is new, and holds its row until the transaction ends.
func (s *Store) lockSeries(ctx context.Context, tx bun.Tx, k *seriesKind, key market.SeriesKey) (id int64, err error) {
	err = batch{{"asset", []string{key.Asset}}, {k.subject, []string{subjectOf(key)}}}.check()
	if err != nil {
		return 0, err
	}
	find := func() error {
		return tx.NewRaw(s.named(k.named("SELECT id FROM @schema.series WHERE asset = ? AND @subject = ? AND interval = ?")+s.forUpdate()),
			key.Asset, subjectOf(key), key.Interval.String()).Scan(ctx, &id)
	}
	// An INSERT uses up an id even where the row exists, so it comes second.
	if err = find(); !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	_, err = tx.ExecContext(ctx, s.named(k.named("INSERT INTO @schema.series (asset, @subject, interval) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")),
		key.Asset, subjectOf(key), key.Interval.String())
	if err != nil {
		return 0, err
	}
	return id, find()
}

// savePoints changes the points and the tail of a series whose lock is held.
func (s *Store) savePoints(ctx context.Context, tx bulkTx, k *seriesKind, id int64, w *market.SeriesWrite) error {
	var stored []stamped
	if r := reach(w); !r.Empty() {
		err := tx.NewSelect().TableExpr(s.named(k.table("points AS p"))).Join(s.named("JOIN charts.sources AS o ON o.id = p.source_id")).
			ColumnExpr("p.ts, p.fetched_at, p."+k.values[0].column+" AS price, o.name AS source").
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
	sources, err := s.sources(ctx, tx.Tx, sourceNames(slices.Concat(put, tail)))
	if err != nil {
		return err
	}
	for part := range slices.Chunk(drop, insertRows) {
		_, err := tx.NewDelete().TableExpr(s.named(k.table("points"))).Where("series_id = ?", id).Where("ts IN (?)", bun.List(part)).Exec(ctx)
		if err != nil {
			return err
		}
	}
	fresh, put := partFresh(put, stored)
	for part := range slices.Chunk(fresh, insertRows) {
		if err := tx.fill(ctx, k.table("points"), k.batch(id, part, sources)); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(put, insertRows) {
		if err := s.insert(ctx, tx.Tx, k.table("points"), k.batch(id, part, sources), "ON CONFLICT (series_id, ts) DO UPDATE SET "+k.setPoint); err != nil {
			return err
		}
	}
	if len(tail) == 0 {
		return nil
	}
	return s.insert(ctx, tx.Tx, k.table("tails"), k.batch(id, tail, sources),
		"ON CONFLICT (series_id) DO UPDATE SET ts = excluded.ts, "+k.setPoint+" WHERE t.fetched_at < excluded.fetched_at")
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

// knownRow is a row of the table of coverage.
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
func (s *Store) saveKnown(ctx context.Context, tx bun.Tx, k *seriesKind, id int64, fresh []market.Known) error {
	if len(fresh) == 0 {
		return nil
	}
	var stored []knownRow
	err := tx.NewSelect().TableExpr(s.named(k.table("coverage"))).
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
	if _, err := tx.NewDelete().TableExpr(s.named(k.table("coverage"))).Where("series_id = ?", id).Exec(ctx); err != nil {
		return err
	}
	for part := range slices.Chunk(rows, insertRows) {
		err := s.insert(ctx, tx, k.table("coverage"), batch{
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
