package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

var seriesTests = []test{
	{"none", seriesNone},
	{"window", seriesWindow},
	{"many windows", seriesManyWindows},
	{"null, missing and zero", seriesNulls},
	{"numbers", seriesNumbers},
	{"within and outside of what is covered", seriesCovers},
	{"jitter leaves no near-duplicates", seriesJitter},
	{"older never wins", seriesOlder},
	{"the tail", seriesTail},
	{"like the specification", seriesModel},
	{"knowledge", seriesKnown},
	{"knowledge like market.MergeKnown", seriesKnownModel},
	{"all or nothing", seriesAtomic},
	{"concurrent writers of one series", seriesConcurrent},
	{"concurrent writers of many series", seriesConcurrentMany},
	{"a reader sees whole writes", seriesSnapshot},
	{"context", seriesContext},
}

var (
	hour = time.Hour.Milliseconds()
	day  = 24 * hour
	ever = market.Range{From: 0, To: 1 << 45}
	key  = market.SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: market.Hourly}
)

// hours is a range of hours after the epoch.
func hours(from, to int64) market.Range {
	return market.Range{From: ms(epoch) + from*hour, To: ms(epoch) + to*hour}
}

// point is a sample at so many milliseconds past an hour after the epoch.
func point(h, jitter int64, price float64, fetched time.Time) market.Point {
	return market.Point{Stamp: ms(epoch) + h*hour + jitter, Price: price, MarketCap: null, Volume: null, Source: "coingecko", FetchedAt: fetched}
}

func write(key market.SeriesKey, covers market.Range, fetched time.Time, points ...market.Point) market.SeriesWrite {
	return market.SeriesWrite{SeriesKey: key, Fetched: market.Fetched{Points: points, Covers: covers, Source: "coingecko", FetchedAt: fetched}}
}

func seriesNone(t *testing.T, connect func() Store) {
	s := connect()
	check(t, "a series that is not stored", history(t, s, key, ever), market.History{})
	histories, err := s.Histories(t.Context(), nil)
	must(t, err)
	check(t, "no windows", histories, nil)
	must(t, s.SaveSeries(t.Context(), write(key, market.Range{}, at(0))))
	check(t, "a series without points", history(t, s, key, ever), market.History{})
	if err := s.SaveSeries(t.Context(), market.SeriesWrite{}); err == nil || fault.Is(err, fault.StoreUnavailable) {
		t.Errorf("saving a series without an interval: %v", err)
	}
	if _, err := s.Histories(t.Context(), make([]market.Window, 1)); err == nil || fault.Is(err, fault.StoreUnavailable) {
		t.Errorf("reading a series without an interval: %v", err)
	}
}

// seriesWindow: a window has the points whose grid instant lies in it, on each interval and at both edges.
func seriesWindow(t *testing.T, connect func() Store) {
	s := connect()
	for _, interval := range []market.Interval{market.Daily, market.Hourly, market.FiveMinutely} {
		key := market.SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: interval}
		step := interval.Step()
		var points []market.Point
		for slot := range int64(4) {
			for _, jitter := range []int64{-step / 2, -1, 0, 1, step/2 - 1} {
				points = append(points, market.Point{Stamp: ms(epoch) + slot*step + jitter, Price: float64(slot), Source: "x", FetchedAt: at(0)})
			}
		}
		must(t, s.SaveSeries(t.Context(), write(key, market.Range{From: ms(epoch), To: ms(epoch) + 4*step}, at(0), points...)))
		for _, r := range [][2]int64{{1, 3}, {0, 1}, {3, 4}, {0, 4}, {2, 2}, {3, 1}, {-5, 0}, {4, 9}} {
			window := market.Range{From: ms(epoch) + r[0]*step, To: ms(epoch) + r[1]*step}
			var want []market.Point
			for _, p := range points {
				if window.Contains(interval.Snap(p.Stamp)) {
					want = append(want, p)
				}
			}
			check(t, fmt.Sprint(interval, r), history(t, s, key, window).Points, want)
		}
	}
}

