package market

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestWhomToAskForWhat(t *testing.T) {
	providers := []string{"first", "second"}
	window := Range{0, 10}
	known := func(provider string, from, to, due int64, hole HoleReason) Known {
		return Known{Range: Range{from, to}, Provider: provider, DueAt: due, Hole: hole}
	}
	now, past, later := t0, t0.UnixMilli()-1, t0.UnixMilli()+1
	for _, c := range []struct {
		name          string
		known         []Known
		first, second []Range // what each is wanted for
		lacks         []Range
	}{
		{"nothing is known", nil, []Range{{0, 10}}, []Range{{0, 10}}, []Range{{0, 10}}},
		{"the first gave all", []Known{known("first", 0, 10, 0, "")}, nil, nil, nil},
		{"the newest point of the first is due again", []Known{known("first", 0, 9, 0, ""), known("first", 9, 10, past, "")}, []Range{{9, 10}}, []Range{{9, 10}}, []Range{{9, 10}}},
		{
			"the second is asked for holes of the first",
			[]Known{known("first", 0, 4, 0, BeyondPlan), known("first", 4, 8, 0, ""), known("first", 8, 10, later, UpstreamHole)},
			nil,
			[]Range{{0, 4}, {8, 10}},
			[]Range{{0, 4}, {8, 10}},
		},
		{"but not for what lies before the asset's first point", []Known{known("first", 0, 4, 0, NotListed), known("first", 4, 10, 0, "")}, nil, nil, nil},
		{"what neither has lacks no more", []Known{known("first", 0, 10, 0, UpstreamHole), known("second", 0, 10, 0, UpstreamHole)}, nil, nil, nil},
		{"the first is asked again for what the second filled in", []Known{known("second", 0, 10, 0, "")}, []Range{{0, 10}}, nil, nil},
		{"the second's points are as good as any while the first has none", []Known{known("first", 0, 5, 0, ""), known("first", 5, 10, 0, UpstreamHole), known("second", 5, 10, 0, "")}, nil, nil, nil},
		{"points of one who is no longer asked are not bought again", []Known{known("gone", 0, 10, 0, "")}, nil, nil, nil},
		{"its holes are", []Known{known("gone", 0, 10, 0, UpstreamHole)}, []Range{{0, 10}}, []Range{{0, 10}}, []Range{{0, 10}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := wanted(window, c.known, providers, 0, now); !slices.Equal(got, c.first) {
				t.Errorf("of the first: %v, want %v", got, c.first)
			}
			if got := wanted(window, c.known, providers, 1, now); !slices.Equal(got, c.second) {
				t.Errorf("of the second: %v, want %v", got, c.second)
			}
			if got := lacking(window, c.known, providers, now); !slices.Equal(got, c.lacks) {
				t.Errorf("lacks %v, want %v", got, c.lacks)
			}
		})
	}
}

// TestPlanInstantByInstant compares the plan with its sentences, one instant after the other.
func TestPlanInstantByInstant(t *testing.T) {
	providers := []string{"a", "b"}
	rapid.Check(t, func(t *rapid.T) {
		all := slices.Concat(genKnown("a").Draw(t, "a"), genKnown("b").Draw(t, "b"))
		window, now := Range{0, 40}, t0
		has := func(provider string, slot int64) (known, points bool) {
			k, ok := at(current(all, now.UnixMilli()), provider, slot)
			return ok, ok && k.Hole == ""
		}
		ofA, ofB := wanted(window, all, providers, 0, now), wanted(window, all, providers, 1, now)
		lacks := lacking(window, all, providers, now)
		in := func(ranges []Range, slot int64) bool {
			return slices.ContainsFunc(ranges, func(r Range) bool { return r.Contains(slot) })
		}
		given := givenBefore(all, providers, 1, now)
		for slot := range int64(40) {
			knownA, pointsA := has("a", slot)
			knownB, pointsB := has("b", slot)
			if in(ofA, slot) == knownA {
				t.Fatalf("at %d of a: %v", slot, ofA)
			}
			if in(ofB, slot) != (!knownB && !pointsA) {
				t.Fatalf("at %d of b: %v", slot, ofB)
			}
			if in(lacks, slot) != (!pointsA && !pointsB && (!knownA || !knownB)) {
				t.Fatalf("at %d lacks: %v", slot, lacks)
			}
			if given(slot) != pointsA {
				t.Fatalf("at %d given before b: %v", slot, given(slot))
			}
		}
	})
}

// current is the knowledge that still holds.
func current(known []Known, at int64) []Known {
	return slices.DeleteFunc(slices.Clone(known), func(k Known) bool { return !k.current(at) })
}
