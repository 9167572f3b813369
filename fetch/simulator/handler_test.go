package simulator

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Whatever the request, the answer is JSON with a status of the API.
func FuzzHandler(f *testing.F) {
	for _, target := range []string{
		"/ping", "/key", "/coins/list?include_platform=true", "/simple/supported_vs_currencies", quotes,
		"/simple/price?symbols=btc,&vs_currencies=,usd,&precision=18&include_last_updated_at=true&include_24hr_change=TRUE",
		"/coins/markets?vs_currency=eur&per_page=1&page=99&order=id_desc",
		"/coins/_/market_chart?vs_currency=btc&days=0.0001", "/coins/bitcoin/market_chart?vs_currency=usd&days=1e300",
		"/coins/bitcoin/market_chart/range?vs_currency=usd&from=0&to=99999999999",
		"/coins/aave/market_chart/range?vs_currency=sol&from=2000-01-01&to=2026-01-01T00:00",
		"/coins/aave/ohlc?vs_currency=usd&days=max&interval=daily", "/coins/aave/history?date=29-02-2024",
		"/coins/%zz/market_chart", "//", "/coins/a%2Fb/ohlc",
	} {
		f.Add(target)
	}
	now := func() time.Time { return time.Date(2026, 11, 23, 18, 41, 43, 0, time.UTC) }
	s := New(Options{Plan: Pro, Now: now})
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.Parse("/api/v3" + target)
		if err != nil || u.Host != "" {
			return // no request has such a target
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, (&http.Request{Method: http.MethodGet, URL: u, Host: "x", RemoteAddr: "192.0.2.1:1", Header: http.Header{}}).WithContext(t.Context()))
		switch w.Code {
		case 200, 400, 401, 404, 422:
		default:
			t.Errorf("%s: %d", target, w.Code)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: not JSON: %.200s", target, w.Body)
		}
	})
}

// Requests, faults and observers may come all at once.
func TestConcurrentUse(t *testing.T) {
	h := serve(t, Options{Limit: 1_000_000})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				_, _, _, _ = h.try(t, quotes) // what comes is of no interest: the race detector watches
				h.Calls()
			}
		})
		wg.Go(func() {
			for range 20 {
				_ = h.Inject(Fault{Match: "^/simple", Times: 1, Status: 500})
				h.Hold("price")()
				h.Clear()
			}
		})
	}
	wg.Wait()
	if h.Total() != 160 {
		t.Errorf("%d calls", h.Total())
	}
}

func BenchmarkAnswer(b *testing.B) {
	s := New(Options{Plan: Pro})
	for name, target := range map[string]string{
		"365 days, daily":       "/coins/cardano/market_chart?vs_currency=usd&days=365",
		"365 days, daily, btc":  "/coins/cardano/market_chart?vs_currency=btc&days=365",
		"90 days, hourly":       "/coins/cardano/market_chart?vs_currency=usd&days=90",
		"90 days, hourly, eur":  "/coins/cardano/market_chart?vs_currency=eur&days=90",
		"1 day, 5-minutely":     "/coins/cardano/market_chart?vs_currency=usd&days=1",
		"all days, daily":       "/coins/bitcoin/market_chart?vs_currency=usd&days=max",
		"one quote":             quotes,
		"coins list":            "/coins/list",
		"markets, 250":          "/coins/markets?vs_currency=usd&per_page=250",
		"10 quotes, 3 currency": "/simple/price?ids=bitcoin,ethereum,solana,cardano,tron,near,sui,aptos,dash,neo&vs_currencies=usd,eur,btc&include_market_cap=true&include_24hr_vol=true&include_24hr_change=true",
	} {
		r := httptest.NewRequest(http.MethodGet, "/api/v3"+target, nil)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				if s.ServeHTTP(w, r); w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
		})
	}
}

func BenchmarkPrice(b *testing.B) {
	s := New(Options{})
	t := Anchor()
	for b.Loop() {
		if _, ok := s.Price("cardano", "usd", t); !ok {
			b.Fatal("no price")
		}
		t = t.Add(-time.Minute)
	}
}
