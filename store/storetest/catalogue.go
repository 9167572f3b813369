package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

var catalogueTests = []test{
	{"replace", catalogueReplace},
	{"18000 assets", catalogueMany},
	{"concurrent writers", catalogueConcurrent},
	{"renamed ids", catalogueAliases},
	{"context", catalogueContext},
}

func catalogue(t *testing.T, s Store, since time.Time) ([]market.Asset, time.Time) {
	t.Helper()
	assets, fetchedAt, err := s.Catalogue(context.Background(), since)
	must(t, err)
	return assets, fetchedAt
}

func catalogueReplace(t *testing.T, connect func() Store) {
	s := connect()
	save := func(fetchedAt time.Time, assets ...market.Asset) {
		t.Helper()
		must(t, s.SaveCatalogue(t.Context(), assets, fetchedAt))
	}
	expect := func(fetchedAt time.Time, want ...market.Asset) {
		t.Helper()
		got, at := catalogue(t, s, time.Time{})
		check(t, "assets", got, want)
		check(t, "fetch time", at, fetchedAt)
	}
	expect(time.Time{})

	// Ascending means by byte, as Go sorts, whatever the database's locale says.
	a := []market.Asset{
		{ID: "0x", Symbol: "zrx", Name: "0x"},
		{ID: "[old]-b", Name: "ä"},
		{ID: "_", Symbol: "_"},
		{ID: "a-b"},
		{ID: "a_b"},
		{ID: "aa"},
		{ID: "ab", Symbol: "'\\", Name: `it's "x" ? $1 🚀`},
	}
	shuffled := slices.Clone(a)
	slices.Reverse(shuffled)
	save(at(5), shuffled...)
	expect(at(5), a...)
	save(at(5), shuffled...)
	expect(at(5), a...)
	save(at(4), market.Asset{ID: "old"})
	expect(at(5), a...)

	for _, since := range []time.Time{at(5), at(6)} {
		got, fetchedAt := catalogue(t, s, since)
		if got != nil || !fetchedAt.Equal(at(5)) {
			t.Errorf("since %v: %v, %v", since, got, fetchedAt)
		}
	}
	if got, _ := catalogue(t, s, at(4)); len(got) != len(a) {
		t.Errorf("since an older fetch: %v", got)
	}

	save(at(6), market.Asset{ID: "new", Name: "first"}, market.Asset{ID: "ab"}, market.Asset{ID: "new", Name: "second"})
	expect(at(6), market.Asset{ID: "ab"}, market.Asset{ID: "new", Name: "first"})
	err := s.SaveCatalogue(t.Context(), []market.Asset{{ID: "fine"}, {ID: "nul", Name: "a\x00b"}}, at(7))
	if err == nil || fault.Is(err, fault.StoreUnavailable) {
		t.Errorf("saving a NUL byte: %v", err)
	}
	expect(at(6), market.Asset{ID: "ab"}, market.Asset{ID: "new", Name: "first"})
	save(at(8))
	expect(at(8))
}

func catalogueMany(t *testing.T, connect func() Store) {
	s := connect()
	list := func(from int) []market.Asset {
		assets := make([]market.Asset, 18_000)
		for i := range assets {
			assets[i] = market.Asset{ID: fmt.Sprintf("asset-%05d", from+i), Symbol: fmt.Sprint(i), Name: fmt.Sprint("Asset ", from)}
		}
		return assets
	}
	for round := range 2 {
		want := list(round * 9000)
		must(t, s.SaveCatalogue(t.Context(), want, at(round)))
		got, _ := catalogue(t, s, time.Time{})
		check(t, "assets", got, want)
	}
}

