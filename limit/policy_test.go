package limit_test

import (
	"testing"
	"time"

	"github.com/coingraph/coingraph/limit"
)

func TestNewPolicyRefuses(t *testing.T) {
	good := limit.Rule{Tier: "public", Endpoint: "simple_price", Max: 1}
	for name, c := range map[string]struct {
		window time.Duration
		rules  []limit.Rule
	}{
		"no window":            {0, nil},
		"negative window":      {-time.Second, nil},
		"half a second":        {500 * time.Millisecond, nil},
		"one second and a bit": {time.Second + 1, nil},
		"no units":             {time.Minute, []limit.Rule{{"public", "simple_price", 0}}},
		"negative units":       {time.Minute, []limit.Rule{{"public", "*", -1}}},
		"too many units":       {time.Minute, []limit.Rule{{"public", "*", 1 << 31}}},
		"unknown endpoint":     {time.Minute, []limit.Rule{{"public", "prices", 1}}},
		"no endpoint":          {time.Minute, []limit.Rule{{"public", "", 1}}},
		"twice":                {time.Minute, []limit.Rule{good, good}},
		"every twice":          {time.Minute, []limit.Rule{{"public", "*", 1}, good, {"public", "*", 1}}},
	} {
		if _, err := limit.NewPolicy(c.window, c.rules); err == nil {
			t.Errorf("%s: is taken", name)
		}
	}
}

// TestEveryInAnyOrder: what * gives does not depend on where it stands, nor on other tiers.
func TestEveryInAnyOrder(t *testing.T) {
	for _, rules := range [][]limit.Rule{
		{{"a", "*", 7}, {"a", "market_chart", 2}, {"b", "simple_price", 1}},
		{{"b", "simple_price", 1}, {"a", "market_chart", 2}, {"a", "*", 7}},
	} {
		p, err := limit.NewPolicy(time.Hour, rules)
		if err != nil {
			t.Fatal(err)
		}
		m := limit.NewMemory(p)
		for tier, want := range map[string]map[limit.Endpoint]int{
			"a": {limit.SimplePrice: 7, limit.MarketChart: 2, limit.OnChainMetric: 7, limit.LogExport: 7},
			"b": {limit.SimplePrice: 1},
			"c": {},
		} {
			limits, err := m.Peek(t.Context(), "s", tier)
			if err != nil || len(limits) != len(want) {
				t.Errorf("%s: %+v, %v", tier, limits, err)
			}
			for _, l := range limits {
				if l.Max != want[l.Endpoint] || l.Remaining != l.Max {
					t.Errorf("%s: %+v", tier, l)
				}
			}
		}
	}
}
