package market

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func dailyRequest(days Days) ChartRequest {
	return ChartRequest{SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: Daily}, days}
}

func TestReadChart(t *testing.T) {
	known := func(r Range, hole HoleReason) Known {
		return Known{Range: r, Provider: "test", FetchedAt: t0, Hole: hole}
	}
	hour := func(h, m int) int64 { return ms(2026, 3, 10, h, m) }
	t.Run("the nearest sample to each instant, whatever its stamp", func(t *testing.T) {
		req := ChartRequest{SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: Hourly}, 1}
		h := History{Points: []Point{point(hour(7, 58), 1), point(hour(8, 1), 2), point(hour(8, 29), 3), point(hour(9, 31), 4)}, Known: []Known{known(Range{hour(8, 0), hour(11, 0)}, "")}}
		c := readChart(req, Asset{ID: "bitcoin"}, h, Range{hour(8, 0), hour(11, 0)}, only)
		if !slices.Equal(c.Timestamps.Values(), []int64{hour(8, 0), hour(10, 0)}) || !slices.Equal(c.Prices.Values(), []float64{2, 4}) {
			t.Errorf("got %v %v", c.Timestamps, c.Prices)
		}
		if len(c.Coverage.Holes) != 1 || c.Coverage.Holes[0].From.UnixMilli() != hour(9, 0) || c.Coverage.Holes[0].To.UnixMilli() != hour(10, 0) || c.Coverage.Complete {
			t.Errorf("the hour without a sample: %+v", c.Coverage)
		}
	})
	t.Run("a market cap of 0 is unknown, a volume of 0 is 0, null is null", func(t *testing.T) {
		h := History{Points: []Point{
			{Stamp: day(1), Price: 0, MarketCap: 0, Volume: 0},
			{Stamp: day(2), Price: 1, MarketCap: math.NaN(), Volume: math.NaN()},
		}, Known: []Known{known(Range{day(1), day(3)}, "")}}
		c := readChart(dailyRequest(2), Asset{}, h, Range{day(1), day(3)}, only)
		got, err := json.Marshal([]any{c.Prices, c.MarketCaps, c.Volumes})
		if err != nil || string(got) != `[[0,1],[null,null],[0,null]]` {
			t.Errorf("got %s %v", got, err)
		}
		if !c.Coverage.Complete {
			t.Errorf("coverage: %+v", c.Coverage)
		}
	})
	t.Run("max begins with the first point; a number of days says that the asset is younger", func(t *testing.T) {
		h := History{Points: []Point{point(day(5), 1)}, Known: []Known{known(Range{genesis, day(5)}, NotListed), known(Range{day(5), day(6)}, "")}}
		if c := readChart(dailyRequest(AllDays), Asset{}, h, Range{genesis, day(6)}, only); !c.Coverage.Complete || len(c.Coverage.Holes) != 0 {
			t.Errorf("max: %+v", c.Coverage)
		}
		c := readChart(dailyRequest(5), Asset{}, h, Range{day(1), day(6)}, only)
		if c.Coverage.Complete || len(c.Coverage.Holes) != 1 || c.Coverage.Holes[0].Reason != NotListed || c.Coverage.Holes[0].To.UnixMilli() != day(5) {
			t.Errorf("5 days: %+v", c.Coverage)
		}
	})
	t.Run("what is not known could not be asked", func(t *testing.T) {
		c := readChart(dailyRequest(3), Asset{}, History{}, Range{day(1), day(4)}, only)
		if len(c.Coverage.Holes) != 1 || c.Coverage.Holes[0].Reason != Failed || c.Coverage.From != nil {
			t.Errorf("got %+v", c.Coverage)
		}
	})
}

func TestNumbersReadBackBitForBit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := math.Float64frombits(rapid.Uint64().Draw(t, "bits"))
		text := string(AppendNumber(nil, f))
		if f != f || math.IsInf(f, 0) {
			if text != "null" {
				t.Fatalf("%v became %s", f, text)
			}
			return
		}
		back, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Float64bits(back) != math.Float64bits(f) || !json.Valid([]byte(text)) {
			t.Fatalf("%v became %s (%v)", f, text, err)
		}
		if std, _ := json.Marshal(f); string(std) != text {
			t.Fatalf("encoding/json writes %s, we write %s", std, text)
		}
	})
}

func TestCachedChartReadsBackEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		req := ChartRequest{SeriesKey{Asset: rapid.SampledFrom([]string{"bitcoin", "0x", "1move token"}).Draw(t, "id"), Currency: "eur", Interval: Hourly}, Days(rapid.IntRange(1, 10000).Draw(t, "days"))}
		n := rapid.IntRange(0, 40).Draw(t, "n")
		c := &Chart{Reading: Reading{Asset: Asset{ID: req.Asset}, Interval: req.Interval, Days: req.Days, Sources: []string{"coingecko"}, FetchedAt: t0, FreshUntil: t0.Add(time.Minute)}, Currency: req.Currency}
		c.Timestamps = drawTimestamps(t, req.Interval, n)
		c.Prices, c.MarketCaps, c.Volumes = NewColumn(drawValues(t, n)), NewColumn(drawValues(t, n)), NewColumn(drawValues(t, n))
		if rapid.Bool().Draw(t, "hole") {
			c.Coverage.Holes = []Hole{{t0, t0.Add(time.Hour), UpstreamHole}}
		}
		c.cover()
		encoded := encodeChart(req, c)
		got, err := decodeChart(req, c.Asset, encoded)
		if err != nil {
			t.Fatal(err)
		}
		if again := encodeChart(req, got); string(again) != string(encoded) {
			t.Fatal("not equal after a round trip")
		}
		if got.Coverage.Complete != c.Coverage.Complete || (got.Coverage.From == nil) != (c.Coverage.From == nil) {
			t.Fatalf("coverage: %+v, want %+v", got.Coverage, c.Coverage)
		}
		if !got.Timestamps.same(c.Timestamps) || got.Prices.String() != c.Prices.String() || got.MarketCaps.String() != c.MarketCaps.String() || got.Volumes.String() != c.Volumes.String() {
			t.Fatalf("got %+v, want %+v", got, c)
		}
		// A value that was cut anywhere, or goes on, or belongs to another key, is a miss. One that was changed in one bit is
		// the cache's to find out, but none becomes a chart whose columns differ in length.
		cut := rapid.IntRange(0, len(encoded)-1).Draw(t, "cut")
		if _, err := decodeChart(req, c.Asset, encoded[:cut]); err == nil {
			t.Fatal("a value cut short was taken")
		}
		flipped := slices.Clone(encoded)
		flipped[cut] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if got, err := decodeChart(req, c.Asset, flipped); err == nil && (got.Prices.Len() != got.Timestamps.Len() || got.Volumes.Len() != got.Timestamps.Len()) {
			t.Fatal("columns of different lengths were taken")
		}
		if _, err := decodeChart(req, c.Asset, append(encoded, 0)); err == nil {
			t.Fatal("a value that goes on was taken")
		}
		other := req
		other.Asset = "dogecoin"
		if _, err := decodeChart(other, c.Asset, encoded); err == nil {
			t.Fatal("another key's value was taken")
		}
	})
}

func TestCachedMetricReadsBackEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		req := MetricRequest{SeriesKey{Asset: "bitcoin", Metric: MVRV, Interval: Hourly}, Days(rapid.IntRange(1, 10000).Draw(t, "days"))}
		m := &MetricSeries{Reading: Reading{Asset: Asset{ID: "bitcoin"}, Interval: Hourly, Days: req.Days, Sources: []string{"cryptoquant"}, FetchedAt: t0, FreshUntil: t0.Add(time.Minute)}, Metric: MVRV, Unit: "ratio"}
		n := rapid.IntRange(0, 40).Draw(t, "n")
		m.Timestamps, m.Values = drawTimestamps(t, req.Interval, n), NewColumn(drawValues(t, n))
		if rapid.Bool().Draw(t, "hole") {
			m.Coverage.Holes = []Hole{{t0, t0.Add(time.Hour), NotOffered}}
		}
		encoded := encodeMetric(req, m)
		got, err := decodeMetric(req, m.Asset, encoded)
		if err != nil || string(encodeMetric(req, got)) != string(encoded) || got.Metric != MVRV || got.Coverage.Complete != (len(m.Coverage.Holes) == 0) {
			t.Fatalf("%+v %v", got, err)
		}
		if _, err := decodeMetric(req, m.Asset, encoded[:rapid.IntRange(0, len(encoded)-1).Draw(t, "cut")]); err == nil {
			t.Fatal("a value cut short was taken")
		}
		for _, other := range []MetricRequest{
			{SeriesKey{Asset: "bitcoin", Metric: SOPR, Interval: Hourly}, req.Days},
			{SeriesKey{Asset: "bitcoin", Metric: MVRV, Interval: Daily}, req.Days},
			{SeriesKey{Asset: "ethereum", Metric: MVRV, Interval: Hourly}, req.Days},
			{SeriesKey{Asset: "bitcoin", Currency: "mvrv", Interval: Hourly}, req.Days},
			{req.SeriesKey, AllDays},
		} {
			if _, err := decodeMetric(other, m.Asset, encoded); err == nil {
				t.Fatalf("%s was taken for %s", req.key(), other.key())
			}
		}
	})
}

