package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coingraph/coingraph/config"
	"github.com/coingraph/coingraph/fetch"
	"github.com/coingraph/coingraph/fetch/simulator"
	"github.com/coingraph/coingraph/market"
)

// TestProvidersInOrder: the lists of the configuration are what is asked, in their order; CryptoQuant only with a key.
func TestProvidersInOrder(t *testing.T) {
	chart := market.SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: market.Daily}
	metric := market.SeriesKey{Asset: "bitcoin", Metric: market.MVRV, Interval: market.Daily}
	for _, test := range []struct {
		environ         []string
		charts, metrics string
		offers          int
	}{
		{nil, "coingecko", "", 0},
		{[]string{"CRYPTOQUANT_API_KEY=k"}, "coingecko", "cryptoquant", 19},
		{[]string{"CRYPTOQUANT_API_KEY=k", "ONCHAIN_PROVIDERS=coinmetrics"}, "coingecko", "coinmetrics", 33},
		{
			[]string{"CRYPTOQUANT_API_KEY=k", "ONCHAIN_PROVIDERS=cryptoquant,coinmetrics", "CHART_PROVIDERS=binance,coinpaprika,coingecko,coinmetrics"},
			"binance coinpaprika coingecko coinmetrics", "cryptoquant coinmetrics", 52,
		},
	} {
		cfg, err := config.Load(test.environ)
		if err != nil {
			t.Fatal(err)
		}
		lists, err := providersOf(cfg, AppOptions{})
		if err != nil {
			t.Fatal(err)
		}
		source := fetch.New(lists)
		charts, metrics := strings.Join(source.Providers(chart), " "), strings.Join(source.Providers(metric), " ")
		if charts != test.charts || metrics != test.metrics || len(source.Offers()) != test.offers {
			t.Errorf("%q: charts by %q, metrics by %q, %d offers", test.environ, charts, metrics, len(source.Offers()))
		}
	}
}

