package market

import (
	"cmp"
	"slices"
	"time"
)

// SeriesKey names a series: an asset's chart in a currency, or one of its on-chain metrics.
type SeriesKey struct {
	Asset    string
	Currency Currency // of a chart; "" of a metric
	Metric   Metric   // "" of a chart
	Interval Interval
}

// OnChain tells whether it is a metric's series rather than a chart.
func (k SeriesKey) OnChain() bool { return k.Metric != "" }

// offset is how much later than a chart's a point of the series comes: a chart's is a sample at its instant, a metric's
// covers the step that its instant begins, and is there when that is over.
func (k SeriesKey) offset() int64 {
	if k.OnChain() {
		return k.Interval.Step()
	}
	return 0
}

// Newest is the newest grid instant whose point belongs to the series at the time given: of daily charts today's from
// 01:00 UTC on, of daily metrics then yesterday's; of hourly charts this hour's from five past on, of metrics then the
// last hour's.
func (k SeriesKey) Newest(now time.Time) int64 { return k.Interval.Newest(now) - k.offset() }

// DueAt is when (Unix ms) the point of a grid instant begins to belong to the series.
func (k SeriesKey) DueAt(instant int64) int64 { return k.Interval.DueAt(instant) + k.offset() }

// SettledAt is when (Unix ms) a provider has the last of a grid instant's point, revisions aside.
func (k SeriesKey) SettledAt(instant int64) int64 { return k.Interval.SettledAt(instant) + k.offset() }

// AgainAt is when (Unix ms) a point that was fetched before it settled is bought again, see [Interval.AgainAt].
func (k SeriesKey) AgainAt(instant int64) int64 { return k.Interval.AgainAt(instant) + k.offset() }

// Range is a half-open range of instants [From, To), in Unix ms. Ranges of a series have grid instants as bounds: the
// range covers the points whose grid instant lies in it.
type Range struct{ From, To int64 }

// Empty tells whether nothing lies in the range.
func (r Range) Empty() bool { return r.From >= r.To }

// Contains tells whether an instant lies in the range.
func (r Range) Contains(t int64) bool { return r.From <= t && t < r.To }

// includes tells whether all of another range lies in this one.
func (r Range) includes(o Range) bool { return r.From <= o.From && o.To <= r.To }

// Intersect is what lies in both.
func (r Range) Intersect(o Range) Range { return Range{max(r.From, o.From), min(r.To, o.To)} }

// Missing says which values of a point the provider left out, which is not the same as sending null.
type Missing uint8

// The values a point may lack.
const (
	MissingPrice Missing = 1 << iota
	MissingMarketCap
	MissingVolume
)

// Point is one sample as the provider sent it: its own stamp, its own values. 0 stays 0, null is NaN, and a value that
// was not there at all is NaN with its bit in Missing.
type Point struct {
	Stamp     int64   // Unix ms, the provider's own; unique within a series
	Price     float64 // of a metric's series the metric's value; the others are null there
	MarketCap float64
	Volume    float64 // traded in the 24 h before, not in the step
	Missing   Missing
	Source    string
	FetchedAt time.Time
}

// HoleReason says why a range has no points.
type HoleReason string

// The reasons.
const (
	NotListed    HoleReason = "NOT_LISTED"    // before the asset's first point
	BeyondPlan   HoleReason = "BEYOND_PLAN"   // older than the provider's plan gives
	NotOffered   HoleReason = "NOT_OFFERED"   // the provider does not have it at all
	UpstreamHole HoleReason = "UPSTREAM_HOLE" // the provider was asked and has nothing
	Failed       HoleReason = "FAILED"        // the provider could not be asked
)

// Known is a range of a series that a provider need not be asked for: it gave points that are stored, or has none.
type Known struct {
	Range
	Provider  string
	FetchedAt time.Time
	// DueAt is when (Unix ms) the range is to be bought again by whoever asks for it: the newest point once it settled, a
	// hole on its schedule. 0: never.
	DueAt int64
	// Tries is how often a hole was asked for.
	Tries int
	// Hole says why the range is empty; "": it has points.
	Hole HoleReason
}

// reasons are the reasons by their names.
var reasons = map[string]HoleReason{
	string(NotListed): NotListed, string(BeyondPlan): BeyondPlan, string(NotOffered): NotOffered, string(UpstreamHole): UpstreamHole, string(Failed): Failed,
}

// MergeKnown lays fresh knowledge over old: where both speak of the same provider, fresh wins. The result is ascending by
// provider and range; a provider's ranges do not overlap, and neighbours that say the same are joined. Neither argument is
// changed.
func MergeKnown(old, fresh []Known) []Known {
	out := slices.Clone(fresh)
	for _, k := range old {
		rest := []Range{k.Range}
		for _, f := range fresh {
			if f.Provider == k.Provider {
				rest = Subtract(rest, f.Range)
			}
		}
		for _, r := range rest {
			piece := k
			piece.Range = r
			out = append(out, piece)
		}
	}
	SortKnown(out)
	joined := out[:0]
	for _, k := range out {
		if k.Empty() {
			continue
		}
		if n := len(joined); n > 0 && joined[n-1].To == k.From && joined[n-1].alike(k) {
			joined[n-1].To = k.To
			if k.FetchedAt.After(joined[n-1].FetchedAt) {
				joined[n-1].FetchedAt = k.FetchedAt
			}
			continue
		}
		joined = append(joined, k)
	}
	return joined
}

// SortKnown brings knowledge into the order of [MergeKnown].
func SortKnown(known []Known) {
	slices.SortFunc(known, func(a, b Known) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.From, b.From))
	})
}

func (k Known) alike(o Known) bool {
	return k.Provider == o.Provider && k.DueAt == o.DueAt && k.Tries == o.Tries && k.Hole == o.Hole
}

// Subtract takes a range out of ascending ranges. The argument is not changed.
func Subtract(from []Range, r Range) []Range {
	if r.Empty() {
		return from
	}
	var out []Range
	for _, f := range from {
		if left := (Range{f.From, min(f.To, r.From)}); !left.Empty() {
			out = append(out, left)
		}
		if right := (Range{max(f.From, r.To), f.To}); !right.Empty() {
			out = append(out, right)
		}
	}
	return out
}

// History is what the store has of a window of a series.
type History struct {
	Points []Point // ascending by stamp, those whose grid instant lies in the window
	Tail   *Point  // the series' "now" point as it was last fetched; nil: there is none
	Known  []Known // in the order of [MergeKnown]; of the whole series, not of the window alone
}

// Fetched is what one call to a provider told about a series.
type Fetched struct {
	Points    []Point // ascending by stamp, one a stamp; the trailing "now" point is not among them
	Tail      *Point  // the provider's trailing "now" point
	Covers    Range   // grid instants for which the answer is complete: what is not in Points does not exist there
	Source    string
	FetchedAt time.Time
	// Beyond is the part of what was asked that the plan does not give; empty: none.
	Beyond Range
}

// Window asks for a range of a series.
type Window struct {
	SeriesKey
	Range
}

// SeriesWrite is one provider answer on its way into the store: all of it becomes visible at once, or nothing does.
type SeriesWrite struct {
	SeriesKey
	Fetched
	Known []Known // what is known of the series because of it
	// Quarantined are points that are not to be served: of the answer, or stored ones that turned out to be none.
	Quarantined []Quarantined
}

func sortPoints(points []Point) {
	slices.SortFunc(points, func(a, b Point) int { return cmp.Compare(a.Stamp, b.Stamp) })
}
