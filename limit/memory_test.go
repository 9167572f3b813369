package limit_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/limit"
	"github.com/coingraph/coingraph/limit/limittest"
)

func TestMemory(t *testing.T) {
	limittest.Run(t, func(_ *testing.T, p *limit.Policy, n int) []limit.Meter {
		m, meters := limit.NewMemory(p), make([]limit.Meter, n) // one process is one replica
		for i := range meters {
			meters[i] = m
		}
		return meters
	})
}

// newPolicy gives the tier "standard" n units of each endpoint.
func newPolicy(t testing.TB, window time.Duration, n int) *limit.Policy {
	t.Helper()
	p, err := limit.NewPolicy(window, []limit.Rule{{Tier: "standard", Endpoint: limit.Every, Max: n}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTheEdgeOfAWindowToTheNanosecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at 2000-01-01 00:00:00 UTC
		m := limit.NewMemory(newPolicy(t, time.Minute, 3))
		three := limit.Units{limit.MarketChart: 3}
		<-time.After(time.Minute - 1)
		got, err := m.Charge(t.Context(), "s", "standard", three)
		if err != nil || got.Reset != 1 || !got.Least.ResetsAt.Equal(time.Date(2000, 1, 1, 0, 1, 0, 0, time.UTC)) {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := m.Charge(t.Context(), "s", "standard", three); !fault.Is(err, fault.RateLimited) || fault.Of(err).RetryAfter != 1 {
			t.Errorf("%v", err)
		}
		<-time.After(1)
		got, err = m.Charge(t.Context(), "s", "standard", three)
		if err != nil || got.Reset != time.Minute || !got.Least.ResetsAt.Equal(time.Date(2000, 1, 1, 0, 2, 0, 0, time.UTC)) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestMemoryCharges(t *testing.T) {
	m := limit.NewMemory(newPolicy(t, limittest.Long, 1<<30))
	one := limit.Units{limit.SimplePrice: 1}
	// The list of limits.
	if allocs := testing.AllocsPerRun(1000, func() { _, _ = m.Charge(t.Context(), "s", "standard", one) }); allocs > 1 {
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkMemory(b *testing.B) {
	m := limit.NewMemory(newPolicy(b, limittest.Long, 1<<30))
	subjects := make([]string, 1000)
	for i := range subjects {
		subjects[i] = fmt.Sprint("key", i)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := m.Charge(b.Context(), subjects[i%len(subjects)], "standard", limit.Units{limit.SimplePrice: 1}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
