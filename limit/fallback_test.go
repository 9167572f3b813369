package limit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/limit"
	"github.com/coingraph/coingraph/limit/limittest"
)

func TestFallback(t *testing.T) {
	for _, variable := range variables {
		t.Run(variable, func(t *testing.T) {
			url := testURL(t, variable)
			limittest.Run(t, func(t *testing.T, p *limit.Policy, n int) []limit.Meter {
				meters := make([]limit.Meter, n)
				for i := range meters {
					f := limit.NewFallback(newRedis(t, url, p, leasing(skewed(i))), limit.FallbackOptions{Log: discard})
					t.Cleanup(func() {
						if n := f.Locals(); n > 0 {
							t.Errorf("%d operations were counted locally", n)
						}
					})
					meters[i] = f
				}
				return meters
			})
		})
	}
}

// TestFallbackWithoutRedis: one that never was there, with the same suite as any.
func TestFallbackWithoutRedis(t *testing.T) {
	s := newServer(t)
	s.kill()
	limittest.Run(t, func(t *testing.T, p *limit.Policy, n int) []limit.Meter {
		f, meters := limit.NewFallback(limit.NewRedis(open(t, s.url()), p, limit.RedisOptions{Log: discard}), limit.FallbackOptions{Log: discard}), make([]limit.Meter, n)
		for i := range meters {
			meters[i] = f // each replica has a budget of its own
		}
		return meters
	})
}

// charged is how many of so many charges at once are accepted.
func charged(t *testing.T, charges int, meters ...limit.Meter) int {
	t.Helper()
	var group sync.WaitGroup
	var n atomic.Int64
	for i := range charges {
		group.Go(func() {
			switch _, err := meters[i%len(meters)].Charge(t.Context(), "key", "standard", limit.Units{limit.SimplePrice: 1}); {
			case err == nil:
				n.Add(1)
			case !fault.Is(err, fault.RateLimited):
				t.Error(err)
			}
		})
	}
	group.Wait()
	return int(n.Load())
}

// TestRedisGoes in the middle of a window, in several ways, and comes back.
func TestRedisGoes(t *testing.T) {
	for _, c := range []struct {
		name          string
		breakIt, mend func(*testing.T, *server)
		left          int // of 100 after it is back, of which 40 were spent before
	}{
		{"killed", func(_ *testing.T, s *server) { s.kill() }, func(t *testing.T, s *server) { s.start(t) }, 100},
		{
			"hangs",
			func(t *testing.T, s *server) { s.signal(t, syscall.SIGSTOP) },
			func(t *testing.T, s *server) { s.signal(t, syscall.SIGCONT) }, 60,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			const n = 100
			s, p := newServer(t), newPolicy(t, limittest.Long, n)
			var log lines
			var meters []limit.Meter
			var redis []*limit.Redis
			for range 2 {
				r := limit.NewRedis(open(t, s.url()), p, limit.RedisOptions{Timeout: time.Second, Log: log.logger()})
				redis, meters = append(redis, r), append(meters, limit.NewFallback(r, limit.FallbackOptions{Log: log.logger()}))
			}
			local := func() uint64 { return meters[0].(*limit.Fallback).Locals() + meters[1].(*limit.Fallback).Locals() }
			if got := charged(t, 40, meters...); got != 40 || local() > 0 {
				t.Fatalf("%d accepted, %d locally", got, local())
			}
			if _, err := meters[1].Peek(t.Context(), "key", "standard"); err != nil { // both know of the 40
				t.Fatal(err)
			}
			if _, err := meters[0].Peek(t.Context(), "key", "standard"); err != nil {
				t.Fatal(err)
			}

			c.breakIt(t, s)
			broken := time.Now()
			got := charged(t, 4*n, meters...)
			if got != 2*60 { // what was left, for each replica
				t.Errorf("%d accepted while Redis is away", got)
			}
			for i, m := range meters {
				await(t, "the breaker", func() bool {
					start := time.Now()
					if _, err := m.Peek(t.Context(), "other", "standard"); err != nil {
						t.Fatal(err)
					}
					if took := time.Since(start); took > limittest.Patience {
						t.Fatalf("a charge took %v", took)
					}
					return redis[i].Stats().Open
				})
			}
			start := time.Now()
			for range 5000 {
				if _, err := meters[0].Peek(t.Context(), "other", "standard"); err != nil {
					t.Fatal(err)
				}
			}
			took := time.Since(start)
			if took > 30*time.Second { // had each waited, it would be 5000 s
				t.Errorf("5000 charges with Redis known to be away took %v", took)
			}
			if got, most := log.with("event=limit.local"), 2*(2+int(time.Since(broken)/time.Second)); got < 1 || got > most {
				t.Errorf("%d lines about it in %v", got, time.Since(broken))
			}

			c.mend(t, s)
			mended := time.Now()
			for _, m := range meters {
				await(t, "Redis to be back", func() bool {
					before := local()
					if _, err := m.Peek(t.Context(), "other", "standard"); err != nil {
						t.Fatal(err)
					}
					return local() == before
				})
			}
			t.Logf("5000 charges with Redis known to be away took %v; back after %v", took, time.Since(mended))
			if log.with("event=limit.recovered") < 2 {
				t.Error("nothing tells that Redis is back")
			}
			// Its counts rule again, exactly. One that hung has found the charges in its buffers, and left them.
			limits, err := meters[0].Peek(t.Context(), "key", "standard")
			if err != nil {
				t.Fatal(err)
			}
			left := limits[0].Remaining
			if left != c.left {
				t.Errorf("%d are left after Redis is back, want %d", left, c.left)
			}
			before := local()
			if got := charged(t, 4*n, meters...); got != left || local() > before {
				t.Errorf("%d accepted of %d after Redis is back, %d locally", got, left, local()-before)
			}
		})
	}
}

