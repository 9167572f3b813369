package main

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fetch/simulator"
)

// v3 asks CoinGecko's API, decodes the answer and gives its header.
func (s *server) v3(path string, into any) http.Header {
	s.t.Helper()
	r := s.get("/api/v3"+path, publicKey)
	if r.status != http.StatusOK || !strings.HasPrefix(r.header.Get("Content-Type"), plain) {
		s.t.Fatalf("%s: %d %.500s", path, r.status, r.body)
	}
	if err := json.Unmarshal([]byte(r.body), into); err != nil {
		s.t.Fatalf("%s: %v in %.200s", path, err, r.body)
	}
	return r.header
}

// upstream asks the simulated provider itself.
func (s *server) upstream(path string, into any) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.env["COINGECKO_BASE_URL"]+path, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("x-cg-pro-api-key", providerKey)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		s.t.Fatal(err)
	}
}

type v3Chart struct {
	Prices       [][2]float64
	MarketCaps   [][2]float64 `json:"market_caps"`
	TotalVolumes [][2]float64 `json:"total_volumes"`
}

// TestV3Doors: a key is taken where CoinGecko's clients put it, there only, and all that are shown must be valid.
func TestV3Doors(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		const ping = "/api/v3/ping"
		for _, c := range []struct {
			name, path string
			header     map[string]string
			status     int
			message    string
		}{
			{"X-API-Key", ping, map[string]string{"X-API-Key": publicKey}, 200, ""},
			{"demo header", ping, map[string]string{"x-cg-demo-api-key": publicKey}, 200, ""},
			{"pro header", ping, map[string]string{"x-cg-pro-api-key": publicKey}, 200, ""},
			{"demo parameter", ping + "?x_cg_demo_api_key=" + publicKey, nil, 200, ""},
			{"pro parameter", ping + "?x_cg_pro_api_key=" + publicKey, nil, 200, ""},
			{"the same one twice", ping + "?x_cg_pro_api_key=" + publicKey, map[string]string{"x-cg-pro-api-key": publicKey}, 200, ""},
			{"none", ping, nil, 401, "API Key Missing"},
			{"a wrong one", ping, map[string]string{"x-cg-demo-api-key": "CG-wrong"}, 401, "Invalid API Key"},
			{"an empty one", ping, map[string]string{"x-cg-demo-api-key": ""}, 401, "Invalid API Key"},
			{"a wrong one beside a valid one", ping + "?x_cg_demo_api_key=wrong", map[string]string{"x-cg-demo-api-key": publicKey}, 401, "Invalid API Key"},
			{"two valid ones that differ", ping + "?x_cg_demo_api_key=" + adminKey, map[string]string{"x-cg-demo-api-key": publicKey}, 401, "Invalid API Key"},
			{"a token beside a valid key", ping, map[string]string{"x-cg-demo-api-key": publicKey, "Authorization": "Bearer x.y.z"}, 401, "Invalid API Key"},
			{"a path that is not served", "/api/v3/coins/bitcoin/tickers", nil, 401, "API Key Missing"},
		} {
			r := s.do(http.MethodGet, c.path, "", c.header, "")
			if r.status != c.status || !strings.Contains(r.body, c.message) {
				t.Errorf("%s: %d %s", c.name, r.status, r.body)
			}
			if c.status == 401 && errorCode(t, r.body) != 10002 {
				t.Errorf("%s: %s", c.name, r.body)
			}
		}
		for _, c := range []struct{ path, header string }{
			{"/simple_price?assets=bitcoin&x_cg_demo_api_key=" + publicKey, ""},
			{"/simple_price?assets=bitcoin", "x-cg-demo-api-key"},
			{"/graphql?query={viewer{id}}&x_cg_pro_api_key=" + publicKey, ""},
			{"/graphql?query={viewer{id}}", "x-cg-pro-api-key"},
		} {
			header := map[string]string{}
			if c.header != "" {
				header[c.header] = publicKey
			}
			if r := s.do(http.MethodGet, c.path, "", header, ""); r.status != 401 {
				t.Errorf("a key outside of its place, %s: %d", c.path, r.status)
			}
		}
		if n := s.spent(); n != 0 {
			t.Errorf("%d calls", n)
		}
	})
}

