package market

import (
	"io"
	"math"
	"slices"
	"strconv"
	"time"
)

// SeriesRequest asks for the newest points of a series.
type SeriesRequest struct {
	SeriesKey
	Days Days
}

// ChartRequest asks for a chart.
type ChartRequest = SeriesRequest

// Reading is a series as clients read it: on the grid of its interval, ascending, one point an instant. Its values are
// beside it, in a [Chart] or a [MetricSeries].
type Reading struct {
	Asset      Asset
	Interval   Interval
	Days       Days
	Timestamps Timestamps
	Sources    []string
	FetchedAt  time.Time
	Stale      bool
	Coverage   Coverage
	FreshUntil time.Time // when this answer expires
}

// reading is the reading itself, for whoever has what it is embedded in.
func (r *Reading) reading() *Reading { return r }

// Chart is an asset's market, read.
type Chart struct {
	Reading
	Currency   Currency
	Prices     Column
	MarketCaps Column
	Volumes    Column
}

// Coverage says whether the chart is all that was asked for, and what lacks.
type Coverage struct {
	Complete bool
	From, To *time.Time // the first and the last point; nil when there is none
	Holes    []Hole
}

// Hole is a half-open range of grid instants without points.
type Hole struct {
	From, To time.Time
	Reason   HoleReason
}

// ChartPoint is one instant of a chart.
type ChartPoint struct {
	Timestamp time.Time
	Price     NumberText
	MarketCap NumberText
	Volume    NumberText
}

// From is the first point's instant; nil when there is none.
func (r *Reading) From() *time.Time { return r.Coverage.From }

// To is the last point's instant; nil when there is none.
func (r *Reading) To() *time.Time { return r.Coverage.To }

// Points are the columns as rows.
func (c *Chart) Points() []ChartPoint {
	points := make([]ChartPoint, 0, c.Timestamps.Len())
	prices, marketCaps, volumes := c.Prices.Texts(), c.MarketCaps.Texts(), c.Volumes.Texts()
	for t := range c.Timestamps.All() {
		points = append(points, ChartPoint{time.UnixMilli(t).UTC(), prices.Next(), marketCaps.Next(), volumes.Next()})
	}
	return points
}

// MarshalGQL writes the GraphQL enum value.
func (h HoleReason) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(string(h))) }

// UnmarshalGQL refuses: reasons only go out.
func (h *HoleReason) UnmarshalGQL(any) error { return errOutputOnly }

// genesis is the grid instant before which no series has points: Bitcoin's first block is of 2009-01-03.
var genesis = time.Date(2009, 1, 3, 0, 0, 0, 0, time.UTC).UnixMilli()

// window is the range of grid instants that a request means at the time given.
func (r SeriesRequest) window(now time.Time) Range {
	newest, step := r.Newest(now), r.Interval.Step()
	from := genesis
	if r.Days != AllDays {
		from = max(genesis, newest-(int64(r.Days)*int64(r.Interval.PerDay())-1)*step)
	}
	return Range{from, newest + step}
}

// Points is how many points the answer has at most at the time given; 0 for a request that is not valid.
func (r SeriesRequest) Points(now time.Time) int {
	if !r.Interval.Valid() || !r.Days.Valid() {
		return 0
	}
	w := r.window(now)
	return int((w.To - w.From) / r.Interval.Step())
}

// slots calls yield for each grid instant of the window that has a point with a price, ascending, with the sample
// nearest to it.
func slots(points []Point, interval Interval, window Range, yield func(slot int64, p *Point)) {
	var best *Point
	var slot int64
	for i := range points {
		p := &points[i]
		if p.Price != p.Price {
			continue
		}
		switch s := interval.Snap(p.Stamp); {
		case !window.Contains(s):
			continue
		case best != nil && s == slot:
			if distance(p.Stamp, s) < distance(best.Stamp, s) {
				best = p
			}
		default:
			if best != nil {
				yield(slot, best)
			}
			best, slot = p, s
		}
	}
	if best != nil {
		yield(slot, best)
	}
}

func distance(a, b int64) int64 { return max(a-b, b-a) }

