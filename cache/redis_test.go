package cache_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/cache"
	"github.com/coingraph/coingraph/cache/cachetest"
	"github.com/coingraph/coingraph/market"
)

func TestRedis(t *testing.T) {
	client := openPatient(t, testURL(t, "TEST_REDIS_URL"))
	cachetest.Run(t, func(*testing.T) market.Cache {
		return cache.NewRedis(client, cache.RedisOptions{Timeout: cachetest.Patience, Log: discard})
	})
}

func TestRedisCluster(t *testing.T) {
	client := openPatient(t, testURL(t, "TEST_REDIS_CLUSTER_URL"))
	if _, ok := client.(*redis.ClusterClient); !ok {
		t.Fatalf("TEST_REDIS_CLUSTER_URL gives a %T", client)
	}
	cachetest.Run(t, func(*testing.T) market.Cache {
		return cache.NewRedis(client, cache.RedisOptions{Timeout: cachetest.Patience, Log: discard})
	})
}

// entry is a value that lives for a minute.
func entry(key, value string) market.CacheEntry {
	return market.CacheEntry{Key: key, Value: []byte(value), TTL: time.Minute}
}

// get is a cache's answer for keys as text, "-" for a miss.
func get(t *testing.T, c market.Cache, keys ...string) string {
	t.Helper()
	values := make([]string, len(keys))
	for i, hit := range c.Get(t.Context(), keys) {
		if values[i] = "-"; hit.Value != nil {
			values[i] = string(hit.Value)
		}
	}
	return strings.Join(values, " ")
}

func prefixed(names ...string) []string {
	prefix := "cachetest:" + rand.Text() + ":"
	keys := make([]string, len(names))
	for i, name := range names {
		keys[i] = prefix + name
	}
	return keys
}

// sealed is a value as it stands in Redis.
func sealed(value string, expires time.Time) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(expires.UnixMilli()))
	sum := crc32.Checksum(append(bytes.Clone(b), value...), crc32.MakeTable(crc32.Castagnoli))
	return append(binary.BigEndian.AppendUint32(b, sum), value...)
}

func TestForeignValuesAreMissesAndOverwritten(t *testing.T) {
	for variable, faults := range map[string]uint64{
		"TEST_REDIS_URL":         3, // MGET does not tell what is of another type from what is not there
		"TEST_REDIS_CLUSTER_URL": 4,
	} {
		t.Run(variable, func(t *testing.T) {
			client, ctx := open(t, testURL(t, variable)), t.Context()
			var log lines
			r := cache.NewRedis(client, cache.RedisOptions{Timeout: cachetest.Patience, Log: log.logger()})
			keys := prefixed("good", "list", "hash", "short", "text", "expired", "changed", "absent")
			pipe := client.Pipeline()
			pipe.RPush(ctx, keys[1], "x")
			pipe.HSet(ctx, keys[2], "x", "y")
			pipe.Set(ctx, keys[3], "1234567", 0)
			pipe.Set(ctx, keys[4], "a text of somebody else", 0)
			pipe.Set(ctx, keys[5], sealed("value", time.Now().Add(-time.Second)), 0)
			changed := sealed("value", time.Now().Add(time.Minute))
			changed[len(changed)-1]++
			pipe.Set(ctx, keys[6], changed, 0)
			for _, key := range keys {
				pipe.PExpire(ctx, key, time.Minute)
			}
			if _, err := pipe.Exec(ctx); err != nil {
				t.Fatal(err)
			}

			r.Set(ctx, []market.CacheEntry{entry(keys[0], "0")})
			if got := get(t, r, keys...); got != "0 - - - - - - -" {
				t.Errorf("got %s", got)
			}
			if got := log.with("event=cache.fault"); got != 1 {
				t.Errorf("%d lines about the bad values", got)
			}
			var entries []market.CacheEntry
			for i, key := range keys {
				entries = append(entries, entry(key, fmt.Sprint(i)))
			}
			r.Set(ctx, entries)
			if got := get(t, r, keys...); got != "0 1 2 3 4 5 6 7" {
				t.Errorf("after overwriting: got %s", got)
			}
			if s := r.Stats(); s.Hits != 9 || s.Misses != 7 || s.Faults != faults || s.Skipped != 0 || s.Open {
				t.Errorf("got %+v", s)
			}
		})
	}
}

