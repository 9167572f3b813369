package market

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var t0 = time.Date(2026, 3, 10, 12, 30, 0, 0, time.UTC)

func ms(y int, m time.Month, d, h, min int) int64 {
	return time.Date(y, m, d, h, min, 0, 0, time.UTC).UnixMilli()
}

// genKnown draws ascending knowledge without overlaps over the slots 0 to 30.
func genKnown(provider string) *rapid.Generator[[]Known] {
	return rapid.Custom(func(t *rapid.T) []Known {
		var known []Known
		for at := int64(0); at < 30; {
			at += rapid.Int64Range(0, 4).Draw(t, "gap")
			to := at + rapid.Int64Range(1, 6).Draw(t, "length")
			known = append(known, Known{
				Range: Range{at, to}, Provider: provider, FetchedAt: t0,
				DueAt: rapid.SampledFrom([]int64{0, 7}).Draw(t, "due"), Hole: rapid.SampledFrom([]HoleReason{"", UpstreamHole}).Draw(t, "hole"),
			})
			at = to
		}
		return known
	})
}

// at is what the knowledge of a provider says of one instant.
func at(known []Known, provider string, slot int64) (Known, bool) {
	for _, k := range known {
		if k.Provider == provider && k.Contains(slot) {
			k.Range = Range{}
			return k, true
		}
	}
	return Known{}, false
}

func TestMergeKnownSaysOfEachInstantWhatTheFreshSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old := slices.Concat(genKnown("a").Draw(t, "old a"), genKnown("b").Draw(t, "old b"))
		fresh := slices.Concat(genKnown("b").Draw(t, "fresh b"), genKnown("c").Draw(t, "fresh c"))
		before := slices.Clone(old)
		merged := MergeKnown(old, fresh)
		if !slices.Equal(old, before) {
			t.Fatal("the argument was changed")
		}
		for _, provider := range []string{"a", "b", "c"} {
			for slot := range int64(60) {
				want, ok := at(fresh, provider, slot)
				if !ok {
					want, ok = at(old, provider, slot)
				}
				got, gotOK := at(merged, provider, slot)
				if got != want || gotOK != ok {
					t.Fatalf("%s at %d: got %+v, want %+v", provider, slot, got, want)
				}
			}
		}
		for i := 1; i < len(merged); i++ {
			if merged[i].Provider == merged[i-1].Provider && merged[i].From < merged[i-1].To || merged[i].Provider < merged[i-1].Provider {
				t.Fatalf("overlap or disorder: %+v", merged)
			}
			if merged[i].From == merged[i-1].To && merged[i].alike(merged[i-1]) {
				t.Fatalf("neighbours that say the same are not joined: %+v", merged)
			}
		}
	})
}

func TestSubtractLeavesWhatIsInNoneOfThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := func(label string) Range {
			from := rapid.Int64Range(0, 30).Draw(t, label)
			return Range{from, from + rapid.Int64Range(0, 10).Draw(t, label+" length")}
		}
		from, taken := []Range{r("a")}, r("b")
		rest := Subtract(from, taken)
		for i := range int64(45) {
			want := from[0].Contains(i) && !taken.Contains(i)
			if got := slices.ContainsFunc(rest, func(r Range) bool { return r.Contains(i) }); got != want {
				t.Fatalf("%v - %v = %v: at %d got %v", from, taken, rest, i, got)
			}
		}
	})
}

func TestCalendar(t *testing.T) {
	for _, c := range []struct {
		name     string
		interval Interval
		now      int64
		newest   int64
	}{
		{"a day's point is not served before 01:00", Daily, ms(2026, 3, 10, 0, 59), ms(2026, 3, 9, 0, 0)},
		{"a day's point is served from 01:00", Daily, ms(2026, 3, 10, 1, 0), ms(2026, 3, 10, 0, 0)},
		{"an hour's point is not served before five past", Hourly, ms(2026, 3, 10, 7, 4), ms(2026, 3, 10, 6, 0)},
		{"an hour's point is served from five past", Hourly, ms(2026, 3, 10, 7, 5), ms(2026, 3, 10, 7, 0)},
		{"a leap day", Daily, ms(2028, 2, 29, 1, 0), ms(2028, 2, 29, 0, 0)},
		{"the year's end", Daily, ms(2027, 1, 1, 0, 40), ms(2026, 12, 31, 0, 0)},
	} {
		if got := c.interval.Newest(time.UnixMilli(c.now)); got != c.newest {
			t.Errorf("%s: got %v, want %v", c.name, time.UnixMilli(got).UTC(), time.UnixMilli(c.newest).UTC())
		}
	}
	for _, c := range []struct {
		name     string
		interval Interval
		now      int64
		newest   int64
	}{
		{"a day's row is not served before 01:00 of the next", Daily, ms(2026, 3, 10, 0, 59), ms(2026, 3, 8, 0, 0)},
		{"a day's row is served from 01:00 of the next on", Daily, ms(2026, 3, 10, 1, 0), ms(2026, 3, 9, 0, 0)},
		{"an hour's row is not served before five past the next", Hourly, ms(2026, 3, 10, 7, 4), ms(2026, 3, 10, 5, 0)},
		{"an hour's row is served from five past the next on", Hourly, ms(2026, 3, 10, 7, 5), ms(2026, 3, 10, 6, 0)},
	} {
		k := SeriesKey{Metric: MVRV, Interval: c.interval}
		if got := k.Newest(time.UnixMilli(c.now)); got != c.newest || k.DueAt(got) > c.now || k.DueAt(got+c.interval.Step()) <= c.now {
			t.Errorf("%s: got %v, want %v", c.name, time.UnixMilli(got).UTC(), time.UnixMilli(c.newest).UTC())
		}
	}
	if got := Hourly.Snap(ms(2026, 3, 10, 7, 30)); got != ms(2026, 3, 10, 8, 0) {
		t.Errorf("of two equally near instants the later: got %v", time.UnixMilli(got).UTC())
	}
	if got := Hourly.Snap(ms(2026, 3, 10, 7, 29)); got != ms(2026, 3, 10, 7, 0) {
		t.Errorf("the nearer instant: got %v", time.UnixMilli(got).UTC())
	}
}

func TestWindowHasAsManyInstantsAsAsked(t *testing.T) {
	// Whatever the process's zone, across its changes to and from daylight saving time.
	for _, zone := range []string{"UTC", "America/New_York", "Europe/Berlin"} {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			days     Days
			interval Interval
			want     int64
		}{{30, Daily, 30}, {1, Daily, 1}, {365, Daily, 365}, {2, Hourly, 48}, {1, Hourly, 24}, {90, Hourly, 2160}} {
			for now := time.Date(2026, 3, 7, 0, 20, 0, 0, loc); now.Before(time.Date(2026, 3, 31, 0, 0, 0, 0, loc)); now = now.Add(7 * time.Hour) {
				w := ChartRequest{SeriesKey{Interval: c.interval}, c.days}.window(now)
				if got := (w.To - w.From) / c.interval.Step(); got != c.want || w.From%c.interval.Step() != 0 {
					t.Fatalf("%s %v: %d days %s are %d instants, want %d", zone, now, c.days, c.interval, got, c.want)
				}
			}
		}
	}
}
