package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/coingraph/coingraph/market"
)

// Aliases are the renamed ids, see [market.Store].
func (s *Store) Aliases(ctx context.Context) ([]market.Alias, error) {
	var rows []struct{ OldID, NewID string }
	err := s.reads().NewSelect().TableExpr(s.named("catalog.aliases")).Column("old_id", "new_id").Order("old_id").Scan(ctx, &rows)
	if err != nil {
		return nil, s.fault(ctx, "read aliases", err)
	}
	aliases := make([]market.Alias, len(rows))
	for i, r := range rows {
		aliases[i] = market.Alias{Old: r.OldID, New: r.NewID}
	}
	return aliases, nil
}

// keepAliases notes which ids of the stored list the fresh one has under another id, before it replaces that. An id that is
// back is no alias any more.
func (s *Store) keepAliases(ctx context.Context, tx bun.Tx, fresh []market.Asset, since time.Time) error {
	var rows []struct{ ID, Contracts string }
	err := tx.NewSelect().TableExpr(s.named("catalog.assets")).Column("id", "contracts").Where("contracts <> ''").Scan(ctx, &rows)
	if err != nil {
		return err
	}
	old := make([]market.Asset, len(rows))
	for i, r := range rows {
		old[i] = market.Asset{ID: r.ID, Contracts: r.Contracts}
	}
	for _, a := range market.Renamed(old, fresh) {
		if err := s.rename(ctx, tx, a, since); err != nil {
			return err
		}
	}
	return s.dropAliases(ctx, tx, fresh)
}

// rename keeps an alias, leads older ones on to the present id, and moves the asset's series.
func (s *Store) rename(ctx context.Context, tx bun.Tx, a market.Alias, since time.Time) error {
	statements := []struct {
		query string
		args  []any
	}{
		{"UPDATE catalog.aliases SET new_id = ? WHERE new_id = ?", []any{a.New, a.Old}},
		{
			"INSERT INTO catalog.aliases (old_id, new_id, since) VALUES (?, ?, ?) ON CONFLICT (old_id) DO UPDATE SET new_id = excluded.new_id, since = excluded.since",
			[]any{a.Old, a.New, since.UnixMilli()},
		},
	}
	for _, k := range []*seriesKind{chartKind, metricKind} {
		statements = append(statements, struct {
			query string
			args  []any
		}{k.named("UPDATE @schema.series AS o SET asset = ? WHERE o.asset = ? AND NOT EXISTS (SELECT 1 FROM @schema.series AS n " +
			"WHERE n.asset = ? AND n.@subject = o.@subject AND n.interval = o.interval)"), []any{a.New, a.Old, a.New}})
	}
	for _, st := range statements {
		if _, err := tx.ExecContext(ctx, s.named(st.query), st.args...); err != nil {
			return err
		}
	}
	return nil
}

// dropAliases forgets aliases whose old id the list has again.
func (s *Store) dropAliases(ctx context.Context, tx bun.Tx, fresh []market.Asset) error {
	var kept []string
	if err := tx.NewSelect().TableExpr(s.named("catalog.aliases")).Column("old_id").Scan(ctx, &kept); err != nil || len(kept) == 0 {
		return err
	}
	there := make(map[string]bool, len(fresh))
	for _, a := range fresh {
		there[a.ID] = true
	}
	for _, id := range kept {
		if there[id] {
			if _, err := tx.ExecContext(ctx, s.named("DELETE FROM catalog.aliases WHERE old_id = ?"), id); err != nil {
				return err
			}
		}
	}
	return nil
}
