package cache_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/cache"
	"github.com/coingraph/coingraph/market"
)

// TestRedisIsAway breaks a Redis in all the ways in which it gives no answer. Each time: what is asked is a miss soon,
// hardly anything is paid once the breaker has opened, the log says so without a line for each request, and all is well
// again within 5 s.
func TestRedisIsAway(t *testing.T) {
	for _, c := range []struct {
		name  string
		setup func(t *testing.T) (url string, breakIt, mend func(t *testing.T))
	}{
		{"hung network", func(t *testing.T) (string, func(*testing.T), func(*testing.T)) {
			p, u := newProxyOf(t)
			return u, func(*testing.T) { p.hang(true) }, func(*testing.T) { p.hang(false) }
		}},
		{"slow network", func(t *testing.T) (string, func(*testing.T), func(*testing.T)) {
			p, u := newProxyOf(t)
			return u, func(*testing.T) { p.slow(2 * time.Second) }, func(*testing.T) { p.slow(0) }
		}},
		{"refused connections", func(t *testing.T) (string, func(*testing.T), func(*testing.T)) {
			p, u := newProxyOf(t)
			return u, func(*testing.T) { p.refuse() }, p.listen
		}},
		{"reset connections", func(t *testing.T) (string, func(*testing.T), func(*testing.T)) {
			p, u := newProxyOf(t)
			return u, func(*testing.T) { p.reset(true) }, func(*testing.T) { p.reset(false) }
		}},
		{"stopped server", func(t *testing.T) (string, func(*testing.T), func(*testing.T)) {
			s := newServer(t)
			return s.url(), func(t *testing.T) { s.signal(t, syscall.SIGSTOP) }, func(t *testing.T) { s.signal(t, syscall.SIGCONT) }
		}},
		{"killed server", func(t *testing.T) (string, func(*testing.T), func(*testing.T)) {
			s := newServer(t)
			return s.url(), func(*testing.T) { s.kill() }, func(t *testing.T) { s.start(t) }
		}},
		{"master that is down", func(t *testing.T) (string, func(*testing.T), func(*testing.T)) {
			s := newServer(t, "--replica-serve-stale-data", "no")
			return s.url(), func(t *testing.T) { s.admin(t, "REPLICAOF", "127.0.0.1", "1") }, func(t *testing.T) { s.admin(t, "REPLICAOF", "NO", "ONE") }
		}},
		{"password that is wanted", func(t *testing.T) (string, func(*testing.T), func(*testing.T)) {
			s := newServer(t)
			owner := redis.NewClient(&redis.Options{Addr: s.addr, Password: "x", MaxRetries: -1})
			t.Cleanup(func() { _ = owner.Close() })
			return s.url(), func(t *testing.T) {
					s.admin(t, "CONFIG", "SET", "requirepass", "x")
					do(t, owner, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") // who was let in already stays
				}, func(t *testing.T) {
					do(t, owner, "CONFIG", "SET", "requirepass", "")
				}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url, breakIt, mend := c.setup(t)
			var log lines
			r := cache.NewRedis(open(t, url), cache.RedisOptions{Log: log.logger()})
			keys := prefixed("a", "b")
			set := func() { r.Set(t.Context(), []market.CacheEntry{entry(keys[0], "1")}) }
			await(t, "the first hit", func() bool { set(); return get(t, r, keys...) == "1 -" })

			breakIt(t)
			broken, longest := time.Now(), time.Duration(0)
			await(t, "the breaker", func() bool {
				start := time.Now()
				answer := get(t, r, keys...)
				if longest = max(longest, time.Since(start)); longest > time.Second {
					t.Fatalf("one call took %v", longest)
				}
				return answer == "- -" && r.Stats().Open
			})
			start := time.Now()
			for range 1000 {
				set()
				get(t, r, keys...)
			}
			took := time.Since(start)
			if took > time.Second {
				t.Errorf("2000 calls of a Redis that is away took %v", took)
			}
			if s := r.Stats(); s.Skipped < 1000 {
				t.Errorf("only %d calls were spared", s.Skipped)
			}
			if got, most := log.with("event=cache.fault"), 2+int(time.Since(broken)/time.Second); got < 1 || got > most {
				t.Errorf("%d lines about it in %v", got, time.Since(broken))
			}

			mend(t)
			mended := time.Now()
			awaitFor(t, 5*time.Second, "Redis to be back", func() bool { set(); return get(t, r, keys...) == "1 -" })
			t.Logf("the longest call took %v; 2000 calls with the breaker open %v; back after %v", longest, took, time.Since(mended))
			if r.Stats().Open || log.with("event=cache.recovered") == 0 {
				t.Error("nothing tells that Redis is back")
			}
		})
	}
}

// TestRedisRefusesWrites: what it still answers is served, and the breaker stays closed.
func TestRedisRefusesWrites(t *testing.T) {
	for _, c := range []struct {
		name  string
		setup func(t *testing.T) (s *server, breakIt, mend func())
	}{
		{"out of memory", func(t *testing.T) (*server, func(), func()) {
			s := newServer(t, "--maxmemory-policy", "noeviction")
			return s, func() { s.admin(t, "CONFIG", "SET", "maxmemory", "1") }, func() { s.admin(t, "CONFIG", "SET", "maxmemory", "0") }
		}},
		{"read only", func(t *testing.T) (*server, func(), func()) {
			s := newServer(t)
			return s, func() { s.admin(t, "REPLICAOF", "127.0.0.1", "1") }, func() { s.admin(t, "REPLICAOF", "NO", "ONE") }
		}},
		{"snapshots fail", func(t *testing.T) (*server, func(), func()) {
			dir := filepath.Join(t.TempDir(), "gone")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			s := newServer(t)
			return s, func() {
				s.admin(t, "CONFIG", "SET", "dir", dir)
				s.admin(t, "CONFIG", "SET", "save", "3600 1000000")
				if err := os.Remove(dir); err != nil {
					t.Fatal(err)
				}
				s.admin(t, "BGSAVE")
			}, func() { s.admin(t, "CONFIG", "SET", "save", "") }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, breakIt, mend := c.setup(t)
			var log lines
			r := cache.NewRedis(open(t, s.url()), cache.RedisOptions{Log: log.logger()})
			await(t, "the first hit", func() bool {
				r.Set(t.Context(), []market.CacheEntry{entry("a", "1")})
				return get(t, r, "a", "b") == "1 -"
			})

			breakIt()
			n := 0
			await(t, "a refused write", func() bool {
				n++
				key := fmt.Sprint("new", n)
				r.Set(t.Context(), []market.CacheEntry{entry(key, "1")})
				return get(t, r, key) == "-" && r.Stats().Faults > 0
			})
			start := time.Now()
			for range 100 {
				r.Set(t.Context(), []market.CacheEntry{entry("b", "2")})
			}
			if got, most := log.with("event=cache.fault"), 2+int(time.Since(start)/time.Second); got < 1 || got > most {
				t.Errorf("%d lines about it in %v", got, time.Since(start))
			}
			if r.Stats().Open {
				t.Error("a server that answers reads counts as away")
			}
			await(t, "a read", func() bool { return get(t, r, "a", "b") == "1 -" })

			mend()
			awaitFor(t, 5*time.Second, "writes again", func() bool {
				r.Set(t.Context(), []market.CacheEntry{entry("b", "2")})
				return get(t, r, "b") == "2"
			})
		})
	}
}

// TestRedisIsLoading: a server that reads its snapshot answers LOADING to everything, and then has what it had.
func TestRedisIsLoading(t *testing.T) {
	s := newServer(t)
	r := cache.NewRedis(open(t, s.url()), cache.RedisOptions{Log: discard})
	entries := make([]market.CacheEntry, 3000)
	for i := range entries {
		entries[i] = entry(fmt.Sprint("k", i), "v")
	}
	await(t, "the entries", func() bool { r.Set(t.Context(), entries); return get(t, r, "k0", "k2999") == "v v" })
	s.admin(t, "SAVE")
	s.kill()
	// 3000 keys with 1 ms each, and an ear for clients between them.
	s.start(t, "--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
	await(t, "the server", s.speaks)
	var faults uint64
	await(t, "the breaker", func() bool {
		start := time.Now()
		if got := get(t, r, "k0"); got != "-" && !r.Stats().Open {
			t.Fatal("this server had loaded before it was asked")
		}
		if took := time.Since(start); took > time.Second {
			t.Fatalf("one call took %v", took)
		}
		faults = r.Stats().Faults
		return r.Stats().Open
	})
	if faults == 0 {
		t.Error("no fault was counted")
	}
	await(t, "the end of loading", func() bool { return get(t, r, "k0", "k2999") == "v v" })
}

// TestAnswersBeforeACutAreHits: the answers to a pipeline that arrived before the network hung are good.
func TestAnswersBeforeACutAreHits(t *testing.T) {
	p, u := newProxyOf(t)
	r := cache.NewRedis(open(t, u), cache.RedisOptions{Timeout: 500 * time.Millisecond, Log: discard})
	keys := prefixed("a", "b", "c", "d")
	value := fmt.Sprintf("%01000d", 1)
	var entries []market.CacheEntry
	for _, key := range keys {
		entries = append(entries, entry(key, value))
	}
	all := value + " " + value + " " + value + " " + value
	await(t, "all hits", func() bool { r.Set(t.Context(), entries); return get(t, r, keys...) == all })
	p.cutAfter(2500) // two answers and a half
	if got := get(t, r, keys...); got != value+" "+value+" - -" {
		t.Errorf("got %.40q…, %d bytes", got, len(got))
	}
	if s := r.Stats(); s.Faults == 0 || s.Open {
		t.Errorf("got %+v", s)
	}
}

// TestTheCallersDeadlineWins, and a call that its caller cuts short says nothing of Redis.
func TestTheCallersDeadlineWins(t *testing.T) {
	p, u := newProxyOf(t)
	r := cache.NewRedis(open(t, u), cache.RedisOptions{Timeout: time.Minute, Log: discard})
	key := prefixed("a")
	await(t, "the first hit", func() bool {
		r.Set(t.Context(), []market.CacheEntry{entry(key[0], "1")})
		return get(t, r, key...) == "1"
	})
	p.hang(true)
	for range 10 {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if hit := r.Get(ctx, key)[0]; hit.Value != nil {
			t.Error("a hit from a hung server")
		}
		cancel()
		if took := time.Since(start); took > time.Second {
			t.Fatalf("20 ms became %v", took)
		}
	}
	if s := r.Stats(); s.Open || s.Faults != 0 {
		t.Errorf("got %+v", s)
	}
	p.hang(false)
	await(t, "a hit", func() bool { return get(t, r, key...) == "1" })
}

// TestAProbeThatIsCutShort must not take the breaker's only permit with it.
func TestAProbeThatIsCutShort(t *testing.T) {
	p, u := newProxyOf(t)
	r := cache.NewRedis(open(t, u), cache.RedisOptions{Log: discard})
	key := prefixed("a")
	await(t, "the first hit", func() bool {
		r.Set(t.Context(), []market.CacheEntry{entry(key[0], "1")})
		return get(t, r, key...) == "1"
	})
	p.hang(true)
	await(t, "the breaker", func() bool { get(t, r, key...); return r.Stats().Open })
	skipped := r.Stats().Skipped
	await(t, "a probe", func() bool { // the first call that is not skipped
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		r.Get(ctx, key)
		before := skipped
		skipped = r.Stats().Skipped
		return skipped == before
	})
	p.hang(false)
	awaitFor(t, 5*time.Second, "Redis to be back", func() bool { return get(t, r, key...) == "1" })
}

// TestRedisIsNotThereYet: neither the client nor the cache needs it at the start.
func TestRedisIsNotThereYet(t *testing.T) {
	s := newServer(t)
	s.kill()
	r := cache.NewRedis(open(t, s.url()), cache.RedisOptions{Log: discard})
	for range 10 {
		if got := get(t, r, "a"); got != "-" {
			t.Fatalf("got %s", got)
		}
	}
	s.start(t)
	awaitFor(t, 5*time.Second, "Redis", func() bool {
		r.Set(t.Context(), []market.CacheEntry{entry("a", "1")})
		return get(t, r, "a") == "1"
	})
}
