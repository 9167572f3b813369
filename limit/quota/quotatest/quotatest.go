// Package quotatest is the contract of [quota.Keeper] as tests, run on every implementation.
package quotatest

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/limit/quota"
)

// Patience is how much time a keeper needs to be given under test: the suite looks at what it answers, and not at how
// soon, on machines that have other work too.
const Patience = 20 * time.Second

// Open gives the keepers of n replicas that share one store, which may have other providers too.
type Open func(t *testing.T, n int) []quota.Keeper

// Run tests that what open gives are keepers. Providers are random.
func Run(t *testing.T, open Open) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Open)
	}{
		{"exactly the limit, from two replicas at once", exactlyTheLimit},
		{"no window has more, wherever it begins", noWindowHasMore},
		{"several windows", severalWindows},
		{"no limit", noLimit},
		{"lanes leave a reserve", lanesLeaveReserve},
		{"a small limit has room for every lane", smallLimit},
		{"the key with the most left", mostLeft},
		{"a pause is one for all", pauseForAll},
		{"the longest pause counts", longestPause},
		{"another key while one rests", pauseOfOneKey},
		{"after a pause the foreground is first", foregroundFirst},
		{"a refused key", refusedKey},
		{"all keys refused", allRefused},
		{"a refused key is tried again while others work", recheckOfKey},
		{"the breaker", breaker},
		{"failures between answers", failuresBetweenAnswers},
		{"stale reports", staleReports},
		{"a block page", blockPage},
		{"lost counts", lostCounts},
		{"debts", debts},
		{"a new window, a new key", newWindow},
		{"status", status},
		{"looking changes nothing", looking},
		{"ended context", endedContext},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open)
		})
	}
}

// suite is replicas and a pool of their own.
type suite struct {
	keepers []quota.Keeper
	pool    quota.Pool
}

// start gives two replicas and a pool with so many keys.
func start(t *testing.T, open Open, keys int, rates ...quota.Rate) suite {
	t.Helper()
	s := suite{open(t, 2), quota.Pool{Provider: "test-" + strings.ToLower(rand.Text()), Rates: rates, Probe: time.Hour}}
	for i := range keys {
		s.pool.Keys = append(s.pool.Keys, quota.KeyID(string(rune('a'+i))))
	}
	s.do(t, 0, quota.Request{Seeded: true})
	return s
}

