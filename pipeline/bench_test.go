package pipeline_test

import (
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coingraph/coingraph/cache"
	"github.com/coingraph/coingraph/limit"
	"github.com/coingraph/coingraph/limit/limittest"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/pipeline"
)

// measure has so many callers do something side by side, and reports what each time costs this process.
func measure(b *testing.B, callers int, do func()) {
	do()
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	var left atomic.Int64
	left.Store(int64(b.N))
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				do()
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRequest is what a request costs that is charged and finds its value in Redis alone: with lanes for the meter and
// for the cache, one after the other; with lanes in common; and with the look-up begun before the charge, which it rides with.
// The last row is what the ordinary server pays: one command of the client's, and no meter.
func BenchmarkRequest(b *testing.B) {
	client := open(b, testURL(b, "TEST_REDIS_URL")+unhurried)
	policy, err := limit.NewPolicy(limittest.Long, []limit.Rule{{Tier: "standard", Endpoint: limit.Every, Max: 1 << 30}})
	if err != nil {
		b.Fatal(err)
	}
	keys, subject := []string{"pipelinetest:" + rand.Text()}, "pipelinetest-"+rand.Text()
	lanes := pipeline.New(client, pipeline.Options{Timeout: patience})
	meter := func(l *pipeline.Lanes) *limit.Redis {
		return limit.NewRedis(client, policy, limit.RedisOptions{Lanes: l, Timeout: patience})
	}
	store := func(l *pipeline.Lanes) *cache.Redis {
		return cache.NewRedis(client, cache.RedisOptions{Lanes: l, Timeout: patience, Log: discard})
	}
	apartMeter, apart, commonMeter, common := meter(nil), store(nil), meter(lanes), store(lanes)
	common.Set(b.Context(), []market.CacheEntry{{Key: keys[0], Value: make([]byte, 200), TTL: time.Hour}})
	charge := func(m *limit.Redis) {
		if _, err := m.Charge(b.Context(), subject, "standard", limit.Units{limit.SimplePrice: 1}); err != nil {
			b.Error(err)
		}
	}
	found := func(hits []market.CacheHit) {
		if hits[0].Value == nil {
			b.Error("a miss")
		}
	}
	for _, callers := range []int{1, 32} {
		for _, c := range []struct {
			name string
			do   func()
		}{
			{"apart", func() { charge(apartMeter); found(apart.Get(b.Context(), keys)) }},
			{"common", func() { charge(commonMeter); found(common.Get(b.Context(), keys)) }},
			{"riding", func() { wait := common.Begin(b.Context(), keys); charge(commonMeter); found(wait()) }},
			{"bare GET", func() {
				if err := client.Get(b.Context(), keys[0]).Err(); err != nil {
					b.Error(err)
				}
			}},
		} {
			b.Run(fmt.Sprintf("callers=%d/%s", callers, c.name), func(b *testing.B) { measure(b, callers, c.do) })
		}
	}
}
