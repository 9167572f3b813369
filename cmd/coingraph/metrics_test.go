package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fetch/simulator"
)

// wall is a clock that a test moves.
type wall struct{ now atomic.Int64 }

func (w *wall) Now() time.Time { return time.UnixMilli(w.now.Load()).UTC() }

func (w *wall) set(month time.Month, d, h, min int) {
	w.now.Store(time.Date(2026, month, d, h, min, 0, 0, time.UTC).UnixMilli())
}

// onChain starts an App with CryptoQuant, on each backend, at 12:30 on 10 March 2026.
func onChain(t *testing.T, test func(t *testing.T, s *server, clock *wall)) {
	for name, vars := range backends(t) {
		t.Run(name, func(t *testing.T) {
			if address := vars["REDIS_URL"]; address != "" {
				clearCache(t, address)
			}
			clock := new(wall)
			clock.set(time.March, 10, 12, 30)
			s := startOn(t, simulator.Options{Now: clock.Now, CryptoQuant: simulator.CryptoQuant{Keys: []string{"token"}}}, maps.Clone(vars))
			s.stop()
			s.env["CRYPTOQUANT_BASE_URL"], s.env["CRYPTOQUANT_API_KEY"] = strings.TrimSuffix(s.env["COINGECKO_BASE_URL"], "/api/v3")+"/v1", "token"
			s.open()
			s.spent()
			test(t, s, clock)
		})
	}
}

// rowCalls is how many calls for rows of a metric CryptoQuant saw since the last time.
func (s *server) rowCalls() int {
	n := 0
	for endpoint, calls := range s.sim.Counts() {
		if strings.HasPrefix(endpoint, "/v1/{asset}/") {
			n += calls
		}
	}
	s.sim.ResetCalls()
	return n
}

type coverageData struct {
	Complete bool
	From, To *time.Time
	Holes    []struct {
		From, To time.Time
		Reason   string
	}
}

type metricData struct {
	Asset                  struct{ ID string }
	Metric, Interval, Unit string
	Days                   any
	Sources                []string
	FetchedAt              time.Time
	Stale                  bool
	Timestamps             []int64
	Values                 []float64
	Points                 []struct {
		Timestamp time.Time
		Value     float64
	}
	Coverage coverageData
}

const metricFields = `asset { id } metric interval unit days sources fetchedAt stale timestamps values points { timestamp value } coverage { complete from to holes { from to reason } }`

func (s *server) metric(asset, metric, days, interval string) metricData {
	s.t.Helper()
	var data struct{ OnChainMetric metricData }
	s.query(publicKey, plain, fmt.Sprintf(`{ onChainMetric(asset: %q, metric: %s, days: %s, interval: %s) { %s } }`, asset, metric, days, interval, metricFields), nil).into(s.t, &data)
	return data.OnChainMetric
}