// TestV3Keyless: who has no key is a member of the tier that the operator names, counted by address, at /api/v3 only.
func TestV3Keyless(t *testing.T) {
	s := start(t, nil) // whose meter is in memory, and exact on the busiest machine
	s.stop()
	s.env["ANONYMOUS_TIER"] = "passers-by"
	s.env["RATE_LIMITS"] = "passers-by/simple_price=2,public/*=1000,admin/*=1000"
	s.env["API_KEYS"] = "known-" + randomName() + ":public:a-secret-of-somebody"
	s.open()
	const prices = "/api/v3/simple/price?ids=bitcoin&vs_currencies=usd"
	for i, want := range []int{200, 200, 429, 429} {
		r := s.do(http.MethodGet, prices, "", map[string]string{"X-Forwarded-For": fmt.Sprintf("192.0.2.%d", i)}, "")
		if r.status != want {
			t.Errorf("request %d: %d %s", i, r.status, r.body)
		}
		if wait, err := strconv.Atoi(r.header.Get("Retry-After")); want == 429 && (err != nil || wait < 1 || errorCode(t, r.body) != 429) {
			t.Errorf("request %d: Retry-After %q, %s", i, r.header.Get("Retry-After"), r.body)
		}
	}
	if r := s.get("/api/v3/coins/bitcoin/market_chart?vs_currency=usd&days=1", ""); r.status != 403 {
		t.Errorf("what the tier does not have: %d %s", r.status, r.body)
	}
	if r := s.do(http.MethodGet, prices, "", map[string]string{"x-cg-demo-api-key": "wrong"}, ""); r.status != 401 {
		t.Errorf("a wrong key: %d", r.status)
	}
	if r := s.get(prices, "a-secret-of-somebody"); r.status != 200 {
		t.Errorf("a valid key at the same address: %d", r.status)
	}
	for _, path := range []string{"/simple_price?assets=bitcoin", "/graphql?query={viewer{id}}", "/logs/export"} {
		if r := s.get(path, ""); r.status != 401 {
			t.Errorf("%s without a key: %d", path, r.status)
		}
	}
	var key struct{ Plan string }
	r := s.get("/api/v3/key", "")
	if err := json.Unmarshal([]byte(r.body), &key); err != nil || key.Plan != "passers-by" {
		t.Errorf("%s", r.body)
	}
	if r := s.get("/api/v3/ping?x_cg_demo_api_key=a-secret-of-somebody", ""); r.status != 200 {
		t.Errorf("a valid key in the query: %d", r.status)
	}
	s.stop() // after which the log is whole
	log := s.log.String()
	for _, line := range []string{
		`"key_id":"anonymous:127.0.0.1","method":"GET","route":"/api/v3/simple/price"`, `"method":"GET","route":"/api/v3/ping"`,
	} {
		if !strings.Contains(log, line) {
			t.Errorf("no line of the log has %s:\n%s", line, log)
		}
	}
	if strings.Contains(log, "a-secret") || strings.Contains(log, "192.0.2.") {
		t.Errorf("the log has a key, or an address that a client made up:\n%s", log)
	}
}

