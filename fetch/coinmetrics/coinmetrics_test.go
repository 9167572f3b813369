package coinmetrics

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/simulator"
	"github.com/coingraph/coingraph/fetch/wire/wiretest"
	"github.com/coingraph/coingraph/market"
)

var (
	midMarch = time.Date(2026, 3, 10, 12, 30, 20, 0, time.UTC)
	chart    = market.SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: market.Daily}
)

func client(t testing.TB, base, key string, now time.Time) *Client {
	t.Helper()
	c, err := New(Options{BaseURL: base + "/coinmetrics/v4", Key: key, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.wire.CloseIdleConnections)
	return c
}

func days(t testing.TB, from, to string) []market.Range {
	return []market.Range{{From: wiretest.At(t, from+"T00:00:00Z"), To: wiretest.At(t, to+"T00:00:00Z") + dayMs}}
}

func metric(m market.Metric) market.SeriesKey {
	return market.SeriesKey{Asset: "bitcoin", Metric: m, Interval: market.Daily}
}

func point(stamp int64, v float64, missing market.Missing) market.Point {
	return market.Point{Stamp: stamp, Price: v, MarketCap: math.NaN(), Volume: math.NaN(), Missing: missing}
}

// TestRecorded reads the recorded answer over HTTP, once for each of its metrics that market has, and compares with the
// texts that stand in it. The second day that it was asked for is not there: it is covered, and a hole.
func TestRecorded(t *testing.T) {
	for name, body := range wiretest.Recordings(t, "../..", Name, "*.json") {
		var plain struct{ Data []map[string]string }
		if err := json.Unmarshal(body, &plain); err != nil || len(plain.Data) != 1 {
			t.Fatal(name, err)
		}
		u := wiretest.Serve(t, wiretest.Answer(body))
		c := client(t, u.URL, "", time.Date(2026, 2, 19, 3, 0, 0, 0, time.UTC))
		missing := days(t, "2026-02-17", "2026-02-18")
		for m, field := range map[market.Metric]string{market.ActiveAddresses: "AdrActCnt", market.TransactionCount: "TxCnt"} {
			want, err := strconv.ParseFloat(plain.Data[0][field], 64)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Series(t.Context(), wiretest.Once, metric(m), missing)
			if err != nil || len(got) != 1 || got[0].Covers != missing[0] {
				t.Fatalf("%v %v", got, err)
			}
			wiretest.CheckPoints(t, field, got[0].Points, point(missing[0].From, want, 0))
		}
		// It has no PriceUSD: a value that lacks.
		got, err := c.Series(t.Context(), wiretest.Once, chart, days(t, "2026-02-18", "2026-02-18"))
		if err != nil || len(got) != 1 {
			t.Fatalf("%v %v", got, err)
		}
		wiretest.CheckPoints(t, "PriceUSD", got[0].Points, point(missing[0].From+dayMs, math.NaN(), market.MissingPrice|market.MissingMarketCap|market.MissingVolume))
	}
}

// TestRequests: charts are asked for a day earlier than their points, and the key is where the API takes it.
func TestRequests(t *testing.T) {
	for _, key := range []string{"", wiretest.Key} {
		u := wiretest.Serve(t, wiretest.Answer([]byte(`{"data":[]}`)))
		c := client(t, u.URL, key, midMarch)
		for _, k := range []market.SeriesKey{chart, metric(market.MVRV)} {
			if _, err := c.Series(t.Context(), wiretest.Once, k, days(t, "2026-03-01", "2026-03-12")); err != nil {
				t.Fatal(err)
			}
		}
		for i, want := range []string{"assets=btc&end_time=2026-03-09&frequency=1d&metrics=PriceUSD&page_size=10000&paging_from=start&start_time=2026-02-28", "assets=btc&end_time=2026-03-09&frequency=1d&metrics=CapMVRVCur&page_size=10000&paging_from=start&start_time=2026-03-01"} {
			if key != "" {
				want = "api_key=" + key + "&" + want
			}
			if got := u.Requests()[i].URL; got.Path != "/coinmetrics/v4/timeseries/asset-metrics" || got.RawQuery != want {
				t.Errorf("asked for %s, want %s", got, want)
			}
		}
	}
}

func TestNotOffered(t *testing.T) {
	u := wiretest.Serve(t, wiretest.Answer([]byte(`{"data":[]}`)))
	c := client(t, u.URL, "", midMarch)
	for _, k := range []market.SeriesKey{
		{Asset: "bitcoin", Currency: "eur", Interval: market.Daily},
		{Asset: "bitcoin", Currency: "usd", Interval: market.Hourly},
		{Asset: "btc", Currency: "usd", Interval: market.Daily},
		{Asset: "bitcoin", Metric: market.ExchangeInflow, Interval: market.Daily},
		{Asset: "bitcoin", Metric: market.MVRV, Interval: market.Hourly},
		{Asset: "solana", Metric: market.ActiveAddresses, Interval: market.Daily},
	} {
		_, err := c.Series(t.Context(), wiretest.Once, k, days(t, "2026-03-01", "2026-03-02"))
		wiretest.WantKind(t, fmt.Sprint(k), err, fault.UpstreamNotFound)
	}
	if n := len(u.Requests()); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// TestPages: an answer in pages is several answers, each complete up to its last row.
func TestPages(t *testing.T) {
	row := func(day string) string {
		return `{"asset":"btc","time":"` + day + `T00:00:00.000000000Z","PriceUSD":"1.5"}`
	}
	u := wiretest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		body := map[string]string{
			"": `{"data":[` + row("2026-03-01") + `,` + row("2026-03-02") + `],"next_page_token":"a","next_page_url":"https://elsewhere.example.com/"}`, "a": `{"data":[` + row("2026-03-04") + `]}`,
		}[r.URL.Query().Get("next_page_token")]
		wiretest.Answer([]byte(body))(w, r)
	})
	missing := days(t, "2026-03-02", "2026-03-06")
	got, err := client(t, u.URL, "", midMarch).Series(t.Context(), wiretest.Once, chart, missing)
	if err != nil || len(got) != 2 {
		t.Fatalf("%v %v", got, err)
	}
	third := wiretest.At(t, "2026-03-03T00:00:00Z")
	if got[0].Covers != (market.Range{From: missing[0].From, To: third + dayMs}) || got[1].Covers != (market.Range{From: third + dayMs, To: missing[0].To}) {
		t.Errorf("%+v", got)
	}
	if problem := wiretest.CheckAnswers(Name, missing, missing[0].To, got); problem != "" {
		t.Error(problem)
	}
	const lacks = market.MissingMarketCap | market.MissingVolume
	wiretest.CheckPoints(t, "the second page", got[1].Points, point(wiretest.At(t, "2026-03-05T00:00:00Z"), 1.5, lacks))

	u = wiretest.Serve(t, wiretest.Answer([]byte(`{"data":[],"next_page_token":"a"}`)))
	_, err = client(t, u.URL, "", midMarch).Series(t.Context(), wiretest.Once, chart, missing)
	wiretest.WantKind(t, "pages without end", err, fault.UpstreamNonsense)
}

