package main

import (
	"maps"
	"net/http"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fetch/simulator"
	"github.com/coingraph/coingraph/market"
)

// replicas are n programs on one database, one Redis and one simulated provider.
func replicas(t *testing.T, n int, backend map[string]string) (sim *simulator.Simulator, cmds []*exec.Cmd, urls []string) {
	t.Helper()
	clearCache(t, backend["REDIS_URL"])
	sim = simulator.New(simulator.Options{Seed: 7, Plan: simulator.Pro, Keys: []string{providerKey}})
	vars := map[string]string{
		"COINGECKO_BASE_URL": serveHTTP(t, sim), "COINGECKO_PLAN": "pro", "COINGECKO_API_KEY": providerKey, "UPSTREAM_TIMEOUT": "60s", "REQUEST_TIMEOUT": "60s",
		"PRICE_TTL": "10m", "RATE_LIMITS": "public/*=1000000,standard/*=1000000,admin/*=1000000", "ADDRESS_LIMIT": "100000/1m",
	}
	maps.Copy(vars, backend)
	for range n {
		vars["DATA_DIR"] = t.TempDir()
		cmd, url, _ := process(t, vars)
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		cmds, urls = append(cmds, cmd), append(urls, url)
	}
	sim.ResetCalls()
	return sim, cmds, urls
}

// ask has so many clients of each replica ask for a path at once, and gives the statuses; 0 for those whose replica is gone.
func ask(t *testing.T, urls []string, clients int, path string) map[int]int {
	t.Helper()
	statuses := make(map[int]int)
	var mu sync.Mutex
	var group sync.WaitGroup
	transport := &http.Transport{MaxConnsPerHost: 32}
	defer transport.CloseIdleConnections()
	for _, url := range urls {
		for range clients {
			group.Go(func() {
				status := 0
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, http.NoBody)
				req.Header.Set("X-API-Key", publicKey)
				if resp, err := transport.RoundTrip(req); err == nil {
					status = resp.StatusCode
					_ = resp.Body.Close()
				}
				mu.Lock()
				defer mu.Unlock()
				statuses[status]++
			})
		}
	}
	group.Wait()
	return statuses
}

// TestReplicasBuyOnce: however many clients of however many replicas ask for what nobody has, a provider is called once,
// and once more if the replica that called dies before it has the answer.
func TestReplicasBuyOnce(t *testing.T) {
	for name, backend := range backends(t) {
		if name == "embedded" {
			continue // is one replica
		}
		t.Run(name, func(t *testing.T) {
			const clients = 200
			sim, cmds, urls := replicas(t, 3, backend)
			for _, path := range []string{"/simple_price?assets=bitcoin", "/market_chart?asset=bitcoin&days=30", "/market_chart?asset=ethereum&days=7&interval=hourly"} {
				newest := market.Hourly.Newest(time.Now())
				if got := ask(t, urls, clients, path); got[http.StatusOK] != clients*len(urls) {
					t.Errorf("%s: %v", path, got)
				}
				// An hour's point that falls due meanwhile is one more thing to buy.
				if n := sim.Total(); n != 1 && market.Hourly.Newest(time.Now()) == newest {
					t.Errorf("%s: %d calls", path, n)
				}
				sim.ResetCalls()
			}

			// The first replica's call does not come back, and then that replica dies.
			if err := sim.Inject(simulator.Fault{Match: "^/simple/price", Times: 1, Hang: true}); err != nil {
				t.Fatal(err)
			}
			answered := make(chan map[int]int, len(urls))
			begin := func(urls []string) {
				go func() { answered <- ask(t, urls, clients, "/simple_price?assets=dogecoin") }()
			}
			begin(urls[:1])
			if err := sim.Await(t.Context(), "^/simple/price", 1); err != nil {
				t.Fatal(err)
			}
			begin(urls[1:])
			if err := cmds[0].Process.Kill(); err != nil {
				t.Fatal(err)
			}
			total := map[int]int{}
			for range 2 {
				for status, n := range <-answered {
					total[status] += n
				}
			}
			if total[http.StatusOK] != clients*2 || total[0] != clients {
				t.Errorf("after one replica died: %v", total)
			}
			if n := sim.Total(); n != 2 {
				t.Errorf("%d calls, where the second replaces the one that was lost", n)
			}
		})
	}
}
