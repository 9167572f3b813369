package market

import "time"

// holeRetries is when a hole is asked for again: after the first try, the second, the third; then no more.
var holeRetries = [...]time.Duration{time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}

// planRetry is how long a range stays out of reach before the plan is believed to have changed.
const planRetry = 24 * time.Hour

// offerRetry is how long a provider is believed not to have a series.
const offerRetry = 7 * 24 * time.Hour

// knowledge is what a provider's answer teaches about a series: which instants have points, which have none and when it
// is worth to ask for those again.
func knowledge(key SeriesKey, f Fetched, old []Known) []Known {
	var known []Known
	say := func(from, to int64, due int64, tries int, hole HoleReason) {
		r := Range{from, to}
		if !r.Empty() {
			known = append(known, Known{Range: r, Provider: f.Source, FetchedAt: f.FetchedAt, DueAt: due, Tries: tries, Hole: hole})
		}
	}
	if !f.Beyond.Empty() {
		say(f.Beyond.From, f.Beyond.To, f.FetchedAt.Add(planRetry).UnixMilli(), 0, BeyondPlan)
	}

	fetched, step := f.FetchedAt.UnixMilli(), key.Interval.Step()
	hole := func(from, to int64, before bool) {
		if from >= to {
			return
		}
		if before && !anyPointsBefore(old, from) {
			say(from, to, 0, 0, NotListed) // points begin later: there will never be any here
			return
		}
		tries, due := retryHole(Range{from, to}, f, old)
		// The newest point may only be late: that it lacks is no news before it has settled.
		if last := to - step; fetched < key.SettledAt(last) {
			say(from, last, due, tries, UpstreamHole)
			say(last, to, key.SettledAt(last), 0, UpstreamHole)
			return
		}
		say(from, to, due, tries, UpstreamHole)
	}
	next, none := f.Covers.From, true
	slots(f.Points, key.Interval, f.Covers, func(slot int64, _ *Point) {
		hole(next, slot, none)
		say(slot, slot+step, key.boughtAgainAt(slot, fetched), 0, "")
		next, none = slot+step, false
	})
	hole(next, f.Covers.To, false)
	return MergeKnown(nil, known)
}

// revisedFor is how long after the end of its step a metric's value may still be revised: CryptoQuant regroups wallets every
// week. Meanwhile it is bought again once a day, from the time on when the day's new point is bought for the second time
// (02:00 UTC; an hour's is new then), so that one call carries all.
const revisedFor = 8 * 24 * time.Hour

// boughtAgainAt is when a point that was fetched is to be bought again; 0: never.
func (k SeriesKey) boughtAgainAt(instant, fetched int64) int64 {
	switch day := Daily.Step(); {
	case fetched < k.SettledAt(instant):
		return k.AgainAt(instant)
	case k.OnChain() && fetched < instant+k.Interval.Step()+revisedFor.Milliseconds():
		at := Daily.AgainAt(0)
		if k.Interval != Daily {
			at = k.Interval.DueAt(at)
		}
		return floorTo(fetched-at, day) + day + at
	default:
		return 0
	}
}

// retryHole is how often a provider has been asked for a hole by now, and when it is due again.
func retryHole(r Range, f Fetched, old []Known) (tries int, due int64) {
	tries = 1
	for _, k := range old {
		if k.Provider == f.Source && k.Hole != "" && !k.Intersect(r).Empty() {
			tries = max(tries, k.Tries+1)
		}
	}
	if tries <= len(holeRetries) {
		due = f.FetchedAt.Add(holeRetries[tries-1]).UnixMilli()
	}
	return tries, due
}

// notOffered is what a provider's refusal teaches: it does not have the series at all.
func notOffered(wants []Range, provider string, now time.Time) []Known {
	known := make([]Known, len(wants))
	for i, r := range wants {
		known[i] = Known{Range: r, Provider: provider, FetchedAt: now, DueAt: now.Add(offerRetry).UnixMilli(), Hole: NotOffered}
	}
	return known
}

func anyPointsBefore(known []Known, t int64) bool {
	for _, k := range known {
		if k.Hole == "" && k.From < t {
			return true
		}
	}
	return false
}

// Apply is the history after a provider's answer was stored: the specification of [Store.SaveSeries], and how a chart
// is served when the store is away.
func (h History) Apply(w SeriesWrite) History {
	kept := make([]Point, 0, len(h.Points)+len(w.Points))
	newer := make(map[int64]bool) // grid instants that keep a point fetched later
	fresh, answered := make(map[int64]bool, len(w.Points)), make(map[int64]bool, len(w.Points))
	for _, p := range w.Points {
		fresh[p.Stamp] = true
		answered[w.Interval.Snap(p.Stamp)] = true
	}
	held := make(map[int64]Point, len(w.Quarantined))
	for _, q := range w.Quarantined {
		held[w.Interval.Snap(q.Stamp)] = q.Point
	}
	for _, p := range h.Points {
		slot := w.Interval.Snap(p.Stamp)
		q, isHeld := held[slot]
		switch {
		case p.FetchedAt.After(w.FetchedAt):
			newer[slot] = true
		case isHeld && samePrice(p, q):
			continue
		case isHeld && !answered[slot]: // what was there before the spike came stays
		case fresh[p.Stamp], w.Covers.Contains(slot) && (p.Source == w.Source || answered[slot]):
			continue
		}
		kept = append(kept, p)
	}
	for _, p := range w.Points {
		if !newer[w.Interval.Snap(p.Stamp)] {
			kept = append(kept, p)
		}
	}
	sortPoints(kept)
	tail := h.Tail
	if w.Tail != nil && (tail == nil || w.Tail.FetchedAt.After(tail.FetchedAt)) {
		tail = w.Tail
	}
	return History{Points: kept, Tail: tail, Known: MergeKnown(h.Known, w.Known)}
}