func catalogueConcurrent(t *testing.T, connect func() Store) {
	stores := []Store{connect(), connect()}
	g, ctx := errgroup.WithContext(t.Context())
	const writers = 10
	for n := range writers {
		g.Go(func() error {
			assets := []market.Asset{{ID: "both", Name: fmt.Sprint(n)}, {ID: fmt.Sprintf("only-%02d", n)}}
			return stores[n%2].SaveCatalogue(ctx, assets, at(n))
		})
		g.Go(func() error {
			// What is read is one list with its time.
			got, fetchedAt, err := stores[n%2].Catalogue(ctx, time.Time{})
			if err != nil || fetchedAt.IsZero() {
				return err
			}
			of := int(fetchedAt.Sub(epoch).Seconds())
			if len(got) != 2 || got[0].Name != fmt.Sprint(of) || got[1].ID != fmt.Sprintf("only-%02d", of) {
				return fmt.Errorf("of %d: %v", of, got)
			}
			return nil
		})
	}
	must(t, g.Wait())
	got, fetchedAt := catalogue(t, stores[0], time.Time{})
	check(t, "assets", got, []market.Asset{{ID: "both", Name: fmt.Sprint(writers - 1)}, {ID: fmt.Sprintf("only-%02d", writers-1)}})
	check(t, "fetch time", fetchedAt, at(writers-1))
}

func catalogueContext(t *testing.T, connect func() Store) {
	s := connect()
	_, _, err := s.Catalogue(canceled(), time.Time{})
	for what, err := range map[string]error{"read": err, "save": s.SaveCatalogue(canceled(), []market.Asset{{ID: "a"}}, at(0))} {
		if !errors.Is(err, context.Canceled) || fault.Is(err, fault.StoreUnavailable) {
			t.Errorf("%s with an ended context: %v", what, err)
		}
	}
}

// catalogueAliases: an id that a contract proves renamed goes on as an alias, over several renamings, with its series; one
// that is back is none any more.
func catalogueAliases(t *testing.T, connect func() Store) {
	s := connect()
	save := func(n int, assets ...market.Asset) {
		t.Helper()
		must(t, s.SaveCatalogue(t.Context(), assets, at(n)))
	}
	aliases := func(want ...market.Alias) {
		t.Helper()
		got, err := s.Aliases(t.Context())
		must(t, err)
		check(t, "aliases", got, append([]market.Alias{}, want...))
	}
	asset := func(id, contracts string) market.Asset { return market.Asset{ID: id, Contracts: contracts} }
	aliases()
	save(0, asset("a", "eth:1"), asset("b", "eth:2"))
	list, _, err := s.Catalogue(t.Context(), time.Time{})
	must(t, err)
	check(t, "with contracts", list, []market.Asset{asset("a", "eth:1"), asset("b", "eth:2")})

	series := func(asset string) market.SeriesKey {
		return market.SeriesKey{Asset: asset, Currency: "usd", Interval: market.Hourly}
	}
	metric := func(asset string) market.SeriesKey {
		return market.SeriesKey{Asset: asset, Metric: market.MVRV, Interval: market.Hourly}
	}
	must(t, s.SaveSeries(t.Context(), write(series("a"), hours(0, 1), at(0), point(0, 0, 1, at(0)))))
	must(t, s.SaveSeries(t.Context(), write(metric("a"), hours(0, 1), at(0), point(0, 0, 2, at(0)))))
	must(t, s.SaveSeries(t.Context(), write(series("b"), hours(0, 1), at(0), point(0, 0, 3, at(0)))))
	must(t, s.SaveSeries(t.Context(), write(series("d"), hours(0, 1), at(0), point(0, 0, 4, at(0)))))

	save(1, asset("a2", "eth:1"), asset("d", "eth:2"))
	aliases(market.Alias{Old: "a", New: "a2"}, market.Alias{Old: "b", New: "d"})
	for key, want := range map[market.SeriesKey]float64{series("a2"): 1, metric("a2"): 2, series("b"): 3, series("d"): 4} {
		if points := history(t, s, key, ever).Points; len(points) != 1 || points[0].Price != want {
			t.Errorf("%v: %v, want %v", key, points, want)
		}
	}
	save(0, asset("b", "eth:2")) // older: nothing happens
	aliases(market.Alias{Old: "a", New: "a2"}, market.Alias{Old: "b", New: "d"})

	save(2, asset("a3", "eth:1"), asset("b", "eth:7"), asset("d", "eth:2"))
	aliases(market.Alias{Old: "a", New: "a3"}, market.Alias{Old: "a2", New: "a3"})
}
