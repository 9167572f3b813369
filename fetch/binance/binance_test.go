package binance

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/simulator"
	"github.com/coingraph/coingraph/fetch/wire/wiretest"
	"github.com/coingraph/coingraph/market"
)

var midMarch = time.Date(2026, 3, 10, 12, 30, 20, 0, time.UTC)

func client(t testing.TB, base, key string, now time.Time) *Client {
	t.Helper()
	c, err := New(Options{BaseURL: base + "/binance/api/v3", Key: key, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.wire.CloseIdleConnections)
	return c
}

func chart(i market.Interval) market.SeriesKey {
	return market.SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: i}
}

func point(stamp int64, price float64) market.Point {
	return market.Point{Stamp: stamp, Price: price, MarketCap: math.NaN(), Volume: math.NaN(), Missing: market.MissingMarketCap | market.MissingVolume}
}

// TestRecorded reads the recorded candles over HTTP. Those of minutes are of no step of ours, and refused as such.
func TestRecorded(t *testing.T) {
	for name, body := range wiretest.Recordings(t, "../..", Name, "*.json") {
		u := wiretest.Serve(t, wiretest.Answer(body))
		first := wiretest.At(t, "2021-01-01T00:00:00Z")
		missing := []market.Range{{From: first, To: first + 2*market.Daily.Step()}}
		switch name {
		case "klines__BTCUSDT_1d__2021-01-01_2rows.json":
			var rows [][]any
			if err := json.Unmarshal(body, &rows); err != nil {
				t.Fatal(err)
			}
			got, err := client(t, u.URL, "", time.Date(2021, 1, 2, 15, 0, 0, 0, time.UTC)).Series(t.Context(), wiretest.Once, chart(market.Daily), missing)
			if err != nil || len(got) != 1 || got[0].Covers != missing[0] {
				t.Fatalf("%v %v", got, err)
			}
			var want []market.Point
			for _, row := range rows {
				price, err := strconv.ParseFloat(row[openPrice].(string), 64)
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, point(int64(row[openTime].(float64)), price))
			}
			wiretest.CheckPoints(t, name, got[0].Points, want...)
			if r := u.Requests()[0].URL; r.String() != "/binance/api/v3/klines?interval=1d&limit=2&startTime=1609459200000&symbol=BTCUSDT" {
				t.Errorf("asked for %s", r)
			}
		case "klines__BTCUSDT_1m__testnet_1row.json":
			_, err := client(t, u.URL, "", time.Date(2021, 6, 24, 18, 32, 30, 0, time.UTC)).Series(t.Context(), wiretest.Once, chart(market.Hourly), missing)
			wiretest.WantKind(t, name, err, fault.UpstreamNonsense)
		default:
			t.Errorf("%s is not tested", name)
		}
	}
}

// TestSimulated: whatever is missing, all of it is answered with the price at the instant, the running candle's included.
func TestSimulated(t *testing.T) {
	sim := simulator.New(simulator.Options{Seed: 5, Now: func() time.Time { return midMarch }})
	server := httptest.NewServer(sim)
	defer server.Close()
	c := client(t, server.URL, "", midMarch)
	rapid.Check(t, func(rt *rapid.T) {
		i := rapid.SampledFrom([]market.Interval{market.Daily, market.Hourly}).Draw(rt, "interval")
		end := i.Floor(midMarch.UnixMilli()) + i.Step()
		at := end - rapid.Int64Range(1, 4000).Draw(rt, "back")*i.Step()
		var missing []market.Range
		for range rapid.IntRange(1, 3).Draw(rt, "ranges") {
			to := at + rapid.Int64Range(1, 1200).Draw(rt, "length")*i.Step()
			missing = append(missing, market.Range{From: at, To: to})
			at = to + rapid.Int64Range(1, 1500).Draw(rt, "gap")*i.Step()
		}
		got, err := c.Series(t.Context(), wiretest.Once, chart(i), missing)
		if err != nil {
			rt.Fatal(err)
		}
		if problem := wiretest.CheckAnswers(Name, missing, end, got); problem != "" {
			rt.Fatal(problem)
		}
		for _, f := range got {
			for _, p := range f.Points {
				v, ok := sim.Price("bitcoin", "usd", time.UnixMilli(p.Stamp))
				if !ok || math.Abs(v-p.Price) > 1e-8 { // eight decimals
					rt.Fatalf("%s: %v, want %v", time.UnixMilli(p.Stamp).UTC(), p.Price, v)
				}
			}
		}
	})
}

// TestYearsBeforeListing take no call of their own.
func TestYearsBeforeListing(t *testing.T) {
	sim := simulator.New(simulator.Options{Seed: 5, Now: func() time.Time { return midMarch }})
	server := httptest.NewServer(sim)
	defer server.Close()
	missing := []market.Range{{From: wiretest.At(t, "2009-01-03T00:00:00Z"), To: wiretest.At(t, "2026-03-11T00:00:00Z")}}
	key := market.SeriesKey{Asset: "aptos", Currency: "usd", Interval: market.Daily} // of October 2022
	got, err := client(t, server.URL, "", midMarch).Series(t.Context(), wiretest.Once, key, missing)
	if err != nil || sim.Total() != 2 {
		t.Fatalf("%d calls, %v", sim.Total(), err)
	}
	if problem := wiretest.CheckAnswers(Name, missing, missing[0].To, got); problem != "" {
		t.Error(problem)
	}
	if n := len(got[0].Points) + len(got[1].Points); n != 1239 {
		t.Errorf("%d points", n)
	}
}

