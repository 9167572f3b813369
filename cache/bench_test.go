package cache_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coingraph/coingraph/cache"
	"github.com/coingraph/coingraph/cache/cachetest"
	"github.com/coingraph/coingraph/market"
)

// stored are so many keys that a Redis has.
func stored(t testing.TB, r *cache.Redis, n int) []string {
	t.Helper()
	keys := prefixed(strings.Fields(strings.Repeat("k ", n))...)
	var entries []market.CacheEntry
	for i := range keys {
		keys[i] = fmt.Sprint(keys[i], i)
		entries = append(entries, market.CacheEntry{Key: keys[i], Value: make([]byte, 200), TTL: time.Hour})
	}
	r.Set(t.Context(), entries)
	for i, hit := range r.Get(t.Context(), keys) {
		if hit.Value == nil {
			t.Fatalf("key %d was not stored", i)
		}
	}
	return keys
}

// TestRedisAllocations: what a look-up allocates is its answer, and for a caller who is alone the client's share of a pipeline.
func TestRedisAllocations(t *testing.T) {
	r := cache.NewRedis(openPatient(t, testURL(t, "TEST_REDIS_URL")), cache.RedisOptions{Timeout: cachetest.Patience, Log: discard})
	keys := stored(t, r, 100)
	for _, c := range []struct {
		keys int
		most float64
	}{{1, 30}, {100, 130}} {
		if allocs := testing.AllocsPerRun(200, func() { r.Get(t.Context(), keys[:c.keys]) }); allocs > c.most {
			t.Errorf("%d keys: %v allocations", c.keys, allocs)
		} else {
			t.Logf("%d keys: %v allocations", c.keys, allocs)
		}
	}
}

// BenchmarkRedisGet has callers side by side look values up: one each, and 200 of a request for 50 assets in 4 currencies.
func BenchmarkRedisGet(b *testing.B) {
	for _, variable := range []string{"TEST_REDIS_URL", "TEST_REDIS_CLUSTER_URL"} {
		for _, n := range []int{1, 200} {
			for _, callers := range []int{1, 32} {
				b.Run(fmt.Sprintf("%s/keys=%d/callers=%d", variable, n, callers), func(b *testing.B) {
					client := openPatient(b, testURL(b, variable))
					r := cache.NewRedis(client, cache.RedisOptions{Timeout: cachetest.Patience, Log: discard})
					keys := stored(b, r, n)
					b.ReportAllocs()
					b.ResetTimer()
					before := cpu(b)
					var left atomic.Int64
					left.Store(int64(b.N))
					var group sync.WaitGroup
					for range callers {
						group.Go(func() {
							for left.Add(-1) >= 0 {
								if hits := r.Get(b.Context(), keys); hits[0].Value == nil {
									b.Error("a miss")
								}
							}
						})
					}
					group.Wait()
					b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
				})
			}
		}
	}
}

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
