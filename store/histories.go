package store

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/coingraph/coingraph/market"
)

// selectHistories gives points (kind 0), knowledge (kind 1) and tails (kind 2) of all windows v(i, asset, subject, interval,
// lo, hi) of charts or of metrics, in no order. CROSS JOIN has SQLite look each window up, rather than each stored series among the windows.
const selectHistories = `
	WITH w AS (
		SELECT v.i, v.lo, v.hi, s.id
		FROM @rows CROSS JOIN @schema.series AS s
		WHERE s.asset = v.asset AND s.@subject = v.subject AND s.interval = v.interval
	)
	SELECT w.i, 0, p.ts, 0, @values, p.missing, o.name, p.fetched_at, 0, ''
	FROM w CROSS JOIN @schema.points AS p CROSS JOIN charts.sources AS o
	WHERE p.series_id = w.id AND p.ts >= w.lo AND p.ts < w.hi AND o.id = p.source_id
	UNION ALL
	SELECT w.i, 1, c.from_ts, c.to_ts, NULL, NULL, NULL, c.tries, c.provider, c.fetched_at, c.due_at, c.hole
	FROM w CROSS JOIN @schema.coverage AS c
	WHERE c.series_id = w.id`

// selectTails is added for charts: metrics have none.
const selectTails = `
	UNION ALL
	SELECT w.i, 2, t.ts, 0, t.price, t.market_cap, t.volume, t.missing, o.name, t.fetched_at, 0, ''
	FROM w CROSS JOIN charts.tails AS t CROSS JOIN charts.sources AS o
	WHERE t.series_id = w.id AND o.id = t.source_id`

// Histories are the windows' points, their series' tails and what is known of their series, see [market.Store].
func (s *Store) Histories(ctx context.Context, windows []market.Window) ([]market.History, error) {
	histories := make([]market.History, len(windows))
	for _, k := range []*seriesKind{chartKind, metricKind} {
		if err := s.readHistories(ctx, k, windows, histories); err != nil {
			return nil, err
		}
	}
	for _, h := range histories {
		slices.SortFunc(h.Points, func(a, b market.Point) int { return cmp.Compare(a.Stamp, b.Stamp) })
		market.SortKnown(h.Known)
	}
	return histories, nil
}

// readHistories reads those of the windows that are of the kind.
func (s *Store) readHistories(ctx context.Context, k *seriesKind, all []market.Window, into []market.History) error {
	var index []int64
	var windows []market.Window
	var ranges []market.Range
	for i, w := range all {
		switch {
		case !w.Interval.Valid():
			return errors.New("store: read histories: not an interval")
		case w.OnChain() == k.onChain:
			index, windows, ranges = append(index, int64(i)), append(windows, w), append(ranges, stamps(w.Interval, w.Range))
		}
	}
	if len(windows) == 0 {
		return nil
	}
	var r historyRow
	dest := r.dest()
	err := s.each(ctx, k.histories,
		batch{
			{"i", index},
			{"asset", of(windows, func(w *market.Window) string { return w.Asset })},
			{"subject", of(windows, func(w *market.Window) string { return subjectOf(w.SeriesKey) })},
			{"interval", of(windows, func(w *market.Window) string { return w.Interval.String() })},
			{"lo", of(ranges, func(r *market.Range) int64 { return r.From })},
			{"hi", of(ranges, func(r *market.Range) int64 { return r.To })},
		},
		func(row scanner) error {
			if err := row.Scan(dest...); err != nil {
				return err
			}
			r.addTo(&into[r.window])
			return nil
		})
	return s.fault(ctx, "read histories", err)
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
