package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fetch/simulator"
	"github.com/coingraph/coingraph/market"
)

func everyBackend(t *testing.T, test func(t *testing.T, s *server)) {
	for name, vars := range backends(t) {
		t.Run(name, func(t *testing.T) {
			if address := vars["REDIS_URL"]; address != "" {
				clearCache(t, address)
			}
			test(t, start(t, vars))
		})
	}
}

func TestPrices(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		s.spent()
		const query = `query($ids: [ID!]!) { simplePrice(assets: $ids, currencies: [EUR, USD]) {
			asset { id symbol name } currency price marketCap volume24h change24h lastUpdatedAt fetchedAt source stale } }`
		ids := []string{"ethereum", "bitcoin", "0x", "bitcoin"}
		var data struct {
			SimplePrice []struct {
				Asset                                  market.Asset
				Currency                               string
				Price, MarketCap, Volume24h, Change24h *float64
				LastUpdatedAt, FetchedAt               time.Time
				Source                                 string
				Stale                                  bool
			}
		}
		s.query(publicKey, plain, query, map[string]any{"ids": ids}).into(t, &data)
		if len(data.SimplePrice) != 8 {
			t.Fatalf("%d prices", len(data.SimplePrice))
		}
		for i, p := range data.SimplePrice {
			wantCurrency := []string{"EUR", "USD"}[i%2]
			if p.Asset.ID != ids[i/2] || p.Currency != wantCurrency || p.Source != "coingecko" || p.Stale || p.Price == nil {
				t.Errorf("%d: %+v", i, p)
			}
			// The provider's own answer for that moment, bit for bit.
			c, _ := market.ParseCurrency(wantCurrency)
			want, ok := s.sim.Quote(p.Asset.ID, c, p.LastUpdatedAt)
			if !ok || math.Float64bits(want.Price) != math.Float64bits(*p.Price) {
				t.Errorf("%s in %s: got %v, the provider says %v", p.Asset.ID, c, *p.Price, want.Price)
			}
			if age := time.Since(p.FetchedAt); age < 0 || age > time.Minute {
				t.Errorf("fetched %v ago", age)
			}
		}
		if n := s.spent(); n != 1 {
			t.Errorf("%d upstream calls", n)
		}

		// REST says the same, out of the cache.
		r := s.get("/simple_price?assets=ethereum,bitcoin,0x&currencies=eur,usd", publicKey)
		var body map[string]map[string]struct {
			Price         float64   `json:"price"`
			LastUpdatedAt time.Time `json:"last_updated_at"`
			Source        string    `json:"source"`
			Stale         *bool     `json:"stale"`
		}
		if err := json.Unmarshal([]byte(r.body), &body); err != nil || r.status != http.StatusOK {
			t.Fatal(r, err)
		}
		for _, p := range data.SimplePrice {
			if got := body[p.Asset.ID][strings.ToLower(p.Currency)]; got.Price != *p.Price || got.Source != "coingecko" || got.Stale == nil {
				t.Errorf("REST: %+v, GraphQL: %+v", got, p)
			}
		}
		if !strings.HasPrefix(r.body, `{"ethereum":{"eur":`) {
			t.Errorf("not in the order asked: %.60s", r.body)
		}
		if n := s.spent(); n != 0 {
			t.Errorf("%d upstream calls for what is cached", n)
		}
		if !strings.HasPrefix(r.header.Get("Cache-Control"), "private, max-age=") || r.header.Get("ETag") == "" || r.header.Get("X-Request-Id") == "" || r.header.Get("Vary") != "X-API-Key, Authorization, Accept, Accept-Encoding" {
			t.Errorf("headers: %v", r.header)
		}
		if again := s.do(http.MethodGet, "/simple_price?assets=ethereum,bitcoin,0x&currencies=eur,usd", publicKey, map[string]string{"If-None-Match": r.header.Get("ETag")}, ""); again.status != http.StatusNotModified || again.body != "" {
			t.Errorf("If-None-Match: %+v", again)
		}
	})
}