func (s *suite) do(t *testing.T, replica int, r quota.Request) quota.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	a, err := s.keepers[replica].Do(ctx, &s.pool, r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// take wants a call to be let through.
func (s *suite) take(t *testing.T, replica int, lane quota.Lane) quota.Grant {
	t.Helper()
	a := s.do(t, replica, quota.Request{Take: true, Lane: lane})
	if a.Lost || a.Refusal != nil {
		t.Fatalf("lost %t, refused %+v", a.Lost, a.Refusal)
	}
	return a.Grant
}

// refused wants none to be.
func (s *suite) refused(t *testing.T, replica int, lane quota.Lane, kind fault.Kind) quota.Refusal {
	t.Helper()
	a := s.do(t, replica, quota.Request{Take: true, Lane: lane})
	if a.Lost || a.Refusal == nil || a.Refusal.Kind != kind || a.Refusal.Wait <= 0 {
		t.Fatalf("lost %t, refused %+v, want %v", a.Lost, a.Refusal, kind)
	}
	return *a.Refusal
}

// report wants a change.
func (s *suite) report(t *testing.T, replica int, g quota.Grant, f *fault.Error, want quota.Change) {
	t.Helper()
	r := quota.ReportOf(g, f)
	if a := s.do(t, replica, quota.Request{Report: &r}); a.Lost || a.Change != want {
		t.Fatalf("lost %t, change %d, want %d", a.Lost, a.Change, want)
	}
}

func (s *suite) used(t *testing.T, want ...int) {
	t.Helper()
	var got []int
	for _, k := range s.do(t, 1, quota.Request{}).Status.Keys {
		for _, w := range k.Windows {
			got = append(got, w.Used)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("used are %v, want %v", got, want)
	}
}

func limited(d time.Duration) *fault.Error {
	return &fault.Error{Kind: fault.UpstreamRateLimited, RetryAfter: d}
}

func failing(k fault.Kind) *fault.Error { return fault.New(k, "") }

// hourly is a limit whose window outlasts every test.
func hourly(n int) quota.Rate { return quota.Rate{Max: n, Per: time.Hour} }

func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * Patience); !cond(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func exactlyTheLimit(t *testing.T, open Open) {
	const n = 12
	s := start(t, open, 1, hourly(n))
	var mu sync.Mutex
	allowed := 0
	var group sync.WaitGroup
	for i := range 4 * n {
		group.Go(func() {
			a := s.do(t, i%2, quota.Request{Take: true})
			mu.Lock()
			defer mu.Unlock()
			if a.Refusal == nil {
				allowed++
			} else if a.Refusal.Kind != fault.QuotaExhausted || a.Refusal.Wait <= 0 || a.Refusal.Wait > time.Hour+time.Minute {
				t.Errorf("refused: %+v", a.Refusal)
			}
		})
	}
	group.Wait()
	if allowed != n {
		t.Errorf("%d of %d calls were allowed with a limit of %d", allowed, 4*n, n)
	}
	s.used(t, n)
}

// noWindowHasMore has two replicas ask without pause for some windows' time, and looks at the store's own stamps.
func noWindowHasMore(t *testing.T, open Open) {
	const n, per = 7, time.Second
	s := start(t, open, 1, quota.Rate{Max: n, Per: per})
	var mu sync.Mutex
	var at []time.Time
	var group sync.WaitGroup
	for replica := range 2 {
		group.Go(func() {
			await(t, "three windows' calls", func() bool {
				a := s.do(t, replica, quota.Request{Take: true})
				mu.Lock()
				defer mu.Unlock()
				if a.Refusal == nil {
					at = append(at, a.Grant.At)
				} else if a.Refusal.Wait <= 0 || a.Refusal.Wait > per+per/100+time.Millisecond {
					t.Errorf("refused for %v", a.Refusal.Wait)
				}
				return len(at) >= 3*n
			})
		})
	}
	group.Wait()
	slices.SortFunc(at, time.Time.Compare)
	for i := n; i < len(at); i++ {
		if within := at[i].Sub(at[i-n]); within < per {
			t.Errorf("%d calls within %v", n+1, within)
		}
	}
}

func severalWindows(t *testing.T, open Open) {
	s := start(t, open, 1, quota.Rate{Max: 3, Per: time.Second}, hourly(5))
	taken := 0
	var last quota.Refusal
	await(t, "the longer window", func() bool {
		a := s.do(t, 0, quota.Request{Take: true})
		if a.Refusal == nil {
			taken++
			return false
		}
		last = *a.Refusal
		return last.Wait > 10*time.Second
	})
	if taken != 5 || last.Kind != fault.QuotaExhausted || last.Wait > time.Hour+time.Minute {
		t.Errorf("%d calls, then %+v", taken, last)
	}
}

func noLimit(t *testing.T, open Open) {
	s := start(t, open, 1)
	for range 50 {
		s.take(t, 0, quota.Backfill)
	}
}

func lanesLeaveReserve(t *testing.T, open Open) {
	s := start(t, open, 1, hourly(10))
	for range 5 {
		s.take(t, 0, quota.Backfill)
	}
	s.refused(t, 1, quota.Backfill, fault.QuotaExhausted)
	for range 3 {
		s.take(t, 1, quota.Refresh)
	}
	s.refused(t, 0, quota.Refresh, fault.QuotaExhausted)
	for range 2 {
		s.take(t, 0, quota.Interactive)
	}
	s.refused(t, 0, quota.Interactive, fault.QuotaExhausted)
	s.used(t, 10)
}

func smallLimit(t *testing.T, open Open) {
	for _, lane := range []quota.Lane{quota.Interactive, quota.Refresh, quota.Backfill} {
		s := start(t, open, 1, hourly(1))
		s.take(t, 0, lane)
		s.refused(t, 1, lane, fault.QuotaExhausted)
	}
}

func mostLeft(t *testing.T, open Open) {
	s := start(t, open, 3, hourly(3))
	var picked []int
	for i := range 9 {
		picked = append(picked, s.take(t, i%2, quota.Interactive).Key)
	}
	if !slices.Equal(picked, []int{0, 1, 2, 0, 1, 2, 0, 1, 2}) {
		t.Errorf("picked %v", picked)
	}
	s.refused(t, 0, quota.Interactive, fault.QuotaExhausted)
}

func pauseForAll(t *testing.T, open Open) {
	s := start(t, open, 1, hourly(100))
	g := s.take(t, 0, quota.Interactive)
	s.report(t, 0, g, limited(time.Minute), quota.Paused)
	for replica := range 2 {
		if r := s.refused(t, replica, quota.Interactive, fault.UpstreamRateLimited); r.Wait > time.Minute {
			t.Errorf("refused for %v", r.Wait)
		}
	}
	s.used(t, 1)
	key := s.do(t, 1, quota.Request{}).Status.Keys[0]
	if !key.Gate.Shut || key.Gate.Why != fault.UpstreamRateLimited || key.Gate.Since.Before(g.At) || key.Gate.Until.Sub(key.Gate.Since) != time.Minute {
		t.Errorf("the key's gate is %+v", key.Gate)
	}
}

// longestPause: calls that were under way when the first 429 came may bring another. It also ends.
func longestPause(t *testing.T, open Open) {
	s := start(t, open, 1)
	first, second, third := s.take(t, 0, quota.Interactive), s.take(t, 1, quota.Interactive), s.take(t, 1, quota.Interactive)
	s.report(t, 0, first, limited(time.Minute), quota.Paused)
	s.report(t, 1, second, limited(time.Second), quota.Unchanged)
	s.report(t, 1, third, nil, quota.Unchanged)
	if r := s.refused(t, 0, quota.Interactive, fault.UpstreamRateLimited); r.Wait <= time.Second {
		t.Errorf("refused for %v", r.Wait)
	}
	s.report(t, 1, second, limited(time.Hour), quota.Unchanged)
	if r := s.refused(t, 0, quota.Interactive, fault.UpstreamRateLimited); r.Wait <= time.Minute {
		t.Errorf("refused for %v", r.Wait)
	}

	short := start(t, open, 1)
	g := short.take(t, 0, quota.Interactive)
	short.report(t, 0, g, limited(100*time.Millisecond), quota.Paused)
	until := short.do(t, 0, quota.Request{}).Status
	var next quota.Grant
	await(t, "the end of the pause", func() bool {
		a := short.do(t, 1, quota.Request{Take: true})
		next = a.Grant
		return a.Refusal == nil
	})
	if k := until.Keys[0].Gate; k.Shut && next.At.Before(k.Until) {
		t.Errorf("a call at %v, and the pause lasts until %v", next.At, k.Until)
	}
	if got := short.do(t, 0, quota.Request{}).Status.Keys[0].Gate; got.Shut {
		t.Errorf("after the pause: %+v", got)
	}
	short.report(t, 1, next, limited(time.Minute), quota.Paused) // a new one is news
}

func pauseOfOneKey(t *testing.T, open Open) {
	s := start(t, open, 2, hourly(100))
	g := s.take(t, 0, quota.Interactive)
	s.report(t, 0, g, limited(time.Minute), quota.Paused)
	for i := range 6 {
		if other := s.take(t, i%2, quota.Interactive); other.Key == g.Key {
			t.Error("the key that rests was picked")
		}
	}
	s.report(t, 0, s.take(t, 0, quota.Interactive), limited(time.Hour), quota.Paused)
	if r := s.refused(t, 1, quota.Interactive, fault.UpstreamRateLimited); r.Wait > time.Minute {
		t.Errorf("refused for %v, and one key rests for less", r.Wait)
	}
}

func foregroundFirst(t *testing.T, open Open) {
	s := start(t, open, 1)
	s.report(t, 0, s.take(t, 0, quota.Interactive), limited(time.Minute), quota.Paused)
	var waits []time.Duration
	at := s.do(t, 0, quota.Request{}).Status.Keys[0].Gate.Until
	for _, lane := range []quota.Lane{quota.Interactive, quota.Refresh, quota.Backfill} {
		a := s.do(t, 0, quota.Request{Take: true, Lane: lane})
		if a.Refusal == nil {
			t.Fatal("a call during a pause")
		}
		waits = append(waits, a.Status.At.Add(a.Refusal.Wait).Sub(at))
	}
	if !slices.Equal(waits, []time.Duration{0, time.Second, 2 * time.Second}) {
		t.Errorf("after the pause the lanes wait %v", waits)
	}
}

func refusedKey(t *testing.T, open Open) {
	for _, kind := range []fault.Kind{fault.UpstreamKey, fault.UpstreamHost} {
		s := start(t, open, 2, hourly(100))
		g := s.take(t, 0, quota.Interactive)
		s.report(t, 0, g, failing(kind), quota.Refused)
		for i := range 6 {
			other := s.take(t, i%2, quota.Interactive)
			if other.Key == g.Key {
				t.Errorf("%v: the refused key was picked", kind)
			}
			s.report(t, i%2, other, nil, quota.Unchanged)
		}
		if k := s.do(t, 1, quota.Request{}).Status.Keys[g.Key].Gate; !k.Shut || k.Why != kind {
			t.Errorf("the key's gate is %+v", k)
		}
		if b := s.do(t, 1, quota.Request{}).Status.Breaker; b.Shut {
			t.Errorf("the provider is shut: %+v", b)
		}
	}
}

// allRefused: then one call each Probe tries one of them, and one that is answered opens it.
func allRefused(t *testing.T, open Open) {
	s := start(t, open, 2)
	for replica := range 2 {
		s.report(t, replica, s.take(t, replica, quota.Interactive), failing(fault.UpstreamKey), quota.Refused)
	}
	if r := s.refused(t, 1, quota.Interactive, fault.UpstreamKey); r.Wait > s.pool.Probe {
		t.Errorf("refused for %v", r.Wait)
	}
	s.pool.Probe = 0 // what was refused before is due an hour later all the same
	s.refused(t, 0, quota.Interactive, fault.UpstreamKey)

	s = start(t, open, 1)
	s.pool.Probe = 50 * time.Millisecond
	s.report(t, 0, s.take(t, 0, quota.Interactive), failing(fault.UpstreamKey), quota.Refused)
	s.pool.Probe = time.Hour
	var probe quota.Grant
	await(t, "the probe", func() bool {
		a := s.do(t, 1, quota.Request{Take: true})
		probe = a.Grant
		return a.Refusal == nil
	})
	s.refused(t, 0, quota.Interactive, fault.UpstreamKey) // one at a time
	s.report(t, 1, probe, nil, quota.Opened)
	s.take(t, 0, quota.Interactive)
	s.take(t, 1, quota.Interactive)
}

func recheckOfKey(t *testing.T, open Open) {
	s := start(t, open, 2)
	s.pool.Probe = 2 * time.Millisecond // 60 of them are over soon
	bad := s.take(t, 0, quota.Interactive)
	s.report(t, 0, bad, failing(fault.UpstreamKey), quota.Refused)
	var again quota.Grant
	await(t, "another try of the refused key", func() bool {
		again = s.take(t, 1, quota.Interactive)
		return again.Key == bad.Key
	})
	s.report(t, 1, again, nil, quota.Opened)
}

func breaker(t *testing.T, open Open) {
	s := start(t, open, 2)
	for i := range 10 {
		g, want := s.take(t, i%2, quota.Interactive), quota.Unchanged
		if i == 9 {
			want = quota.Shut
		}
		s.report(t, i%2, g, failing([]fault.Kind{fault.UpstreamUnavailable, fault.UpstreamNonsense}[i%2]), want)
	}
	for replica := range 2 {
		if r := s.refused(t, replica, quota.Interactive, fault.UpstreamNonsense); r.Wait > time.Hour {
			t.Errorf("refused for %v", r.Wait)
		}
	}
	if b := s.do(t, 1, quota.Request{}).Status; !b.Breaker.Shut || b.Breaker.Why != fault.UpstreamNonsense || b.Failures != 10 || !b.Breaker.Waiting(b.At) {
		t.Errorf("the status is %+v", b)
	}

	s = start(t, open, 1)
	s.pool.Probe = 50 * time.Millisecond
	for range 10 {
		g := s.take(t, 0, quota.Interactive)
		r := quota.ReportOf(g, failing(fault.UpstreamTimeout))
		s.do(t, 0, quota.Request{Report: &r})
	}
	s.pool.Probe = time.Hour
	var probe quota.Grant
	await(t, "the probe", func() bool {
		a := s.do(t, 1, quota.Request{Take: true})
		probe = a.Grant
		return a.Refusal == nil
	})
	s.refused(t, 0, quota.Interactive, fault.UpstreamTimeout) // one at a time
	s.pool.Probe = 50 * time.Millisecond
	s.report(t, 1, probe, failing(fault.UpstreamUnavailable), quota.Unchanged)
	await(t, "the next probe", func() bool {
		a := s.do(t, 1, quota.Request{Take: true})
		probe = a.Grant
		return a.Refusal == nil
	})
	s.report(t, 0, probe, failing(fault.UpstreamNotFound), quota.Opened) // a refusal of what was asked is an answer
	if b := s.do(t, 1, quota.Request{}).Status; b.Breaker.Shut || b.Failures != 0 {
		t.Errorf("the status is %+v", b)
	}
	s.take(t, 0, quota.Interactive)
	s.take(t, 1, quota.Interactive)
}

func failuresBetweenAnswers(t *testing.T, open Open) {
	s := start(t, open, 1)
	for range 3 {
		for i := range 9 {
			s.report(t, i%2, s.take(t, i%2, quota.Interactive), failing(fault.UpstreamUnavailable), quota.Unchanged)
		}
		s.report(t, 0, s.take(t, 0, quota.Interactive), failing(fault.UpstreamNotFound), quota.Unchanged)
	}
}

// staleReports are of calls that were let through before the gate shut.
func staleReports(t *testing.T, open Open) {
	s := start(t, open, 1)
	old := s.take(t, 0, quota.Interactive)
	s.report(t, 0, s.take(t, 0, quota.Interactive), failing(fault.UpstreamBlocked), quota.Shut)
	s.report(t, 1, old, nil, quota.Unchanged)
	s.refused(t, 1, quota.Interactive, fault.UpstreamBlocked)

	s = start(t, open, 1)
	old = s.take(t, 0, quota.Interactive)
	s.report(t, 0, s.take(t, 0, quota.Interactive), failing(fault.UpstreamKey), quota.Refused)
	s.report(t, 1, old, nil, quota.Unchanged)
	s.refused(t, 1, quota.Interactive, fault.UpstreamKey)
}

func blockPage(t *testing.T, open Open) {
	s := start(t, open, 3)
	s.report(t, 0, s.take(t, 0, quota.Interactive), failing(fault.UpstreamBlocked), quota.Shut)
	if r := s.refused(t, 1, quota.Interactive, fault.UpstreamBlocked); r.Wait > time.Hour {
		t.Errorf("refused for %v", r.Wait)
	}
}

func lostCounts(t *testing.T, open Open) {
	s := suite{open(t, 2), quota.Pool{Provider: "test-" + strings.ToLower(rand.Text()), Keys: []string{"k1", "k2"}, Rates: []quota.Rate{{Max: 5, Per: 10 * time.Minute}, hourly(8)}, Probe: time.Hour}}
	for _, r := range []quota.Request{{Take: true}, {}, {Take: true, Debts: []quota.Spent{{Key: "k1", At: time.Now(), Calls: 1}}}} {
		if a := s.do(t, 0, r); !a.Lost {
			t.Fatalf("%+v: %+v", r, a)
		}
	}
	now := time.Now()
	seed := []quota.Spent{
		{Key: "k1", At: now.Add(-30 * time.Minute), Calls: 4},
		{Key: "k1", At: now, Calls: 1},
		{Key: "k1", At: now, Calls: 1},
		{Key: "k2", At: now.Add(-20 * time.Minute), Calls: 8},
		{Key: "k2", At: now.Add(-2 * time.Hour), Calls: 100},
		{Key: "of-yore", At: now, Calls: 100},
	}
	s.do(t, 0, quota.Request{Seeded: true, Seed: seed})
	s.used(t, 2, 6, 0, 8)
	s.do(t, 1, quota.Request{Seeded: true, Seed: seed}) // another replica's is too late
	s.used(t, 2, 6, 0, 8)
	for range 2 {
		if g := s.take(t, 1, quota.Interactive); g.Key != 0 {
			t.Errorf("picked key %d", g.Key)
		}
	}
	s.refused(t, 0, quota.Interactive, fault.QuotaExhausted)
}

// debts are counted whatever is left.
func debts(t *testing.T, open Open) {
	s := start(t, open, 1, hourly(3))
	owed := []quota.Spent{{Key: s.pool.Keys[0], At: time.Now(), Calls: 2}, {Key: s.pool.Keys[0], At: time.Now().Add(-3 * time.Hour), Calls: 9}}
	if a := s.do(t, 0, quota.Request{Take: true, Debts: owed}); a.Refusal != nil {
		t.Fatalf("refused %+v", a.Refusal)
	}
	s.used(t, 3)
	if a := s.do(t, 1, quota.Request{Take: true, Debts: owed}); a.Refusal == nil {
		t.Fatal("a call beyond the limit")
	}
	s.used(t, 5)
}

// newWindow is what a changed configuration meets: what was counted stays, what is new has to be seeded.
func newWindow(t *testing.T, open Open) {
	s := start(t, open, 1, hourly(10))
	s.take(t, 0, quota.Interactive)
	s.pool.Rates = append(s.pool.Rates, quota.Rate{Max: 100, Per: 24 * time.Hour})
	s.pool.Keys = append(s.pool.Keys, "new")
	if a := s.do(t, 1, quota.Request{Take: true}); !a.Lost {
		t.Fatalf("got %+v", a)
	}
	s.do(t, 1, quota.Request{Seeded: true, Seed: []quota.Spent{{Key: s.pool.Keys[0], At: time.Now(), Calls: 40}}})
	s.used(t, 1, 40, 0, 0)
}

func status(t *testing.T, open Open) {
	s := start(t, open, 2, hourly(10), quota.Rate{Max: 100, Per: 24 * time.Hour})
	before := s.do(t, 0, quota.Request{}).Status
	if before.Provider != s.pool.Provider || before.Breaker != (quota.Gate{}) || len(before.Keys) != 2 {
		t.Fatalf("got %+v", before)
	}
	for i, k := range before.Keys {
		if k.ID != s.pool.Keys[i] || k.Gate != (quota.Gate{}) || len(k.Windows) != 2 {
			t.Errorf("got %+v", k)
		}
		for j, w := range k.Windows {
			if w.Rate != s.pool.Rates[j] || w.Used != 0 || w.ResetsAt != before.At {
				t.Errorf("got %+v at %v", w, before.At)
			}
		}
	}
	g := s.take(t, 1, quota.Interactive)
	after := s.do(t, 0, quota.Request{}).Status
	if after.At.Before(g.At) || g.At.Before(before.At) || after.At.Location() != time.UTC {
		t.Errorf("%v, %v, %v", before.At, g.At, after.At)
	}
	for j, w := range after.Keys[g.Key].Windows {
		late := w.ResetsAt.Sub(g.At.Add(s.pool.Rates[j].Per))
		if w.Used != 1 || late <= 0 || late > s.pool.Rates[j].Per/100 {
			t.Errorf("got %+v, %v late", w, late)
		}
	}
}

func looking(t *testing.T, open Open) {
	s := start(t, open, 1, hourly(2))
	for range 5 {
		s.do(t, 0, quota.Request{})
	}
	s.take(t, 0, quota.Interactive)
	s.used(t, 1)
	s.used(t, 1)
}

func endedContext(t *testing.T, open Open) {
	s := start(t, open, 1, hourly(2))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.keepers[0].Do(ctx, &s.pool, quota.Request{Take: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	s.used(t, 0)
}
