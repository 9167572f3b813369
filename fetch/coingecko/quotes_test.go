package coingecko

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pgregory.net/rapid"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/wire/wiretest"
	"github.com/coingraph/coingraph/market"
)

var midMarch = time.Date(2026, 3, 10, 12, 30, 20, 0, time.UTC)

// TestRecordedPrices reads each recorded answer and compares it, bit for bit, with the numbers that stand in it.
func TestRecordedPrices(t *testing.T) {
	for name, body := range recordings(t, "simple_price__*.json") {
		var want map[string]map[string]json.Number
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatal(err)
		}
		var pairs []market.Pair
		prices := map[market.Pair]float64{}
		for id, values := range want {
			for cur, n := range values {
				f, err := strconv.ParseFloat(n.String(), 64)
				if err != nil {
					t.Fatal(err)
				}
				p := market.Pair{Asset: id, Currency: market.Currency(cur)}
				pairs, prices[p] = append(pairs, p), f
			}
		}
		got, err := client(t, wiretest.Serve(t, wiretest.Answer(body)), Public, midMarch).Quotes(t.Context(), wiretest.Once, pairs)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(got) != len(prices) || len(got) == 0 {
			t.Errorf("%s: %d quotes, want %d", name, len(got), len(prices))
		}
		for _, q := range got {
			if math.Float64bits(q.Price) != math.Float64bits(prices[q.Pair]) || !math.IsNaN(q.MarketCap) || !q.LastUpdatedAt.Equal(midMarch) {
				t.Errorf("%s: %+v, want the price %v and nothing else", name, q, prices[q.Pair])
			}
		}
	}
}

// The bodies below are made up after the reference: no recording has the options on.
func TestQuotes(t *testing.T) {
	at := time.Unix(midMarch.Unix()-7, 0).UTC()
	body := fmt.Sprintf(`{"bitcoin":{"usd":67187.3358936566,"usd_market_cap":0.0,"usd_24h_vol":31260929299.5,"usd_24h_change":-3.637,"eur":1e-300,"last_updated_at":%d},
		"status":{"usd":0.02,"usd_24h_change":null,"eur":null},"other":{"usd":1},"dead":{},"gone":null}`, at.Unix())
	u := wiretest.Serve(t, wiretest.Answer([]byte(body)))
	c := client(t, u, Demo, midMarch)
	var pairs []market.Pair
	for _, id := range []string{"status", "bitcoin", "dead", "gone", "absent", "boringdao-[old]", "1move token", "No Id", "../x"} {
		for _, cur := range []market.Currency{"usd", "eur"} {
			pairs = append(pairs, market.Pair{Asset: id, Currency: cur})
		}
	}
	got, err := c.Quotes(t.Context(), wiretest.Once, pairs)
	if err != nil {
		t.Fatal(err)
	}
	nan := math.NaN()
	want := []market.Quote{
		{Pair: market.Pair{Asset: "bitcoin", Currency: "eur"}, Price: 1e-300, MarketCap: nan, Volume24h: nan, Change24h: nan, LastUpdatedAt: at, FetchedAt: midMarch, Source: "coingecko"},
		{Pair: market.Pair{Asset: "bitcoin", Currency: "usd"}, Price: 67187.3358936566, MarketCap: 0, Volume24h: 31260929299.5, Change24h: -3.637, LastUpdatedAt: at, FetchedAt: midMarch, Source: "coingecko"},
		{Pair: market.Pair{Asset: "status", Currency: "usd"}, Price: 0.02, MarketCap: nan, Volume24h: nan, Change24h: nan, LastUpdatedAt: midMarch, FetchedAt: midMarch, Source: "coingecko"},
	}
	if diff := cmp.Diff(want, got, sameFloats()); diff != "" {
		t.Error(diff)
	}

	seen := u.Requests()
	if len(seen) != 1 {
		t.Fatalf("%d requests", len(seen))
	}
	r := seen[0]
	q := r.URL.Query()
	if r.URL.Path != "/api/v3/simple/price" || q.Get("ids") != "1move token,absent,bitcoin,boringdao-[old],dead,gone,status" || q.Get("vs_currencies") != "eur,usd" {
		t.Errorf("asked %s", r.URL)
	}
	for _, name := range []string{"include_market_cap", "include_24hr_vol", "include_24hr_change", "include_last_updated_at"} {
		if q.Get(name) != "true" {
			t.Errorf("%s is not asked for", name)
		}
	}
	if q.Get("precision") != "full" || r.Header.Get("X-Cg-Demo-Api-Key") != testKey || r.Header.Get("User-Agent") != "coingraph" || strings.Contains(r.URL.String(), testKey) {
		t.Errorf("asked %s with %v", r.URL, r.Header)
	}
}