// TestTwoHundredClientsOfAMissingKey: one call, also when the first of them goes away.
func TestTwoHundredClientsOfAMissingKey(t *testing.T) {
	s := start(t, nil)
	s.spent()
	for _, path := range []string{"/simple_price?assets=bitcoin", "/market_chart?asset=bitcoin&days=30"} {
		release := s.sim.Hold("^/(simple/price|coins/bitcoin/)")
		first, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			req, err := http.NewRequestWithContext(first, http.MethodGet, s.url+path, nil)
			if err != nil {
				left <- err
				return
			}
			req.Header.Set("X-API-Key", publicKey)
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err == nil {
				resp.Body.Close()
			}
			left <- err
		}()
		if err := s.sim.Await(t.Context(), "^/(simple/price|coins/bitcoin/)", 1); err != nil {
			t.Fatal(err)
		}
		replies := make(chan reply, 199)
		for range 199 {
			go func() { replies <- s.get(path, publicKey) }()
		}
		leave()
		if err := <-left; err == nil {
			t.Error("the first did not go away")
		}
		release()
		for range 199 {
			if r := <-replies; r.status != 200 {
				t.Errorf("%s: %d %.200s", path, r.status, r.body)
			}
		}
		if n := s.spent(); n != 1 {
			t.Errorf("%s: %d upstream calls", path, n)
		}
	}
}

func TestUnknownAssets(t *testing.T) {
	s := start(t, nil)
	s.spent()
	g := s.query(publicKey, plain, `{ simplePrice(assets: ["nonesuch", "bitcoin"]) { price } }`, nil)
	if string(g.Data[:24]) != `{"simplePrice":[null,{"p` || g.codes() != "NOT_FOUND" || fmt.Sprint(g.Errors[0].Path) != "[simplePrice 0]" || g.status != 200 {
		t.Errorf("got %d %s", g.status, g.body)
	}
	r := s.get("/simple_price?assets=nonesuch,bitcoin,neither", publicKey)
	if r.status != 404 || !strings.Contains(r.body, "nonesuch") || !strings.Contains(r.body, "neither") || strings.Contains(r.body, "price") {
		t.Errorf("REST: %+v", r)
	}
	s.spent()
	for range 100 {
		s.get("/market_chart?asset=nonesuch&days=1", publicKey)
		s.query(publicKey, plain, `{ asset(id: "nonesuch") { id } marketChart(asset: "nonesuch", days: 1) { prices } }`, nil)
	}
	if n := s.spent(); n != 0 {
		t.Errorf("%d upstream calls", n)
	}
	g = s.query(publicKey, plain, `{ assets(ids: ["bitcoin", "nonesuch"]) { nodes { id } totalCount } }`, nil)
	if string(g.Data) != `{"assets":{"nodes":[{"id":"bitcoin"}],"totalCount":1}}` || g.codes() != "NOT_FOUND" {
		t.Errorf("got %s", g.body)
	}
}

// chartData is a chart as GraphQL gives it.
type chartData struct {
	Timestamps                  []int64
	Prices, MarketCaps, Volumes []*float64
	Points                      []struct {
		Timestamp                time.Time
		Price, MarketCap, Volume *float64
	}
	Sources  []string
	Stale    bool
	Coverage struct {
		Complete bool
		Holes    []struct {
			From, To time.Time
			Reason   string
		}
	}
}

const chartFields = `timestamps prices marketCaps volumes points { timestamp price marketCap volume } sources stale coverage { complete holes { from to reason } }`

func (s *server) chart(asset, currency, days, interval string) chartData {
	s.t.Helper()
	var data struct{ MarketChart chartData }
	s.query(publicKey, plain, fmt.Sprintf(`{ marketChart(asset: %q, currency: %s, days: %s, interval: %s) { %s } }`, asset, currency, days, interval, chartFields), nil).into(s.t, &data)
	return data.MarketChart
}