// TestV3Refuses: whatever is wrong is said in CoinGecko's form, before anything is asked or charged.
func TestV3Refuses(t *testing.T) {
	s := start(t, map[string]string{"CURRENCIES": "usd,eur"})
	const chart = "/coins/bitcoin/market_chart?vs_currency=usd&"
	const span = "/coins/bitcoin/market_chart/range?vs_currency=usd&"
	now := time.Now().Unix()
	at := func(days int) string { return strconv.FormatInt(now+int64(days)*86_400, 10) }
	cases := []struct {
		path, message string
	}{
		{"/simple/price", "Missing parameter vs_currencies; Missing parameter ids"},
		{"/simple/price?ids=&vs_currencies=usd", "Missing parameter ids"},
		{"/simple/price?ids=bitcoin", "Missing parameter vs_currencies"},
		{"/simple/price?ids=bitcoin&ids=ethereum&vs_currencies=usd", "invalid ids: must be given once"},
		{"/simple/price?ids=bitcoin&vs_currencies=usd&precision=19", "invalid precision"},
		{"/simple/price?ids=bitcoin&vs_currencies=usd&precision=-1", "invalid precision"},
		{"/simple/price?ids=bitcoin&vs_currencies=usd&precision=all", "invalid precision"},
		{"/simple/price?symbols=btc&vs_currencies=usd&include_tokens=all", "invalid include_tokens"},
		{"/simple/price?ids=" + strings.Repeat("a,", 1001) + "&vs_currencies=usd", "invalid ids: must name at most 1000"},
		{"/simple/price?names=a%00b&vs_currencies=usd", "invalid names"},
		{"/simple/price?names=a%ffb&vs_currencies=usd", "invalid names"},
		{"/simple/price?ids=%zz&vs_currencies=usd", "invalid query"},
		{"/coins/list?status=inactive", "invalid status"},
		{"/coins/markets", "Missing parameter vs_currency"},
		{"/coins/markets?vs_currency=usdt", "invalid vs_currency"},
		{"/coins/markets?vs_currency=gbp", "invalid vs_currency"}, // not on this server's list
		{"/coins/markets?vs_currency=usd&per_page=0", "invalid per_page"},
		{"/coins/markets?vs_currency=usd&page=-1", "invalid page"},
		{"/coins/markets?vs_currency=usd&page=99999999999", "invalid page"},
		{"/coins/markets?vs_currency=usd&order=gecko_desc", "invalid order"},
		{"/coins/markets?vs_currency=usd&category=a%26b", "invalid category"},
		{"/coins/markets?vs_currency=usd&price_change_percentage=2h", "invalid price_change_percentage"},
		{"/coins/bitcoin/market_chart?vs_currency=usd,eur&days=x", "invalid vs_currency; invalid days"},
		{chart, "Missing parameter days"},
		{span, "Missing parameter from; Missing parameter to"},
		{span + "from=2026-01-01&to=yesterday", "invalid to"},
		// I9
		{span + "from=2026-02-01&to=2026-01-01", "invalid from: must be before to"},
		{span + "from=2026-01-01&to=2026-01-01", "invalid from: must be before to"},
		{span + "from=2008-12-31&to=2026-01-01", "invalid from: must not be before 2009"},
		{span + "from=0&to=" + at(0), "invalid from: must not be before 2009"},
		{span + "from=" + at(1) + "&to=" + at(2), "invalid from: must not be in the future"},
		{span + "from=" + at(-2) + "&to=" + at(2), "invalid to: must not be in the future"},
		{span + "from=" + at(-2) + "000&to=" + at(0) + "000", "invalid from: must not be in the future. Unix times are in seconds"},
		{span + "from=" + at(-2) + "&to=" + at(0) + "000", "invalid to"},
		{span + "from=-1&to=" + at(0), "invalid from"},
		{span + "from=" + at(-150) + "&to=" + at(0) + "&interval=hourly", "invalid interval"},
		{chart + "days=7&interval=weekly", "invalid interval"},
		{chart + "days=101&interval=hourly", "invalid interval"},
		{"/coins/bitcoin/ohlc?vs_currency=usd&days=2", "invalid days"},
		{"/coins/bitcoin/ohlc?vs_currency=usd", "Missing parameter days"},
		{"/coins/bitcoin/history", "Missing parameter date"},
		{"/coins/bitcoin/history?date=31-02-2026", "invalid date"},
		{"/coins/bitcoin/history?date=2008-01-01", "invalid date"},
		{"/coins/bitcoin/history?date=2999-01-01", "invalid date"},
	}
	for _, days := range []string{"0", "-1", "1e9", "3000000000", "1e3", "MAX", "%20max", "٧", "７", "", "null", "NaN", "true", "+7", "0x1p2", "Inf", "1_0", "7.", ".5", "0.000000001"} {
		cases = append(cases, struct{ path, message string }{chart + "days=" + days, "days"})
	}
	for _, c := range cases {
		r := s.get("/api/v3"+c.path, publicKey)
		if r.status != http.StatusBadRequest || errorCode(t, r.body) != 0 || !strings.Contains(r.body, c.message) {
			t.Errorf("%.80s: %d %.300s", c.path, r.status, r.body)
		}
	}
	for _, c := range []struct {
		method, path, message string
		status                int
	}{
		{"GET", "/coins/nonesuch/market_chart?vs_currency=usd&days=1", "coin not found", 404},
		{"GET", "/coins/nonesuch/ohlc?vs_currency=usd&days=1", "coin not found", 404},
		{"GET", "/coins/nonesuch/history?date=01-01-2026", "coin not found", 404},
		{"GET", "/coins/..%2fping/market_chart?vs_currency=usd&days=1", "Incorrect path", 404},
		{"GET", "/coins/bitcoin%3Fdays=1%23/ohlc?vs_currency=usd&days=1", "Incorrect path", 404},
		{"GET", "/coins/http:%2f%2f127.0.0.1:1%2f/history?date=01-01-2026", "Incorrect path", 404},
		{"GET", "/coins/Bitcoin%00/ohlc?vs_currency=usd&days=1", "Incorrect path", 404},
		{"GET", "/coins/bitcoin/tickers", "does not serve", 501},
		{"GET", "/coins/bitcoin", "does not serve", 501},
		{"GET", "/search?query=bitcoin", "does not serve", 501},
		{"GET", "/global", "does not serve", 501},
		{"GET", "/onchain/networks/eth/pools", "does not serve", 501},
		{"GET", "/wp-login.php", "Incorrect path", 404},
		{"GET", "/", "Incorrect path", 404},
		{"GET", "", "Incorrect path", 404},
		{"POST", "/ping", "method not allowed", 405},
		{"DELETE", "/coins/list", "method not allowed", 405},
		{"GET", chart + "days=1&interval=1m", "", 401},
		{"GET", chart + "days=2&interval=5m", "", 401},
	} {
		r := s.do(c.method, "/api/v3"+c.path, publicKey, nil, "")
		if r.status != c.status || !strings.Contains(r.body, c.message) {
			t.Errorf("%s %s: %d %s", c.method, c.path, r.status, r.body)
		}
		if code := errorCode(t, r.body); c.status == 401 && code != 10005 {
			t.Errorf("%s: %s", c.path, r.body)
		}
		if c.status == 405 && r.header.Get("Allow") != "GET" {
			t.Errorf("%s: Allow %q", c.path, r.header.Get("Allow"))
		}
	}
	if n := s.spent(); n != 0 {
		t.Errorf("%d calls for what is refused: %v", n, s.sim.Counts())
	}
}

