package simulator

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"
)

// The default clock of the tests is 2026-11-23T18:41:43.250Z: the newest hourly slot is 18:00.
func TestChartSteps(t *testing.T) {
	h := serve(t, Options{Plan: Pro})
	now := h.now().UnixMilli()
	for _, c := range []struct {
		query  string
		step   int64
		points int // without that of now
	}{
		{"days=0.5", fiveMinutes, 144},
		{"days=1", fiveMinutes, 288},
		{"days=1.5", hourly, 36},
		{"days=2", hourly, 48},
		{"days=7", hourly, 168},
		{"days=90", hourly, 2160},
		{"days=91", daily, 91},
		{"days=365", daily, 365},
		{"days=1&interval=daily", daily, 1},
		{"days=5&interval=daily", daily, 5},
		{"days=90&interval=daily", daily, 90},
		{"days=1&interval=hourly", hourly, 24},
		{"days=100&interval=hourly", hourly, 2400},
		{"days=max", daily, int((now - ms(t, "2013-04-28T00:00:00Z")) / day)},
	} {
		t.Run(c.query, func(t *testing.T) {
			chart := h.chart(t, "/coins/bitcoin/market_chart?vs_currency=usd&"+c.query)
			if c.query == "days=max" {
				c.points++ // the day of the listing itself
			}
			got := stamps(chart.Prices)
			if len(got) != c.points+1 {
				t.Fatalf("%d points, want %d and now", len(got), c.points)
			}
			tail := got[len(got)-1]
			if tail%second != 0 || tail > now || now-tail >= minute {
				t.Errorf("the point of now is at %d, now is %d", tail, now)
			}
			for i, stamp := range got[:len(got)-1] {
				slot := stamp / c.step * c.step
				if want := now/c.step*c.step - int64(c.points-1-i)*c.step; slot != want && slot != want-c.step {
					t.Fatalf("point %d is at %d, want the slot %d", i, stamp, want)
				}
				off := stamp - slot
				if c.step == daily && off != 0 || c.step == hourly && (off <= 0 || off > 126*second) || c.step == fiveMinutes && (off <= 0 || off > 211*second) {
					t.Fatalf("point %d is %d ms behind its slot", i, off)
				}
				if i > 0 && stamp <= got[i-1] {
					t.Fatalf("point %d is not after the one before", i)
				}
			}
		})
	}
}

func TestChartValuesAreTheTruth(t *testing.T) {
	h := serve(t, Options{Plan: Pro})
	for _, c := range []struct {
		id, query string
		step      time.Duration
	}{
		{"ethereum", "days=90", time.Hour},
		{"pepe", "days=1", 5 * time.Minute},
		{"cardano", "days=365", 24 * time.Hour},
		{"namecoin", "days=30", time.Hour},
		{"bitcoin", "days=max", 24 * time.Hour},
	} {
		chart := h.chart(t, "/coins/"+c.id+"/market_chart?vs_currency=vnd&"+c.query)
		prices := chart.Prices[:len(chart.Prices)-1]
		truth := h.Chart(c.id, "vnd", time.UnixMilli(int64(*prices[0][0])), time.UnixMilli(int64(*prices[len(prices)-1][0])), c.step)
		if len(truth) != len(prices) {
			t.Fatalf("%s: %d points, the truth has %d", c.id, len(prices), len(truth))
		}
		for i, p := range truth {
			if int64(*prices[i][0]) != p.Stamp || *prices[i][1] != p.Price {
				t.Fatalf("%s: point %d is %v %v, the truth %+v", c.id, i, *prices[i][0], *prices[i][1], p)
			}
			if want, ok := h.Price(c.id, "vnd", time.UnixMilli(p.Stamp)); !ok || want != p.Price {
				t.Fatalf("%s: the chart has %v at %d, the formula %v", c.id, p.Price, p.Stamp, want)
			}
			if *chart.TotalVolumes[i][1] != p.Volume {
				t.Fatalf("%s: point %d has the volume %v, the truth %v", c.id, i, *chart.TotalVolumes[i][1], p.Volume)
			}
		}
	}
	if p := h.Chart("bitcoin", "usd", Anchor(), Anchor().Add(time.Hour), time.Minute); p != nil {
		t.Errorf("a step that there is not gave %d points", len(p))
	}
}