// TestRedisCannotCount: one that refuses writes answers nevertheless. Charges are counted locally; once it can write again, by it.
func TestRedisCannotCount(t *testing.T) {
	s := newServer(t)
	client := open(t, s.url())
	set := func(maxmemory string) {
		if err := client.ConfigSet(t.Context(), "maxmemory", maxmemory).Err(); err != nil {
			t.Fatal(err)
		}
	}
	f := limit.NewFallback(newRedis(t, s.url(), newPolicy(t, limittest.Long, 10), nil), limit.FallbackOptions{Log: discard})
	if got := charged(t, 4, f); got != 4 || f.Locals() != 0 {
		t.Fatalf("%d accepted, %d locally", got, f.Locals())
	}
	set("1")
	if got := charged(t, 20, f); got != 6 || f.Locals() == 0 {
		t.Errorf("%d accepted, %d locally", got, f.Locals())
	}
	set("0")
	locals := f.Locals()
	if got := charged(t, 20, f); got != 6 || f.Locals() != locals {
		t.Errorf("%d accepted, %d locally", got, f.Locals()-locals)
	}
}

// TestTheCallersDeadlineWins: who leaves gets the context's error, and no local budget.
func TestTheCallersDeadlineWins(t *testing.T) {
	s := newServer(t)
	m := newRedis(t, s.url(), newPolicy(t, limittest.Long, 10), nil)
	f := limit.NewFallback(m, limit.FallbackOptions{Log: discard})
	if _, err := f.Peek(t.Context(), "key", "standard"); err != nil {
		t.Fatal(err)
	}
	s.signal(t, syscall.SIGSTOP)
	for _, meter := range []limit.Meter{m, f} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		start := time.Now()
		_, err := meter.Charge(ctx, "key", "standard", limit.Units{limit.SimplePrice: 1})
		cancel()
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > 5*time.Second {
			t.Errorf("%T: %v after %v", meter, err, took)
		}
	}
	if f.Locals() != 0 {
		t.Errorf("%d counted locally", f.Locals())
	}
	s.signal(t, syscall.SIGCONT)
}

// TestAHungMaster of a cluster costs only those whose counters it has, and them only until its breaker opens.
func TestAHungMaster(t *testing.T) {
	nodes := newCluster(t)
	f := limit.NewFallback(limit.NewRedis(open(t, nodes[0].url()+","+nodes[1].addr), newPolicy(t, limittest.Long, 1<<20), limit.RedisOptions{Log: discard}),
		limit.FallbackOptions{Log: discard})
	peek := func(i int) (took time.Duration, locally bool) {
		start, before := time.Now(), f.Locals()
		if _, err := f.Charge(t.Context(), fmt.Sprint("key", i), "standard", limit.Units{limit.SimplePrice: 1}); err != nil {
			t.Fatal(err)
		}
		return time.Since(start), f.Locals() != before
	}
	const subjects = 40
	await(t, "all counters in Redis", func() bool {
		for i := range subjects {
			if _, locally := peek(i); locally {
				return false
			}
		}
		return true
	})
	nodes[1].signal(t, syscall.SIGSTOP)
	var here, there, slow int
	for range 10 {
		for i := range subjects {
			took, locally := peek(i)
			if locally {
				there++
			} else {
				here++
			}
			if took > 50*time.Millisecond {
				slow++
			}
		}
	}
	if here < 10*subjects/5 || there < 10*subjects/5 || slow > 6 {
		t.Errorf("%d counted in Redis, %d locally, %d slow", here, there, slow)
	}
	t.Logf("%d counted in Redis, %d locally, %d slow", here, there, slow)
	nodes[1].signal(t, syscall.SIGCONT)
	await(t, "all counters in Redis again", func() bool {
		for i := range subjects {
			if _, locally := peek(i); locally {
				return false
			}
		}
		return true
	})
}
