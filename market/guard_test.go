package market

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var guard = Guard{Factor: 20}

// prices are daily points from 1 March on; a price of 0 is there, NaN is a point without one.
func prices(values ...float64) []Point {
	points := make([]Point, len(values))
	for i, v := range values {
		points[i] = point(day(1)+int64(i)*Daily.Step(), v)
	}
	return points
}

func answer(points []Point) SeriesWrite {
	w := SeriesWrite{SeriesKey: SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: Daily}}
	w.Points, w.Source, w.FetchedAt = points, "test", t0
	w.Covers = Range{day(1), day(1) + int64(len(points))*Daily.Step()}
	return w
}

// heldBack are the indices of the points that were held back.
func heldBack(w SeriesWrite) []int {
	var out []int
	for _, q := range w.Quarantined {
		out = append(out, int((Daily.Snap(q.Stamp)-day(1))/Daily.Step()))
	}
	return out
}

func TestGuard(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name   string
		prices []float64
		want   []int
	}{
		{"calm", []float64{100, 101, 99, 102}, nil},
		{"a spike", []float64{100, 5000, 99, 102}, []int{1}},
		{"just not", []float64{100, 2000, 100}, nil},
		{"just", []float64{100, 2000.1, 100}, []int{1}},
		{"beyond one neighbour only", []float64{100, 2500, 150}, nil},
		{"downward", []float64{100, 4.9, 101}, []int{1}},
		{"down to nothing", []float64{100, 0, 101}, []int{1}},
		{"just not downward", []float64{100, 5, 101}, nil},
		{"neighbours that disagree", []float64{100, 5000, 201}, nil},
		{"neighbours that just agree", []float64{100, 5000, 200}, []int{1}},
		{"a crash goes on", []float64{100, 4, 0.1, 0.002, 0.001}, nil},
		{"a pump goes on", []float64{1, 30, 31, 32}, nil},
		{"two days are no spike", []float64{100, 5000, 5000, 100}, nil},
		{"at the edges nobody can tell", []float64{5000, 100, 100, 5000}, nil},
		{"two of them", []float64{1, 50, 1, 1, 0.01, 1}, []int{1, 4}},
		{"up and down in turn is what the market does", []float64{1, 50, 1, 50, 1}, nil},
		{"neighbours of nothing", []float64{0, 5000, 0}, nil},
		{"a point without a price between", []float64{100, nan, 5000, 100}, []int{2}},
		{"too far away", []float64{100, nan, nan, 5000, 100}, nil},
		{"tiny", []float64{1e-320, 1e-318, 1e-320}, []int{1}},
		{"huge", []float64{1e300, math.MaxFloat64, 1e300}, []int{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			given := prices(c.prices...)
			w := answer(slices.Clone(given))
			got := guard.Inspect(w, History{})
			if !slices.Equal(heldBack(got), c.want) {
				t.Errorf("held back %v, want %v", heldBack(got), c.want)
			}
			if len(got.Points)+len(got.Quarantined) != len(given) {
				t.Errorf("%d points became %d and %d", len(given), len(got.Points), len(got.Quarantined))
			}
			if off := (Guard{}).Inspect(w, History{}); len(off.Quarantined) != 0 {
				t.Error("a guard that is off held something back")
			}
		})
	}
}

