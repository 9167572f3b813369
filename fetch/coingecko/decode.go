package coingecko

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/coingraph/coingraph/fetch/wire"
	"github.com/coingraph/coingraph/market"
)

// sample is a row of one of a chart's arrays.
type sample struct {
	stamp int64 // Unix ms
	value float64
}

// column reads one of a chart's arrays: [[stamp,value],…]. The bytes must be valid JSON. Rows keep their order.
func column(raw []byte, now time.Time) ([]sample, error) {
	s := scanner{raw, 0}
	samples := make([]sample, 0, bytes.Count(raw, []byte{'['}))
	if !s.take('[') {
		return nil, errors.New("no array")
	}
	for !s.take(']') {
		if len(samples) > 0 && !s.take(',') || !s.take('[') {
			return nil, fmt.Errorf("row %d is no array", len(samples))
		}
		stamp, err := wire.Digits(s.lexeme())
		if err == nil {
			err = wire.Instant(time.UnixMilli(stamp), now)
		}
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", len(samples), err)
		}
		if !s.take(',') {
			return nil, fmt.Errorf("row %d has no value", len(samples))
		}
		value, err := wire.Amount(s.lexeme())
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", len(samples), err)
		}
		if !s.take(']') {
			return nil, fmt.Errorf("row %d has more than a stamp and a value", len(samples))
		}
		samples = append(samples, sample{stamp, value})
	}
	return samples, nil
}

// scanner goes through valid JSON.
type scanner struct {
	b []byte
	i int
}

func (s *scanner) blanks() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\n' || s.b[s.i] == '\t' || s.b[s.i] == '\r') {
		s.i++
	}
}

// take goes past a delimiter, if it is the next.
func (s *scanner) take(c byte) bool {
	s.blanks()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// lexeme goes past a number or a word, and gives it. For anything else it gives what is no number.
func (s *scanner) lexeme() []byte {
	s.blanks()
	from := s.i
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ',', ']', '[', '}', '{', ':', ' ', '\n', '\t', '\r':
			return s.b[from:s.i]
		}
		s.i++
	}
	return s.b[from:]
}

// series is a chart as it was sent: one point a stamp, ascending, and the point of now apart from them.
type series struct {
	points []market.Point
	tail   *market.Point
}

// decodeChart reads a chart's body. Its arrays are joined by stamp, never by index, as they may differ in length; a value
// whose row lacks has its bit in Missing, a null is NaN. Of rows with the same stamp the last in the body counts.
//
// live says that the chart ends now. Such charts end with a point of now, off the grid, that moves from call to call. It
// is the last row of prices as sent (not the newest: an illiquid asset's is as old as its last trade), and is told from
// a sample by this: of a daily chart it does not lie on midnight; of a finer one it is of a whole second, where samples
// are of milliseconds, or it is older than the row before it. A sample that happens to be of a whole second, in a chart
// without a point of now, is thereby taken for one (one in a thousand); it is fetched again when it has settled.
//
// Refused whole are: an array that lacks; a stamp that is no integer, older than Bitcoin or more than an hour ahead of
// now; a value that is text, negative or not finite; samples on another step than the interval's.
func decodeChart(members map[string]json.RawMessage, interval market.Interval, live bool, now time.Time) (series, error) {
	var columns [3][]sample
	for i, name := range [...]string{"prices", "market_caps", "total_volumes"} {
		raw, ok := members[name]
		if !ok {
			return series{}, fmt.Errorf("there are no %s", name)
		}
		var err error
		if columns[i], err = column(raw, now); err != nil {
			return series{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	tailStamp, hasTail := tailOf(columns[0], interval)
	hasTail = hasTail && live
	for i := range columns {
		columns[i] = normal(columns[i])
	}
	s := series{points: join(columns)}
	if hasTail {
		i, _ := slices.BinarySearchFunc(s.points, tailStamp, func(p market.Point, t int64) int { return cmp.Compare(p.Stamp, t) })
		tail := s.points[i]
		s.tail, s.points = &tail, slices.Delete(s.points, i, i+1)
	}
	return s, onStep(s.points, interval)
}

// tailOf is the stamp of the point of now, if the last row is one.
func tailOf(prices []sample, interval market.Interval) (int64, bool) {
	n := len(prices)
	if n == 0 {
		return 0, false
	}
	last := prices[n-1].stamp
	if interval == market.Daily {
		return last, interval.Floor(last) != last
	}
	return last, last%1000 == 0 || n > 1 && last < prices[n-2].stamp
}

// normal sorts rows by stamp and keeps one of each, the last.
func normal(rows []sample) []sample {
	if !slices.IsSortedFunc(rows, byStamp) {
		slices.SortStableFunc(rows, byStamp)
	}
	out := rows[:0]
	for _, r := range rows {
		if n := len(out); n > 0 && out[n-1].stamp == r.stamp {
			out[n-1] = r
			continue
		}
		out = append(out, r)
	}
	return out
}

func byStamp(a, b sample) int { return cmp.Compare(a.stamp, b.stamp) }

// join makes points of columns that ascend.
func join(columns [3][]sample) []market.Point {
	points := make([]market.Point, 0, max(len(columns[0]), len(columns[1]), len(columns[2])))
	take := func(i int, stamp int64) (float64, bool) {
		if len(columns[i]) == 0 || columns[i][0].stamp != stamp {
			return math.NaN(), false
		}
		v := columns[i][0].value
		columns[i] = columns[i][1:]
		return v, true
	}
	for {
		stamp := int64(math.MaxInt64)
		for _, c := range columns {
			if len(c) > 0 {
				stamp = min(stamp, c[0].stamp)
			}
		}
		if stamp == math.MaxInt64 {
			return points
		}
		p := market.Point{Stamp: stamp, Source: Name}
		var ok bool
		if p.Price, ok = take(0, stamp); !ok {
			p.Missing |= market.MissingPrice
		}
		if p.MarketCap, ok = take(1, stamp); !ok {
			p.Missing |= market.MissingMarketCap
		}
		if p.Volume, ok = take(2, stamp); !ok {
			p.Missing |= market.MissingVolume
		}
		points = append(points, p)
	}
}

// onStep refuses points of another step than the one that was asked for: CoinGecko chooses the step by the length of
// what is asked, so a rule that has changed would go unnoticed otherwise. Finer ones lie closer than half a step for
// the most part; a fine series that has only midnights is a daily one. Wider gaps are nothing: illiquid assets have holes.
func onStep(points []market.Point, interval market.Interval) error {
	if len(points) < 3 {
		return nil
	}
	const midnight = int64(day / time.Millisecond)
	crowded, midnights := 0, 0
	for i, p := range points {
		if p.Stamp%midnight == 0 {
			midnights++
		}
		if i > 0 && p.Stamp-points[i-1].Stamp < interval.Step()/2 {
			crowded++
		}
	}
	if 2*crowded >= len(points) {
		return fmt.Errorf("the samples lie closer than the step %s", interval)
	}
	if interval != market.Daily && midnights == len(points) {
		return fmt.Errorf("the samples are daily ones, not those of the step %s", interval)
	}
	return nil
}
