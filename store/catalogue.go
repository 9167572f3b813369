package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/coingraph/coingraph/market"
)

// Catalogue is the stored list, see [market.Store].
func (s *Store) Catalogue(ctx context.Context, since time.Time) ([]market.Asset, time.Time, error) {
	var fetchedAt time.Time
	assets := []market.Asset{}
	newer := false
	err := s.each(ctx, `
		SELECT c.fetched_at, c.fetched_at > v.since, coalesce(a.id, ''), coalesce(a.symbol, ''), coalesce(a.name, ''), coalesce(a.contracts, '')
		FROM @rows CROSS JOIN catalog.state AS c LEFT JOIN catalog.assets AS a ON c.fetched_at > v.since
		ORDER BY a.id`,
		batch{{"since", []int64{since.UnixMilli()}}},
		func(row scanner) error {
			var at int64
			var a market.Asset
			if err := row.Scan(&at, &newer, &a.ID, &a.Symbol, &a.Name, &a.Contracts); err != nil {
				return err
			}
			fetchedAt = instant(at)
			if a.ID != "" {
				assets = append(assets, a)
			}
			return nil
		})
	if err != nil {
		return nil, time.Time{}, s.fault(ctx, "read catalogue", err)
	}
	if !newer {
		assets = nil
	}
	return assets, fetchedAt, nil
}

// SaveCatalogue replaces the list, see [market.Store].
func (s *Store) SaveCatalogue(ctx context.Context, assets []market.Asset, fetchedAt time.Time) error {
	// Of an id that occurs twice the first one counts.
	sorted := slices.Clone(assets)
	slices.SortStableFunc(sorted, func(a, b market.Asset) int { return cmp.Compare(a.ID, b.ID) })
	sorted = slices.CompactFunc(sorted, func(a, b market.Asset) bool { return a.ID == b.ID })

	err := s.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		replaced, err := s.replaceState(ctx, tx, fetchedAt.UnixMilli())
		if err != nil || !replaced {
			return err
		}
		if err := s.keepAliases(ctx, tx, sorted, fetchedAt); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, s.named("DELETE FROM catalog.assets")); err != nil {
			return err
		}
		for part := range slices.Chunk(sorted, insertRows) {
			err := s.insert(ctx, tx, "catalog.assets", batch{
				{"id", of(part, func(a *market.Asset) string { return a.ID })},
				{"symbol", of(part, func(a *market.Asset) string { return a.Symbol })},
				{"name", of(part, func(a *market.Asset) string { return a.Name })},
				{"contracts", of(part, func(a *market.Asset) string { return a.Contracts })},
			}, "")
			if err != nil {
				return err
			}
		}
		return nil
	})
	return s.fault(ctx, "save catalogue", err)
}

// replaceState notes the new fetch time and locks the row that has it, unless it has a later one.
func (s *Store) replaceState(ctx context.Context, tx bun.Tx, fetchedAt int64) (bool, error) {
	result, err := tx.ExecContext(ctx, s.named(`
		INSERT INTO catalog.state AS t (one, fetched_at) VALUES (1, ?)
		ON CONFLICT (one) DO UPDATE SET fetched_at = excluded.fetched_at WHERE t.fetched_at <= excluded.fetched_at`), fetchedAt)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// insertRows is how many rows one statement inserts: more is not faster.
const insertRows = 5000
