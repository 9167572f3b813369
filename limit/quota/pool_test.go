package quota_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/limit/quota"
)

// flaky is a keeper that can be away, and counts its visits.
type flaky struct {
	quota.Keeper
	away   atomic.Bool
	visits atomic.Int32
}

var errGone = errors.New("gone")

func (f *flaky) Do(ctx context.Context, p *quota.Pool, r quota.Request) (quota.Answer, error) {
	f.visits.Add(1)
	if f.away.Load() {
		return quota.Answer{}, errGone
	}
	return f.Keeper.Do(ctx, p, r)
}

func hourly(n int) quota.Rate { return quota.Rate{Max: n, Per: time.Hour} }

func poolOf(rates ...quota.Rate) quota.Pool {
	return quota.Pool{Provider: "acme", Keys: []string{"k1"}, Rates: rates, Probe: 5 * time.Second}
}

func pass(d time.Duration) { <-time.After(d) }

// acquire takes calls until one is refused, and gives how many there were, and the refusal.
func acquire(t *testing.T, q *quota.Quota, most int) (n int, refused *fault.Error) {
	t.Helper()
	for ; n < most; n++ {
		if _, err := q.Acquire(t.Context(), quota.Interactive); err != nil {
			if !errors.Is(err, quota.ErrRefused) {
				t.Fatal(err)
			}
			return n, fault.Of(err)
		}
	}
	return n, nil
}

// TestAway: without its store a replica has a tenth of each limit, neither none nor all; what it spends is told to the
// store when that is back.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keeper := &flaky{Keeper: quota.NewMemory(nil)}
		a, b := quota.New(poolOf(hourly(100)), quota.Options{Keeper: keeper}), quota.New(poolOf(hourly(100)), quota.Options{Keeper: keeper})
		if n, _ := acquire(t, a, 50); n != 50 {
			t.Fatalf("%d calls", n)
		}
		keeper.away.Store(true)
		n, refused := acquire(t, a, 100)
		if n != 10 || refused.Kind != fault.QuotaExhausted || refused.RetryAfter < time.Hour {
			t.Errorf("%d calls, then %v after %v", n, refused, refused.RetryAfter)
		}
		if _, err := a.Status(t.Context()); !fault.Is(err, fault.StoreUnavailable) {
			t.Errorf("the status: %v", err)
		}
		pass(2 * time.Second)
		keeper.away.Store(false)
		if n, _ := acquire(t, a, 1); n != 1 {
			t.Errorf("%d calls of the shared quota", n)
		}
		s, err := b.Status(t.Context())
		if err != nil || s.Keys[0].Windows[0].Used != 61 {
			t.Errorf("got %+v, %v", s, err)
		}
	})
}

// TestAwayLeavesNoMore: of the own budget no more is left than was of the quota, in each window for itself.
func TestAwayLeavesNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keeper := &flaky{Keeper: quota.NewMemory(nil)}
		q := quota.New(poolOf(quota.Rate{Max: 1000, Per: time.Minute}, hourly(100)), quota.Options{Keeper: keeper})
		if n, _ := acquire(t, q, 97); n != 97 {
			t.Fatalf("%d calls", n)
		}
		pass(2 * time.Minute)
		if _, err := q.Status(t.Context()); err != nil {
			t.Fatal(err)
		}
		keeper.away.Store(true)
		if n, refused := acquire(t, q, 50); n != 3 || refused.RetryAfter < 50*time.Minute {
			t.Errorf("%d calls, then %v", n, refused)
		}
	})
}

// TestAwayFromTheStart: a replica that never heard of the store is neither shut.
func TestAwayFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keeper := &flaky{Keeper: quota.NewMemory(nil)}
		keeper.away.Store(true)
		q := quota.New(poolOf(hourly(5)), quota.Options{Keeper: keeper})
		if n, _ := acquire(t, q, 50); n != 1 || keeper.visits.Load() != 1 {
			t.Errorf("%d calls, %d visits to a store that is away", n, keeper.visits.Load())
		}
	})
}

// TestPauseWhileAway is kept by the replica, and told to the others when that can be.
func TestPauseWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keeper := &flaky{Keeper: quota.NewMemory(nil)}
		a, b := quota.New(poolOf(hourly(100)), quota.Options{Keeper: keeper}), quota.New(poolOf(hourly(100)), quota.Options{Keeper: keeper})
		keeper.away.Store(true)
		g, err := a.Acquire(t.Context(), quota.Interactive)
		if err != nil {
			t.Fatal(err)
		}
		if ch := a.Report(t.Context(), g, &fault.Error{Kind: fault.UpstreamRateLimited, RetryAfter: time.Minute}); ch != quota.Paused {
			t.Errorf("change %d", ch)
		}
		if n, refused := acquire(t, a, 1); n != 0 || refused.Kind != fault.UpstreamRateLimited || refused.RetryAfter != time.Minute {
			t.Errorf("%d calls, then %v", n, refused)
		}
		pass(10 * time.Second)
		keeper.away.Store(false)
		for _, q := range []*quota.Quota{a, b} {
			if n, refused := acquire(t, q, 1); n != 0 || refused.Kind != fault.UpstreamRateLimited || refused.RetryAfter != 50*time.Second {
				t.Errorf("%d calls, then %v", n, refused)
			}
		}
	})
}

