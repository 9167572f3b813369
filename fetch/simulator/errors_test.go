package simulator

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"testing"
	"time"
)

func TestErrors(t *testing.T) {
	public, demo, pro := serve(t, Options{}), serve(t, Options{Plan: Demo, Keys: []string{"CG-right", "CG-too"}}), serve(t, Options{Plan: Pro, Keys: []string{"CG-paid"}})
	const (
		chart      = "/coins/bitcoin/market_chart?vs_currency=usd"
		shapeC     = `{"error":{"status":{"timestamp":"2026-11-23T18:41:43.250+00:00","error_code":10012,"error_message":"Your request exceeds the allowed time range. Public API users are limited to querying historical data within the past 365 days. Upgrade to a paid plan to enjoy full historical data access: https://www.coingecko.com/en/api/pricing. "}}}`
		wrongPath  = `{"error":"Incorrect path. Please check https://www.coingecko.com/api/"}`
		noCoin     = `{"error":"coin not found"}`
		noCurrency = `{"error":"invalid vs_currency"}`
		paid       = `{"status":{"error_code":10005,"error_message":"This request is limited to PRO API subscribers. Please visit https://www.coingecko.com/en/api/pricing to subscribe to our API plans to access this endpoint."}}`
		badKey     = `{"status":{"error_code":10002,"error_message":"Invalid API Key"}}`
		noKey      = `{"status":{"error_code":10002,"error_message":"API Key Missing"}}`
		proHere    = `{"timestamp":"2026-11-23T18:41:43.250+00:00","error_code":10010,"status":{"error_message":"If you are using Pro API key, please change your root URL from api.coingecko.com to pro-api.coingecko.com"}}`
		demoHere   = `{"timestamp":"2026-11-23T18:41:43.250+00:00","error_code":10011,"status":{"error_message":"If you are using Demo API key, please change your root URL from pro-api.coingecko.com to api.coingecko.com"}}`
		demoKey    = "x-cg-demo-api-key"
		proKey     = "x-cg-pro-api-key"
	)
	for _, c := range []struct {
		at     *host
		target string
		header []string
		status int
		body   string // "" for any
	}{
		{public, "/", nil, 404, wrongPath},
		{public, "/nothing", nil, 404, wrongPath},
		{public, "/simple", nil, 404, wrongPath},
		{public, "/coins/bitcoin", nil, 404, wrongPath},
		{public, "/coins/bitcoin/nothing", nil, 404, wrongPath},
		{public, "/coins//market_chart?vs_currency=usd&days=1", nil, 404, wrongPath},
		{public, "/coins/%3Ca%20b%3E/market_chart?vs_currency=usd&days=1", nil, 404, wrongPath},
		{public, "/coins/nothing/market_chart?vs_currency=usd&days=1", nil, 404, noCoin},
		{public, "/coins/nothing/history?date=01-01-2026", nil, 404, noCoin},
		{public, "/coins/1move%20token/market_chart?vs_currency=usd&days=1", nil, 200, ""},
		{public, "/coins/boringdao-%5Bold%5D/market_chart?vs_currency=usd&days=1", nil, 200, ""},
		{public, "/coins/0x/market_chart/?vs_currency=USD&days=1", nil, 200, ""},
		{public, chart, nil, 422, `{"error":"Missing parameter days"}`},
		{public, "/coins/bitcoin/market_chart?days=1", nil, 422, `{"error":"Missing parameter vs_currency"}`},
		{public, "/coins/bitcoin/market_chart?days=1&vs_currency=usdt", nil, 400, noCurrency},
		{public, "/coins/bitcoin/ohlc?days=1&vs_currency=usdt", nil, 400, noCurrency},
		{public, "/coins/markets?vs_currency=usdt", nil, 400, noCurrency},
		{public, chart + "&days=0", nil, 400, ""},
		{public, chart + "&days=-1", nil, 400, ""},
		{public, chart + "&days=x", nil, 400, ""},
		{public, chart + "&days=NaN", nil, 400, ""},
		{public, chart + "&days=Inf", nil, 400, ""},
		{public, chart + "&days=1&interval=weekly", nil, 400, ""},
		{public, chart + "&days=max", nil, 401, shapeC},
		{public, chart + "&days=366", nil, 401, shapeC},
		{public, chart + "&days=365", nil, 200, ""},
		{public, chart + "&days=30&interval=daily", nil, 200, ""},
		{public, chart + "&days=30&interval=hourly", nil, 401, paid},
		{public, chart + "&days=1&interval=5m", nil, 401, paid},
		{pro, chart + "&days=1&interval=5m", []string{proKey, "CG-paid"}, 401, paid},
		{pro, chart + "&days=101&interval=hourly", []string{proKey, "CG-paid"}, 401, paid},
		{pro, chart + "&days=100&interval=hourly", []string{proKey, "CG-paid"}, 200, ""},
		{public, "/coins/bitcoin/market_chart/range?vs_currency=usd&from=2025-11-22&to=2026-01-01", nil, 401, shapeC},
		{public, "/coins/bitcoin/market_chart/range?vs_currency=usd&from=2025-11-24&to=2026-01-01", nil, 200, ""},
		{public, "/coins/bitcoin/market_chart/range?vs_currency=usd&from=2026-02-01&to=2026-01-01", nil, 400, ""},
		{public, "/coins/bitcoin/market_chart/range?vs_currency=usd&from=x&to=2026-01-01", nil, 400, ""},
		{public, "/coins/bitcoin/market_chart/range?vs_currency=usd&from=1767225600000&to=1767312000000", nil, 400, ""},
		{public, "/coins/bitcoin/market_chart/range?vs_currency=usd&from=2026-01-01", nil, 422, ""},
		{public, "/coins/bitcoin/history?date=01-01-2024", nil, 401, shapeC},
		{public, "/coins/bitcoin/history?date=31-31-2026", nil, 400, ""},
		{public, "/coins/bitcoin/history?date=01-01-2027", nil, 400, ""},
		{public, "/coins/bitcoin/history", nil, 422, ""},
		{public, "/coins/bitcoin/ohlc?vs_currency=usd&days=2", nil, 400, ""},
		{public, "/coins/bitcoin/ohlc?vs_currency=usd&days=max", nil, 401, paid},
		{public, "/coins/markets?vs_currency=usd&page=0", nil, 400, ""},
		{public, "/coins/markets?vs_currency=usd&order=x", nil, 400, ""},
		{public, "/simple/price?ids=bitcoin", nil, 422, `{"error":"Missing parameter vs_currencies"}`},
		{public, "/simple/price?vs_currencies=usd", nil, 422, `{"error":"Missing parameter ids"}`},
		{public, "/key", nil, 401, paid},
		{pro, "/key", []string{proKey, "CG-paid"}, 200, ""},

		{demo, "/ping", nil, 200, ""},
		{demo, "/ping", []string{demoKey, "CG-wrong"}, 200, ""},
		{demo, "/coins/list", nil, 401, noKey},
		{demo, "/coins/list", []string{demoKey, "CG-wrong"}, 401, badKey},
		{demo, "/coins/list", []string{demoKey, "CG-right"}, 200, ""},
		{demo, "/coins/list", []string{demoKey, "CG-too"}, 200, ""},
		{demo, "/coins/list?x_cg_demo_api_key=CG-right", nil, 200, ""},
		{demo, "/coins/list", []string{proKey, "CG-right"}, 400, proHere},
		{public, "/coins/list", []string{proKey, "CG-any"}, 400, proHere},
		{public, "/coins/list", []string{demoKey, "CG-any"}, 200, ""},
		{pro, "/ping", nil, 401, noKey},
		{pro, "/coins/list", []string{demoKey, "CG-paid"}, 400, demoHere},
		{pro, "/coins/list?x_cg_demo_api_key=CG-paid", nil, 400, demoHere},
		{pro, chart + "&days=max", []string{proKey, "CG-paid"}, 200, ""},
	} {
		res, body := c.at.get(t, c.target, c.header...)
		if res.StatusCode != c.status || c.body != "" && string(body) != c.body {
			t.Errorf("%s %v: got %d %.300s\nwant %d %s", c.target, c.header, res.StatusCode, body, c.status, c.body)
		}
		if !json.Valid(body) || res.Header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%s: %s is not JSON: %.100s", c.target, res.Header.Get("Content-Type"), body)
		}
		if c.status != 200 && res.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: the error may be cached: %s", c.target, res.Header.Get("Cache-Control"))
		}
	}
	res, err := http.Post(public.url+"/api/v3/ping", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("POST: %s", res.Status)
	}
}

