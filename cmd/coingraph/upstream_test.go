package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coingraph/coingraph/fetch/simulator"
	"github.com/coingraph/coingraph/limit/quota"
)

// replica opens another App on the same stores and the same provider.
func (s *server) replica() *server {
	s.t.Helper()
	r := &server{t: s.t, sim: s.sim, env: s.env}
	r.open()
	return r
}

// onShared runs a test on all stores that replicas can share, with nothing of other tests in them. Redis has patience,
// because exact counts matter here.
func onShared(t *testing.T, test func(t *testing.T, vars map[string]string)) {
	t.Helper()
	all := backends(t)
	if address := os.Getenv("TEST_DATABASE_URL"); address != "" {
		all["postgres alone"] = map[string]string{"DATABASE_URL": freshDatabase(t, address)}
	}
	for name, vars := range all {
		t.Run(name, func(t *testing.T) {
			if address := vars["REDIS_URL"]; address != "" {
				clearCache(t, address)
				vars["REDIS_URL"] = address + "?read_timeout=30s&write_timeout=30s"
			}
			test(t, vars)
		})
	}
}

// chartOf asks for a chart that costs one call.
func (s *server) chartOf(asset string) reply {
	s.t.Helper()
	return s.get("/market_chart?asset="+url.QueryEscape(asset)+"&days=30", publicKey)
}

func wantRefusal(t *testing.T, what string, r reply, code string) {
	t.Helper()
	after, err := strconv.Atoi(r.header.Get("Retry-After"))
	if r.status != http.StatusServiceUnavailable || !strings.Contains(r.body, code) || err != nil || after < 1 {
		t.Errorf("%s: %d %.200s, Retry-After %q; want %s", what, r.status, r.body, r.header.Get("Retry-After"), code)
	}
}

// TestQuotaOfReplicas: whoever asks whom for how much, no more calls are made than the quota allows, and neither a new
// process nor an empty Redis begins the month anew.
func TestQuotaOfReplicas(t *testing.T) {
	const n = 12
	onShared(t, func(t *testing.T, vars map[string]string) {
		vars["UPSTREAM_LIMITS"] = fmt.Sprintf("coingecko=1000/1m+%d/720h", n)
		a := start(t, vars)
		b := a.replica()
		var mu sync.Mutex
		served := 0
		var group sync.WaitGroup
		for i, asset := range simulator.Assets()[:4*n] {
			group.Go(func() {
				r := []*server{a, b}[i%2].chartOf(asset.ID)
				if r.status == http.StatusOK {
					mu.Lock()
					defer mu.Unlock()
					served++
					return
				}
				wantRefusal(t, asset.ID, r, "UPSTREAM_QUOTA_EXHAUSTED")
			})
		}
		group.Wait()
		if calls := a.sim.Total(); calls != n || served == 0 || served >= n {
			t.Errorf("%d calls, %d charts served; the quota is %d, and the catalogue costs one", calls, served, n)
		}
		a.restart()
		b.restart()
		fresh := simulator.Assets()[4*n].ID
		wantRefusal(t, "after a restart", a.chartOf(fresh), "UPSTREAM_QUOTA_EXHAUSTED")
		if vars["REDIS_URL"] != "" {
			b.stop()
			forgetQuotas(t, vars["REDIS_URL"])
			b.open()
			wantRefusal(t, "after Redis was emptied", b.chartOf(fresh), "UPSTREAM_QUOTA_EXHAUSTED")
		}
		if calls := a.sim.Total(); calls != n {
			t.Errorf("%d calls, the quota is %d", calls, n)
		}
	})
}

