// Package limittest is the contract of [limit.Meter] as tests, run on every implementation.
package limittest

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
	"github.com/coingraph/coingraph/limit"
)

// Patience is how much time a charge needs to be given under test: the suite looks at what a meter answers, and not at
// how soon, on machines that have other work too.
const Patience = 10 * time.Second

// Long is a window that does not end while a package's tests go on: it has half an hour left when they begin. Windows start at
// multiples of their length, so that one of an hour ends somewhere in every hour's tests.
var Long = func() time.Duration {
	for length := time.Hour; ; length += 7 * time.Minute {
		if left := length - time.Duration(time.Now().UnixNano()%int64(length)); left > 30*time.Minute {
			return length
		}
	}
}()

// Open gives the meters of n replicas that share one store, which may have other counters too.
type Open func(t *testing.T, p *limit.Policy, n int) []limit.Meter

// Run tests that what open gives are meters. Subjects are random, and their counters end with the window.
func Run(t *testing.T, open Open) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Open)
	}{
		{"status", status},
		{"exactly the limit, from two replicas at once", exactlyTheLimit},
		{"a whole operation or nothing, from two replicas at once", wholeOperations},
		{"a crowd, from three replicas: exactly the limit", crowd},
		{"a crowd that asks for the whole limit gets it", wholeLimit},
		{"a crowd's operations of several endpoints", crowdOfOperations},
		{"a refusal changes nothing", refusalChangesNothing},
		{"more than the limit", moreThanTheLimit},
		{"no units", noUnits},
		{"peek", peek},
		{"least", least},
		{"each endpoint has its own counter", ownCounters},
		{"each subject has its own counters", ownSubjects},
		{"a tier without limits", noLimits},
		{"odd subjects", oddSubjects},
		{"no subjects", noSubjects},
		{"negative units", negativeUnits},
		{"windows", windows},
		{"ended context", endedContext},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open)
		})
	}
}

// tier is the tier of most tests: 5 of simple_price, 10 of the others.
const tier = "standard"