func TestErrorsAreAsRecorded(t *testing.T) {
	h := serve(t, Options{})
	pro := serve(t, Options{Plan: Pro})
	limited := serve(t, Options{Limit: 1})
	limited.get(t, "/ping")
	for _, c := range []struct {
		at           *host
		target, file string
		header       []string
	}{
		{h, "/ping", "400__10010_pro_key_on_public_host.json", []string{"x-cg-pro-api-key", "x"}},
		{pro, "/ping", "400__10011_demo_key_on_pro_host.json", []string{"x-cg-demo-api-key", "x"}},
		{h, "/coins/bitcoin/market_chart?vs_currency=usdt&days=1", "400__invalid_vs_currency.json", nil},
		{h, "/coins/bitcoin/market_chart?vs_currency=usd&days=max", "401__10012_time_range.json", nil},
		{h, "/coins/%3Ctests.conftest.Recorder%20object%20at%200x7fde0baa3ee0%3E/market_chart?vs_currency=USD&days=45", "404__incorrect_path.json", nil},
		{limited, "/ping", "429__status_json.json", nil},
	} {
		t.Run(c.file, func(t *testing.T) {
			real := recorded(t, "errors/"+c.file)
			res, body := c.at.get(t, c.target, c.header...)
			if want := c.file[:3]; strconv.Itoa(res.StatusCode) != want {
				t.Errorf("got %s, want %s", res.Status, want)
			}
			var got, want map[string]any
			if err := json.Unmarshal(real, &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatal(err)
			}
			if c.file[5:10] == "10011" {
				want["timestamp"] = "left out by who recorded it"
			}
			forgetTimes(got)
			forgetTimes(want)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %v\nwant %v", got, want)
			}
		})
	}
}

