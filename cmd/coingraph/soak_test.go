//go:build soak

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fetch/simulator"
)

// TestSoak asks for everything at once for a while, on a provider that keeps failing: only the contract's answers may come,
// none of them slower than the request's deadline, and nothing may be left behind.
func TestSoak(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		const lasts, clients = 30 * time.Second, 32
		assets := simulator.Assets()
		before := runtime.NumGoroutine()
		ctx, cancel := context.WithTimeout(t.Context(), lasts)
		defer cancel()
		go func() {
			for tick := time.NewTicker(500 * time.Millisecond); ctx.Err() == nil; <-tick.C {
				faults := []simulator.Fault{{Status: 500, Times: 3}, {Truncate: 50, Times: 2}, {Reset: true, Times: 2}, {HTML: true, Times: 1}, {Delay: 300 * time.Millisecond, Times: 5}}
				if err := s.sim.Inject(faults[rand.N(len(faults))]); err != nil {
					t.Error(err)
				}
			}
		}()
		var asked, failed atomic.Int64
		var group sync.WaitGroup
		for range clients {
			group.Go(func() {
				for ctx.Err() == nil {
					id := url.QueryEscape(assets[rand.N(len(assets))].ID)
					path := fmt.Sprintf("/simple_price?assets=%s&currencies=usd,eur", id)
					if rand.N(3) == 0 {
						path = fmt.Sprintf("/market_chart?asset=%s&days=%d&interval=%s", id, 1+rand.N(90), []string{"daily", "hourly"}[rand.N(2)])
					}
					began := time.Now()
					r := s.get(path, publicKey)
					if took := time.Since(began); took > 12*time.Second {
						t.Errorf("%s took %v", path, took)
					}
					asked.Add(1)
					switch r.status {
					case 200:
					case 502, 503, 504:
						failed.Add(1)
					default:
						t.Errorf("%s: %d %.300s", path, r.status, r.body)
					}
				}
			})
		}
		group.Wait()
		s.sim.Clear()
		t.Logf("%d answers, %d of them a provider's failure", asked.Load(), failed.Load())
		if asked.Load() == failed.Load() {
			t.Error("nothing was served")
		}
		s.await("the goroutines to end", func() bool { return runtime.NumGoroutine() < before+3*clients })
	})
}
