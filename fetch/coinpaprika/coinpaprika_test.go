package coinpaprika

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/simulator"
	"github.com/coingraph/coingraph/fetch/wire/wiretest"
	"github.com/coingraph/coingraph/market"
)

var midMarch = time.Date(2026, 3, 10, 12, 30, 20, 0, time.UTC)

func client(t testing.TB, base, key string, now time.Time) *Client {
	t.Helper()
	c, err := New(Options{BaseURL: base + "/coinpaprika/v1", Key: key, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.wire.CloseIdleConnections)
	return c
}

func simulated(t testing.TB, now time.Time) (*simulator.Simulator, string) {
	t.Helper()
	sim := simulator.New(simulator.Options{Seed: 5, Now: func() time.Time { return now }})
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return sim, server.URL
}

// TestRecorded reads the recorded tickers over HTTP, and compares bit for bit with the numbers that stand in them. One of
// them answers for a contract; its asset is not in the table, so the test adds it.
func TestRecorded(t *testing.T) {
	type expected struct{ asset, id string }
	want := map[string]expected{
		"tickers__btc-bitcoin.json":              {"bitcoin", "btc-bitcoin"},
		"contracts_ticker__omg-omg-network.json": {"omisego", "omg-omg-network"},
	}
	for name, body := range wiretest.Recordings(t, "../..", Name, "*.json") {
		w, ok := want[name]
		if !ok {
			t.Errorf("%s is not tested", name)
			continue
		}
		var plain struct {
			LastUpdated time.Time `json:"last_updated"`
			Quotes      map[string]struct {
				Price     float64 `json:"price"`
				Volume    float64 `json:"volume_24h"`
				MarketCap float64 `json:"market_cap"`
				Change    float64 `json:"percent_change_24h"`
			}
		}
		if err := json.Unmarshal(body, &plain); err != nil {
			t.Fatal(err)
		}
		u := wiretest.Serve(t, wiretest.Answer(body))
		now := plain.LastUpdated.Add(time.Minute)
		c := client(t, u.URL, "", now)
		c.ids[w.asset] = []string{w.id}
		pair := market.Pair{Asset: w.asset, Currency: "usd"}
		got, err := c.Quotes(t.Context(), wiretest.Once, []market.Pair{pair, {Asset: w.asset, Currency: "eur"}})
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %v %v", name, got, err)
		}
		usd := plain.Quotes["USD"]
		if q := got[0]; q.Pair != pair || q.Price != usd.Price || q.Volume24h != usd.Volume || q.MarketCap != usd.MarketCap || q.Change24h != usd.Change ||
			!q.LastUpdatedAt.Equal(plain.LastUpdated) || !q.FetchedAt.Equal(now) || q.Source != Name {
			t.Errorf("%s: %+v", name, q)
		}
		if r := u.Requests()[0]; r.URL.String() != "/coinpaprika/v1/tickers/"+w.id+"?quotes=EUR,USD" {
			t.Errorf("asked for %s", r.URL)
		}
	}
}

// TestQuotes: three currencies take a call, for one asset or for many; the values are the market's; and what is not known
// here has no answer and no call.
func TestQuotes(t *testing.T) {
	sim, base := simulated(t, midMarch)
	c := client(t, base, "", midMarch)
	var pairs []market.Pair
	for _, asset := range []string{"bitcoin", "ethereum", "avalanche-2", "usd-coin", "aave", "btc", "act-i-the-ai-prophecy"} {
		for _, currency := range []market.Currency{"usd", "eur", "btc", "jpy", "xau"} {
			pairs = append(pairs, market.Pair{Asset: asset, Currency: currency})
		}
	}
	got, err := c.Quotes(t.Context(), wiretest.Once, append(pairs, pairs...))
	if err != nil || len(got) != 5*4 || sim.Counts()["/coinpaprika/v1/tickers"] != 2 || sim.Total() != 2 {
		t.Fatalf("%d quotes, %v; %v", len(got), err, sim.Counts())
	}
	for _, q := range got {
		want, ok := sim.Quote(q.Asset, q.Currency, midMarch)
		if !ok || q.Price != want.Price || q.Volume24h != want.Volume24h || math.Abs(q.MarketCap-want.MarketCap) > 0.5 || q.LastUpdatedAt.UnixMilli() != want.UpdatedAt {
			t.Errorf("%+v, want %+v", q, want)
		}
	}
	sim.ResetCalls()
	if got, err := c.Quotes(t.Context(), wiretest.Once, pairs[:3]); err != nil || len(got) != 3 || sim.Counts()["/coinpaprika/v1/tickers/{id}"] != 1 || sim.Total() != 1 {
		t.Errorf("one asset: %v %v; %v", got, err, sim.Counts())
	}
	sim.ResetCalls()
	if got, err := c.Quotes(t.Context(), wiretest.Once, []market.Pair{{Asset: "btc", Currency: "usd"}, {Asset: "bitcoin", Currency: "xau"}}); err != nil || len(got) != 0 || sim.Total() != 0 {
		t.Errorf("unknown: %v %v; %v", got, err, sim.Counts())
	}
}