func TestRedisExpiresTheKeyToo(t *testing.T) {
	client := open(t, testURL(t, "TEST_REDIS_URL"))
	r := cache.NewRedis(client, cache.RedisOptions{Timeout: cachetest.Patience, Log: discard})
	keys := prefixed("a", "too short")
	r.Set(t.Context(), []market.CacheEntry{
		{Key: keys[0], Value: []byte("1"), TTL: 90*time.Second + 700*time.Microsecond},
		{Key: keys[1], Value: []byte("1"), TTL: time.Millisecond - 1},
	})
	if ttl := client.PTTL(t.Context(), keys[0]).Val(); ttl <= 30*time.Second || ttl > 90*time.Second {
		t.Errorf("it expires in %v", ttl)
	}
	if n := client.Exists(t.Context(), keys[1]).Val(); n != 0 {
		t.Error("an entry of less than a millisecond was stored")
	}
}

// TestOneNodeOfAClusterHangs: what the others have is served all the same.
func TestOneNodeOfAClusterHangs(t *testing.T) {
	u, err := url.Parse(strings.Split(testURL(t, "TEST_REDIS_CLUSTER_URL"), ",")[0])
	if err != nil {
		t.Fatal("TEST_REDIS_CLUSTER_URL is malformed")
	}
	healthy := open(t, testURL(t, "TEST_REDIS_CLUSTER_URL"))
	keys := make([]string, 60)
	var entries []market.CacheEntry
	for i, key := range prefixed(strings.Fields(strings.Repeat("k ", len(keys)))...) {
		keys[i] = fmt.Sprint(key, i)
		entries = append(entries, entry(keys[i], "v"))
	}
	cache.NewRedis(healthy, cache.RedisOptions{Timeout: cachetest.Patience, Log: discard}).Set(t.Context(), entries)

	hole := newProxy(t, u.Host)
	hole.hang(true)
	seeds := strings.Split(strings.TrimPrefix(testURL(t, "TEST_REDIS_CLUSTER_URL"), "redis://"), ",")
	client := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: seeds[1:], ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1, ReadTimeout: 300 * time.Millisecond,
		Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == u.Host {
				addr = hole.addr
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	})
	defer client.Close()
	r := cache.NewRedis(client, cache.RedisOptions{Timeout: 500 * time.Millisecond, Log: discard})
	await(t, "the answers of two nodes", func() bool {
		start, got := time.Now(), strings.Count(get(t, r, keys...), "v")
		if took := time.Since(start); took > 3*time.Second {
			t.Fatalf("a hung node cost %v", took)
		}
		return got >= 20 && got < 60
	})
	if s := r.Stats(); s.Open {
		t.Error("two nodes answer, and Redis counts as away")
	}
}

func TestPing(t *testing.T) {
	for _, variable := range []string{"TEST_REDIS_URL", "TEST_REDIS_CLUSTER_URL"} {
		r := cache.NewRedis(open(t, testURL(t, variable)), cache.RedisOptions{Log: discard})
		if err := r.Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", variable, err)
		}
	}
	for name, client := range map[string]redis.UniversalClient{
		"server":  unreachable(t),
		"cluster": open(t, "redis://:secret@127.0.0.1:1,127.0.0.1:2"),
	} {
		start := time.Now()
		err := cache.NewRedis(client, cache.RedisOptions{Log: discard}).Ping(t.Context())
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", name, err)
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("%s: a refused connection took %v", name, took)
		}
	}
}
