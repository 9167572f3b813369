package market

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func point(stamp int64, price float64) Point {
	return Point{Stamp: stamp, Price: price, MarketCap: price * 10, Volume: price * 2, Source: "test", FetchedAt: t0}
}

// only is the one provider of most tests.
var only = []string{"test"}

func day(n int) int64 { return ms(2026, 3, n, 0, 0) }

func TestKnowledgeOfAnAnswer(t *testing.T) {
	const day1 = 24 * time.Hour
	all := Range{day(1), day(11)} // 10 days; t0 is 10 March 12:30
	var full []Point
	for d := 1; d <= 10; d++ {
		full = append(full, point(day(d), float64(d)))
	}
	without := func(days ...int) []Point {
		var out []Point
	next:
		for _, p := range full {
			for _, d := range days {
				if p.Stamp == day(d) {
					continue next
				}
			}
			out = append(out, p)
		}
		return out
	}
	due := func(after time.Duration) int64 { return t0.Add(after).UnixMilli() }
	known := func(from, to int, dueAt int64, tries int, hole HoleReason) Known {
		return Known{Range: Range{day(from), day(to)}, Provider: "test", FetchedAt: t0, DueAt: dueAt, Tries: tries, Hole: hole}
	}
	for _, c := range []struct {
		name   string
		points []Point
		old    []Known
		at     time.Time
		want   []Known
	}{
		{"all there", full, nil, t0, []Known{known(1, 11, 0, 0, "")}},
		{"a hole is asked for again in an hour", without(4, 5), nil, t0, []Known{
			known(1, 4, 0, 0, ""), known(4, 6, due(time.Hour), 1, UpstreamHole), known(6, 11, 0, 0, ""),
		}},
		{"the second time in a day", without(4), []Known{known(4, 5, 1, 1, UpstreamHole)}, t0, []Known{
			known(1, 4, 0, 0, ""), known(4, 5, due(day1), 2, UpstreamHole), known(5, 11, 0, 0, ""),
		}},
		{"the third time in a week", without(4), []Known{known(4, 5, 1, 2, UpstreamHole)}, t0, []Known{
			known(1, 4, 0, 0, ""), known(4, 5, due(7*day1), 3, UpstreamHole), known(5, 11, 0, 0, ""),
		}},
		{"then no more", without(4), []Known{known(4, 5, 1, 3, UpstreamHole)}, t0, []Known{
			known(1, 4, 0, 0, ""), known(4, 5, 0, 4, UpstreamHole), known(5, 11, 0, 0, ""),
		}},
		{"before the first point: never listed, never asked again", without(1, 2, 3), nil, t0, []Known{
			known(1, 4, 0, 0, NotListed), known(4, 11, 0, 0, ""),
		}},
		{"before the first point of the answer, but older points are known: a hole", without(1, 2), []Known{known(-5, -3, 0, 0, "")}, t0, []Known{
			known(1, 3, due(time.Hour), 1, UpstreamHole), known(3, 11, 0, 0, ""),
		}},
		{"nothing at all", nil, nil, t0, []Known{known(1, 11, due(time.Hour), 1, UpstreamHole)}},
		{"a point without a price is none", append(without(4), point(day(4), math.NaN())), nil, t0, []Known{
			known(1, 4, 0, 0, ""), known(4, 5, due(time.Hour), 1, UpstreamHole), known(5, 11, 0, 0, ""),
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sortPoints(c.points)
			got := knowledge(SeriesKey{Interval: Daily}, Fetched{Points: c.points, Covers: all, Source: "test", FetchedAt: c.at}, c.old)
			if len(got) != len(c.want) {
				t.Fatalf("got  %+v\nwant %+v", got, c.want)
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Errorf("%d: got  %+v\n   want %+v", i, got[i], c.want[i])
				}
			}
		})
	}

	early := time.Date(2026, 3, 10, 1, 10, 0, 0, time.UTC) // after the newest day was published, before it settled
	t.Run("the newest point is bought once more when it has settled", func(t *testing.T) {
		got := knowledge(SeriesKey{Interval: Daily}, Fetched{Points: full, Covers: all, Source: "test", FetchedAt: early}, nil)
		if len(got) != 2 || got[1].Range != (Range{day(10), day(11)}) || got[1].DueAt != Daily.SettledAt(day(10)) || got[0].DueAt != 0 {
			t.Fatalf("got %+v", got)
		}
		settled := time.UnixMilli(got[1].DueAt)
		if rest := missing(all, got, only, settled.Add(-time.Millisecond)); len(rest) != 0 {
			t.Errorf("before it settled %v is missing", rest)
		}
		if rest := missing(all, got, only, settled); len(rest) != 1 || rest[0] != got[1].Range {
			t.Errorf("once it settled %v is missing", rest)
		}
		again := knowledge(SeriesKey{Interval: Daily}, Fetched{Points: full[9:], Covers: got[1].Range, Source: "test", FetchedAt: settled}, got)
		if rest := missing(all, MergeKnown(got, again), only, settled.Add(1000*time.Hour)); len(rest) != 0 {
			t.Errorf("bought a third time: %v", rest)
		}
	})
	t.Run("a newest point that is late is no hole yet", func(t *testing.T) {
		got := knowledge(SeriesKey{Interval: Daily}, Fetched{Points: full[:9], Covers: all, Source: "test", FetchedAt: early}, nil)
		if len(got) != 2 || got[1].Tries != 0 || got[1].DueAt != Daily.SettledAt(day(10)) {
			t.Fatalf("got %+v", got)
		}
	})
	t.Run("beyond the plan", func(t *testing.T) {
		got := knowledge(SeriesKey{Interval: Daily}, Fetched{Beyond: Range{day(-20), day(1)}, Points: full, Covers: all, Source: "test", FetchedAt: t0}, nil)
		if len(got) != 2 || got[0].Hole != BeyondPlan || got[0].Range != (Range{day(-20), day(1)}) || got[0].DueAt != t0.Add(planRetry).UnixMilli() {
			t.Fatalf("got %+v", got)
		}
	})
}