func TestNotOffered(t *testing.T) {
	u := wiretest.Serve(t, wiretest.Answer([]byte(`[]`)))
	c := client(t, u.URL, "", midMarch)
	for _, k := range []market.SeriesKey{
		{Asset: "bitcoin", Currency: "eur", Interval: market.Daily},
		{Asset: "BTCUSDT", Currency: "usd", Interval: market.Daily},
		{Asset: "tether", Currency: "usd", Interval: market.Daily},
		{Asset: "bitcoin", Currency: "usd", Interval: market.FiveMinutely},
		{Asset: "bitcoin", Metric: market.MVRV, Interval: market.Daily},
	} {
		_, err := c.Series(t.Context(), wiretest.Once, k, []market.Range{{From: 0, To: k.Interval.Step()}})
		wiretest.WantKind(t, fmt.Sprint(k), err, fault.UpstreamNotFound)
	}
	if n := len(u.Requests()); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// candle is a row of the day 2026-03-03 with some columns replaced.
func candle(replaced map[int]string) string {
	columns := strings.Split(`1772496000000,"1.5","2","1","1.6","10",1772582399999,"15",3,"1","1","0"`, ",")
	for i, text := range replaced {
		columns[i] = text
	}
	return "[[" + strings.Join(columns, ",") + "]]"
}

func TestDecodeCandles(t *testing.T) {
	got, err := decodeCandles([]byte(candle(nil)), market.Daily, midMarch)
	if err != nil {
		t.Fatal(err)
	}
	wiretest.CheckPoints(t, "a candle", got, point(1772496000000, 1.5))
	for name, body := range map[string]string{
		"a bare price":   candle(map[int]string{1: "1.5"}),
		"no price":       candle(map[int]string{1: `"x"`}),
		"null":           candle(map[int]string{1: "null"}),
		"negative":       candle(map[int]string{1: `"-1"`}),
		"infinite":       candle(map[int]string{1: `"1e999"`}),
		"text for time":  candle(map[int]string{0: `"1772496000000"`}),
		"an hour":        candle(map[int]string{6: "1772499599999"}),
		"off the grid":   candle(map[int]string{0: "1772496000001", 6: "1772582400000"}),
		"the future":     candle(map[int]string{0: "1783036800000", 6: "1783123199999"}),
		"eleven columns": `[[1772496000000,"1.5","2","1","1.6","10",1772582399999,"15",3,"1","1"]]`,
		"no rows":        `{"code":-1,"msg":"x"}`,
		"nothing":        `null`,
		"cut":            `[[1772496000000,"1.5"`,
	} {
		if got, err := decodeCandles([]byte(body), market.Daily, midMarch); err == nil {
			t.Errorf("%s is taken: %v", name, got)
		}
	}
}

func FuzzDecodeCandles(f *testing.F) {
	f.Add([]byte(candle(nil)))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		points, err := decodeCandles(body, market.Daily, midMarch)
		if err != nil {
			return
		}
		for i, p := range points {
			if p.Stamp%market.Daily.Step() != 0 || i > 0 && p.Stamp <= points[i-1].Stamp || !(p.Price >= 0) || math.IsInf(p.Price, 0) {
				t.Errorf("%+v", p)
			}
		}
	})
}

// TestErrors: the bodies are made up after the reference and what users report.
func TestErrors(t *testing.T) {
	for _, test := range []struct {
		status int
		body   string
		kind   fault.Kind
		wait   time.Duration
	}{
		{400, `{"code":-1121,"msg":"Invalid symbol."}`, fault.UpstreamNotFound, 0},
		{400, `{"code":-1100,"msg":"Illegal characters found in a parameter."}`, fault.UpstreamRejected, 0},
		{403, `<html>`, fault.UpstreamBlocked, 0},
		{404, ``, fault.UpstreamPath, 0},
		{418, `{"code":-1003,"msg":"Way too many requests; IP banned until 1773150000000."}`, fault.UpstreamRateLimited, 90 * time.Second},
		{429, `{"code":-1003,"msg":"Too many requests."}`, fault.UpstreamRateLimited, 90 * time.Second},
		{451, `{"code":0,"msg":"Service unavailable from a restricted location"}`, fault.UpstreamBlocked, 0},
		{500, `{"code":-1000,"msg":"x"}`, fault.UpstreamUnavailable, 90 * time.Second},
		{200, `{"code":-1121,"msg":"Invalid symbol."}`, fault.UpstreamNotFound, 0},
		{200, `{}`, fault.UpstreamNonsense, 0},
	} {
		u := wiretest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "90")
			wiretest.Refuse(test.status, "application/json", test.body)(w, r)
		})
		_, err := client(t, u.URL, "", midMarch).Series(t.Context(), wiretest.Once, chart(market.Daily), []market.Range{{From: midMarch.Truncate(24 * time.Hour).UnixMilli(), To: midMarch.UnixMilli()}})
		if f := fault.Of(err); f == nil || f.Kind != test.kind || f.RetryAfter != test.wait {
			t.Errorf("%d %s: %v, want %s after %v", test.status, test.body, err, test.kind, test.wait)
		}
	}
	wiretest.CheckNoSecret(t, func(base string) error {
		_, err := client(t, base, wiretest.Key, midMarch).Series(t.Context(), wiretest.Once, chart(market.Daily), []market.Range{{From: midMarch.Truncate(24 * time.Hour).UnixMilli(), To: midMarch.UnixMilli()}})
		return err
	})
}

// TestIDs compares ids.csv with CoinGecko's list.
func TestIDs(t *testing.T) {
	symbols := make(map[string]string)
	for id, their := range client(t, "http://localhost", "", midMarch).ids {
		symbols[id] = strings.TrimSuffix(their[0], "USDT")
	}
	wiretest.CheckIDs(t, "../..", symbols)
}
