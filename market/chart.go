package market

import (
	"io"
	"math"
	"slices"
	"strconv"
	"time"
)

// ChartRequest asks for the newest points of a series.
type ChartRequest struct {
	SeriesKey
	Days Days
}

// Chart is a series as clients read it: on the grid of its interval, ascending, one point an instant.
type Chart struct {
	Asset      Asset
	Currency   Currency
	Interval   Interval
	Days       Days
	Timestamps Timestamps
	Prices     Column
	MarketCaps Column
	Volumes    Column
	Sources    []string
	FetchedAt  time.Time
	Stale      bool
	Coverage   Coverage
	FreshUntil time.Time // when this answer expires
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
	Price     Number
	MarketCap Number
	Volume    Number
}

// From is the first point's instant; nil when there is none.
func (c *Chart) From() *time.Time { return c.Coverage.From }

// To is the last point's instant; nil when there is none.
func (c *Chart) To() *time.Time { return c.Coverage.To }

// Points are the columns as rows.
func (c *Chart) Points() []ChartPoint {
	points := make([]ChartPoint, len(c.Timestamps))
	for i, t := range c.Timestamps {
		points[i] = ChartPoint{time.UnixMilli(t).UTC(), Number(c.Prices[i]), Number(c.MarketCaps[i]), Number(c.Volumes[i])}
	}
	return points
}

// Timestamps are instants in Unix ms, written as a JSON list of integers.
type Timestamps []int64

// AppendJSON appends the JSON list.
func (t Timestamps) AppendJSON(b []byte) []byte {
	b = append(b, '[')
	for i, v := range t {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, v, 10)
	}
	return append(b, ']')
}

// MarshalJSON writes the JSON list.
func (t Timestamps) MarshalJSON() ([]byte, error) {
	return t.AppendJSON(make([]byte, 0, 2+14*len(t))), nil
}

// MarshalGQL writes the JSON list.
func (t Timestamps) MarshalGQL(w io.Writer) {
	_, _ = w.Write(t.AppendJSON(make([]byte, 0, 2+14*len(t))))
}

// UnmarshalGQL refuses: timestamps only go out.
func (t *Timestamps) UnmarshalGQL(any) error { return errOutputOnly }

// Column is a list of values, written as a JSON list of numbers or nulls.
type Column []float64

// AppendJSON appends the JSON list.
func (c Column) AppendJSON(b []byte) []byte {
	b = append(b, '[')
	for i, v := range c {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendNumber(b, v)
	}
	return append(b, ']')
}

// MarshalJSON writes the JSON list.
func (c Column) MarshalJSON() ([]byte, error) { return c.AppendJSON(make([]byte, 0, 2+20*len(c))), nil }

// MarshalGQL writes the JSON list.
func (c Column) MarshalGQL(w io.Writer) { _, _ = w.Write(c.AppendJSON(make([]byte, 0, 2+20*len(c)))) }

// UnmarshalGQL refuses: columns only go out.
func (c *Column) UnmarshalGQL(any) error { return errOutputOnly }

// MarshalGQL writes the GraphQL enum value.
func (h HoleReason) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(string(h))) }

// UnmarshalGQL refuses: reasons only go out.
func (h *HoleReason) UnmarshalGQL(any) error { return errOutputOnly }

// genesis is the grid instant before which no series has points: Bitcoin's first block is of 2009-01-03.
var genesis = time.Date(2009, 1, 3, 0, 0, 0, 0, time.UTC).UnixMilli()

// window is the range of grid instants that a request means at the time given.
func (r ChartRequest) window(now time.Time) Range {
	newest, step := r.Interval.Newest(now), r.Interval.Step()
	from := genesis
	if r.Days != AllDays {
		from = max(genesis, newest-(int64(r.Days)*int64(r.Interval.PerDay())-1)*step)
	}
	return Range{from, newest + step}
}