func TestWhatWasAnsweredIsNotAskedForAgain(t *testing.T) {
	// Whatever the answer covers and lacks, at once after it nothing that was asked for is missing: else each look at the
	// chart would cost a call.
	rapid.Check(t, func(t *rapid.T) {
		asked := []Range{{day(1), day(10)}}
		var points []Point
		for d := 1; d < 10; d++ {
			if rapid.Bool().Draw(t, "there") {
				points = append(points, point(day(d)+rapid.Int64Range(-1000, 1000).Draw(t, "jitter"), 1))
			}
		}
		from := rapid.IntRange(1, 8).Draw(t, "covers from")
		to := rapid.IntRange(from, 10).Draw(t, "covers to")
		f := Fetched{Points: points, Covers: Range{day(from), day(to)}, Source: "test", FetchedAt: t0}
		known := knowledge(SeriesKey{Interval: Daily}, f, nil)
		known = append(known, unanswered(asked, []Fetched{f}, nil)...)
		if rest := missing(asked[0], MergeKnown(nil, known), only, t0); len(rest) > 0 {
			t.Fatalf("still missing: %v", rest)
		}
	})
}

func TestApplyIsIdempotentAndKeepsWhatWasFetchedLater(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		write := func(label string) SeriesWrite {
			from := rapid.IntRange(1, 20).Draw(t, label+" from")
			to := rapid.IntRange(from, 25).Draw(t, label+" to")
			fetchedAt := t0.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, label+" at")) * time.Minute)
			w := SeriesWrite{SeriesKey: SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: Daily}, Fetched: Fetched{Covers: Range{day(from), day(to)}, Source: label, FetchedAt: fetchedAt}}
			seen := map[int64]bool{}
			for d := from; d < to; d++ {
				stamp := day(d) + rapid.Int64Range(-2, 2).Draw(t, "jitter")
				if !seen[stamp] {
					seen[stamp] = true
					p := point(stamp, float64(d))
					p.FetchedAt = fetchedAt
					w.Points = append(w.Points, p)
				}
			}
			w.Known = knowledge(SeriesKey{Interval: Daily}, w.Fetched, nil)
			return w
		}
		a, b := write("a"), write("b")
		h := History{}.Apply(a).Apply(b)
		again := h.Apply(b)
		if len(again.Points) != len(h.Points) {
			t.Fatalf("twice the same: %d and %d points", len(h.Points), len(again.Points))
		}
		slotsSeen := map[int64]bool{}
		for i, p := range h.Points {
			slot := Daily.Snap(p.Stamp)
			if slotsSeen[slot] {
				t.Fatalf("two points for one day after a refetch: %+v", h.Points)
			}
			slotsSeen[slot] = true
			if i > 0 && h.Points[i-1].Stamp >= p.Stamp {
				t.Fatal("not ascending")
			}
			if a.Covers.Contains(slot) && a.FetchedAt.After(b.FetchedAt) && !p.FetchedAt.Equal(a.FetchedAt) {
				t.Fatalf("an older observation won at %d", slot)
			}
		}
	})
}