func TestMetrics(t *testing.T) {
	onChain(t, func(t *testing.T, s *server, clock *wall) {
		for _, c := range []struct {
			asset, metric, days, interval string
			path, unit                    string
			points                        int
			newest                        time.Time
			step                          time.Duration
		}{
			{"bitcoin", "EXCHANGE_NETFLOW", "30", "DAILY", "exchange-flows/netflow", "BTC", 30, time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC), 24 * time.Hour},
			{"ethereum", "EXCHANGE_RESERVE", "365", "DAILY", "exchange-flows/reserve", "ETH", 365, time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC), 24 * time.Hour},
			{"bitcoin", "SOPR", "2", "HOURLY", "market-indicator/sopr", "ratio", 48, time.Date(2026, 3, 10, 11, 0, 0, 0, time.UTC), time.Hour},
		} {
			name := fmt.Sprint(c.asset, " ", c.metric, " ", c.days, " ", c.interval)
			got := s.metric(c.asset, c.metric, c.days, c.interval)
			if got.Asset.ID != c.asset || got.Metric != c.metric || got.Interval != c.interval || got.Unit != c.unit || got.Stale || !slices.Equal(got.Sources, []string{"cryptoquant"}) {
				t.Errorf("%s: %+v", name, got)
			}
			if len(got.Timestamps) != c.points || len(got.Values) != c.points || len(got.Points) != c.points || !got.Coverage.Complete || !got.Coverage.To.Equal(c.newest) {
				t.Fatalf("%s: %d points, coverage %+v", name, len(got.Timestamps), got.Coverage)
			}
			chain := map[string]string{"bitcoin": "btc", "ethereum": "eth"}[c.asset]
			for i, at := range got.Timestamps {
				if want := c.newest.UnixMilli() - int64(c.points-1-i)*c.step.Milliseconds(); at != want {
					t.Fatalf("%s: point %d is of %v, want %v", name, i, time.UnixMilli(at).UTC(), time.UnixMilli(want).UTC())
				}
				want, _ := s.sim.Metric(chain, c.path, time.UnixMilli(at), c.step)
				if got.Values[i] != want || got.Points[i].Value != want || got.Points[i].Timestamp.UnixMilli() != at {
					t.Fatalf("%s at %v: got %v and %+v, want %v", name, time.UnixMilli(at).UTC(), got.Values[i], got.Points[i], want)
				}
			}
		}
		if n := s.rowCalls(); n != 3 {
			t.Errorf("%d calls for three series", n)
		}
		for range 100 {
			s.metric("bitcoin", "EXCHANGE_NETFLOW", "30", "DAILY")
		}
		s.metric("bitcoin", "EXCHANGE_NETFLOW", "7", "DAILY")
		s.restart()
		s.metric("bitcoin", "EXCHANGE_NETFLOW", "30", "DAILY")
		s.metric("bitcoin", "SOPR", "1", "HOURLY")
		if n := s.spent(); n != 0 {
			t.Errorf("%d calls for what is known", n)
		}

		// A day later: the new point and the eight that may be revised come in one call.
		s.sim.Revise(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC))
		clock.set(time.March, 11, 12, 30)
		got := s.metric("bitcoin", "EXCHANGE_NETFLOW", "10", "DAILY")
		for i, at := range got.Timestamps {
			now, _ := s.sim.Metric("btc", "exchange-flows/netflow", time.UnixMilli(at), 24*time.Hour)
			// The first, 1 March, was over for more than eight days when it was fetched.
			if revised := got.Values[i] == now; revised != (i > 0) {
				t.Errorf("%v: %v, and CryptoQuant now says %v", time.UnixMilli(at).UTC(), got.Values[i], now)
			}
		}
		if n := s.rowCalls(); n != 1 || len(got.Values) != 10 {
			t.Errorf("%d calls a day later for %d values", n, len(got.Values))
		}
	})
}