// sameFloats compares doubles bit for bit.
func sameFloats() cmp.Option {
	return cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) || a != a && b != b })
}

func TestNoQuotesAreNoCall(t *testing.T) {
	u := wiretest.Serve(t, wiretest.Answer([]byte("{}")))
	c := client(t, u, Public, midMarch)
	for _, pairs := range [][]market.Pair{nil, {{Asset: "Not An Id", Currency: "usd"}}} {
		if got, err := c.Quotes(t.Context(), wiretest.Once, pairs); len(got) != 0 || err != nil {
			t.Error(got, err)
		}
	}
	if n := len(u.Requests()); n != 0 {
		t.Errorf("%d calls", n)
	}
	// An empty object is an answer: no price.
	if got, err := c.Quotes(t.Context(), wiretest.Once, []market.Pair{{Asset: "bitcoin", Currency: "usd"}}); len(got) != 0 || err != nil {
		t.Error(got, err)
	}
}

func TestQuotesRefused(t *testing.T) {
	now := midMarch.Unix()
	for _, body := range []string{
		``, `null`, `[]`, `1`, `{"bitcoin":{"usd":1}} x`, `{"bitcoin":{"usd":1}}{}`,
		`{"bitcoin":{"usd":"67187"}}`, `{"bitcoin":{"usd":true}}`, `{"bitcoin":{"usd":[1]}}`, `{"bitcoin":{"usd":-1}}`, `{"bitcoin":{"usd":1e999}}`,
		`{"bitcoin":{"usd":NaN}}`, `{"bitcoin":[]}`, `{"bitcoin":1}`,
		`{"bitcoin":{"usd":1,"usd_market_cap":-1}}`, `{"bitcoin":{"usd":1,"usd_24h_vol":"1"}}`, `{"bitcoin":{"usd":1,"usd_24h_change":"1"}}`,
		`{"bitcoin":{"usd":1,"last_updated_at":"1"}}`, `{"bitcoin":{"usd":1,"last_updated_at":1.5e9}}`, `{"bitcoin":{"usd":1,"last_updated_at":0}}`,
		fmt.Sprintf(`{"bitcoin":{"usd":1,"last_updated_at":%d}}`, now+3700),
		fmt.Sprintf(`{"bitcoin":{"usd":1,"last_updated_at":%d}}`, now*1000), // ms
	} {
		got, err := client(t, wiretest.Serve(t, wiretest.Answer([]byte(body))), Public, midMarch).Quotes(t.Context(), wiretest.Once, []market.Pair{{Asset: "bitcoin", Currency: "usd"}})
		if wiretest.WantKind(t, body, err, fault.UpstreamNonsense); len(got) != 0 {
			t.Errorf("%s: %v", body, got)
		}
	}
}

// TestQuotePages wants few pages, each within its bounds, and all ids in one of them.
func TestQuotePages(t *testing.T) {
	ids := func(n, length int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprintf("%0*d", length, i)
		}
		return out
	}
	for _, test := range []struct{ n, length, want int }{{1, 1, 1}, {250, 12, 1}, {500, 12, 1}, {501, 12, 2}, {250, 40, 2}, {250, 128, 5}} {
		all := ids(test.n, test.length)
		pages := pagesOf(all, market.AllCurrencies())
		var got []string
		for _, p := range pages {
			got = append(got, p.ids...)
			if len(p.ids) > maxIDs || len(p.query) > maxQuery {
				t.Errorf("%v: a page of %d ids, %d bytes", test, len(p.ids), len(p.query))
			}
		}
		if len(pages) != test.want || !slices.Equal(got, all) {
			t.Errorf("%v: %d pages", test, len(pages))
		}
	}
}