// read puts a series' history on the grid: it calls size with the most points there can be, and add for each that there
// is. Holes that nothing is known of are reported as failed: the provider could not be asked. The providers are in order
// of preference.
func (r *Reading) read(req SeriesRequest, asset Asset, h History, window Range, providers []string, size func(n int), add func(p *Point)) {
	r.Asset, r.Interval, r.Days = asset, req.Interval, req.Days
	n := int(min((window.To-window.From)/req.Interval.Step(), int64(len(h.Points))))
	r.Timestamps = Timestamps{interval: req.Interval}
	size(n)

	next := window.From // the first grid instant not yet accounted for
	slots(h.Points, req.Interval, window, func(slot int64, p *Point) {
		r.addHoles(Range{next, slot}, h.Known, providers)
		next = slot + req.Interval.Step()
		r.Timestamps.add(slot)
		add(p)
		if !slices.Contains(r.Sources, p.Source) {
			r.Sources = append(r.Sources, p.Source)
		}
		if p.FetchedAt.After(r.FetchedAt) {
			r.FetchedAt = p.FetchedAt
		}
	})
	r.addHoles(Range{next, window.To}, h.Known, providers)

	if r.Timestamps.Len() == 0 {
		for _, k := range h.Known {
			if k.FetchedAt.After(r.FetchedAt) {
				r.FetchedAt = k.FetchedAt
			}
		}
	}
	r.cover()
}

// readChart reads a chart.
func readChart(req ChartRequest, asset Asset, h History, window Range, providers []string) *Chart {
	c := &Chart{Currency: req.Currency}
	var prices, marketCaps, volumes *columnBuilder
	c.read(req, asset, h, window, providers, func(n int) {
		prices, marketCaps, volumes = newColumnBuilder(n), newColumnBuilder(n), newColumnBuilder(n)
	}, func(p *Point) {
		capKnown := p.MarketCap
		if capKnown == 0 {
			capKnown = math.NaN()
		}
		prices.add(p.Price)
		marketCaps.add(capKnown)
		volumes.add(p.Volume)
	})
	c.Prices, c.MarketCaps, c.Volumes = prices.column(), marketCaps.column(), volumes.column()
	return c
}

// cover fills in what of the coverage follows from the rest of the reading.
func (r *Reading) cover() {
	r.Coverage.Complete = len(r.Coverage.Holes) == 0
	if r.Timestamps.Len() > 0 {
		span := r.Timestamps.span()
		from, to := time.UnixMilli(span.From).UTC(), time.UnixMilli(span.To-r.Interval.Step()).UTC()
		r.Coverage.From, r.Coverage.To = &from, &to
	}
}

// addHoles reports a range without points, cut by what is known of it: what the most preferred provider says that has the
// series at all.
func (r *Reading) addHoles(gap Range, known []Known, providers []string) {
	if gap.Empty() {
		return
	}
	for _, k := range known {
		part := gap.Intersect(k.Range)
		if part.Empty() || len(providers) == 0 || k.Provider != providers[0] {
			continue
		}
		r.addHole(Range{gap.From, part.From}, Failed)
		switch reason := k.Hole; {
		case reason == NotOffered && len(providers) > 1:
			r.addHoles(part, known, providers[1:])
		case reason == "":
			r.addHole(part, UpstreamHole) // known to have points around here, and none at this instant
		case reason == NotListed && r.Timestamps.Len() > 0:
			r.addHole(part, UpstreamHole) // a later answer reached farther back and found points
		default:
			r.addHole(part, reason)
		}
		gap.From = part.To
	}
	r.addHole(gap, Failed)
}

func (r *Reading) addHole(part Range, reason HoleReason) {
	if part.Empty() || reason == NotListed && r.Days == AllDays {
		return // "max" begins where the asset begins
	}
	if n := len(r.Coverage.Holes); n > 0 && r.Coverage.Holes[n-1].Reason == reason && r.Coverage.Holes[n-1].To.UnixMilli() == part.From {
		r.Coverage.Holes[n-1].To = time.UnixMilli(part.To).UTC()
		return
	}
	r.Coverage.Holes = append(r.Coverage.Holes, Hole{time.UnixMilli(part.From).UTC(), time.UnixMilli(part.To).UTC(), reason})
}
