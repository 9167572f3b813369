package cache_test

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coingraph/coingraph/cache"
	"github.com/coingraph/coingraph/cache/cachetest"
	"github.com/coingraph/coingraph/market"
)

func TestLeases(t *testing.T) {
	for _, variable := range []string{"TEST_REDIS_URL", "TEST_REDIS_CLUSTER_URL"} {
		t.Run(variable, func(t *testing.T) {
			client := open(t, testURL(t, variable))
			replica := func() *cache.Leases {
				return cache.NewLeases(cache.NewRedis(client, cache.RedisOptions{Timeout: cachetest.Patience, Log: discard}))
			}
			a, b := replica(), replica()
			keys := func(names ...string) []string {
				prefix := rand.Text()
				for i := range names {
					names[i] = prefix + names[i]
				}
				return names
			}
			want := func(what string, got []market.Claim, want ...market.Claim) {
				t.Helper()
				if !slices.Equal(got, want) {
					t.Errorf("%s: got %v, want %v", what, got, want)
				}
			}

			t.Run("one has it", func(t *testing.T) {
				k := keys("x", "y", "z")
				got, release := a.Claim(t.Context(), k[:2])
				want("a", got, market.Granted, market.Granted)
				got, releaseB := b.Claim(t.Context(), k)
				want("b meanwhile", got, market.Held, market.Held, market.Granted)
				releaseB(k, true) // what it was not granted it cannot give back
				got, _ = b.Claim(t.Context(), k[:2])
				want("b still", got, market.Held, market.Held)
				release(k[:1], true)
				release(k[1:], false)
				got, release = b.Claim(t.Context(), k)
				want("b after", got, market.GrantedAfter, market.Granted, market.GrantedAfter)
				release(k, false)
				release(k, true) // once more changes nothing
				got, release = a.Claim(t.Context(), k)
				want("nobody stored anything", got, market.Granted, market.Granted, market.Granted)
				release(k, false)
			})
			t.Run("nothing", func(t *testing.T) {
				got, release := a.Claim(t.Context(), nil)
				want("no keys", got)
				release(nil, true)
			})
			t.Run("it is kept alive, and ends by itself", func(t *testing.T) {
				k := keys("x")
				_, release := a.Claim(t.Context(), k)
				ttl := func() time.Duration {
					left, err := client.PTTL(t.Context(), "lease:"+k[0]).Result()
					if err != nil {
						t.Fatal(err)
					}
					return left
				}
				first := ttl()
				if first <= 0 {
					t.Fatalf("left %v", first)
				}
				lower, renewed := first, false
				await(t, "a renewal", func() bool {
					left := ttl()
					renewed = renewed || left > lower
					lower = min(lower, left)
					return renewed
				})
				release(k, true)
				await(t, "its end", func() bool { return ttl() < 0 })
			})
			t.Run("exactly one of many", func(t *testing.T) {
				k := keys("x")
				var mu sync.Mutex
				granted := 0
				var group sync.WaitGroup
				for i := range 50 {
					group.Go(func() {
						got, _ := []*cache.Leases{a, b}[i%2].Claim(context.Background(), k)
						if got[0] != market.Held {
							mu.Lock()
							granted++
							mu.Unlock()
						}
					})
				}
				group.Wait()
				if granted != 1 {
					t.Errorf("granted %d times", granted)
				}
			})
		})
	}
}

// TestLeasesWithoutRedis: who cannot ask is granted all, at once.
func TestLeasesWithoutRedis(t *testing.T) {
	l := cache.NewLeases(cache.NewRedis(unreachable(t), cache.RedisOptions{Log: discard}))
	got, release := l.Claim(t.Context(), []string{"a", "b"})
	if !slices.Equal(got, []market.Claim{market.Granted, market.Granted}) {
		t.Errorf("got %v", got)
	}
	release([]string{"a", "b"}, true)
}