// A page that fails loses nothing of those before it.
func TestQuotesBeforeAFailureAreGood(t *testing.T) {
	u := wiretest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		ids := strings.Split(r.URL.Query().Get("ids"), ",")
		if ids[0] != "a000" {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		wiretest.Answer([]byte(`{"a007":{"usd":7}}`))(w, r)
	})
	var pairs []market.Pair
	for i := range maxIDs + 50 {
		pairs = append(pairs, market.Pair{Asset: fmt.Sprintf("a%03d", i), Currency: "usd"})
	}
	got, err := client(t, u, Public, midMarch).Quotes(t.Context(), wiretest.Once, pairs)
	wiretest.WantKind(t, "the second page", err, fault.UpstreamUnavailable)
	if len(got) != 1 || got[0].Asset != "a007" {
		t.Errorf("got %v", got)
	}
}

func FuzzQuotes(f *testing.F) {
	for _, s := range []string{
		`{"bitcoin":{"usd":22872}}`, `{"bitcoin":{"usd":3.97e-06,"last_updated_at":1711356300}}`, `{"bitcoin":{"usd":null}}`, `{"bitcoin":{}}`, `{}`,
		`{"status":{"error_code":429,"error_message":"x"}}`, `{"bitcoin":{"usd":-0.0,"usd_24h_change":-1e308}}`,
	} {
		f.Add([]byte(s))
	}
	c, err := New(Options{Plan: Public})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := c.decodeQuotes(&reply{Endpoint: simplePrice, Status: 200, Body: body}, []string{"bitcoin"}, []market.Currency{"usd"}, midMarch)
		if err != nil {
			if len(got) > 0 || !fault.Of(err).Kind.Upstream() {
				t.Errorf("%v with %v", got, err)
			}
			return
		}
		if !json.Valid(body) {
			t.Error("took what is no JSON")
		}
		for _, q := range got {
			if !(q.Price >= 0) || math.IsInf(q.Price, 0) || q.LastUpdatedAt.After(midMarch.Add(time.Hour)) {
				t.Errorf("took %+v", q)
			}
		}
	})
}

// TestRidersCostNoCall: however many come along, the calls stay as many as they were, and as many come along as fit.
func TestRidersCostNoCall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pair := rapid.Custom(func(t *rapid.T) market.Pair {
			return market.Pair{
				Asset:    rapid.StringMatching(`[a-z0-9]{1,40}`).Draw(t, "id"),
				Currency: rapid.SampledFrom([]market.Currency{"usd", "eur", "btc"}).Draw(t, "currency"),
			}
		})
		pairs, more := rapid.SliceOfN(pair, 1, 30).Draw(t, "pairs"), rapid.SliceOfN(pair, 0, 900).Draw(t, "more")
		calls := func(pairs []market.Pair) int {
			var ids []string
			var currencies []market.Currency
			for _, p := range pairs {
				ids, currencies = append(ids, p.Asset), append(currencies, p.Currency)
			}
			return len(pagesOf(unique(ids), unique(currencies)))
		}
		riders := new(Client).Riders(pairs, more)
		if was, is := calls(pairs), calls(slices.Concat(pairs, riders)); was != is {
			t.Fatalf("%d calls became %d", was, is)
		}
		if len(more) < 100 && calls(slices.Concat(pairs, more)) == 1 {
			for _, m := range more {
				if slices.ContainsFunc(pairs, func(p market.Pair) bool { return p.Currency == m.Currency }) && !slices.Contains(riders, m) {
					t.Fatalf("%v fits, and is not among them", m)
				}
			}
		}
	})
}
