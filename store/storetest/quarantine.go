package storetest

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/coingraph/coingraph/market"
)

var quarantineTests = []test{
	{"held back and released", quarantineRelease},
	{"held back again", quarantineAgain},
	{"a stored point", quarantineStored},
	{"what was there before stays", quarantineKeeps},
	{"released after a newer point came", quarantineNewer},
	{"metrics", quarantineMetric},
	{"pages", quarantinePages},
	{"with its answer or not at all", quarantineAtomic},
	{"released by many at once", quarantineConcurrent},
}

func held(p market.Point, found time.Time) market.Quarantined {
	return market.Quarantined{Point: p, At: found, Reason: "far out"}
}

func quarantine(t tb, s Store, below int64, limit int) []market.QuarantineEntry {
	t.Helper()
	entries, err := s.Quarantine(context.Background(), below, limit)
	must(t, err)
	return entries
}

func release(t tb, s Store, id int64, by string, when time.Time) *market.QuarantineEntry {
	t.Helper()
	e, err := s.Release(context.Background(), id, by, when)
	must(t, err)
	return e
}

func quarantineRelease(t *testing.T, connect func() Store) {
	s := connect()
	check(t, "an empty quarantine", quarantine(t, s, 0, 10), nil)
	spike := point(1, 7, 5000, at(0))
	spike.Volume, spike.Missing = 3, market.MissingMarketCap
	w := write(key, hours(0, 3), at(0), point(0, 0, 1, at(0)), point(2, 0, 1, at(0)))
	w.Quarantined = []market.Quarantined{held(spike, at(1))}
	w.Known = []market.Known{{Range: hours(0, 3), Provider: "coingecko", FetchedAt: at(0)}}
	must(t, s.SaveSeries(t.Context(), w))
	must(t, s.SaveSeries(t.Context(), w)) // the same again changes nothing
	check(t, "what is served", history(t, s, key, ever).Points, w.Points)
	check(t, "what is known", history(t, s, key, ever).Known, w.Known)

	entries := quarantine(t, s, 0, 10)
	want := market.QuarantineEntry{SeriesKey: key, Quarantined: w.Quarantined[0]}
	if len(entries) == 1 {
		want.ID = entries[0].ID
	}
	check(t, "quarantine", entries, []market.QuarantineEntry{want})

	when := at(60)
	want.ReleasedAt, want.ReleasedBy = &when, "ops"
	check(t, "released", release(t, s, want.ID, "ops", when), &want)
	check(t, "released again, by another one", release(t, s, want.ID, "other", at(90)), &want)
	check(t, "quarantine", quarantine(t, s, 0, 10), []market.QuarantineEntry{want})
	check(t, "what is served", history(t, s, key, ever), market.History{Points: []market.Point{w.Points[0], spike, w.Points[1]}, Known: w.Known})
	check(t, "one that there is not", release(t, s, want.ID+1, "ops", when), nil)
}

// quarantineAgain: a point that is held back is one entry however often it is fetched; after its release there may be another.
func quarantineAgain(t *testing.T, connect func() Store) {
	s := connect()
	save := func(price float64, fetched time.Time) {
		t.Helper()
		w := write(key, hours(0, 1), fetched)
		w.Quarantined = []market.Quarantined{held(point(0, 0, price, fetched), fetched)}
		must(t, s.SaveSeries(t.Context(), w))
	}
	save(5000, at(10))
	save(6000, at(20))
	save(7000, at(15)) // fetched earlier
	entries := quarantine(t, s, 0, 10)
	if len(entries) != 1 || entries[0].Price != 6000 || !entries[0].FetchedAt.Equal(at(20)) || !entries[0].At.Equal(at(10)) {
		t.Fatalf("held back three times: %+v", entries)
	}
	release(t, s, entries[0].ID, "ops", at(30))
	save(8000, at(40))
	entries = quarantine(t, s, 0, 10)
	if len(entries) != 2 || entries[0].Price != 8000 || entries[0].ReleasedAt != nil || entries[1].ReleasedAt == nil {
		t.Fatalf("after a release: %+v", entries)
	}
}

// quarantineStored: a stored point that turns out to be a spike goes, whatever its stamp within the instant.
func quarantineStored(t *testing.T, connect func() Store) {
	s := connect()
	must(t, s.SaveSeries(t.Context(), write(key, hours(0, 2), at(0), point(0, 0, 1, at(0)), point(1, 9, 5000, at(0)))))
	w := write(key, hours(2, 3), at(1), point(2, 0, 1, at(1)))
	w.Quarantined = []market.Quarantined{held(point(1, 9, 5000, at(0)), at(1))}
	must(t, s.SaveSeries(t.Context(), w))
	check(t, "what is served", history(t, s, key, ever).Points, []market.Point{point(0, 0, 1, at(0)), w.Points[0]})

	must(t, s.SaveSeries(t.Context(), write(key, hours(1, 2), at(2), point(1, 9, 5000, at(2)))))
	old := write(key, hours(2, 3), at(1))
	old.Quarantined = w.Quarantined
	must(t, s.SaveSeries(t.Context(), old))
	check(t, "one that was fetched later stays", history(t, s, key, hours(1, 2)).Points, []market.Point{point(1, 9, 5000, at(2))})
}