// TestV3Charts: the steps are CoinGecko's, and stamps and values the provider's own.
func TestV3Charts(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		const chart = "/coins/ethereum/market_chart?vs_currency=eur&"
		for _, c := range []struct {
			query       string
			step        time.Duration
			least, most int
		}{
			{"days=1", 5 * time.Minute, 284, 290},
			{"days=0.5", 5 * time.Minute, 141, 146},
			{"days=1.5", time.Hour, 35, 38},
			{"days=2", time.Hour, 47, 50},
			{"days=90", time.Hour, 2158, 2162},
			{"days=91", 24 * time.Hour, 91, 92},
			{"days=1&interval=daily", 24 * time.Hour, 2, 2},
			{"days=5&interval=daily", 24 * time.Hour, 6, 6},
			{"days=1&interval=hourly", time.Hour, 24, 26},
			{"days=0.5&interval=5m", 5 * time.Minute, 141, 146},
			{"days=max", 24 * time.Hour, 3000, 6000},
		} {
			var ours, theirs v3Chart
			s.v3(chart+c.query, &ours)
			// The provider does not have everything that its plans offer.
			if query := strings.TrimSuffix(c.query, "&interval=5m"); !strings.Contains(query, "interval=hourly") {
				s.upstream(chart+query, &theirs)
				sameRows(t, c.query, ours.Prices, theirs.Prices)
				sameRows(t, c.query, ours.MarketCaps, theirs.MarketCaps)
				sameRows(t, c.query, ours.TotalVolumes, theirs.TotalVolumes)
			}
			n := len(ours.Prices)
			if n < c.least || n > c.most {
				t.Errorf("%s: %d points, not %d to %d", c.query, n, c.least, c.most)
				continue
			}
			for i := 1; i < n-1; i++ { // the last is the point of now
				gap := time.Duration(ours.Prices[i][0]-ours.Prices[i-1][0]) * time.Millisecond
				if gap < c.step/4 || gap > 2*c.step {
					t.Fatalf("%s: a gap of %v at %d", c.query, gap, i)
				}
			}
			if last := time.UnixMilli(int64(ours.Prices[n-1][0])); time.Since(last) > 10*time.Minute {
				t.Errorf("%s: the last point is of %v", c.query, last)
			}
		}
		// What is known costs no call but for the prices of now.
		s.spent()
		for range 3 {
			var again v3Chart
			s.v3(chart+"days=90", &again)
		}
		if counts := s.sim.Counts(); counts["/coins/{id}/market_chart"]+counts["/coins/{id}/market_chart/range"] != 0 {
			t.Errorf("calls: %v", counts)
		}
	})
}

