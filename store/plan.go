package store

import (
	"math"
	"slices"

	"github.com/coingraph/coingraph/market"
)

// stamped is what has to be known of a stored point to tell whether a new one replaces it.
type stamped struct {
	Stamp     int64 `bun:"ts"`
	FetchedAt int64 `bun:"fetched_at"`
	Price     number
	Source    string
}

// plan is what a write changes of a series' points: the stamps to drop, then the points to put, which replace those with
// the same stamp. It reads stored, the points of [reach].
func plan(w *market.SeriesWrite, stored []stamped) (drop []int64, put []market.Point) {
	newest := make(map[int64]int64, len(stored)) // grid instant to the latest fetch of a stored point
	for _, p := range stored {
		slot := w.Interval.Snap(p.Stamp)
		if at, ok := newest[slot]; !ok || at < p.FetchedAt {
			newest[slot] = p.FetchedAt
		}
	}
	replaced, answered := make(map[int64]bool, len(w.Points)), make(map[int64]bool, len(w.Points))
	put = make([]market.Point, 0, len(w.Points))
	for _, p := range w.Points {
		slot := w.Interval.Snap(p.Stamp)
		answered[slot] = true
		at, ok := newest[slot]
		if ok && at > p.FetchedAt.UnixMilli() {
			continue
		}
		if replaced[p.Stamp] {
			continue // Postgres refuses a statement that meets a row twice
		}
		replaced[p.Stamp] = true
		put = append(put, p)
	}
	held := make(map[int64]uint64, len(w.Quarantined)) // grid instant to the bits of the price that is held back
	for _, q := range w.Quarantined {
		held[w.Interval.Snap(q.Stamp)] = math.Float64bits(q.Price)
	}
	for _, p := range stored {
		slot := w.Interval.Snap(p.Stamp)
		if price, ok := held[slot]; ok && p.FetchedAt <= w.FetchedAt.UnixMilli() {
			switch {
			case price == math.Float64bits(float64(p.Price)):
				if !replaced[p.Stamp] {
					drop = append(drop, p.Stamp)
				}
				continue
			case !answered[slot]:
				continue // what was there before the spike came stays
			}
		}
		ours := p.Source == w.Source || answered[slot]
		if ours && w.Covers.Contains(slot) && p.FetchedAt <= w.FetchedAt.UnixMilli() && !replaced[p.Stamp] {
			drop = append(drop, p.Stamp)
		}
	}
	return drop, put
}

// fillRows is from how many rows on it pays to add those that are not there yet apart from those that replace others.
const fillRows = 100

// partFresh parts the points whose stamps are not stored from the others. Few of them stay with the others: one statement
// takes less time than two. The lock of the series is held, so nobody else stores such a stamp meanwhile.
func partFresh(put []market.Point, stored []stamped) (fresh, others []market.Point) {
	there := make(map[int64]bool, len(stored))
	for _, p := range stored {
		there[p.Stamp] = true
	}
	n := 0
	for _, p := range put {
		if !there[p.Stamp] {
			n++
		}
	}
	if n < fillRows {
		return nil, put
	}
	fresh, others = make([]market.Point, 0, n), make([]market.Point, 0, len(put)-n)
	for _, p := range put {
		if there[p.Stamp] {
			others = append(others, p)
		} else {
			fresh = append(fresh, p)
		}
	}
	return fresh, others
}

// reach is the range of stamps whose stored points a write may have to do with: those that snap into what it covers or
// to an instant of its points, those held back among them.
func reach(w *market.SeriesWrite) market.Range {
	r := stamps(w.Interval, w.Covers)
	extend := func(p *market.Point) {
		slot := w.Interval.Snap(p.Stamp)
		own := stamps(w.Interval, market.Range{From: slot, To: slot + w.Interval.Step()})
		if r.Empty() {
			r = own
		}
		r = market.Range{From: min(r.From, own.From), To: max(r.To, own.To)}
	}
	for i := range w.Points {
		extend(&w.Points[i])
	}
	for i := range w.Quarantined {
		extend(&w.Quarantined[i].Point)
	}
	return r
}

// stamps is the range of the stamps that snap into a range of grid instants.
func stamps(interval market.Interval, r market.Range) market.Range {
	step := interval.Step()
	ceil := func(t int64) int64 { return interval.Floor(t+step-1) - step/2 }
	return market.Range{From: ceil(r.From), To: ceil(r.To)}
}

// sourceNames are the sources' names, ascending, each once.
func sourceNames(points []market.Point) []string {
	names := of(points, func(p *market.Point) string { return p.Source })
	slices.Sort(names)
	return slices.Compact(names)
}
