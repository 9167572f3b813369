package main

import (
	"math"
	"testing"
)

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(b)) }

func TestSlope(t *testing.T) {
	x := []float64{1, 2, 5, 10, 250}
	for _, want := range []float64{0, 0.5, 1, 2} {
		var y []float64
		for _, v := range x {
			y = append(y, 7*math.Pow(v, want))
		}
		if got := slope(x, y); !near(got, want) {
			t.Errorf("the slope of 7·x^%v is %v", want, got)
		}
	}
	// The points (ln) (0, 0), (1, 1), (2, 1): by hand, 0.5.
	if got := slope([]float64{1, math.E, math.E * math.E}, []float64{1, math.E, math.E}); !near(got, 0.5) {
		t.Errorf("the slope of scattered points is %v", got)
	}
	for _, x := range [][]float64{{3}, {3, 3}} {
		if got := slope(x, []float64{1, 2}[:len(x)]); !math.IsNaN(got) {
			t.Errorf("the slope of %v is %v", x, got)
		}
	}
}

func TestStraight(t *testing.T) {
	if fixed, each := straight([]float64{1, 10, 250}, []float64{55 + 2.5, 55 + 25, 55 + 625}); !near(fixed, 55) || !near(each, 2.5) {
		t.Errorf("%v + %v·x", fixed, each)
	}
	// A point a tenth off at the upper end may not move the lower end by more than that.
	fixed, each := straight([]float64{1, 10, 1000}, []float64{101, 110, 1100 * 1.1})
	if low := fixed + each; low < 91 || low > 111 {
		t.Errorf("at 1 the line has %v, not about 101", low)
	}
}
