package coingecko

import (
	"fmt"
	"time"

	"github.com/coingraph/coingraph/fetch/wire"
	"github.com/coingraph/coingraph/market"
)

// window is one call for a part of a chart.
type window struct {
	endpoint
	query string // without the currency
	live  bool   // the answer ends now
	// span are the instants (Unix ms) whose samples the answer has, whatever grid instant they belong to. That of the
	// newest days moves with the clock: it is what is sure at the time of planning.
	span    market.Range
	planned int64
	moves   bool
}

// How CoinGecko chooses a step, and where its data begins:
// https://docs.coingecko.com/reference/coins-id-market-chart and …/coins-id-market-chart-range.
// A span of up to 90 days, 90 included, comes by the hour, a longer one by the day; the last day comes in 5 minutes.
const (
	ms           = time.Millisecond
	dayMs        = int64(day / ms)
	maxHourly    = 90 * dayMs
	minHourly    = 2*dayMs + dayMs/24 // of less than two days in the past, nothing came back
	minDaily     = 92 * dayMs
	recent       = 100 * dayMs // closer to now, a daily chart that ends now is no larger than the shortest range
	fiveMinutely = day         // how far 5-minutely samples go back, with any plan that is sold

	// A call costs the same whatever it gives, and who asks for a week today asks for a month tomorrow. So a call that is
	// more than a top-up of so many days takes along what the window has room for: a year of days, 90 days of hours.
	topUp     = 2
	yearsDays = 365
)

var (
	firstDaily  = time.Date(2013, 4, 27, 0, 0, 0, 0, time.UTC).UnixMilli()
	firstHourly = time.Date(2018, 1, 30, 0, 0, 0, 0, time.UTC).UnixMilli()
)

const (
	// clockSkew is what the provider's clock may differ from ours, and the time a request takes.
	clockSkew = int64(2 * time.Minute / ms)
	// jitter is how far from its grid instant a sample usually lies, at most: recorded are two minutes.
	jitter = int64(5 * time.Minute / ms)
)

// reachOf is the first grid instant of an interval that the plan's history has.
func (a access) reachOf(interval market.Interval, now int64) int64 {
	back, early := a.reach, int64(0)
	switch interval {
	case market.FiveMinutely:
		back = fiveMinutely
	case market.Hourly:
		early = jitter
	case market.Daily:
	}
	first := int64(0)
	if back > 0 {
		first = wire.Ceil(interval, now-back.Milliseconds()+early)
	}
	if interval == market.Hourly {
		first = max(first, firstHourly)
	}
	return first
}

// plan chooses the fewest calls that answer for the missing ranges, and gives those parts that the plan's history does
// not have.
func (a access) plan(interval market.Interval, missing []market.Range, now time.Time) (calls []window, beyond []market.Range) {
	at := now.UnixMilli()
	first, end := a.reachOf(interval, at), interval.Newest(now)+interval.Step()
	var wanted []market.Range
	for _, r := range missing {
		if b := (market.Range{From: r.From, To: min(r.To, first)}); !b.Empty() {
			beyond = append(beyond, b)
		}
		if w := r.Intersect(market.Range{From: first, To: end}); !w.Empty() {
			wanted = append(wanted, w)
		}
	}
	switch {
	case len(wanted) == 0:
	case interval == market.Daily:
		calls = []window{a.dailyWindow(wanted, at)}
	case interval == market.Hourly:
		calls = a.hourlyWindows(wanted, at)
	default:
		calls = []window{latest(1, at, "")}
	}
	return calls, beyond
}

// near is how far around a grid instant its samples lie: daily ones are on it, the others' nearest grid instant is theirs.
func near(i market.Interval) int64 {
	if i == market.Daily {
		return 0
	}
	return i.Step() / 2
}

// latest asks for the newest days.
func latest(days, now int64, option string) window {
	return window{
		endpoint: marketChart, query: fmt.Sprintf("days=%d%s", days, option), live: true,
		span: market.Range{From: now + clockSkew - days*dayMs, To: now}, planned: now, moves: true,
	}
}

// between asks for a span, or what of it is not yet to come. Whole seconds: the API takes Unix seconds, and both are
// included.
func between(span market.Range, now int64) window {
	from, to := (span.From+999)/1000, (min(span.To, now)+999)/1000-1
	span = market.Range{From: from * 1000, To: (to + 1) * 1000}
	return window{
		endpoint: marketChartRange, query: fmt.Sprintf("from=%d&to=%d", from, to), live: now-span.To < 2*jitter,
		span: span, planned: now,
	}
}