// TestGuardAtTheEdges: neighbours may be stored, and a stored point is judged once it has both.
func TestGuardAtTheEdges(t *testing.T) {
	all := prices(100, 5000, 101, 102)
	first := answer(all[:2])
	first.Covers = Range{day(1), day(3)}
	if got := guard.Inspect(first, History{}); len(got.Quarantined) != 0 {
		t.Fatalf("held back without a successor: %+v", got.Quarantined)
	}
	h := History{}.Apply(first)
	next := answer(all[2:])
	next.Covers, next.FetchedAt = Range{day(3), day(5)}, t0.Add(time.Hour)
	got := guard.Inspect(next, h)
	if !slices.Equal(heldBack(got), []int{1}) || !got.Quarantined[0].At.Equal(next.FetchedAt) || got.Quarantined[0].Reason != "5000 is over 20 times both neighbours, 100 and 101" {
		t.Fatalf("held back %+v", got.Quarantined)
	}
	h = h.Apply(got)
	if len(h.Points) != 3 {
		t.Fatalf("served %+v", h.Points)
	}

	// Fetched again it is held back again, and after its release it stays.
	again := answer(prices(100, 5000, 101, 102))
	again.FetchedAt = t0.Add(2 * time.Hour)
	if got := guard.Inspect(again, h); !slices.Equal(heldBack(got), []int{1}) {
		t.Fatalf("fetched again: held back %v", heldBack(got))
	}
	h.Points = slices.Insert(h.Points, 1, all[1])
	if got := guard.Inspect(again, h); len(got.Quarantined) != 0 {
		t.Fatalf("released, and held back again: %+v", got.Quarantined)
	}
	again.Points[1].Price = 6000
	if got := guard.Inspect(again, h); !slices.Equal(heldBack(got), []int{1}) {
		t.Fatalf("released, and then another price: held back %v", heldBack(got))
	}
}

func TestGuardOfMetrics(t *testing.T) {
	for _, m := range AllMetrics() {
		w := answer(prices(100, 5000, 99))
		w.SeriesKey = SeriesKey{Asset: "bitcoin", Metric: m, Interval: Daily}
		want := m == ExchangeReserve || m == MVRV || m == Difficulty
		if got := len(guard.Inspect(w, History{}).Quarantined) > 0; got != want {
			t.Errorf("%s: held back %v, want %v", m, got, want)
		}
	}
}

// TestGuardProperties: nothing is lost, what is held back is as the rule says, and a second look finds nothing more in it.
func TestGuardProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step := rapid.SampledFrom([]float64{1, 1.1, 0.9, 30, 1 / 30.0, 1000, 1e-3})
		values, base := make([]float64, rapid.IntRange(0, 40).Draw(t, "n")), 100.0
		for i := range values {
			values[i] = base * step.Draw(t, "times")
			if rapid.Bool().Draw(t, "goes on") {
				base = values[i]
			}
			if rapid.IntRange(0, 9).Draw(t, "null") == 0 {
				values[i] = math.NaN()
			}
		}
		given := prices(values...)
		split := rapid.IntRange(0, len(given)).Draw(t, "split")
		// In two answers, one after the other.
		left, right := answer(given[:split]), answer(given[split:])
		left.Covers = Range{day(1), day(1) + int64(split)*Daily.Step()}
		right.Covers = Range{left.Covers.To, left.Covers.To + int64(len(given)-split)*Daily.Step()}
		l := guard.Inspect(left, History{})
		h := History{}.Apply(l)
		r := guard.Inspect(right, h)
		h = h.Apply(r)
		whole := guard.Inspect(answer(given), History{})
		if got := len(h.Points) + len(l.Quarantined) + len(r.Quarantined); got != len(given) {
			t.Fatalf("%d points became %d", len(given), got)
		}
		all := priced(given)
		for _, q := range whole.Quarantined {
			i := slices.IndexFunc(all, func(p Point) bool { return p.Stamp == q.Stamp })
			a, b := all[i-1].Price, all[i+1].Price
			if max(a, b) > 2*min(a, b) || q.Price <= 20*max(a, b) && q.Price >= min(a, b)/20 {
				t.Fatalf("%v was held back between %v and %v", q.Price, a, b)
			}
		}
		for _, p := range whole.Points {
			if slices.ContainsFunc(whole.Quarantined, func(q Quarantined) bool { return q.Stamp == p.Stamp }) {
				t.Fatalf("%+v is both held back and served", p)
			}
		}
	})
}