// TestQuotesKeepAnswers: what was answered before a call failed is good.
func TestQuotesKeepAnswers(t *testing.T) {
	sim, base := simulated(t, midMarch)
	if err := sim.Inject(simulator.Fault{Match: "USD", Status: 503}); err != nil {
		t.Fatal(err)
	}
	var pairs []market.Pair
	for _, currency := range []market.Currency{"btc", "chf", "eur", "usd"} {
		pairs = append(pairs, market.Pair{Asset: "bitcoin", Currency: currency})
	}
	got, err := client(t, base, "", midMarch).Quotes(t.Context(), wiretest.Once, pairs)
	wiretest.WantKind(t, "the second call", err, fault.UpstreamUnavailable)
	if len(got) != 3 {
		t.Errorf("%v", got)
	}
}

// TestSeries: a chart has the market's values; what is older than the free plan gives takes no call; a key changes host and
// reach.
func TestSeries(t *testing.T) {
	sim, base := simulated(t, midMarch)
	c := client(t, base, "", midMarch)
	for _, key := range []market.SeriesKey{
		{Asset: "ethereum", Currency: "usd", Interval: market.Daily}, {Asset: "ethereum", Currency: "btc", Interval: market.Daily}, {Asset: "ethereum", Currency: "usd", Interval: market.Hourly},
	} {
		sim.ResetCalls()
		end := key.Interval.Floor(midMarch.UnixMilli()) + key.Interval.Step()
		missing := []market.Range{{From: end - 500*key.Interval.Step(), To: end}}
		got, err := c.Series(t.Context(), wiretest.Once, key, missing)
		if err != nil || len(got) != 2 || sim.Total() != 1 {
			t.Fatalf("%v: %d answers, %v; %v", key, len(got), err, sim.Counts())
		}
		if problem := wiretest.CheckAnswers(Name, missing, end, got); problem != "" {
			t.Error(problem)
		}
		n := map[market.Interval]int{market.Daily: 365, market.Hourly: 24}[key.Interval]
		if len(got[1].Points) != n || got[0].Beyond.From != missing[0].From || got[0].Beyond.To != got[1].Covers.From {
			t.Errorf("%v: %d points, beyond %v", key, len(got[1].Points), got[0].Beyond)
		}
		for _, p := range got[1].Points {
			if v, ok := sim.Price(key.Asset, key.Currency, time.UnixMilli(p.Stamp)); !ok || v != p.Price || p.MarketCap <= 0 || p.Volume <= 0 {
				t.Fatalf("%+v, want %v", p, v)
			}
		}
	}
	paid := client(t, base, wiretest.Key, midMarch)
	_, err := paid.Series(t.Context(), wiretest.Once, market.SeriesKey{Asset: "ethereum", Currency: "usd", Interval: market.Daily}, []market.Range{{From: wiretest.At(t, "2020-01-01T00:00:00Z"), To: wiretest.At(t, "2020-01-02T00:00:00Z")}})
	wiretest.WantKind(t, "beyond a plan that is not known", err, fault.UpstreamPlan)

	for _, k := range []market.SeriesKey{
		{Asset: "bitcoin", Currency: "eur", Interval: market.Daily},
		{Asset: "btc", Currency: "usd", Interval: market.Daily},
		{Asset: "bitcoin", Metric: market.MVRV, Interval: market.Daily},
		{Asset: "bitcoin", Currency: "usd", Interval: market.FiveMinutely},
	} {
		_, err := c.Series(t.Context(), wiretest.Once, k, []market.Range{{From: 0, To: k.Interval.Step()}})
		wiretest.WantKind(t, fmt.Sprint(k), err, fault.UpstreamNotFound)
	}
}

