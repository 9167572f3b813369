package quota_test

import (
	"crypto/rand"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/cache"
	"github.com/coingraph/coingraph/limit/quota"
	"github.com/coingraph/coingraph/limit/quota/quotatest"
)

// TestMain silences the client library, which writes to stderr what these tests cause on purpose.
func TestMain(m *testing.M) {
	cache.RedirectClientLog(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// variables name the servers that what holds for Redis must hold on.
var variables = []string{"TEST_REDIS_URL", "TEST_REDIS_CLUSTER_URL"}

// client is one for a server that make test provides, patient enough for a machine that has other work too.
func client(t testing.TB, variable string) redis.UniversalClient {
	t.Helper()
	url := os.Getenv(variable)
	if url == "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not set, and CI must not skip", variable)
		}
		t.Skipf("%s is not set: run the tests with make test", variable)
	}
	c, err := cache.Open(url + "?read_timeout=30s&write_timeout=30s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestRedis(t *testing.T) {
	for _, variable := range variables {
		t.Run(variable, func(t *testing.T) {
			quotatest.Run(t, func(t *testing.T, n int) []quota.Keeper {
				keepers := make([]quota.Keeper, n)
				for i := range keepers {
					keepers[i] = quota.NewRedis(client(t, variable))
				}
				return keepers
			})
		})
	}
}

// TestRedisKeys: all that is kept of a provider has its hash tag and an end, and what is gone is known to be gone.
func TestRedisKeys(t *testing.T) {
	c := client(t, "TEST_REDIS_URL")
	k := quota.NewRedis(c)
	pool := quota.Pool{Provider: "test-" + strings.ToLower(rand.Text()), Keys: []string{"k1"}, Rates: []quota.Rate{{Max: 10, Per: time.Minute}, {Max: 100, Per: 720 * time.Hour}}, Probe: time.Second}
	do := func(r quota.Request) quota.Answer {
		a, err := k.Do(t.Context(), &pool, r)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := do(quota.Request{Take: true, Seeded: true})
	r := quota.ReportOf(a.Grant, nil)
	do(quota.Request{Report: &r})
	tag := "quota:{" + pool.Provider + "}"
	for name, least := range map[string]time.Duration{tag + ":k1:60": 24 * time.Hour, tag + ":k1:2592000": 720 * time.Hour} {
		if ttl := c.PTTL(t.Context(), name).Val(); ttl < least {
			t.Errorf("%s ends in %v", name, ttl)
		}
	}
	if err := c.Del(t.Context(), tag+":k1:2592000").Err(); err != nil {
		t.Fatal(err)
	}
	if a := do(quota.Request{Take: true}); !a.Lost {
		t.Errorf("got %+v", a)
	}
}

// BenchmarkRedis is a call to a vendor whose windows are full of buckets: what the quota adds to it.
func BenchmarkRedis(b *testing.B) {
	k := quota.NewRedis(client(b, "TEST_REDIS_URL"))
	pool := quota.Pool{
		Provider: "test-" + strings.ToLower(rand.Text()), Keys: []string{"k1", "k2"}, Probe: time.Second,
		Rates: []quota.Rate{{Max: 1 << 30, Per: time.Minute}, {Max: 1 << 30, Per: 720 * time.Hour}},
	}
	var seed []quota.Spent
	for _, r := range pool.Rates {
		for _, id := range pool.Keys {
			for i := range 120 {
				seed = append(seed, quota.Spent{Key: id, At: time.Now().Add(-r.Per * time.Duration(i) / 120), Calls: 1})
			}
		}
	}
	if _, err := k.Do(b.Context(), &pool, quota.Request{Seeded: true, Seed: seed}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if a, err := k.Do(b.Context(), &pool, quota.Request{Take: true}); err != nil || a.Refusal != nil {
			b.Fatal(err, a.Refusal)
		}
	}
}