func forgetTimes(v map[string]any) {
	for k, e := range v {
		if k == "timestamp" {
			v[k] = "some time"
		} else if m, ok := e.(map[string]any); ok {
			forgetTimes(m)
		}
	}
}

func TestRateLimit(t *testing.T) {
	h := serve(t, Options{Plan: Demo, Limit: 3})
	h.set(at(t, "2026-11-23T18:41:43.250Z"))
	for i := range 3 {
		if res, _ := h.get(t, "/ping"); res.StatusCode != http.StatusOK {
			t.Fatalf("call %d: %s", i, res.Status)
		}
	}
	res, body := h.get(t, "/ping")
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "17" || len(body) != 187 {
		t.Errorf("got %s, Retry-After %s, %d bytes", res.Status, res.Header.Get("Retry-After"), len(body))
	}
	for _, key := range []string{"a", "b"} { // each key has a count of its own
		for i := range 4 {
			res, _ := h.get(t, "/ping", "x-cg-demo-api-key", key)
			if limited := res.StatusCode == http.StatusTooManyRequests; limited != (i == 3) {
				t.Errorf("key %s, call %d: %s", key, i, res.Status)
			}
		}
	}
	h.advance(17 * time.Second)
	if res, _ := h.get(t, "/ping"); res.StatusCode != http.StatusOK {
		t.Errorf("in the next minute: %s", res.Status)
	}
}

func TestKeyUsage(t *testing.T) {
	h := serve(t, Options{Plan: Pro, Limit: 500, Keys: []string{"k"}})
	h.get(t, "/ping", "x-cg-pro-api-key", "k")
	_, body := h.get(t, "/key", "x-cg-pro-api-key", "k")
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if got["plan"] == "" || got["rate_limit_request_per_minute"] != 500.0 || got["current_total_monthly_calls"] != 2.0 || len(got) != 9 {
		t.Errorf("got %v", got)
	}
}
