package pipeline_test

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coingraph/coingraph/cache"
	"github.com/coingraph/coingraph/limit"
	"github.com/coingraph/coingraph/market"
)

var discard = slog.New(slog.DiscardHandler)

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkBase(b *testing.B) {
	client, err := cache.Open(os.Getenv("TEST_REDIS_URL") + "?read_timeout=30s&write_timeout=30s")
	if err != nil {
		b.Fatal(err)
	}
	var rules []limit.Rule
	rules = append(rules, limit.Rule{Tier: "standard", Endpoint: "*", Max: 1 << 30})
	p, err := limit.NewPolicy(time.Hour, rules)
	if err != nil {
		b.Fatal(err)
	}
	m := limit.NewRedis(client, p, limit.RedisOptions{Timeout: 20 * time.Second})
	c := cache.NewRedis(client, cache.RedisOptions{Timeout: 20 * time.Second, Log: discard})
	key := "bench:" + rand.Text()
	subject := "s-" + rand.Text()
	c.Set(b.Context(), []market.CacheEntry{{Key: key, Value: make([]byte, 200), TTL: time.Hour}})
	for name, f := range map[string]func(){
		"get":    func() { c.Get(b.Context(), []string{key}) },
		"charge": func() { m.Charge(b.Context(), subject, "standard", limit.Units{limit.SimplePrice: 1}) },
		"apart": func() {
			m.Charge(b.Context(), subject, "standard", limit.Units{limit.SimplePrice: 1})
			c.Get(b.Context(), []string{key})
		},
		"raw": func() { client.Get(b.Context(), key).Bytes() },
	} {
		for _, callers := range []int{1, 32} {
			b.Run(fmt.Sprintf("%s/%d", name, callers), func(b *testing.B) {
				f()
				b.ReportAllocs()
				b.ResetTimer()
				before := cpu(b)
				var left atomic.Int64
				left.Store(int64(b.N))
				var g sync.WaitGroup
				for range callers {
					g.Go(func() {
						for left.Add(-1) >= 0 {
							f()
						}
					})
				}
				g.Wait()
				b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}