func TestMetricsOfManyAssets(t *testing.T) {
	onChain(t, func(t *testing.T, s *server, _ *wall) {
		var data struct {
			Assets struct {
				Nodes []struct {
					ID   string
					Fees metricData
					NUPL metricData
				}
			}
			OnChainMetrics []struct {
				Metric, Unit, Provider, Description string
				Assets, Intervals                   []string
				Since                               *time.Time
			}
		}
		const query = `{ assets(ids: ["bitcoin", "ethereum", "dogecoin"]) { nodes { id Fees: onChain(metric: FEES, days: 7) { ` + metricFields + ` } NUPL: onChain(metric: NUPL, days: 7) { ` + metricFields + ` } } }
			onChainMetrics { metric unit provider description assets intervals since } }`
		for range 2 {
			g := s.query(publicKey, plain, query, nil)
			g.into(t, &data)
			if !strings.Contains(g.body, `"units":{"on_chain_metric":6,"simple_price":1}`) {
				t.Errorf("units: %s", g.body[strings.LastIndex(g.body, `"extensions"`):])
			}
		}
		if n := s.rowCalls(); n != 3 {
			t.Errorf("%d calls for three series that there are", n)
		}
		units := []string{"BTC ratio", "ETH ", " "}
		for i, n := range data.Assets.Nodes {
			if got := n.Fees.Unit + " " + n.NUPL.Unit; got != units[i] {
				t.Errorf("%s: units %q, want %q", n.ID, got, units[i])
			}
			for name, m := range map[string]metricData{"fees": n.Fees, "nupl": n.NUPL} {
				offered := i == 0 || i == 1 && name == "fees"
				if offered && (len(m.Values) != 7 || !m.Coverage.Complete) {
					t.Errorf("%s %s: %+v", n.ID, name, m)
				}
				if holes := m.Coverage.Holes; !offered && (len(m.Values) != 0 || len(holes) != 1 || holes[0].Reason != "NOT_OFFERED" || holes[0].To.Sub(holes[0].From) != 7*24*time.Hour) {
					t.Errorf("%s %s: %+v", n.ID, name, m)
				}
			}
		}
		listed := make(map[string]bool)
		for _, m := range data.OnChainMetrics {
			for _, a := range m.Assets {
				listed[m.Metric+" "+a] = true
			}
			if m.Provider != "cryptoquant" || m.Unit == "" || m.Description == "" || !slices.Equal(m.Intervals, []string{"DAILY", "HOURLY"}) {
				t.Errorf("%+v", m)
			}
		}
		if !listed["NUPL bitcoin"] || !listed["FEES ethereum"] || listed["NUPL ethereum"] || len(listed) != 19 {
			t.Errorf("catalogue: %v", listed)
		}
	})
}

func TestMetricFaults(t *testing.T) {
	onChain(t, func(t *testing.T, s *server, _ *wall) {
		if err := s.sim.Inject(simulator.Fault{Match: "^/v1/btc/", Status: 500}); err != nil {
			t.Fatal(err)
		}
		g := s.query(publicKey, plain, `{ onChainMetric(asset: "bitcoin", metric: MVRV, days: 3) { values } grid(columns: [{asset: "bitcoin", metric: MVRV}, {asset: "bitcoin"}], days: 3) { columns { values } } }`, nil)
		if g.status != 200 || g.codes() != "UPSTREAM_UNAVAILABLE UPSTREAM_UNAVAILABLE" || !strings.Contains(string(g.Data), `"onChainMetric":null,"grid":{"columns":[null,{"values":[`) {
			t.Errorf("%d %s", g.status, g.body)
		}
		s.sim.Clear()
		s.await("CryptoQuant", func() bool {
			return len(s.query(publicKey, plain, `{ onChainMetric(asset: "bitcoin", metric: MVRV, days: 3) { values } }`, nil).Errors) == 0
		})
		if g := s.query(publicKey, plain, `{ onChainMetric(asset: "nonesuch", metric: MVRV, days: 3) { values } }`, nil); g.codes() != "NOT_FOUND" {
			t.Errorf("an unknown asset: %s", g.body)
		}
	})
}

type gridData struct {
	Timestamps []int64
	Columns    []*struct {
		Label    string
		Values   []*float64
		Sources  []string
		Coverage coverageData
	}
}

const gridFields = `timestamps columns { label values sources coverage { complete from to holes { from to reason } } }`