// A slot has one stamp: on each call, in each currency, in charts and in ranges.
func TestStampsAreStable(t *testing.T) {
	h := serve(t, Options{})
	usd := stamps(h.chart(t, "/coins/solana/market_chart?vs_currency=usd&days=30").Prices)
	jpy := stamps(h.chart(t, "/coins/solana/market_chart?vs_currency=jpy&days=30").Prices)
	if !slices.Equal(usd, jpy) {
		t.Error("the stamps differ between currencies")
	}
	h.advance(3 * time.Hour)
	later := stamps(h.chart(t, "/coins/solana/market_chart?vs_currency=usd&days=30").Prices)
	if n := len(usd) - 4; !slices.Equal(usd[3:3+n], later[:n]) {
		t.Error("the stamps differ three hours later")
	}
	from, to := usd[10], usd[len(usd)-10]
	part := stamps(h.chart(t, fmt.Sprintf("/coins/solana/market_chart/range?vs_currency=usd&from=%d&to=%d", from/1000, to/1000+1)).Prices)
	if !slices.Equal(part, usd[10:len(usd)-9]) {
		t.Errorf("the range has %d points, the chart %d", len(part), len(usd)-19)
	}
	if other := stamps(h.chart(t, "/coins/cardano/market_chart?vs_currency=usd&days=30").Prices); slices.Equal(other[:100], usd[:100]) {
		t.Error("two assets have the same stamps")
	}
}

func TestDayAppearsTenMinutesAfterMidnight(t *testing.T) {
	h := serve(t, Options{})
	midnight := at(t, "2026-11-24T00:00:00Z")
	last := func() int64 {
		got := stamps(h.chart(t, "/coins/bitcoin/market_chart?vs_currency=usd&days=5&interval=daily").Prices)
		if len(got) != 6 {
			t.Fatalf("%d points", len(got))
		}
		return got[4]
	}
	h.set(midnight.Add(10*time.Minute - time.Millisecond))
	if got := last(); got != midnight.UnixMilli()-day {
		t.Errorf("at 00:09:59.999 the newest day is %v", time.UnixMilli(got).UTC())
	}
	h.set(midnight.Add(10 * time.Minute))
	if got := last(); got != midnight.UnixMilli() {
		t.Errorf("at 00:10 the newest day is %v", time.UnixMilli(got).UTC())
	}
}

func TestHourAppearsAtItsStamp(t *testing.T) {
	h := serve(t, Options{})
	const target = "/coins/bitcoin/market_chart?vs_currency=usd&days=2"
	c := h.world.coins["bitcoin"]
	slot := ms(t, "2026-11-23T20:00:00Z") / hour
	stamp := c.stamp(hourly, slot)
	h.set(time.UnixMilli(stamp - 1))
	if got := stamps(h.chart(t, target).Prices); slices.Contains(got, stamp) || len(got) != 49 {
		t.Errorf("the point is there before its time, among %d", len(got))
	}
	h.set(time.UnixMilli(stamp))
	if got := stamps(h.chart(t, target).Prices); got[len(got)-2] != stamp || len(got) != 49 {
		t.Errorf("the point is not there at its time, among %d", len(got))
	}
}

// The market moves with the clock: the point of now, quotes and their time once a minute.
func TestClockMoves(t *testing.T) {
	h := serve(t, Options{})
	type quote struct {
		USD float64 `json:"usd"`
		At  int64   `json:"last_updated_at"`
	}
	quotes := func() quote {
		var q map[string]quote
		h.fetch(t, "/simple/price?ids=bitcoin&vs_currencies=usd&precision=full&include_last_updated_at=true", &q)
		return q["bitcoin"]
	}
	seen := map[quote]bool{}
	for range 120 {
		q := quotes()
		if age := h.now().Unix() - q.At; age < 0 || age > 60 {
			t.Fatalf("the quote is %d s old", age)
		}
		if want, _ := h.Price("bitcoin", "usd", time.Unix(q.At, 0)); want != q.USD {
			t.Fatalf("got %v, the formula says %v", q.USD, want)
		}
		chart := h.chart(t, "/coins/bitcoin/market_chart?vs_currency=usd&days=2")
		if tail := chart.Prices[len(chart.Prices)-1]; int64(*tail[0]) != q.At*1000 || *tail[1] != q.USD {
			t.Fatalf("the chart ends with %v %v, the quote is %+v", *tail[0], *tail[1], q)
		}
		seen[q] = true
		h.advance(5 * time.Second)
	}
	if len(seen) != 10 && len(seen) != 11 {
		t.Errorf("%d quotes in ten minutes", len(seen))
	}
}