// sameRows: each row is one of the provider's, but for those at the edges of a window that moves with the clock.
func sameRows(t *testing.T, what string, ours, theirs [][2]float64) {
	t.Helper()
	byStamp := make(map[float64]float64, len(theirs))
	for _, row := range theirs {
		byStamp[row[0]] = row[1]
	}
	if d := len(ours) - len(theirs); d < -2 || d > 2 {
		t.Errorf("%s: %d rows, the provider has %d", what, len(ours), len(theirs))
	}
	for i := 2; i < len(ours)-2; i++ {
		if v, ok := byStamp[ours[i][0]]; !ok || v != ours[i][1] {
			t.Errorf("%s: row %d is %v, the provider has %v (%v)", what, i, ours[i], v, ok)
			return
		}
	}
}

// TestV3Ranges: dates and Unix seconds are one, both ends are included, and a past has no point of now.
func TestV3Ranges(t *testing.T) {
	s := start(t, nil)
	const path = "/coins/bitcoin/market_chart/range?vs_currency=usd&"
	day := func(d int) time.Time { return time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, d) }
	iso := func(t time.Time) string { return t.Format(time.DateOnly) }
	unix := func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
	var dates, seconds, minutes, theirs v3Chart
	s.v3(path+"from="+iso(day(-9))+"&to="+iso(day(-2)), &dates)
	s.v3(path+"from="+unix(day(-9))+"&to="+unix(day(-2)), &seconds)
	s.v3(path+"from="+day(-9).Format("2006-01-02T15:04")+"&to="+day(-2).Format(time.RFC3339), &minutes)
	s.upstream(path+"from="+unix(day(-9))+"&to="+unix(day(-2)), &theirs)
	for name, c := range map[string]v3Chart{"Unix seconds": seconds, "minutes": minutes, "the provider": theirs} {
		if fmt.Sprint(c) != fmt.Sprint(dates) {
			t.Errorf("%s and dates differ: %d and %d rows", name, len(c.Prices), len(dates.Prices))
		}
	}
	if n := len(dates.Prices); n < 167 || n > 169 {
		t.Errorf("%d rows of 7 days by the hour", n)
	}
	for _, c := range []struct {
		from, to    string
		least, most int
	}{
		{iso(day(-30)) + "&interval=daily", iso(day(-20)), 11, 11},
		{iso(day(-200)), iso(day(-20)), 181, 181}, // above 90 days
		{unix(time.Now().Add(-24 * time.Hour)), unix(time.Now()), 280, 291},
		{unix(time.Now().Add(-2 * time.Hour)), unix(time.Now().Add(time.Hour)), 22, 27},
		{unix(day(-2)), unix(day(-1)), 23, 25}, // a day that does not end now
		{unix(day(-2)), unix(day(-2).Add(3 * time.Hour)), 2, 4},
	} {
		var got v3Chart
		s.v3(path+"from="+c.from+"&to="+c.to, &got)
		if n := len(got.Prices); n < c.least || n > c.most {
			t.Errorf("%s to %s: %d rows, not %d to %d", c.from, c.to, n, c.least, c.most)
		}
	}
	s.spent()
	var again v3Chart
	s.v3(path+"from="+iso(day(-8))+"&to="+iso(day(-3)), &again)
	if n := s.spent(); n != 0 {
		t.Errorf("%d calls for a range within one that is known", n)
	}
}