func TestGrid(t *testing.T) {
	onChain(t, func(t *testing.T, s *server, _ *wall) {
		var data struct{ Grid gridData }
		g := s.query(publicKey, plain, `query($columns: [GridColumn!]!) { grid(columns: $columns, days: 30) { `+gridFields+` } }`, map[string]any{"columns": []map[string]any{
			{"asset": "bitcoin"},
			{"asset": "bitcoin", "value": "VOLUME", "currency": "USD", "label": "traded"},
			{"asset": "ethereum", "value": "MARKET_CAP", "currency": "EUR"},
			{"asset": "bitcoin", "metric": "EXCHANGE_NETFLOW"},
			{"asset": "ethereum", "metric": "MVRV"},
		}})
		g.into(t, &data)
		if want := `{"cost":{"limit":100000,"units":{"market_chart":2,"on_chain_metric":2},"value":`; !strings.Contains(g.body, want) {
			t.Errorf("units: %s", g.body[strings.LastIndex(g.body, `"extensions"`):])
		}
		if n := s.spent(); n != 4 { // two charts, one metric, and what CryptoQuant's plan gives
			t.Errorf("%d calls", n)
		}
		grid := data.Grid
		if len(grid.Timestamps) != 30 || len(grid.Columns) != 5 || grid.Timestamps[29] != time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC).UnixMilli() {
			t.Fatalf("%+v", grid)
		}
		bitcoin, ethereum := s.chart("bitcoin", "USD", "30", "DAILY"), s.chart("ethereum", "EUR", "30", "DAILY")
		netflow := s.metric("bitcoin", "EXCHANGE_NETFLOW", "29", "DAILY")
		flows := make([]*float64, 30) // today's is not there
		for i := range netflow.Values {
			flows[i] = &netflow.Values[i]
		}
		for i, want := range []struct {
			label  string
			values []*float64
		}{
			{"bitcoin PRICE USD", bitcoin.Prices},
			{"traded", bitcoin.Volumes},
			{"ethereum MARKET_CAP EUR", ethereum.MarketCaps},
			{"bitcoin EXCHANGE_NETFLOW", flows},
			{"ethereum MVRV", make([]*float64, 30)},
		} {
			c := grid.Columns[i]
			if c.Label != want.label || !slices.EqualFunc(c.Values, want.values, equalOrNull) {
				t.Errorf("column %d: %+v, want %s", i, c, want.label)
			}
		}
		if holes := grid.Columns[4].Coverage.Holes; len(holes) != 1 || holes[0].Reason != "NOT_OFFERED" {
			t.Errorf("%+v", holes)
		}

		s.query(publicKey, plain, `{ grid(columns: [{asset: "bitcoin"}, {asset: "bitcoin", metric: SOPR}], days: 1, interval: HOURLY) { `+gridFields+` } }`, nil).into(t, &data)
		sopr := s.metric("bitcoin", "SOPR", "1", "HOURLY")
		hourly := data.Grid.Columns[1].Values
		if len(data.Grid.Timestamps) != 24 || hourly[23] != nil || *hourly[22] != sopr.Values[23] || *hourly[0] != sopr.Values[1] {
			t.Errorf("hourly: %+v", data.Grid)
		}
	})
}

func equalOrNull(a, b *float64) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

// TestADailyMetricOnAnHourlyGrid: what a provider has by day only stands at the hours of the next day.
func TestADailyMetricOnAnHourlyGrid(t *testing.T) {
	clock := new(wall)
	clock.set(time.March, 10, 12, 30)
	s := startOn(t, simulator.Options{Now: clock.Now}, nil)
	s.stop()
	maps.Copy(s.env, fallbacks(s))
	s.env["ONCHAIN_PROVIDERS"] = "coinmetrics"
	s.open()
	var data struct{ Grid gridData }
	s.query(publicKey, plain, `{ grid(columns: [{asset: "bitcoin", metric: ACTIVE_ADDRESSES}], days: 2, interval: HOURLY) { `+gridFields+` } }`, nil).into(t, &data)
	daily := s.metric("bitcoin", "ACTIVE_ADDRESSES", "4", "DAILY")
	if len(data.Grid.Timestamps) != 48 || data.Grid.Timestamps[47] != time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC).UnixMilli() {
		t.Fatalf("%+v", data.Grid)
	}
	for i, at := range data.Grid.Timestamps {
		yesterday := time.UnixMilli(at).UTC().Truncate(24*time.Hour).AddDate(0, 0, -1)
		n := slices.Index(daily.Timestamps, yesterday.UnixMilli())
		if v := data.Grid.Columns[0].Values[i]; n < 0 || v == nil || *v != daily.Values[n] {
			t.Errorf("at %v: %v, want the value of %v", time.UnixMilli(at).UTC(), v, yesterday)
		}
	}
}