// Points is how many points the chart has at most at the time given; 0 for a request that is not valid.
func (r ChartRequest) Points(now time.Time) int {
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

// readChart puts a series' history on the grid. Holes that nothing is known of are reported as failed: the provider
// could not be asked. The providers are in order of preference.
func readChart(req ChartRequest, asset Asset, h History, window Range, providers []string) *Chart {
	c := &Chart{Asset: asset, Currency: req.Currency, Interval: req.Interval, Days: req.Days}
	n := int(min((window.To-window.From)/req.Interval.Step(), int64(len(h.Points))))
	c.Timestamps = make(Timestamps, 0, n)
	values := make([]float64, 3*n)
	c.Prices, c.MarketCaps, c.Volumes = values[:0:n], values[n:n:2*n], values[2*n:2*n:3*n]

	next := window.From // the first grid instant not yet accounted for
	slots(h.Points, req.Interval, window, func(slot int64, p *Point) {
		c.addHoles(Range{next, slot}, h.Known, providers)
		next = slot + req.Interval.Step()
		capKnown := p.MarketCap
		if capKnown == 0 {
			capKnown = math.NaN()
		}
		c.Timestamps = append(c.Timestamps, slot)
		c.Prices = append(c.Prices, p.Price)
		c.MarketCaps = append(c.MarketCaps, capKnown)
		c.Volumes = append(c.Volumes, p.Volume)
		if !slices.Contains(c.Sources, p.Source) {
			c.Sources = append(c.Sources, p.Source)
		}
		if p.FetchedAt.After(c.FetchedAt) {
			c.FetchedAt = p.FetchedAt
		}
	})
	c.addHoles(Range{next, window.To}, h.Known, providers)

	if len(c.Timestamps) == 0 {
		for _, k := range h.Known {
			if k.FetchedAt.After(c.FetchedAt) {
				c.FetchedAt = k.FetchedAt
			}
		}
	}
	c.cover()
	return c
}

// cover fills in what of the coverage follows from the rest of the chart.
func (c *Chart) cover() {
	c.Coverage.Complete = len(c.Coverage.Holes) == 0
	if n := len(c.Timestamps); n > 0 {
		from, to := time.UnixMilli(c.Timestamps[0]).UTC(), time.UnixMilli(c.Timestamps[n-1]).UTC()
		c.Coverage.From, c.Coverage.To = &from, &to
	}
}

// addHoles reports a range without points, cut by what is known of it: what the most preferred provider says that has the
// series at all.
func (c *Chart) addHoles(gap Range, known []Known, providers []string) {
	if gap.Empty() {
		return
	}
	for _, k := range known {
		part := gap.Intersect(k.Range)
		if part.Empty() || len(providers) == 0 || k.Provider != providers[0] {
			continue
		}
		c.addHole(Range{gap.From, part.From}, Failed)
		switch reason := k.Hole; {
		case reason == NotOffered && len(providers) > 1:
			c.addHoles(part, known, providers[1:])
		case reason == "":
			c.addHole(part, UpstreamHole) // known to have points around here, and none at this instant
		case reason == NotListed && len(c.Timestamps) > 0:
			c.addHole(part, UpstreamHole) // a later answer reached farther back and found points
		default:
			c.addHole(part, reason)
		}
		gap.From = part.To
	}
	c.addHole(gap, Failed)
}

func (c *Chart) addHole(r Range, reason HoleReason) {
	if r.Empty() || reason == NotListed && c.Days == AllDays {
		return // "max" begins where the asset begins
	}
	if n := len(c.Coverage.Holes); n > 0 && c.Coverage.Holes[n-1].Reason == reason && c.Coverage.Holes[n-1].To.UnixMilli() == r.From {
		c.Coverage.Holes[n-1].To = time.UnixMilli(r.To).UTC()
		return
	}
	c.Coverage.Holes = append(c.Coverage.Holes, Hole{time.UnixMilli(r.From).UTC(), time.UnixMilli(r.To).UTC(), reason})
}