// TestSimulated: a chart has the prices of its instants, whatever is asked for, and offers have their values.
func TestSimulated(t *testing.T) {
	sim := simulator.New(simulator.Options{Seed: 5, Now: func() time.Time { return midMarch }})
	server := httptest.NewServer(sim)
	defer server.Close()
	c := client(t, server.URL, "", midMarch)
	rapid.Check(t, func(rt *rapid.T) {
		today := market.Daily.Floor(midMarch.UnixMilli())
		from := today - rapid.Int64Range(0, 4000).Draw(rt, "back")*dayMs
		missing := []market.Range{{From: from, To: from + rapid.Int64Range(1, 4000).Draw(rt, "days")*dayMs}}
		got, err := c.Series(t.Context(), wiretest.Once, chart, missing)
		if err != nil {
			rt.Fatal(err)
		}
		if problem := wiretest.CheckAnswers(Name, missing, today+dayMs, got); problem != "" {
			rt.Fatal(problem)
		}
		n := 0
		for _, f := range got {
			for _, p := range f.Points {
				n++
				if v, ok := sim.Price("bitcoin", "usd", time.UnixMilli(p.Stamp)); !ok || v != p.Price {
					rt.Fatalf("%s: %v, want %v", time.UnixMilli(p.Stamp).UTC(), p.Price, v)
				}
			}
		}
		if want := (min(missing[0].To, today+dayMs) - from) / dayMs; int64(n) != want {
			rt.Fatalf("%d points, want %d", n, want)
		}
	})
	for _, o := range c.Offers() {
		if o.Asset != "bitcoin" && o.Asset != "ethereum" {
			continue
		}
		got, err := c.Series(t.Context(), wiretest.Once, market.SeriesKey{Asset: o.Asset, Metric: o.Metric, Interval: o.Intervals[0]}, days(t, "2026-03-01", "2026-03-10"))
		if err != nil || len(got) != 1 || len(got[0].Points) != 9 || o.Provider != Name || o.Unit == "" {
			t.Errorf("%+v: %v %v", o, got, err)
		}
	}
	if len(c.Offers()) != 13+13+7 {
		t.Errorf("%d offers", len(c.Offers()))
	}
}

func decoded(row string) ([]market.Point, error) {
	points, _, err := decodeRows([]byte(`{"data":[`+row+`]}`), series{"btc", priceUSD, dayMs}, midMarch)
	return points, err
}

