package market

import "time"

// Imported is a write of points that came from elsewhere than a provider's answer: from a file, each with a source and a time
// of its own (ascending by stamp, one a stamp, not empty). A point replaces what was fetched at the same time or earlier for its grid
// instant. The range of each point with a price is known in the name of its source, as if that had given it: nobody is
// asked for it again, but for points that had not settled when they were fetched.
func Imported(key SeriesKey, points []Point) SeriesWrite {
	w := SeriesWrite{SeriesKey: key}
	w.Points = points
	w.FetchedAt = points[0].FetchedAt
	step := key.Interval.Step()
	w.Covers = Range{key.Interval.Snap(points[0].Stamp), key.Interval.Snap(points[len(points)-1].Stamp) + step}
	var known []Known
	for _, p := range points {
		// Nothing is said of the instants between the points, and w.Source is nobody's: so what others have there stays.
		if p.FetchedAt.Before(w.FetchedAt) {
			w.FetchedAt = p.FetchedAt
		}
		if p.Price != p.Price {
			continue
		}
		slot := key.Interval.Snap(p.Stamp)
		if n := len(known); n > 0 && known[n-1].Contains(slot) {
			continue // a second sample of the instant
		}
		k := Known{
			Range: Range{slot, slot + step}, Provider: p.Source, FetchedAt: p.FetchedAt,
			DueAt: key.boughtAgainAt(slot, p.FetchedAt.UnixMilli()),
		}
		if n := len(known); n > 0 && known[n-1].To == slot && known[n-1].alike(k) {
			known[n-1].To, known[n-1].FetchedAt = k.To, later(known[n-1].FetchedAt, k.FetchedAt)
			continue
		}
		known = append(known, k)
	}
	w.Known = MergeKnown(nil, known)
	return w
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