// TestAwayDuringAPause: what the store said last is still true.
func TestAwayDuringAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keeper := &flaky{Keeper: quota.NewMemory(nil)}
		q := quota.New(poolOf(hourly(100)), quota.Options{Keeper: keeper})
		g, _ := q.Acquire(t.Context(), quota.Interactive)
		q.Report(t.Context(), g, &fault.Error{Kind: fault.UpstreamRateLimited, RetryAfter: time.Minute})
		keeper.away.Store(true)
		pass(10 * time.Second)
		if n, refused := acquire(t, q, 1); n != 0 || refused.Kind != fault.UpstreamRateLimited || refused.RetryAfter != 50*time.Second {
			t.Errorf("%d calls, then %v", n, refused)
		}
		pass(50 * time.Second)
		if n, _ := acquire(t, q, 1); n != 1 {
			t.Error("shut after the pause")
		}
	})
}

// TestHearsay: a thousand refusals cost the store one visit a second, and a call costs one.
func TestHearsay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keeper := &flaky{Keeper: quota.NewMemory(nil)}
		q := quota.New(poolOf(hourly(3)), quota.Options{Keeper: keeper})
		g, err := q.Acquire(t.Context(), quota.Interactive)
		if err != nil {
			t.Fatal(err)
		}
		keeper.visits.Store(0)
		q.Report(t.Context(), g, nil)
		if n, _ := acquire(t, q, 2); n != 2 || keeper.visits.Load() != 2 {
			t.Errorf("%d calls cost %d visits", n, keeper.visits.Load())
		}
		for range 1000 {
			_, _ = acquire(t, q, 1)
		}
		if keeper.visits.Load() != 3 {
			t.Errorf("%d visits", keeper.visits.Load())
		}
		pass(time.Second)
		first := time.Now()
		if _, refused := acquire(t, q, 1); refused == nil || keeper.visits.Load() != 4 {
			t.Errorf("%d visits", keeper.visits.Load())
		}
		pass(100 * time.Millisecond)
		_, once := acquire(t, q, 1)
		pass(100 * time.Millisecond)
		_, again := acquire(t, q, 1)
		if once.RetryAfter-again.RetryAfter != 100*time.Millisecond {
			t.Errorf("after %v: %v, then %v", time.Since(first), once.RetryAfter, again.RetryAfter)
		}
	})
}

// TestRebuilt: counts that the store has lost come from the bill; without the bill the replica lives on its own budget.
func TestRebuilt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var asked []time.Time
		var broken atomic.Bool
		history := func(_ context.Context, provider string, since time.Time) ([]quota.Spent, error) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, since)
			if provider != "acme" {
				t.Errorf("asked for %s", provider)
			}
			if broken.Load() {
				return nil, errGone
			}
			return []quota.Spent{{Key: "k1", At: time.Now(), Calls: 95}}, nil
		}
		pool := poolOf(quota.Rate{Max: 100, Per: 720 * time.Hour}, quota.Rate{Max: 1000, Per: time.Minute})
		q := quota.New(pool, quota.Options{Keeper: quota.NewMemory(nil), History: history, Log: slog.New(slog.DiscardHandler)})
		if n, _ := acquire(t, q, 50); n != 5 || len(asked) != 1 || time.Since(asked[0]) != 720*time.Hour {
			t.Errorf("%d calls, asked since %v", n, asked)
		}
		broken.Store(true)
		q = quota.New(pool, quota.Options{Keeper: quota.NewMemory(nil), History: history})
		if n, _ := acquire(t, q, 50); n != 10 {
			t.Errorf("%d calls without the bill", n)
		}
	})
}

func TestEndedContextTakesNothing(t *testing.T) {
	q := quota.New(poolOf(hourly(2)), quota.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := q.Acquire(ctx, quota.Interactive); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if n, _ := acquire(t, q, 5); n != 2 {
		t.Errorf("%d calls", n)
	}
}

func TestKeyID(t *testing.T) {
	if id := quota.KeyID(""); id != "keyless" {
		t.Error(id)
	}
	if a, b := quota.KeyID("CG-a"), quota.KeyID("CG-b"); a == b || len(a) != 8 || a != quota.KeyID("CG-a") {
		t.Error(a, b)
	}
}