// dailyWindow is always one call.
func (a access) dailyWindow(wanted []market.Range, now int64) window {
	from, to := wanted[0].From, wanted[len(wanted)-1].To-dayMs // the first and the last midnight
	if to < now-recent {
		// An hour on both sides is for the API's reading of the bounds.
		const hour = dayMs / 24
		start := a.within(from-hour, now)
		return between(market.Range{From: start, To: max(to+hour, start+minDaily)}, now)
	}
	if a.reach == 0 && from < firstDaily {
		return window{endpoint: marketChart, query: "days=max", live: true, span: market.Range{From: wanted[0].From, To: now}, planned: now}
	}
	days := daysSince(from, now)
	if days > topUp {
		days = max(days, yearsDays)
	}
	if a.reach > 0 {
		days = min(days, int64(a.reach/day))
	}
	option := ""
	if days*dayMs <= maxHourly {
		option = "&interval=daily"
	}
	return latest(days, now, option)
}

// hourlyWindows cuts spans of up to 90 days from the oldest on, until the newest 90 days have all that is left. Spans
// begin and end between two hours: so no sample's neighbours are in another answer, and 90 days answer for 2,160 hours.
func (a access) hourlyWindows(wanted []market.Range, now int64) []window {
	var calls []window
	const half = int64(30 * time.Minute / ms)
	for len(wanted) > 0 {
		from := wanted[0].From - half
		if days := max(daysSince(from, now), topUp); days*dayMs <= maxHourly {
			if days > topUp && len(calls) == 0 {
				days = maxHourly / dayMs
			}
			return append(calls, latest(days, now, ""))
		}
		span := market.Range{From: from, To: from + minHourly}
		for _, r := range wanted {
			if r.From-half < from+maxHourly {
				span.To = max(span.To, min(r.To-half, from+maxHourly))
			}
		}
		wanted = after(wanted, span.To+half)
		if span.To-span.From > minHourly && len(calls) == 0 {
			span.From = max(min(span.From, span.To-maxHourly), firstHourly-half)
		}
		span.From = a.within(span.From, now)
		calls = append(calls, between(span, now))
	}
	return calls
}

// within is the instant, or the oldest that the plan's history surely has when the request arrives.
func (a access) within(t, now int64) int64 {
	if a.reach == 0 {
		return max(t, 0)
	}
	return max(t, now-a.reach.Milliseconds()+clockSkew)
}

// daysSince is how many days back from now, by whatever clock, an instant surely lies.
func daysSince(t, now int64) int64 { return (now + clockSkew - t + dayMs - 1) / dayMs }

// after are the parts of ascending ranges from an instant on.
func after(ranges []market.Range, t int64) []market.Range {
	var out []market.Range
	for _, r := range ranges {
		if r.From = max(r.From, t); !r.Empty() {
			out = append(out, r)
		}
	}
	return out
}

// covers are the grid instants for which an answer is complete: those whose samples all lie in its span and that belonged
// to charts when it was planned. Wanted instants before them, whose samples lie partly before the span, are covered as
// long as the answer has a sample of theirs. What is not covered counts as not answered, which is better than to claim a
// hole. A call may have been made some time after it was planned.
func (w window) covers(interval market.Interval, wanted []market.Range, points []market.Point, asked time.Time) market.Range {
	start := w.span.From + near(interval)
	if w.moves {
		start += max(0, asked.UnixMilli()-w.planned)
	}
	step := interval.Step()
	r := market.Range{From: wire.Ceil(interval, start), To: interval.Newest(time.UnixMilli(w.planned)) + step}
	if !w.live {
		r.To = min(r.To, interval.Floor(w.span.To-near(interval))+step)
	}
	sampled := make(map[int64]bool)
	for _, p := range points {
		slot := interval.Snap(p.Stamp)
		if slot >= r.From {
			break
		}
		sampled[slot] = true
	}
	for sampled[r.From-step] && contains(wanted, r.From-step) {
		r.From -= step
	}
	if r.Empty() {
		return market.Range{}
	}
	return r
}

func contains(ranges []market.Range, t int64) bool {
	for _, r := range ranges {
		if r.Contains(t) {
			return true
		}
	}
	return false
}
