package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coingraph/coingraph/fetch/wire/wiretest"
	"github.com/coingraph/coingraph/market"
)

// recordings are the bodies that CoinGecko sent to others; they are no part of the project, and without any the test skips and
// says so.
func recordings(t *testing.T, pattern string) map[string][]byte {
	t.Helper()
	return wiretest.Recordings(t, "../..", "coingecko", pattern)
}

func recorded(t *testing.T, name string) []byte {
	t.Helper()
	return recordings(t, name)[filepath.Base(name)]
}

// replay is a provider that answers one path with a recorded body, and knows these assets.
type replay struct {
	path   string // below /api/v3
	status int
	body   []byte
	retry  string
	assets string
}

func (p *replay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/api/v3")
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	switch {
	case path == p.path && (path != "/coins/list" || r.URL.Query().Has("include_platform")):
		if p.retry != "" {
			w.Header().Set("Retry-After", p.retry)
		}
		if p.status != 0 {
			w.WriteHeader(p.status)
		}
		_, _ = w.Write(p.body)
	case path == "/coins/list":
		_, _ = w.Write([]byte(p.assets))
	default:
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"error":"Incorrect path. Please check https://www.coingecko.com/api/"}`))
	}
}

// assetList is the body of /coins/list with these ids.
func assetList(ids ...string) string {
	rows := make([]map[string]string, len(ids))
	for i, id := range ids {
		rows[i] = map[string]string{"id": id, "symbol": "s", "name": id}
	}
	body, err := json.Marshal(rows)
	if err != nil {
		panic(err) // strings
	}
	return string(body)
}

// onReplay opens an App on a replaying provider. Its handler and its clock may be changed between requests.
func onReplay(t *testing.T, assets string) (s *server, provider *atomic.Pointer[replay], clock *atomic.Int64) {
	t.Helper()
	provider, clock = new(atomic.Pointer[replay]), new(atomic.Int64)
	provider.Store(&replay{assets: assets})
	clock.Store(time.Now().UnixMilli())
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { provider.Load().ServeHTTP(w, r) }))
	t.Cleanup(upstream.Close)
	s = &server{t: t, now: func() time.Time { return time.UnixMilli(clock.Load()).UTC() }, env: map[string]string{
		"COINGECKO_BASE_URL": upstream.URL + "/api/v3",
		"COINGECKO_PLAN":     "pro", "COINGECKO_API_KEY": providerKey, "DATA_DIR": t.TempDir(), "UPSTREAM_RETRIES": "0",
		"RATE_LIMITS": "public/*=1000000,standard/*=1000000,admin/*=1000000",
	}}
	s.open()
	return s, provider, clock
}

// TestV3RecordedBodies is the differential test: a provider sends what CoinGecko sent, and /api/v3 gives it on. Equal as
// JSON values; docs/coingecko.md has what is different, and so does TestV3RecordedDifferences.
func TestV3RecordedBodies(t *testing.T) {
	cases := []struct{ file, at, path, query string }{
		{"market_chart__ethereum_usd_1d__2020__truncated.json", "2020-01-23T06:53:00Z", "/coins/ethereum/market_chart", "vs_currency=usd&days=1"},
		{"simple_price__ethereum_8_currencies.json", "2021-05-01T00:00:00Z", "/simple/price", "ids=ethereum&vs_currencies=btc,eth,ltc,usd,eur,aed,ars,aud"},
		{"simple_price__2tokens_vs_eth__exp.json", "2022-06-10T00:00:00Z", "/simple/price", "ids=vendit,ethereum-cash-token&vs_currencies=eth"},
		{"market_chart__ethereum_usd_1d_daily__2points.json", "2022-06-10T14:39:36Z", "/coins/ethereum/market_chart", "vs_currency=usd&days=1&interval=daily"},
		{"market_chart__ethereum_jpy_daily__tail.json", "2022-06-10T15:17:42Z", "/coins/ethereum/market_chart", "vs_currency=jpy&days=4&interval=daily"},
		{"market_chart__ethereum_vnd_daily__tail.json", "2022-06-10T20:39:18Z", "/coins/ethereum/market_chart", "vs_currency=vnd&days=4&interval=daily"},
		{"market_chart__terra-luna_usd_max__daily.json", "2022-07-06T19:32:41Z", "/coins/terra-luna/market_chart", "vs_currency=usd&days=max"},
		{"coins_markets__usd__first2.json", "2023-01-16T03:29:30Z", "/coins/markets", "vs_currency=usd&order=market_cap_desc"},
		{"simple_price__0x_usd__id_0x.json", "2023-01-24T09:25:09Z", "/simple/price", "ids=0x&vs_currencies=usd"},
		{"simple_price__hydro-protocol_usd__small.json", "2023-01-24T09:25:10Z", "/simple/price", "ids=hydro-protocol&vs_currencies=usd"},
		{"simple_price__xceltoken-plus_usd__exp.json", "2023-01-24T09:25:11Z", "/simple/price", "ids=xceltoken-plus&vs_currencies=usd"},
		{"simple_price__bitcoin_usd__integer.json", "2023-01-24T09:36:10Z", "/simple/price", "ids=bitcoin&vs_currencies=usd"},
		{"market_chart__bitcoin_usd_7d__hourly.json", "2023-10-10T18:41:45Z", "/coins/bitcoin/market_chart", "vs_currency=usd&days=7"},
		{"market_chart__bitcoin_usd_1d__interval_daily_precision_6.json", "2024-01-01T16:07:13Z", "/coins/bitcoin/market_chart", "vs_currency=usd&days=1&interval=daily&precision=6"},
		{"coins_ohlc__docs_example.json", "2024-03-02T16:00:00Z", "/coins/bitcoin/ohlc", "vs_currency=usd&days=7"},
		{"coins_history__ethereum__2016-12-30.json", "2024-03-18T16:49:12Z", "/coins/ethereum/history", "date=30-12-2016&localization=false"},
		{"coins_history__ethereum__2024-01-01.json", "2024-03-27T16:20:17Z", "/coins/ethereum/history", "date=2024-01-01&localization=false"},
		{"simple_price__ethereum_btc__pro_host.json", "2024-10-11T11:58:35Z", "/simple/price", "ids=ethereum&vs_currencies=btc"},
		{"simple_price__long_id_usd.json", "2025-01-20T13:20:58Z", "/simple/price", "ids=binance-bridged-usdt-bnb-smart-chain&vs_currencies=usd"},
		{"simple_price__usd-coin_usd__one.json", "2025-01-20T21:17:12Z", "/simple/price", "ids=usd-coin&vs_currencies=usd"},
		{"simple_price__3ids_vs_eth__dai.json", "2025-01-22T21:46:19Z", "/simple/price", "ids=bitcoin,dai,binancecoin&vs_currencies=eth"},
		{"simple_price__3ids_vs_eth.json", "2025-03-06T20:11:00Z", "/simple/price/", "ids=bitcoin%2Cbinancecoin%2Cavalanche-2&vs_currencies=eth"},
		{"simple_price__3ids_vs_usd.json", "2025-03-06T20:11:01Z", "/simple/price", "ids=bitcoin,binancecoin,avalanche-2&vs_currencies=usd"},
		{"simple_price__ethereum-classic_aave_usd.json", "2025-03-06T20:11:02Z", "/simple/price", "ids=ethereum-classic,aave&vs_currencies=USD"},
		{"simple_price__griffain_pudgy_usd__small.json", "2025-10-16T12:55:12Z", "/simple/price", "ids=griffain-new-hedge-fund,pudgy-penguins&vs_currencies=usd"},
		{"simple_price__bitcoin_usd__2026.json", "2026-06-24T15:01:47Z", "/simple/price", "ids=bitcoin&vs_currencies=usd"},
		{"market_chart__stellar_usd_7d_daily__truncated.json", "2026-09-04T00:30:00Z", "/coins/stellar/market_chart", "vs_currency=usd&days=7&interval=daily"},
		{"coins_list__include_platform__excerpt.json", "2026-09-05T00:00:00Z", "/coins/list", "include_platform=true"},
	}
	// Each recorded body is in here or among those that are different.
	var left []string
	for _, pattern := range []string{"simple_price__*", "market_chart__*", "coins_*"} {
		left = slices.AppendSeq(left, maps.Keys(recordings(t, pattern)))
	}
	left = slices.DeleteFunc(left, func(f string) bool { return f == "coins_list__2025-08-03.json" })

	assets := assetList("0x", "aave", "avalanche-2", "binance-bridged-usdt-bnb-smart-chain", "binancecoin", "bitcoin", "dai", "ethereum", "ethereum-cash-token",
		"ethereum-classic", "griffain-new-hedge-fund", "hydro-protocol", "pudgy-penguins", "stellar", "terra-luna", "usd-coin", "vendit", "xceltoken-plus")
	s, provider, clock := onReplay(t, assets)
	for _, c := range cases {
		t.Run(c.file, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, c.at)
			if err != nil {
				t.Fatal(err)
			}
			clock.Store(at.UnixMilli())
			body := recorded(t, c.file)
			provider.Store(&replay{path: strings.TrimSuffix(c.path, "/"), body: body, assets: assets})
			r := s.get("/api/v3"+c.path+"?"+c.query, publicKey)
			if r.status != http.StatusOK {
				t.Fatalf("%d %s", r.status, r.body)
			}
			equalJSON(t, r.body, string(body))
		})
		left = slices.DeleteFunc(left, func(f string) bool { return f == c.file })
	}
	if len(left) > 0 {
		t.Errorf("recorded bodies that no case serves: %q", left)
	}
}

// equalJSON compares values, to the last bit of a number.
func equalJSON(t *testing.T, got, want string) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(got), &a); err != nil {
		t.Fatalf("%v in %.200s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b, a); diff != "" {
		t.Errorf("want -, got +\n%.2000s", diff)
	}
}

// TestV3RecordedDifferences has what docs/coingecko.md lists as different.
func TestV3RecordedDifferences(t *testing.T) {
	t.Run("the list of all coins is ascending, and without ids that are none", func(t *testing.T) {
		body := recorded(t, "coins_list__2025-08-03.json")
		s, _, _ := onReplay(t, string(body))
		r := s.get("/api/v3/coins/list", publicKey)
		var got, want []market.Asset
		if err := json.Unmarshal([]byte(r.body), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatal(err)
		}
		all := len(want)
		want = slices.DeleteFunc(want, func(a market.Asset) bool { return !market.ValidAssetID(a.ID) })
		slices.SortFunc(want, func(a, b market.Asset) int { return strings.Compare(a.ID, b.ID) })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("want -, got +\n%.2000s", diff)
		}
		if len(want) < all-100 || all < 17_000 {
			t.Errorf("of %d rows %d are left out", all, all-len(want))
		}
	})
	t.Run("the currencies are this server's", func(t *testing.T) {
		body := recorded(t, "simple_supported_vs_currencies__2019.json")
		s, _, _ := onReplay(t, assetList("bitcoin"))
		var got, want []string
		if err := json.Unmarshal([]byte(s.get("/api/v3/simple/supported_vs_currencies", publicKey).body), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatal(err)
		}
		for _, c := range want {
			if !slices.Contains(got, c) {
				t.Errorf("%s lacks", c)
			}
		}
	})
	t.Run("our own errors", func(t *testing.T) {
		s, _, _ := onReplay(t, assetList("bitcoin"))
		for _, c := range []struct {
			file, path, key string
			status          int
		}{
			{"400__invalid_vs_currency.json", "/coins/bitcoin/market_chart?vs_currency=usdt&days=1", publicKey, 400},
			{"400__invalid_vs_currency.json", "/coins/markets?vs_currency=usdt", publicKey, 400},
			{"404__incorrect_path.json", "/coins/%3Ctests.conftest.Recorder%20object%20at%200x7fde0baa3ee0%3E/market_chart?vs_currency=USD&days=45", publicKey, 404},
			{"404__incorrect_path.json", "/nothing/of/theirs", publicKey, 404},
			{"401__10002__third_party_test.json", "/ping", "wrong", 401},
		} {
			r := s.get("/api/v3"+c.path, c.key)
			if r.status != c.status {
				t.Errorf("%s: %d %s", c.path, r.status, r.body)
			}
			equalJSON(t, r.body, string(recorded(t, "errors/"+c.file)))
		}
	})
	// What the provider refuses us is our business: its clients are told what it means for them.
	t.Run("the provider's errors", func(t *testing.T) {
		for _, c := range []struct {
			file         string
			sent, status int
			code         int // 0: it is a flat error
			wait         bool
		}{
			{"400__invalid_vs_currency.json", 400, 404, 0, false},
			{"400__10010_pro_key_on_public_host.json", 400, 502, 502, false},
			{"400__10011_demo_key_on_pro_host.json", 400, 502, 502, false},
			{"401__10002__third_party_test.json", 401, 502, 502, false},
			{"401__10005__third_party_test.json", 401, 401, 10005, false},
			{"401__10012_time_range.json", 401, 401, 10012, false},
			{"404__incorrect_path.json", 404, 502, 502, false},
			{"429__status_json.json", 429, 503, 503, true},
			{"429__throttled.txt", 429, 503, 503, true},
			{"1015__plain_text.txt", 429, 503, 503, true},
			{"cloudflare_access_denied__truncated.html", 403, 502, 502, false},
			{"500__rails_page__truncated.html", 500, 502, 502, false},
			{"504__cloudflare_page__truncated.html", 504, 502, 502, false},
		} {
			t.Run(c.file, func(t *testing.T) {
				body := recorded(t, "errors/"+c.file)
				s, provider, _ := onReplay(t, assetList("bitcoin"))
				provider.Store(&replay{path: "/coins/bitcoin/market_chart", status: c.sent, body: body, retry: map[bool]string{true: "119"}[c.sent == 429], assets: assetList("bitcoin")})
				r := s.get("/api/v3/coins/bitcoin/market_chart?vs_currency=usd&days=7", publicKey)
				if r.status != c.status || errorCode(t, r.body) != c.code {
					t.Errorf("%d %s", r.status, r.body)
				}
				if wait, err := strconv.Atoi(r.header.Get("Retry-After")); c.wait && (err != nil || wait < 100 || wait > 119) {
					t.Errorf("Retry-After: %q", r.header.Get("Retry-After"))
				}
				if strings.Contains(r.body, "http") || strings.Contains(r.body, "<") {
					t.Errorf("the provider's words: %s", r.body)
				}
			})
		}
	})
}

// errorCode is the code of an error body in any of CoinGecko's shapes; 0: it has none. A body of no such shape fails the
// test.
func errorCode(t *testing.T, body string) int {
	t.Helper()
	var e struct {
		Error  json.RawMessage
		Status struct {
			Code    int    `json:"error_code"`
			Message string `json:"error_message"`
		}
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	var words string
	switch {
	case e.Status.Code != 0 && e.Status.Message != "":
		return e.Status.Code
	case json.Unmarshal(e.Error, &words) == nil && words != "":
		return 0
	}
	var nested struct {
		Status struct {
			Timestamp string
			Code      int    `json:"error_code"`
			Message   string `json:"error_message"`
		}
	}
	if err := json.Unmarshal(e.Error, &nested); err != nil || nested.Status.Code == 0 || nested.Status.Message == "" {
		t.Fatalf("no error of CoinGecko's: %s", body)
	}
	if _, err := time.Parse(time.RFC3339, nested.Status.Timestamp); err != nil {
		t.Error(err)
	}
	return nested.Status.Code
}
