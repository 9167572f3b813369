package limit

import (
	"fmt"
	"slices"
	"time"
)

// Every stands in a rule for each endpoint that the tier does not name.
const Every = "*"

// Rule is how many units of an endpoint each subject of a tier may spend in a window.
type Rule struct {
	Tier     string
	Endpoint string // the name of one, or [Every]
	Max      int    // 1 to 2^31-1
}

// Policy is who may ask how much. It never changes.
type Policy struct {
	window int64 // in s
	tiers  map[string]*tier
}

// tier is the limits of one tier.
type tier struct {
	max       Units      // 0: no units of it
	endpoints []Endpoint // those with a limit, ascending
}

// maxMax keeps sums of units far away from an overflow, in Go and in Lua.
const maxMax = 1<<31 - 1

// NewPolicy makes a policy from the length of the windows, in whole seconds, and the rules in any order. An endpoint that no rule gives a
// limit for the tier, by its name or by [Every], may not be asked for; nor may anything by a tier that no rule names.
func NewPolicy(window time.Duration, rules []Rule) (*Policy, error) {
	if window < time.Second || window%time.Second != 0 {
		return nil, fmt.Errorf("limit: a window of %v is not one of whole seconds", window)
	}
	p := &Policy{int64(window / time.Second), map[string]*tier{}}
	every := map[string]int{}
	for _, r := range rules {
		if r.Max < 1 || r.Max > maxMax {
			return nil, fmt.Errorf("limit: %s/%s=%d is not between 1 and %d", r.Tier, r.Endpoint, r.Max, maxMax)
		}
		t := p.tiers[r.Tier]
		if t == nil {
			t = new(tier)
			p.tiers[r.Tier] = t
		}
		e := slices.Index(endpointNames[:], r.Endpoint)
		switch {
		case r.Endpoint == Every && every[r.Tier] == 0:
			every[r.Tier] = r.Max
		case e >= 0 && t.max[e] == 0:
			t.max[e] = r.Max
		case e < 0 && r.Endpoint != Every:
			return nil, fmt.Errorf("limit: %s/%s: there is no such endpoint", r.Tier, r.Endpoint)
		default:
			return nil, fmt.Errorf("limit: %s/%s has two limits", r.Tier, r.Endpoint)
		}
	}
	for name, t := range p.tiers {
		for e := range endpoints {
			if t.max[e] == 0 {
				t.max[e] = every[name]
			}
			if t.max[e] > 0 {
				t.endpoints = append(t.endpoints, e)
			}
		}
	}
	return p, nil
}

// tier is the tier's limits; none for one that no rule names.
func (p *Policy) tier(name string) *tier {
	if t := p.tiers[name]; t != nil {
		return t
	}
	return new(tier)
}

// start is when the window of the instant began, in Unix s.
func (p *Policy) start(t time.Time) int64 {
	s := t.Unix()
	return s - s%p.window
}