func seriesManyWindows(t *testing.T, connect func() Store) {
	s := connect()
	const assets = 125
	var windows []market.Window
	var want []market.History
	for a := range assets {
		key := market.SeriesKey{Asset: fmt.Sprintf("asset-%03d", a), Currency: "eur", Interval: market.Daily}
		daily := func(n int64) market.Range {
			return market.Range{From: ms(epoch), To: ms(epoch) + n*day}
		}
		w := write(key, daily(30), at(a))
		for d := range int64(30) {
			w.Points = append(w.Points, market.Point{Stamp: ms(epoch) + d*day + 17, Price: float64(a) + float64(d)/100, Source: fmt.Sprint("source ", a%7), FetchedAt: at(a)})
		}
		w.Known = []market.Known{{Range: w.Covers, Provider: "coingecko", FetchedAt: at(a), DueAt: int64(a)}}
		must(t, s.SaveSeries(t.Context(), w))
		n := int64(1 + a%30)
		windows = append(windows, market.Window{SeriesKey: key, Range: daily(n)}, market.Window{SeriesKey: key, Range: daily(30)})
		want = append(want, market.History{Points: w.Points[:n], Known: w.Known}, market.History{Points: w.Points, Known: w.Known})
	}
	windows[7].Asset, want[7] = "not stored", market.History{}
	got, err := s.Histories(t.Context(), windows)
	must(t, err)
	check(t, "histories", got, want)
}

func seriesNulls(t *testing.T, connect func() Store) {
	s := connect()
	points := []market.Point{
		{Price: null, MarketCap: null, Volume: null},
		{Price: null, MarketCap: null, Volume: null, Missing: market.MissingPrice | market.MissingMarketCap | market.MissingVolume},
		{Price: 0, MarketCap: null, Volume: null, Missing: market.MissingVolume},
		{Price: 0, MarketCap: 0, Volume: 0},
		{Price: 1, MarketCap: null, Volume: 0, Missing: market.MissingMarketCap},
	}
	for i := range points {
		points[i].Stamp, points[i].FetchedAt, points[i].Source = ms(epoch)+int64(i)*hour, at(i), fmt.Sprint("source ", i)
	}
	must(t, s.SaveSeries(t.Context(), write(key, hours(0, 5), at(0), points...)))
	check(t, "points", history(t, s, key, hours(0, 5)).Points, points)
}

func seriesNumbers(t *testing.T, connect func() Store) {
	s, run := connect(), 0
	var points []market.Point
	for i, n := range numbers {
		points = append(points, market.Point{Stamp: ms(epoch) + int64(i)*hour, Price: n, MarketCap: -n, Volume: n, Source: "x", FetchedAt: at(0)})
	}
	must(t, s.SaveSeries(t.Context(), write(key, hours(0, 99), at(0), points...)))
	check(t, "points", history(t, s, key, ever).Points, points)

	rapid.Check(t, func(t *rapid.T) {
		run++
		key := market.SeriesKey{Asset: fmt.Sprint("asset ", run), Currency: "usd", Interval: market.FiveMinutely}
		var want []market.Point
		bits := rapid.Map(rapid.Uint64(), math.Float64frombits)
		for i := range rapid.IntRange(1, 20).Draw(t, "points") {
			want = append(want, market.Point{
				Stamp: ms(epoch) + int64(i)*market.FiveMinutely.Step(), Source: "x", FetchedAt: at(0),
				Price: bits.Draw(t, "price"), MarketCap: bits.Draw(t, "cap"), Volume: bits.Draw(t, "volume"),
			})
		}
		must(t, s.SaveSeries(context.Background(), write(key, ever, at(0), want...)))
		check(t, "points", history(t, s, key, ever).Points, want)
	})
}

func seriesCovers(t *testing.T, connect func() Store) {
	s := connect()
	save := func(w market.SeriesWrite) {
		t.Helper()
		must(t, s.SaveSeries(t.Context(), w))
		must(t, s.SaveSeries(t.Context(), w)) // the same again changes nothing
	}
	first := write(key, hours(0, 5), at(0), point(0, 0, 1, at(0)), point(1, 0, 1, at(0)), point(2, 0, 1, at(0)), point(3, 0, 1, at(0)), point(4, 0, 1, at(0)))
	save(first)
	check(t, "saved", history(t, s, key, ever).Points, first.Points)

	// Covers 1 to 3, in which only 2 exists now; 4 comes along from outside and 0 stays.
	save(write(key, hours(1, 4), at(1), point(2, 0, 2, at(1)), point(4, 0, 2, at(1)), point(9, 0, 2, at(1))))
	check(t, "replaced", history(t, s, key, ever).Points,
		[]market.Point{point(0, 0, 1, at(0)), point(2, 0, 2, at(1)), point(4, 0, 2, at(1)), point(9, 0, 2, at(1))})

	save(write(key, hours(0, 10), at(1)))
	check(t, "an answer of the same time without points", history(t, s, key, ever).Points, nil)
	other := key
	other.Currency = "eur"
	check(t, "another series", history(t, s, other, ever), market.History{})
}

