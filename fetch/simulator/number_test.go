package simulator

import (
	"encoding/json"
	"math"
	"strconv"
	"testing"
)

func TestNumberForms(t *testing.T) {
	for _, c := range []struct {
		f    float64
		want string
	}{ // forms of recorded answers, but for the last five
		{0, "0.0"},
		{1, "1.0"},
		{27309.802923311734, "27309.802923311734"},
		{4.668340842558628e-05, "4.668340842558628e-05"},
		{1.39852e-10, "1.39852e-10"},
		{0.00069972, "0.00069972"},
		{38683033041994, "38683033041994.0"},
		{548412545554966, "548412545554966"},
		{5221982916522588, "5221982916522588"},
		{577115472021482.5, "577115472021482.5"},
		{1e-4, "0.0001"},
		{1e-05, "1e-05"},
		{2.5e16, "25000000000000000"},
		{1e17, "1e+17"},
		{math.NaN(), "null"},
	} {
		if got := string(appendFloat(nil, c.f)); got != c.want {
			t.Errorf("%v: got %s, want %s", c.f, got, c.want)
		}
	}
}

func TestQuoteRounding(t *testing.T) {
	for _, c := range []struct {
		f    float64
		coin bool
		want string
	}{ // the right sides are recorded
		{22872.4, false, "22872"},
		{268900.7, false, "268901"},
		{8447.1, false, "8447.1"},
		{594.5871, false, "594.59"},
		{20.001, false, "20.0"},
		{1.0003, false, "1.0"},
		{0.9957644, false, "0.995764"},
		{0.2395264, false, "0.239526"},
		{0.023708911, false, "0.02370891"},
		{0.000268312, false, "0.00026831"},
		{3.970001e-06, false, "3.97e-06"},
		{40.3449184, true, "40.344918"},
		{0.26975732, true, "0.26975732"},
		{0.009589531, true, "0.00958953"},
		{0.00030680004, true, "0.0003068"},
		{5.581952e-07, true, "5.58195e-07"},
		{1.398523e-10, true, "1.39852e-10"},
		{1, true, "1.0"},
		{0, false, "0"},
	} {
		if got := string(appendPrice(nil, c.f, decimals(c.f, c.coin))); got != c.want {
			t.Errorf("%v: got %s, want %s", c.f, got, c.want)
		}
	}
}

func TestPrecision(t *testing.T) {
	for _, c := range []struct {
		decimals int
		want     string
	}{{0, "42208"}, {1, "42208.2"}, {6, "42208.2"}, {8, "42208.20000001"}, {full, "42208.200000013"}} {
		if got := string(appendPrice(nil, 42208.200000013, c.decimals)); got != c.want {
			t.Errorf("%d decimals: got %s, want %s", c.decimals, got, c.want)
		}
	}
	if got := string(appendPrice(nil, math.NaN(), 2)); got != "null" {
		t.Errorf("NaN is %s", got)
	}
}

// Whatever the double, its text is JSON and reads back equal.
func FuzzNumberRoundTrip(f *testing.F) {
	for _, v := range []float64{0, -1, 22872, 3.97e-06, 1e14, 1e17, 5221982916522588, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v float64) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return // neither occurs but as null
		}
		text := appendFloat(nil, v)
		back, err := strconv.ParseFloat(string(text), 64)
		if err != nil || back != v || !json.Valid(text) {
			t.Errorf("%v became %s", v, text)
		}
		for d := range 19 {
			if price := appendPrice(nil, v, d); !json.Valid(price) {
				t.Errorf("%v with %d decimals became %s", v, d, price)
			}
		}
	})
}