func TestIlliquidCharts(t *testing.T) {
	h := serve(t, Options{})
	c := h.world.coins["namecoin"]
	// A time at which the last trade was before the last midnight.
	for i := 0; ; i++ {
		if now := h.now().UnixMilli(); h.world.updated(c, now) < now/day*day {
			break
		}
		if i > 1000 {
			t.Fatal("there is no such time")
		}
		h.advance(time.Hour)
	}
	chart := h.chart(t, "/coins/namecoin/market_chart?vs_currency=usd&days=5&interval=daily")
	got := stamps(chart.Prices)
	if len(got) != 6 || got[5] >= got[4] || got[5]%second != 0 {
		t.Errorf("the point of now should be older than the last day: %v", got)
	}
	chart = h.chart(t, "/coins/namecoin/market_chart?vs_currency=usd&days=90")
	got = stamps(chart.Prices)
	if len(got) < 300 || len(got) > 1800 {
		t.Errorf("%d of 2160 hours have a point", len(got))
	}
	longest, zeros, same := int64(0), 0, 0
	for i := 1; i < len(got); i++ {
		longest = max(longest, got[i]-got[i-1])
		if *chart.TotalVolumes[i][1] == 0 {
			zeros++
		}
		if *chart.Prices[i][1] == *chart.Prices[i-1][1] {
			same++
		}
	}
	if longest < 8*hour || zeros == 0 || same < 100 {
		t.Errorf("longest hole %v, %d volumes of 0, %d prices the same", time.Duration(longest)*time.Millisecond, zeros, same)
	}
}

func TestMarketCaps(t *testing.T) {
	h := serve(t, Options{Plan: Pro})
	caps := func(id, query string) (wireChart, map[int64]*float64) {
		c := h.chart(t, "/coins/"+id+"/market_chart?vs_currency=usd&"+query)
		m := map[int64]*float64{}
		for _, r := range c.MarketCaps {
			m[int64(*r[0])] = r[1]
		}
		return c, m
	}
	if c, m := caps("bitcoin", "days=max"); len(m) != len(c.Prices)-1 || m[ms(t, "2017-04-01T00:00:00Z")] == nil {
		t.Errorf("bitcoin: %d market caps, %d prices", len(m), len(c.Prices))
	} else if _, there := m[1491091200000]; there {
		t.Error("bitcoin has the row of 2017-04-02")
	}
	year := ms(t, "2026-04-02T00:00:00Z")
	if c, m := caps("dogecoin", "days=365"); len(m) != len(c.Prices)-1 || m[year-day] == nil {
		t.Errorf("dogecoin: %d market caps, %d prices", len(m), len(c.Prices))
	}
	if c, m := caps("litecoin", "days=365"); len(m) != len(c.Prices) {
		t.Errorf("litecoin: %d market caps, %d prices", len(m), len(c.Prices))
	} else if v, there := m[year]; !there || v != nil {
		t.Errorf("litecoin has %v there, want null", v)
	}
	_, m := caps("xceltoken-plus", "days=365")
	for stamp, v := range m {
		if v == nil || *v != 0 {
			t.Fatalf("an unverified supply has the market cap %v at %d", v, stamp)
		}
	}
	truth := h.Chart("litecoin", "usd", time.UnixMilli(year), time.UnixMilli(year), 24*time.Hour)
	if len(truth) != 1 || !math.IsNaN(truth[0].MarketCap) || truth[0].NoMarketCap {
		t.Errorf("the truth is %+v", truth)
	}
	// Supplies grow slowly: the cap is price times a number that rises.
	c, m := caps("cardano", "days=max")
	before := 0.0
	for _, p := range c.Prices[:len(c.Prices)-1] {
		supply := *m[int64(*p[0])] / *p[1]
		if supply < before*(1-1e-9) {
			t.Fatalf("the supply falls from %v to %v", before, supply)
		}
		before = supply
	}
}

