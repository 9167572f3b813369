package market_test

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

// samples asks for the newest hours, days or 5 minutes up to now, and for the point of now.
func (h *house) samples(interval market.Interval, span time.Duration) (*market.Samples, error) {
	now := h.clock.Now()
	return h.Samples(h.t.Context(), market.SampleRequest{
		SeriesKey: market.SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: interval}, From: now.Add(-span), To: now, Now: true,
	})
}

// jittered has samples some seconds off the grid, a null, values that were not sent, a market cap of 0, two samples of one
// hour, one that is not due yet, and a point of now.
func (h *house) jittered(key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
	now := h.clock.Now()
	f := market.Fetched{Covers: market.Range{From: missing[0].From, To: missing[len(missing)-1].To}, Source: "test", FetchedAt: now}
	for at := f.Covers.From; at <= now.UnixMilli(); at += key.Interval.Step() {
		p := market.Point{Stamp: at + 12_345, Price: 7, MarketCap: 8, Volume: 9, Source: "test", FetchedAt: now}
		switch len(f.Points) {
		case 1:
			p.MarketCap, p.Volume = 0, math.NaN()
		case 2:
			p.MarketCap, p.Missing = math.NaN(), market.MissingMarketCap
		case 3:
			f.Points = append(f.Points, market.Point{Stamp: at, Price: 6, MarketCap: 8, Volume: 9, Source: "test", FetchedAt: now})
		}
		if p.Stamp <= now.UnixMilli() {
			f.Points = append(f.Points, p)
		}
	}
	f.Tail = &market.Point{Stamp: now.Add(-20 * time.Second).UnixMilli(), Price: 7.5, MarketCap: 0, Volume: 9, Source: "test", FetchedAt: now}
	return []market.Fetched{f}, nil
}

