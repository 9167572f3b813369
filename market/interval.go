package market

import (
	"fmt"
	"io"
	"strconv"
	"time"
)

// Interval is the step of a series.
type Interval uint8

// The intervals that are stored. Charts of clients are daily or hourly; five-minutely samples are kept for CoinGecko's
// own clients. The zero value is no interval.
const (
	Daily Interval = iota + 1
	Hourly
	FiveMinutely
)

// interval is what the calendar says of an interval. A point of instant t belongs to charts from t+due on, because
// providers publish late; fetched before t+settled it may still change, and is bought once more after that.
type interval struct {
	name          string // in REST, cache keys and the database
	step          time.Duration
	due, settled  time.Duration
	perDay        int
	offeredToUser bool
}

var intervals = [...]interval{
	Daily:        {"daily", 24 * time.Hour, time.Hour, 2 * time.Hour, 1, true},
	Hourly:       {"hourly", time.Hour, 5 * time.Minute, 15 * time.Minute, 24, true},
	FiveMinutely: {"5m", 5 * time.Minute, 2 * time.Minute, 5 * time.Minute, 288, false},
}

// ParseInterval reads "daily" or "hourly", the intervals of charts.
func ParseInterval(s string) (Interval, bool) {
	i, ok := IntervalNamed(s)
	return i, ok && intervals[i].offeredToUser
}

// IntervalNamed reads any stored interval's name.
func IntervalNamed(s string) (Interval, bool) {
	for i := Daily; int(i) < len(intervals); i++ {
		if intervals[i].name == s {
			return i, true
		}
	}
	return 0, false
}

// Valid tells whether it is an interval at all.
func (i Interval) Valid() bool { return i >= Daily && int(i) < len(intervals) }

// String is the interval's name: "daily", "hourly", "5m".
func (i Interval) String() string {
	if !i.Valid() {
		return "invalid"
	}
	return intervals[i].name
}

// Step is the distance between two points, in milliseconds.
func (i Interval) Step() int64 { return intervals[i].step.Milliseconds() }

// PerDay is how many points a day has.
func (i Interval) PerDay() int { return intervals[i].perDay }

// Snap is the grid instant nearest to a stamp (Unix ms); of two equally near ones the later.
func (i Interval) Snap(stamp int64) int64 {
	step := i.Step()
	return floorTo(stamp+step/2, step)
}

// Floor is the last grid instant at or before a stamp.
func (i Interval) Floor(stamp int64) int64 { return floorTo(stamp, i.Step()) }

// Newest is the newest grid instant whose point belongs to charts at the time given.
func (i Interval) Newest(now time.Time) int64 {
	return i.Floor(now.UnixMilli() - intervals[i].due.Milliseconds())
}

// DueAt is when (Unix ms) the point of a grid instant begins to belong to charts.
func (i Interval) DueAt(instant int64) int64 { return instant + intervals[i].due.Milliseconds() }

// SettledAt is when (Unix ms) a provider no longer changes the point of a grid instant.
func (i Interval) SettledAt(instant int64) int64 {
	return instant + intervals[i].settled.Milliseconds()
}

// AgainAt is when (Unix ms) a point that was fetched before it settled is bought again: a day's once it has settled, all
// others' together with the next point, so that it costs no call of its own.
func (i Interval) AgainAt(instant int64) int64 {
	if i == Daily {
		return i.SettledAt(instant)
	}
	return max(i.SettledAt(instant), i.DueAt(instant+i.Step()))
}

func floorTo(x, step int64) int64 {
	r := x % step
	if r < 0 {
		r += step
	}
	return x - r
}

// MarshalGQL writes the GraphQL enum value: DAILY, HOURLY.
func (i Interval) MarshalGQL(w io.Writer) {
	switch i {
	case Daily:
		_, _ = io.WriteString(w, `"DAILY"`)
	case Hourly:
		_, _ = io.WriteString(w, `"HOURLY"`)
	default:
		_, _ = io.WriteString(w, strconv.Quote(i.String()))
	}
}

// UnmarshalGQL reads the GraphQL enum value.
func (i *Interval) UnmarshalGQL(v any) error {
	switch v {
	case "DAILY":
		*i = Daily
	case "HOURLY":
		*i = Hourly
	default:
		return fmt.Errorf("an interval is DAILY or HOURLY")
	}
	return nil
}