func TestV3Prices(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		type prices map[string]map[string]*float64
		var all, theirs prices
		header := s.v3("/simple/price?ids=ethereum,nonesuch,bitcoin,UPPER,bitcoin&vs_currencies=usd,EUR,xyz&include_market_cap=true&include_24hr_vol=true&include_24hr_change=true&include_last_updated_at=true&precision=full", &all)
		s.upstream("/simple/price?ids=ethereum,bitcoin&vs_currencies=usd,eur&include_market_cap=true&include_24hr_vol=true&include_24hr_change=true&include_last_updated_at=true&precision=full", &theirs)
		if len(all) != 2 || len(all["bitcoin"]) != 9 || len(all["ethereum"]) != 9 {
			t.Errorf("%v", all)
		}
		for id, values := range theirs {
			for name := range values {
				if all[id][name] == nil || *all[id][name] <= 0 && !strings.HasSuffix(name, "_change") {
					t.Errorf("%s of %s is %v", name, id, all[id][name])
				}
			}
		}
		if header.Get("Age") == "" || !strings.HasPrefix(header.Get("Cache-Control"), "private, max-age=") || header.Get("Etag") == "" {
			t.Errorf("header %v", header)
		}
		var none prices
		s.v3("/simple/price?ids=nonesuch&vs_currencies=usd", &none)
		var noCurrency prices
		s.v3("/simple/price?ids=bitcoin&vs_currencies=usdt", &noCurrency)
		if len(none) != 0 || len(noCurrency) != 1 || len(noCurrency["bitcoin"]) != 0 {
			t.Errorf("%v %v", none, noCurrency)
		}
		for query, key := range map[string]string{"names=ethereum": "ethereum", "symbols=BTC,nonesuch": "BTC", "names=nonesuch,Bitcoin&symbols=eth": "Bitcoin", "ids=bitcoin&names=Ethereum": "bitcoin"} {
			var got prices
			s.v3("/simple/price?"+query+"&vs_currencies=usd&precision=full", &got)
			id := map[bool]string{true: "ethereum", false: "bitcoin"}[key == "ethereum"]
			if len(got) != 1 || got[key] == nil || got[key]["usd"] == nil || math.Abs(*got[key]["usd"] / *all[id]["usd"] - 1) > 0.1 {
				t.Errorf("%s: %v", query, got)
			}
		}
		for precision, most := range map[string]int{"0": 0, "2": 2, "18": 18} {
			r := s.get("/api/v3/simple/price?ids=ethereum&vs_currencies=usd&precision="+precision, publicKey)
			_, decimals, _ := strings.Cut(strings.TrimRight(r.body, "}"), ".")
			if len(decimals) > most {
				t.Errorf("precision=%s: %s", precision, r.body)
			}
		}
	})
}

// TestV3Symbols: of assets that share a symbol the largest is meant, and the rest is charged for.
func TestV3Symbols(t *testing.T) {
	assets := `[{"id":"small","symbol":"x","name":"Small"},{"id":"large","symbol":"x","name":"Large"},{"id":"unknown","symbol":"x","name":"Large"},{"id":"zero","symbol":"x","name":"Zero"}]`
	s, provider, _ := onReplay(t, assets)
	provider.Store(&replay{path: "/simple/price", assets: assets, body: []byte(
		`{"small":{"usd":1,"usd_market_cap":10},"large":{"usd":2,"usd_market_cap":20,"eur":1.5},"zero":{"usd":4,"usd_market_cap":0.0},"unknown":{}}`)})
	for query, want := range map[string]string{
		"symbols=X&vs_currencies=usd,eur&include_market_cap=true":  `{"X":{"usd":2,"usd_market_cap":20,"eur":1.5,"eur_market_cap":null}}`,
		"names=large&vs_currencies=eur":                            `{"large":{"eur":1.5}}`,
		"ids=zero,unknown&vs_currencies=usd&include_market_cap=1":  `{"unknown":{},"zero":{"usd":4}}`,
		"ids=zero&vs_currencies=usd&include_market_cap=true":       `{"zero":{"usd":4,"usd_market_cap":0}}`,
		"ids=small&vs_currencies=usd&include_last_updated_at=True": `{"small":{"usd":1,"last_updated_at":0}}`,
	} {
		r := s.get("/api/v3/simple/price?"+query, publicKey)
		if _, rest, ok := strings.Cut(r.body, `"last_updated_at":`); ok {
			r.body = strings.Replace(r.body, strings.TrimRight(rest, "}"), "0", 1)
		}
		if r.body != want {
			t.Errorf("%s: %s, want %s", query, r.body, want)
		}
	}
}