func seriesJitter(t *testing.T, connect func() Store) {
	s := connect()
	var want []market.Point
	for round := range int64(5) {
		want = nil
		for h := range int64(48) {
			want = append(want, point(h, (h*7919+round*104729)%hour-hour/2, float64(round), at(int(round))))
		}
		must(t, s.SaveSeries(t.Context(), write(key, hours(0, 48), at(int(round)), want...)))
	}
	check(t, "points", history(t, s, key, ever).Points, want)
}

func seriesOlder(t *testing.T, connect func() Store) {
	s := connect()
	newer := write(key, hours(1, 3), at(10), point(1, 0, 10, at(10)), point(2, 5000, 10, at(10)))
	older := write(key, hours(0, 4), at(5), point(0, 0, 5, at(5)), point(1, 0, 5, at(5)), point(2, -7000, 5, at(5)), point(3, 0, 5, at(5)))
	want := []market.Point{older.Points[0], newer.Points[0], newer.Points[1], older.Points[3]}
	must(t, s.SaveSeries(t.Context(), newer))
	must(t, s.SaveSeries(t.Context(), older))
	check(t, "an older answer after a newer one", history(t, s, key, ever).Points, want)

	outside := write(key, market.Range{}, at(6), point(2, -9000, 6, at(6)), point(3, 0, 6, at(6)))
	must(t, s.SaveSeries(t.Context(), outside))
	want[3] = outside.Points[1]
	check(t, "older points outside of what is covered", history(t, s, key, ever).Points, want)

	must(t, s.SaveSeries(t.Context(), write(key, hours(0, 4), at(9))))
	check(t, "an older answer without points", history(t, s, key, ever).Points, newer.Points)

	untimed := write(market.SeriesKey{Asset: "untimed", Currency: "usd", Interval: market.Hourly}, hours(0, 4), time.Time{}, point(0, 0, 1, time.Time{}))
	for price := range 2 {
		untimed.Points[0].Price = float64(price)
		must(t, s.SaveSeries(t.Context(), untimed))
	}
	check(t, "answers without a time", history(t, s, untimed.SeriesKey, ever).Points, untimed.Points)
}

// seriesModel compares any sequence of writes with the sentences of the interface, taken one by one.
func seriesModel(t *testing.T, connect func() Store) {
	s, run := connect(), 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		key := market.SeriesKey{Asset: fmt.Sprint("asset ", run), Currency: "usd", Interval: market.Hourly}
		model := map[int64]market.Point{} // by stamp
		for range rapid.IntRange(1, 5).Draw(t, "writes") {
			from := rapid.Int64Range(0, 6).Draw(t, "from")
			fetched := at(rapid.IntRange(0, 4).Draw(t, "fetched"))
			w := write(key, hours(from, from+rapid.Int64Range(0, 4).Draw(t, "length")), fetched)
			w.Source = rapid.SampledFrom([]string{"coingecko", "other"}).Draw(t, "source")
			stamps := rapid.SliceOfNDistinct(rapid.Int64Range(0, 31), 0, 10, rapid.ID[int64]).Draw(t, "quarters of hours")
			slices.Sort(stamps)
			for _, quarter := range stamps {
				p := point(0, quarter*hour/4, float64(rapid.IntRange(0, 9).Draw(t, "price")), fetched)
				p.Source = w.Source
				w.Points = append(w.Points, p)
			}
			must(t, s.SaveSeries(context.Background(), w))

			before := make([]market.Point, 0, len(model))
			for stamp, p := range model {
				before = append(before, p)
				slot := key.Interval.Snap(stamp)
				answered := slices.ContainsFunc(w.Points, func(a market.Point) bool { return key.Interval.Snap(a.Stamp) == slot })
				if w.Covers.Contains(slot) && !p.FetchedAt.After(fetched) && (p.Source == w.Source || answered) {
					delete(model, stamp)
				}
			}
			for _, p := range w.Points {
				if !slices.ContainsFunc(before, func(b market.Point) bool {
					return key.Interval.Snap(b.Stamp) == key.Interval.Snap(p.Stamp) && b.FetchedAt.After(p.FetchedAt)
				}) {
					model[p.Stamp] = p
				}
			}
			var want []market.Point
			for _, p := range model {
				want = append(want, p)
			}
			slices.SortFunc(want, func(a, b market.Point) int { return int(a.Stamp - b.Stamp) })
			check(t, "points", history(t, s, key, ever).Points, want)
		}
	})
}