func TestDecodeRefuses(t *testing.T) {
	const good = `{"asset":"btc","time":"2026-03-01T00:00:00.000000000Z","PriceUSD":"1"}`
	if points, err := decoded(good); err != nil || len(points) != 1 {
		t.Fatalf("%v %v", points, err)
	}
	for name, row := range map[string]string{
		"another asset":  `{"asset":"bch","time":"2026-03-01T00:00:00Z","PriceUSD":"1"}`,
		"no asset":       `{"time":"2026-03-01T00:00:00Z","PriceUSD":"1"}`,
		"a bare number":  `{"asset":"btc","time":"2026-03-01T00:00:00Z","PriceUSD":1}`,
		"negative":       `{"asset":"btc","time":"2026-03-01T00:00:00Z","PriceUSD":"-1"}`,
		"no number":      `{"asset":"btc","time":"2026-03-01T00:00:00Z","PriceUSD":"n/a"}`,
		"no time":        `{"asset":"btc","PriceUSD":"1"}`,
		"no midnight":    `{"asset":"btc","time":"2026-03-01T01:00:00Z","PriceUSD":"1"}`,
		"the future":     `{"asset":"btc","time":"2026-03-11T00:00:00Z","PriceUSD":"1"}`,
		"before Bitcoin": `{"asset":"btc","time":"2001-03-11T00:00:00Z","PriceUSD":"1"}`,
		"no object":      `1`,
		"cut":            `{"asset":"btc"`,
	} {
		if points, err := decoded(row); err == nil {
			t.Errorf("%s is taken: %v", name, points)
		}
	}
	if _, _, err := decodeRows([]byte(`{}`), series{"btc", priceUSD, dayMs}, midMarch); err == nil {
		t.Error("no data is taken")
	}
}

func FuzzDecodeRows(f *testing.F) {
	f.Add([]byte(`{"data":[{"asset":"btc","time":"2026-02-17T00:00:00.000000000Z","PriceUSD":"595445"},{"asset":"btc","time":"2026-02-16T00:00:00Z","PriceUSD":null}],"next_page_token":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		points, _, err := decodeRows(body, series{"btc", priceUSD, dayMs}, midMarch)
		if err != nil {
			return
		}
		for i, p := range points {
			if p.Stamp%dayMs != 0 || i > 0 && p.Stamp <= points[i-1].Stamp || p.Price < 0 || math.IsInf(p.Price, 0) {
				t.Errorf("%+v", p)
			}
		}
	})
}

// TestErrors: the bodies follow the reference and are made up, as no recorded one is known.
func TestErrors(t *testing.T) {
	const said = `{"error":{"type":"forbidden","message":"Requested metric 'X' with frequency '1d' for asset 'btc' is not available with supplied credentials."}}`
	for _, test := range []struct {
		status    int
		key, body string
		kind      fault.Kind
	}{
		{400, "", `{"error":{"type":"bad_parameter","message":"Bad parameter 'assets'."}}`, fault.UpstreamRejected},
		{401, "", said, fault.UpstreamPlan},
		{401, wiretest.Key, said, fault.UpstreamKey},
		{401, "", ``, fault.UpstreamKey},
		{403, "", said, fault.UpstreamPlan},
		{403, "", `<html>`, fault.UpstreamBlocked},
		{404, "", `{"error":{"type":"not_found","message":"x"}}`, fault.UpstreamNotFound},
		{404, "", ``, fault.UpstreamPath},
		{429, "", `{"error":{"type":"too_many_requests","message":"x"}}`, fault.UpstreamRateLimited},
		{500, "", ``, fault.UpstreamUnavailable},
		{200, "", `{"error":{"type":"x","message":"y"}}`, fault.UpstreamNonsense},
		{200, "", `{"data":{}}`, fault.UpstreamNonsense},
	} {
		u := wiretest.Serve(t, wiretest.Refuse(test.status, "application/json", test.body))
		_, err := client(t, u.URL, test.key, midMarch).Series(t.Context(), wiretest.Once, chart, days(t, "2026-03-01", "2026-03-02"))
		wiretest.WantKind(t, fmt.Sprintf("%d %s", test.status, test.body), err, test.kind)
	}
	wiretest.CheckNoSecret(t, func(base string) error {
		_, err := client(t, base, wiretest.Key, midMarch).Series(t.Context(), wiretest.Once, chart, days(t, "2026-03-01", "2026-03-02"))
		return err
	})
}

// TestIDs compares ids.csv with CoinGecko's list.
func TestIDs(t *testing.T) {
	symbols := make(map[string]string)
	for id, their := range client(t, "http://localhost", "", midMarch).ids {
		symbols[id] = their[0]
	}
	wiretest.CheckIDs(t, "../..", symbols)
}