// TestPauseOfReplicas: a vendor's 429 to one replica silences all of them, also the ones that come after.
func TestPauseOfReplicas(t *testing.T) {
	onShared(t, func(t *testing.T, vars map[string]string) {
		a := start(t, vars)
		b := a.replica()
		if err := a.sim.Inject(simulator.Fault{Match: "market_chart", Times: 1, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "3600"}}); err != nil {
			t.Fatal(err)
		}
		a.sim.ResetCalls()
		wantRefusal(t, "the first", a.chartOf("bitcoin"), "UPSTREAM_RATE_LIMITED")
		wantRefusal(t, "another replica", b.chartOf("ethereum"), "UPSTREAM_RATE_LIMITED")
		b.restart()
		wantRefusal(t, "a new process", b.chartOf("ethereum"), "UPSTREAM_RATE_LIMITED")
		if n := a.sim.Total(); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

// TestPoolOfKeys: one refused key shuts nothing while another works; the log raises an alarm that does not name the key.
func TestPoolOfKeys(t *testing.T) {
	const wrong = "CG-a-key-that-is-wrong"
	onShared(t, func(t *testing.T, vars map[string]string) {
		vars["COINGECKO_API_KEY"] = wrong + "," + providerKey
		vars["UPSTREAM_PROBE"] = "1h"
		s := start(t, vars)
		for _, asset := range simulator.Assets()[:8] {
			if r := s.chartOf(asset.ID); r.status != http.StatusOK {
				t.Errorf("%s: %d %.200s", asset.ID, r.status, r.body)
			}
		}
		if n := s.sim.Total(); n != 10 { // the catalogue, 8 charts, and the call that was refused
			t.Errorf("%d calls", n)
		}
		log := s.log.String()
		if n := strings.Count(log, `"msg":"the provider refuses a key: from now on the key is only probed"`); n != 1 || !strings.Contains(log, `"pool_key":"`+quota.KeyID(wrong)+`"`) {
			t.Errorf("%d alarms", n)
		}
		if strings.Contains(log, wrong) {
			t.Error("the key is in the log")
		}
	})
}

const upstreamsQuery = `query($since: Time) { upstreams { name breaker { state since reason retryAt }
	keys { id breaker { state reason } } quota { key window limit used resetsAt }
	key: spend(by: KEY, since: $since) { name calls failed } operation: spend(by: OPERATION) { name calls failed }
	asset: spend(by: ASSET) { name calls failed } lane: spend(by: LANE) { name calls } } }`

type upstreamsData struct {
	Upstreams []struct {
		Name    string
		Breaker struct{ State, Since, Reason, RetryAt string }
		Keys    []struct {
			ID      string
			Breaker struct{ State, Reason string }
		}
		Quota []struct {
			Key, Window, ResetsAt string
			Limit, Used           int
		}
		Key, Operation, Asset, Lane []spendRow
	}
}

type spendRow struct {
	Name          *string
	Calls, Failed int
}

// spendOf writes rows as a test wants them: name calls/failed.
func spendOf(rows []spendRow) string {
	var parts []string
	for _, r := range rows {
		name := "-"
		if r.Name != nil {
			name = *r.Name
		}
		parts = append(parts, fmt.Sprintf("%s %d/%d", name, r.Calls, r.Failed))
	}
	return strings.Join(parts, ", ")
}

// TestUpstreams: admins see what is left of the quota, and who spent it on what.
func TestUpstreams(t *testing.T) {
	onShared(t, func(t *testing.T, vars map[string]string) {
		vars["UPSTREAM_LIMITS"] = "coingecko=100/1m+1000/720h"
		a := start(t, vars)
		b := a.replica()
		if err := a.sim.Inject(simulator.Fault{Match: "ethereum/market_chart", Times: 1, Status: http.StatusInternalServerError}); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/market_chart?asset=bitcoin&days=30", "/market_chart?asset=ethereum&days=30", "/simple_price?assets=bitcoin,ethereum&currencies=usd"} {
			if r := a.get(path, publicKey); r.status != http.StatusOK {
				t.Fatalf("%s: %d %s", path, r.status, r.body)
			}
		}
		if r := b.get("/market_chart?asset=tether&days=30", adminKey); r.status != http.StatusOK {
			t.Fatalf("%d %s", r.status, r.body)
		}
		a.stop() // its bill is flushed
		var data upstreamsData
		b.query(adminKey, plain, upstreamsQuery, nil).into(t, &data)
		if len(data.Upstreams) != 1 {
			t.Fatalf("got %+v", data)
		}
		u := data.Upstreams[0]
		id := quota.KeyID(providerKey)
		if u.Name != "coingecko" || u.Breaker.State != "CLOSED" || u.Breaker.Since != "" || len(u.Keys) != 1 || u.Keys[0].ID != id || u.Keys[0].Breaker.State != "CLOSED" {
			t.Errorf("got %+v", u)
		}
		if len(u.Quota) != 2 || u.Quota[0].Window != "1m" || u.Quota[0].Limit != 100 || u.Quota[1].Window != "720h" || u.Quota[1].Key != id || u.Quota[1].Used != 6 || u.Quota[1].ResetsAt == "" {
			t.Errorf("the quota is %+v", u.Quota)
		}
		for what, c := range map[string]struct{ got, want string }{
			"by key":       {spendOf(u.Key), "dev-public 4/1, - 1/0, dev-admin 1/0"},
			"by operation": {spendOf(u.Operation), "/coins/{id}/market_chart 4/1, /coins/list 1/0, /simple/price 1/0"},
			"by asset":     {spendOf(u.Asset), "- 2/0, ethereum 2/1, bitcoin 1/0, tether 1/0"},
			"by lane":      {spendOf(u.Lane), "interactive 6/0"},
		} {
			if c.got != c.want {
				t.Errorf("%s: %s, want %s", what, c.got, c.want)
			}
		}
		b.query(adminKey, plain, upstreamsQuery, map[string]any{"since": "2100-01-01T00:00:00Z"}).into(t, &data)
		if rows := data.Upstreams[0].Key; len(rows) != 0 {
			t.Errorf("spent in the future: %s", spendOf(rows))
		}
		if g := b.query(publicKey, plain, upstreamsQuery, nil); g.codes() != "FORBIDDEN" {
			t.Errorf("a user gets %s", g.body)
		}
	})
}

// TestBreakerOfReplicas: 20 failures, then well (U15). One replica's failures shut the provider for the other, which fails
// fast and says so; a probe that is answered opens it for both.
func TestBreakerOfReplicas(t *testing.T) {
	onShared(t, func(t *testing.T, vars map[string]string) {
		vars["UPSTREAM_RETRIES"], vars["UPSTREAM_PROBE"] = "0", "1h"
		a := start(t, vars)
		if err := a.sim.Inject(simulator.Fault{Match: "market_chart", Status: http.StatusInternalServerError}); err != nil {
			t.Fatal(err)
		}
		a.sim.ResetCalls()
		for _, asset := range simulator.Assets()[:20] {
			if r := a.chartOf(asset.ID); r.status != http.StatusBadGateway {
				t.Errorf("%s: %d %.200s", asset.ID, r.status, r.body)
			}
		}
		if n := a.sim.Total(); n != 10 {
			t.Errorf("%d calls", n)
		}
		b := a.replica()
		var data upstreamsData
		b.query(adminKey, plain, upstreamsQuery, nil).into(t, &data)
		if br := data.Upstreams[0].Breaker; br.State != "OPEN" || br.Reason != "upstream_unavailable" || br.Since == "" || br.RetryAt == "" {
			t.Errorf("the breaker is %+v", br)
		}
		for _, replica := range []*server{a, b} {
			replica.await("the gate in the metrics", func() bool { return replica.gate() == "shut" })
		}
		a.sim.Clear()
		a.stop()
		b.stop()
		if r := vars["REDIS_URL"]; r != "" {
			deleteKeys(t, r, "quota:{coingecko}") // an hour is over
		} else {
			return
		}
		b.open()
		if r := b.chartOf("bitcoin"); r.status != http.StatusOK {
			t.Errorf("%d %s", r.status, r.body)
		}
		b.await("the gate in the metrics", func() bool { return b.gate() == "open" })
	})
}

// gate is the state of CoinGecko's gate that the metrics tell.
func (s *server) gate() string {
	s.t.Helper()
	page := s.get("/metrics", adminKey).body
	var states []string
	for _, state := range []string{"open", "paused", "shut"} {
		if strings.Contains(page, `coingraph_upstream_gate{provider="coingecko",state="`+state+`"} 1`) {
			states = append(states, state)
		}
	}
	return strings.Join(states, " and ")
}

// TestMetricsOfTheUpstream: the gate is open, shut after the failures of U15, and open again after a probe; the quota is
// that of all keys of the pool.
func TestMetricsOfTheUpstream(t *testing.T) {
	onShared(t, func(t *testing.T, vars map[string]string) {
		vars["UPSTREAM_RETRIES"], vars["UPSTREAM_PROBE"] = "0", "1s"
		vars["UPSTREAM_LIMITS"], vars["COINGECKO_API_KEY"] = "coingecko=300/1h+5000/720h", providerKey+",another-key-of-the-pool"
		s := start(t, vars)
		if got := s.gate(); got != "open" {
			t.Errorf("at first the gate is %q", got)
		}
		page := s.get("/metrics", adminKey).body
		for _, want := range []string{
			`coingraph_upstream_quota_limit{provider="coingecko",window_seconds="3600"} 600`, `coingraph_upstream_quota_limit{provider="coingecko",window_seconds="2592000"} 10000`,
		} {
			if !strings.Contains(page, want) {
				t.Errorf("there is no %s", want)
			}
		}
		if err := s.sim.Inject(simulator.Fault{Match: "market_chart", Status: http.StatusInternalServerError}); err != nil {
			t.Fatal(err)
		}
		s.await("the gate to shut", func() bool {
			for _, asset := range simulator.Assets()[:20] {
				s.chartOf(asset.ID)
			}
			return s.gate() == "shut"
		})
		s.sim.Clear()
		s.await("the probe", func() bool { return s.chartOf("bitcoin").status == http.StatusOK })
		s.await("the gate to open", func() bool { return s.gate() == "open" })
	})
}
