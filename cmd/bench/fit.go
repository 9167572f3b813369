package main

import "math"

// slope is the exponent b of the power law y = a·xᵇ that lies nearest to the points on axes that are both logarithmic, by
// least squares. It is NaN for fewer than two different x. All x and y must be above 0.
func slope(x, y []float64) float64 {
	logs := func(v []float64) []float64 {
		out := make([]float64, len(v))
		for i := range v {
			out[i] = math.Log(v[i])
		}
		return out
	}
	_, b := leastSquares(logs(x), logs(y), nil)
	return b
}

// straight is the line y = fixed + each·x whose relative errors have the smallest sum of squares: so that a point at the
// lower end weighs as much as one at the upper.
func straight(x, y []float64) (fixed, each float64) {
	weights := make([]float64, len(y))
	for i, v := range y {
		weights[i] = 1 / (v * v)
	}
	return leastSquares(x, y, weights)
}

// leastSquares is the line y = a + b·x with the least weighted sum of squared errors; without weights all weigh the same.
func leastSquares(x, y, weights []float64) (a, b float64) {
	var w, wx, wy, wxx, wxy float64
	for i := range x {
		weight := 1.0
		if weights != nil {
			weight = weights[i]
		}
		w += weight
		wx += weight * x[i]
		wy += weight * y[i]
		wxx += weight * x[i] * x[i]
		wxy += weight * x[i] * y[i]
	}
	d := w*wxx - wx*wx
	if d <= 1e-12*w*wxx {
		return math.NaN(), math.NaN()
	}
	b = (w*wxy - wx*wy) / d
	return (wy - b*wx) / w, b
}