// TestV3Documents: what is passed on is what the provider sends, once for each time that it may be kept.
func TestV3Documents(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		s.stop()
		s.env["PRICE_TTL"] = "1h"
		s.open()
		day := time.Now().UTC().AddDate(0, 0, -3)
		for _, path := range []string{
			"/coins/list?include_platform=true",
			"/coins/bitcoin/ohlc?vs_currency=usd&days=30&precision=2",
			"/coins/bitcoin/history?localization=false&date=" + day.Format("02-01-2006"),
			"/coins/bitcoin/history?localization=false&date=" + day.Format(time.DateOnly),
		} {
			var ours, theirs any
			s.v3(path, &ours)
			s.upstream(path, &theirs)
			if a, b := fmt.Sprint(ours), fmt.Sprint(theirs); a != b && !strings.Contains(path, "ohlc") {
				t.Errorf("%s: %.300s, the provider has %.300s", path, a, b)
			}
			s.spent()
			s.v3(path, &ours)
			if n := s.sim.Total(); n != 0 {
				t.Errorf("%s: %d calls for what is known", path, n)
			}
		}
		type row struct {
			ID   string
			Rank *int `json:"market_cap_rank"`
		}
		var first, second, chosen, none []row
		header := s.v3("/coins/markets?vs_currency=usd&per_page=3", &first)
		s.v3("/coins/markets?vs_currency=usd&per_page=3&page=2", &second)
		s.v3("/coins/markets?vs_currency=usd&ids=ethereum,nonesuch,bitcoin&order=id_asc", &chosen)
		s.spent()
		s.v3("/coins/markets?vs_currency=usd&ids=nonesuch,..%2fping", &none)
		if len(first) != 3 || *first[2].Rank != 3 || len(second) != 3 || *second[0].Rank != 4 || len(chosen) != 2 || chosen[1].ID != "ethereum" || len(none) != 0 {
			t.Errorf("%v %v %v %v", first, second, chosen, none)
		}
		if n := s.spent(); n != 0 {
			t.Errorf("%d calls for assets that there are not", n)
		}
		total, err := strconv.Atoi(header.Get("Total"))
		if err != nil || total < 100 || header.Get("Per-Page") != "3" || !strings.Contains(header.Get("Link"), `page=2&per_page=3&vs_currency=usd>; rel="next"`) {
			t.Errorf("%v", header)
		}
		if r := s.get("/api/v3/coins/markets?vs_currency=usd&per_page=3&page=2&x_cg_demo_api_key="+publicKey, ""); strings.Contains(r.header.Get("Link"), publicKey) || !strings.Contains(r.header.Get("Link"), `rel="prev"`) {
			t.Errorf("%d, Link %q", r.status, r.header.Get("Link"))
		}
	})
}

// TestV3Costs: CoinGecko's API has the same meter as all else, in units of work.
func TestV3Costs(t *testing.T) {
	s := start(t, nil) // whose meter is in memory, and exact on the busiest machine
	s.stop()
	s.env["API_KEYS"] = "cost-" + randomName() + ":public:a-secret-for-costs"
	s.env["RATE_LIMITS"] = "public/simple_price=1000,public/market_chart=500,admin/*=1000"
	s.open()
	const key = "a-secret-for-costs"
	var list []any
	r := s.get("/api/v3/coins/list", key)
	if err := json.Unmarshal([]byte(r.body), &list); err != nil || len(list) < 300 {
		t.Fatalf("%v %d", err, len(list))
	}
	rows := (len(list) + 99) / 100
	left := map[string]int{"simple_price": 1000 - rows, "market_chart": 500}
	for _, c := range []struct {
		path, endpoint string
		units          int
	}{
		{"/ping", "simple_price", 0},
		{"/key", "simple_price", 0},
		{"/coins/bitcoin/tickers", "simple_price", 0},
		{"/simple/price?ids=bitcoin&vs_currencies=usd", "simple_price", 1},
		{"/simple/price?ids=nonesuch&vs_currencies=usd", "simple_price", 1},
		{"/simple/price?vs_currencies=usd&ids=" + strings.Repeat("bitcoin,", 10), "simple_price", 1},
		{"/simple/price?ids=bitcoin,ethereum,solana,cardano&vs_currencies=usd,eur,gbp,jpy,btc,eth,chf,sek,nok,dkk,pln,czk,huf,try,inr,idr,krw,cny,hkd,twd,aud,nzd,cad,mxn,brl,ars", "simple_price", 2},
		{"/simple/supported_vs_currencies", "simple_price", 1},
		{"/coins/list", "simple_price", rows},
		{"/coins/list?include_platform=true", "simple_price", rows},
		{"/coins/markets?vs_currency=usd", "simple_price", 1},
		{"/coins/markets?vs_currency=usd&per_page=250", "simple_price", 3},
		{"/coins/markets?vs_currency=usd&per_page=250&ids=bitcoin", "simple_price", 1},
		{"/coins/bitcoin/market_chart?vs_currency=usd&days=max", "market_chart", 1},
		{"/coins/bitcoin/market_chart/range?vs_currency=usd&from=2026-01-01&to=2026-01-02", "market_chart", 1},
		{"/coins/bitcoin/ohlc?vs_currency=usd&days=1", "market_chart", 1},
		{"/coins/bitcoin/history?date=01-01-2026", "market_chart", 1},
		{"/coins/bitcoin/history?date=x", "market_chart", 0},
	} {
		left[c.endpoint] -= c.units
		if r := s.get("/api/v3"+c.path, key); r.status >= 500 && r.status != 501 {
			t.Errorf("%s: %d %s", c.path, r.status, r.body)
		}
		var body struct {
			Plan      string
			PerMinute *int `json:"rate_limit_request_per_minute"`
			Limits    []struct {
				Endpoint         string
				Limit, Remaining int
			}
		}
		r := s.get("/api/v3/key", key)
		if err := json.Unmarshal([]byte(r.body), &body); err != nil || body.Plan != "public" || body.PerMinute == nil {
			t.Fatalf("%v %s", err, r.body)
		}
		for _, l := range body.Limits {
			if want := left[l.Endpoint]; l.Remaining != want {
				t.Errorf("%s leaves %d of %s, want %d", c.path, l.Remaining, l.Endpoint, want)
				left[l.Endpoint] = l.Remaining
			}
		}
	}
}

