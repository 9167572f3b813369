package market

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Guard holds back isolated spikes: one point whose price lies beyond Factor times both of its neighbours, or below both
// divided by Factor, while these agree with each other within a factor of two. A vendor's bad tick looks like that; a crash
// does not, because it goes on. Of two such points side by side none is held back: that is no longer isolated.
//
// A point's neighbours are the ones before and after it that have a price, at most two steps away. A point without one of them
// is not judged yet: the newest one is once its successor is there. One that was stored between its neighbours was judged
// already, and is not again while its price is the same: so a point that an admin released stays, whatever is fetched later.
//
// Charts are guarded by their price, and of the metrics those that are states with inertia: the reserve, MVRV, the
// difficulty. What is counted within a step (flows, fees, transactions, addresses, the hash rate, SOPR) does jump for one step in
// truth, and netflow and NUPL change sign.
type Guard struct{ Factor float64 } // 0: nothing is held back

// MinSpikeFactor is the least factor that makes sense: below, the neighbours' own difference could pass for a spike.
const MinSpikeFactor = 3

// maxNeighbourSteps is how far a neighbour may be: beyond, a price can have gone anywhere.
const maxNeighbourSteps = 2

// Quarantined is a point that was held back.
type Quarantined struct {
	Point
	At     time.Time // when it was found out
	Reason string    // for people
}

func (g Guard) watches(key SeriesKey) bool {
	switch key.Metric {
	case "", ExchangeReserve, MVRV, Difficulty:
		return g.Factor > 0
	}
	return false
}

// Inspect takes the spikes out of a write's points and into its quarantine, together with those that turn out to be among the
// stored points around it. The history has what is stored of the series in the range of the write and two steps around it.
// The argument is not changed.
func (g Guard) Inspect(w SeriesWrite, h History) SeriesWrite {
	if !g.watches(w.SeriesKey) || len(w.Points) == 0 {
		return w
	}
	all := priced(h.Apply(w).Points)
	var spikes []int
	for i := range all {
		if g.spike(all, i, w.Interval) {
			spikes = append(spikes, i)
		}
	}
	if len(spikes) == 0 {
		return w
	}
	before := priced(h.Points)
	for n, i := range spikes {
		isolated := (n == 0 || spikes[n-1] < i-1) && (n == len(spikes)-1 || spikes[n+1] > i+1)
		if !isolated || judged(before, all[i], w.Interval) {
			continue
		}
		p := all[i]
		w.Quarantined = append(slices.Clip(w.Quarantined), Quarantined{p, w.FetchedAt, g.reason(all[i-1], p, all[i+1])})
		w.Points = slices.DeleteFunc(slices.Clone(w.Points), func(o Point) bool { return o.Stamp == p.Stamp })
	}
	return w
}

// spike tells whether a point stands out from both neighbours.
func (g Guard) spike(points []Point, i int, interval Interval) bool {
	if !between(points, i, interval) {
		return false
	}
	low, high := points[i-1].Price, points[i+1].Price
	if low > high {
		low, high = high, low
	}
	p := points[i].Price
	return low > 0 && high/2 <= low && (p/g.Factor > high || p < low/g.Factor)
}

// between tells whether a point has both neighbours.
func between(points []Point, i int, interval Interval) bool {
	reach := maxNeighbourSteps * interval.Step()
	return i > 0 && i < len(points)-1 && points[i].Stamp-points[i-1].Stamp <= reach && points[i+1].Stamp-points[i].Stamp <= reach
}

// judged tells whether the point was stored with the same price before, between its neighbours.
func judged(before []Point, p Point, interval Interval) bool {
	slot := interval.Snap(p.Stamp)
	for i, o := range before {
		if interval.Snap(o.Stamp) == slot && samePrice(o, p) && between(before, i, interval) {
			return true
		}
	}
	return false
}

func (g Guard) reason(before, p, after Point) string {
	beyond := fmt.Sprintf("over %v times", g.Factor)
	if p.Price < before.Price {
		beyond = fmt.Sprintf("under 1/%v of", g.Factor)
	}
	return fmt.Sprintf("%v is %s both neighbours, %v and %v", p.Price, beyond, before.Price, after.Price)
}

// priced are the points that have a price.
func priced(points []Point) []Point {
	return slices.DeleteFunc(slices.Clone(points), func(p Point) bool { return p.Price != p.Price })
}

func samePrice(a, b Point) bool { return math.Float64bits(a.Price) == math.Float64bits(b.Price) }

// Around is the range of a write with what [Guard.Inspect] compares its points with.
func (w SeriesWrite) Around() Range { return w.Covers.around(w.Interval) }

// around is a range with the neighbours of its points.
func (r Range) around(interval Interval) Range {
	reach := maxNeighbourSteps * interval.Step()
	return Range{r.From - reach, r.To + reach}
}