func seriesKnown(t *testing.T, connect func() Store) {
	s := connect()
	hole := market.Known{Range: hours(-5, 0), Provider: "coingecko", FetchedAt: at(1), DueAt: 77, Tries: 3, Hole: market.NotListed}
	points := market.Known{Range: hours(0, 5), Provider: "coingecko", FetchedAt: at(1), DueAt: 0}
	w := write(key, hours(0, 5), at(1), point(0, 0, 1, at(1)))
	w.Known = []market.Known{hole, points}
	for range 2 {
		must(t, s.SaveSeries(t.Context(), w))
		check(t, "known", history(t, s, key, ever).Known, w.Known)
	}
	check(t, "known of the series outside of the window", history(t, s, key, hours(90, 99)).Known, w.Known)

	w = write(key, hours(3, 8), at(2))
	w.Known = []market.Known{{Range: hours(3, 8), Provider: "other", FetchedAt: at(2), Hole: market.UpstreamHole}}
	must(t, s.SaveSeries(t.Context(), w))
	check(t, "known of two providers", history(t, s, key, ever).Known, []market.Known{hole, points, w.Known[0]})

	w.Known = nil
	must(t, s.SaveSeries(t.Context(), w))
	check(t, "known after an answer that says nothing new", len(history(t, s, key, ever).Known), 3)
}

func seriesKnownModel(t *testing.T, connect func() Store) {
	s, run := connect(), 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		key := market.SeriesKey{Asset: fmt.Sprint("asset ", run), Currency: "usd", Interval: market.Hourly}
		var model []market.Known
		for range rapid.IntRange(1, 5).Draw(t, "writes") {
			w := write(key, market.Range{}, at(0))
			next := int64(0)
			for range rapid.IntRange(0, 4).Draw(t, "known") {
				from := next + rapid.Int64Range(0, 3).Draw(t, "gap")
				next = from + rapid.Int64Range(1, 4).Draw(t, "length")
				w.Known = append(w.Known, market.Known{
					Range: hours(from, next), Provider: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "provider"),
					FetchedAt: at(rapid.IntRange(0, 3).Draw(t, "fetched")), DueAt: rapid.Int64Range(0, 1).Draw(t, "due"),
					Hole: rapid.SampledFrom([]market.HoleReason{"", market.NotListed}).Draw(t, "hole"),
				})
			}
			must(t, s.SaveSeries(context.Background(), w))
			model = market.MergeKnown(model, w.Known)
			check(t, "known", history(t, s, key, ever).Known, model)
		}
	})
}

// seriesTail: the point of now is that of the latest fetch, whatever the window, and no point of the series.
func seriesTail(t *testing.T, connect func() Store) {
	s := connect()
	for i, c := range []struct {
		fetched int
		want    float64
	}{{5, 0}, {4, 0}, {5, 0}, {6, 3}} {
		tail := market.Point{Stamp: ms(epoch) + 1, Price: float64(i), MarketCap: null, Volume: null, Missing: market.MissingVolume, Source: "coingecko", FetchedAt: at(c.fetched)}
		w := write(key, market.Range{}, tail.FetchedAt)
		w.Tail = &tail
		must(t, s.SaveSeries(t.Context(), w))
		want := tail
		want.Price, want.FetchedAt = c.want, at(max(c.fetched, 5))
		for _, window := range []market.Range{ever, hours(7, 9)} {
			check(t, fmt.Sprint("write ", i), history(t, s, key, window), market.History{Tail: &want})
		}
	}
	must(t, s.SaveSeries(t.Context(), write(key, hours(0, 1), at(9))))
	if h := history(t, s, key, ever); h.Tail == nil || h.Tail.Price != 3 {
		t.Errorf("an answer without a tail took the stored one away: %v", h.Tail)
	}
}

// seriesAtomic: a write that fails in its last part leaves nothing of its first.
func seriesAtomic(t *testing.T, connect func() Store) {
	s := connect()
	good := write(key, hours(0, 3), at(0), point(0, 0, 1, at(0)), point(1, 0, 1, at(0)))
	good.Known = []market.Known{{Range: hours(0, 3), Provider: "coingecko", FetchedAt: at(0)}}
	must(t, s.SaveSeries(t.Context(), good))
	bad := write(key, hours(0, 3), at(1), point(2, 0, 2, at(1)))
	bad.Tail = &bad.Points[0]
	bad.Known = []market.Known{{Range: hours(0, 3), Provider: "a\x00b", FetchedAt: at(1)}}
	if err := s.SaveSeries(t.Context(), bad); err == nil || fault.Is(err, fault.StoreUnavailable) {
		t.Fatalf("saving a NUL byte: %v", err)
	}
	check(t, "history", history(t, s, key, ever), market.History{Points: good.Points, Known: good.Known})
}

