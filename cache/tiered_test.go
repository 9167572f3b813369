package cache_test

import (
	"testing"
	"time"

	"github.com/coingraph/coingraph/cache"
	"github.com/coingraph/coingraph/cache/cachetest"
	"github.com/coingraph/coingraph/market"
)

func TestTiered(t *testing.T) {
	for _, variable := range []string{"TEST_REDIS_URL", "TEST_REDIS_CLUSTER_URL"} {
		t.Run(variable, func(t *testing.T) {
			far := cache.NewRedis(openPatient(t, testURL(t, variable)), cache.RedisOptions{Timeout: cachetest.Patience, Log: discard})
			cachetest.Run(t, func(t *testing.T) market.Cache {
				return cache.NewTiered(newMemory(t, 0), far, cache.TieredOptions{})
			})
			// With too little memory for anything, each Get goes to Redis.
			t.Run("without room", func(t *testing.T) {
				cachetest.Run(t, func(t *testing.T) market.Cache {
					return cache.NewTiered(newMemory(t, 1), far, cache.TieredOptions{})
				})
			})
		})
	}
}

// tiers are two replicas on one Redis.
func tiers(t *testing.T, o cache.TieredOptions) (far *cache.Redis, a, b *cache.Tiered) {
	far = cache.NewRedis(openPatient(t, testURL(t, "TEST_REDIS_URL")), cache.RedisOptions{Timeout: cachetest.Patience, Log: discard})
	return far, cache.NewTiered(newMemory(t, 0), far, o), cache.NewTiered(newMemory(t, 0), far, o)
}

func TestAFarHitFillsNear(t *testing.T) {
	far, a, b := tiers(t, cache.TieredOptions{})
	keys := prefixed("x", "y", "z")
	a.Set(t.Context(), []market.CacheEntry{entry(keys[0], "1")})
	far.Set(t.Context(), []market.CacheEntry{entry(keys[1], "2")})

	near := func(c market.Cache) (near [3]bool) {
		for i, hit := range c.Get(t.Context(), keys) {
			near[i] = hit.Near
		}
		return near
	}
	if got := get(t, b, keys...); got != "1 2 -" {
		t.Fatalf("got %s", got)
	}
	if got, want := near(b), [3]bool{true, true, false}; got != want {
		t.Errorf("after the first look-up near has %v", got)
	}
	if got, want := near(a), [3]bool{true, false, false}; got != want {
		t.Errorf("the replica that set x has near %v", got)
	}
	if before := far.Stats(); get(t, b, keys[:2]...) != "1 2" || far.Stats() != before {
		t.Error("what near has was asked of far")
	}
}

func TestNearNeverOutlivesFar(t *testing.T) {
	far, a, _ := tiers(t, cache.TieredOptions{})
	key := prefixed("x")[0]
	const ttl = time.Second
	far.Set(t.Context(), []market.CacheEntry{{Key: key, Value: []byte("1"), TTL: ttl}})
	gone := time.Now().Add(ttl) // far counts from a moment before
	if get(t, a, key) != "1" {
		t.Fatal("far has it no more, or never had it")
	}
	await(t, "the expiry", func() bool {
		asked := time.Now()
		hit := a.Get(t.Context(), []string{key})[0].Value != nil
		if hit && asked.After(gone) {
			t.Fatalf("near has it %v after far had it expire", asked.Sub(gone))
		}
		return !hit
	})
}

func TestNearTTL(t *testing.T) {
	_, a, b := tiers(t, cache.TieredOptions{NearTTL: 50 * time.Millisecond})
	key := prefixed("x")[0]
	a.Set(t.Context(), []market.CacheEntry{entry(key, "1")})
	for name, c := range map[string]market.Cache{"set": a, "filled": b} {
		get(t, c, key)
		await(t, name+": near to have it no more", func() bool {
			hit := c.Get(t.Context(), []string{key})[0]
			if hit.Value == nil {
				t.Fatal("far has it no more")
			}
			return !hit.Near
		})
	}
}

func TestNearServesWhenFarIsAway(t *testing.T) {
	c := cache.NewTiered(newMemory(t, 0), cache.NewRedis(unreachable(t), cache.RedisOptions{Log: discard}), cache.TieredOptions{})
	c.Set(t.Context(), []market.CacheEntry{entry("a", "1")})
	if got := get(t, c, "a", "b"); got != "1 -" {
		t.Errorf("got %s", got)
	}
}
