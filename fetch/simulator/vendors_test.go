package simulator

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ask asks a vendor other than CoinGecko for a target, with a token.
func (h *host) ask(t *testing.T, target, token string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

type metricRow struct {
	Date     string  `json:"date"`
	Datetime string  `json:"datetime"`
	MVRV     float64 `json:"mvrv"`
	Netflow  float64 `json:"netflow_total"`
	Inflow   float64 `json:"inflow_total"`
	Outflow  float64 `json:"outflow_total"`
}

// rows asks CryptoQuant for rows that must be there.
func (h *host) rows(t *testing.T, target string) []metricRow {
	t.Helper()
	res, body := h.ask(t, "/v1/"+target, "a token")
	var answer struct {
		Status struct {
			Code    int
			Message string
		}
		Result struct {
			Window string
			Data   []metricRow
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil || res.StatusCode != http.StatusOK || answer.Status.Code != 200 || answer.Status.Message != "success" || answer.Result.Window == "" {
		t.Fatalf("%s: %d %s %v", target, res.StatusCode, body, err)
	}
	return answer.Result.Data
}

// TestCryptoQuantRows: newest first, the running period with them, a hundred by default, both bounds included.
func TestCryptoQuantRows(t *testing.T) {
	h := serve(t, Options{})
	got := h.rows(t, "btc/market-indicator/mvrv")
	if len(got) != 100 || got[0].Date != "2026-11-23" || got[99].Date != "2026-08-16" {
		t.Errorf("%d rows from %+v to %+v", len(got), got[0], got[len(got)-1])
	}
	got = h.rows(t, "btc/market-indicator/mvrv?window=day&from=20261101&to=20261103&limit=1000")
	if len(got) != 3 || got[0].Date != "2026-11-03" || got[2].Date != "2026-11-01" {
		t.Errorf("%+v", got)
	}
	if want, ok := h.Metric("btc", "market-indicator/mvrv", at(t, "2026-11-03T00:00:00Z"), 24*time.Hour); !ok || got[0].MVRV != want || want < 0.3 || want > 4 {
		t.Errorf("%v, want %v", got[0].MVRV, want)
	}
	if got = h.rows(t, "btc/market-indicator/mvrv?from=20261101&to=20261103&limit=2"); len(got) != 2 || got[1].Date != "2026-11-02" {
		t.Errorf("the limit counts from the newest: %+v", got)
	}
	got = h.rows(t, "btc/market-indicator/mvrv?window=hour&from=20261123T150000&limit=10")
	if len(got) != 4 || got[0].Datetime != "2026-11-23 18:00:00" || got[3].Datetime != "2026-11-23 15:00:00" || got[0].Date != "" {
		t.Errorf("%+v", got)
	}
	if got = h.rows(t, "btc/market-indicator/mvrv?from=20000101&to=20130429&limit=1000"); len(got) != 2 {
		t.Errorf("before the listing: %+v", got)
	}
}

// TestFlows: what flows in less what flows out is what the reserve changes by; of the running day a part is there, and
// more with the clock; and Revise changes what was counted.
func TestFlows(t *testing.T) {
	h := serve(t, Options{})
	const span = "&exchange=all_exchange&from=20261120&to=20261123"
	flow := func(metric string) []metricRow {
		return h.rows(t, "btc/exchange-flows/"+metric+"?window=day"+span)
	}
	in, out, net := flow("inflow"), flow("outflow"), flow("netflow")
	for i := range net {
		if math.Abs(net[i].Netflow-(in[i].Inflow-out[i].Outflow)) > 1e-6 || in[i].Inflow <= 0 || out[i].Outflow <= 0 {
			t.Errorf("%+v %+v %+v", net[i], in[i], out[i])
		}
	}
	day := 24 * time.Hour
	before, _ := h.Metric("btc", "exchange-flows/reserve", at(t, "2026-11-20T00:00:00Z"), day)
	after, _ := h.Metric("btc", "exchange-flows/reserve", at(t, "2026-11-21T00:00:00Z"), day)
	if math.Abs(after-before-net[2].Netflow) > 1e-6 {
		t.Errorf("the reserve changed by %v, %v flowed", after-before, net[2].Netflow)
	}
	whole, _ := h.Metric("btc", "exchange-flows/inflow", at(t, "2026-11-23T00:00:00Z"), day)
	if part := in[0].Inflow / whole; math.Abs(part-18.695/24) > 0.001 {
		t.Errorf("at a quarter to seven %v of the day's flow are there", part)
	}
	h.advance(3 * time.Hour)
	if later := flow("inflow"); later[0].Inflow <= in[0].Inflow || later[1].Inflow != in[1].Inflow {
		t.Errorf("three hours later: %v, before %v", later[:2], in[:2])
	}
	body := `{"from":"2026-11-21T00:00:00Z","to":"2026-11-22T00:00:00Z"}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/_sim/revisions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusNoContent {
		t.Fatalf("%v %v", res, err)
	}
	_ = res.Body.Close()
	if revised := flow("inflow"); revised[2].Inflow != in[2].Inflow*1.01 || revised[1].Inflow != in[1].Inflow {
		t.Errorf("revised: %v, before %v", revised, in)
	}
}

// TestSeeds: the same seed tells the same, another one something else.
func TestSeeds(t *testing.T) {
	when := at(t, "2026-11-03T00:00:00Z")
	value := func(seed uint64) float64 {
		v, _ := New(Options{Seed: seed}).Metric("eth", "network-data/fees", when, 24*time.Hour)
		return v
	}
	if value(1) != value(1) || value(1) == value(2) {
		t.Error(value(1), value(1), value(2))
	}
}

func TestCryptoQuantErrors(t *testing.T) {
	h := serve(t, Options{CryptoQuant: CryptoQuant{Keys: []string{"right"}, Reach: "P30D", Limit: 20, Rows: 7}})
	for _, test := range []struct {
		target, token string
		status        int
	}{
		{"/v1/btc/market-indicator/mvrv", "right", 200},
		{"/v1/btc/market-indicator/mvrv", "", 401},
		{"/v1/btc/market-indicator/mvrv", "wrong", 401},
		{"/v1/btc/market-indicator/mvrv?api_key=right", "", 200},
		{"/v1/btc/market-indicator/mvrv?from=20260101", "right", 403},
		{"/v1/btc/market-indicator/mvrv?from=20261024", "right", 200},
		{"/v1/btc/market-indicator/mvrv?window=hour&from=20261123", "right", 400},
		{"/v1/btc/market-indicator/mvrv?window=month", "right", 400},
		{"/v1/btc/market-indicator/mvrv?limit=100001", "right", 400},
		{"/v1/btc/exchange-flows/inflow", "right", 400},
		{"/v1/eth/market-indicator/mvrv", "right", 404},
		{"/v1/doge/market-indicator/mvrv", "right", 404},
		{"/v1/eth/network-data/difficulty", "right", 404},
		{"/v1/btc/market-indicator", "right", 404},
		{"/v1/discovery/endpoints", "right", 200},
		{"/v1/my/discovery/endpoints", "right", 200},
	} {
		res, body := h.ask(t, test.target, test.token)
		if res.StatusCode != test.status {
			t.Errorf("%s: %d %s, want %d", test.target, res.StatusCode, body, test.status)
		}
		if test.status != 200 && !strings.HasPrefix(string(body), `{"status":{"code":`+strconv.Itoa(test.status)) {
			t.Errorf("%s: %s", test.target, body)
		}
	}
	if got := h.Calls()[3]; got.Target != "/v1/btc/market-indicator/mvrv" || got.Key != "query" || got.Endpoint != "/v1/{asset}/market-indicator/mvrv" {
		t.Errorf("the call is told as %+v", got)
	}
	_, body := h.ask(t, "/v1/my/discovery/endpoints", "right")
	if !strings.Contains(string(body), `"mvrv":{"day":"P30D","hour":"P30D"}`) || strings.Contains(string(body), `"status"`) {
		t.Errorf("%s", body)
	}
	_, body = h.ask(t, "/v1/btc/market-indicator/mvrv?limit=50", "right")
	if n := strings.Count(string(body), `"date"`); n != 7 {
		t.Errorf("%d rows of a plan with 7", n)
	}
	for range 8 {
		h.ask(t, "/v1/btc/market-indicator/mvrv", "right")
	}
	res, _ := h.ask(t, "/v1/btc/market-indicator/mvrv", "right")
	if want := strconv.FormatInt(at(t, "2026-11-23T18:42:00Z").Unix(), 10); res.StatusCode != http.StatusTooManyRequests || res.Header.Get("X-RateLimit-Reset") != want {
		t.Errorf("too many: %d %v, want %s", res.StatusCode, res.Header, want)
	}
}

// TestVendorFaults: faults are for all vendors, and errors are worded as each of them does.
func TestVendorFaults(t *testing.T) {
	h := serve(t, Options{})
	for target, want := range map[string]string{
		"/v1/btc/market-indicator/mvrv": `{"status":{"code":500,"message":"internal_server_error"}}`,
		"/coinmetrics/v4/timeseries/asset-metrics?assets=btc&metrics=PriceUSD&frequency=1d": `{"error":{"message":"Internal Server Error","type":"internal_server_error"}}`,
		"/coinpaprika/v1/tickers/btc-bitcoin":                                               `{"error":"internal server error"}`,
		"/binance/api/v3/klines?symbol=BTCUSDT&interval=1d":                                 `{"code":0,"msg":"Internal Server Error"}`,
	} {
		if res, body := h.ask(t, target, "x"); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", target, res.StatusCode, body)
		}
		h.inject(t, Fault{Match: "^" + strings.SplitAfterN(target, "/", 4)[0] + strings.SplitAfterN(target, "/", 4)[1], Status: 500, Times: 1})
		if res, body := h.ask(t, target, "x"); res.StatusCode != http.StatusInternalServerError || string(body) != want {
			t.Errorf("%s: %d %s", target, res.StatusCode, body)
		}
		if res, _ := h.ask(t, target, "x"); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d after the fault", target, res.StatusCode)
		}
	}
	if got := slices.Sorted(maps.Keys(h.Counts())); len(got) != 4 || slices.Contains(got, "unknown") {
		t.Errorf("%q", got)
	}
}

// TestFallbackFormats: what the fallbacks tell is the market's.
func TestFallbackFormats(t *testing.T) {
	h := serve(t, Options{})
	_, body := h.ask(t, "/coinmetrics/v4/timeseries/asset-metrics?assets=btc&metrics=PriceUSD,AdrActCnt&frequency=1d&page_size=2&start_time=2026-11-19", "")
	var community struct {
		Data []map[string]string
		Next string `json:"next_page_token"`
	}
	if err := json.Unmarshal(body, &community); err != nil || len(community.Data) != 2 || community.Next != "2" || community.Data[1]["time"] != "2026-11-22T00:00:00.000000000Z" {
		t.Fatalf("%s %v", body, err)
	}
	want, _ := h.Price("bitcoin", "usd", at(t, "2026-11-23T00:00:00Z"))
	if got := community.Data[1]["PriceUSD"]; got != fmt.Sprint(want) {
		t.Errorf("the close of the 22nd is %s, want %v", got, want)
	}
	_, body = h.ask(t, "/binance/api/v3/klines?symbol=BTCUSDT&interval=1d&startTime="+strconv.FormatInt(ms(t, "2026-11-23T00:00:00Z"), 10), "")
	if open := strconv.FormatFloat(want, 'f', 8, 64); !strings.HasPrefix(string(body), `[[1795392000000,"`+open+`",`) || strings.Count(string(body), "[") != 2 {
		t.Errorf("%s, want the open %s", body, open)
	}
	_, body = h.ask(t, "/coinpaprika/v1/tickers/btc-bitcoin/historical?interval=1d&quote=usd&start=2026-11-22&end=2026-11-23", "")
	if !strings.Contains(string(body), `{"timestamp":"2026-11-23T00:00:00Z","price":`+strconv.FormatFloat(want, 'f', -1, 64)) || strings.Count(string(body), "timestamp") != 2 {
		t.Errorf("%s", body)
	}
	for target, status := range map[string]int{
		"/coinmetrics/v4/timeseries/asset-metrics?assets=nosuch&metrics=PriceUSD&frequency=1d": 400,
		"/coinmetrics/v4/timeseries/asset-metrics?assets=btc&metrics=SOPR&frequency=1d":        403,
		"/coinmetrics/v4/catalog":                                                               404,
		"/coinpaprika/v1/tickers/nosuch-coin":                                                   404,
		"/coinpaprika/v1/tickers/btc-bitcoin?quotes=USD,EUR,BTC,ETH":                            400,
		"/coinpaprika/v1/tickers/btc-bitcoin/historical?interval=1d&quote=usd&start=2020-01-01": 402,
		"/coinpaprika/v1/coins":                                                                 404,
		"/binance/api/v3/klines?symbol=NOSUCHUSDT&interval=1d":                                  400,
		"/binance/api/v3/klines?symbol=BTCUSDT&interval=1M":                                     400,
		"/binance/api/v3/klines?symbol=BTCUSDT&interval=1d&limit=1001":                          400,
		"/binance/api/v3/account":                                                               404,
	} {
		if res, body := h.ask(t, target, ""); res.StatusCode != status || !json.Valid(body) {
			t.Errorf("%s: %d %s, want %d", target, res.StatusCode, body, status)
		}
	}
}

// Whatever the request, the answer is JSON with a status of the API.
func FuzzVendors(f *testing.F) {
	for _, target := range []string{
		"/v1/btc/exchange-flows/netflow?window=hour&exchange=all_exchange&from=20260101T000000&to=20270101T000000&limit=100000",
		"/v1/my/discovery/endpoints", "/v1/eth/network-data/fees?from=00010101", "/v1/%zz//",
		"/coinmetrics/v4/timeseries/asset-metrics?assets=btc,eth&metrics=PriceUSD,CapMVRVCur&frequency=1d&page_size=3&next_page_token=5&paging_from=start",
		"/coinpaprika/v1/tickers?quotes=BTC,EUR", "/coinpaprika/v1/tickers/x-/historical?interval=1h&quote=eth&start=1&end=99999999999",
		"/binance/api/v3/klines?symbol=USDT&interval=1h&startTime=0&limit=1000",
	} {
		f.Add(target)
	}
	now := func() time.Time { return time.Date(2026, 11, 23, 18, 41, 43, 0, time.UTC) }
	s := New(Options{Now: now})
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.Parse(target)
		if err != nil || u.Host != "" || !strings.HasPrefix(u.Path, "/") {
			return // no request has such a target
		}
		if v, _ := vendorOf(u.EscapedPath()); v == nil {
			return // CoinGecko has a test of its own
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, (&http.Request{Method: http.MethodGet, URL: u, Host: "x", RemoteAddr: "192.0.2.1:1", Header: http.Header{"Authorization": {"Bearer x"}}}).WithContext(t.Context()))
		switch w.Code {
		case 200, 400, 402, 403, 404, 422:
		default:
			t.Errorf("%s: %d", target, w.Code)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: not JSON: %.200s", target, w.Body)
		}
	})
}