// seriesConcurrent has replicas write parts of one series, new to all of them, each part twice.
func seriesConcurrent(t *testing.T, connect func() Store) {
	stores := []Store{connect(), connect()}
	const writers, perWriter = 16, 10
	g, ctx := errgroup.WithContext(t.Context())
	var want []market.Point
	for n := range int64(writers) {
		w := write(key, hours(n*perWriter, (n+1)*perWriter), at(int(n)))
		w.Known = []market.Known{{Range: w.Covers, Provider: "coingecko", FetchedAt: at(int(n))}}
		for h := range int64(perWriter) {
			w.Points = append(w.Points, point(n*perWriter+h, 0, float64(n), at(int(n))))
			w.Points[h].Source = fmt.Sprint("source ", n%5)
		}
		w.Tail = &w.Points[0]
		want = append(want, w.Points...)
		for i := range 2 {
			g.Go(func() error { return stores[(int(n)+i)%2].SaveSeries(ctx, w) })
		}
	}
	must(t, g.Wait())
	h := history(t, stores[0], key, ever)
	if h.Tail != nil { // of a chart: a metric has none
		check(t, "tail", *h.Tail, want[(writers-1)*perWriter])
		h.Tail = nil
	}
	check(t, "history", h, market.History{
		Points: want,
		Known:  []market.Known{{Range: hours(0, writers*perWriter), Provider: "coingecko", FetchedAt: at(writers - 1)}},
	})
}

// seriesConcurrentMany has replicas write the same series at the same time with different fetch times: the newest stays.
func seriesConcurrentMany(t *testing.T, connect func() Store) {
	stores := []Store{connect(), connect()}
	const series, writers = 5, 8
	keyOf := func(n int) market.SeriesKey {
		return market.SeriesKey{Asset: fmt.Sprint("asset ", n), Currency: "usd", Interval: market.Hourly}
	}
	g, ctx := errgroup.WithContext(t.Context())
	for fetched := range writers {
		for n := range series {
			g.Go(func() error {
				w := write(keyOf(n), hours(0, 20), at(fetched))
				for h := range int64(20) {
					w.Points = append(w.Points, point(h, int64(fetched), float64(fetched), at(fetched)))
				}
				return stores[(fetched+n)%2].SaveSeries(ctx, w)
			})
		}
	}
	must(t, g.Wait())
	for n := range series {
		points := history(t, stores[0], keyOf(n), ever).Points
		if len(points) != 20 {
			t.Errorf("%d points for 20 hours", len(points))
		}
		for _, p := range points {
			check(t, "fetch time", p.FetchedAt, at(writers-1))
		}
	}
}

// seriesSnapshot reads while a writer replaces points and knowledge: a history is of one write, never of two.
func seriesSnapshot(t *testing.T, connect func() Store) {
	reader, writer := connect(), connect()
	save := func(round int) error {
		w := write(key, hours(0, 200), at(round))
		for h := range int64(200) {
			w.Points = append(w.Points, point(h, int64(round), float64(round), at(round)))
		}
		w.Known = []market.Known{{Range: w.Covers, Provider: "coingecko", FetchedAt: at(round), Tries: round}}
		return writer.SaveSeries(context.Background(), w)
	}
	must(t, save(0))
	var done atomic.Bool
	var g errgroup.Group
	g.Go(func() error {
		defer done.Store(true)
		for round := 1; round <= 30; round++ {
			if err := save(round); err != nil {
				return err
			}
		}
		return nil
	})
	reads := 0
	for !done.Load() || reads == 0 {
		h := history(t, reader, key, ever)
		if len(h.Points) != 200 || len(h.Known) != 1 {
			t.Fatalf("%d points, %d known", len(h.Points), len(h.Known))
		}
		for _, p := range h.Points {
			if p.Price != float64(h.Known[0].Tries) {
				t.Fatalf("a point of write %v beside knowledge of write %d", p.Price, h.Known[0].Tries)
			}
		}
		reads++
	}
	must(t, g.Wait())
}

func seriesContext(t *testing.T, connect func() Store) {
	s := connect()
	_, err := s.Histories(canceled(), []market.Window{{SeriesKey: key, Range: ever}})
	for what, err := range map[string]error{"read": err, "save": s.SaveSeries(canceled(), write(key, hours(0, 1), at(0), point(0, 0, 1, at(0))))} {
		if !errors.Is(err, context.Canceled) || fault.Is(err, fault.StoreUnavailable) {
			t.Errorf("%s with an ended context: %v", what, err)
		}
	}
	check(t, "history", history(t, s, key, ever), market.History{})
}