// TestV3Fails: what the server's plan does not have is told as CoinGecko tells it, and a failure with the time to wait.
func TestV3Fails(t *testing.T) {
	sim := simulator.New(simulator.Options{Seed: 7, Plan: simulator.Public})
	s := &server{t: t, sim: sim, env: map[string]string{
		"COINGECKO_BASE_URL": serveHTTP(t, sim), "COINGECKO_PLAN": "public", "DATA_DIR": t.TempDir(), "UPSTREAM_RETRIES": "0", "PRICE_TTL": "1s", "UPSTREAM_LIMITS": "coingecko=1000/1m",
	}}
	s.open()
	const chart = "/api/v3/coins/bitcoin/market_chart"
	for _, c := range []struct {
		path         string
		status, code int
	}{
		{chart + "?vs_currency=usd&days=365", 200, 0},
		{chart + "?vs_currency=usd&days=1", 200, 0},
		{chart + "?vs_currency=usd&days=90", 200, 0},
		{chart + "?vs_currency=usd&days=100&interval=hourly", 200, 0}, // two calls of up to 90 days
		{chart + "?vs_currency=usd&days=max", 401, 10012},
		{chart + "?vs_currency=usd&days=370", 401, 10012},
		{chart + "/range?vs_currency=usd&from=2020-01-01&to=2020-06-01", 401, 10012},
		{"/api/v3/coins/bitcoin/ohlc?vs_currency=usd&days=max", 401, 10005},
		{"/api/v3/coins/bitcoin/history?date=01-01-2020", 401, 10012},
	} {
		r := s.get(c.path, publicKey)
		if r.status != c.status || c.status != 200 && errorCode(t, r.body) != c.code {
			t.Errorf("%s: %d %.200s", c.path, r.status, r.body)
		}
	}
	for _, c := range []struct {
		fault  simulator.Fault
		status int
	}{{simulator.Fault{Status: 500}, 502}, {simulator.Fault{HTML: true}, 502}, {simulator.Fault{Status: 429}, 503}} {
		s.sim.Clear()
		if err := s.sim.Inject(c.fault); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/simple/price?ids=solana&vs_currencies=usd", "/coins/solana/market_chart?vs_currency=usd&days=7", "/coins/markets?vs_currency=usd", "/coins/solana/ohlc?vs_currency=usd&days=7"} {
			r := s.get("/api/v3"+path, publicKey)
			wait, err := strconv.Atoi(r.header.Get("Retry-After"))
			if r.status != c.status || errorCode(t, r.body) != c.status || c.status == 503 && (err != nil || wait < 1) {
				t.Errorf("%+v, %s: %d %s, Retry-After %q", c.fault, path, r.status, r.body, r.header.Get("Retry-After"))
			}
		}
	}
}
