package market

import (
	"cmp"
	"slices"
	"time"
)

// A series may be pieced together from several providers, in their order of preference. What each was asked is kept apart
// (Known.Provider), and from that follows what to ask of whom:
//
//   - the preferred one for all that it was not asked for yet, or is due again; also where another one has filled in, so that
//     what it has replaces that;
//   - each further one for what none before it gave points for: because it has none, because its plan does not reach
//     there, or because it failed just now;
//   - nobody for what one gave who is no longer asked at all, or what was imported.

// current tells whether what was said of a range still holds.
func (k Known) current(at int64) bool { return k.DueAt == 0 || k.DueAt > at }

// settles tells whether nobody else need be asked: there are points, or the asset did not exist yet.
func (k Known) settles() bool { return k.Hole == "" || k.Hole == NotListed }

// wanted are the parts of a window that the provider of a rank is to be asked for. All of its predecessors have been asked.
func wanted(window Range, known []Known, providers []string, rank int, now time.Time) []Range {
	if window.Empty() {
		return nil
	}
	rest, at := []Range{window}, now.UnixMilli()
	for _, k := range known {
		if !k.current(at) {
			continue
		}
		i := slices.Index(providers, k.Provider)
		if i == rank || i < rank && k.settles() {
			rest = Subtract(rest, k.Range)
		}
	}
	return rest
}

// missing are the parts of a window that any of the providers is to be asked for.
func missing(window Range, known []Known, providers []string, now time.Time) []Range {
	var all []Range
	for rank := range providers {
		all = append(all, wanted(window, known, providers, rank, now)...)
	}
	return union(all)
}

// lacking are the parts of a window that are neither stored nor known to be had from nobody: what an answer that is whole
// must not lack. What a provider that is no longer asked once gave is as good as any.
func lacking(window Range, known []Known, providers []string, now time.Time) []Range {
	if window.Empty() {
		return nil
	}
	rest, at := []Range{window}, now.UnixMilli()
	for _, k := range known {
		if k.settles() && k.current(at) {
			rest = Subtract(rest, k.Range)
		}
	}
	var all []Range
	for _, p := range providers {
		unknown := rest
		for _, k := range known {
			if k.Provider == p && k.current(at) {
				unknown = Subtract(unknown, k.Range)
			}
		}
		all = append(all, unknown...)
	}
	return union(all)
}

// union joins ranges: ascending, without overlaps.
func union(ranges []Range) []Range {
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Compare(a.From, b.From) })
	joined := ranges[:0]
	for _, r := range ranges {
		if n := len(joined); n > 0 && r.From <= joined[n-1].To {
			joined[n-1].To = max(joined[n-1].To, r.To)
			continue
		}
		joined = append(joined, r)
	}
	return joined
}

// givenBefore tells of each grid instant whether one of the providers before a rank gave its point.
func givenBefore(known []Known, providers []string, rank int, now time.Time) func(slot int64) bool {
	var given []Range
	for _, k := range known {
		if i := slices.Index(providers, k.Provider); i >= 0 && i < rank && k.Hole == "" && k.current(now.UnixMilli()) {
			given = append(given, k.Range)
		}
	}
	given = union(given)
	return func(slot int64) bool {
		i, _ := slices.BinarySearchFunc(given, slot, func(r Range, slot int64) int {
			if r.To <= slot {
				return -1
			}
			return 1
		})
		return i < len(given) && given[i].Contains(slot)
	}
}