func TestRanges(t *testing.T) {
	h := serve(t, Options{Plan: Pro})
	now := h.now().UnixMilli()
	past := ms(t, "2025-03-01T00:00:00Z")
	for _, c := range []struct {
		name     string
		from, to int64
		step     int64
		points   int
		live     bool
	}{
		{"a day that ends now", now - day, now, fiveMinutes, 288, true},
		{"less than a day that ends now", now - 2*hour, now, fiveMinutes, 24, true},
		{"a day in the past", past, past + day, hourly, 24, false},
		{"two days in the past", past, past + 2*day, hourly, 48, false},
		{"90 days in the past", past, past + 90*day, hourly, 2160, false},
		{"90 days that end now", now - 90*day, now, hourly, 2160, true},
		{"91 days in the past", past, past + 91*day, daily, 92, false},
		{"half a year in the past", past + hour, past + 180*day, daily, 180, false},
		{"a year that ends now", now - 365*day, now, daily, 365, true},
		{"a range that ends in the future", now - 2*day, now + 10*day, hourly, 48, true},
		{"the future", now + day, now + 3*day, hourly, 0, false},
		{"before the listing", ms(t, "2010-01-01T00:00:00Z"), ms(t, "2010-02-01T00:00:00Z"), hourly, 0, false},
		{"before there was hourly data", ms(t, "2017-01-01T00:00:00Z"), ms(t, "2017-02-01T00:00:00Z"), hourly, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			chart := h.chart(t, fmt.Sprintf("/coins/bitcoin/market_chart/range?vs_currency=usd&from=%d&to=%d", c.from/1000, c.to/1000))
			got := stamps(chart.Prices)
			want := c.points
			if c.live {
				want++
			}
			if d := len(got) - want; d < -1 || d > 1 || c.points == 0 && d != 0 { // edges: a jittered point may be just outside
				t.Fatalf("%d points, want %d", len(got), want)
			}
			for _, s := range got {
				if s < c.from-1000 || s > c.to+1000 {
					t.Fatalf("%d is outside %d..%d", s, c.from, c.to)
				}
			}
			if len(got) == 0 {
				return
			}
			last := got[len(got)-1]
			if isNow := last == h.world.updated(h.world.coins["bitcoin"], now); isNow != c.live {
				t.Errorf("the last stamp is %d, now %d", last, now)
			}
			if (got[0]%day == 0) != (c.step == daily) {
				t.Errorf("the first stamp is %d", got[0])
			}
			if gap := got[2] - got[1]; gap < c.step/4 || gap > c.step*2 {
				t.Errorf("the gap is %d ms", gap)
			}
		})
	}
}

func TestRangeBounds(t *testing.T) {
	h := serve(t, Options{Plan: Pro})
	forms := []string{"from=1767225600&to=1767657600", "from=1767225600.0&to=1767657600.5", "from=2026-01-01&to=2026-01-06", "from=2026-01-01T00:00&to=2026-01-06T00:00"}
	first := stamps(h.chart(t, "/coins/bitcoin/market_chart/range?vs_currency=usd&"+forms[0]).Prices)
	if len(first) != 120 {
		t.Fatalf("%d points", len(first))
	}
	for _, f := range forms[1:] {
		if got := stamps(h.chart(t, "/coins/bitcoin/market_chart/range?vs_currency=usd&"+f).Prices); !slices.Equal(got, first) {
			t.Errorf("%s gives %d points", f, len(got))
		}
	}
	// Daily points on the bounds belong to the range.
	from, to := ms(t, "2026-01-01T00:00:00Z"), ms(t, "2026-05-01T00:00:00Z")
	got := stamps(h.chart(t, fmt.Sprintf("/coins/bitcoin/market_chart/range?vs_currency=usd&from=%d&to=%d", from/1000, to/1000)).Prices)
	if len(got) != 121 || got[0] != from || got[120] != to {
		t.Errorf("%d points from %d to %d", len(got), got[0], got[len(got)-1])
	}
}

