package store

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/coingraph/coingraph/market"
)

// selectHistories gives points (kind 0), knowledge (kind 1) and tails (kind 2) of all windows v(i, asset, currency,
// interval, lo, hi), in no order. CROSS JOIN has SQLite look each window up, rather than each stored series among the windows.
const selectHistories = `
	WITH w AS (
		SELECT v.i, v.lo, v.hi, s.id
		FROM @rows CROSS JOIN charts.series AS s
		WHERE s.asset = v.asset AND s.currency = v.currency AND s.interval = v.interval
	)
	SELECT w.i, 0, p.ts, 0, p.price, p.market_cap, p.volume, p.missing, o.name, p.fetched_at, 0, ''
	FROM w CROSS JOIN charts.points AS p CROSS JOIN charts.sources AS o
	WHERE p.series_id = w.id AND p.ts >= w.lo AND p.ts < w.hi AND o.id = p.source_id
	UNION ALL
	SELECT w.i, 1, c.from_ts, c.to_ts, NULL, NULL, NULL, c.tries, c.provider, c.fetched_at, c.due_at, c.hole
	FROM w CROSS JOIN charts.coverage AS c
	WHERE c.series_id = w.id
	UNION ALL
	SELECT w.i, 2, t.ts, 0, t.price, t.market_cap, t.volume, t.missing, o.name, t.fetched_at, 0, ''
	FROM w CROSS JOIN charts.tails AS t CROSS JOIN charts.sources AS o
	WHERE t.series_id = w.id AND o.id = t.source_id`

// Histories are the windows' points, their series' tails and what is known of their series, see [market.Store].
func (s *Store) Histories(ctx context.Context, windows []market.Window) ([]market.History, error) {
	histories := make([]market.History, len(windows))
	if len(windows) == 0 {
		return histories, nil
	}
	index, ranges := make([]int64, len(windows)), make([]market.Range, len(windows))
	for i, w := range windows {
		if !w.Interval.Valid() {
			return nil, errors.New("store: read histories: not an interval")
		}
		index[i], ranges[i] = int64(i), stamps(w.Interval, w.Range)
	}
	var r historyRow
	dest := r.dest()
	err := s.each(ctx, selectHistories,
		batch{
			{"i", index},
			{"asset", of(windows, func(w *market.Window) string { return w.Asset })},
			{"currency", of(windows, func(w *market.Window) string { return string(w.Currency) })},
			{"interval", of(windows, func(w *market.Window) string { return w.Interval.String() })},
			{"lo", of(ranges, func(r *market.Range) int64 { return r.From })},
			{"hi", of(ranges, func(r *market.Range) int64 { return r.To })},
		},
		func(row scanner) error {
			if err := row.Scan(dest...); err != nil {
				return err
			}
			r.addTo(&histories[r.window])
			return nil
		})
	if err != nil {
		return nil, s.fault(ctx, "read histories", err)
	}
	for _, h := range histories {
		slices.SortFunc(h.Points, func(a, b market.Point) int { return cmp.Compare(a.Stamp, b.Stamp) })
		slices.SortFunc(h.Known, func(a, b market.Known) int { return cmp.Compare(a.From, b.From) })
	}
	return histories, nil
}

// historyRow is a row of selectHistories: a point, a range that is known, or a tail.
type historyRow struct {
	window, kind             int64
	at, to                   int64 // a point's stamp; a range
	price, marketCap, volume number
	n                        int64  // values missing; tries
	source                   string // provider
	fetchedAt, dueAt         int64
	hole                     string
}

func (r *historyRow) dest() []any {
	return []any{&r.window, &r.kind, &r.at, &r.to, &r.price, &r.marketCap, &r.volume, &r.n, &r.source, &r.fetchedAt, &r.dueAt, &r.hole}
}

func (r *historyRow) addTo(h *market.History) {
	switch r.kind {
	case 0:
		h.Points = append(h.Points, r.point())
	case 1:
		h.Known = append(h.Known, knownRow{r.at, r.to, r.source, r.fetchedAt, r.dueAt, r.n, r.hole}.known())
	default:
		tail := r.point()
		h.Tail = &tail
	}
}

func (r *historyRow) point() market.Point {
	return market.Point{
		Stamp: r.at, Price: float64(r.price), MarketCap: float64(r.marketCap), Volume: float64(r.volume),
		Missing: market.Missing(r.n), Source: r.source, FetchedAt: instant(r.fetchedAt),
	}
}