func TestCharts(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		for _, c := range []struct {
			asset, currency, days, interval string
			points                          int
			step                            time.Duration
		}{
			{"bitcoin", "USD", "30", "DAILY", 30, 24 * time.Hour},
			{"bitcoin", "USD", "1", "DAILY", 1, 24 * time.Hour},
			{"ethereum", "VND", "365", "DAILY", 365, 24 * time.Hour},
			{"bitcoin", "EUR", "2", "HOURLY", 48, time.Hour},
			{"bitcoin", "EUR", "90", "HOURLY", 2160, time.Hour},
		} {
			name := fmt.Sprintf("%s %s %s %s", c.asset, c.currency, c.days, c.interval)
			got := s.chart(c.asset, c.currency, c.days, c.interval)
			if len(got.Timestamps) != c.points || !got.Coverage.Complete || len(got.Points) != c.points || len(got.Prices) != c.points || len(got.MarketCaps) != c.points || len(got.Volumes) != c.points {
				t.Errorf("%s: %d points, coverage %+v", name, len(got.Timestamps), got.Coverage)
				continue
			}
			currency, _ := market.ParseCurrency(c.currency)
			truth := truthOf(s.sim, c.asset, currency, time.UnixMilli(got.Timestamps[0]), time.UnixMilli(got.Timestamps[c.points-1]), c.step)
			for i, at := range got.Timestamps {
				if at%c.step.Milliseconds() != 0 || i > 0 && at-got.Timestamps[i-1] != c.step.Milliseconds() {
					t.Fatalf("%s: %d is off the grid", name, at)
				}
				if want, ok := truth[at]; !ok || math.Float64bits(want.Price) != math.Float64bits(*got.Prices[i]) {
					t.Fatalf("%s at %v: got %v, the provider says %+v", name, time.UnixMilli(at).UTC(), *got.Prices[i], want)
				}
				if p := got.Points[i]; p.Timestamp.UnixMilli() != at || *p.Price != *got.Prices[i] {
					t.Fatalf("%s: the point %+v is not the columns'", name, p)
				}
			}
		}

		s.spent()
		for range 1000 {
			if r := s.get("/market_chart?asset=bitcoin&currency=usd&days=30&interval=daily", publicKey); r.status != 200 {
				t.Fatal(r)
			}
		}
		if n := s.spent(); n != 0 {
			t.Errorf("%d upstream calls for a chart that is cached", n)
		}
		s.restart()
		before := s.chart("bitcoin", "USD", "30", "DAILY")
		s.chart("bitcoin", "EUR", "90", "HOURLY")
		if n := s.spent(); n != 0 || len(before.Prices) != 30 {
			t.Errorf("%d upstream calls after a restart", n)
		}
	})
}

// truthOf is the provider's samples by the grid instant that each is nearest to.
func truthOf(sim *simulator.Simulator, asset string, currency market.Currency, from, to time.Time, step time.Duration) map[int64]simulator.Point {
	truth := make(map[int64]simulator.Point)
	half := step / 2
	for _, p := range sim.Chart(asset, currency, from.Add(-half), to.Add(half), step) {
		grid := (p.Stamp + half.Milliseconds()) / step.Milliseconds() * step.Milliseconds()
		truth[grid] = p
	}
	return truth
}

func TestMaxIsTenYears(t *testing.T) {
	s := start(t, nil)
	got := s.chart("bitcoin", "USD", `"max"`, "DAILY")
	if n := len(got.Timestamps); n < 3650 || !got.Coverage.Complete {
		t.Errorf("%d daily points", n)
	}
	r := s.get("/market_chart?asset=bitcoin&days=max", publicKey)
	var body struct {
		Days   any       `json:"days"`
		Prices []float64 `json:"prices"`
	}
	if err := json.Unmarshal([]byte(r.body), &body); err != nil || body.Days != "max" || len(body.Prices) != len(got.Prices) {
		t.Errorf("REST: %v, days %v, %d points", err, body.Days, len(body.Prices))
	}
}