func TestCacheKeys(t *testing.T) {
	for want, r := range map[string]SeriesRequest{
		"chart:bitcoin:usd:daily:30":           {SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: Daily}, 30},
		"onchain:bitcoin:hash_rate:hourly:max": {SeriesKey{Asset: "bitcoin", Metric: HashRate, Interval: Hourly}, AllDays},
	} {
		if got := r.key(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestCachedQuoteReadsBackEqual(t *testing.T) {
	pair := Pair{"bitcoin", "usd"}
	q := &Quote{Pair: pair, Price: 1.2e-07, MarketCap: 123456789012345.67, Volume24h: 0, Change24h: math.NaN(), LastUpdatedAt: t0, FetchedAt: t0, Source: "coingecko"}
	got, err := decodeOne(pair, encodeQuote(pair, q))
	if err != nil || got.Price != q.Price || got.MarketCap != q.MarketCap || got.Volume24h != 0 || got.Change24h == got.Change24h || !got.FetchedAt.Equal(t0) || got.Source != q.Source {
		t.Errorf("got %+v %v", got, err)
	}
	if none, err := decodeOne(pair, encodeQuote(pair, nil)); none != nil || err != nil {
		t.Errorf("no price: got %+v %v", none, err)
	}
	if _, err := decodeOne(Pair{"bitcoin", "eur"}, encodeQuote(pair, q)); err == nil {
		t.Error("another pair's value was taken")
	}
}

func FuzzDecodeCached(f *testing.F) {
	pair, req := Pair{"bitcoin", "usd"}, dailyRequest(1)
	onChain := MetricRequest{SeriesKey{Asset: "bitcoin", Metric: MVRV, Interval: Daily}, 1}
	f.Add(encodeQuote(pair, &Quote{Pair: pair, Source: "x"}))
	one, value := NewTimestamps(Daily, day(1)), NewColumn([]float64{1})
	f.Add(encodeChart(req, &Chart{Reading: Reading{Timestamps: one}, Prices: value, MarketCaps: value, Volumes: value}))
	f.Add(encodeMetric(onChain, &MetricSeries{Reading: Reading{Timestamps: one}, Values: value}))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = decodeOne(pair, b)
		if c, err := decodeChart(req, Asset{}, b); err == nil {
			walk(t, len(b), c.Timestamps, c.Prices, c.MarketCaps, c.Volumes)
		}
		if m, err := decodeMetric(onChain, Asset{}, b); err == nil {
			walk(t, len(b), m.Timestamps, m.Values)
		}
	})
}

// walk does with columns all that is done with them, whatever text is in them.
func walk(t *testing.T, size int, timestamps Timestamps, columns ...Column) {
	for _, c := range columns {
		if c.Len() != timestamps.Len() || c.Len() > size {
			t.Fatalf("%d values for %d instants of %d bytes", c.Len(), timestamps.Len(), size)
		}
		_, _ = c.Values(), c.AppendJSON(nil)
	}
	if n := len(timestamps.Values()); n != timestamps.Len() {
		t.Fatalf("%d instants, not %d", n, timestamps.Len())
	}
	_ = timestamps.AppendJSON(nil)
}

func decodeOne(p Pair, b []byte) (*Quote, error) {
	price := new(Price)
	switch there, err := decodeQuote(p.key(), b, price); {
	case err != nil || !there:
		return nil, err
	}
	text, ends := string(price.json.text), price.json.ends
	price.read(Asset{ID: p.Asset}, p.Currency, 0, time.Time{})
	if made := price.render(); string(made.text) != text || made.ends != ends {
		return nil, errors.New("it goes out as something else")
	}
	q := price.Quote()
	return &q, nil
}