func policy(t *testing.T, window time.Duration) *limit.Policy {
	t.Helper()
	p, err := limit.NewPolicy(window, []limit.Rule{
		{Tier: tier, Endpoint: "simple_price", Max: 5},
		{Tier: tier, Endpoint: limit.Every, Max: 10},
		{Tier: "public", Endpoint: "simple_price", Max: 3},
		{Tier: "large", Endpoint: limit.Every, Max: crowdMax},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// suite is one meter and a subject of its own, in a window that does not end.
type suite struct {
	limit.Meter
	subject string
}

func start(t *testing.T, open Open) suite {
	t.Helper()
	meters, subject := startMany(t, open, 1)
	return suite{meters[0], subject}
}

func startMany(t *testing.T, open Open, n int) (meters []limit.Meter, subject string) {
	t.Helper()
	return open(t, policy(t, Long), n), "limittest-" + rand.Text()
}

// charge wants the units to be charged.
func (s suite) charge(t *testing.T, units limit.Units) limit.Status {
	t.Helper()
	status, err := s.Charge(t.Context(), s.subject, tier, units)
	if err != nil {
		t.Fatalf("%v: %v", units, err)
	}
	return status
}

// refusal is what a charge that was refused gave.
type refusal struct {
	limit.Status
	fault *fault.Error
}

// refused wants the units to be refused for the reason.
func (s suite) refused(t *testing.T, tier string, units limit.Units, kind fault.Kind) refusal {
	t.Helper()
	status, err := s.Charge(t.Context(), s.subject, tier, units)
	if !fault.Is(err, kind) {
		t.Fatalf("%v: %v, want %v", units, err, kind)
	}
	return refusal{status, fault.Of(err)}
}

// left wants what remains of each endpoint.
func (s suite) left(t *testing.T, want ...int) {
	t.Helper()
	limits, err := s.Peek(t.Context(), s.subject, tier)
	if err != nil {
		t.Fatal(err)
	}
	if got := remaining(limits); !slices.Equal(got, want) {
		t.Errorf("%v are left, want %v", got, want)
	}
}

func remaining(limits []limit.Limit) []int {
	left := make([]int, len(limits))
	for i, l := range limits {
		left[i] = l.Remaining
	}
	return left
}

func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * Patience); !cond(); <-time.After(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func status(t *testing.T, open Open) {
	s := start(t, open)
	before := time.Now()
	got := s.charge(t, limit.Units{limit.SimplePrice: 2, limit.LogExport: 1})
	want := []limit.Limit{
		{Endpoint: limit.SimplePrice, Max: 5, Remaining: 3},
		{Endpoint: limit.MarketChart, Max: 10, Remaining: 10},
		{Endpoint: limit.OnChainMetric, Max: 10, Remaining: 10},
		{Endpoint: limit.LogExport, Max: 10, Remaining: 9},
	}
	if len(got.Limits) != len(want) {
		t.Fatalf("got %+v", got)
	}
	edge := got.Least.ResetsAt
	for i := range want {
		if want[i].ResetsAt = edge; got.Limits[i] != want[i] {
			t.Errorf("got %+v, want %+v", got.Limits[i], want[i])
		}
	}
	if got.Least != want[0] {
		t.Errorf("the least is %+v", got.Least)
	}
	if edge.Location() != time.UTC || edge.UnixNano()%int64(Long) != 0 {
		t.Errorf("resets at %v", edge)
	}
	// Here, the clocks of store and replica are those of one machine, or as good.
	if left := edge.Sub(before); got.Reset <= 0 || got.Reset > Long || (got.Reset-left).Abs() > 2*Patience {
		t.Errorf("resets in %v, at %v", got.Reset, edge)
	}
}

func exactlyTheLimit(t *testing.T, open Open) {
	const n = 5 // the limit of simple_price
	for range 10 {
		meters, subject := startMany(t, open, 2)
		results := make(chan error, 4*n)
		var group sync.WaitGroup
		for i := range 4 * n {
			group.Go(func() {
				_, err := meters[i%2].Charge(t.Context(), subject, tier, limit.Units{limit.SimplePrice: 1})
				results <- err
			})
		}
		group.Wait()
		close(results)
		allowed := 0
		for err := range results {
			switch {
			case err == nil:
				allowed++
			case !fault.Is(err, fault.RateLimited):
				t.Fatal(err)
			}
		}
		if allowed != n {
			t.Errorf("%d of %d charges were accepted with a limit of %d", allowed, 4*n, n)
		}
		for _, m := range meters {
			suite{m, subject}.left(t, 0, 10, 10, 10)
		}
	}
}

// wholeOperations has operations ask for two endpoints, in turn with one of them at its end.
func wholeOperations(t *testing.T, open Open) {
	meters, subject := startMany(t, open, 2)
	operations := []limit.Units{
		{limit.SimplePrice: 1, limit.MarketChart: 1},
		{limit.MarketChart: 2, limit.OnChainMetric: 3},
		{limit.SimplePrice: 2, limit.OnChainMetric: 1},
	}
	var group sync.WaitGroup
	var mu sync.Mutex
	var spent limit.Units
	for i := range 60 {
		group.Go(func() {
			units := operations[i%len(operations)]
			_, err := meters[i%2].Charge(t.Context(), subject, tier, units)
			switch {
			case err == nil:
				mu.Lock()
				defer mu.Unlock()
				for e, n := range units {
					spent[e] += n
				}
			case !fault.Is(err, fault.RateLimited):
				t.Error(err)
			}
		})
	}
	group.Wait()
	if spent[limit.SimplePrice]+spent[limit.OnChainMetric] == 0 || spent[limit.SimplePrice] > 5 || spent[limit.MarketChart] > 10 || spent[limit.OnChainMetric] > 10 {
		t.Errorf("accepted were %v", spent)
	}
	suite{meters[0], subject}.left(t, 5-spent[0], 10-spent[1], 10-spent[2], 10)
}

// crowdMax is the limit of crowds.
const crowdMax = 3000

// charges has 24 callers charge at three replicas what next gives, until it gives nothing, and sums what was accepted.
func charges(t *testing.T, meters []limit.Meter, subject string, next func() (limit.Units, bool)) (spent limit.Units) {
	t.Helper()
	var group sync.WaitGroup
	var mu sync.Mutex
	for i := range 24 {
		group.Go(func() {
			for {
				mu.Lock()
				units, ok := next()
				mu.Unlock()
				if !ok {
					return
				}
				status, err := meters[i%len(meters)].Charge(t.Context(), subject, "large", units)
				switch {
				case err == nil:
					mu.Lock()
					for e, n := range units {
						spent[e] += n
					}
					mu.Unlock()
					for _, l := range status.Limits {
						if l.Remaining < 0 || l.Remaining > crowdMax-units[l.Endpoint] {
							t.Errorf("%v, and %+v", units, l)
						}
					}
				case !fault.Is(err, fault.RateLimited):
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	return spent
}

// soonLeft wants what remains, at each replica, as soon as what others have taken in advance is back.
func soonLeft(t *testing.T, meters []limit.Meter, subject string, spent limit.Units) {
	t.Helper()
	want := make([]int, len(spent))
	for e, n := range spent {
		want[e] = crowdMax - n
	}
	for _, m := range meters {
		var got []int
		defer func() {
			if t.Failed() {
				t.Logf("at last %v are left, want %v", got, want)
			}
		}()
		await(t, "what is left", func() bool {
			limits, err := m.Peek(t.Context(), subject, "large")
			if err != nil {
				t.Fatal(err)
			}
			got = remaining(limits)
			return slices.Equal(got, want)
		})
	}
}

// times gives the units so many times.
func times(n int, units limit.Units) func() (limit.Units, bool) {
	return func() (limit.Units, bool) {
		n--
		return units, n >= 0
	}
}

func crowd(t *testing.T, open Open) {
	meters, subject := startMany(t, open, 3)
	spent := charges(t, meters, subject, times(4*crowdMax, limit.Units{limit.SimplePrice: 1}))
	if spent != (limit.Units{limit.SimplePrice: crowdMax}) {
		t.Errorf("accepted were %v", spent)
	}
	soonLeft(t, meters, subject, spent)
}

func wholeLimit(t *testing.T, open Open) {
	meters, subject := startMany(t, open, 3)
	spent := charges(t, meters, subject, times(crowdMax/3, limit.Units{limit.SimplePrice: 3, limit.LogExport: 1}))
	if spent != (limit.Units{limit.SimplePrice: crowdMax, limit.LogExport: crowdMax / 3}) {
		t.Errorf("accepted were %v", spent)
	}
	soonLeft(t, meters, subject, spent)
}

func crowdOfOperations(t *testing.T, open Open) {
	meters, subject := startMany(t, open, 3)
	operations := []limit.Units{
		{limit.SimplePrice: 1}, {limit.SimplePrice: 4, limit.MarketChart: 1}, {limit.MarketChart: 7}, {limit.OnChainMetric: 150, limit.LogExport: 1}, {},
	}
	n := 0
	spent := charges(t, meters, subject, func() (limit.Units, bool) {
		n++
		return operations[n%len(operations)], n <= 4000
	})
	// Of what an operation with two endpoints could not get, one with a single one has got what there was.
	if spent[limit.SimplePrice] > crowdMax || spent[limit.MarketChart] > crowdMax || spent[limit.OnChainMetric] != crowdMax || spent[limit.LogExport] != crowdMax/150 {
		t.Errorf("accepted were %v", spent)
	}
	soonLeft(t, meters, subject, spent)
}

func refusalChangesNothing(t *testing.T, open Open) {
	s := start(t, open)
	s.charge(t, limit.Units{limit.SimplePrice: 3})
	got := s.refused(t, tier, limit.Units{limit.SimplePrice: 3, limit.MarketChart: 4}, fault.RateLimited)
	if got.fault.RetryAfter != got.Reset || got.Reset <= 0 || got.Reset > Long {
		t.Errorf("retry after %v, and the window lasts %v", got.fault.RetryAfter, got.Reset)
	}
	if want := "rate limit exceeded: the operation asks for 3 of simple_price, and 2 of 5 are left"; got.fault.Safe() != want {
		t.Errorf("says %q", got.fault.Safe())
	}
	if got.Least.Endpoint != limit.SimplePrice || !slices.Equal(remaining(got.Limits), []int{2, 10, 10, 10}) {
		t.Errorf("got %+v", got)
	}
	s.left(t, 2, 10, 10, 10)
	s.charge(t, limit.Units{limit.SimplePrice: 2, limit.MarketChart: 4}) // the rest is still to be had
	s.left(t, 0, 6, 10, 10)
	s.refused(t, tier, limit.Units{limit.SimplePrice: 1}, fault.RateLimited)
	s.charge(t, limit.Units{limit.MarketChart: 6})
}

// moreThanTheLimit is refused for good, and not until the window ends.
func moreThanTheLimit(t *testing.T, open Open) {
	s := start(t, open)
	s.charge(t, limit.Units{limit.MarketChart: 1})
	got := s.refused(t, tier, limit.Units{limit.SimplePrice: 6, limit.MarketChart: 1}, fault.TooComplex)
	if got.fault.RetryAfter != 0 {
		t.Errorf("retry after %v", got.fault.RetryAfter)
	}
	if want := "the operation asks for 6 units of simple_price, and your tier has 5 in a whole window"; got.fault.Safe() != want {
		t.Errorf("says %q", got.fault.Safe())
	}
	if got.Least.Endpoint != limit.SimplePrice || got.Least.Remaining != 5 || got.Reset <= 0 {
		t.Errorf("got %+v", got)
	}
	s.left(t, 5, 9, 10, 10)
	s.refused(t, tier, limit.Units{limit.LogExport: 1 << 62}, fault.TooComplex)
	s.charge(t, limit.Units{limit.SimplePrice: 5}) // the whole limit at once is fine
}

func noUnits(t *testing.T, open Open) {
	s := start(t, open)
	s.charge(t, limit.Units{limit.SimplePrice: 5, limit.LogExport: 10})
	for range 3 {
		got := s.charge(t, limit.Units{})
		if got.Least.Endpoint != limit.SimplePrice || got.Least.Remaining != 0 || got.Reset <= 0 {
			t.Errorf("got %+v", got)
		}
	}
	s.left(t, 0, 10, 10, 0)
}

func peek(t *testing.T, open Open) {
	s := start(t, open)
	got := s.charge(t, limit.Units{limit.OnChainMetric: 4})
	for range 3 {
		limits, err := s.Peek(t.Context(), s.subject, tier)
		if err != nil || !slices.Equal(limits, got.Limits) {
			t.Errorf("got %+v (%v), and the charge said %+v", limits, err, got.Limits)
		}
	}
}

// least is of the endpoints that an operation asks for: what others have left is no news to its caller.
func least(t *testing.T, open Open) {
	s := start(t, open)
	s.charge(t, limit.Units{limit.MarketChart: 9})
	for _, c := range []struct {
		units limit.Units
		want  limit.Endpoint
		left  int
	}{
		{limit.Units{}, limit.MarketChart, 1},
		{limit.Units{limit.SimplePrice: 1}, limit.SimplePrice, 4},
		{limit.Units{limit.LogExport: 1}, limit.LogExport, 9},
		{limit.Units{limit.SimplePrice: 1, limit.LogExport: 1}, limit.SimplePrice, 3},
		{limit.Units{limit.SimplePrice: 1, limit.MarketChart: 1}, limit.MarketChart, 0},
		{limit.Units{}, limit.MarketChart, 0},
	} {
		if got := s.charge(t, c.units).Least; got.Endpoint != c.want || got.Remaining != c.left {
			t.Errorf("%v: got %+v", c.units, got)
		}
	}
}

func ownCounters(t *testing.T, open Open) {
	s := start(t, open)
	for _, e := range []limit.Endpoint{limit.MarketChart, limit.OnChainMetric, limit.LogExport} {
		var units limit.Units
		for units[e] = 1; units[e] < 5; units[e]++ {
			s.charge(t, units) // 1, 2, 3 and 4 are all there is
		}
		units[e] = 1
		s.refused(t, tier, units, fault.RateLimited)
	}
	s.left(t, 5, 0, 0, 0)
}

func ownSubjects(t *testing.T, open Open) {
	s := start(t, open)
	s.charge(t, limit.Units{limit.SimplePrice: 5})
	for _, other := range []string{s.subject + "x", s.subject[:len(s.subject)-1], strings.ToUpper(s.subject), s.subject + ":simple_price"} {
		suite{s.Meter, other}.charge(t, limit.Units{limit.SimplePrice: 1})
	}
	s.left(t, 0, 10, 10, 10)
}

func noLimits(t *testing.T, open Open) {
	s := start(t, open)
	// public names one endpoint and no other.
	got := s.refused(t, "public", limit.Units{limit.SimplePrice: 1, limit.MarketChart: 1}, fault.Forbidden)
	if len(got.Limits) != 1 || got.Limits[0].Remaining != 3 || got.Least != got.Limits[0] {
		t.Errorf("got %+v", got)
	}
	if want := "your tier has no market_chart"; got.fault.Safe() != want {
		t.Errorf("says %q", got.fault.Safe())
	}
	if got, err := s.Charge(t.Context(), s.subject, "public", limit.Units{limit.SimplePrice: 3}); err != nil || got.Least.Remaining != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, unknown := range []string{"nonesuch", "", "*", "PUBLIC"} {
		if got := s.refused(t, unknown, limit.Units{limit.SimplePrice: 1}, fault.Forbidden); len(got.Limits) != 0 {
			t.Errorf("%q: got %+v", unknown, got)
		}
		if got, err := s.Charge(t.Context(), s.subject, unknown, limit.Units{}); err != nil || len(got.Limits) != 0 || got.Least != (limit.Limit{}) {
			t.Errorf("%q: got %+v, %v", unknown, got, err)
		}
	}
}

func oddSubjects(t *testing.T, open Open) {
	s := start(t, open)
	for _, odd := range []string{
		"jwt:auth0|user@example.com", "2001:db8::1", "a:simple_price:0", "*", "?[a-z]", `"'\`, "%7B%20%0d%0a", "$(id)", "-1",
		strings.Repeat("x", 512-len(s.subject)),
	} {
		odd := suite{s.Meter, odd + s.subject}
		odd.charge(t, limit.Units{limit.SimplePrice: 1, limit.LogExport: 3})
		odd.left(t, 4, 10, 10, 7)
	}
	s.left(t, 5, 10, 10, 10)
}

// noSubjects would share a counter with others, or have counters on several nodes of a cluster.
func noSubjects(t *testing.T, open Open) {
	s := start(t, open)
	for _, bad := range []string{"", "{", "}", "a}", "{a", "a b", "a\r\nSET x 1", "a\x00", "ü", "\xff", strings.Repeat("x", 513)} {
		_, err := s.Charge(t.Context(), bad, tier, limit.Units{limit.SimplePrice: 1})
		_, errPeek := s.Peek(t.Context(), bad, tier)
		if !fault.Is(err, fault.Internal) || !fault.Is(errPeek, fault.Internal) {
			t.Errorf("%q: %v, %v", bad, err, errPeek)
		}
	}
}

func negativeUnits(t *testing.T, open Open) {
	s := start(t, open)
	s.charge(t, limit.Units{limit.SimplePrice: 5})
	s.refused(t, tier, limit.Units{limit.SimplePrice: -1}, fault.Internal)
	s.refused(t, tier, limit.Units{limit.MarketChart: 1, limit.LogExport: -1}, fault.Internal)
	s.left(t, 0, 10, 10, 10)
}

// windows: the whole limit at the end of one, and again at the beginning of the next. It tries until a window has been
// long enough for all of the charges at its end.
func windows(t *testing.T, open Open) {
	m := open(t, policy(t, time.Second), 1)[0]
	s := suite{m, "limittest-" + rand.Text()}
	five := limit.Units{limit.SimplePrice: 5}
	await(t, "a window that was long enough", func() bool {
		await(t, "the end of a window", func() bool { return s.charge(t, limit.Units{}).Reset < 500*time.Millisecond })
		first := s.charge(t, five)
		refused, err := s.Charge(t.Context(), s.subject, tier, five)
		if err == nil || refused.Least.ResetsAt != first.Least.ResetsAt {
			// It ended meanwhile. Then the second charge is for the next one, and must be accepted there.
			if err != nil || !refused.Least.ResetsAt.After(first.Least.ResetsAt) {
				t.Fatalf("%+v after %+v: %v", refused, first, err)
			}
			s.subject = "limittest-" + rand.Text()
			return false
		}
		if f := fault.Of(err); f.Kind != fault.RateLimited || f.RetryAfter <= 0 || f.RetryAfter > 500*time.Millisecond {
			t.Fatalf("got %v, retry after %v", f, f.RetryAfter)
		}
		var next limit.Status
		await(t, "the next window", func() bool {
			next, err = s.Charge(t.Context(), s.subject, tier, five)
			return err == nil
		})
		if !next.Least.ResetsAt.After(first.Least.ResetsAt) || next.Least.Remaining != 0 || next.Reset > time.Second || next.Reset <= 0 {
			t.Errorf("%+v after %+v", next, first)
		}
		return true
	})
}

func endedContext(t *testing.T, open Open) {
	s := start(t, open)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Charge(ctx, s.subject, tier, limit.Units{limit.SimplePrice: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Peek(ctx, s.subject, tier); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	s.left(t, 5, 10, 10, 10)
}