func TestAPlanThatReachesOneYearSaysSo(t *testing.T) {
	sim := simulator.New(simulator.Options{Seed: 7, Plan: simulator.Public})
	api := serveHTTP(t, sim)
	s := start(t, map[string]string{"COINGECKO_BASE_URL": api, "COINGECKO_PLAN": "public", "COINGECKO_API_KEY": ""})
	got := s.chart("bitcoin", "USD", "500", "DAILY")
	if n := len(got.Timestamps); n < 364 || n > 366 {
		t.Errorf("%d points", n)
	}
	if got.Coverage.Complete || len(got.Coverage.Holes) != 1 || got.Coverage.Holes[0].Reason != "BEYOND_PLAN" {
		t.Errorf("coverage: %+v", got.Coverage)
	}
	sim.ResetCalls()
	s.chart("bitcoin", "USD", "501", "DAILY")
	if n := sim.Total(); n != 0 {
		t.Errorf("%d calls for what the plan does not give", n)
	}
}

func TestFiftyAssetsWithPriceAndChart(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		var ids []string
		for _, a := range simulator.Assets()[:50] {
			ids = append(ids, a.ID)
		}
		s.spent()
		const query = `query($ids: [ID!]!) { assets(ids: $ids, first: 50) { nodes { id price { price } chart(days: 30) { prices } } } }`
		ask := func() {
			t.Helper()
			var data struct {
				Assets struct {
					Nodes []struct {
						ID    string
						Price struct{ Price float64 }
						Chart struct{ Prices []float64 }
					}
				}
			}
			s.query(publicKey, plain, query, map[string]any{"ids": ids}).into(t, &data)
			for i, n := range data.Assets.Nodes {
				if n.ID != ids[i] || n.Price.Price <= 0 || len(n.Chart.Prices) == 0 {
					t.Errorf("%d: %+v", i, n)
				}
			}
			if len(data.Assets.Nodes) != 50 {
				t.Errorf("%d assets", len(data.Assets.Nodes))
			}
		}
		ask()
		if n := s.sim.Counts()["/simple/price"]; n != 1 {
			t.Errorf("%d calls for prices", n)
		}
		if n := s.spent(); n != 51 {
			t.Errorf("%d upstream calls in all, want 1 for the prices and 1 a chart", n)
		}
		ask()
		if n := s.spent(); n != 0 {
			t.Errorf("%d upstream calls the second time", n)
		}
	})
}

func TestNumbersSurvive(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		for i, number := range []string{"1.2e-07", "123456789012345.67", "5.2e15", "0", "0.1", "5e-324", "1.7976931348623157e308"} {
			currency := []string{"usd", "eur", "jpy", "btc", "eth", "chf", "aud"}[i]
			if err := s.sim.Inject(simulator.Fault{Match: "^/simple/price", Times: 1, Body: fmt.Appendf(nil, `{"dogecoin":{%q:%s,"last_updated_at":%d}}`, currency, number, time.Now().Unix())}); err != nil {
				t.Fatal(err)
			}
			want, _ := strconv.ParseFloat(number, 64)
			var viaGraphQL struct{ SimplePrice []struct{ Price json.Number } }
			ask := func() {
				t.Helper()
				s.query(publicKey, plain, `{ simplePrice(assets: ["dogecoin"], currencies: [`+strings.ToUpper(currency)+`]) { price } }`, nil).into(t, &viaGraphQL)
				if got, _ := viaGraphQL.SimplePrice[0].Price.Float64(); math.Float64bits(got) != math.Float64bits(want) {
					t.Errorf("%s became %s", number, viaGraphQL.SimplePrice[0].Price)
				}
			}
			ask()
			if r := s.get("/simple_price?assets=dogecoin&currencies="+currency, publicKey); !strings.Contains(r.body, `"price":`+viaGraphQL.SimplePrice[0].Price.String()+`,`) {
				t.Errorf("REST: %s", r.body)
			}
		}
		s.restart() // out of the database, and out of Redis where there is one
		for currency, want := range map[string]string{"usd": "1.2e-7", "eur": "123456789012345.67", "btc": "0"} {
			if r := s.get("/simple_price?assets=dogecoin&currencies="+currency, publicKey); !strings.Contains(r.body, `"price":`+want+`,`) {
				t.Errorf("after a restart: %s", r.body)
			}
		}
	})
}