// TestWrongProvider: a name that is nobody's, or of one who has none of the kind, is a fault of its variable.
func TestWrongProvider(t *testing.T) {
	for variable, name := range map[string]func(*config.Config){
		"PRICE_PROVIDERS":   func(c *config.Config) { c.PriceProviders = []string{"coingecko", "binance"} },
		"CHART_PROVIDERS":   func(c *config.Config) { c.ChartProviders = []string{"nobody"} },
		"ONCHAIN_PROVIDERS": func(c *config.Config) { c.OnChainProviders = []string{"coinpaprika"} },
	} {
		cfg, err := config.Load(nil)
		if err != nil {
			t.Fatal(err)
		}
		name(&cfg)
		_, err = providersOf(cfg, AppOptions{})
		var e *config.Error
		if !errors.As(err, &e) || e.Faults[0].Variable != variable {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

// fallbacks are the variables of all fallbacks, on the simulator of a server.
func fallbacks(s *server) map[string]string {
	root := strings.TrimSuffix(s.env["COINGECKO_BASE_URL"], "/api/v3")
	return map[string]string{
		"COINMETRICS_BASE_URL": root + "/coinmetrics/v4", "COINPAPRIKA_BASE_URL": root + "/coinpaprika/v1", "BINANCE_BASE_URL": root + "/binance/api/v3",
		"CRYPTOQUANT_BASE_URL": root + "/v1", "CRYPTOQUANT_API_KEY": "any-token",
	}
}

// startWith is start, with variables that name the server's own simulator.
func startWith(t *testing.T, vars func(*server) map[string]string) *server {
	t.Helper()
	s := start(t, nil)
	s.stop()
	for k, v := range vars(s) {
		s.env[k] = v
	}
	s.open()
	return s
}

// TestSecondPriceProvider: while the first fails in any way, no error reaches a client for what the second knows; source says
// who answered; what only the first knows is an error.
func TestSecondPriceProvider(t *testing.T) {
	s := startWith(t, func(s *server) map[string]string {
		vars := fallbacks(s)
		vars["PRICE_PROVIDERS"], vars["UPSTREAM_TIMEOUT"], vars["UPSTREAM_RETRIES"] = "coingecko,coinpaprika", "200ms", "1"
		return vars
	})
	sourceOf := func(asset string) string {
		r := s.get("/simple_price?assets="+asset, publicKey)
		_, after, _ := strings.Cut(r.body, `"source":"`)
		source, _, _ := strings.Cut(after, `"`)
		return fmt.Sprint(r.status, " ", source)
	}
	if got := sourceOf("bitcoin"); got != "200 coingecko" {
		t.Fatal(got)
	}
	for asset, fault := range map[string]simulator.Fault{
		"ethereum": {Status: 500}, "litecoin": {HTML: true}, "cardano": {Reset: true}, "stellar": {Hang: true},
	} {
		fault.Match = "^/simple/price"
		if err := s.sim.Inject(fault); err != nil {
			t.Fatal(err)
		}
		if got := sourceOf(asset); got != "200 coinpaprika" {
			t.Errorf("%+v: %s", fault, got)
		}
		s.sim.Clear()
	}
	if err := s.sim.Inject(simulator.Fault{Match: "^/simple/price", Status: 500}); err != nil {
		t.Fatal(err)
	}
	if got := sourceOf("0x,_"); got != "502 " {
		t.Errorf("what only CoinGecko knows: %s", got)
	}
	s.sim.Clear()
	s.await("CoinGecko", func() bool { return sourceOf("1inch") == "200 coingecko" })
}

// TestChartProviders: each provider alone serves a chart with the market's prices, and says that it was it.
func TestChartProviders(t *testing.T) {
	for _, provider := range []string{"binance", "coinpaprika", "coinmetrics"} {
		t.Run(provider, func(t *testing.T) {
			s := startWith(t, func(s *server) map[string]string {
				vars := fallbacks(s)
				vars["CHART_PROVIDERS"] = provider
				return vars
			})
			c := s.chart("bitcoin", "USD", "30", "DAILY")
			if len(c.Prices) != 30 {
				t.Fatalf("%d points", len(c.Prices))
			}
			for i, at := range c.Timestamps {
				want, _ := s.sim.Price("bitcoin", "usd", time.UnixMilli(at))
				if got := *c.Prices[i]; got-want > 1e-8 || want-got > 1e-8 {
					t.Errorf("at %v: %v, want %v", time.UnixMilli(at).UTC(), got, want)
				}
			}
			if r := s.get("/market_chart?asset=bitcoin&days=30", publicKey); !strings.Contains(r.body, `"sources":["`+provider+`"]`) {
				t.Errorf("%.200s", r.body)
			}
			calls := s.sim.Calls()
			if slices.ContainsFunc(calls, func(c simulator.Call) bool { return strings.Contains(c.Endpoint, "market_chart") }) {
				t.Errorf("CoinGecko was asked: %v", calls)
			}
		})
	}
}

// TestOnChainProviders: both have the metric, each under its own name.
func TestOnChainProviders(t *testing.T) {
	sim := simulator.New(simulator.Options{Seed: 7, CryptoQuant: simulator.CryptoQuant{Keys: []string{"token"}, Reach: "P30D"}})
	root := strings.TrimSuffix(serveHTTP(t, sim), "/api/v3")
	cfg, err := config.Load([]string{
		"CRYPTOQUANT_BASE_URL=" + root + "/v1", "CRYPTOQUANT_API_KEY=token", "COINMETRICS_BASE_URL=" + root + "/coinmetrics/v4", "ONCHAIN_PROVIDERS=cryptoquant,coinmetrics",
	})
	if err != nil {
		t.Fatal(err)
	}
	lists, err := providersOf(cfg, AppOptions{})
	if err != nil {
		t.Fatal(err)
	}
	source := fetch.New(lists)
	key := market.SeriesKey{Asset: "bitcoin", Metric: market.MVRV, Interval: market.Daily}
	end := market.Daily.Floor(time.Now().AddDate(0, 0, -2).UnixMilli())
	missing := []market.Range{{From: end - 60*market.Daily.Step(), To: end}}
	for provider, points := range map[string]int{"cryptoquant": 28, "coinmetrics": 60} {
		got, err := source.Series(t.Context(), provider, key, missing)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, f := range got {
			for _, p := range f.Points {
				n++
				want, _ := sim.Metric("btc", "market-indicator/mvrv", time.UnixMilli(p.Stamp), 24*time.Hour)
				if p.Price != want || p.Source != provider {
					t.Errorf("%s: %+v, want %v", provider, p, want)
				}
			}
		}
		if n < points-1 || n > points { // at midnight itself the plan gives one day more
			t.Errorf("%s: %d points of %d", provider, n, points)
		}
		if beyond := slices.ContainsFunc(got, func(f market.Fetched) bool { return !f.Beyond.Empty() }); beyond != (provider == "cryptoquant") {
			t.Errorf("%s: beyond its plan: %t", provider, beyond)
		}
	}
}

// TestSimulate prints where each of the formats is spoken, and speaks them there.
func TestSimulate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := new(safeBuffer)
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"simulate", "--listen", "127.0.0.1:0", "--reach", "P3Y"}, nil, out, out)
	}()
	(&server{t: t, log: out}).await("the text", func() bool { return strings.Contains(out.String(), "Faults:") })
	roots := regexp.MustCompile(`(?m)^  \S.*?(http://\S+)$`).FindAllStringSubmatch(out.String(), -1)
	if len(roots) != 5 {
		t.Fatalf("%d formats in:\n%s", len(roots), out)
	}
	for i, path := range []string{"/ping", "/my/discovery/endpoints?api_key=x", "/timeseries/asset-metrics?assets=btc&metrics=TxCnt&frequency=1d", "/tickers/btc-bitcoin", "/klines?symbol=BTCUSDT&interval=1d"} {
		r, err := http.Get(roots[i][1] + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Errorf("%s%s: %d", roots[i][1], path, r.StatusCode)
		}
	}
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}
