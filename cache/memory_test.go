package cache_test

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coingraph/coingraph/cache"
	"github.com/coingraph/coingraph/cache/cachetest"
	"github.com/coingraph/coingraph/market"
)

func newMemory(t *testing.T, maxBytes int64) *cache.Memory {
	m := cache.NewMemory(cache.MemoryOptions{MaxBytes: maxBytes})
	t.Cleanup(m.Close)
	return m
}

func TestMemory(t *testing.T) {
	cachetest.Run(t, func(t *testing.T) market.Cache { return newMemory(t, 0) })
}

func TestMemoryKeepsAnEntryExactlyForItsTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cache.NewMemory(cache.MemoryOptions{})
		defer m.Close()
		m.Set(t.Context(), []market.CacheEntry{{Key: "a", Value: []byte("1"), TTL: 10 * time.Second}, {Key: "b", Value: []byte("2"), TTL: time.Hour}})
		keys := []string{"a", "b"}
		<-time.After(10*time.Second - 1)
		if hits := m.Get(t.Context(), keys); hits[0].Value == nil || !hits[0].Near {
			t.Error("gone too early, or not near")
		}
		<-time.After(1)
		if hits := m.Get(t.Context(), keys); hits[0].Value != nil || hits[1].Value == nil {
			t.Errorf("after 10 s: %v", hits)
		}
	})
}

func TestMemorySharesValues(t *testing.T) {
	m := newMemory(t, 0)
	value := []byte("value")
	m.Set(t.Context(), []market.CacheEntry{{Key: "a", Value: value, TTL: time.Minute}})
	if got := m.Get(t.Context(), []string{"a"})[0].Value; &got[0] != &value[0] {
		t.Error("the value was copied")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	const limit = 1 << 20
	m := newMemory(t, limit)
	value := make([]byte, 1000)
	for i := range 20_000 { // 20 times what it may hold
		m.Set(t.Context(), []market.CacheEntry{{Key: fmt.Sprint("key", i), Value: value, TTL: time.Hour}})
	}
	await(t, "eviction", func() bool { s := m.Stats(); return s.Bytes <= limit && s.Entries <= limit/1000 })
	if s := m.Stats(); s.Bytes < limit/2 {
		t.Errorf("only %d of %d bytes are used", s.Bytes, limit)
	}

	m.Set(t.Context(), []market.CacheEntry{{Key: "too large", Value: make([]byte, limit+1), TTL: time.Hour}})
	await(t, "the eviction of what is too large", func() bool { return m.Get(t.Context(), []string{"too large"})[0].Value == nil })
	if s := m.Stats(); s.Bytes < limit/2 {
		t.Errorf("one entry that was too large has evicted the others: %d bytes are left", s.Bytes)
	}
}

func TestMemoryCountsWhatItHolds(t *testing.T) {
	const n = 50_000
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	m := newMemory(t, 256<<20)
	before := heap()
	for i := range n {
		m.Set(t.Context(), []market.CacheEntry{{Key: fmt.Sprintf("price:asset-%012d:usd:latest", i), Value: make([]byte, 128), TTL: time.Hour}})
	}
	await(t, "all entries", func() bool { return m.Stats().Entries == n })
	held, counted := float64(heap()-before)/n, float64(m.Stats().Bytes)/n
	t.Logf("an entry holds %.0f bytes and counts as %.0f", held, counted)
	if counted < 0.8*held || counted > 1.5*held {
		t.Errorf("an entry holds %.0f bytes and counts as %.0f", held, counted)
	}
	runtime.KeepAlive(m)
}

func TestWarmGetAllocatesOnlyItsResult(t *testing.T) {
	entries, keys := make([]market.CacheEntry, 100), make([]string, 100)
	for i := range keys {
		keys[i] = fmt.Sprint("key", i)
		entries[i] = market.CacheEntry{Key: keys[i], Value: []byte("value"), TTL: time.Hour}
	}
	near := newMemory(t, 0)
	for name, c := range map[string]market.Cache{
		"memory": near,
		"tiered": cache.NewTiered(near, cache.NewRedis(unreachable(t), cache.RedisOptions{Log: discard}), cache.TieredOptions{}),
	} {
		near.Set(t.Context(), entries)
		// otter's bookkeeping of reads allocates now and then.
		if allocs := testing.AllocsPerRun(1000, func() { c.Get(t.Context(), keys) }); allocs > 3 {
			t.Errorf("%s: %v allocations for 100 keys", name, allocs)
		}
	}
}

func BenchmarkMemoryGet(b *testing.B) {
	m := cache.NewMemory(cache.MemoryOptions{})
	defer m.Close()
	keys := make([]string, 100)
	for i := range keys {
		keys[i] = fmt.Sprint("key", i)
		m.Set(b.Context(), []market.CacheEntry{{Key: keys[i], Value: []byte("value"), TTL: time.Hour}})
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Get(b.Context(), keys)
		}
	})
}