func TestSamplesWalk(t *testing.T) {
	h := newHouse(t)
	h.clock.Set(2026, 3, 10, 12, 2) // before the point of 12:00 belongs to charts
	h.source.chart = h.jittered
	first, err := h.samples(market.Hourly, 5*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	h.expect("cold", budget{cacheGets: 1, cacheSets: 1, selects: 1, saves: 1, calls: 1})

	at := func(hour int, ms int64) int64 {
		return time.Date(2026, 3, 10, hour, 0, 0, 0, time.UTC).UnixMilli() + ms
	}
	null := math.NaN()
	// From 7:02 on: the sample of 7:00:12 is before that.
	want := []market.Sample{
		{at(8, 12_345), 7, 0, null, 0},
		{at(9, 12_345), 7, null, 9, market.MissingMarketCap},
		{at(10, 0), 6, 8, 9, 0},
		{at(10, 12_345), 7, 8, 9, 0},
		{at(11, 12_345), 7, 8, 9, 0},
		{at(12, 12_345), 7, 8, 9, 0},
	}
	check := func(what string, got *market.Samples, now *market.Sample) {
		t.Helper()
		if diff := cmp.Diff(want, got.Points, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
		if diff := cmp.Diff(now, got.Now, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s, now: %s", what, diff)
		}
	}
	tail := &market.Sample{Stamp: h.clock.Now().Add(-20 * time.Second).UnixMilli(), Price: 7.5, MarketCap: 0, Volume: 9}
	check("cold", first, tail)
	if next := time.Date(2026, 3, 10, 12, 3, 0, 0, time.UTC); !first.FreshUntil.Equal(next) || !first.FetchedAt.Equal(h.clock.Now()) {
		t.Errorf("fresh until %v, fetched at %v", first.FreshUntil, first.FetchedAt) // as long as the point of now
	}

	h.clock.Advance(20 * time.Second)
	warm, err := h.samples(market.Hourly, 5*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	check("warm", warm, tail)
	h.expect("warm", budget{cacheGets: 1})

	h.restart()
	h.clock.Advance(ttl) // 12:03:20
	stored, err := h.samples(market.Hourly, 5*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	q := h.quote(market.Pair{Asset: "bitcoin", Currency: "usd"})
	check("stored, when the tail is old", stored, &market.Sample{Stamp: q.LastUpdatedAt.UnixMilli(), Price: q.Price, MarketCap: q.MarketCap, Volume: q.Volume24h})
	h.expect("stored, with a price for the point of now", budget{cacheGets: 2, cacheSets: 2, selects: 2, saves: 1, calls: 1})

	h.source.quotes = func([]market.Pair) ([]market.Quote, error) { return nil, fault.New(fault.UpstreamUnavailable, "") }
	h.clock.Advance(ttl) // 12:04:20
	without, err := h.samples(market.Hourly, 5*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	check("when there is no price to be had", without, nil)

	h.clock.Advance(ttl) // 12:05:20: the point of 12:00 is due
	if _, err := h.samples(market.Hourly, 5*time.Hour); err != nil {
		t.Fatal(err)
	}
	if n := h.source.nCharts.Load(); n != 1 {
		t.Errorf("%d calls for the newest point", n)
	}
}

// TestSamplesAndChartsShareRows: what one of them bought the other needs not buy.
func TestSamplesAndChartsShareRows(t *testing.T) {
	h := newHouse(t)
	if _, err := h.samples(market.Daily, 30*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	h.source.nCharts.Store(0)
	if a := h.Charts(t.Context(), []market.ChartRequest{chart("bitcoin", market.Daily, 30)}, fresh)[0]; a.Err != nil || a.Value.Prices.Len() != 30 {
		t.Fatal(a)
	}
	h.restart()
	if s, err := h.samples(market.Daily, 30*24*time.Hour); err != nil || len(s.Points) != 30 {
		t.Fatal(s, err)
	}
	if n := h.source.nCharts.Load(); n != 0 {
		t.Errorf("%d calls for what was there", n)
	}
}

func TestSamplesOfAPast(t *testing.T) {
	h := newHouse(t)
	day := func(d int) time.Time { return time.Date(2026, 2, d, 0, 0, 0, 0, time.UTC) }
	get := func(from, to time.Time) *market.Samples {
		s, err := h.Samples(t.Context(), market.SampleRequest{
			SeriesKey: market.SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: market.Daily}, From: from, To: to,
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, c := range []struct {
		from, to time.Time
		want     []time.Time
	}{
		{day(1), day(3), []time.Time{day(1), day(2), day(3)}},
		{day(1).Add(time.Millisecond), day(3).Add(-time.Millisecond), []time.Time{day(2)}},
		{day(4).Add(time.Hour), day(4).Add(2 * time.Hour), nil},
	} {
		s := get(c.from, c.to)
		var got []time.Time
		for _, p := range s.Points {
			got = append(got, time.UnixMilli(p.Stamp).UTC())
		}
		if !slices.Equal(got, c.want) || s.Now != nil {
			t.Errorf("%v to %v: %v, want %v", c.from, c.to, got, c.want)
		}
	}
	if n := h.source.nCharts.Load(); n != 1 {
		t.Errorf("%d calls: three windows lie in the first's", n)
	}
}

func TestSamplesBeyondThePlan(t *testing.T) {
	h := newHouse(t)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	whole := h.source.chart
	h.source.chart = func(key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
		var answers []market.Fetched
		if missing[0].From < start {
			answers = append(answers, market.Fetched{Beyond: market.Range{From: missing[0].From, To: start}, Source: "test", FetchedAt: h.clock.Now()})
			missing = []market.Range{{From: start, To: missing[len(missing)-1].To}}
		}
		rest, err := whole(key, missing)
		return append(answers, rest...), err
	}
	if _, err := h.samples(market.Daily, 100*24*time.Hour); !fault.Is(err, fault.UpstreamRange) {
		t.Errorf("a chart that the plan does not reach: %v", err)
	}
	// One instant more than there is: the time between the question and the call.
	now := h.clock.Now()
	if s, err := h.samples(market.Daily, now.Sub(time.UnixMilli(start))+24*time.Hour); err != nil || len(s.Points) != 69 {
		t.Errorf("a chart as long as the plan's: %v %v", s, err)
	}
}

func TestSamplesFail(t *testing.T) {
	h := newHouse(t)
	h.source.chart = func(market.SeriesKey, []market.Range) ([]market.Fetched, error) {
		return nil, fault.New(fault.UpstreamUnavailable, "")
	}
	if _, err := h.samples(market.FiveMinutely, time.Hour); !fault.Is(err, fault.UpstreamUnavailable) {
		t.Error(err)
	}
	_, err := h.Samples(t.Context(), market.SampleRequest{SeriesKey: market.SeriesKey{Asset: "nothing", Currency: "usd", Interval: market.Daily}, From: h.clock.Now().Add(-time.Hour), To: h.clock.Now()})
	if !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	h.source.chart = func(market.SeriesKey, []market.Range) ([]market.Fetched, error) {
		return nil, fault.New(fault.UpstreamRejected, "")
	}
	if _, err := h.samples(market.Hourly, 50*time.Hour); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

func TestAutoInterval(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 30, 0, 0, time.UTC)
	day := 24 * time.Hour
	for _, c := range []struct {
		from, to time.Time
		live     bool
		want     market.Interval
	}{
		{now.Add(-day), now, true, market.FiveMinutely},
		{now.Add(-day), now, false, market.Hourly},
		{now.Add(-day - 1), now, true, market.Hourly},
		{now.Add(-90 * day), now, true, market.Hourly},
		{now.Add(-90*day - 1), now, true, market.Daily},
		{market.Genesis(), now, true, market.Daily},
		{time.Date(2018, 1, 29, 0, 0, 0, 0, time.UTC), time.Date(2018, 2, 3, 0, 0, 0, 0, time.UTC), false, market.Daily},
		{time.Date(2018, 1, 30, 0, 0, 0, 0, time.UTC), time.Date(2018, 2, 3, 0, 0, 0, 0, time.UTC), false, market.Hourly},
	} {
		if got := market.AutoInterval(c.from, c.to, c.live); got != c.want {
			t.Errorf("%v to %v, live %v: %v, want %v", c.from, c.to, c.live, got, c.want)
		}
	}
}

func TestCandidates(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		by    market.Naming
		words []string
		want  string
	}{
		{market.ByID, []string{"bitcoin", "nothing", "0x", "Bitcoin"}, `[["bitcoin"],[],["0x"],[]]`},
		{market.ByName, []string{"bitcoin CASH", "", "0x protocol"}, `[["bitcoin-cash"],[],["0x"]]`},
		{market.BySymbol, []string{"ZRX", "c", "nothing"}, `[["0x"],300,[]]`},
	} {
		got, err := h.Candidates(t.Context(), c.by, c.words)
		if err != nil {
			t.Fatal(err)
		}
		var ids []any
		for _, assets := range got {
			if len(assets) > 9 {
				ids = append(ids, len(assets))
				continue
			}
			list := []string{}
			for _, a := range assets {
				list = append(list, a.ID)
			}
			ids = append(ids, list)
		}
		if text, err := json.Marshal(ids); err != nil || string(text) != c.want {
			t.Errorf("%v %q: %s, want %s", c.by, c.words, text, c.want)
		}
	}
}

// documents is a source of documents for a test.
type documents func(market.DocumentQuery) (market.Document, error)

func (d documents) Document(_ context.Context, q market.DocumentQuery) (market.Document, error) {
	return d(q)
}

func TestDocuments(t *testing.T) {
	h := newHouse(t)
	var mu sync.Mutex
	var asked []market.DocumentQuery
	entered, release := make(chan struct{}, 1), make(chan struct{})
	var fails error
	h.documents = documents(func(q market.DocumentQuery) (market.Document, error) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, q)
		select {
		case entered <- struct{}{}:
		default:
		}
		<-release
		return market.Document{Body: []byte(`[1]`), Total: 7, Source: "test", FetchedAt: h.clock.Now()}, fails
	})
	h.restart()
	h.expect("the catalogue", budget{})
	q := market.MarketsQuery{Currency: "usd", IDs: []string{"bitcoin"}, PerPage: 100}
	get := func(q market.DocumentQuery) (market.Document, error) { return h.Document(t.Context(), q) }

	// Twenty ask at once.
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if d, err := get(q); err != nil || string(d.Body) != "[1]" || d.Total != 7 || !d.FreshUntil.Equal(h.clock.Now().Add(ttl)) {
				t.Error(d, err)
			}
		})
	}
	<-entered
	close(release)
	group.Wait()
	// Another one is none of these.
	other := q
	other.PerPage = 99
	for _, q := range []market.DocumentQuery{q, other, market.PlatformsQuery{}, market.CandlesQuery{Asset: "bitcoin", Currency: "usd", Days: "7"}, q} {
		if _, err := get(q); err != nil {
			t.Error(err)
		}
	}
	if len(asked) != 4 {
		t.Errorf("%d calls, want one for each document: %+v", len(asked), asked)
	}
	h.clock.Advance(ttl)
	if _, err := get(q); err != nil || len(asked) != 5 {
		t.Errorf("after its time: %v, %d calls", err, len(asked))
	}
	fails = fault.New(fault.UpstreamTimeout, "")
	h.clock.Advance(ttl)
	for range 2 {
		if _, err := get(q); !fault.Is(err, fault.UpstreamTimeout) {
			t.Errorf("a failure: %v", err)
		}
	}
	if _, err := get(market.SnapshotQuery{Asset: "nothing"}); !fault.Is(err, fault.NotFound) || len(asked) != 7 {
		t.Errorf("an unknown asset: %v, %d calls", err, len(asked))
	}
	h.documents = nil
	h.restart()
	if _, err := get(market.PlatformsQuery{}); !fault.Is(err, fault.UpstreamPlan) {
		t.Errorf("without documents: %v", err)
	}
}
