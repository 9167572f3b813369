package market

import "time"

// holeRetries is when a hole is asked for again: after the first try, the second, the third; then no more.
var holeRetries = [...]time.Duration{time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}

// planRetry is how long a range stays out of reach before the plan is believed to have changed.
const planRetry = 24 * time.Hour

// knowledge is what a provider's answer teaches about a series: which instants have points, which have none and when it
// is worth to ask for those again.
func knowledge(interval Interval, f Fetched, old []Known) []Known {
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

	fetched, step := f.FetchedAt.UnixMilli(), interval.Step()
	hole := func(from, to int64, before bool) {
		if from >= to {
			return
		}
		if before && !anyPointsBefore(old, from) {
			say(from, to, 0, 0, NotListed) // points begin later: there will never be any here
			return
		}
		tries, due := retryHole(Range{from, to}, f.FetchedAt, old)
		// The newest point may only be late: that it lacks is no news before it has settled.
		if last := to - step; fetched < interval.SettledAt(last) {
			say(from, last, due, tries, UpstreamHole)
			say(last, to, interval.SettledAt(last), 0, UpstreamHole)
			return
		}
		say(from, to, due, tries, UpstreamHole)
	}
	next, none := f.Covers.From, true
	slots(f.Points, interval, f.Covers, func(slot int64, _ *Point) {
		hole(next, slot, none)
		due := int64(0)
		if settled := interval.SettledAt(slot); fetched < settled {
			due = settled
		}
		say(slot, slot+step, due, 0, "")
		next, none = slot+step, false
	})
	hole(next, f.Covers.To, false)
	return MergeKnown(nil, known)
}

// retryHole is how often a hole has been asked for by now, and when it is due again.
func retryHole(r Range, fetchedAt time.Time, old []Known) (tries int, due int64) {
	tries = 1
	for _, k := range old {
		if k.Hole != "" && !k.Intersect(r).Empty() {
			tries = max(tries, k.Tries+1)
		}
	}
	if tries <= len(holeRetries) {
		due = fetchedAt.Add(holeRetries[tries-1]).UnixMilli()
	}
	return tries, due
}

func anyPointsBefore(known []Known, t int64) bool {
	for _, k := range known {
		if k.Hole == "" && k.From < t {
			return true
		}
	}
	return false
}

// missing are the parts of a window that have to be asked for: nothing is known of them, or it is due again.
func missing(window Range, known []Known, now time.Time) []Range {
	if window.Empty() {
		return nil
	}
	rest, at := []Range{window}, now.UnixMilli()
	for _, k := range known {
		if k.DueAt == 0 || k.DueAt > at {
			rest = Subtract(rest, k.Range)
		}
	}
	return rest
}

// Apply is the history after a provider's answer was stored: the specification of [Store.SaveSeries], and how a chart
// is served when the store is away.
func (h History) Apply(w SeriesWrite) History {
	kept := make([]Point, 0, len(h.Points)+len(w.Points))
	newer := make(map[int64]bool) // grid instants that keep a point fetched later
	fresh := make(map[int64]bool, len(w.Points))
	for _, p := range w.Points {
		fresh[p.Stamp] = true
	}
	for _, p := range h.Points {
		slot := w.Interval.Snap(p.Stamp)
		switch {
		case p.FetchedAt.After(w.FetchedAt):
			newer[slot] = true
		case w.Covers.Contains(slot), fresh[p.Stamp]:
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