func TestKeyAndHost(t *testing.T) {
	for key, want := range map[string]string{"": BaseURL, wiretest.Key: ProBaseURL} {
		if c, err := New(Options{Key: key}); err != nil || c.wire.BaseURL() != want || c.header.Get("Authorization") != key {
			t.Errorf("%q: %v", key, err)
		}
	}
}

const btc = `"id":"btc-bitcoin","last_updated":"2026-03-10T12:30:00Z"`

func TestDecodeTickers(t *testing.T) {
	c := client(t, "http://localhost", "", midMarch)
	decode := func(body string) ([]market.Quote, error) {
		return c.decodeTickers([]byte(body), strings.HasPrefix(body, "{"), []string{"bitcoin"}, []market.Currency{"usd"}, midMarch)
	}
	for name, test := range map[string]struct {
		body string
		want int
	}{
		"one":             {`{` + btc + `,"quotes":{"USD":{"price":1.2e-07,"market_cap":0}}}`, 1},
		"among others":    {`[{"id":"x","last_updated":"0001-01-01T00:00:00Z","quotes":{}},{` + btc + `,"quotes":{"USD":{"price":1}}}]`, 1},
		"not among them":  {`[{"id":"x","last_updated":"2026-03-10T12:30:00Z","quotes":{"USD":{"price":1}}}]`, 0},
		"no price":        {`{` + btc + `,"quotes":{"USD":{"price":null,"market_cap":5}}}`, 0},
		"other quotes":    {`{` + btc + `,"quotes":{"EUR":{"price":1}}}`, 0},
		"never updated":   {`{"id":"btc-bitcoin","last_updated":"0001-01-01T00:00:00Z","quotes":{"USD":{"price":1}}}`, 0},
		"nulls elsewhere": {`{` + btc + `,"quotes":{"USD":{"price":1,"ath_date":null,"percent_change_24h":null}}}`, 1},
	} {
		if got, err := decode(test.body); err != nil || len(got) != test.want {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
	for name, body := range map[string]string{
		"another coin":   `{"id":"bch-bitcoin-cash","last_updated":"2026-03-10T12:30:00Z","quotes":{"USD":{"price":1}}}`,
		"no id":          `{"last_updated":"2026-03-10T12:30:00Z","quotes":{"USD":{"price":1}}}`,
		"no quotes":      `{` + btc + `}`,
		"an error":       `{"error":"id not found"}`,
		"text":           `{` + btc + `,"quotes":{"USD":{"price":"1"}}}`,
		"negative":       `{` + btc + `,"quotes":{"USD":{"price":-1}}}`,
		"a text for cap": `{` + btc + `,"quotes":{"USD":{"price":1,"market_cap":"x"}}}`,
		"the future":     `{"id":"btc-bitcoin","last_updated":"2026-03-12T12:30:00Z","quotes":{"USD":{"price":1}}}`,
		"no time":        `{"id":"btc-bitcoin","last_updated":"today","quotes":{"USD":{"price":1}}}`,
		"nothing":        `[]`,
		"cut":            `{` + btc,
	} {
		if got, err := decode(body); err == nil {
			t.Errorf("%s is taken: %v", name, got)
		}
	}
}

func TestDecodeTicks(t *testing.T) {
	d3 := wiretest.At(t, "2026-03-03T00:00:00Z")
	got, err := decodeTicks([]byte(`[{"timestamp":"2026-03-04T00:00:00Z","price":2,"volume_24h":5,"market_cap":0},{"timestamp":"2026-03-03T00:00:00Z","price":null,"volume_24h":7}]`), market.Daily, midMarch)
	if err != nil {
		t.Fatal(err)
	}
	wiretest.CheckPoints(t, "ticks", got, market.Point{Stamp: d3, Price: math.NaN(), MarketCap: math.NaN(), Volume: 7, Missing: market.MissingMarketCap},
		market.Point{Stamp: d3 + market.Daily.Step(), Price: 2, Volume: 5})
	for name, body := range map[string]string{
		"off the grid": `[{"timestamp":"2026-03-03T01:00:00Z","price":1}]`, "no time": `[{"price":1}]`, "the future": `[{"timestamp":"2026-03-12T00:00:00Z","price":1}]`,
		"text": `[{"timestamp":"2026-03-03T00:00:00Z","price":"1"}]`, "negative": `[{"timestamp":"2026-03-03T00:00:00Z","price":-1}]`, "null": `null`, "an object": `{}`,
	} {
		if got, err := decodeTicks([]byte(body), market.Daily, midMarch); err == nil {
			t.Errorf("%s is taken: %v", name, got)
		}
	}
}

func FuzzDecodeTickers(f *testing.F) {
	f.Add([]byte(`{`+btc+`,"quotes":{"USD":{"price":1.5,"volume_24h":2,"market_cap":3,"percent_change_24h":-4}}}`), true)
	f.Add([]byte(`[{`+btc+`,"quotes":{"USD":{"price":1}}}]`), false)
	c := client(f, "http://localhost", "", midMarch)
	f.Fuzz(func(t *testing.T, body []byte, single bool) {
		got, err := c.decodeTickers(body, single, []string{"bitcoin"}, []market.Currency{"usd"}, midMarch)
		for _, q := range got {
			if err != nil || !(q.Price >= 0) || math.IsInf(q.Price, 0) || q.MarketCap < 0 || q.Asset != "bitcoin" {
				t.Errorf("%+v %v", q, err)
			}
		}
	})
}

func FuzzDecodeTicks(f *testing.F) {
	f.Add([]byte(`[{"timestamp":"2026-03-04T00:00:00Z","price":2,"volume_24h":5,"market_cap":0}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decodeTicks(body, market.Daily, midMarch)
		if err == nil && !slices.IsSortedFunc(got, func(a, b market.Point) int { return int(a.Stamp - b.Stamp) }) {
			t.Errorf("%+v", got)
		}
	})
}

// TestErrors: the bodies are made up after the reference and what users report.
func TestErrors(t *testing.T) {
	for _, test := range []struct {
		status    int
		key, body string
		kind      fault.Kind
	}{
		{400, "", `{"error":"invalid parameters"}`, fault.UpstreamRejected},
		{401, "", `{"error":"unauthorized"}`, fault.UpstreamPlan},
		{401, wiretest.Key, `{"error":"invalid API key"}`, fault.UpstreamKey},
		{402, "", `{"error":"getting historical data before 2025-03-10 is not allowed in this plan"}`, fault.UpstreamPlan},
		{403, "", `{"error":"forbidden"}`, fault.UpstreamPlan},
		{403, "", `<html>`, fault.UpstreamBlocked},
		{404, "", `{"error":"id not found"}`, fault.UpstreamNotFound},
		{404, "", `404 page not found`, fault.UpstreamPath},
		{429, "", `{"error":"too many requests"}`, fault.UpstreamRateLimited},
		{500, "", ``, fault.UpstreamUnavailable},
		{200, "", `{"error":"id not found"}`, fault.UpstreamNonsense},
	} {
		u := wiretest.Serve(t, wiretest.Refuse(test.status, "application/json", test.body))
		c := client(t, u.URL, test.key, midMarch)
		_, err := c.Quotes(t.Context(), wiretest.Once, []market.Pair{{Asset: "bitcoin", Currency: "usd"}})
		wiretest.WantKind(t, fmt.Sprintf("%d %s", test.status, test.body), err, test.kind)
		_, err = c.Series(t.Context(), wiretest.Once, market.SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: market.Daily}, []market.Range{{From: midMarch.Truncate(24 * time.Hour).UnixMilli(), To: midMarch.UnixMilli()}})
		wiretest.WantKind(t, fmt.Sprintf("chart: %d %s", test.status, test.body), err, test.kind)
	}
	wiretest.CheckNoSecret(t, func(base string) error {
		_, err := client(t, base, wiretest.Key, midMarch).Quotes(t.Context(), wiretest.Once, []market.Pair{{Asset: "bitcoin", Currency: "usd"}})
		return err
	})
}

// TestIDs compares ids.csv with CoinGecko's list.
func TestIDs(t *testing.T) {
	symbols := make(map[string]string)
	for id, their := range client(t, "http://localhost", "", midMarch).ids {
		symbols[id] = strings.SplitN(their[0], "-", 2)[0]
	}
	wiretest.CheckIDs(t, "../..", symbols)
}