// quarantineKeeps: a spike does not take the place of a good point.
func quarantineKeeps(t *testing.T, connect func() Store) {
	s := connect()
	first := write(key, hours(0, 3), at(0), point(0, 0, 1, at(0)), point(1, 0, 1.1, at(0)), point(2, 0, 1, at(0)))
	must(t, s.SaveSeries(t.Context(), first))
	w := write(key, hours(0, 3), at(1), point(0, 0, 1, at(1)), point(2, 0, 1, at(1)))
	w.Quarantined = []market.Quarantined{held(point(1, 5, 5000, at(1)), at(1))}
	must(t, s.SaveSeries(t.Context(), w))
	check(t, "what is served", history(t, s, key, ever).Points, []market.Point{w.Points[0], first.Points[1], w.Points[1]})
	check(t, "like the specification", history(t, s, key, ever).Points, market.History{Points: first.Points}.Apply(w).Points)

	release(t, s, quarantine(t, s, 0, 1)[0].ID, "ops", at(2))
	check(t, "released in its place", history(t, s, key, ever).Points, []market.Point{w.Points[0], point(1, 5, 5000, at(1)), w.Points[1]})
}

func quarantineNewer(t *testing.T, connect func() Store) {
	s := connect()
	w := write(key, hours(0, 1), at(0))
	w.Quarantined = []market.Quarantined{held(point(0, 0, 5000, at(0)), at(0))}
	must(t, s.SaveSeries(t.Context(), w))
	corrected := write(key, hours(0, 1), at(1), point(0, 3, 1, at(1)))
	must(t, s.SaveSeries(t.Context(), corrected))
	if e := release(t, s, quarantine(t, s, 0, 1)[0].ID, "ops", at(2)); e == nil || e.ReleasedAt == nil {
		t.Fatalf("released: %+v", e)
	}
	check(t, "what is served", history(t, s, key, ever).Points, corrected.Points)
}

func quarantineMetric(t *testing.T, connect func() Store) {
	s, reserve := connect(), market.SeriesKey{Asset: "bitcoin", Metric: market.ExchangeReserve, Interval: market.Daily}
	spike := point(0, 0, 5000, at(0))
	w := write(reserve, hours(0, 24), at(0))
	w.Quarantined = []market.Quarantined{held(spike, at(0))}
	must(t, s.SaveSeries(t.Context(), w))
	e := release(t, s, quarantine(t, s, 0, 1)[0].ID, "ops", at(1))
	if e == nil || e.SeriesKey != reserve {
		t.Fatalf("released: %+v", e)
	}
	check(t, "what is served", history(t, s, reserve, ever).Points, []market.Point{spike})
	check(t, "not a chart's", history(t, s, key, ever), market.History{})
}

func quarantinePages(t *testing.T, connect func() Store) {
	s := connect()
	w := write(key, hours(0, 9), at(0))
	for h := range int64(9) {
		w.Quarantined = append(w.Quarantined, held(point(h, 0, float64(h), at(0)), at(0)))
	}
	must(t, s.SaveSeries(t.Context(), w))
	check(t, "no rows", quarantine(t, s, 0, 0), nil)
	var got []market.QuarantineEntry
	for below := int64(0); ; {
		page := quarantine(t, s, below, 4)
		got = append(got, page...)
		if len(page) < 4 {
			break
		}
		below = page[3].ID
	}
	check(t, "page by page", got, quarantine(t, s, 0, 100))
	if len(got) != 9 || got[0].ID <= got[8].ID {
		t.Fatalf("not the latest first: %+v", got)
	}
}

func quarantineAtomic(t *testing.T, connect func() Store) {
	s := connect()
	w := write(key, hours(0, 2), at(0), point(0, 0, 1, at(0)))
	w.Quarantined = []market.Quarantined{held(point(1, 0, 5000, at(0)), at(0))}
	w.Quarantined[0].Reason = "no text\x00"
	if err := s.SaveSeries(t.Context(), w); err == nil {
		t.Fatal("a text with NUL was stored")
	}
	check(t, "points", history(t, s, key, ever), market.History{})
	check(t, "quarantine", quarantine(t, s, 0, 1), nil)
}

// quarantineConcurrent: of many who release a point while it is fetched again, one does, and nobody waits for ever.
func quarantineConcurrent(t *testing.T, connect func() Store) {
	a, b := connect(), connect()
	w := write(key, hours(0, 1), at(0))
	w.Quarantined = []market.Quarantined{held(point(0, 0, 5000, at(0)), at(0))}
	must(t, a.SaveSeries(t.Context(), w))
	id := quarantine(t, a, 0, 1)[0].ID
	var group errgroup.Group
	for i := range 8 {
		s := []Store{a, b}[i%2]
		group.Go(func() error { return s.SaveSeries(t.Context(), w) })
		group.Go(func() error {
			_, err := s.Release(t.Context(), id, string(rune('a'+i)), at(i))
			return err
		})
	}
	must(t, group.Wait())
	first := release(t, a, id, "late", at(99))
	if first.ReleasedBy == "" || first.ReleasedBy == "late" || first.ReleasedAt.Equal(at(99)) {
		t.Fatalf("released: %+v", first)
	}
}