func TestYoungAssets(t *testing.T) {
	h := serve(t, Options{})
	chart := h.chart(t, "/coins/aspecta/market_chart?vs_currency=usd&days=365") // listed on 2026-11-09
	got := stamps(chart.Prices)
	if len(got) != 16 || got[0] != ms(t, "2026-11-09T00:00:00Z") {
		t.Errorf("%d points from %d", len(got), got[0])
	}
	for _, target := range []string{
		"/coins/aspecta/market_chart/range?vs_currency=usd&from=2026-01-01&to=2026-02-01",
		"/coins/aspecta/market_chart/range?vs_currency=usd&from=2026-01-01&to=2026-08-01",
	} {
		if _, body := h.get(t, target); string(body) != `{"prices":[],"market_caps":[],"total_volumes":[]}` {
			t.Errorf("before the listing: %.100s", body)
		}
	}
}

func TestChartPrecision(t *testing.T) {
	h := serve(t, Options{})
	var c struct {
		Prices, MarketCaps, TotalVolumes [][2]json.Number
	}
	res, body := h.get(t, "/coins/bitcoin/market_chart?vs_currency=usd&days=1&interval=daily&precision=2")
	if err := json.Unmarshal(body, &c); err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(err, res.Status)
	}
	full := h.chart(t, "/coins/bitcoin/market_chart?vs_currency=usd&days=1&interval=daily&precision=full")
	for i, p := range c.Prices {
		exact := *full.Prices[i][1]
		got, err := p[1].Float64()
		if err != nil || got != round(exact, 2) || got == exact {
			t.Errorf("%v became %v", exact, p[1])
		}
	}
	for _, bad := range []string{"19", "-1", "x"} {
		if res, _ := h.get(t, "/coins/bitcoin/market_chart?vs_currency=usd&days=1&precision="+bad); res.StatusCode != http.StatusBadRequest {
			t.Errorf("precision %s: %s", bad, res.Status)
		}
	}
}

// The texts of a chart are JSON numbers that read back as the doubles of the formula.
func TestChartTextReadsBack(t *testing.T) {
	h := serve(t, Options{})
	for _, id := range []string{"bitcoin", "pepe", "baby-doge-coin", "namecoin"} {
		for _, cur := range []string{"usd", "vnd", "btc"} {
			_, body := h.get(t, "/coins/"+id+"/market_chart?vs_currency="+cur+"&days=90")
			var c struct {
				Prices [][2]json.Number `json:"prices"`
			}
			if err := json.Unmarshal(body, &c); err != nil {
				t.Fatal(err)
			}
			for _, p := range c.Prices {
				stamp, err := strconv.ParseInt(p[0].String(), 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				got, err := strconv.ParseFloat(p[1].String(), 64)
				world := h.world
				want, _ := world.price(world.coins[id], world.currencies[marketCurrency(cur)], stamp)
				if err != nil || got != want {
					t.Fatalf("%s in %s at %d: %s, want %v", id, cur, stamp, p[1], want)
				}
			}
		}
	}
}

func TestRecordedChartsHaveTheSameShape(t *testing.T) {
	h := serve(t, Options{Plan: Pro})
	h.set(time.UnixMilli(1696963303250)) // when the recording was made
	var real wireChart
	if err := json.Unmarshal(recorded(t, "market_chart__bitcoin_usd_7d__hourly.json"), &real); err != nil {
		t.Fatal(err)
	}
	ours := h.chart(t, "/coins/bitcoin/market_chart?vs_currency=usd&days=7")
	if len(ours.Prices) != len(real.Prices) || len(ours.MarketCaps) != len(real.MarketCaps) || len(ours.TotalVolumes) != len(real.TotalVolumes) {
		t.Fatalf("%d points, the recording has %d", len(ours.Prices), len(real.Prices))
	}
	a, b := stamps(ours.Prices), stamps(real.Prices)
	for i := range len(a) - 1 {
		if a[i]/hour != b[i]/hour {
			t.Errorf("point %d: %d, recorded %d", i, a[i], b[i])
		}
	}

	h.set(time.UnixMilli(1704125232250))
	if err := json.Unmarshal(recorded(t, "market_chart__bitcoin_usd_1d__interval_daily_precision_6.json"), &real); err != nil {
		t.Fatal(err)
	}
	ours = h.chart(t, "/coins/bitcoin/market_chart?vs_currency=usd&days=1&interval=daily&precision=6")
	if a, b := stamps(ours.Prices), stamps(real.Prices); len(a) != 2 || a[0] != b[0] {
		t.Errorf("stamps %v, recorded %v", a, b)
	}
}
